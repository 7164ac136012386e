//! The questions, one short call each.

use crate::Events;
use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, ChatCompletionToolsParam,
    Client, Error, ErrorKind, FinishReason, ResponseFormat, ToolChoice,
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) struct Probe {
    pub(crate) client: Client,
    /// A client with an invalid key.
    pub(crate) stranger: Client,
    pub(crate) model: String,
    pub(crate) events: Arc<Events>,
}

/// The server's behavior, and the client's reaction.
pub(crate) struct Finding {
    pub(crate) question: &'static str,
    pub(crate) server: String,
    pub(crate) client: String,
    pub(crate) is_quirk: bool,
}

fn usual(question: &'static str, server: impl Into<String>, client: impl Into<String>) -> Finding {
    Finding { question, server: server.into(), client: client.into(), is_quirk: false }
}

fn quirk(question: &'static str, server: impl Into<String>, client: impl Into<String>) -> Finding {
    Finding { is_quirk: true, ..usual(question, server, client) }
}

pub(crate) fn failed(question: &'static str, error: &Error) -> Finding {
    quirk(question, error.to_string(), format!("an error of kind: {}", error.kind()))
}

impl Probe {
    fn request(&self, question: &str) -> ChatCompletionRequest {
        let messages = [ChatCompletionMessage::user(question)];
        ChatCompletionRequest::new(&self.model, messages).max_completion_tokens(64).temperature(0)
    }

    fn weather(&self) -> ChatCompletionRequest {
        let tool = ChatCompletionToolsParam::function("get_weather").parameters(json!({
            "type": "object",
            "properties": { "city": { "type": "string" } },
            "required": ["city"],
        }));
        self.request("What is the weather in Lisbon? Use the tool.")
            .tool(tool)
            .tool_choice(ToolChoice::Required)
    }
}

/// Returns the model to ask. Fails if the server does not respond at all; a server without a list of models is not a failure.
pub(crate) async fn models(
    client: &Client,
    chosen: Option<String>,
) -> Result<(String, Finding), Error> {
    match client.models().list().await {
        Ok(list) => {
            let first = list.data.first().map(|model| model.id.clone());
            let asked = chosen.or(first).unwrap_or_default();
            let count = format!("{}, asking {asked}", list.data.len());
            Ok((asked, usual("models", count, "models().list()")))
        }
        Err(error) if matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout(_)) => {
            Err(error)
        }
        Err(error) => {
            Ok((chosen.unwrap_or_else(|| "default".to_owned()), failed("models", &error)))
        }
    }
}

pub(crate) async fn whole(probe: &Probe) -> Result<Finding, Error> {
    const QUESTION: &str = "a response";
    let reply = probe.client.chat().create(probe.request("Count to three.")).await?;
    let usage = reply.usage.as_ref().map_or("no usage".to_owned(), |usage| {
        format!("{} + {} tokens", usage.prompt_tokens, usage.completion_tokens)
    });
    let reason = reply.finish_reason().map_or("no finish reason", FinishReason::as_str);
    let server = format!("{reason}, {usage}");
    let reasoning = reply.message().and_then(ChatCompletionMessage::reasoning);
    Ok(match reasoning {
        Some(_) => usual(QUESTION, server + ", reasoning", "message.reasoning()"),
        None => usual(QUESTION, server, "text() and usage"),
    })
}

/// Reads one stream, and fills several rows from it. Fails if there is none.
pub(crate) async fn stream(probe: &Probe) -> Result<Vec<Finding>, Error> {
    probe.events.take();
    let mut stream = probe.client.chat().stream(probe.request("Count to ten.")).await?;
    let outcome = loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let events = probe.events.take();
    let parsed = events.iter().filter_map(|data| serde_json::from_str::<Value>(data).ok());
    let with_usage: Vec<bool> = parsed.map(|chunk| chunk["usage"].is_object()).collect();
    let is_done = events.last().is_some_and(|data| data.trim() == "[DONE]");
    let response = stream.partial();
    let reason = response.as_ref().and_then(ChatCompletionResponse::finish_reason).is_some();

    let end = match (is_done, reason) {
        (true, true) => "finish reason, then [DONE]",
        (true, false) => "[DONE] without a finish reason",
        (false, true) => "finish reason, no [DONE]",
        (false, false) => "neither finish reason nor [DONE]",
    };
    let judged = match &outcome {
        Ok(()) => "complete".to_owned(),
        Err(error) => format!("an error: {error}"),
    };
    let end = Finding { is_quirk: !(is_done && reason), ..usual("the end", end, judged) };

    let usage = match with_usage.iter().filter(|has| **has).count() {
        0 => quirk("usage in a stream", "none", "usage_or_estimate()"),
        1 => usual("usage in a stream", "once", "into_response().usage"),
        count => quirk("usage in a stream", format!("{count} times"), "the last one counts"),
    };
    let stats = stream.stats();
    let comments = match stats.comments() {
        0 => usual("keep-alives", "none", "a silence counts as such"),
        count => {
            usual("keep-alives", format!("{count} comments"), "they do not reset the idle timeout")
        }
    };
    let first = stats.first_token().unwrap_or_default().as_millis();
    let rate = match stats.chunks_per_second() {
        Some(rate) if rate < 10_000.0 => format!("{rate:.0}/s"),
        _ => "all together".to_owned(),
    };
    let speed = format!("{} chunks, first token {first} ms, {rate}", stats.chunks());
    let id = stream.request_id().map_or("none", |_| "yes");
    Ok(vec![
        end,
        usage,
        comments,
        usual("speed", speed, "stats()"),
        usual("request id", id, "request_id()"),
    ])
}

