use super::*;
use atoma_types::{ChatCompletionResponse, HealthResponse};

/// Reads a body without its key. Returns whether more follows, or the error's text and excerpt.
fn parsed<T: ResponseModel>(json: &str) -> std::result::Result<bool, (String, String)> {
    let key = ApiKey::new("canary-1234").unwrap();
    let redact = |text: &[u8]| key.redact(text).into_owned();
    parse_json(json.as_bytes(), redact, &mut T::default()).map_err(|error| {
        let excerpt = error.body_excerpt().unwrap_or_default().to_owned();
        (error.to_string(), excerpt)
    })
}

#[test]
fn a_body_is_a_response_or_the_error_that_it_reports_or_unexpected() {
    const WHOLE: &str = r#"{"choices":[{"message":{"content":"hello"}}]}"#;
    const REPORTED: &str = "the server reported an error in the response: ";
    let with_error = r#"{"choices":[{"message":{"content":"hello"}}],"error":{"message":"m"}}"#;
    for (body, expected) in [
        (WHOLE, Ok(false)),
        (&format!("{WHOLE}{{}}"), Ok(true)),
        ("", Err(("the response body is empty".to_owned(), ""))),
        ("hi canary-1234", Err(("the response body is not JSON".to_owned(), "hi [key]"))),
        ("{\"choices\":[", Err(("the response cannot be parsed".to_owned(), "{\"choices\":["))),
        ("{}", Err(("the response cannot be parsed".to_owned(), "{}"))),
        (r#"{"choices":[]}"#, Ok(false)),
        (r#"{"error":{"message":"m"}}"#, Err((format!("{REPORTED}m"), ""))),
        (r#"{"error":{"message":"of canary-1234"}}"#, Err((format!("{REPORTED}of [key]"), ""))),
        (with_error, Err((format!("{REPORTED}m"), ""))),
        (r#"[{"error":{"message":"m"}}]"#, Err((format!("{REPORTED}m"), ""))),
    ] {
        let expected = expected.map_err(|(text, excerpt)| (text, excerpt.to_owned()));
        assert_eq!(parsed::<ChatCompletionResponse>(body), expected, "{body}");
    }
}

#[test]
fn text_is_a_response_where_the_model_accepts_it() {
    assert_eq!(parsed::<HealthResponse>("ok"), Ok(false));
    assert_eq!(parsed::<HealthResponse>(r#"{"message":"ok"}"#), Ok(false));
    let reported = "the server reported an error in the response: m".to_owned();
    let error = parsed::<HealthResponse>(r#"{"error":{"message":"m"}}"#);
    assert_eq!(error, Err((reported, String::new())));
    let (text, excerpt) = parsed::<HealthResponse>("<html>").unwrap_err();
    assert_eq!((text.as_str(), excerpt.as_str()), ("the response body is not JSON", "<html>"));
    let mut health = HealthResponse::default();
    parse_json(b"ok", <[u8]>::to_vec, &mut health).unwrap();
    assert_eq!(health.message, "ok");
}
