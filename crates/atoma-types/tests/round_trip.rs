//! Laws: what is read, written and read again is the same, for values of every type and for any JSON whatever.

use std::fmt::Debug;

use atoma_types::{
    ApiError, ChatCompletionAccumulator, ChatCompletionChoice, ChatCompletionChunk,
    ChatCompletionChunkChoice, ChatCompletionChunkDelta, ChatCompletionMessage,
    ChatCompletionRequest, ChatCompletionResponse, ChatCompletionToolsParam, ChunkReader, Content,
    ContentPart, Extra, FinishReason, FunctionCall, FunctionCallDelta, ImageDetail, JsonSchema,
    Logprobs, ObjectKind, PromptTokensDetails, ResponseFormat, Role, StopReason, StreamOptions,
    TokenLogprob, ToolCall, ToolCallDelta, ToolChoice, ToolKind, TopLogprob, Usage,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

fn written_and_read<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it can be written");
    let through_value: Value = serde_json::to_value(value).expect("it can be written");
    let parsed: Value = serde_json::from_str(&text).expect("what was written");
    assert_eq!(parsed, through_value, "as text and as a value it is the same");
    serde_json::from_str(&text).expect("what was written")
}

fn holds<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    assert_eq!(&written_and_read(value), value);
}

/// Reads any JSON as a model; if that succeeds, writing and reading again changes nothing.
fn settles<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &Value) {
    if let Ok(value) = serde_json::from_value::<T>(json.clone()) {
        holds(&value);
        let text = json.to_string();
        assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value, "from text and from a value");
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z]{1,6}", any::<String>()]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<i32>().prop_map(f64::from), -1e6..1e6, Just(-9999.0)]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number().prop_map(Value::from),
        prop_oneof![Just("5"), Just("stop"), Just("true"), Just("2.5")].prop_map(Value::from),
        text().prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-z_]{1,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Unknown members: their names are no model's.
fn extra() -> impl Strategy<Value = Extra> {
    let member = ("x_[a-z]{0,6}", value());
    prop_oneof![3 => Just(Extra::new()), 1 => vec(member, 0..3).prop_map(|members| members.into_iter().collect())]
}

/// Every name a model knows, and some none does.
const NAMES: [&str; 56] = [
    "id",
    "object",
    "created",
    "model",
    "choices",
    "usage",
    "service_tier",
    "system_fingerprint",
    "signature",
    "response_hash",
    "error",
    "index",
    "message",
    "delta",
    "finish_reason",
    "stop_reason",
    "logprobs",
    "role",
    "content",
    "name",
    "refusal",
    "reasoning",
    "reasoning_content",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "type",
    "function",
    "arguments",
    "text",
    "image_url",
    "url",
    "detail",
    "code",
    "param",
    "prompt_tokens",
    "total_tokens",
    "prompt_tokens_details",
    "cached_tokens",
    "token",
    "logprob",
    "bytes",
    "top_logprobs",
    "messages",
    "stop",
    "temperature",
    "logit_bias",
    "tools",
    "tool_choice",
    "response_format",
    "json_schema",
    "seed",
    "stream_options",
    "include_usage",
    "thinking",
    "unknown",
];

/// JSON with the models' own names, and any values under them.
fn plausible() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(6, 48, 6, |inner| {
        let member = (proptest::sample::select(&NAMES[..]), inner.clone());
        prop_oneof![
            1 => vec(inner, 0..4).prop_map(Value::from),
            4 => vec(member, 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
            }),
        ]
    })
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        Just(Role::System),
        Just(Role::User),
        Just(Role::Assistant),
        Just(Role::Tool),
        "[a-z]{1,9}".prop_map(Role::from),
    ]
}

fn finish_reason() -> impl Strategy<Value = FinishReason> {
    prop_oneof![
        Just(FinishReason::Stop),
        Just(FinishReason::ToolCalls),
        "[a-z_]{1,9}".prop_map(FinishReason::from)
    ]
}

