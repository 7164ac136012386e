//! Requests and responses against the schemas of the proxy's OpenAPI document: names, types, and required members.
//!
//! Where the document is known to be wrong, the difference is named here.

use atoma_types::*;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::fmt::Debug;

const DOCUMENT: &str = include_str!("fixtures/proxy-openapi.yml");

/// The schemas of the document, by their names.
struct Schemas(Value);

impl Schemas {
    fn read() -> Self {
        let document: Value = serde_yaml_ng::from_str(DOCUMENT).unwrap();
        Self(document["components"]["schemas"].clone())
    }

    fn named(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("there is a schema {name}"))
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(path) => self.named(path.rsplit('/').next().unwrap()),
            None => schema,
        }
    }

    /// All members of an object, and which of them are required.
    fn members(&self, schema: &Value) -> (Map<String, Value>, Vec<String>) {
        let schema = self.resolve(schema);
        let (mut members, mut required) = (Map::new(), Vec::new());
        for part in schema["allOf"].as_array().into_iter().flatten().chain([schema]) {
            let part = self.resolve(part);
            members.extend(part["properties"].as_object().cloned().unwrap_or_default());
            let names = part["required"].as_array().into_iter().flatten();
            required.extend(names.map(|name| name.as_str().unwrap().to_owned()));
            if part.get("allOf").is_some() && part != schema {
                let (inner, inner_required) = self.members(part);
                members.extend(inner);
                required.extend(inner_required);
            }
        }
        (members, required)
    }

    /// The differences between a value and a schema.
    fn faults(&self, path: &str, value: &Value, schema: &Value) -> Vec<String> {
        let schema = self.resolve(schema);
        if let Some(forms) = schema["oneOf"].as_array() {
            let tried: Vec<_> = forms.iter().map(|form| self.faults(path, value, form)).collect();
            let fits = tried.iter().any(Vec::is_empty);
            return if fits { Vec::new() } else { vec![format!("{path} has no form of {schema}")] };
        }
        if !is_of_type(value, &schema["type"]) {
            return vec![format!("{path} is {value}, not {}", schema["type"])];
        }
        if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
            return vec![format!("{path} is {value}, not one of {}", schema["enum"])];
        }
        let mut faults = Vec::new();
        match value {
            Value::Array(list) => {
                for (place, element) in list.iter().enumerate() {
                    faults.extend(self.faults(
                        &format!("{path}[{place}]"),
                        element,
                        &schema["items"],
                    ));
                }
            }
            Value::Object(object) => {
                let (members, required) = self.members(schema);
                let is_open = members.is_empty();
                for name in required.iter().filter(|name| !object.contains_key(*name)) {
                    faults.push(format!("{path}.{name} is missing"));
                }
                for (name, value) in object {
                    let path = format!("{path}.{name}");
                    match members.get(name) {
                        Some(schema) => faults.extend(self.faults(&path, value, schema)),
                        None if is_open => {
                            faults.extend(self.faults(
                                &path,
                                value,
                                &schema["additionalProperties"],
                            ));
                        }
                        None => faults.push(format!("{path} is unknown")),
                    }
                }
            }
            _ => {}
        }
        faults
    }

    /// A value with every member of a schema.
    fn example(&self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(forms) = schema["oneOf"].as_array() {
            return self.example(forms.iter().find(|form| form["type"] != "null").unwrap());
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| **kind != "null").unwrap(),
            kind => kind,
        };
        match kind.as_str() {
            Some("string") => match schema["enum"].as_array() {
                Some(values) => values[0].clone(),
                None => json!("text"),
            },
            Some("integer") => json!(3),
            Some("number") => json!(0.5),
            Some("boolean") => json!(true),
            Some("array") => json!([self.example(&schema["items"])]),
            Some("object") if schema.get("additionalProperties").is_some() => {
                json!({"text": self.example(&schema["additionalProperties"])})
            }
            _ => {
                let (members, _) = self.members(schema);
                Value::Object(
                    members
                        .iter()
                        .map(|(name, schema)| (name.clone(), self.example(schema)))
                        .collect(),
                )
            }
        }
    }
}

