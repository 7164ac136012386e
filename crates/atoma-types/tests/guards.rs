//! The guards of the requests of chats and completions at their boundaries, and the ways to send a rejected value.

use atoma_types::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionToolsParam, CompletionRequest,
    ContentPart, ResponseFormat, Role, ToolCall, ToolChoice,
};
use serde_json::{Value, json};

fn request() -> ChatCompletionRequest {
    ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")])
}

fn tool(name: &str) -> ChatCompletionToolsParam {
    ChatCompletionToolsParam::function(name)
}

fn image(url: &str) -> ChatCompletionRequest {
    request().message(ChatCompletionMessage::user("a").part(ContentPart::image_url(url)))
}

#[test]
fn urls_of_images_are_http_https_or_data() {
    for url in [
        "https://a.test/cat.png",
        "http://a.test",
        "HTTP://a.test/x?y#z",
        "data:image/png;base64,AAAA",
        "DATA:,x",
    ] {
        assert_eq!(image(url).validate(), Ok(()), "{url}");
    }
    for url in [
        "",
        "h",
        "http",
        "http:",
        "http:cat.png",
        "http:/cat.png",
        "https://",
        "https;//a.test",
        "httpsx://a.test",
        " https://a.test",
        "\u{feff}https://a.test",
        "//a.test/cat.png",
        "ftp://a.test/cat.png",
        "file:///cat.png",
        "blob:https://a.test/1",
        "about:blank",
        "C:\\cat.png",
        "data:",
        "data:image/png;base64",
        "AAAA",
    ] {
        let error = image(url).validate().expect_err(url);
        assert_eq!(error.field(), "messages[1].content[1].image_url.url", "{url}");
    }
}

#[test]
fn names_of_tools_and_schemas_are_of_one_set() {
    let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
    let schema = |name: &str| {
        request().response_format(ResponseFormat::json_schema(name, json!({"type": "object"})))
    };
    for name in ["a", "A-Z_9", "-", "_", "0", &longest] {
        assert_eq!(request().tool(tool(name)).validate(), Ok(()), "{name}");
        assert_eq!(schema(name).validate(), Ok(()), "{name}");
    }
    for name in ["", " ", "é", "a.b", "a/b", "a b", "a\n", "a:b", "日本", "a\u{0}", &too_long] {
        let error = request().tool(tool(name)).validate().expect_err(name);
        assert_eq!(error.field(), "tools[0].function.name", "{name}");
        let error = schema(name).validate().expect_err(name);
        assert_eq!(error.field(), "response_format.json_schema.name", "{name}");
    }
}

#[test]
fn a_choice_needs_tools_unless_it_is_none() {
    let other = |choice| ToolChoice::Other(choice);
    for choice in [ToolChoice::None, other(json!("none")), other(json!(null))] {
        assert_eq!(request().tool_choice(choice.clone()).validate(), Ok(()), "{choice:?}");
        assert_eq!(request().tools([]).tool_choice(choice).validate(), Ok(()));
    }
    for choice in [
        ToolChoice::Auto,
        ToolChoice::Required,
        ToolChoice::function("f"),
        other(json!({"type": "allowed_tools"})),
    ] {
        let error = request().tool_choice(choice.clone()).validate().unwrap_err();
        assert_eq!(error.field(), "tool_choice", "{choice:?}");
        assert!(request().tools([]).tool_choice(choice.clone()).validate().is_err());
        assert_eq!(request().tool(tool("f")).tool_choice(choice).validate(), Ok(()));
    }
}

#[test]
fn a_tools_message_follows_its_call() {
    let call =
        |id: &str| ChatCompletionMessage::assistant_tool_calls([ToolCall::function(id, "f", "{}")]);
    let result = |id: &str| ChatCompletionMessage::tool(id, "x");
    let user = || ChatCompletionMessage::user("x");
    for messages in [
        vec![call("a"), result("a")],
        vec![call("a"), call("b"), result("b"), result("a")],
        vec![call("a"), result("a"), user(), result("a")],
    ] {
        assert_eq!(request().messages(messages.clone()).validate(), Ok(()), "{messages:?}");
    }
    for (messages, place) in [
        (vec![result("a")], 0),
        (vec![result("a"), call("a")], 0),
        (vec![call("a"), result("b")], 1),
        (vec![call("A"), result("a")], 1),
        (vec![call("a"), result("a ")], 1),
        (vec![call("a"), result("")], 1),
        (vec![call(""), result("")], 1),
        (vec![call("a"), result("a"), user(), result("b"), call("b")], 3),
    ] {
        let error = request().messages(messages.clone()).validate().unwrap_err();
        assert_eq!(error.field(), format!("messages[{place}].tool_call_id"), "{messages:?}");
    }
}

