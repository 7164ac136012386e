//! Data that is not JSON: the mark of the end, in the spellings of servers, and comments.
//!
//! All of these were seen: `[DONE]`, `[done]`, `"[DONE]"`, `DONE`, `data: [DONE]`, and an event after `[DONE]` on the same line.

/// Returns whether data begins with the mark of the end, in any case.
pub(super) fn is_done_mark(data: &str) -> bool {
    data.get(..6).is_some_and(|mark| mark.eq_ignore_ascii_case("[done]"))
}

/// Returns the rest after `[DONE]`, if data begins with it.
pub(super) fn after_done_mark(data: &str) -> Option<&str> {
    let data = without_field_name(data);
    // Some servers put it in quotes, or leave out the brackets.
    let is_spelled = || data.trim_matches('"').eq_ignore_ascii_case("done");
    if is_done_mark(data) {
        Some(data[6..].trim_ascii())
    } else {
        (is_done_mark(data.trim_start_matches('"')) || is_spelled()).then_some("")
    }
}

/// Returns data without the `data:` that a gateway put in front of it again.
pub(super) fn without_field_name(data: &str) -> &str {
    let mut data = data.trim_ascii();
    while let Some(rest) = data.strip_prefix("data:") {
        data = rest.trim_ascii();
    }
    data
}

/// Comments sent as data and the mark of the end are not part of the response.
pub(super) fn is_inspected(data: &str) -> bool {
    let data = data.trim_ascii();
    !data.is_empty() && !data.starts_with(':') && !is_done_mark(data)
}
