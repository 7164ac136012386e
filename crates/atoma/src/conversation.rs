//! The messages of a conversation, always in a state that a server accepts.

use atoma_types::{ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, Role};
use std::{fmt, io, mem, path::Path};

/// The messages of a conversation with a model.
///
/// It never holds a tool call without its result, because servers reject it in every later request:
/// an assistant message with tool calls joins [`messages`](Self::messages) when all of its results
/// have arrived. Until then it is [`pending`](Self::pending).
///
/// ```
/// use atoma::{ChatCompletionMessage, Conversation};
///
/// let mut conversation = Conversation::new("You are a helpful AI assistant");
/// conversation.push(ChatCompletionMessage::user("What is the capital of France?"))?;
/// conversation.push(ChatCompletionMessage::assistant("Paris."))?;
/// let request = conversation.request("meta-llama/Llama-3.3-70B-Instruct");
/// assert_eq!(request.messages.len(), 3);
/// # Ok::<(), atoma::ConversationError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    messages: Vec<ChatCompletionMessage>,
    /// An assistant message with tool calls, then the results so far.
    pending: Vec<ChatCompletionMessage>,
}

impl Conversation {
    /// Creates a conversation that begins with this system message.
    pub fn new(system: impl Into<String>) -> Self {
        let system = ChatCompletionMessage::system(system.into());
        Self { messages: vec![system], pending: Vec::new() }
    }

    /// Adds a message.
    ///
    /// # Errors
    ///
    /// The message does not fit: a tool result without a call that waits for it, or another message
    /// while calls wait for their results. The conversation is unchanged.
    pub fn push(&mut self, message: ChatCompletionMessage) -> Result<(), ConversationError> {
        match (message.role == Role::Tool, self.is_pending()) {
            (true, _) => return self.push_result(message),
            (false, true) => {
                let ids = self.unanswered().map(str::to_owned).collect();
                return Err(ConversationError(Why::CallsWait(ids)));
            }
            (false, false) if message.tool_calls.is_empty() => self.messages.push(message),
            (false, false) => self.pending.push(message),
        }
        Ok(())
    }

    /// Adds the message of a response, or of a partial response.
    ///
    /// Tool calls whose arguments are incomplete are left out. A response without a message adds
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_response(
        &mut self,
        response: &ChatCompletionResponse,
    ) -> Result<(), ConversationError> {
        let message = response.message_without_incomplete_tool_calls();
        message.map_or(Ok(()), |message| self.push(message))
    }

    fn push_result(&mut self, result: ChatCompletionMessage) -> Result<(), ConversationError> {
        let id = result.tool_call_id.as_deref().unwrap_or_default();
        if !self.unanswered().any(|known| known == id) {
            return Err(ConversationError(Why::NoSuchCall(id.to_owned())));
        }
        self.pending.push(result);
        if !self.is_pending() {
            self.messages.append(&mut self.pending);
        }
        Ok(())
    }

    /// Returns the messages, without those that are [`pending`](Self::pending).
    pub fn messages(&self) -> &[ChatCompletionMessage] {
        &self.messages
    }

    /// Returns the assistant message whose tool calls wait for results, and the results so far;
    /// empty if no call waits.
    pub fn pending(&self) -> &[ChatCompletionMessage] {
        &self.pending
    }

    /// Removes the pending messages and returns them, for example after the user rejected the
    /// calls.
    pub fn discard_pending(&mut self) -> Vec<ChatCompletionMessage> {
        mem::take(&mut self.pending)
    }

    /// Makes a request for the next message of the model. Pending messages are not part of it.
    pub fn request(&self, model: impl Into<String>) -> ChatCompletionRequest {
        ChatCompletionRequest::new(model, self.messages.iter().cloned())
    }

