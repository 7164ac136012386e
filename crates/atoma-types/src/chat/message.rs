use super::{
    content::{Content, ContentPart, join},
    tool::{ToolCall, ToolKind},
};
use crate::{Extra, open_enum::open_enum, wire::object};
use serde_json::Value;
use std::borrow::Cow;

object! {
    /// A message of a conversation, from the caller or from the model.
    ///
    /// Both have one type, so the message of a response can be part of the next request unchanged,
    /// including unknown members.
    ///
    /// ```
    /// use atoma_types::ChatCompletionMessage;
    ///
    /// let messages = [
    ///     ChatCompletionMessage::system("You are a helpful AI assistant"),
    ///     ChatCompletionMessage::user("Hello!").name("John Doe"),
    /// ];
    /// ```
    #[doc(alias("ChatCompletionRequestMessage", "ChatCompletionResponseMessage", "ChatCompletionMessageParam"))]
    pub struct ChatCompletionMessage {
        /// The author.
        pub role: Role,
        /// The content. It is written even if it is empty, as in a message that only has tool calls.
        pub content: Content,
        /// The name of the author, to distinguish authors of one role.
        pub name: Option<String>,
        /// The model's explanation why it refuses.
        pub refusal: Option<String>,
        /// The model's reasoning, as vLLM, OpenRouter and Ollama name it.
        pub reasoning: Option<String>,
        /// The model's reasoning, as DeepSeek and SGLang name it.
        pub reasoning_content: Option<String>,
        /// The tool calls of the model.
        pub tool_calls: Vec<ToolCall>,
        /// The id of the call that a tool's message has the result of.
        pub tool_call_id: Option<String>,
        /// The function call of the model, in the form older than `tool_calls`.
        pub function_call: Option<Value>,
    }
}

open_enum! {
    /// The author of a message. A message without a role is the assistant's.
    pub enum Role = Assistant {
        /// Instructions to the model.
        System = "system",
        /// Instructions to the model, as newer models name them.
        Developer = "developer",
        /// The user of the assistant.
        User = "user",
        /// The model.
        Assistant = "assistant",
        /// The result of a tool call.
        Tool = "tool",
        /// The result of a function call, in the form older than tools.
        Function = "function",
    }
}

impl ChatCompletionMessage {
    /// Returns a message of any role.
    pub fn new(role: Role, content: impl Into<Content>) -> Self {
        Self { role, content: content.into(), ..Self::default() }
    }

    /// Instructions to the model.
    pub fn system(content: impl Into<Content>) -> Self {
        Self::new(Role::System, content)
    }

    /// Returns instructions to the model, as newer models name them. Atoma's reference does not list this role; its servers
    /// pass it on.
    pub fn developer(content: impl Into<Content>) -> Self {
        Self::new(Role::Developer, content)
    }

    /// Returns a message of the user.
    pub fn user(content: impl Into<Content>) -> Self {
        Self::new(Role::User, content)
    }

    /// Returns a message of the model.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// Returns a message of the model with tool calls.
    pub fn assistant_tool_calls(calls: impl IntoIterator<Item = ToolCall>) -> Self {
        Self { tool_calls: calls.into_iter().collect(), ..Self::assistant("") }
    }

    /// Returns the result of the tool call with this id.
    pub fn tool(tool_call_id: impl Into<String>, content: impl Into<Content>) -> Self {
        Self { tool_call_id: Some(tool_call_id.into()), ..Self::new(Role::Tool, content) }
    }

    /// Sets the name of the author.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a part to the content. Existing text becomes the first part.
    #[must_use]
    pub fn part(mut self, part: ContentPart) -> Self {
        self.content.parts_mut().push(part);
        self
    }

    /// Returns the text, parts joined, without the model's reasoning.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.content.text()
    }

    /// Returns the model's reasoning, under whichever name the server sends it, once.
    #[must_use]
    pub fn reasoning(&self) -> Option<Cow<'_, str>> {
        reasoning(
            self.reasoning_content.as_deref(),
            self.reasoning.as_deref(),
            Some(&self.content),
            &self.extra,
        )
    }
}

/// Returns the message without members that servers reject in a request; `None` if it has none.
///
/// Responses have members that requests must not have: `null`s, and the `index` of a call. Empty
/// arguments are not JSON, which some servers parse.
pub(crate) fn for_request(message: &ChatCompletionMessage) -> Option<ChatCompletionMessage> {
    let is_null = |extra: &Extra| extra.iter().any(|(_, value)| value.is_null());
    let is_blank = |call: &ToolCall| {
        let arguments = call.function.arguments.trim_ascii();
        call.kind == ToolKind::Function && (arguments.is_empty() || arguments == "null")
    };
    let is_unfit = |call: &ToolCall| {
        is_null(&call.extra)
            || is_null(&call.function.extra)
            || call.extra.contains("index")
            || is_blank(call)
    };
    if !is_null(&message.extra) && !message.tool_calls.iter().any(is_unfit) {
        return None;
    }
    let mut message = message.clone();
    message.extra.remove_nulls();
    for call in &mut message.tool_calls {
        call.extra.remove("index");
        call.extra.remove_nulls();
        call.function.extra.remove_nulls();
        if is_blank(call) {
            call.function.arguments = "{}".to_owned();
        }
    }
    Some(message)
}

