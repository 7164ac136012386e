//! Structured output: the type becomes a schema, and each kind of failure has its own outcome.

mod support;

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, ErrorKind, OutputFormat,
    ParseMode, ParseOutcome, types::PartialJson,
};
use atoma_mock::{MockServer, Response};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
struct Weather {
    city: String,
    /// In degrees Celsius
    degrees: Option<i32>,
    #[serde(default)]
    gusts: u8,
}

const ROME: &str = r#"{"city": "Rome", "degrees": 21, "gusts": null}"#;
const MODES: [ParseMode; 3] = [ParseMode::JsonSchema, ParseMode::JsonObject, ParseMode::ToolCall];

fn rome() -> Weather {
    Weather { city: "Rome".to_owned(), degrees: Some(21), gusts: 0 }
}

fn request() -> ChatCompletionRequest {
    let mut request = support::request();
    request.model = "meta-llama/Llama-3.3-70B-Instruct".to_owned();
    request
}

fn response(mode: ParseMode, text: &str) -> Response {
    match mode {
        ParseMode::ToolCall => Response::tool_call("Weather", text),
        _ => Response::text(text),
    }
}

#[tokio::test]
async fn a_value_is_read_in_each_mode_whole_and_streamed() {
    for mode in MODES {
        let mock = MockServer::start().await;
        mock.always(response(mode, ROME));
        let client = support::client(mock.url());
        let reply = client.chat().parse::<Weather>(request()).mode(mode).await.unwrap();
        assert_eq!(reply.text(), ROME, "{mode:?}");
        assert_eq!(reply.into_parsed().unwrap(), rome(), "{mode:?}");

        let call = client.chat().parse::<Weather>(request()).mode(mode);
        let mut stream = call.stream().await.unwrap();
        let mut last = Value::Null;
        while let Some(value) = stream.next_ref().await.unwrap() {
            last = value.clone();
        }
        assert_eq!(last, serde_json::from_str::<Value>(ROME).unwrap(), "{mode:?}");
        assert_eq!(stream.read_as::<HashMap<String, Value>>().unwrap()["city"], "Rome");
        let parsed = stream.into_response().await.unwrap();
        assert_eq!(parsed.into_parsed().unwrap(), rome(), "{mode:?}");

        let sent = mock.requests()[0].json();
        let schema = OutputFormat::<Weather>::new(mode).unwrap().schema().clone();
        assert_eq!(schema["required"], json!(["city", "degrees", "gusts"]));
        match mode {
            ParseMode::JsonSchema => {
                let expected = json!({"name": "Weather", "schema": schema, "strict": true});
                assert_eq!(sent["response_format"]["json_schema"], expected);
            }
            ParseMode::JsonObject => {
                assert_eq!(sent["response_format"], json!({"type": "json_object"}));
                let text = sent["messages"][0]["content"].as_str().unwrap();
                assert!(text.contains(&schema.to_string()), "{text}");
            }
            _ => {
                assert_eq!(sent["tools"][0]["function"]["parameters"], schema);
                assert_eq!(sent["tool_choice"]["function"]["name"], "Weather");
            }
        }
    }
}

