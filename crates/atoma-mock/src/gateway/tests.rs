use super::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

fn request(method: Method, path: &str, body: impl Into<Bytes>) -> ReceivedRequest {
    let headers = [("authorization", "Bearer key"), ("content-type", "application/json")]
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    ReceivedRequest {
        method,
        path: path.to_owned(),
        headers: HeaderMap::from_iter(headers),
        body: body.into(),
        plaintext: None,
    }
}

fn post(body: &Value) -> ReceivedRequest {
    request(Method::POST, "/v1/chat/completions", body.to_string())
}

fn asking(content: &Value) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": content}]})
}

fn verdict(rules: &Rules, request: &ReceivedRequest) -> Verdict {
    judge(rules, &mut ConfidentialNode::default(), Instant::now(), request).0
}

/// The body of the proxy's own response.
fn text(rules: &Rules, request: &ReceivedRequest) -> String {
    match verdict(rules, request) {
        Verdict::Node(request) => panic!("passed: {request:?}"),
        Verdict::Direct(direct) => String::from_utf8(direct.body.to_vec()).unwrap(),
    }
}

fn status(rules: &Rules, request: &ReceivedRequest) -> u16 {
    match verdict(rules, request) {
        Verdict::Node(_) => 200,
        Verdict::Direct(direct) => direct.status,
    }
}

#[test]
fn content() {
    let image = json!({"type": "image_url", "image_url": {"url": "https://example.com"}});
    let audio = json!({"type": "input_audio", "input_audio": {}});
    for (content, wanted) in [
        (json!("hello"), 200),
        (json!(""), 200),
        (json!([{"type": "text", "text": "a"}, image]), 200),
        (json!(null), 400),
        (json!([]), 400),
        (json!([audio]), 400),
        (json!(7), 400),
    ] {
        assert_eq!(status(&Rules::default(), &post(&asking(&content))), wanted, "{content}");
    }
    let mut none = asking(&json!("a"));
    none["messages"][0].as_object_mut().unwrap().remove("content");
    let text = text(&Rules::default(), &post(&none));
    assert_eq!(
        text,
        r#"{"error":{"code":"REQUEST_ERROR","message":"Request error: Missing or invalid message content"}}"#
    );
}

#[test]
fn parameters() {
    for (member, value, wanted) in [
        ("temperature", json!(2), 200),
        ("temperature", json!(9), 500),
        ("temperature", json!(null), 200),
        ("temperature", json!("hot"), 500),
        ("top_p", json!(1.5), 500),
        ("n", json!(0), 500),
        ("top_logprobs", json!(2), 500),
        ("model", json!(""), 400),
        ("model", json!(null), 400),
        ("messages", json!([]), 500),
        ("messages", json!(null), 400),
    ] {
        let mut body = asking(&json!("hi"));
        body[member] = value.clone();
        assert_eq!(status(&Rules::default(), &post(&body)), wanted, "{member}: {value}");
    }
}

#[test]
fn keys() {
    let good = post(&asking(&json!("hi")));
    let with = |value: &'static str| {
        let mut request = good.clone();
        request.headers.insert("authorization", HeaderValue::from_static(value));
        request
    };
    let strict = Rules { api_key: Some("key".into()), ..Rules::default() };
    let any = Rules::default();
    assert_eq!(status(&strict, &good), 200);
    assert_eq!(status(&strict, &with("Bearer other")), 401);
    assert_eq!(status(&strict, &with("Bearer  key")), 401);
    assert_eq!(status(&any, &with("Bearer other")), 200);
    assert_eq!(status(&any, &with("Bearer ")), 401);
    assert_eq!(status(&any, &with("Basic key")), 401);
    let mut none = good.clone();
    none.headers.remove("authorization");
    let text = text(&any, &none);
    assert_eq!(text, r#"{"error":{"code":"AUTH_ERROR","message":"Authentication failed"}}"#);
}

#[test]
fn routes() {
    let rules = Rules::default();
    let body = asking(&json!("hi")).to_string();
    for (method, path, body, wanted) in [
        (Method::POST, "/v1/chat/completions", body.as_str(), 200),
        (Method::POST, "/a/prefix/v1/chat/completions?x=1", &body, 200),
        (Method::POST, "/v1/confidential/chat/completions", &body, 400),
        (Method::POST, "/v1/nowhere", &body, 404),
        (Method::POST, "/v1/chat/completions", "{", 400),
        (Method::GET, "/v1/chat/completions", "", 400),
        (Method::GET, "/v1/chat/completions", &body, 405),
        (Method::GET, "/v1/models", "", 200),
        (Method::POST, "/v1/models", "", 405),
        (Method::GET, "/health", "", 200),
    ] {
        let request = request(method.clone(), path, body.to_owned());
        assert_eq!(status(&rules, &request), wanted, "{method} {path}");
    }
}

#[test]
fn content_type_and_size() {
    let mut request = post(&asking(&json!("hi")));
    for (content_type, wanted) in [
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("text/plain", 415),
        ("", 415),
    ] {
        request.headers.insert("content-type", HeaderValue::from_static(content_type));
        assert_eq!(status(&Rules::default(), &request), wanted, "{content_type}");
    }
    let large = post(&asking(&json!("x".repeat(checks::BODY_LIMIT))));
    assert_eq!(status(&Rules::default(), &large), 413);
}