#[test]
fn only_a_tools_message_follows_a_call() {
    for role in [Role::User, Role::Assistant, Role::Function] {
        let mut message = ChatCompletionMessage::new(role, "x");
        message.name = Some("f".to_owned());
        message.tool_call_id = Some("a".to_owned());
        assert_eq!(request().message(message.clone()).validate(), Ok(()), "{message:?}");
    }
}

#[test]
fn a_functions_message_names_the_function() {
    let message = || ChatCompletionMessage::new(Role::Function, "x");
    let error = request().message(message()).validate().unwrap_err();
    assert_eq!(error.field(), "messages[1].name");
    let (mut named, mut extra) = (message(), message());
    named.name = Some("f".to_owned());
    extra.extra.insert("name", 7);
    for message in [named, extra, ChatCompletionMessage::new(Role::User, "x")] {
        assert_eq!(request().message(message.clone()).validate(), Ok(()), "{message:?}");
    }
}

/// Each guard, escaped at the object that it is about: the value is sent unchanged.
#[test]
fn an_extra_member_of_a_nested_object_is_sent_in_place_of_its_field() {
    let with = |change: fn(&mut ChatCompletionToolsParam)| {
        let mut tool = ChatCompletionToolsParam::function("");
        change(&mut tool);
        request().tool(tool)
    };
    let mut result = ChatCompletionMessage::new(Role::Tool, "x");
    result.extra.insert("tool_call_id", "c9");
    let parts = json!([{"type": "image_url", "image_url": {"url": "cat"}}]);
    let mut content = ChatCompletionMessage::default();
    content.extra.insert("content", parts.clone());
    let mut part = ContentPart::image_url("");
    let ContentPart::ImageUrl(image) = &mut part else { panic!("{part:?}") };
    image.image_url.extra.insert("url", "cat");
    let mut named = ResponseFormat::json_schema("", json!({}));
    let ResponseFormat::JsonSchema(format) = &mut named else { panic!("{named:?}") };
    format.schema = None;
    format.extra.insert("name", "a b");
    format.extra.insert("schema", true);

    let table: [(&str, ChatCompletionRequest, &str, Value); 7] = [
        (
            "a function's name",
            with(|tool| drop(tool.function.extra.insert("name", "a b"))),
            "/tools/0/function/name",
            json!("a b"),
        ),
        (
            "a function",
            with(|tool| drop(tool.extra.insert("function", json!({"name": "", "parameters": []})))),
            "/tools/0/function",
            json!({"name": "", "parameters": []}),
        ),
        (
            "parameters",
            with(|tool| {
                tool.function.name = "f".to_owned();
                tool.function.extra.insert("parameters", json!([]));
            }),
            "/tools/0/function/parameters",
            json!([]),
        ),
        ("an id", request().message(result), "/messages/1/tool_call_id", json!("c9")),
        (
            "an image's URL",
            request().message(ChatCompletionMessage::user("a").part(part)),
            "/messages/1/content/1/image_url/url",
            json!("cat"),
        ),
        (
            "a schema",
            request().response_format(named),
            "/response_format/json_schema",
            json!({"name": "a b", "schema": true}),
        ),
        ("content", request().message(content), "/messages/1/content", parts),
    ];
    for (name, request, place, expected) in table {
        let sent = request.to_vec().unwrap_or_else(|error| panic!("{name}: {error}"));
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent.pointer(place), Some(&expected), "{name}: {sent}");
    }
}

#[test]
fn a_nested_member_given_twice_is_refused_like_one_of_the_request() {
    let mut function = tool("f").parameters(json!({}));
    function.function.extra.insert("parameters", json!([]));
    let mut outer = tool("f");
    outer.extra.insert("function", json!({}));
    let mut message = ChatCompletionMessage::user("a");
    message.extra.insert("content", "b");
    let mut format = ResponseFormat::json_schema("f", json!({}));
    let ResponseFormat::JsonSchema(schema) = &mut format else { panic!("{format:?}") };
    schema.extra.insert("name", "g");
    for (request, field) in [
        (request().tool(function), "tools[0].function.parameters"),
        (request().tool(outer), "tools[0].function"),
        (request().message(message), "messages[1].content"),
        (request().response_format(format), "response_format.json_schema.name"),
    ] {
        let error = request.validate().unwrap_err();
        assert_eq!(error.field(), field);
        assert!(error.to_string().contains("set twice"), "{error}");
    }
}

