//! The loop that runs the tools a model calls, and returns the results to it.

use crate::{
    Call, Chat, ChatEventStream, Error, Json, Reply, Result, Streamed, Tool,
    tool_step::{Approval, Hook, Step, ToolStep, for_history},
};
use atoma_types::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, ChatEvent, ChatModel,
    ToolCall, ToolChoice, Usage,
};
use std::{
    borrow::Cow,
    fmt,
    future::{Future, IntoFuture, poll_fn},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

impl Chat {
    /// Runs the tools that the model calls and sends it the results, until it makes no more calls.
    ///
    /// A call that names no known tool, whose arguments do not fit, or that fails is reported to the
    /// model, which may correct it. See [`ToolRun`].
    #[doc(alias("runTools", "tool_runner"))]
    pub fn run_tools(&self, request: ChatCompletionRequest, tools: &[Tool]) -> ToolRun {
        ToolRun::new(self.clone(), request, tools)
    }
}

/// A conversation that continues until the model makes no more tool calls; [`Chat::run_tools`]
/// returns it.
///
/// Await it for the whole run, or call [`next`](Self::next) to see each event. Nothing is sent
/// before that.
///
/// After an error, or after a future of [`next`](Self::next) was dropped, it still has the whole
/// history: [`messages`](Self::messages), [`steps`](Self::steps) and [`usage`](Self::usage).
///
/// ```
/// # async fn run(client: atoma::Client, request: atoma::ChatCompletionRequest, tools: Vec<atoma::Tool>) -> atoma::Result<()> {
/// let run = client.chat().run_tools(request, &tools).max_rounds(5).await?;
/// for step in run.steps() {
///     println!("{}({}) = {}", step.call.name(), step.call.function.arguments, step.content);
/// }
/// println!("{}", run.text());
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent unless you `.await` it or call `next`"]
pub struct ToolRun {
    chat: Chat,
    request: ChatCompletionRequest,
    tools: Vec<Tool>,
    hook: Option<Hook>,
    max_rounds: usize,
    concurrency: usize,
    is_streaming: bool,
    /// The number of messages in the original request.
    given: usize,
    rounds: usize,
    usage: Usage,
    steps: Vec<ToolStep>,
    response: ChatCompletionResponse,
    state: State,
}

/// An event of a [`ToolRun`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ToolEvent {
    /// An event of the stream that the model writes; only after [`ToolRun::streaming`].
    Chat(ChatEvent),
    /// The whole response of one round. Its tool calls run next; without any, it is the last event.
    Response(Box<ChatCompletionResponse>),
    /// A tool call has its result. Calls of one round come in the order in which they end.
    Step(ToolStep),
}

/// ```text
/// Ask ──► Waiting or Streaming ──► Running ──► Ask …
///                  └─ no tool calls ─► Done
/// ```
enum State {
    Ask,
    Waiting(Call<Json<ChatCompletionResponse>>),
    Opening(Call<Streamed<ChatModel>>),
    Streaming(Box<ChatEventStream>),
    Running(Round),
    Done,
    Failed(Error),
}

/// The tool calls of one response.
struct Round {
    message: ChatCompletionMessage,
    /// The calls that have not started, last first.
    waiting: Vec<(usize, ToolCall)>,
    running: Vec<(usize, Step)>,
    results: Vec<Option<ToolStep>>,
}

impl ToolRun {
    fn new(chat: Chat, mut request: ChatCompletionRequest, tools: &[Tool]) -> Self {
        let definitions = tools.iter().map(|tool| tool.definition().clone());
        let mut known = request.tools.take().unwrap_or_default();
        known.extend(definitions);
        request.tools = Some(known).filter(|tools| !tools.is_empty());
        Self {
            chat,
            given: request.messages.len(),
            request,
            tools: tools.to_vec(),
            hook: None,
            max_rounds: 10,
            concurrency: 8,
            is_streaming: false,
            rounds: 0,
            usage: Usage::default(),
            steps: Vec::new(),
            response: ChatCompletionResponse::default(),
            state: State::Ask,
        }
    }

    /// Limits the number of responses that the model generates. Default 10. If the last of them
    /// calls tools as well, the run fails with that response in [`Error::partial`], and those calls
    /// do not run.
    pub fn max_rounds(mut self, rounds: usize) -> Self {
        self.max_rounds = rounds;
        self
    }

    /// Limits the number of calls of one response that run at the same time. Default 8, at least 1.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// Streams the responses, so that [`next`](Self::next) returns [`ToolEvent::Chat`] as well.
    pub fn streaming(mut self) -> Self {
        self.is_streaming = true;
        self
    }

    /// Asks `hook` before each call of a known tool whose arguments are JSON. Default: every call is
    /// allowed. A call waits for its own approval only.
    ///
    /// ```
    /// # fn run(run: atoma::ToolRun) -> atoma::ToolRun {
    /// use atoma::Approval;
    ///
    /// run.approve(async |call: atoma::ToolCall| match call.name() {
    ///     "delete_file" => Approval::deny("the user does not allow this"),
    ///     _ => Approval::Allow,
    /// })
    /// # }
    /// ```
    pub fn approve<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(ToolCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Approval> + Send + 'static,
    {
        self.hook = Some(Arc::new(move |call| Box::pin(hook(call))));
        self
    }

    /// Returns the next event; `None` once the model makes no more tool calls.
    ///
    /// Cancel-safe: dropping the future loses nothing, and the next call continues with the same
    /// request or the same tools. To cancel the run, drop it.
    ///
    /// # Errors
    ///
    /// Every [`Error`] of a request, or the model still calls tools after
    /// [`max_rounds`](Self::max_rounds). Calling again returns the same error.
    pub async fn next(&mut self) -> Result<Option<ToolEvent>> {
        match self.advance().await {
            Err(error) => {
                self.state = State::Failed(error.clone());
                Err(error)
            }
            event => event,
        }
    }

    /// Runs to the end.
    ///
    /// Unlike awaiting the run, this leaves the run with the caller if it fails.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn finish(&mut self) -> Result<()> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// Returns the text of the last response; empty before the first.
    pub fn text(&self) -> Cow<'_, str> {
        self.response.text()
    }

