//! Tool calls put together from their fragments, the way real servers need.

use crate::chat::tool::{ToolCall, ToolCallDelta};

/// How many calls of a choice are kept; what goes beyond is passed over.
const MOST_CALLS: usize = 128;

/// Up to what length arguments are looked at for being complete.
const LOOKED_AT: usize = 4096;

/// The calls of one choice so far, in the order they began.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ToolCalls {
    calls: Vec<(Option<i64>, ToolCall)>,
}

impl ToolCalls {
    /// Adds a fragment to the call it belongs to, or begins another.
    pub(crate) fn push(&mut self, fragment: &ToolCallDelta) {
        let index = fragment.index.map(|index| index.max(0));
        if let Some(call) = self.continued(index, fragment) {
            append(call, fragment);
        } else if self.calls.len() < MOST_CALLS {
            let mut call = ToolCall::default();
            append(&mut call, fragment);
            self.calls.push((index, call));
        }
    }

    /// The calls, each with an id: where the server gave none, `call_` and the place.
    pub(crate) fn into_calls(self) -> Vec<ToolCall> {
        let calls = self.calls.into_iter().enumerate();
        calls
            .map(|(place, (_, mut call))| {
                if call.id.is_empty() {
                    call.id = format!("call_{place}");
                }
                call
            })
            .collect()
    }

    /// The call a fragment goes on with: of the same index and id, or the latest it can belong to.
    fn continued(&mut self, index: Option<i64>, fragment: &ToolCallDelta) -> Option<&mut ToolCall> {
        let id = fragment.id.as_deref().unwrap_or_default();
        let same_index = |known: &Option<i64>| index.is_none() || *known == index;
        let calls = &self.calls;
        let by_id = || calls.iter().rposition(|(known, call)| same_index(known) && call.id == id);
        let latest = || calls.iter().rposition(|(known, _)| same_index(known));
        let found = match id {
            "" => latest(),
            _ => by_id().or_else(|| latest().filter(|&place| calls[place].1.id.is_empty())),
        }?;
        let call = &mut self.calls[found].1;
        let same_id = !id.is_empty() && call.id == id;
        if !same_id && begins_another(call, fragment) {
            return None;
        }
        Some(call)
    }
}

/// Whether a fragment that names a function cannot go on with this call: the call's arguments are whole already.
fn begins_another(call: &ToolCall, fragment: &ToolCallDelta) -> bool {
    let name = fragment.function.name.as_deref().unwrap_or_default();
    let arguments = fragment.function.arguments.as_deref().unwrap_or_default();
    if name.is_empty() || arguments.is_empty() || call.function.name.is_empty() {
        return false;
    }
    let known = &call.function.arguments;
    known.len() <= LOOKED_AT && serde_json::from_str::<serde::de::IgnoredAny>(known).is_ok()
}

fn append(call: &mut ToolCall, fragment: &ToolCallDelta) {
    if let Some(id) = fragment.id.as_ref().filter(|id| !id.is_empty() && call.id.is_empty()) {
        call.id.clone_from(id);
    }
    if let Some(kind) = &fragment.kind {
        call.kind.clone_from(kind);
    }
    if let Some(name) = &fragment.function.name {
        let known = &mut call.function.name;
        if known.is_empty() || (call.function.arguments.is_empty() && known != name) {
            known.push_str(name);
        }
    }
    if let Some(arguments) = &fragment.function.arguments {
        call.function.arguments.push_str(arguments);
    }
    call.extra.merge(&fragment.extra);
    call.function.extra.merge(&fragment.function.extra);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn calls(fragments: Value) -> Vec<(String, String, String)> {
        let fragments: Vec<ToolCallDelta> = from_value(fragments).unwrap();
        let mut calls = ToolCalls::default();
        fragments.iter().for_each(|fragment| calls.push(fragment));
        let calls = calls.into_calls().into_iter();
        calls.map(|call| (call.id, call.function.name, call.function.arguments)).collect()
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
                &[("call_0", "f", "{}")],
            ),
            (
                "whole calls, neither index nor id",
                &[(n.clone(), "", "f", "{}"), (n.clone(), "", "g", "[]")],
                &[("call_0", "f", "{}"), ("call_1", "g", "[]")],
            ),
            (
                "whole calls, all at index 0",
                &[(json!(0), "", "f", "{}"), (json!(0), "", "f", "[]")],
                &[("call_0", "f", "{}"), ("call_1", "f", "[]")],
            ),
            (
                "the name in every fragment",
                &[(json!(0), "a", "f", "{\"x\""), (json!(0), "", "f", ":1}")],
                &[("a", "f", "{\"x\":1}")],
            ),
            (
                "the name in pieces",
                &[
                    (json!(0), "a", "get_", ""),
                    (json!(0), "", "weather", ""),
                    (json!(0), "", "", "{}"),
                ],
                &[("a", "get_weather", "{}")],
            ),
            (
                "the id late",
                &[(json!(0), "", "f", "{"), (json!(0), "a", "", "}")],
                &[("a", "f", "{}")],
            ),
            ("sparse", &[(json!(7), "a", "f", "{}")], &[("a", "f", "{}")]),
            (
                "negative",
                &[(json!(-1), "a", "f", "{"), (json!(0), "", "", "}")],
                &[("a", "f", "{}")],
            ),
            (
                "huge",
                &[(json!(9_000_000_000_000_000_000_u64), "a", "f", "{}")],
                &[("a", "f", "{}")],
            ),
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
}
