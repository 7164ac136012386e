//! Reads single members of a request's body, without the rest of it.

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::{borrow::Cow, fmt};

/// Some members of a request's body.
#[derive(Debug, Default)]
pub(crate) struct RequestMembers(Map<String, Value>);

impl RequestMembers {
    /// Reads the requested members and skips all others, including a prompt of any length. Reads
    /// nothing from a body that is not a JSON object.
    pub(crate) fn read(body: &[u8], wanted: &[&str]) -> Self {
        let mut json = serde_json::Deserializer::from_slice(body);
        Self(json.deserialize_map(Wanted(wanted)).unwrap_or_default())
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

struct Wanted<'a>(&'a [&'a str]);

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = Map::new();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if self.0.contains(&&*name) {
                found.insert(name.into_owned(), members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
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
