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
            ChatCompletionMessage::assistant_tool_calls([ToolCall::function("call_0", "f", "{}")]),
            ChatCompletionMessage::tool("call_0", ""),
        ]),
        request().top_logprobs(0),
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
    let image =
        |url: &str| ChatCompletionMessage::user("What is this?").part(ContentPart::image_url(url));
    let format =
        |name: &str, schema| request().response_format(ResponseFormat::json_schema(name, schema));
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
        request().response_format(ResponseFormat::json_schema("a-Z_9", json!({"type": "object"}))),
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
