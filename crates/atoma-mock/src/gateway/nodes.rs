//! The proxy's endpoints for nodes: locking one for a confidential request, and registering one.
//!
//! Faults of the body are those of axum: 415 for another content type, 413 for its size, 400 for broken JSON, 422 for a member that
//! is missing or of another type.
use super::{checks, direct::DirectResponse, rules::Rules};
use crate::{
    endpoint::Endpoint,
    node::{ConfidentialNode, NODE_SMALL_ID},
    request::ReceivedRequest,
};
use atoma_verify::{Verifier, VerifyErrorKind};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// The compute units of a lock that does not ask for a number.
const DEFAULT_UNITS: u64 = 8192;
/// The validity of a lock in seconds, if the request does not say.
const DEFAULT_TIMEOUT: u64 = 5;

/// `POST /v1/nodes/lock`. The framework reads the body before the proxy looks at the key.
pub(super) fn lock(
    rules: &Rules,
    node: &mut ConfidentialNode,
    now: Instant,
    request: &ReceivedRequest,
) -> Result<DirectResponse, DirectResponse> {
    let body = json_body(request)?;
    let model = text(&body, "model")?;
    let units = optional_number(&body, "max_num_tokens")?.unwrap_or(DEFAULT_UNITS);
    let timeout = optional_number(&body, "timeout")?.unwrap_or(DEFAULT_TIMEOUT);
    checks::key(rules, request)?;
    if checks::model(rules, Endpoint::Chat, &json!({ "model": model })).is_err() {
        return Err(DirectResponse::error(503, "SERVICE_UNAVAILABLE", "Service unavailable"));
    }
    let stack = node.locks.lock(units, Duration::from_secs(timeout), now);
    Ok(DirectResponse::json(&json!({
        "public_key": node.public_key(),
        "node_small_id": NODE_SMALL_ID,
        "stack_entry_digest": null,
        "stack_small_id": stack,
    })))
}

/// `POST /v1/nodes`: registers a node's address, if the signature is one of the data.
pub(super) fn create(request: &ReceivedRequest) -> Result<DirectResponse, DirectResponse> {
    let body = json_body(request)?;
    let data = &body["data"];
    if data.is_null() {
        return Err(unprocessable("missing field `data`"));
    }
    let id = optional_number(data, "node_small_id")?
        .ok_or_else(|| unprocessable("missing field `node_small_id`"))?;
    let address = text(data, "public_address")?;
    let country = text(data, "country")?;
    let signature = text(&body, "signature")?;

    // Compact, and in this order, whatever the request had.
    let signed = format!(
        r#"{{"node_small_id":{id},"public_address":{},"country":{}}}"#,
        Value::from(address),
        Value::from(country),
    );
    // The hash of the data, in the encoding that the verifier compares.
    let hash = atoma_verify::SigningKey::test().sign_plaintext(signed.as_bytes()).response_hash;
    Verifier::any_signer().check_plaintext(signed.as_bytes(), signature, &hash).map_err(
        |error| {
            let step = match error.kind() {
                VerifyErrorKind::BadEncoding | VerifyErrorKind::UnknownScheme => "parse",
                _ => "verify",
            };
            let reason = format!("Failed to {step} signature, with error: {error}");
            DirectResponse::bad_request(&reason)
        },
    )?;
    Ok(DirectResponse::json(&json!({"message": "Success"})))
}

/// Reads a body as the framework does: 415, 413, then 400.
fn json_body(request: &ReceivedRequest) -> Result<Value, DirectResponse> {
    checks::transfer(request)?;
    serde_json::from_slice(&request.body).map_err(|error| {
        let text = format!("Failed to parse the request body as JSON: {error}");
        DirectResponse::text(400, &text)
    })
}

/// Returns a member that must be a string.
fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, DirectResponse> {
    match &body[name] {
        Value::String(text) => Ok(text),
        Value::Null => Err(unprocessable(&format!("missing field `{name}`"))),
        _ => Err(unprocessable(&format!("{name}: invalid type, expected a string"))),
    }
}

/// Returns a member that may be missing, and must be a number otherwise.
fn optional_number(body: &Value, name: &str) -> Result<Option<u64>, DirectResponse> {
    match &body[name] {
        Value::Null => Ok(None),
        value => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(unprocessable(&format!("{name}: invalid type, expected u64"))),
        },
    }
}

/// The response to a body that is JSON but has another form.
fn unprocessable(reason: &str) -> DirectResponse {
    let text = format!("Failed to deserialize the JSON body into the target type: {reason}");
    DirectResponse::text(422, &text)
}
