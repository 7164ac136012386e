//! Tool calls joined from their fragments, for the fragments of real servers.
//!
//! ```text
//! fragment ─► candidate ──none──────────────────────────► new call
//!                 │                                          ▲
//!                 └─► step ─┬─ Another, PerhapsAnother ──────┘
//!                           └─ Continue, Repeat, Replace ──► apply to the candidate
//! ```
//!
//! The protocol says that an index names a call and that arguments arrive in pieces. Servers deviate: they repeat ids and names,
//! number fragments instead of calls, put all calls on index 0, or send the arguments so far again and again. `candidate` and
//! `step` decide with the only reliable sign, whether the arguments so far are complete JSON.

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
    /// The index of the fragment that began the call; `None` if it had none.
    index: Option<i64>,
    /// The id that the server gave. The call itself has another if two calls share it.
    id: String,
    /// The call without its arguments.
    call: ToolCall,
    /// The arguments so far, in one or two readings.
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
        // A negative index is a placeholder of servers that do not number calls.
        let index = fragment.index.map(|index| index.max(0));
        let mut is_tentative = false;
        if let Some(place) = self.candidate(index, fragment) {
            let call = &mut self.calls[place];
            match call.step(fragment) {
                Step::Another => {}
                Step::PerhapsAnother => is_tentative = true,
                step => {
                    // The id may be one that was made up when the call began; the server's own id replaces it unless it is taken.
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
            // An index that could not be read is among the unknown members; a complete call has none.
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
        // From the end: with all calls on one index, the latest is the one that still grows.
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
        // Other kinds keep their input under names of their kind: there are no arguments to judge.
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

    /// Decides the effect of a fragment on a call whose arguments are complete: they cannot grow.
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
            // The same value with other white space.
            Some(_) if is_same_id && self.arguments.is_equal_to(new) => Step::Repeat,
            Some(b'{' | b'[') if self.arguments.is_empty_object() => Step::Replace,
            Some(b'{' | b'[') => Step::Another,
            // Appending it could only break valid arguments.
            Some(_) => Step::Repeat,
        }
    }

    /// Adds a fragment to the call. The first id counts; of the kind, the last.
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
mod tests;
