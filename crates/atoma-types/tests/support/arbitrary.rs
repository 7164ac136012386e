//! Arbitrary values of the models, and arbitrary JSON.

use atoma_types::*;
use proptest::{
    collection::{btree_map, vec},
    option::of,
    prelude::*,
};
use serde_json::{Map, Value, json};

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z]{1,6}", any::<String>()]
}

pub(crate) fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<i32>().prop_map(f64::from), -1e6..1e6, Just(-9999.0)]
}

pub(crate) fn scalar() -> impl Strategy<Value = Value> {
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

pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-z_]{1,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Unknown members: no model has their names.
pub(crate) fn extra() -> impl Strategy<Value = Extra> {
    let member = ("x_[a-z]{0,6}", value());
    prop_oneof![3 => Just(Extra::new()), 1 => vec(member, 0..3).prop_map(|members| members.into_iter().collect())]
}

/// Every name that a model knows, and some that none does.
const NAMES: &str = "\
    id object created model choices usage service_tier system_fingerprint signature \
    response_hash error index message delta finish_reason stop_reason logprobs role content \
    name refusal reasoning reasoning_content tool_calls tool_call_id function_call type \
    function arguments text image_url url detail code param prompt_tokens total_tokens \
    prompt_tokens_details cached_tokens token logprob bytes top_logprobs messages stop \
    temperature logit_bias tools tool_choice response_format json_schema seed stream_options \
    include_usage thinking unknown";

/// JSON with the models' member names, and arbitrary values.
pub(crate) fn plausible() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(6, 48, 6, |inner| {
        let names: Vec<&str> = NAMES.split_whitespace().collect();
        let member = (proptest::sample::select(names), inner.clone());
        prop_oneof![
            1 => vec(inner, 0..4).prop_map(Value::from),
            4 => vec(member, 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
            }),
        ]
    })
}

pub(crate) fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        Just(Role::System),
        Just(Role::User),
        Just(Role::Assistant),
        Just(Role::Tool),
        "[a-z]{1,9}".prop_map(Role::from),
    ]
}

pub(crate) fn finish_reason() -> impl Strategy<Value = FinishReason> {
    prop_oneof![
        Just(FinishReason::Stop),
        Just(FinishReason::ToolCalls),
        "[a-z_]{1,9}".prop_map(FinishReason::from)
    ]
}

