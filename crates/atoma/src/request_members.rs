//! Reads single members of a request's body, without the rest of it.

use serde_json::{Map, Value};

/// Some members of a request's body.
#[derive(Debug, Default)]
pub(crate) struct RequestMembers(Map<String, Value>);

impl RequestMembers {
    /// Reads the requested members and skips all others, including a prompt of any length. Reads
    /// nothing from a body that is not a JSON object.
    pub(crate) fn read(body: &[u8], wanted: &[&str]) -> Self {
        let json = std::str::from_utf8(body).unwrap_or_default();
        Self(atoma_types::read_members(json, wanted))
    }

    /// Returns a member that is set and not null.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Returns a member that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wanted_members_are_read() {
        let body = br#"{"messages": [{"content": "hi"}], "model": "m", "n": null, "seed": 7}"#;
        let members = RequestMembers::read(body, &["model", "n", "seed"]);
        assert_eq!((members.text("model"), members.get("n")), (Some("m"), None));
        assert_eq!((members.text("seed"), members.get("messages")), (None, None));
        for body in ["", "[]", "{\"model\": \"m\"", "\"model\""] {
            let members = RequestMembers::read(body.as_bytes(), &["model"]);
            assert_eq!(members.text("model"), None, "{body}");
        }
    }
}
