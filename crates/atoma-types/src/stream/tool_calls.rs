//! Tool calls joined from their fragments, for the fragments of real servers.

use super::{arguments::Arguments, merge};
use crate::{
    chat::{
        call_ids,
        tool::{ToolCall, ToolCallDelta, ToolKind},
    },
    json::says_null,
};

/// The number of calls of a choice that are kept; further ones are skipped.
const MOST_CALLS: usize = 128;

/// The calls of one choice so far, in the order they began.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ToolCalls {
    calls: Vec<CallSoFar>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct CallSoFar {
    index: Option<i64>,
    /// The id that the server gave. The call itself has another if two calls share it.
    id: String,
    call: ToolCall,
    arguments: Arguments,
    /// The call may only repeat the name of the one before: it counts once it has arguments.
    is_tentative: bool,
}

/// The effect of a fragment on the call that it may belong to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// Goes on with it.
    Continue,
    /// Repeats known members, except for members other than name and arguments.
    Repeat,
    /// Holds the arguments in place of those so far.
    Replace,
    /// Begins another call.
    Another,
    /// The same, if arguments follow.
    PerhapsAnother,
}

impl ToolCalls {
    /// Adds a fragment to the call it belongs to, or begins another.
    ///
    /// Only the index of a fragment is dependable, and not even that: servers leave out ids, put several calls on one index,
    /// send arguments again or cumulatively. Of the ways to read a fragment, the one is taken that leaves valid JSON.
    pub(crate) fn push(&mut self, fragment: &ToolCallDelta) {
        let index = fragment.index.map(|index| index.max(0));
        let mut is_tentative = false;
        if let Some(place) = self.candidate(index, fragment) {
            let call = &mut self.calls[place];
            match call.step(fragment) {
                Step::Another => {}
                Step::PerhapsAnother => is_tentative = true,
                step => {
                    let made_up = call.call.id.clone();
                    call.apply(fragment, step);
                    // A late id that another call has: the result of a call is matched to it by its id.
                    let is_new = self.calls[place].call.id != made_up;
                    if is_new && self.is_known(place) {
                        self.calls[place].call.id = made_up;
                    }
                    return;
                }
            }
        }
        if self.calls.len() < MOST_CALLS {
            let mut call = CallSoFar { index, is_tentative, ..CallSoFar::default() };
            call.apply(fragment, Step::Continue);
            let id = fragment.id.as_deref().unwrap_or_default();
            if id.is_empty() || self.calls.iter().any(|known| known.call.id == id) {
                call.call.id = call_ids::new();
            }
            self.calls.push(call);
        }
    }

    /// Returns the calls that were named, each with an id. `is_finished` says that nothing more
    /// will arrive for them.
    pub(crate) fn into_calls(self, is_finished: bool) -> Vec<ToolCall> {
        let mut calls = Vec::with_capacity(self.calls.len());
        for CallSoFar { mut call, arguments, is_tentative, .. } in self.calls {
            if is_tentative && arguments.is_blank() {
                continue;
            }
            call.function.arguments = arguments.into_text();
            call.extra.remove("index");
            calls.push(call);
        }
        call_ids::settle(&mut calls, is_finished);
        calls
    }

    /// Returns whether an earlier or later call has the id of the one at this place.
    fn is_known(&self, place: usize) -> bool {
        let id = &self.calls[place].call.id;
        self.calls.iter().enumerate().any(|(other, known)| other != place && known.call.id == *id)
    }

    /// Returns the number of calls that have begun, including those that may turn out to be none.
    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Returns the call at this place and the part of its arguments that is certain; `None` while
    /// its name is not.
    pub(crate) fn so_far(&self, place: usize) -> Option<(&ToolCall, &str)> {
        let known = self.calls.get(place)?;
        let is_named = !known.call.function.name.is_empty() && !known.arguments.is_blank();
        is_named.then(|| (&known.call, known.arguments.certain()))
    }

    /// Returns whether the call at this place will be one of the message's calls.
    pub(crate) fn is_kept(&self, place: usize) -> bool {
        self.calls.get(place).is_some_and(|known| {
            let mut call = known.call.clone();
            call.extra.remove("index");
            let is_nothing = known.is_tentative && known.arguments.is_blank();
            !is_nothing && !call_ids::is_unnamed(&call)
        })
    }