pub(crate) fn part() -> impl Strategy<Value = ContentPart> {
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

pub(crate) fn content() -> impl Strategy<Value = Content> {
    prop_oneof![text().prop_map(Content::Text), vec(part(), 1..4).prop_map(Content::Parts)]
}

pub(crate) fn usage() -> impl Strategy<Value = Usage> {
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

pub(crate) fn logprobs() -> impl Strategy<Value = Logprobs> {
    let token = (text(), number(), of(any::<Vec<u8>>()), extra()).prop_map(
        |(token, logprob, bytes, extra)| {
            let mut likely = TopLogprob::default();
            (likely.token, likely.logprob, likely.bytes) =
                (token.clone(), Some(logprob), bytes.clone());
            let mut entry = TokenLogprob::default();
            (entry.token, entry.logprob, entry.bytes, entry.extra) =
                (token, Some(logprob), bytes, extra);
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

pub(crate) fn tool_call() -> impl Strategy<Value = ToolCall> {
    (text(), text(), text(), extra(), extra()).prop_map(|(id, name, arguments, inner, extra)| {
        let mut function = FunctionCall::default();
        (function.name, function.arguments, function.extra) = (name, arguments, inner);
        let mut call = ToolCall::default();
        (call.id, call.function, call.extra) = (id, function, extra);
        call
    })
}

pub(crate) fn tool_call_delta() -> impl Strategy<Value = ToolCallDelta> {
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

pub(crate) fn message() -> impl Strategy<Value = ChatCompletionMessage> {
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

pub(crate) fn stop_reason() -> impl Strategy<Value = StopReason> {
    prop_oneof![any::<i64>().prop_map(StopReason::Int), text().prop_map(StopReason::String)]
}

pub(crate) fn choice() -> impl Strategy<Value = ChatCompletionChoice> {
    (any::<u32>(), message(), of(finish_reason()), of(stop_reason()), of(logprobs()), extra())
        .prop_map(|(index, message, finish_reason, stop_reason, logprobs, extra)| {
            let mut choice = ChatCompletionChoice::default();
            (choice.index, choice.message, choice.finish_reason) = (index, message, finish_reason);
            (choice.stop_reason, choice.logprobs, choice.extra) =
                (stop_reason, logprobs.map(Box::new), extra);
            choice
        })
}

pub(crate) fn error() -> impl Strategy<Value = ApiError> {
    ("[a-z]{1,9}", of(text()), of(text()), of(text()), extra()).prop_map(
        |(message, code, kind, param, extra)| {
            let mut error = ApiError::default();
            (error.message, error.code, error.kind, error.param, error.extra) =
                (message, code, kind, param, extra);
            error
        },
    )
}

pub(crate) fn response() -> impl Strategy<Value = ChatCompletionResponse> {
    let names = [text(), text(), text()];
    let shared = [of(text()), of(text())];
    let signed = [of(text()), of(text())];
    (names, any::<i64>(), vec(choice(), 0..3), of(usage()), (shared, signed), of(error()), extra())
        .prop_map(|([id, object, model], created, choices, usage, optional, error, extra)| {
            let mut response = ChatCompletionResponse::default();
            (response.id, response.model) = (id.into(), model.into());
            response.object = ObjectKind::from(object);
            (response.created, response.choices, response.usage) = (created, choices, usage);
            let (shared, signed) = optional;
            [response.service_tier, response.system_fingerprint] =
                shared.map(|text| text.map(Into::into));
            [response.signature, response.response_hash] = signed;
            (response.error, response.extra) = (error.map(Box::new), extra);
            response
        })
}

pub(crate) fn delta() -> impl Strategy<Value = ChatCompletionChunkDelta> {
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

pub(crate) fn chunk() -> impl Strategy<Value = ChatCompletionChunk> {
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

pub(crate) fn tool() -> impl Strategy<Value = ChatCompletionToolsParam> {
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

pub(crate) fn response_format() -> impl Strategy<Value = ResponseFormat> {
    prop_oneof![
        Just(ResponseFormat::Text),
        Just(ResponseFormat::JsonObject),
        (text(), any::<bool>()).prop_map(|(name, strict)| JsonSchemaFormat::new(
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

pub(crate) fn tool_choice() -> impl Strategy<Value = ToolChoice> {
    prop_oneof![
        Just(ToolChoice::None),
        Just(ToolChoice::Auto),
        Just(ToolChoice::Required),
        text().prop_map(ToolChoice::Function),
    ]
}

pub(crate) fn float() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("finite", |number| number.is_finite())
}

/// A message without the members that are left out or filled in when a request is written.
fn sendable(mut message: ChatCompletionMessage) -> ChatCompletionMessage {
    let known = |extra: &Extra| {
        extra
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, value.clone()))
            .collect()
    };
    message.extra = known(&message.extra);
    for call in &mut message.tool_calls {
        (call.extra, call.function.extra) = (known(&call.extra), known(&call.function.extra));
        if matches!(call.function.arguments.trim(), "" | "null") {
            call.function.arguments = "{}".to_owned();
        }
    }
    message
}

pub(crate) fn request() -> impl Strategy<Value = ChatCompletionRequest> {
    let floats = [of(float()), of(float()), of(float()), of(float())];
    let counts = [of(any::<u32>()), of(any::<u32>()), of(any::<u32>()), of(any::<u32>())];
    let flags = [of(any::<bool>()), of(any::<bool>()), of(any::<bool>()), of(any::<bool>())];
    let lists = (
        vec(message(), 0..3),
        of(vec(text(), 1..3)),
        of(vec(tool(), 1..3)),
        of(btree_map("[0-9]{1,5}", float(), 1..3)),
    );
    let rest = (of(any::<i64>()), of(text()), of(response_format()), of(tool_choice()), extra());
    (text(), floats, counts, flags, lists, rest).prop_map(
        |(model, floats, counts, flags, lists, rest)| {
            let messages = lists.0.into_iter().map(sendable);
            let mut request = ChatCompletionRequest::new(model, messages);
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