/// Members that hold the reasoning as text, of servers that use neither of the two fields. In a stream it comes in pieces.
pub(crate) const REASONING_TEXTS: [&str; 6] =
    ["reasoning_text", "thinking", "thinking_content", "thought", "thoughts", "reasoning_summary"];

/// The reasoning of a message or a delta: two fields, a kind of part, and vendors' members with one meaning.
pub(crate) fn reasoning<'a>(
    reasoning_content: Option<&'a str>,
    reasoning: Option<&'a str>,
    content: Option<&'a Content>,
    extra: &'a Extra,
) -> Option<Cow<'a, str>> {
    let written =
        [reasoning_content, reasoning].into_iter().flatten().find(|text| !text.is_empty());
    if let Some(text) = written {
        return Some(Cow::Borrowed(text));
    }
    let thinking = content.map(Content::thinking).filter(|text| !text.is_empty());
    if extra.is_empty() { thinking } else { thinking.or_else(|| reasoning_in_members(extra)) }
}

/// The reasoning in members without a field. Those of the two fields are among them if they are not text.
#[cold]
fn reasoning_in_members(extra: &Extra) -> Option<Cow<'_, str>> {
    let lists = ["reasoning_content", "reasoning", "reasoning_details", "thinking_blocks"];
    let names = REASONING_TEXTS.into_iter().chain(lists);
    names.filter_map(|name| extra.get(name)).map(reasoning_in).find(|text| !text.is_empty())
}

/// The text of `reasoning_details` or `thinking_blocks`: a string, an entry, or a list of either. Encrypted entries have none.
fn reasoning_in(details: &Value) -> Cow<'_, str> {
    match details {
        Value::String(text) => Cow::Borrowed(text),
        Value::Array(list) => join(list.iter().map(reasoning_in).filter(|text| !text.is_empty())),
        Value::Object(entry) => ["text", "summary", "thinking", "content", "reasoning"]
            .into_iter()
            .filter_map(|name| entry.get(name))
            .map(reasoning_in)
            .find(|text| !text.is_empty())
            .unwrap_or_default(),
        _ => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn content_is_always_written() {
        for wire in
            [json!({"content": null}), json!({}), json!({"content": []}), json!({"content": ""})]
        {
            let message: ChatCompletionMessage = from_value(wire).unwrap();
            assert_eq!(to_value(&message).unwrap(), json!({"role": "assistant", "content": ""}));
        }
    }

    #[test]
    fn a_message_goes_back_unchanged() {
        let wire = json!({
            "role": "assistant", "content": "", "annotations": null, "reasoning_details": [{"data": "x"}],
            "tool_calls": [{"id": "call_1", "type": "function", "extra_content": {"google": {"thought_signature": "s"}},
                "function": {"name": "f", "arguments": "{}"}}],
        });
        let message: ChatCompletionMessage = from_value(wire.clone()).unwrap();
        assert_eq!(to_value(&message).unwrap(), wire);
    }

    #[test]
    fn reasoning_is_never_doubled() {
        let both: ChatCompletionMessage =
            from_value(json!({"reasoning": "r", "reasoning_content": "r"})).unwrap();
        assert_eq!(both.reasoning().as_deref(), Some("r"));
        let empty: ChatCompletionMessage =
            from_value(json!({"reasoning": "r", "reasoning_content": ""})).unwrap();
        assert_eq!(empty.reasoning().as_deref(), Some("r"));
        let details =
            json!({"reasoning_details": [{"type": "reasoning.text", "text": "r"}, {"data": "x"}]});
        let details: ChatCompletionMessage = from_value(details).unwrap();
        assert_eq!(details.reasoning().as_deref(), Some("r"));
        let none: ChatCompletionMessage =
            from_value(json!({"reasoning": "", "content": "a"})).unwrap();
        assert_eq!(none.reasoning(), None);
    }

    #[test]
    fn parts_of_every_kind() {
        let wire = json!({"role": "assistant", "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}], "closed": true},
            {"type": "text", "text": "a", "annotations": []},
            {"type": "image_url", "image_url": {"url": "u", "detail": "high", "x": 1}, "y": 2},
            {"type": "input_audio", "input_audio": {}},
        ]});
        let message: ChatCompletionMessage = from_value(wire.clone()).unwrap();
        assert_eq!(message.text(), "a");
        assert_eq!(message.reasoning().as_deref(), Some("Hm"));
        assert_eq!(to_value(&message).unwrap(), wire);
    }

    #[test]
    fn odd_contents_are_read_where_their_meaning_is_plain() {
        for (wire, text) in [
            (json!({"type": "text", "text": "a"}), "a"),
            (json!(["a", {"text": "b"}, null]), "ab"),
            (json!(42), "42"),
        ] {
            let message: ChatCompletionMessage = from_value(json!({"content": wire})).unwrap();
            assert_eq!(message.text(), text);
        }
    }
}
