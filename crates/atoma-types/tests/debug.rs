//! The `Debug` output of models: only the fields that are set.

use atoma_types::{ChatCompletionMessage, ChatCompletionRequest, Extra};

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