#[test]
fn configured_models() {
    let rules = Rules { models: Some(vec!["other".into()]), ..Rules::default() };
    let refused = text(&rules, &post(&asking(&json!("hi"))));
    assert!(refused.contains("Request error: Model not supported"));
    let list = text(&rules, &request(Method::GET, "/v1/models", ""));
    assert!(list.contains(r#""id":"other""#));
    let image = json!({"model": "m", "prompt": "a", "n": 1, "size": "8x8"}).to_string();
    let refused = text(&rules, &request(Method::POST, "/v1/images/generations", image));
    assert!(refused.contains("Request error: No node found for model m"));
}

/// Posts to an endpoint without a key, so that a 401 means that the body passed.
fn anonymous(path: &str, body: &str) -> ReceivedRequest {
    let mut request = request(Method::POST, path, body.to_owned());
    request.headers.remove("authorization");
    request
}

#[test]
fn required_members_are_checked_before_the_key() {
    let parse = |name: &str, reason: &str| {
        format!(
            "Request error: Failed to parse body as {name} request model: Invalid request: {reason}"
        )
    };
    for (path, body, wanted) in [
        (
            "/v1/embeddings",
            r#"{"model":"m","input":["a"]}"#,
            parse("embeddings", "Input field is required"),
        ),
        ("/v1/embeddings", r#"{"input":"a"}"#, parse("embeddings", "Model field is required")),
        (
            "/v1/images/generations",
            r#"{"model":"m","size":"8x8"}"#,
            parse("image generations", "N field is required"),
        ),
        (
            "/v1/images/generations",
            r#"{"model":"m","n":1}"#,
            parse("image generations", "Size field is required"),
        ),
        (
            "/v1/completions",
            r#"{"model":"m","prompt":7}"#,
            parse(
                "completions",
                "Invalid 'prompt' field for `RequestModelCompletions`: data did not match any variant of untagged enum CompletionsPrompt",
            ),
        ),
        (
            "/v1/completions",
            r#"{"model":"m"}"#,
            parse("completions", "Missing or invalid 'prompt' field for `RequestModelCompletions`"),
        ),
        (
            "/v1/chat/completions",
            r#"{"model":"m"}"#,
            parse("chat completions", "Missing or invalid 'messages' field"),
        ),
        (
            "/v1/chat/completions",
            r#"{"messages":[]}"#,
            parse("chat completions", "Missing or invalid 'model' field"),
        ),
        ("/v1/embeddings", r#"{"model":"m","input":"a"}"#, "Authentication failed".to_owned()),
        (
            "/v1/images/generations",
            r#"{"model":"m","n":1,"size":"?"}"#,
            "Authentication failed".to_owned(),
        ),
        ("/v1/completions", r#"{"model":"m","prompt":[[1]]}"#, "Authentication failed".to_owned()),
        // The key first: the proxy cannot read these bodies.
        ("/v1/confidential/chat/completions", "{", "Authentication failed".to_owned()),
        ("/v1/nodes/lock", r#"{"model":"m"}"#, "Authentication failed".to_owned()),
    ] {
        let text = text(&Rules::default(), &anonymous(path, body));
        let error: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(error["error"]["message"], wanted, "{path} {body}");
    }
}

#[test]
fn the_framework_reads_locks_before_the_key() {
    let mut plain = anonymous("/v1/nodes/lock", r#"{"model":"m"}"#);
    plain.headers.insert("content-type", HeaderValue::from_static("text/plain"));
    assert_eq!(status(&Rules::default(), &plain), 415);
    let large = format!(r#"{{"model":"{}"}}"#, "m".repeat(checks::BODY_LIMIT));
    for (body, wanted) in [
        (large.as_str(), 413),
        ("{", 400),
        ("{}", 422),
        (r#"{"model":7}"#, 422),
        (r#"{"model":"m","timeout":-1}"#, 422),
        (r#"{"model":"m"}"#, 401),
    ] {
        assert_eq!(status(&Rules::default(), &anonymous("/v1/nodes/lock", body)), wanted);
    }
    let rules = Rules { models: Some(vec![]), ..Rules::default() };
    let lock = request(Method::POST, "/v1/nodes/lock", r#"{"model":"m"}"#);
    assert_eq!(status(&rules, &lock), 503);
}

#[test]
fn a_node_signs_its_data() {
    let data = r#"{"node_small_id":7,"public_address":"http://node","country":"CH"}"#;
    let signature = atoma_verify::SigningKey::test().sign_plaintext(data.as_bytes()).signature;
    for (data, wanted) in [
        (data, 200),
        (r#"{"country": "CH", "public_address": "http://node", "node_small_id": 7}"#, 200),
        (r#"{"node_small_id":8,"public_address":"http://node","country":"CH"}"#, 400),
        (r#"{"node_small_id":8}"#, 422),
    ] {
        let body = format!(r#"{{"data":{data},"signature":"{signature}"}}"#);
        assert_eq!(status(&Rules::default(), &anonymous("/v1/nodes", &body)), wanted, "{data}");
    }
    for (data, signature, wanted) in [
        (data, "c2ln", "Request error: Failed to parse signature, with error: "),
        (
            r#"{"node_small_id":8,"public_address":"http://node","country":"CH"}"#,
            signature.as_str(),
            "Request error: Failed to verify signature, with error: ",
        ),
    ] {
        let body = format!(r#"{{"data":{data},"signature":"{signature}"}}"#);
        let text = text(&Rules::default(), &anonymous("/v1/nodes", &body));
        assert!(text.contains(wanted), "{text}");
    }
}
