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
        check_answer(place, message, &request.messages[..place])?;
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

fn check_message(place: usize, message: &ChatCompletionMessage) -> Result<(), InvalidRequest> {
    let answers_a_call = message.tool_call_id.as_ref().is_some_and(|id| !id.is_empty());
    if message.role == Role::Tool && !answers_a_call && !message.extra.contains("tool_call_id") {
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

fn is_image_url(url: &str) -> bool {
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty()),
        "data" => rest.contains(','),
        _ => false,
    }
}

/// The result of a tool call follows the message with the call.
fn check_answer(
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

fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(is_allowed)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChatCompletionToolsParam, ToolCall};
    use serde_json::json;

    fn request() -> ChatCompletionRequest {
        ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")])
    }

    #[test]
    fn each_fault_is_reported_with_its_field() {
        let tool = ChatCompletionMessage::new(Role::Tool, "x");
        for (request, text) in [
            (request().model(" "), "model is empty: name a model of the server"),
            (request().messages([]), "messages is empty: add at least one message"),
            (
                request().message(tool),
                "messages[1].tool_call_id is missing: a tool's message names the call that it has the result of",
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
            request().messages([
                ChatCompletionMessage::assistant_tool_calls([ToolCall::function(
                    "call_0", "f", "{}",
                )]),
                ChatCompletionMessage::tool("call_0", ""),
            ]),
            request().extra("temperature", 9),
        ] {
            assert_eq!(request.validate(), Ok(()));
        }
    }

    fn function(name: &str) -> ChatCompletionToolsParam {
        ChatCompletionToolsParam::function(name)
    }

    /// Name, a request with the fault, the error, and the way to send it on purpose.
    #[test]
    fn requests_that_cost_three_attempts_are_refused_unless_sent_on_purpose() {
        let image = |url: &str| {
            ChatCompletionMessage::user("What is this?").part(ContentPart::image_url(url))
        };
        let format = |name: &str, schema| {
            request().response_format(ResponseFormat::json_schema(name, schema))
        };
        let parameters = |schema| request().tool(function("f").parameters(schema));
        let image_text = "messages[1].content[1].image_url.url must be an http, https or data URL";
        let name_text = "must be 1 to 64 letters (A to Z), digits, underscores or dashes";
        let long = "x".repeat(65);
        for (fault, text, on_purpose) in [
            (request().message(image("/home/me/cat.png")), image_text.to_owned(), "messages"),
            (request().message(image("cat.png")), image_text.to_owned(), "messages"),
            (request().message(image("file:///cat.png")), image_text.to_owned(), "messages"),
            (request().message(image("")), image_text.to_owned(), "messages"),
            (request().message(image("http:cat.png")), image_text.to_owned(), "messages"),
            (request().message(image("https://")), image_text.to_owned(), "messages"),
            (request().message(image("data:image/png;base64")), image_text.to_owned(), "messages"),
            (parameters(json!([])), "tools[0].function.parameters must be a JSON object".to_owned(), "tools"),
            (parameters(json!("{}")), "tools[0].function.parameters must be a JSON object".to_owned(), "tools"),
            (
                format("f", json!(true)),
                "response_format.json_schema.schema must be a JSON object".to_owned(),
                "response_format",
            ),
            (format("a b", json!({})), format!("response_format.json_schema.name {name_text}"), "response_format"),
            (format("", json!({})), format!("response_format.json_schema.name {name_text}"), "response_format"),
            (request().tool(function("get weather")), format!("tools[0].function.name {name_text}"), "tools"),
            (request().tool(function("wetter_für")), format!("tools[0].function.name {name_text}"), "tools"),
            (request().tool(function(&long)), format!("tools[0].function.name {name_text}"), "tools"),
            (
                request().tools([function("f"), function("g"), function("f")]),
                "tools[2].function.name is that of tools[0] as well: give each tool its own name".to_owned(),
                "tools",
            ),
            (
                request().tool_choice(ToolChoice::Auto),
                "tool_choice needs tools: add one, or choose none".to_owned(),
                "tool_choice",
            ),
            (
                request().tools([]).tool_choice(ToolChoice::function("f")),
                "tool_choice needs tools: add one, or choose none".to_owned(),
                "tool_choice",
            ),
            (
                request().message(ChatCompletionMessage::tool("call_1", "x")),
                "messages[1].tool_call_id matches no tool call: no message before it has a call with this id".to_owned(),
                "messages",
            ),
        ] {
            let error = fault.validate().unwrap_err();
            assert_eq!(error.to_string(), format!("invalid request: {text}"));
            let wire = serde_json::to_value(&fault).unwrap();
            let mut sent = fault;
            match on_purpose {
                "messages" => sent.messages.clear(),
                "tools" => sent.tools = None,
                "response_format" => sent.response_format = None,
                _ => sent.tool_choice = None,
            }
            let sent = sent.extra(on_purpose, wire[on_purpose].clone());
            assert_eq!(sent.validate(), Ok(()), "{text}");
            assert_eq!(serde_json::to_value(&sent).unwrap(), wire, "{text}");
        }
    }

    #[test]
    fn usual_images_schemas_and_tools_are_accepted() {
        let image = |url: &str| ChatCompletionMessage::user("a").part(ContentPart::image_url(url));
        let custom: ChatCompletionToolsParam =
            serde_json::from_value(json!({"type": "web_search", "size": 1})).unwrap();
        for request in [
            request()
                .message(image("HTTPS://example.com/cat.png"))
                .message(image("data:image/png;base64,AAAA")),
            request()
                .response_format(ResponseFormat::json_schema("a-Z_9", json!({"type": "object"}))),
            request()
                .tools([function("f"), function("F"), custom.clone(), custom])
                .tool_choice(ToolChoice::Required),
            request().tool(function(&"x".repeat(64)).parameters(json!({}))),
            request().tool_choice(ToolChoice::None),
            request().tool_choice(ToolChoice::Auto).extra("tools", json!([])),
            request().tool_choice(ToolChoice::Other(json!("none"))),
            request().tool_choice(ToolChoice::Other(json!(null))),
        ] {
            assert_eq!(request.validate(), Ok(()));
        }
    }
}