    /// Removes the oldest messages until `count`, summed over the messages, is at most `budget`, and
    /// returns how many were removed.
    ///
    /// System and developer messages at the beginning stay, and so does everything from the last
    /// user message on. Tool calls are removed together with their results, and the rest after
    /// the system messages begins with a user message. The sum can therefore stay above `budget`.
    ///
    /// `count` returns the tokens of one message, from a tokenizer or an estimate.
    ///
    /// ```
    /// # use atoma::{ChatCompletionMessage, Conversation};
    /// # let mut conversation = Conversation::new("Be brief.");
    /// let estimate = |message: &ChatCompletionMessage| 4 + message.text().len() / 4;
    /// conversation.trim(8192, estimate);
    /// ```
    pub fn trim(
        &mut self,
        budget: usize,
        mut count: impl FnMut(&ChatCompletionMessage) -> usize,
    ) -> usize {
        let is_instruction = |message: &ChatCompletionMessage| {
            matches!(message.role, Role::System | Role::Developer)
        };
        let head = self.messages.iter().take_while(|message| is_instruction(message)).count();
        let sizes: Vec<usize> = self.messages.iter().map(&mut count).collect();
        let mut total = sizes.iter().fold(0_usize, |sum, size| sum.saturating_add(*size));
        let mut end = head;
        // The cut moves from user message to user message, so that no call loses its result.
        for (index, message) in self.messages.iter().enumerate().skip(head) {
            if total <= budget {
                break;
            }
            if message.role == Role::User {
                let removed =
                    sizes[end..index].iter().fold(0_usize, |sum, size| sum.saturating_add(*size));
                total = total.saturating_sub(removed);
                end = index;
            }
        }
        self.messages.drain(head..end);
        end - head
    }

    /// Writes the messages as a JSON array; pending ones are not part of it.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.messages).unwrap_or_default()
    }

    /// Reads the output of [`to_json`](Self::to_json).
    ///
    /// # Errors
    ///
    /// The text is not a JSON array of messages, or a tool call has no result.
    pub fn from_json(json: &str) -> Result<Self, ConversationError> {
        let messages: Vec<ChatCompletionMessage> =
            serde_json::from_str(json).map_err(|error| ConversationError(Why::Json(error)))?;
        let mut conversation = Self::default();
        messages.into_iter().try_for_each(|message| conversation.push(message))?;
        match conversation.is_pending() {
            false => Ok(conversation),
            true => {
                let ids = conversation.unanswered().map(str::to_owned).collect();
                Err(ConversationError(Why::CallsWait(ids)))
            }
        }
    }

    /// Saves the messages to a file, as [`to_json`](Self::to_json) writes them.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        std::fs::write(path, self.to_json())
    }

    /// Loads the messages from a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or as [`from_json`](Self::from_json).
    pub fn load(path: impl AsRef<Path>) -> io::Result<Self> {
        let json = std::fs::read_to_string(path)?;
        Self::from_json(&json).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn is_pending(&self) -> bool {
        self.unanswered().next().is_some()
    }

    /// The ids of the calls that wait for a result. Calls that share an id, as some servers number
    /// them, need a result each.
    fn unanswered(&self) -> impl Iterator<Item = &str> {
        let calls = self.pending.first().map_or(&[][..], |message| &message.tool_calls);
        let results = self.pending.get(1..).unwrap_or_default().iter();
        let mut results: Vec<&str> =
            results.map(|result| result.tool_call_id.as_deref().unwrap_or_default()).collect();
        calls.iter().map(|call| call.id.as_str()).filter(move |id| {
            match results.iter().position(|result| result == id) {
                Some(place) => {
                    results.swap_remove(place);
                    false
                }
                None => true,
            }
        })
    }
}

/// A message that does not fit into a [`Conversation`].
pub struct ConversationError(Why);

#[derive(Debug)]
enum Why {
    CallsWait(Vec<String>),
    NoSuchCall(String),
    Json(serde_json::Error),
}

impl fmt::Display for ConversationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::CallsWait(ids) => {
                write!(
                    f,
                    "tool calls without a result: {}; push their results first",
                    ids.join(", ")
                )
            }
            Why::NoSuchCall(id) => write!(f, "no tool call waits for a result with the id {id:?}"),
            Why::Json(_) => f.write_str("not a JSON array of messages"),
        }
    }
}

/// The line and its cause; the reason as a value under `{:#?}`.
impl fmt::Debug for ConversationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_tuple("ConversationError").field(&self.0).finish();
        }
        atoma_transport::write_with_causes(f, self)
    }
}

impl std::error::Error for ConversationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Why::Json(error) => Some(error),
            Why::CallsWait(_) | Why::NoSuchCall(_) => None,
        }
    }
}