fn is_of_type(value: &Value, kinds: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("null") => value.is_null(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        other => panic!("unknown type {other:?}"),
    };
    match kinds {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(is),
        kind => is(kind),
    }
}

/// A request: its schema, the request with required members only, and with every member set.
struct Endpoint {
    schema: &'static str,
    least: Value,
    all: Value,
    /// Members that are sent, but not in the document.
    also: &'static [&'static str],
    /// Members that the server requires, although the document does not say so.
    also_required: &'static [&'static str],
}

fn endpoint(schema: &'static str, least: &impl Serialize, all: &impl Serialize) -> Endpoint {
    let [least, all] = [serde_json::to_value(least), serde_json::to_value(all)].map(Result::unwrap);
    Endpoint { schema, least, all, also: &[], also_required: &[] }
}

fn completion() -> CompletionRequest {
    CompletionRequest::new("m", "p")
        .best_of(2)
        .echo(true)
        .frequency_penalty(1)
        .logit_bias([("1234567890", 0.5)])
        .logprobs(1)
        .max_tokens(16)
        .n(1)
        .presence_penalty(-0.5)
        .seed(-1)
        .stop("\n")
        .stream(true)
        .stream_options(StreamOptions::default().include_usage(true))
        .suffix("s")
        .temperature(0.7)
        .top_p(1)
        .user("u")
}

fn chat() -> ChatCompletionRequest {
    let parameters = json!({"type": "object", "properties": {}});
    let tool = ChatCompletionToolsParam::function("f")
        .description("d")
        .parameters(parameters.clone())
        .strict(true);
    let call = ToolCall::function("call_0", "f", "{}");
    let format = JsonSchemaFormat::new("n", parameters).description("d").strict(true);
    ChatCompletionRequest::new(
        "m",
        [
            ChatCompletionMessage::system("s").name("n"),
            ChatCompletionMessage::user("u")
                .part(ContentPart::image_url("https://a.test/a.png").detail(ImageDetail::High)),
            ChatCompletionMessage::assistant_tool_calls([call]),
            ChatCompletionMessage::tool("call_0", "t"),
        ],
    )
    .frequency_penalty(1)
    .function_call("auto")
    .functions([json!({"name": "f"})])
    .logit_bias([("1234567890", 0.5)])
    .logprobs(true)
    .max_completion_tokens(16)
    .max_tokens(16)
    .n(1)
    .parallel_tool_calls(true)
    .presence_penalty(-0.5)
    .response_format(format)
    .seed(-1)
    .service_tier("auto")
    .stop(["a", "b"])
    .stream(true)
    .stream_options(StreamOptions::default().include_usage(true))
    .temperature(0.7)
    .tool_choice(ToolChoice::function("f"))
    .tools([tool])
    .top_logprobs(1)
    .top_p(1)
    .user("u")
}

fn endpoints() -> Vec<Endpoint> {
    let least_chat = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hello!")]);
    let least_completion = CompletionRequest::new("m", "p");
    let embedding = EmbeddingRequest::new("m", "text");
    let all_embedding = EmbeddingRequest::new("m", ["a", "b"])
        .encoding_format(EncodingFormat::Base64)
        .dimensions(8)
        .user("u");
    let image = ImageRequest::new("m", "p").n(1).size("1024x1024");
    let all_image =
        image.clone().quality("hd").response_format(ImageFormat::Url).style("vivid").user("u");
    let node = NodeCreateRequest::new(NodeAddress::new(1, "https://a.test", "PT"), "c2ln");
    let lock = NodeLockRequest::new("m");
    let all_lock = lock.clone().max_num_tokens(8192).timeout(5);
    vec![
        Endpoint {
            // The document refers to this schema in `top_logprobs`, but lacks it.
            also: &["logprobs"],
            ..endpoint("CreateChatCompletionRequest", &least_chat, &chat())
        },
        Endpoint {
            also: &["logprobs"],
            ..endpoint("CreateChatCompletionStreamRequest", &least_chat.stream(true), &chat())
        },
        endpoint("CompletionsRequest", &least_completion, &completion()),
        endpoint("CreateCompletionsStreamRequest", &least_completion.stream(true), &completion()),
        endpoint("CreateEmbeddingRequest", &embedding, &all_embedding),
        Endpoint {
            also_required: &["n", "size"],
            ..endpoint("CreateImageRequest", &image, &all_image)
        },
        endpoint("NodesCreateRequest", &node, &node),
        endpoint("NodesCreateLockRequest", &lock, &all_lock),
    ]
}

