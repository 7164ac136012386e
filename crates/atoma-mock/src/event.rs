use std::fmt;

/// Writes one server-sent event. The data must not hold a line break.
pub(crate) fn event(data: &impl fmt::Display) -> String {
    format!("data: {data}\n\n")
}
