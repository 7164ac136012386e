use http::{Method, header};
use serde_json::{Value, json};

use crate::fake_model::messages;
use crate::request::ReceivedRequest;

/// What the proxy makes of a request, before any model is asked.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// A chat request that it lets through.
    Chat(Value),
    /// Its own answer.
    Plain(Plain),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Plain {
    pub(crate) status: u16,
    /// `None`: an empty body.
    pub(crate) content_type: Option<&'static str>,
    pub(crate) body: String,
    pub(crate) allow: Option<&'static str>,
}

/// Whom and what the proxy lets through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// `None`: any key that is not empty.
    pub(crate) api_key: Option<String>,
    /// `None`: any model that is not empty.
    pub(crate) models: Option<Vec<String>>,
}

/// The models that are listed when none were configured.
pub(crate) const MODELS: [&str; 3] = [
    "meta-llama/Llama-3.3-70B-Instruct",
    "deepseek-ai/DeepSeek-R1",
    "Infermatic/Llama-3.3-70B-Instruct-FP8-Dynamic",
];

/// The size of a request body over which the proxy's framework answers 413.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Judges a request as the proxy does, in the same order of checks.
pub(crate) fn judge(rules: &Rules, request: &ReceivedRequest) -> Verdict {
    let path = request.path.split('?').next().unwrap_or("");
    let judged = if path.ends_with("/chat/completions") && !path.contains("/confidential/") {
        chat(rules, request)
    } else if path.ends_with("/models") {
        only(&Method::GET, "GET,HEAD", request).and_then(|()| models(rules, request))
    } else if path.ends_with("/health") {
        only(&Method::GET, "GET,HEAD", request).map(|()| json_body(&json!({"message": "ok"})))
    } else {
        Err(empty(404))
    };
    judged.unwrap_or_else(Verdict::Plain)
}

fn chat(rules: &Rules, request: &ReceivedRequest) -> Result<Verdict, Plain> {
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|error| bad_request(&format!("the body is not JSON: {error}")))?;
    authorised(rules, request)?;
    model(rules, &body)?;
    if body["messages"].as_array().is_none_or(Vec::is_empty) {
        return Err(bad_request("Missing or invalid messages"));
    }
    if !messages(&body).iter().all(has_content) {
        return Err(bad_request("Missing or invalid message content"));
    }
    only(&Method::POST, "POST", request)?;
    if !is_json(request) {
        return Err(text(415, "Expected request with `Content-Type: application/json`"));
    }
    if request.body.len() > BODY_LIMIT {
        return Err(text(413, "length limit exceeded"));
    }
    if !within_range(&body) {
        let message = "Inference service returned status code error 500 Internal Server Error";
        return Err(refusal(500, "INTERNAL_ERROR", message));
    }
    Ok(Verdict::Chat(body))
}

fn models(rules: &Rules, request: &ReceivedRequest) -> Result<Verdict, Plain> {
    authorised(rules, request)?;
    let usual = || MODELS.map(str::to_owned).to_vec();
    let names = rules.models.clone().unwrap_or_else(usual);
    let list: Vec<Value> = names
        .into_iter()
        .map(|id| json!({"id": id, "object": "model", "created": 1_686_935_002, "owned_by": "atoma"}))
        .collect();
    Ok(json_body(&json!({"object": "list", "data": list})))
}

fn authorised(rules: &Rules, request: &ReceivedRequest) -> Result<(), Plain> {
    let right = match (&rules.api_key, request.bearer()) {
        (_, None) => false,
        (None, Some(token)) => !token.is_empty(),
        (Some(key), Some(token)) => key == token,
    };
    if right { Ok(()) } else { Err(refusal(401, "AUTH_ERROR", "Authentication failed")) }
}

fn model(rules: &Rules, body: &Value) -> Result<(), Plain> {
    match (body["model"].as_str(), &rules.models) {
        (None | Some(""), _) => Err(bad_request("Model not found")),
        (Some(name), Some(models)) if !models.iter().any(|model| model == name) => {
            Err(bad_request("Model not supported"))
        }
        _ => Ok(()),
    }
}

