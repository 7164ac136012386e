//! Unknown members of a stream, joined into the members of the same response in one piece.
//!
//! A member that this crate has no field for arrives in fragments whose rules nobody wrote down. The rules here come from recorded
//! streams of real servers:
//!
//! ```text
//! strings        appended, unless they name a kind ("type", "id", …)
//! objects        joined member by member
//! lists          entries with the same index are joined, as are pieces of one unsigned thought; the rest is appended
//! numbers, bools the last one counts
//! null           changes nothing
//! ```
//!
//! The work per fragment is bounded by the fragment: at most 256 entries of a list and 128 members of an object are compared.

use crate::Extra;
use serde_json::{Map, Value};

/// The number of entries of a list that are compared with a new one.
const MOST_COMPARED: usize = 256;

/// The number of members that are joined in one object; further ones are skipped.
const MOST_MEMBERS: usize = 128;

/// Members that name the kind of an object. They arrive complete, often in each fragment; other strings arrive in pieces.
const WHOLE: [&str; 17] = [
    "id",
    "type",
    "object",
    "index",
    "name",
    "role",
    "format",
    "model",
    "voice",
    "status",
    "url",
    "title",
    "mime_type",
    "language",
    "created_at",
    "tool_call_id",
    "thought_signature",
];

/// Entries that arrive in fragments although they have no index.
const FRAGMENTS: [&str; 6] =
    ["thinking", "reasoning", "reasoning.text", "reasoning.summary", "summary_text", "output_text"];

/// Adds the unknown members of a later fragment of an object.
///
/// - Strings inside objects are joined, except those that name the kind of the object.
/// - Entries of lists are joined where they have the same index or are fragments of one block; repeated entries are one.
/// - Any other value replaces the previous one; `null` replaces nothing.
#[inline]
pub(crate) fn members(known: &mut Extra, later: &Extra) {
    if later.is_empty() {
        return;
    }
    for (name, value) in later.iter() {
        member(known, name, value);
    }
}

/// The same for one member.
pub(crate) fn member(known: &mut Extra, name: &str, value: &Value) {
    match known.get_mut(name) {
        Some(known) if is_composite(known, value) => merge(known, value),
        _ => known.set_last(name, value),
    }
}

/// The same for the members of a choice or a complete response, whose objects arrive complete: only
/// their lists are joined.
#[inline]
pub(crate) fn outer_members(known: &mut Extra, later: &Extra) {
    if !later.is_empty() {
        add_outer_members(known, later);
    }
}

fn add_outer_members(known: &mut Extra, later: &Extra) {
    for (name, value) in later.iter() {
        match (known.get_mut(name), value) {
            // Equal tokens are not one token.
            (Some(Value::Array(known)), Value::Array(new)) if name == "logprobs" => {
                known.extend_from_slice(new);
            }
            // Citations and the like: entries are repeated in each chunk.
            (Some(Value::Array(known)), Value::Array(new)) => merge_lists(known, new),
            (Some(Value::Object(known)), Value::Object(new)) => {
                for (name, value) in new.iter().filter(|(_, value)| !value.is_null()) {
                    insert(known, name, value);
                }
            }
            _ => known.set_last(name, value),
        }
    }
}

/// Adds a later fragment of an object whose text members arrive in pieces.
pub(crate) fn objects(known: &mut Map<String, Value>, later: &Map<String, Value>) {
    for (name, value) in later {
        match (known.get_mut(name), value) {
            // Servers fill members that did not change with `null`.
            (_, Value::Null) => {}
            (Some(Value::String(known)), Value::String(new)) if !WHOLE.contains(&name.as_str()) => {
                known.push_str(new);
            }
            // A placeholder must not erase a name.
            (Some(Value::String(_)), Value::String(new)) if new.is_empty() => {}
            (Some(known), value) if is_composite(known, value) => merge(known, value),
            _ => insert(known, name, value),
        }
    }
}

/// Sets a member, unless it is new and there is no room.
fn insert(known: &mut Map<String, Value>, name: &str, value: &Value) {
    if known.contains_key(name) || known.len() < MOST_MEMBERS {
        known.insert(name.to_owned(), value.clone());
    }
}

/// Returns whether both values are objects, or both are lists: only those are joined.
fn is_composite(known: &Value, new: &Value) -> bool {
    matches!(
        (known, new),
        (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_))
    )
}

/// Joins two values of the same kind.
fn merge(known: &mut Value, new: &Value) {
    match (known, new) {
        (Value::Object(known), Value::Object(new)) => objects(known, new),
        (Value::Array(known), Value::Array(new)) => merge_lists(known, new),
        _ => {}
    }
}

/// Joins two lists: of numbers by appending, of other entries one by one.
fn merge_lists(known: &mut Vec<Value>, new: &[Value]) {
    let is_number = |value: &Value| value.is_number() || value.is_null();
    if !new.is_empty() && new.iter().all(is_number) {
        // Numbers such as token ids may repeat. A list that begins with all that is known is cumulative.
        if new.len() >= known.len() && new.starts_with(known) && known.len() > 1 {
            known.clear();
        }
        known.extend_from_slice(new);
        return;
    }
    for entry in new {
        // From the end, since a fragment nearly always continues the last entry.
        if let Some(known) =
            known.iter_mut().rev().take(MOST_COMPARED).find(|known| is_same_entry(known, entry))
        {
            merge(known, entry);
            continue;
        }
        let is_known = known.iter().rev().take(MOST_COMPARED).any(|known| known == entry);
        match known.last_mut() {
            Some(last) if is_fragment_of(last, entry) => merge(last, entry),
            _ if is_known => {}
            _ => known.push(entry.clone()),
        }
    }
}

