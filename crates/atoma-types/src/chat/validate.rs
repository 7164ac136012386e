//! Checks of a chat request before it is sent.
//!
//! A check belongs here if every server rejects the value, or if Atoma's servers fail on it with an error 500: that looks like an
//! outage, is retried, and does not name the fault. Everything else is left to the server, which may know more than this crate.
//!
//! ```text
//! model ─► messages: role, nested members, images, results ─► numbers ─► logprobs ─► tools ─► format ─► extra
//! ```
//!
//! Each check has a way around it: a member that is set in `extra` is sent as it is.
use super::{
    content::{Content, ContentPart},
    message::{ChatCompletionMessage, Role},
    request::ChatCompletionRequest,
    response_format::ResponseFormat,
    tool::{ToolChoice, ToolKind},
};
use crate::validate::{
    InvalidRequest, check_counts, check_extra, check_model, check_nested, check_range, to_vec,
};
use std::collections::HashMap;

impl ChatCompletionRequest {
    /// Checks for values that no server accepts: required parts that are missing, numbers that are not finite, values outside the ranges of
    /// the reference, and members given twice.
    ///
    /// It also rejects requests for which Atoma's servers return an error 500, which costs three
    /// attempts: an image URL that is neither `http`, `https` nor `data`; a schema or `parameters`
    /// that is not an object; names of tools or schemas outside `[A-Za-z0-9_-]{1,64}`; two tools
    /// with one name; a `tool_choice` other than `none` without tools; a tool's message without the
    /// call of its result. To send any of them on purpose, set the member in [`extra`](Self::extra)
    /// instead of the field, or in the `extra` of the tool, message or part.
    ///
    /// # Errors
    ///
    /// The first fault: the name of the field, and a remedy.
    ///
    /// ```
    /// # use atoma_types::{ChatCompletionMessage, ChatCompletionRequest};
    /// let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")]).temperature(9.0);
    /// let error = request.validate().unwrap_err();
    /// assert_eq!(error.field(), "temperature");
    /// assert_eq!(error.to_string(), "invalid request: temperature must be from 0 to 2");
    /// ```
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        validate(self)
    }

    /// Returns the request as JSON, the body of a call. It is checked first, as [`validate`](Self::validate) does.
    ///
    /// # Errors
    ///
    /// The first fault.
    ///
    /// ```
    /// # use atoma_types::{ChatCompletionMessage, ChatCompletionRequest};
    /// let request = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")]);
    /// assert_eq!(request.to_vec()?, br#"{"messages":[{"role":"user","content":"Hello!"}],"model":"m"}"#);
    /// # Ok::<(), atoma_types::InvalidRequest>(())
    /// ```
    pub fn to_vec(&self) -> Result<Vec<u8>, InvalidRequest> {
        self.validate()?;
        to_vec(self)
    }
}

/// Finds the first fault of a request.
fn validate(request: &ChatCompletionRequest) -> Result<(), InvalidRequest> {
    check_model(&request.model, &request.extra)?;
    if request.messages.is_empty() && !request.extra.contains("messages") {
        return Err(InvalidRequest::new("messages", "is empty: add at least one message"));
    }
    for (place, message) in request.messages.iter().enumerate() {
        check_message(place, message)?;
        check_nested(&format_args!("messages[{place}]"), message)?;
        check_images(place, &message.content)?;
        check_result(place, message, &request.messages[..place])?;
    }
    check_range("frequency_penalty", request.frequency_penalty, -2, 2)?;
    check_range("presence_penalty", request.presence_penalty, -2, 2)?;
    check_range("temperature", request.temperature, 0, 2)?;
    check_range("top_p", request.top_p, 0, 1)?;
    for (token, bias) in request.logit_bias.iter().flatten() {
        check_range(&format!("logit_bias.{token}"), Some(*bias), -100, 100)?;
    }
    check_counts([
        ("max_completion_tokens", request.max_completion_tokens),
        ("max_tokens", request.max_tokens),
        ("n", request.n),
    ])?;
    if request.stop.as_ref().is_some_and(|stop| stop.len() > 4) {
        return Err(InvalidRequest::new("stop", "must have at most 4 texts"));
    }
    check_logprobs(request)?;
    check_tools(request)?;
    check_format(request)?;
    check_extra(request)
}