    /// Returns the last response.
    pub fn response(&self) -> &ChatCompletionResponse {
        &self.response
    }

    /// Returns the tool calls that have a result, in the order in which they ended.
    pub fn steps(&self) -> &[ToolStep] {
        &self.steps
    }

    /// Returns the number of responses that the model has generated.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// Returns the tokens of all rounds together, details included, if the server reports them.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Returns the messages of the request and those of the run. Every call in them has its result,
    /// so they can be the messages of another request at any time.
    pub fn messages(&self) -> &[ChatCompletionMessage] {
        &self.request.messages
    }

    /// Returns the messages of the run without those of the request: to push them to a
    /// [`Conversation`](crate::Conversation).
    pub fn new_messages(&self) -> &[ChatCompletionMessage] {
        &self.request.messages[self.given..]
    }

    /// Each await below holds its state in `self`, which makes it cancel-safe.
    async fn advance(&mut self) -> Result<Option<ToolEvent>> {
        loop {
            match &mut self.state {
                State::Ask if self.is_streaming => {
                    self.state = State::Opening(self.chat.stream(self.request.clone()));
                }
                State::Ask => self.state = State::Waiting(self.chat.create(self.request.clone())),
                State::Waiting(call) => {
                    let response = call.await.map(Reply::into_inner)?;
                    return self.respond(response).map(Some);
                }
                State::Opening(call) => {
                    self.state = State::Streaming(Box::new(call.await?.events()));
                }
                State::Streaming(events) => {
                    if let Some(event) = events.try_next().await? {
                        return Ok(Some(ToolEvent::Chat(event)));
                    }
                    let response = events.as_stream().partial().unwrap_or_default();
                    return self.respond(response).map(Some);
                }
                State::Running(round) => {
                    round.start(self.concurrency, &self.tools, self.hook.as_ref());
                    if let Some(step) = poll_fn(|cx| round.poll_step(cx)).await {
                        self.steps.push(step.clone());
                        return Ok(Some(ToolEvent::Step(step)));
                    }
                    let messages = mem::take(round).into_messages();
                    self.request.messages.extend(messages);
                    self.state = State::Ask;
                }
                State::Done => return Ok(None),
                State::Failed(error) => return Err(error.clone()),
            }
        }
    }

    /// Takes the response of a round.
    fn respond(&mut self, response: ChatCompletionResponse) -> Result<ToolEvent> {
        self.rounds += 1;
        if let Some(usage) = response.usage() {
            self.usage = mem::take(&mut self.usage).plus(&usage);
        }
        let event = ToolEvent::Response(Box::new(response.clone()));
        let calls = response.tool_calls().to_vec();
        let message = response.message().cloned();
        self.response = response;
        self.state = State::Done;
        if calls.is_empty() {
            self.request.messages.extend(message);
        } else if self.rounds >= self.max_rounds {
            return Err(Error::tool_rounds(self.rounds, self.response.clone()));
        } else {
            self.state = State::Running(Round::new(message.unwrap_or_default(), calls));
            // A forced call has been made: forced again, the model would never finish.
            if matches!(
                self.request.tool_choice,
                Some(ToolChoice::Required | ToolChoice::Function(_))
            ) {
                self.request.tool_choice = Some(ToolChoice::Auto);
            }
        }
        Ok(event)
    }
}

impl Round {
    fn new(message: ChatCompletionMessage, calls: Vec<ToolCall>) -> Self {
        let results = calls.iter().map(|_| None).collect();
        let waiting = calls.into_iter().enumerate().rev().collect();
        Self { message, waiting, running: Vec::new(), results }
    }

    fn start(&mut self, concurrency: usize, tools: &[Tool], hook: Option<&Hook>) {
        while self.running.len() < concurrency {
            let Some((place, call)) = self.waiting.pop() else { return };
            self.running.push((place, Step::start(call, tools, hook)));
        }
    }

    /// Returns the step that ended first; `None` if none runs.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<ToolStep>> {
        for index in 0..self.running.len() {
            let (place, step) = &mut self.running[index];
            if let Poll::Ready(step) = step.poll(cx) {
                self.results[*place] = Some(step.clone());
                self.running.remove(index);
                return Poll::Ready(Some(step));
            }
        }
        if self.running.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }

    /// The message of the model, then the results in the order of its calls.
    fn into_messages(mut self) -> Vec<ChatCompletionMessage> {
        let steps: Vec<ToolStep> = self.results.into_iter().flatten().collect();
        self.message.tool_calls = steps.iter().map(|step| for_history(&step.call)).collect();
        let results =
            steps.into_iter().map(|step| ChatCompletionMessage::tool(step.call.id, step.content));
        std::iter::once(self.message).chain(results).collect()
    }
}

impl Default for Round {
    fn default() -> Self {
        Self::new(ChatCompletionMessage::default(), Vec::new())
    }
}

impl IntoFuture for ToolRun {
    type Output = Result<Self>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Self>> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            self.finish().await?;
            Ok(self)
        })
    }
}

impl fmt::Debug for ToolRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolRun")
            .field("rounds", &self.rounds)
            .field("steps", &self.steps.len())
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}