fn part() -> impl Strategy<Value = ContentPart> {
    prop_oneof![
        (text(), extra()).prop_map(|(text, extra)| {
            let ContentPart::Text(mut part) = ContentPart::text(text) else { unreachable!() };
            part.extra = extra;
            ContentPart::Text(part)
        }),
        (text(), extra()).prop_map(|(url, extra)| {
            let part = ContentPart::image_url(url).detail(ImageDetail::High);
            let ContentPart::ImageUrl(mut part) = part else { unreachable!() };
            part.image_url.extra = extra.clone();
            part.extra = extra;
            ContentPart::ImageUrl(part)
        }),
        text().prop_map(|text| ContentPart::Other(json!({"type": "thinking", "thinking": text}))),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![text().prop_map(Content::Text), vec(part(), 1..4).prop_map(Content::Parts)]
}

fn usage() -> impl Strategy<Value = Usage> {
    (any::<[u64; 3]>(), of((of(any::<u64>()), extra())), extra()).prop_map(
        |(counts, details, extra)| {
            let mut usage = Usage::default();
            [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens] = counts;
            usage.prompt_tokens_details = details.map(|(cached, extra)| {
                let mut details = PromptTokensDetails::default();
                (details.cached_tokens, details.extra) = (cached, extra);
                details
            });
            usage.extra = extra;
            usage
        },
    )
}

fn logprobs() -> impl Strategy<Value = Logprobs> {
    let token = (text(), number(), of(any::<Vec<u8>>()), extra()).prop_map(
        |(token, logprob, bytes, extra)| {
            let mut likely = TopLogprob::default();
            (likely.token, likely.logprob, likely.bytes) = (token.clone(), logprob, bytes.clone());
            let mut entry = TokenLogprob::default();
            (entry.token, entry.logprob, entry.bytes, entry.extra) = (token, logprob, bytes, extra);
            entry.top_logprobs = vec![likely];
            entry
        },
    );
    (of(vec(token, 0..3)), extra()).prop_map(|(content, extra)| {
        let mut logprobs = Logprobs::default();
        (logprobs.content, logprobs.extra) = (content, extra);
        logprobs
    })
}

fn tool_call() -> impl Strategy<Value = ToolCall> {
    (text(), text(), text(), extra(), extra()).prop_map(|(id, name, arguments, inner, extra)| {
        let mut function = FunctionCall::default();
        (function.name, function.arguments, function.extra) = (name, arguments, inner);
        let mut call = ToolCall::default();
        (call.id, call.function, call.extra) = (id, function, extra);
        call
    })
}

fn tool_call_delta() -> impl Strategy<Value = ToolCallDelta> {
    (of(any::<i64>()), of(text()), of(text()), of(text()), extra()).prop_map(
        |(index, id, name, arguments, extra)| {
            let mut function = FunctionCallDelta::default();
            (function.name, function.arguments) = (name, arguments);
            let mut call = ToolCallDelta::default();
            (call.index, call.kind, call.function) =
                (index, id.as_ref().map(|_| ToolKind::Function), function);
            (call.id, call.extra) = (id, extra);
            call
        },
    )
}

fn message() -> impl Strategy<Value = ChatCompletionMessage> {
    (
        role(),
        content(),
        [of(text()), of(text()), of(text())],
        vec(tool_call(), 0..3),
        of(text()),
        extra(),
    )
        .prop_map(
            |(role, content, [name, refusal, reasoning], tool_calls, tool_call_id, extra)| {
                let mut message = ChatCompletionMessage::new(role, content);
                (message.name, message.refusal, message.reasoning) = (name, refusal, reasoning);
                (message.tool_calls, message.tool_call_id, message.extra) =
                    (tool_calls, tool_call_id, extra);
                message
            },
        )
}

fn stop_reason() -> impl Strategy<Value = StopReason> {
    prop_oneof![any::<i64>().prop_map(StopReason::Int), text().prop_map(StopReason::String)]
}

fn choice() -> impl Strategy<Value = ChatCompletionChoice> {
    (any::<u32>(), message(), of(finish_reason()), of(stop_reason()), of(logprobs()), extra())
        .prop_map(|(index, message, finish_reason, stop_reason, logprobs, extra)| {
            let mut choice = ChatCompletionChoice::default();
            (choice.index, choice.message, choice.finish_reason) = (index, message, finish_reason);
            (choice.stop_reason, choice.logprobs, choice.extra) =
                (stop_reason, logprobs.map(Box::new), extra);
            choice
        })
}

fn error() -> impl Strategy<Value = ApiError> {
    ("[a-z]{1,9}", of(text()), of(text()), of(text()), extra()).prop_map(
        |(message, code, kind, param, extra)| {
            let mut error = ApiError::default();
            (error.message, error.code, error.kind, error.param, error.extra) =
                (message, code, kind, param, extra);
            error
        },
    )
}

fn response() -> impl Strategy<Value = ChatCompletionResponse> {
    let names = [text(), text(), text()];
    let optional = [of(text()), of(text()), of(text()), of(text())];
    (names, any::<i64>(), vec(choice(), 0..3), of(usage()), optional, of(error()), extra())
        .prop_map(|([id, object, model], created, choices, usage, optional, error, extra)| {
            let mut response = ChatCompletionResponse::default();
            (response.id, response.object, response.model) = (id, ObjectKind::from(object), model);
            (response.created, response.choices, response.usage) = (created, choices, usage);
            [
                response.service_tier,
                response.system_fingerprint,
                response.signature,
                response.response_hash,
            ] = optional;
            (response.error, response.extra) = (error.map(Box::new), extra);
            response
        })
}

fn delta() -> impl Strategy<Value = ChatCompletionChunkDelta> {
    (
        of(role()),
        of(content()),
        [of(text()), of(text()), of(text())],
        vec(tool_call_delta(), 0..3),
        extra(),
    )
        .prop_map(
            |(role, content, [reasoning, reasoning_content, refusal], tool_calls, extra)| {
                let mut delta = ChatCompletionChunkDelta::default();
                (delta.role, delta.content, delta.refusal) = (role, content, refusal);
                (delta.reasoning, delta.reasoning_content) = (reasoning, reasoning_content);
                (delta.tool_calls, delta.extra) = (tool_calls, extra);
                delta
            },
        )
}

fn chunk() -> impl Strategy<Value = ChatCompletionChunk> {
    let choice = (0..3_u32, delta(), of(finish_reason()), of(logprobs()), of(error()), extra())
        .prop_map(|(index, delta, finish_reason, logprobs, error, extra)| {
            let mut choice = ChatCompletionChunkChoice::default();
            (choice.index, choice.delta, choice.finish_reason) = (index, delta, finish_reason);
            (choice.logprobs, choice.error, choice.extra) =
                (logprobs.map(Box::new), error.map(Box::new), extra);
            choice
        });
    (response(), vec(choice, 0..3)).prop_map(|(response, choices)| {
        let mut chunk = ChatCompletionChunk::from(response);
        chunk.choices = choices;
        chunk
    })
}

fn tool() -> impl Strategy<Value = ChatCompletionToolsParam> {
    (text(), of(text()), of(any::<bool>()), extra()).prop_map(
        |(name, description, strict, extra)| {
            let mut tool =
                ChatCompletionToolsParam::function(name).parameters(json!({"type": "object"}));
            (tool.function.description, tool.function.strict, tool.extra) =
                (description, strict, extra);
            tool
        },
    )
}

fn response_format() -> impl Strategy<Value = ResponseFormat> {
    prop_oneof![
        Just(ResponseFormat::Text),
        Just(ResponseFormat::JsonObject),
        (text(), any::<bool>()).prop_map(|(name, strict)| JsonSchema::new(
            name,
            json!({"type": "object"})
        )
        .strict(strict)
        .into()),
        text().prop_map(|grammar| ResponseFormat::Other(
            json!({"type": "grammar", "grammar": grammar})
        )),
    ]
}

fn tool_choice() -> impl Strategy<Value = ToolChoice> {
    prop_oneof![
        Just(ToolChoice::None),
        Just(ToolChoice::Auto),
        Just(ToolChoice::Required),
        text().prop_map(ToolChoice::Function),
    ]
}

fn float() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("finite", |number| number.is_finite())
}