pub(crate) async fn length(probe: &Probe) -> Finding {
    const QUESTION: &str = "one token";
    let request = probe.request("Count to ten.").max_completion_tokens(1);
    match probe.client.chat().create(request).await {
        Ok(reply) if reply.finish_reason() == Some(&FinishReason::Length) => {
            usual(QUESTION, "stops with length", "finish_reason()")
        }
        Ok(reply) => {
            let words = reply.text().split_whitespace().count();
            quirk(QUESTION, format!("limit ignored: {words} words"), "max_tokens may work")
        }
        Err(error) => failed(QUESTION, &error),
    }
}

pub(crate) async fn choices(probe: &Probe) -> Finding {
    const QUESTION: &str = "two choices";
    match probe.client.chat().create(probe.request("Hello!").n(2)).await {
        Ok(reply) if reply.choices.len() == 2 => usual(QUESTION, "two", "choices"),
        Ok(reply) => quirk(QUESTION, format!("{}", reply.choices.len()), "n is ignored"),
        Err(error) => failed(QUESTION, &error),
    }
}

pub(crate) async fn tools(probe: &Probe) -> Finding {
    match probe.client.chat().create(probe.weather()).await {
        Ok(reply) => judge_call("a tool", &reply),
        Err(error) => failed("a tool", &error),
    }
}

pub(crate) async fn tool_stream(probe: &Probe) -> Finding {
    const QUESTION: &str = "a tool, streamed";
    let stream = match probe.client.chat().stream(probe.weather()).await {
        Ok(stream) => stream,
        Err(error) => return failed(QUESTION, &error),
    };
    match stream.into_response().await {
        Ok(response) => judge_call(QUESTION, &response),
        Err(error) => failed(QUESTION, &error),
    }
}

fn judge_call(question: &'static str, response: &ChatCompletionResponse) -> Finding {
    let Some(call) = response.tool_calls().first() else {
        return quirk(question, "writes text", "run_tools returns the text");
    };
    let call_text = format!("{}({})", call.name(), call.function.arguments);
    match (call.arguments_json(), call.id.is_empty()) {
        (Err(_), _) => quirk(question, call_text, "run_tools lets the model repair it"),
        (Ok(_), true) => quirk(question, format!("{call_text}, no id"), "run_tools makes an id"),
        (Ok(_), false) => usual(question, call_text, "run_tools calls it"),
    }
}

pub(crate) async fn schema(probe: &Probe) -> Finding {
    let schema = json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "inhabitants": { "type": "integer" } },
        "required": ["name", "inhabitants"],
        "additionalProperties": false,
    });
    let format = ResponseFormat::json_schema("city", schema);
    format_of(probe, "a schema", format, |value| value["inhabitants"].is_i64(), "parse()").await
}

pub(crate) async fn json_object(probe: &Probe) -> Finding {
    let format = ResponseFormat::JsonObject;
    format_of(probe, "json_object", format, Value::is_object, "parse() with json_object()").await
}

async fn format_of(
    probe: &Probe,
    question: &'static str,
    format: ResponseFormat,
    fits: fn(&Value) -> bool,
    client: &str,
) -> Finding {
    let request = probe.request("Name a city by the sea and its inhabitants, as JSON.");
    match probe.client.chat().create(request.response_format(format)).await {
        Ok(reply) => match serde_json::from_str::<Value>(&reply.text()) {
            Ok(value) if fits(&value) => usual(question, "kept", client),
            Ok(_) => quirk(question, "JSON of another form", "parse() with tool() may work"),
            Err(_) => quirk(question, "ignored: not JSON", "parse() with tool() may work"),
        },
        Err(error) => failed(question, &error),
    }
}

pub(crate) async fn logprobs(probe: &Probe) -> Finding {
    const QUESTION: &str = "log probabilities";
    let request = probe.request("Say yes.").logprobs(true).top_logprobs(2);
    match probe.client.chat().create(request).await {
        Ok(reply) => match reply.choices.first().and_then(|choice| choice.logprobs.as_ref()) {
            Some(_) => usual(QUESTION, "sent", "choices[0].logprobs"),
            None => quirk(QUESTION, "ignored", "none in the response"),
        },
        Err(error) => failed(QUESTION, &error),
    }
}

pub(crate) async fn wrong_key(probe: &Probe) -> Finding {
    let request = probe.request("Hello!");
    let outcome = probe.stranger.chat().create(request).await;
    judge_error("a wrong key", outcome.err(), &[ErrorKind::Authentication, ErrorKind::Permission])
}

pub(crate) async fn wrong_model(probe: &Probe) -> Finding {
    let request = probe.request("Hello!").model("no-such-model");
    let outcome = probe.client.chat().create(request).await;
    judge_error("an unknown model", outcome.err(), &[ErrorKind::ModelNotFound])
}

pub(crate) async fn wrong_value(probe: &Probe) -> Finding {
    let mut request = probe.request("Hello!");
    request.temperature = None;
    // The client refuses it as a setter: `extra` is not validated.
    let outcome = probe.client.chat().create(request.extra("temperature", 99)).await;
    judge_error("temperature 99", outcome.err(), &[ErrorKind::InvalidRequest])
}

fn judge_error(question: &'static str, error: Option<Error>, wanted: &[ErrorKind]) -> Finding {
    let Some(error) = error else { return quirk(question, "accepted", "a response as any other") };
    let client = format!("kind: {}", error.kind());
    let is_quirk = !wanted.contains(&error.kind());
    Finding { is_quirk, ..usual(question, error.to_string(), client) }
}
