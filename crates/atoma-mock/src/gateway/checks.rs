//! The checks of the proxy, each with the words of the real one.
//!
//! Clients decide by these texts and statuses, so they are part of the imitation. Where the real proxy is careless, such as with an
//! empty list of messages, so is this one, and the node rejects the request with a 500.
use super::{direct::DirectResponse, rules::Rules};
use crate::{endpoint::Endpoint, fake_model::messages, request::ReceivedRequest};
use http::{Method, header};
use serde_json::Value;

/// The proxy's message for an error of the node.
pub(super) const NODE_FAILED: &str =
    "Inference service returned status code error 500 Internal Server Error";

/// The size of a request body above which the proxy's framework responds with 413.
pub(super) const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// The most images of one response. The real proxy has no limit; a test does not need more memory than this.
const MOST_IMAGES: f64 = 64.0;

/// Checks the required members, and returns the reason if one is missing, in the words of the proxy.
pub(super) fn members(rules: &Rules, endpoint: Endpoint, body: &Value) -> Result<(), &'static str> {
    if !body["model"].is_string() {
        return Err(match endpoint {
            Endpoint::Chat => "Missing or invalid 'model' field",
            Endpoint::Completions => {
                "Missing or invalid 'model' field for `RequestModelCompletions`"
            }
            Endpoint::Embeddings | Endpoint::Images => "Model field is required",
        });
    }
    match endpoint {
        Endpoint::Chat if !body["messages"].is_array() => {
            Err("Missing or invalid 'messages' field")
        }
        Endpoint::Completions if body.get("prompt").is_none() => {
            Err("Missing or invalid 'prompt' field for `RequestModelCompletions`")
        }
        Endpoint::Completions if !is_prompt(&body["prompt"]) => Err(
            "Invalid 'prompt' field for `RequestModelCompletions`: data did not match any variant of untagged enum CompletionsPrompt",
        ),
        Endpoint::Embeddings if !is_input(rules, &body["input"]) => Err("Input field is required"),
        Endpoint::Images if !body["n"].is_u64() => Err("N field is required"),
        Endpoint::Images if !body["size"].is_string() => Err("Size field is required"),
        _ => Ok(()),
    }
}

/// A text, a list of texts, a list of tokens, or a list of such lists.
fn is_prompt(prompt: &Value) -> bool {
    let list = |items: &[Value]| {
        items.iter().all(Value::is_string)
            || items.iter().all(Value::is_u64)
            || items
                .iter()
                .all(|item| item.as_array().is_some_and(|tokens| tokens.iter().all(Value::is_u64)))
    };
    prompt.is_string() || prompt.as_array().is_some_and(|items| list(items))
}

/// A text; a list only if the rules allow it, which Atoma's proxy does not.
fn is_input(rules: &Rules, input: &Value) -> bool {
    input.is_string() || (rules.embedding_lists && is_prompt(input))
}

/// Checks the API key: the configured one, or any if none is configured.
pub(super) fn key(rules: &Rules, request: &ReceivedRequest) -> Result<(), DirectResponse> {
    let valid = match (&rules.api_key, request.bearer()) {
        (_, None) => false,
        (None, Some(token)) => !token.is_empty(),
        (Some(key), Some(token)) => key == token,
    };
    if valid {
        Ok(())
    } else {
        Err(DirectResponse::error(401, "AUTH_ERROR", "Authentication failed"))
    }
}

/// Checks that the model is one of the configured ones.
pub(super) fn model(rules: &Rules, endpoint: Endpoint, body: &Value) -> Result<(), String> {
    let name = body["model"].as_str().unwrap_or("");
    let is_known = |models: &Vec<String>| models.iter().any(|model| model == name);
    if rules.models.as_ref().map_or(!name.is_empty(), is_known) {
        return Ok(());
    }
    Err(match endpoint {
        Endpoint::Images => format!("No node found for model {name}"),
        _ => "Model not supported".to_owned(),
    })
}

/// Checks the members from which the proxy estimates the cost of a request.
pub(super) fn estimate(endpoint: Endpoint, body: &Value) -> Result<(), String> {
    match endpoint {
        Endpoint::Chat if !messages(body).iter().all(has_content) => {
            Err("Missing or invalid message content".to_owned())
        }
        Endpoint::Images => {
            let size = body["size"].as_str().unwrap_or("");
            let sides = size.split('x').filter_map(|side| side.parse::<u64>().ok()).count();
            if sides == 2 { Ok(()) } else { Err(format!("Invalid size format: {size}")) }
        }
        _ => Ok(()),
    }
}

/// A string, or at least one part, and only texts and images, as proxy and node require.
fn has_content(message: &Value) -> bool {
    let known = |part: &Value| match part["type"].as_str() {
        Some("text") => part["text"].is_string(),
        Some("image_url") => part["image_url"]["url"].is_string(),
        _ => false,
    };
    match &message["content"] {
        Value::String(_) => true,
        Value::Array(parts) => !parts.is_empty() && parts.iter().all(known),
        _ => false,
    }
}

/// Checks the method, the content type and the size of a `POST`: the framework does, after the proxy's own checks.
pub(super) fn transfer(request: &ReceivedRequest) -> Result<(), DirectResponse> {
    method(&Method::POST, "POST", request)?;
    if !is_json(request) {
        let text = "Expected request with `Content-Type: application/json`";
        return Err(DirectResponse::text(415, text));
    }
    if request.body.len() > BODY_LIMIT {
        let text = "Failed to buffer the request body: length limit exceeded";
        return Err(DirectResponse::text(413, text));
    }
    Ok(())
}

/// Checks the method. HEAD is allowed where GET is.
pub(super) fn method(
    method: &Method,
    allow: &'static str,
    request: &ReceivedRequest,
) -> Result<(), DirectResponse> {
    let head = *method == Method::GET && request.method == Method::HEAD;
    if request.method == *method || head {
        return Ok(());
    }
    Err(DirectResponse { allow: Some(allow), ..DirectResponse::empty(405) })
}

/// Returns whether the content type is JSON, by the rules of axum.
fn is_json(request: &ReceivedRequest) -> bool {
    let content_type = request.header(header::CONTENT_TYPE.as_str()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Returns whether the backend accepts the parameters. A client sees its errors as a 500 without a
/// reason.
pub(super) fn within_range(endpoint: Endpoint, body: &Value) -> bool {
    let between = |name: &str, least: f64, most: f64| match &body[name] {
        Value::Null => true,
        value => value.as_f64().is_some_and(|number| (least..=most).contains(&number)),
    };
    let sampling = between("temperature", 0.0, 2.0)
        && between("top_p", 0.0, 1.0)
        && between("frequency_penalty", -2.0, 2.0)
        && between("presence_penalty", -2.0, 2.0)
        && (endpoint == Endpoint::Images || between("n", 1.0, 128.0));
    sampling
        && match endpoint {
            // The proxy passes an empty conversation on, and the node rejects it.
            Endpoint::Chat => {
                !messages(body).is_empty()
                    && between("top_logprobs", 0.0, 20.0)
                    && (body["top_logprobs"].as_u64().unwrap_or(0) == 0 || body["logprobs"] == true)
            }
            Endpoint::Completions => between("logprobs", 0.0, 20.0),
            Endpoint::Embeddings => between("dimensions", 1.0, 8192.0),
            Endpoint::Images => between("n", 1.0, MOST_IMAGES),
        }
}

/// Whether the endpoint streams and the body asks for it.
pub(super) fn streams(endpoint: Endpoint, body: &Value) -> bool {
    matches!(endpoint, Endpoint::Chat | Endpoint::Completions) && body["stream"] == true
}