#[test]
fn a_member_is_written_once_if_it_is_an_extra_one_too() {
    let request = CompletionRequest::new("", "p").extra("model", "m");
    let sent = String::from_utf8(request.to_vec().unwrap()).unwrap();
    assert_eq!(sent, r#"{"prompt":"p","model":"m"}"#);
    let request = CompletionRequest::new("m", "p").extra("model", "n");
    assert_eq!(serde_json::to_string(&request).unwrap(), r#"{"model":"m","prompt":"p"}"#);
    let mut part = ContentPart::text("a");
    let ContentPart::Text(text) = &mut part else { panic!("{part:?}") };
    text.extra.extend([("type", "b"), ("text", "c"), ("x", "d")]);
    let written = serde_json::to_string(&part).unwrap();
    assert_eq!(written, r#"{"type":"text","text":"a","x":"d"}"#);
}

#[test]
fn a_number_that_json_cannot_write_fails_whatever_follows_it() {
    for (name, request) in [
        ("frequency_penalty", completion().frequency_penalty(f32::NAN).n(1).user("u")),
        ("top_p", completion().top_p(f32::INFINITY).extra("x", 1)),
        ("logit_bias", completion().logit_bias([("7", f32::NAN), ("8", 1.0)]).n(1)),
    ] {
        let error = serde_json::to_string(&request).expect_err(name);
        assert_eq!(error.to_string(), format!("{name} is not a finite number"));
    }
}

fn completion() -> CompletionRequest {
    CompletionRequest::new("m", "p")
}

#[test]
fn each_number_of_a_completion_is_accepted_up_to_its_bounds_and_refused_beyond() {
    type Set = fn(f32) -> CompletionRequest;
    let table: [(&str, Set, f32, f32); 5] = [
        ("frequency_penalty", |number| completion().frequency_penalty(number), -2.0, 2.0),
        ("presence_penalty", |number| completion().presence_penalty(number), -2.0, 2.0),
        ("temperature", |number| completion().temperature(number), 0.0, 2.0),
        ("top_p", |number| completion().top_p(number), 0.0, 1.0),
        ("logit_bias.7", |number| completion().logit_bias([("7", number)]), -100.0, 100.0),
    ];
    // The next float away from zero; below zero itself, the first negative one.
    let next = |bound: f32| f32::from_bits(bound.to_bits() + 1);
    for (field, set, least, most) in table {
        for number in [least, f32::midpoint(least, most), most] {
            assert_eq!(set(number).validate(), Ok(()), "{field} {number}");
        }
        let below = if least == 0.0 { -next(0.0) } else { next(least) };
        for number in [below, next(most), f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = set(number).validate().expect_err(field);
            assert_eq!(error.field(), field, "{number}");
        }
    }
}

#[test]
fn each_count_of_a_completion_is_accepted_up_to_its_bounds_and_refused_beyond() {
    for (name, accepted) in [
        ("as many as n", completion().n(2).best_of(2)),
        ("more than n", completion().n(2).best_of(3)),
        ("one, without n", completion().best_of(1)),
        ("one completion", completion().n(1)),
        ("one token", completion().max_tokens(1)),
        ("only the completion's log probabilities", completion().logprobs(0)),
        ("the most log probabilities", completion().logprobs(20)),
        ("the most texts to stop at", completion().stop(["a"; 4])),
    ] {
        assert_eq!(accepted.validate(), Ok(()), "{name}");
    }
    for (field, refused) in [
        ("best_of", completion().n(2).best_of(1)),
        ("best_of", completion().best_of(0)),
        ("n", completion().n(0)),
        ("max_tokens", completion().max_tokens(0)),
        ("logprobs", completion().logprobs(21)),
        ("stop", completion().stop(["a"; 5])),
    ] {
        let error = refused.validate().expect_err(field);
        assert_eq!(error.field(), field, "{refused:?}");
    }
}