fn request() -> impl Strategy<Value = ChatCompletionRequest> {
    let floats = [of(float()), of(float()), of(float()), of(float())];
    let counts = [of(any::<u32>()), of(any::<u32>()), of(any::<u32>()), of(any::<u32>())];
    let flags = [of(any::<bool>()), of(any::<bool>()), of(any::<bool>()), of(any::<bool>())];
    let lists = (
        vec(message(), 0..3),
        of(vec(text(), 0..3)),
        of(vec(tool(), 0..3)),
        of(btree_map("[0-9]{1,5}", float(), 0..3)),
    );
    let rest = (of(any::<i64>()), of(text()), of(response_format()), of(tool_choice()), extra());
    (text(), floats, counts, flags, lists, rest).prop_map(
        |(model, floats, counts, flags, lists, rest)| {
            let mut request = ChatCompletionRequest::new(model, lists.0);
            [
                request.temperature,
                request.top_p,
                request.frequency_penalty,
                request.presence_penalty,
            ] = floats;
            [request.max_completion_tokens, request.max_tokens, request.n, request.top_logprobs] =
                counts;
            let [stream, logprobs, parallel, include_usage] = flags;
            (request.stream, request.logprobs, request.parallel_tool_calls) =
                (stream, logprobs, parallel);
            request.stream_options =
                include_usage.map(|include| StreamOptions::default().include_usage(include));
            (request.stop, request.tools, request.logit_bias) = (lists.1, lists.2, lists.3);
            (
                request.seed,
                request.user,
                request.response_format,
                request.tool_choice,
                request.extra,
            ) = rest;
            request
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_the_same_when_read_again(request in request()) {
        holds(&request);
    }

    #[test]
    fn responses_are_the_same_when_read_again(response in response()) {
        holds(&response);
        let read = ChatCompletionResponse::from_slice(&serde_json::to_vec(&response).unwrap()).unwrap();
        prop_assert_eq!(read.choices, response.choices);
    }

    #[test]
    fn chunks_are_the_same_when_read_again(chunk in chunk()) {
        holds(&chunk);
        let read = ChunkReader::new().read(&serde_json::to_vec(&chunk).unwrap()).unwrap();
        prop_assert_eq!(read.choices, chunk.choices);
    }

    #[test]
    fn small_models_are_the_same_when_read_again(
        error in error(), message in message(), usage in usage(), format in response_format(), choice in tool_choice(),
        reason in stop_reason(), finish in finish_reason(), content in content(),
    ) {
        holds(&error);
        holds(&message);
        holds(&usage);
        holds(&format);
        holds(&choice);
        holds(&reason);
        holds(&finish);
        holds(&content);
    }

    #[test]
    fn any_json_settles_at_once(json in plausible()) {
        settles::<ChatCompletionRequest>(&json);
        settles::<ChatCompletionMessage>(&json);
        settles::<ChatCompletionResponse>(&json);
        settles::<ChatCompletionChoice>(&json);
        settles::<ChatCompletionChunk>(&json);
        settles::<ChatCompletionChunkDelta>(&json);
        settles::<ToolCall>(&json);
        settles::<ChatCompletionToolsParam>(&json);
        settles::<ToolChoice>(&json);
        settles::<ResponseFormat>(&json);
        settles::<Content>(&json);
        settles::<ContentPart>(&json);
        settles::<Usage>(&json);
        settles::<Logprobs>(&json);
        settles::<ApiError>(&json);
    }

    #[test]
    fn every_object_is_read_and_keeps_its_unknown_members(members in btree_map("x_[a-z]{0,6}", value(), 0..6)) {
        let json = Value::Object(members.clone().into_iter().collect());
        let response = ChatCompletionResponse::from_slice(json.to_string().as_bytes()).unwrap();
        let written = serde_json::to_value(&response).unwrap();
        for (name, value) in &members {
            prop_assert_eq!(&written[name], value);
        }
    }

    #[test]
    fn reading_never_panics(json in plausible(), bytes in any::<Vec<u8>>(), cut in any::<prop::sample::Index>()) {
        let text = json.to_string();
        let cut = &text.as_bytes()[..cut.index(text.len() + 1)];
        let mut reader = ChunkReader::new();
        let mut answer = ChatCompletionAccumulator::new();
        for data in [text.as_bytes(), cut, &bytes] {
            let _ = ChatCompletionResponse::from_slice(data).map(|response| {
                let _ = (response.text().len(), response.usage().is_some());
                ChatCompletionChunk::from(response)
            });
            let _ = ApiError::from_body(data).map(|error| error.to_string());
            if let Ok(chunk) = reader.read(data) {
                answer.push(&chunk);
            }
        }
        holds(&answer.into_response());
    }

    #[test]
    fn escaped_text_comes_out_whole_however_it_is_cut(text in any::<String>(), sizes in vec(1_usize..5, 1..40)) {
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut rest = units.as_slice();
        let mut reader = ChunkReader::new();
        let mut found = String::new();
        for size in sizes.into_iter().chain(std::iter::repeat(3)) {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            let escaped: String = piece.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let chunk = reader.read(format!(r#"{{"choices":[{{"delta":{{"content":"{escaped}"}}}}]}}"#).as_bytes()).unwrap();
            found.push_str(&chunk.text());
        }
        prop_assert_eq!(found, text);
    }
}
