use super::{
    message::{ChatCompletionMessage, Role},
    request::ChatCompletionRequest,
    response::ChatCompletionResponse,
    usage::Usage,
};

/// The way to ask a server to continue a truncated response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Continuation {
    /// The partial message is the last one of the request, and the server continues it: vLLM's
    /// `continue_final_message`, with `add_generation_prompt` set to false. The model continues in
    /// the middle of a word.
    FinalMessage,
    /// The partial message is followed by a user message that asks the model to continue: for every other server. The model may
    /// repeat a few words.
    Instruction(String),
}

/// The number of tokens of a response, counted by the server or estimated.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct UsageReport {
    /// The numbers of tokens.
    pub usage: Usage,
    /// Whether they are an estimate, because the server reported none.
    pub is_estimate: bool,
}

impl Continuation {
    /// Asks the model in English to continue exactly where it stopped.
    #[must_use]
    pub fn instruction() -> Self {
        let text = "Continue exactly where your last message stopped. Do not repeat any of it.";
        Self::Instruction(text.to_owned())
    }
}

impl ChatCompletionResponse {
    /// Makes the request that continues this partial response; `request` is the original one.
    ///
    /// Join the new response to this one with [`joined`](Self::joined). Of several choices only the first is continued. Tool
    /// calls are not continued: those that are incomplete
    /// are left out, and a response with complete ones needs their results first. `None` if there is no text to continue, or
    /// there are complete tool calls.
    ///
    /// ```
    /// use atoma_types::{ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, Continuation};
    ///
    /// let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Count to five.")]);
    /// let partial = ChatCompletionResponse::from_slice(br#"{"choices": [{"message": {"content": "One, two, th"}}]}"#)?;
    /// let next = partial.continue_request(&request, Continuation::FinalMessage).unwrap();
    /// assert_eq!(next.messages[1].text(), "One, two, th");
    ///
    /// let rest = ChatCompletionResponse::from_slice(br#"{"choices": [{"message": {"content": "ree."}}]}"#)?;
    /// assert_eq!(partial.joined(rest).text(), "One, two, three.");
    /// # Ok::<(), atoma_types::ParseError>(())
    /// ```
    #[must_use]
    pub fn continue_request(
        &self,
        request: &ChatCompletionRequest,
        by: Continuation,
    ) -> Option<ChatCompletionRequest> {
        let partial = self.message_without_incomplete_tool_calls()?;
        let text = partial.text();
        if text.is_empty() || !partial.tool_calls.is_empty() {
            return None;
        }
        let message = ChatCompletionMessage {
            name: partial.name.clone(),
            ..ChatCompletionMessage::assistant(text.into_owned())
        };
        // Only the first choice is continued: more would be joined to texts that they do not belong to.
        let next = ChatCompletionRequest { stream: None, n: None, ..request.clone() };
        let next = next.message(message);
        Some(match by {
            Continuation::FinalMessage => {
                next.extra("continue_final_message", true).extra("add_generation_prompt", false)
            }
            Continuation::Instruction(text) => next.message(ChatCompletionMessage::user(text)),
        })
    }

    /// Joins a continuation to this partial response: one response, as if it had never been truncated.
    ///
    /// Text, reasoning, refusal, tool calls and log probabilities of each choice are joined, usage is added up, and the
    /// continuation's finish reasons count. The id is that of the first response. Incomplete tool calls of the first are
    /// dropped.
    #[must_use]
    pub fn joined(&self, continuation: Self) -> Self {
        let mut whole = self.clone();
        if let Some(more) = continuation.usage {
            whole.usage = Some(whole.usage.map_or_else(|| more.clone(), |known| known.plus(&more)));
        }
        for later in continuation.choices {
            let Some(known) = whole.choices.iter_mut().find(|known| known.index == later.index)
            else {
                whole.choices.push(later);
                continue;
            };
            let (message, more) = (&mut known.message, later.message);
            message.tool_calls.retain(|call| call.arguments_json().is_ok());
            message.content.append(&more.content);
            message.tool_calls.extend(more.tool_calls);
            for (text, more) in [
                (&mut message.refusal, more.refusal),
                (&mut message.reasoning, more.reasoning),
                (&mut message.reasoning_content, more.reasoning_content),
            ] {
                if let Some(more) = more {
                    text.get_or_insert_with(String::new).push_str(&more);
                }
            }
            if let Some(more) = &later.logprobs {
                known.logprobs.get_or_insert_default().append(more);
            }
            known.finish_reason = later.finish_reason;
            known.stop_reason = later.stop_reason;
        }
        whole
    }