/// Returns whether two entries have the same index, and neither is of another kind.
fn is_same_entry(known: &Value, new: &Value) -> bool {
    let index = new.get("index").filter(|index| index.is_number());
    index.is_some()
        && known.get("index") == index
        && agree(known, new, "type")
        && agree(known, new, "id")
}

/// Returns whether an entry without an index continues the last one: both are pieces of one thought
/// that is not signed yet.
fn is_fragment_of(last: &Value, new: &Value) -> bool {
    let Some(kind) = new.get("type").and_then(Value::as_str) else { return false };
    let is_signed =
        last.get("signature").and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    FRAGMENTS.contains(&kind)
        && new.get("index").is_none()
        && last.get("type") == new.get("type")
        && !is_signed
        && agree(last, new, "id")
}

/// Returns whether two entries do not differ in a member: one of them may lack it.
fn agree(known: &Value, new: &Value, name: &str) -> bool {
    match (known.get(name), new.get(name)) {
        (Some(known), Some(new)) => known.is_null() || new.is_null() || known == new,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(fragments: &[Value]) -> String {
        let mut all = Extra::new();
        for fragment in fragments {
            members(&mut all, &[("x", fragment.clone())].into_iter().collect());
        }
        all.get("x").unwrap().to_string()
    }

    #[test]
    fn a_later_value_replaces_one_that_cannot_be_joined() {
        for (fragments, expected) in [
            ([json!({"id": "a"}), json!({"id": "b"})], json!({"id": "b"})),
            ([json!({"id": "a"}), json!({"id": ""})], json!({"id": "a"})),
            ([json!({"n": 1}), json!({"n": 2})], json!({"n": 2})),
            ([json!({"n": 1}), json!({"n": null})], json!({"n": 1})),
            ([json!([1]), json!([2])], json!([1, 2])),
            ([json!([1, 2]), json!([1, 2, 3])], json!([1, 2, 3])),
            ([json!([1, 2]), json!([2, 3, 4])], json!([1, 2, 2, 3, 4])),
        ] {
            assert_eq!(merged(&fragments), expected.to_string(), "{fragments:?}");
        }
    }

    #[test]
    fn an_object_has_at_most_the_most_members() {
        let mut known = Map::new();
        for number in 0..MOST_MEMBERS + 5 {
            insert(&mut known, &number.to_string(), &json!(number));
        }
        insert(&mut known, "0", &json!("again"));
        assert_eq!((known.len(), &known["0"]), (MOST_MEMBERS, &json!("again")));
    }

    #[test]
    fn fragments_of_unknown_members_are_put_together() {
        for (name, fragments, wanted) in [
            ("a later value", vec![json!(1), json!(2), json!(null)], json!(2)),
            (
                "a signature again",
                vec![json!({"thought_signature": "s"}), json!({"thought_signature": "s"})],
                json!({"thought_signature": "s"}),
            ),
            ("text alone is replaced", vec![json!("a"), json!("b")], json!("b")),
            (
                "strings inside an object",
                vec![
                    json!({"id": "i", "data": "AA"}),
                    json!({"id": "i", "data": "AA"}),
                    json!({"n": 1}),
                ],
                json!({"id": "i", "data": "AAAA", "n": 1}),
            ),
            (
                "objects inside an object",
                vec![json!({"a": {"input": "x"}}), json!({"a": {"input": "y"}, "b": null})],
                json!({"a": {"input": "xy"}}),
            ),
            (
                "entries of one index",
                vec![
                    json!([{"index": 0, "text": "a"}]),
                    json!([{"index": 1, "text": "b"}, {"index": 0, "text": "c"}]),
                ],
                json!([{"index": 0, "text": "ac"}, {"index": 1, "text": "b"}]),
            ),
            (
                "entries of one index and another kind",
                vec![
                    json!([{"index": 0, "type": "reasoning.summary", "summary": "a"}]),
                    json!([{"index": 0, "type": "reasoning.encrypted", "data": "b"}]),
                ],
                json!([
                    {"index": 0, "type": "reasoning.summary", "summary": "a"},
                    {"index": 0, "type": "reasoning.encrypted", "data": "b"},
                ]),
            ),
            (
                "blocks one after the other",
                vec![
                    json!([{"type": "thinking", "thinking": "a"}]),
                    json!([{"type": "thinking", "thinking": "b", "signature": "s"}]),
                    json!([{"type": "thinking", "thinking": "c"}]),
                ],
                json!([
                    {"type": "thinking", "thinking": "ab", "signature": "s"}, {"type": "thinking", "thinking": "c"},
                ]),
            ),
            (
                "repeated entries",
                vec![json!(["u", "v"]), json!(["u", "v", "w"]), json!(["w"])],
                json!(["u", "v", "w"]),
            ),
            ("numbers", vec![json!([1, 2]), json!([2]), json!([2])], json!([1, 2, 2, 2])),
            ("numbers again and more", vec![json!([1, 2]), json!([1, 2, 3])], json!([1, 2, 3])),
            ("another type", vec![json!([1]), json!({"a": "b"})], json!({"a": "b"})),
        ] {
            assert_eq!(merged(&fragments), wanted.to_string(), "{name}");
        }
    }

    #[test]
    fn equal_log_probabilities_in_a_list_are_all_kept() {
        let mut all = Extra::new();
        for _ in 0..2 {
            let later = [("logprobs", json!([{"token": "a"}])), ("sources", json!(["u"]))];
            outer_members(&mut all, &later.into_iter().collect());
        }
        assert_eq!(all.get("logprobs"), Some(&json!([{"token": "a"}, {"token": "a"}])));
        assert_eq!(all.get("sources"), Some(&json!(["u"])));
    }
}
