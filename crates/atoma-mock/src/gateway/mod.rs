//! The proxy's rules: which requests reach a node, and the proxy's own responses.
//!
//! The checks and their order are those of the real proxy, as far as its sources show them.
//!
//! ```text
//! path ─┬─ /chat/completions, /completions, …     ordinary ─► body, key, model, size ─► node
//!       ├─ /confidential/…                        confidential ─► envelope, lock, decryption ─► node
//!       ├─ /nodes, /nodes/lock                    nodes: a lock, a registration
//!       ├─ /models, /open_router/models, /health  direct
//!       └─ anything else                          404
//! ```

mod checks;
mod confidential;
mod direct;
mod nodes;
mod rules;
mod verdict;

#[cfg(test)]
mod tests;

use crate::{endpoint::Endpoint, node::ConfidentialNode, png, request::ReceivedRequest};
use bytes::Bytes;
pub(crate) use direct::DirectResponse;
use http::Method;
pub(crate) use rules::Rules;
use serde_json::{Value, json};
use tokio::time::Instant;
pub(crate) use verdict::{NodeRequest, Verdict};

/// The models that are listed when none are configured.
const MODELS: [&str; 3] = [
    "meta-llama/Llama-3.3-70B-Instruct",
    "deepseek-ai/DeepSeek-R1",
    "Infermatic/Llama-3.3-70B-Instruct-FP8-Dynamic",
];

/// Checks a request as the proxy does, in the same order. The second value is the decrypted body.
pub(crate) fn judge(
    rules: &Rules,
    node: &mut ConfidentialNode,
    now: Instant,
    request: &ReceivedRequest,
) -> (Verdict, Option<Bytes>) {
    let path = request.path_without_query();
    let mut plaintext = None;
    let verdict = match Endpoint::of_path(path) {
        Some((endpoint, true)) => {
            confidential::judge(rules, node, now, endpoint, request, &mut plaintext)
        }
        Some((endpoint, false)) => ordinary(rules, endpoint, request),
        None => other(rules, node, now, request, path).map(Verdict::Direct),
    };
    (verdict.unwrap_or_else(Verdict::Direct), plaintext)
}

/// A request to one of the endpoints whose bodies the proxy can read.
fn ordinary(
    rules: &Rules,
    endpoint: Endpoint,
    request: &ReceivedRequest,
) -> Result<Verdict, DirectResponse> {
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| {
        DirectResponse::bad_request(&format!("Failed to parse body as JSON: {error}"))
    })?;
    // Before the key: the real proxy parses the body first, so that a malformed request without a key is a 400.
    checks::members(rules, endpoint, &body).map_err(|reason| {
        let name = endpoint.request_name();
        DirectResponse::bad_request(&format!(
            "Failed to parse body as {name} request model: Invalid request: {reason}"
        ))
    })?;
    checks::key(rules, request)?;
    checks::model(rules, endpoint, &body).map_err(|reason| DirectResponse::bad_request(&reason))?;
    checks::estimate(endpoint, &body).map_err(|reason| DirectResponse::bad_request(&reason))?;
    checks::transfer(request)?;
    if !checks::within_range(endpoint, &body) {
        return Err(DirectResponse::internal(checks::NODE_FAILED));
    }
    let streamed = checks::streams(endpoint, &body);
    let stream_is_empty = false;
    Ok(Verdict::Node(Box::new(NodeRequest {
        endpoint,
        body,
        streamed,
        stream_is_empty,
        session: None,
    })))
}

/// Every other path.
fn other(
    rules: &Rules,
    node: &mut ConfidentialNode,
    now: Instant,
    request: &ReceivedRequest,
    path: &str,
) -> Result<DirectResponse, DirectResponse> {
    let get = || checks::method(&Method::GET, "GET,HEAD", request);
    // By the end of the path, since clients put different prefixes before it.
    if path.ends_with("/nodes/lock") {
        nodes::lock(rules, node, now, request)
    } else if path.ends_with("/nodes") {
        nodes::create(request)
    } else if path.ends_with("/open_router/models") {
        get().map(|()| DirectResponse::json(&open_router_models(rules)))
    } else if path.ends_with("/models") {
        get()?;
        checks::key(rules, request)?;
        Ok(DirectResponse::json(&models(rules)))
    } else if path.ends_with("/health") {
        get().map(|()| DirectResponse::json(&json!({"message": "ok"})))
    } else if let Some(image) = png::of_path(path) {
        get().map(|()| DirectResponse::new(200, Some("image/png"), image))
    } else {
        Err(DirectResponse::empty(404))
    }
}

/// The configured models, or else [`MODELS`].
fn model_names(rules: &Rules) -> Vec<String> {
    rules.models.clone().unwrap_or_else(|| MODELS.map(str::to_owned).to_vec())
}

/// The list of models, in OpenAI's form.
fn models(rules: &Rules) -> Value {
    let model =
        |id| json!({"id": id, "object": "model", "created": 1_686_935_002, "owned_by": "atoma"});
    let data: Vec<Value> = model_names(rules).into_iter().map(model).collect();
    json!({"object": "list", "data": data})
}

/// The real proxy serves any JSON from a file; this is the form that OpenRouter asks of providers.
fn open_router_models(rules: &Rules) -> Value {
    let model = |id: String| {
        json!({
            "id": id,
            "name": id.rsplit('/').next(),
            "created": 1_686_935_002,
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "context_length": 131_072,
            "max_output_length": 8192,
            "pricing": {"prompt": "0.0000001", "completion": "0.0000004"},
        })
    };
    json!({"data": model_names(rules).into_iter().map(model).collect::<Vec<Value>>()})
}