    /// Returns the usage that the server reported, or else an estimate that is marked as such.
    ///
    /// A stream that was cancelled or truncated has no usage on most servers, although its tokens are billed; servers that
    /// know [`continuous_usage_stats`](crate::StreamOptions::continuous_usage_stats) report it in every chunk. `count` returns
    /// the number of tokens in a text, from a tokenizer or by a rule of thumb.
    ///
    /// ```
    /// # use atoma_types::{ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse};
    /// let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")]);
    /// let partial = ChatCompletionResponse::from_slice(br#"{"choices": [{"message": {"content": "Hello the"}}]}"#)?;
    /// let report = partial.usage_or_estimate(&request, |text| text.len().div_ceil(4));
    /// assert!(report.is_estimate);
    /// assert_eq!(report.usage.completion_tokens, 3);
    /// # Ok::<(), atoma_types::ParseError>(())
    /// ```
    #[must_use]
    pub fn usage_or_estimate(
        &self,
        request: &ChatCompletionRequest,
        mut count: impl FnMut(&str) -> usize,
    ) -> UsageReport {
        if let Some(usage) = self.usage() {
            return UsageReport { usage: usage.into_owned(), is_estimate: false };
        }
        let mut of = |message: &ChatCompletionMessage| {
            let mut tokens = count(&message.text());
            tokens += message
                .reasoning()
                .filter(|_| message.role == Role::Assistant)
                .map_or(0, |text| count(&text));
            let arguments = message.tool_calls.iter().map(|call| count(&call.function.arguments));
            u64::try_from(tokens + arguments.sum::<usize>()).unwrap_or(u64::MAX)
        };
        let prompt: u64 = request.messages.iter().map(&mut of).sum();
        let completion: u64 = self.choices.iter().map(|choice| of(&choice.message)).sum();
        let usage = Usage {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt + completion,
            ..Usage::default()
        };
        UsageReport { usage, is_estimate: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json, to_value};

    fn response(message: Value, finish: Option<&str>) -> ChatCompletionResponse {
        let mut choice = json!({"index": 0});
        choice["message"] = message;
        choice["finish_reason"] = json!(finish);
        from_value(json!({"id": "a", "choices": [choice]})).unwrap()
    }

    fn request() -> ChatCompletionRequest {
        ChatCompletionRequest::new("m", [ChatCompletionMessage::user("u")]).temperature(0.5)
    }

    #[test]
    fn a_partial_text_is_continued_and_nothing_else() {
        let call = |arguments: &str| json!([{"id": "1", "function": {"name": "f", "arguments": arguments}}]);
        let cases = [
            ("text", json!({"content": "one"}), true),
            ("no text", json!({"content": ""}), false),
            ("reasoning alone", json!({"reasoning_content": "hm"}), false),
            (
                "text and a truncated call",
                json!({"content": "one", "tool_calls": call("{\"a\":")}),
                true,
            ),
            (
                "text and a complete call",
                json!({"content": "one", "tool_calls": call("{}")}),
                false,
            ),
        ];
        for (name, message, is_continued) in cases {
            let partial = response(message, None);
            let next = partial.continue_request(&request(), Continuation::FinalMessage);
            assert_eq!(next.is_some(), is_continued, "{name}");
            let Some(next) = next else { continue };
            next.validate().unwrap();
            let wire = to_value(&next).unwrap();
            assert_eq!(
                wire["messages"][1],
                json!({"role": "assistant", "content": "one"}),
                "{name}"
            );
            assert_eq!(wire["continue_final_message"], json!(true), "{name}");
            assert_eq!(wire["add_generation_prompt"], json!(false), "{name}");
            assert_eq!(wire["temperature"], json!(0.5), "{name}");
        }
    }

    #[test]
    fn of_several_choices_the_first_is_continued() {
        let choice = |index: u32, text: &str| json!({"index": index, "message": {"content": text}});
        let partial: ChatCompletionResponse =
            from_value(json!({"choices": [choice(0, "one "), choice(1, "uno ")]})).unwrap();
        let next = partial.continue_request(&request().n(2), Continuation::FinalMessage).unwrap();
        assert_eq!(next.n, None);
        assert_eq!(next.messages[1].text(), "one ");
        let whole = partial.joined(response(json!({"content": "two"}), Some("stop")));
        let texts: Vec<_> = whole.choices.iter().map(|choice| choice.message.text()).collect();
        assert_eq!(texts, ["one two", "uno "]);
    }

    #[test]
    fn other_servers_are_asked_by_a_message() {
        let partial = response(json!({"content": "one"}), None);
        let next = partial.continue_request(&request(), Continuation::instruction()).unwrap();
        let roles: Vec<&str> = next.messages.iter().map(|message| message.role.as_str()).collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        assert!(next.extra.is_empty());
    }

    #[test]
    fn joined_responses_read_as_one() {
        let mut first = response(json!({"content": "one ", "reasoning_content": "h"}), None);
        first.usage =
            from_value(json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}))
                .unwrap();
        let mut second = response(
            json!({"content": "two", "reasoning_content": "m", "refusal": "no"}),
            Some("stop"),
        );
        second.usage =
            from_value(json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}))
                .unwrap();
        let whole = first.joined(second);
        assert_eq!(whole.text(), "one two");
        assert_eq!(whole.message().unwrap().reasoning().unwrap(), "hm");
        assert_eq!(whole.message().unwrap().refusal.as_deref(), Some("no"));
        assert_eq!(whole.finish_reason().unwrap().as_str(), "stop");
        let usage = whole.usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (4, 6, 10));
    }

    #[test]
    fn reported_usage_is_not_estimated() {
        let mut partial = response(json!({"content": "one"}), None);
        partial.usage = from_value(json!({"prompt_tokens": 1, "completion_tokens": 2})).unwrap();
        let report = partial.usage_or_estimate(&request(), |_| panic!("nothing to estimate"));
        assert!(!report.is_estimate);
        assert_eq!(report.usage.total_tokens, 3);
    }
}