/// Checks that a message of a tool or a function says which call it belongs to.
fn check_message(place: usize, message: &ChatCompletionMessage) -> Result<(), InvalidRequest> {
    let names_a_call = message.tool_call_id.as_ref().is_some_and(|id| !id.is_empty());
    if message.role == Role::Tool && !names_a_call && !message.extra.contains("tool_call_id") {
        let field = format!("messages[{place}].tool_call_id");
        return Err(InvalidRequest::new(
            field,
            "is missing: a tool's message names the call that it has the result of",
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

/// Atoma's nodes fetch an image over HTTP or read it out of the URL; anything else is an error 500 there.
fn check_images(place: usize, content: &Content) -> Result<(), InvalidRequest> {
    let Content::Parts(parts) = content else { return Ok(()) };
    for (part_place, part) in parts.iter().enumerate() {
        let ContentPart::ImageUrl(part) = part else { continue };
        let image = &part.image_url;
        let is_extra = image.url.is_empty() && image.extra.contains("url");
        if !is_image_url(&image.url) && !is_extra {
            let field = format!("messages[{place}].content[{part_place}].image_url.url");
            return Err(InvalidRequest::new(field, "must be an http, https or data URL"));
        }
    }
    Ok(())
}

/// Returns whether a node can fetch or read an image from this URL.
fn is_image_url(url: &str) -> bool {
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty()),
        "data" => rest.contains(','),
        _ => false,
    }
}

/// The result of a tool call follows the message with the call.
fn check_result(
    place: usize,
    message: &ChatCompletionMessage,
    before: &[ChatCompletionMessage],
) -> Result<(), InvalidRequest> {
    let id = match &message.tool_call_id {
        Some(id) if message.role == Role::Tool && !id.is_empty() => id,
        _ => return Ok(()),
    };
    let has_call = |message: &ChatCompletionMessage| {
        message.extra.contains("tool_calls") || message.tool_calls.iter().any(|call| call.id == *id)
    };
    if before.iter().any(has_call) {
        return Ok(());
    }
    let field = format!("messages[{place}].tool_call_id");
    Err(InvalidRequest::new(
        field,
        "matches no tool call: no message before it has a call with this id",
    ))
}

/// Checks the tools: names, which must differ, schemas, and a choice that needs tools.
fn check_tools(request: &ChatCompletionRequest) -> Result<(), InvalidRequest> {
    let tools = request.tools.as_deref().unwrap_or_default();
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (place, tool) in tools.iter().enumerate() {
        check_nested(&format_args!("tools[{place}]"), tool)?;
        if tool.kind != ToolKind::Function || tool.extra.contains("function") {
            continue;
        }
        let (function, field) = (&tool.function, format!("tools[{place}].function"));
        check_nested(&field, function)?;
        let name_field = format!("{field}.name");
        if function.name.is_empty() && !function.extra.contains("name") {
            return Err(InvalidRequest::new(name_field, "is empty: name the function"));
        }
        if !function.name.is_empty() {
            if !is_name(&function.name) {
                return Err(InvalidRequest::new(name_field, NAME_RULE));
            }
            // With two tools of one name, the call of a model could mean either.
            if let Some(first) = names.insert(&function.name, place) {
                let remedy =
                    format!("is that of tools[{first}] as well: give each tool its own name");
                return Err(InvalidRequest::new(name_field, remedy));
            }
        }
        if function.parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
            return Err(InvalidRequest::new(field + ".parameters", SCHEMA_RULE));
        }
    }
    let needs_tools = match &request.tool_choice {
        None | Some(ToolChoice::None) => false,
        Some(ToolChoice::Other(choice)) => !choice.is_null() && choice != "none",
        Some(_) => true,
    };
    if needs_tools && tools.is_empty() && !request.extra.contains("tools") {
        return Err(InvalidRequest::new("tool_choice", "needs tools: add one, or choose none"));
    }
    Ok(())
}

/// Checks the name and the schema of a response format.
fn check_format(request: &ChatCompletionRequest) -> Result<(), InvalidRequest> {
    let Some(ResponseFormat::JsonSchema(format)) = &request.response_format else { return Ok(()) };
    let field = |name: &str| format!("response_format.json_schema.{name}");
    check_nested(&"response_format.json_schema", format)?;
    if !is_name(&format.name) && !format.extra.contains("name") {
        return Err(InvalidRequest::new(field("name"), NAME_RULE));
    }
    if format.schema.as_ref().is_some_and(|schema| !schema.is_object()) {
        return Err(InvalidRequest::new(field("schema"), SCHEMA_RULE));
    }
    Ok(())
}

const NAME_RULE: &str = "must be 1 to 64 letters (A to Z), digits, underscores or dashes";
const SCHEMA_RULE: &str = "must be a JSON object";

/// Returns whether a name follows [`NAME_RULE`].
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// Checks that likely tokens are requested together with the log probabilities that they are a part of.
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

#[cfg(test)]
mod tests;
