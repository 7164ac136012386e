use std::fmt;

use super::message::{ChatCompletionMessage, Role};
use super::request::ChatCompletionRequest;
use super::tool::ToolKind;

/// A request that no server can take: which field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRequest {
    field: String,
    remedy: String,
}

impl InvalidRequest {
    /// The name of the field that is at fault, as on the wire: `temperature`, `messages[2].tool_call_id`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What serializing failed at: a field, and what is wrong with it.
    pub(crate) fn unwritable(why: &str) -> Self {
        let (field, fault) = why.split_once(' ').unwrap_or((why, ""));
        Self::new(field, fault)
    }

    fn new(field: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid request: {} {}", self.field, self.remedy)
    }
}

impl std::error::Error for InvalidRequest {}

/// Finds the first fault of a request.
pub(crate) fn validate(request: &ChatCompletionRequest) -> Result<(), InvalidRequest> {
    if request.model.chars().all(char::is_whitespace) && !request.extra.contains("model") {
        return Err(InvalidRequest::new("model", "is empty: name a model of the server"));
    }
    if request.messages.is_empty() && !request.extra.contains("messages") {
        return Err(InvalidRequest::new("messages", "is empty: add at least one message"));
    }
    for (place, message) in request.messages.iter().enumerate() {
        check_message(place, message)?;
    }
    within("frequency_penalty", request.frequency_penalty, -2, 2)?;
    within("presence_penalty", request.presence_penalty, -2, 2)?;
    within("temperature", request.temperature, 0, 2)?;
    within("top_p", request.top_p, 0, 1)?;
    for (token, bias) in request.logit_bias.iter().flatten() {
        within(&format!("logit_bias.{token}"), Some(*bias), -100, 100)?;
    }
    for (field, count) in [
        ("max_completion_tokens", request.max_completion_tokens),
        ("max_tokens", request.max_tokens),
        ("n", request.n),
    ] {
        if count == Some(0) {
            return Err(InvalidRequest::new(field, "must be at least 1"));
        }
    }
    if request.stop.as_ref().is_some_and(|stop| stop.len() > 4) {
        return Err(InvalidRequest::new("stop", "must have at most 4 texts"));
    }
    check_logprobs(request)?;
    for (place, tool) in request.tools.iter().flatten().enumerate() {
        if tool.kind == ToolKind::Function && tool.function.name.is_empty() && tool.extra.is_empty()
        {
            let field = format!("tools[{place}].function.name");
            return Err(InvalidRequest::new(field, "is empty: name the function"));
        }
    }
    match request.repeated_member() {
        Some(name) => {
            Err(InvalidRequest::new(name, "is set twice: as a field and as an extra member"))
        }
        None => Ok(()),
    }
}

fn check_message(place: usize, message: &ChatCompletionMessage) -> Result<(), InvalidRequest> {
    let answers_a_call = message.tool_call_id.as_ref().is_some_and(|id| !id.is_empty());
    if message.role == Role::Tool && !answers_a_call && !message.extra.contains("tool_call_id") {
        let field = format!("messages[{place}].tool_call_id");
        return Err(InvalidRequest::new(
            field,
            "is missing: a tool's message names the call it answers",
        ));
    }
    if message.role == Role::Function && message.name.is_none() && !message.extra.contains("name") {
        let field = format!("messages[{place}].name");
        return Err(InvalidRequest::new(
            field,
            "is missing: a function's message names the function",
        ));
    }
    Ok(())
}

fn check_logprobs(request: &ChatCompletionRequest) -> Result<(), InvalidRequest> {
    let Some(top_logprobs) = request.top_logprobs else { return Ok(()) };
    if top_logprobs > 20 {
        return Err(InvalidRequest::new("top_logprobs", "must be from 0 to 20"));
    }
    if top_logprobs > 0 && request.logprobs != Some(true) && !request.extra.contains("logprobs") {
        return Err(InvalidRequest::new("top_logprobs", "needs logprobs to be true"));
    }
    Ok(())
}

fn within(field: &str, value: Option<f32>, least: i8, most: i8) -> Result<(), InvalidRequest> {
    match value {
        Some(value) if !value.is_finite() => {
            Err(InvalidRequest::new(field, "is not a finite number"))
        }
        Some(value) if !(f32::from(least)..=f32::from(most)).contains(&value) => {
            Err(InvalidRequest::new(field, format!("must be from {least} to {most}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChatCompletionToolsParam;

    fn request() -> ChatCompletionRequest {
        ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")])
    }

    #[test]
    fn each_fault_is_told_with_its_field() {
        let tool = ChatCompletionMessage::new(Role::Tool, "x");
        for (request, text) in [
            (request().model(" "), "model is empty: name a model of the server"),
            (request().messages([]), "messages is empty: add at least one message"),
            (
                request().message(tool),
                "messages[1].tool_call_id is missing: a tool's message names the call it answers",
            ),
            (request().temperature(2.1), "temperature must be from 0 to 2"),
            (request().temperature(f32::NAN), "temperature is not a finite number"),
            (request().frequency_penalty(-2.5), "frequency_penalty must be from -2 to 2"),
            (request().presence_penalty(3.0), "presence_penalty must be from -2 to 2"),
            (request().top_p(1.01), "top_p must be from 0 to 1"),
            (request().logit_bias([("7", 101.0)]), "logit_bias.7 must be from -100 to 100"),
            (request().n(0), "n must be at least 1"),
            (request().max_tokens(0), "max_tokens must be at least 1"),
            (request().max_completion_tokens(0), "max_completion_tokens must be at least 1"),
            (request().stop(["a"; 5]), "stop must have at most 4 texts"),
            (
                request().tool(ChatCompletionToolsParam::function("")),
                "tools[0].function.name is empty: name the function",
            ),
            (request().logprobs(true).top_logprobs(21), "top_logprobs must be from 0 to 20"),
            (request().top_logprobs(1), "top_logprobs needs logprobs to be true"),
            (request().n(1).extra("n", 2), "n is set twice: as a field and as an extra member"),
        ] {
            let error = request.validate().unwrap_err();
            assert_eq!(error.to_string(), format!("invalid request: {text}"));
        }
    }

    #[test]
    fn the_edges_of_the_ranges_are_right() {
        for request in [
            request().temperature(0.0),
            request().temperature(2.0).frequency_penalty(-2.0).presence_penalty(2.0).top_p(0.0),
            request().logprobs(true).top_logprobs(20).stop(["a"; 4]).n(1),
            request().logit_bias([("1", -100.0), ("2", 100.0)]),
            request().message(ChatCompletionMessage::tool("call_0", "")),
            request().extra("temperature", 9),
        ] {
            assert_eq!(request.validate(), Ok(()));
        }
    }
}