#[test]
fn each_failure_is_an_outcome_and_keeps_the_text() {
    let format = OutputFormat::<Weather>::new(ParseMode::JsonSchema).unwrap();
    let read = |message: Value, reason: &str| {
        let choice = json!({"index": 0, "message": message, "finish_reason": reason});
        let body = json!({"choices": [choice]}).to_string();
        format.read(ChatCompletionResponse::from_slice(body.as_bytes()).unwrap())
    };
    let content = |text: &str| json!({"content": text});
    let half = r#"{"city": "Ro"#;
    let cases = [
        ("refusal", json!({"content": null, "refusal": "no"}), "stop", ErrorKind::Other, ""),
        ("limit", content(half), "length", ErrorKind::Other, half),
        ("filter", content(half), "content_filter", ErrorKind::ContentFilter, half),
        ("no JSON", content("Hello!"), "stop", ErrorKind::UnexpectedResponse, "Hello!"),
        ("half", content(half), "stop", ErrorKind::UnexpectedResponse, half),
        ("other type", content("[]"), "stop", ErrorKind::UnexpectedResponse, "[]"),
        ("empty", content(""), "stop", ErrorKind::UnexpectedResponse, ""),
        (
            "null for a text",
            content(r#"{"city": null}"#),
            "stop",
            ErrorKind::UnexpectedResponse,
            r#"{"city": null}"#,
        ),
    ];
    for (name, message, reason, kind, text) in cases {
        let parsed = read(message, reason);
        assert_eq!(parsed.text(), text, "{name}");
        let error = parsed.clone().into_parsed().unwrap_err();
        assert_eq!(error.kind(), kind, "{name}");
        assert_eq!(error.partial(), Some(parsed.response()), "{name}");
        let is_expected = match name {
            "refusal" => *parsed.outcome() == ParseOutcome::Refused("no".to_owned()),
            "limit" => *parsed.outcome() == ParseOutcome::Truncated,
            "filter" => *parsed.outcome() == ParseOutcome::ContentFilter,
            _ => matches!(parsed.outcome(), ParseOutcome::Invalid(_)),
        };
        assert!(is_expected, "{name}: {:?}", parsed.outcome());
    }
    let fenced = read(content(&format!("```json\n{ROME}\n```")), "stop");
    assert_eq!(fenced.into_parsed().unwrap(), rome());
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only the schema is used")]
struct Tree {
    children: Vec<Tree>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only the schema is used")]
struct Of<T> {
    value: T,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only the schema is used")]
struct Bounded(#[schemars(length(min = 2))] String);

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only the schema is used")]
enum Unit {
    Celsius,
    Fahrenheit,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
#[allow(dead_code, reason = "only the schema is used")]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
}

fn schema<T: DeserializeOwned + JsonSchema>() -> Result<Value, String> {
    let format = OutputFormat::<T>::new(ParseMode::JsonSchema);
    format.map(|format| format.schema().clone()).map_err(|error| {
        assert!(error.is_invalid_request());
        error.to_string()
    })
}

#[test]
fn types_have_a_strict_schema_or_an_error_with_the_path() {
    let strict = [
        ("text", schema::<Of<String>>()),
        ("truth", schema::<Of<bool>>()),
        ("u8", schema::<Of<u8>>()),
        ("i64", schema::<Of<i64>>()),
        ("float", schema::<Of<f64>>()),
        ("letter", schema::<Of<char>>()),
        ("optional letter", schema::<Of<Option<char>>>()),
        ("bounded text", schema::<Of<Bounded>>()),
        ("optional text", schema::<Of<Option<String>>>()),
        ("optional number", schema::<Of<Option<u32>>>()),
        ("list", schema::<Of<Vec<String>>>()),
        ("list of lists", schema::<Of<Vec<Vec<i32>>>>()),
        ("list of optional", schema::<Of<Vec<Option<i32>>>>()),
        ("optional list", schema::<Of<Option<Vec<i32>>>>()),
        ("array", schema::<Of<[i32; 3]>>()),
        ("box", schema::<Of<Box<String>>>()),
        ("struct", schema::<Of<Weather>>()),
        ("optional struct", schema::<Of<Option<Weather>>>()),
        ("list of structs", schema::<Of<Vec<Weather>>>()),
        ("nested", schema::<Of<Of<Of<bool>>>>()),
        ("enum", schema::<Of<Unit>>()),
        ("optional enum", schema::<Of<Option<Unit>>>()),
        ("list of enums", schema::<Of<Vec<Unit>>>()),
        ("tagged enum", schema::<Of<Shape>>()),
        ("list of tagged enums", schema::<Of<Vec<Shape>>>()),
        ("recursion", schema::<Tree>()),
        ("recursion inside", schema::<Of<Tree>>()),
    ];
    for (name, schema) in strict {
        let schema = schema.unwrap_or_else(|error| panic!("{name}: {error}"));
        all_strict(name, &schema);
    }
    let rejected = [
        ("map", schema::<Of<HashMap<String, i32>>>(), "at /properties/value: additionalProperties"),
        ("map inside", schema::<Of<Of<HashMap<String, i32>>>>(), "additionalProperties"),
        ("any value", schema::<Of<Value>>(), "at /properties/value"),
        (
            "set",
            schema::<Of<HashSet<u8>>>(),
            "at /properties/value: unsupported keyword uniqueItems",
        ),
        (
            "tuple",
            schema::<Of<(u8, bool)>>(),
            "at /properties/value: unsupported keyword prefixItems",
        ),
        ("text at the root", schema::<String>(), "the root must be an object"),
        ("list at the root", schema::<Vec<Weather>>(), "the root must be an object"),
    ];
    for (name, schema, words) in rejected {
        let error = schema.unwrap_err();
        assert!(error.contains(words), "{name}: {error}");
    }
}

/// Checks that every object in the schema is closed and requires all of its members.
fn all_strict(name: &str, schema: &Value) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        assert_eq!(schema["additionalProperties"], false, "{name}");
        let required: Vec<_> = properties.keys().cloned().map(Value::String).collect();
        assert_eq!(schema["required"], Value::Array(required), "{name}");
    }
    match schema {
        Value::Object(members) => members.values().for_each(|member| all_strict(name, member)),
        Value::Array(items) => items.iter().for_each(|item| all_strict(name, item)),
        _ => {}
    }
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Dish {
    name: String,
    course: Option<Course>,
    others: Vec<Course>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
enum Course {
    Main,
    MainDish,
}

#[test]
fn a_string_that_grows_is_read_only_where_any_text_fits() {
    let dish = |name: &str, course, others: &[Course]| Dish {
        name: name.to_owned(),
        course,
        others: others.to_vec(),
    };
    let read = |text: &str| {
        let mut reader = PartialJson::new();
        reader.push(text);
        reader
    };
    let main = Some(Course::Main);
    for (text, wanted) in [
        (r#"{"name":"So"#, dish("So", None, &[])),
        (r#"{"name":"Soup","course":"Main"#, dish("Soup", None, &[])),
        (r#"{"name":"Soup","course":"MainD"#, dish("Soup", None, &[])),
        (r#"{"name":"","course":"MainDish""#, dish("", Some(Course::MainDish), &[])),
        (r#"{"course":"Main","others":["MainDish","Main"#, dish("", main, &[Course::MainDish])),
        (r#"{"others":["Main"]"#, dish("", None, &[Course::Main])),
    ] {
        assert_eq!(read(text).read_as::<Dish>().unwrap(), wanted, "{text}");
    }
    assert_eq!(read("\"Main").read_as::<String>().unwrap(), "Main");
    read("\"Main").read_as::<Course>().unwrap_err();
    assert_eq!(read("\"Main\"").read_as::<Course>().unwrap(), Course::Main);
}

#[test]
fn the_schema_is_added_to_the_first_message_if_that_is_an_instruction() {
    let format = OutputFormat::<Weather>::new(ParseMode::JsonObject).unwrap();
    let [system, developer, user] = ["system", "developer", "user"].map(|role| {
        let mut message = ChatCompletionMessage::user("Be brief.");
        message.role = role.into();
        message
    });
    for (name, messages, roles) in [
        ("system", vec![system, user.clone()], &["system", "user"][..]),
        ("developer", vec![developer, user.clone()], &["developer", "user"]),
        ("user", vec![user], &["system", "user"]),
    ] {
        let request = format.request(ChatCompletionRequest::new("m", messages));
        let sent: Vec<&str> =
            request.messages.iter().map(|message| message.role.as_str()).collect();
        assert_eq!(sent, roles, "{name}");
        let first = request.messages[0].text();
        assert!(first.contains(&format.schema().to_string()), "{name}: {first}");
        assert_eq!(first.starts_with("Be brief.\n\n"), name != "user", "{name}: {first}");
    }
}

#[test]
fn a_tool_call_is_the_output_only_where_it_was_asked_for() {
    let call =
        json!({"id": "1", "type": "function", "function": {"name": "Weather", "arguments": "{}"}});
    let message = json!({"role": "assistant", "content": ROME, "tool_calls": [call]});
    let response = json!({"choices": [{"index": 0, "message": message}]}).to_string();
    for (mode, text) in MODES.into_iter().zip([ROME, ROME, "{}"]) {
        let format = OutputFormat::<Weather>::new(mode).unwrap();
        let response = ChatCompletionResponse::from_slice(response.as_bytes()).unwrap();
        assert_eq!(format.read(response).text(), text, "{mode:?}");
    }
}

#[test]
fn a_null_in_a_list_of_objects_is_read_as_an_absent_member() {
    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Forecast {
        days: Vec<Weather>,
    }
    let format = OutputFormat::<Forecast>::new(ParseMode::JsonSchema).unwrap();
    let response =
        json!({"choices": [{"message": {"content": format!("{{\"days\": [{ROME}]}}")}}]});
    let response = ChatCompletionResponse::from_slice(response.to_string().as_bytes()).unwrap();
    assert_eq!(format.read(response).into_parsed().unwrap(), Forecast { days: vec![rome()] });
}
