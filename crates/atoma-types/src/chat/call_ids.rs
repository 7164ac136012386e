//! IDs for tool calls to which the server gave none, or one that another call already has.

use super::tool::{ToolCall, ToolKind};
use crate::{json::says_null, stream::arguments::of_whole};
use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Mistral's servers accept only nine letters and digits; others accept anything.
const LENGTH: usize = 9;

/// Makes an id that no other call of this process has.
///
/// The result of a call is matched to it by the id, over the whole conversation. An id made of the response alone would come
/// again with servers that give each response the same id, so this is a counter that starts at a random number.
pub(crate) fn new() -> String {
    static NEXT: LazyLock<AtomicU64> =
        LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(LENGTH)));
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    // The last nine digits in base 36 are the id. The step is coprime to 36 (it is odd and not divisible by 3), so they repeat
    // only after 36^9 calls.
    let mut rest = NEXT.fetch_add(0x9e37_79b1, Ordering::Relaxed);
    let mut id = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        id.push(char::from(DIGITS[(rest % 36) as usize]));
        rest /= 36;
    }
    id
}

/// Sorts out the calls of a whole message: a function call that was never named is dropped, each gets an id that no other has,
/// and no arguments become `{}` if the message is finished. Of arguments that can be read in several ways, the valid one is taken.
pub(crate) fn settle(calls: &mut Vec<ToolCall>, is_finished: bool) {
    for call in calls.iter_mut().filter(|call| call.kind == ToolKind::Function) {
        if says_null(&call.function.name) {
            call.function.name.clear();
        }
        of_whole(&mut call.function.arguments);
    }
    calls.retain(|call| !is_unnamed(call));
    if calls.is_empty() {
        return;
    }
    let mut known = HashSet::with_capacity(calls.len());
    for call in calls {
        if call.id.is_empty() || known.contains(&call.id) {
            call.id = new();
        }
        known.insert(call.id.clone());
        if is_finished
            && call.kind == ToolKind::Function
            && call.function.arguments.trim_ascii().is_empty()
        {
            call.function.arguments = "{}".to_owned();
        }
    }
}

/// Returns whether this is a function call without a function. Calls of other kinds have none.
pub(crate) fn is_unnamed(call: &ToolCall) -> bool {
    call.kind == ToolKind::Function && call.function.name.is_empty() && call.extra.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_here_differ_and_are_such_as_every_server_takes() {
        let ids: HashSet<_> = (0..10_000).map(|_| new()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(
            ids.iter()
                .all(|id| id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        );
    }
}
