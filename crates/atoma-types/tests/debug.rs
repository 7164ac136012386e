//! The `Debug` output of models: only the fields that are set.

use atoma_types::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse, Extra, strict_schema,
};

#[test]
fn debug_prints_only_the_fields_that_are_set() {
    let message = ChatCompletionMessage::user("Hello!");
    let request = ChatCompletionRequest::new("m", [message]).temperature(0.5).extra("top_k", 40);
    assert_eq!(
        format!("{request:?}"),
        "ChatCompletionRequest { messages: [ChatCompletionMessage { role: User, \
         content: Text(\"Hello!\") }], model: \"m\", temperature: Some(0.5), extra: {\"top_k\": 40} }"
    );
    assert_eq!(format!("{:?}", ChatCompletionRequest::default()), "ChatCompletionRequest");
}

#[test]
fn extra_members_are_printed_as_json() {
    let extra: Extra =
        [("a", serde_json::json!([1, null])), ("b", "x".into())].into_iter().collect();
    assert_eq!(format!("{extra:?}"), r#"{"a": [1,null], "b": "x"}"#);
    assert_eq!(format!("{:?}", Extra::new()), "{}");
}

#[test]
fn debug_of_errors_is_one_line_for_each_cause_and_the_fields_when_alternate() {
    let too_hot = ChatCompletionRequest::new("m", [ChatCompletionMessage::user("Hi")]);
    let invalid = too_hot.temperature(9.0).validate().unwrap_err();
    let unsupported = strict_schema(&serde_json::json!({"type": "string"})).unwrap_err();
    let unparsed = ChatCompletionResponse::from_slice(b"{\"id\": }").unwrap_err();
    for (name, line, fields) in [
        ("InvalidRequest", format!("{invalid:?}"), format!("{invalid:#?}")),
        ("UnsupportedSchema", format!("{unsupported:?}"), format!("{unsupported:#?}")),
        ("ParseError", format!("{unparsed:?}"), format!("{unparsed:#?}")),
    ] {
        assert!(fields.starts_with(&format!("{name} {{\n")), "{fields}");
        assert!(!line.contains(name) && !line.contains('{'), "{line}");
    }
    assert_eq!(format!("{invalid:?}"), invalid.to_string());
    assert_eq!(format!("{unsupported:?}"), unsupported.to_string());
    assert!(format!("{unparsed:?}").starts_with(&format!("{unparsed}\n  caused by: ")));
}