#[test]
fn each_request_has_the_members_and_types_of_the_document() {
    let schemas = Schemas::read();
    let mut wrong = Vec::new();
    for endpoint in endpoints() {
        let name = endpoint.schema;
        let schema = schemas.named(name);
        let (members, required) = schemas.members(schema);
        for (which, request) in [("least", &endpoint.least), ("all", &endpoint.all)] {
            let mut request = request.clone();
            for also in endpoint.also {
                request.as_object_mut().unwrap().remove(*also);
            }
            let faults = schemas.faults(name, &request, schema);
            wrong.extend(faults.iter().map(|fault| format!("{which}: {fault}")));
        }
        let least: Vec<&String> = endpoint.least.as_object().unwrap().keys().collect();
        for member in least {
            let is_required =
                required.contains(member) || endpoint.also_required.contains(&member.as_str());
            if !is_required {
                wrong.push(format!("{name}.{member} is written without need"));
            }
        }
        for member in members.keys().filter(|member| endpoint.all.get(member).is_none()) {
            wrong.push(format!("{name}.{member} cannot be set"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_form_of_a_prompt_is_one_of_the_document() {
    let schemas = Schemas::read();
    for prompt in
        [TextInput::from("a"), ["a", "b"].into(), [1, 2].into(), vec![vec![1], vec![2, 3]].into()]
    {
        let value = serde_json::to_value(&prompt).unwrap();
        let faults = schemas.faults("prompt", &value, schemas.named("CompletionsPrompt"));
        assert!(faults.is_empty(), "{faults:?}");
    }
}

/// Reads a value with every member of a schema, checks that each has a field, and writes it again.
fn check_response<T: DeserializeOwned + Serialize + Debug>(schemas: &Schemas, schema: &str) {
    let example = schemas.example(schemas.named(schema));
    let response: T = serde_json::from_value(example.clone()).unwrap();
    let written = serde_json::to_value(&response).unwrap();
    assert!(holds(&written, &example), "{schema} is {written}, not {example}");
    // Members without a field are in an `Extra`, at any depth.
    let debug = format!("{response:?}");
    assert!(!debug.contains("extra:"), "{debug}");
}

/// Returns whether a value has everything that another one has.
fn holds(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => part.iter().all(|(name, part)| {
            // The document has objects where the server writes bare values.
            name == "stop_reason" || value.get(name).is_some_and(|value| holds(value, part))
        }),
        (Value::Array(value), Value::Array(part)) => {
            value.len() == part.len()
                && value.iter().zip(part).all(|(value, part)| holds(value, part))
        }
        _ => value == part,
    }
}

#[test]
fn a_member_without_a_field_is_seen_in_the_debug_text() {
    let inner = json!({"data": [{"embedding": [], "unknown": 1}]});
    let response: EmbeddingResponse = serde_json::from_value(inner).unwrap();
    assert!(format!("{response:?}").contains("extra:"), "{response:?}");
}

#[test]
fn each_response_has_a_field_for_each_member_of_the_document() {
    let schemas = &Schemas::read();
    check_response::<ChatCompletionResponse>(schemas, "ChatCompletionResponse");
    check_response::<ChatCompletionChunk>(schemas, "ChatCompletionChunk");
    check_response::<CompletionResponse>(schemas, "CompletionsResponse");
    check_response::<CompletionResponse>(schemas, "CompletionsStreamResponse");
    check_response::<EmbeddingResponse>(schemas, "CreateEmbeddingResponse");
    check_response::<ImageResponse>(schemas, "CreateImageResponse");
    check_response::<ModelList>(schemas, "ModelList");
    check_response::<HealthResponse>(schemas, "HealthResponse");
    check_response::<NodeCreateResponse>(schemas, "NodesCreateResponse");
    check_response::<NodeLockResponse>(schemas, "NodesCreateLockResponse");
}