    /// Returns the call that a fragment can continue: of the same index and id, or else the latest
    /// it can belong to.
    fn candidate(&self, index: Option<i64>, fragment: &ToolCallDelta) -> Option<usize> {
        let id = fragment.id.as_deref().unwrap_or_default();
        let is_same_index = |known: &CallSoFar| index.is_none() || known.index == index;
        let latest = self.calls.iter().rposition(is_same_index);
        let Some(latest) = latest else {
            // Some servers count fragments, not calls.
            let place = self.calls.len().checked_sub(1)?;
            let known = &self.calls[place];
            let text = fragment.function.arguments.as_deref().unwrap_or_default();
            let is_piece = known.arguments.is_blank() || !begins(text);
            let is_same = id.is_empty() || known.id == id;
            return (is_piece && is_same && known.is_continued_by(fragment)).then_some(place);
        };
        if id.is_empty() {
            return Some(latest);
        }
        let by_id = self.calls.iter().rposition(|known| is_same_index(known) && known.id == id);
        // An id may come late, or be another in each fragment.
        let known = &self.calls[latest];
        let is_open = known.id.is_empty() || known.is_continued_by(fragment);
        by_id.or(is_open.then_some(latest))
    }
}

impl CallSoFar {
    /// Returns whether a fragment with another id can only be more of this call: its arguments are open, and nothing begins a call.
    fn is_continued_by(&self, fragment: &ToolCallDelta) -> bool {
        let text = fragment.function.arguments.as_deref().unwrap_or_default();
        let is_open = !self.arguments.is_blank() && !self.arguments.is_whole();
        match name_of(fragment) {
            "" if self.arguments.is_blank() => !text.is_empty(),
            "" => is_open,
            name => is_open && name == self.call.function.name && !begins(text) && !text.is_empty(),
        }
    }

    /// Decides the effect of a fragment on this call.
    ///
    /// ```text
    ///                       arguments so far
    /// the fragment          none                   open                whole
    /// ─ names the same      Continue               Continue            Repeat, Replace or another
    /// ─ names another       pieces, or another     another             another
    /// ─ has no name         Continue               Continue            Repeat, Replace or another
    /// ```
    fn step(&self, fragment: &ToolCallDelta) -> Step {
        let id = fragment.id.as_deref().unwrap_or_default();
        let name = name_of(fragment);
        let arguments = fragment.function.arguments.as_deref().unwrap_or_default();
        let (known, is_same_id) = (&self.call.function.name, !id.is_empty() && self.id == id);
        if self.call.kind != ToolKind::Function {
            return Step::Continue;
        }
        let (is_named, is_same_name) = (!name.is_empty() && !known.is_empty(), name == known);
        if self.arguments.is_whole() {
            return self.step_after_whole(arguments, is_named, is_same_name, is_same_id);
        }
        let has_id = is_same_id || !self.id.is_empty();
        // With an id, names may arrive in pieces while there are no arguments.
        if is_named && !is_same_name && !has_id { Step::Another } else { Step::Continue }
    }

    fn step_after_whole(
        &self,
        new: &str,
        is_named: bool,
        is_same_name: bool,
        is_same_id: bool,
    ) -> Step {
        if is_named && !(is_same_id && is_same_name) {
            return match (is_same_name, new.trim_ascii().is_empty()) {
                (true, true) => Step::PerhapsAnother,
                _ => Step::Another,
            };
        }
        match new.trim_ascii_start().bytes().next() {
            None => Step::Continue,
            Some(_) if self.arguments.is_repeated_by(new) => Step::Repeat,
            Some(_) if is_same_id && self.arguments.is_equal_to(new) => Step::Repeat,
            Some(b'{' | b'[') if self.arguments.is_empty_object() => Step::Replace,
            Some(b'{' | b'[') => Step::Another,
            // Appending it could only break valid arguments.
            Some(_) => Step::Repeat,
        }
    }

    fn apply(&mut self, fragment: &ToolCallDelta, step: Step) {
        if let Some(id) = fragment.id.as_ref().filter(|id| !id.is_empty() && self.id.is_empty()) {
            self.id.clone_from(id);
            self.call.id.clone_from(id);
        }
        if let Some(kind) = &fragment.kind {
            self.call.kind.clone_from(kind);
        }
        self.name(name_of(fragment));
        if let Some(arguments) = &fragment.function.arguments {
            match step {
                Step::Replace => self.arguments.replace(arguments),
                Step::Repeat => {}
                _ => self.arguments.push(arguments),
            }
        }
        merge::members(&mut self.call.extra, &fragment.extra);
        merge::members(&mut self.call.function.extra, &fragment.function.extra);
    }

    /// Names arrive complete, repeated in each fragment, in pieces or cumulatively.
    fn name(&mut self, name: &str) {
        let known = &mut self.call.function.name;
        let is_open = self.arguments.is_blank();
        if !name.is_empty() && (known.is_empty() || (is_open && name.starts_with(known.as_str()))) {
            name.clone_into(known);
        } else if is_open {
            known.push_str(name);
        }
    }
}

/// Returns whether a text may be the beginning of a call's arguments.
fn begins(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['{', '['])
}

/// The name in a fragment; empty if there is none, also where a server spells that out.
fn name_of(fragment: &ToolCallDelta) -> &str {
    let name = fragment.function.name.as_deref().unwrap_or_default();
    if says_null(name) { "" } else { name }
}

#[cfg(test)]
mod tests {
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
