use super::*;
use serde_json::{Value, from_value, json};

fn calls(fragments: Value) -> Vec<(String, String, String)> {
    let fragments: Vec<ToolCallDelta> = from_value(fragments).unwrap();
    let mut calls = ToolCalls::default();
    fragments.iter().for_each(|fragment| calls.push(fragment));
    let calls = calls.into_calls(true).into_iter();
    // Ids that were made up are not judged.
    let id = |id: String| if id.len() == 9 { "?".to_owned() } else { id };
    calls.map(|call| (id(call.id), call.function.name, call.function.arguments)).collect()
}

fn fragment(index: &Value, id: &str, name: &str, arguments: &str) -> Value {
    let or_null = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    json!({"index": index, "id": or_null(id), "function": {"name": or_null(name), "arguments": arguments}})
}

#[test]
fn fragments_go_where_they_belong() {
    let n = Value::Null;
    type Fragment<'a> = (Value, &'a str, &'a str, &'a str);
    let cases: &[(&str, &[Fragment<'_>], &[(&str, &str, &str)])] = &[
        (
            "by index",
            &[
                (json!(0), "a", "f", "{"),
                (json!(1), "b", "g", "["),
                (json!(0), "", "", "}"),
                (json!(1), "", "", "]"),
            ],
            &[("a", "f", "{}"), ("b", "g", "[]")],
        ),
        (
            "same id at every fragment",
            &[(json!(0), "a", "f", "{"), (json!(0), "a", "", "}")],
            &[("a", "f", "{}")],
        ),
        (
            "two calls at one index",
            &[
                (json!(0), "a", "f", "{"),
                (json!(0), "", "", "}"),
                (json!(0), "b", "g", "["),
                (json!(0), "", "", "]"),
            ],
            &[("a", "f", "{}"), ("b", "g", "[]")],
        ),
        (
            "no index, ids",
            &[
                (n.clone(), "a", "f", "{"),
                (n.clone(), "b", "g", "["),
                (n.clone(), "a", "", "}"),
                (n.clone(), "b", "", "]"),
            ],
            &[("a", "f", "{}"), ("b", "g", "[]")],
        ),
        (
            "no index, id only at first",
            &[(n.clone(), "a", "f", "{"), (n.clone(), "", "", "}")],
            &[("a", "f", "{}")],
        ),
        (
            "neither index nor id",
            &[(n.clone(), "", "f", "{"), (n.clone(), "", "", "}")],
            &[("?", "f", "{}")],
        ),
        (
            "whole calls, neither index nor id",
            &[(n.clone(), "", "f", "{}"), (n.clone(), "", "g", "[]")],
            &[("?", "f", "{}"), ("?", "g", "[]")],
        ),
        (
            "whole calls, all at index 0",
            &[(json!(0), "", "f", "{}"), (json!(0), "", "f", "[]")],
            &[("?", "f", "{}"), ("?", "f", "[]")],
        ),
        (
            "the name in every fragment",
            &[(json!(0), "a", "f", "{\"x\""), (json!(0), "", "f", ":1}")],
            &[("a", "f", "{\"x\":1}")],
        ),
        (
            "the name in pieces",
            &[(json!(0), "a", "get_", ""), (json!(0), "", "weather", ""), (json!(0), "", "", "{}")],
            &[("a", "get_weather", "{}")],
        ),
        ("the id late", &[(json!(0), "", "f", "{"), (json!(0), "a", "", "}")], &[("a", "f", "{}")]),
        (
            "the whole arguments again, then another call",
            &[
                (json!(0), "a", "f", "{\"x\":1}"),
                (json!(0), "", "", " {\"x\":1}"),
                (json!(0), "b", "g", ""),
            ],
            &[("a", "f", "{\"x\":1}"), ("b", "g", "{}")],
        ),
        (
            "nested, where a value is due after a space",
            &[
                (json!(0), "a", "f", "{\"x\": "),
                (json!(0), "", "", "{\"x\": "),
                (json!(0), "", "", "1}}"),
            ],
            &[("a", "f", "{\"x\": {\"x\": 1}}")],
        ),
        ("sparse", &[(json!(7), "a", "f", "{}")], &[("a", "f", "{}")]),
        ("negative", &[(json!(-1), "a", "f", "{"), (json!(0), "", "", "}")], &[("a", "f", "{}")]),
        ("huge", &[(json!(9_000_000_000_000_000_000_u64), "a", "f", "{}")], &[("a", "f", "{}")]),
    ];
    for (name, fragments, wanted) in cases {
        let wire = fragments
            .iter()
            .map(|(index, id, name, arguments)| fragment(index, id, name, arguments));
        let found = calls(wire.collect());
        let found: Vec<_> =
            found.iter().map(|(id, name, arguments)| (&**id, &**name, &**arguments)).collect();
        assert_eq!(found, *wanted, "{name}");
    }
}

#[test]
fn growth_is_bounded() {
    let many = (0..1000).map(|index| fragment(&json!(index), &index.to_string(), "f", "{}"));
    assert_eq!(calls(many.collect()).len(), MOST_CALLS);
}