/// A string, or at least one part, and only texts and images: what proxy and node accept.
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

/// What the backend would refuse, which a client sees as a plain 500.
fn within_range(body: &Value) -> bool {
    let between = |name: &str, least: f64, most: f64| match &body[name] {
        Value::Null => true,
        value => value.as_f64().is_some_and(|number| (least..=most).contains(&number)),
    };
    between("temperature", 0.0, 2.0)
        && between("top_p", 0.0, 1.0)
        && between("frequency_penalty", -2.0, 2.0)
        && between("presence_penalty", -2.0, 2.0)
        && between("n", 1.0, 128.0)
        && between("top_logprobs", 0.0, 20.0)
        && (body["top_logprobs"].as_u64().unwrap_or(0) == 0 || body["logprobs"] == true)
}

fn is_json(request: &ReceivedRequest) -> bool {
    let content_type = request.header(header::CONTENT_TYPE.as_str()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn only(method: &Method, allow: &'static str, request: &ReceivedRequest) -> Result<(), Plain> {
    let head = *method == Method::GET && request.method == Method::HEAD;
    if request.method == *method || head {
        return Ok(());
    }
    Err(Plain { allow: Some(allow), ..empty(405) })
}

fn bad_request(message: &str) -> Plain {
    refusal(400, "REQUEST_ERROR", &format!("Request error: {message}"))
}

fn refusal(status: u16, code: &str, message: &str) -> Plain {
    let body = json!({"error": {"code": code, "message": message}}).to_string();
    Plain { status, content_type: Some("application/json"), body, allow: None }
}

fn text(status: u16, body: &str) -> Plain {
    let content_type = Some("text/plain; charset=utf-8");
    Plain { status, content_type, body: body.to_owned(), allow: None }
}

fn empty(status: u16) -> Plain {
    Plain { status, content_type: None, body: String::new(), allow: None }
}

fn json_body(body: &Value) -> Verdict {
    let body = body.to_string();
    Verdict::Plain(Plain { status: 200, content_type: Some("application/json"), body, allow: None })
}

#[cfg(test)]
mod tests {
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
        }
    }

    fn post(body: &Value) -> ReceivedRequest {
        request(Method::POST, "/v1/chat/completions", body.to_string())
    }

    fn asking(content: &Value) -> Value {
        json!({"model": "m", "messages": [{"role": "user", "content": content}]})
    }

    fn status(rules: &Rules, request: &ReceivedRequest) -> u16 {
        match judge(rules, request) {
            Verdict::Chat(_) => 200,
            Verdict::Plain(plain) => plain.status,
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
        let Verdict::Plain(plain) = judge(&Rules::default(), &post(&none)) else { unreachable!() };
        assert_eq!(
            plain.body,
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
            ("messages", json!([]), 400),
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
        let Verdict::Plain(plain) = judge(&any, &none) else { unreachable!() };
        assert_eq!(
            plain.body,
            r#"{"error":{"code":"AUTH_ERROR","message":"Authentication failed"}}"#
        );
    }

    #[test]
    fn routes() {
        let rules = Rules::default();
        let body = asking(&json!("hi")).to_string();
        for (method, path, body, wanted) in [
            (Method::POST, "/v1/chat/completions", body.as_str(), 200),
            (Method::POST, "/a/prefix/v1/chat/completions?x=1", &body, 200),
            (Method::POST, "/v1/confidential/chat/completions", &body, 404),
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
        let large = post(&asking(&json!("x".repeat(BODY_LIMIT))));
        assert_eq!(status(&Rules::default(), &large), 413);
    }

    #[test]
    fn configured_models() {
        let rules = Rules { models: Some(vec!["other".into()]), ..Rules::default() };
        let Verdict::Plain(plain) = judge(&rules, &post(&asking(&json!("hi")))) else {
            unreachable!()
        };
        assert!(plain.body.contains("Request error: Model not supported"));
        let list = judge(&rules, &request(Method::GET, "/v1/models", ""));
        let Verdict::Plain(plain) = list else { unreachable!() };
        assert!(plain.body.contains(r#""id":"other""#));
    }
}
