//! The proxy's handling of confidential requests.
//!
//! ```text
//! key ─► envelope ─► lock is spent ─► size ─► node decrypts ─► inner request ─► verdict
//! 401    400         425              413     500               500
//! ```
//!
//! The statuses are those that a client sees: most failures inside the node are a 500 without a reason.
use super::{
    checks,
    direct::DirectResponse,
    rules::Rules,
    verdict::{NodeRequest, Verdict},
};
use crate::{endpoint::Endpoint, node::ConfidentialNode, request::ReceivedRequest};
use atoma_confidential::node::RequestErrorKind;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

/// The proxy's message for a node that rejects a decrypted request.
const BAD_REQUEST: &str = "Bad Request";

/// Checks a confidential request. The order matters: the key comes first, and the lock is spent before the body
/// is measured and decrypted.
pub(super) fn judge(
    rules: &Rules,
    node: &mut ConfidentialNode,
    now: Instant,
    endpoint: Endpoint,
    request: &ReceivedRequest,
    plaintext: &mut Option<Bytes>,
) -> Result<Verdict, DirectResponse> {
    checks::key(rules, request)?;
    let envelope = envelope(request)?;
    let units = envelope["num_compute_units"].as_u64();
    let units = units.unwrap_or_else(|| endpoint.default_compute_units());
    if !node.locks.spend(envelope["stack_small_id"].as_u64().unwrap_or(0), units, now) {
        return Err(DirectResponse::error(425, "UNAVAILABLE_STACK", "Stack unavailable"));
    }
    checks::transfer(request)?;

    let text = std::str::from_utf8(&request.body).unwrap_or("");
    let (opened, session) = node.open(text).map_err(|error| {
        DirectResponse::internal(match error.kind() {
            RequestErrorKind::HashMismatch | RequestErrorKind::InvalidMember => BAD_REQUEST,
            _ => checks::NODE_FAILED,
        })
    })?;
    // Recorded for the test, which cannot decrypt the body.
    *plaintext = Some(Bytes::copy_from_slice(opened.plaintext()));

    let body = inner(rules, endpoint, opened.plaintext())
        .ok_or_else(|| DirectResponse::internal(BAD_REQUEST))?;
    if !checks::within_range(endpoint, &body) {
        return Err(DirectResponse::internal(checks::NODE_FAILED));
    }
    // The proxy streams by the outer member, the node by the inner one.
    let outer = checks::streams(endpoint, &envelope);
    let inner = checks::streams(endpoint, &body);
    if inner && !outer {
        return Err(DirectResponse::internal("Internal server error occurred"));
    }
    // The proxy finds no events in a response that is not streamed, and drops all chunks of completions,
    // because it compares the hash of the plaintext with the encrypted chunk.
    let stream_is_empty = outer && (!inner || endpoint == Endpoint::Completions);
    let session = Some(session);
    Ok(Verdict::Node(Box::new(NodeRequest {
        endpoint,
        body,
        streamed: outer,
        stream_is_empty,
        session,
    })))
}

/// Reads the members of the envelope that the proxy needs.
fn envelope(request: &ReceivedRequest) -> Result<Value, DirectResponse> {
    const REQUIRED: [&str; 8] = [
        "ciphertext",
        "stack_small_id",
        "nonce",
        "salt",
        "client_dh_public_key",
        "node_dh_public_key",
        "plaintext_body_hash",
        "model_name",
    ];
    let refuse = |reason: &str| {
        DirectResponse::bad_request(&format!("Failed to parse body as JSON: {reason}"))
    };
    let body: Value =
        serde_json::from_slice(&request.body).map_err(|error| refuse(&error.to_string()))?;
    for name in REQUIRED {
        let valid = match &body[name] {
            Value::Null => return Err(refuse(&format!("missing field `{name}`"))),
            value if name == "stack_small_id" => value.is_u64(),
            value => value.is_string(),
        };
        if !valid {
            return Err(refuse(&format!("invalid type of `{name}`")));
        }
    }
    let hash = body["plaintext_body_hash"].as_str().unwrap_or("");
    if let Err(error) = STANDARD.decode(hash) {
        let reason = format!("Hash is not base64: {error}");
        return Err(DirectResponse::bad_request(&reason));
    }
    Ok(body)
}

/// Reads the decrypted request; `None` if the node rejects it.
fn inner(rules: &Rules, endpoint: Endpoint, plaintext: &[u8]) -> Option<Value> {
    let body: Value = serde_json::from_slice(plaintext).ok()?;
    checks::members(rules, endpoint, &body).ok()?;
    checks::model(rules, endpoint, &body).ok()?;
    checks::estimate(endpoint, &body).ok()?;
    Some(body)
}
