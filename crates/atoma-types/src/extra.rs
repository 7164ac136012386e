use crate::wire::text_of;
use serde_json::Value;
use std::{collections::HashMap, fmt, sync::Arc};

/// The most members that are joined from the objects of a stream; further ones are skipped.
const MOST_MERGED: usize = 128;

/// The members of an object that this crate has no field for, in the order of the text.
///
/// They are kept when an object is read and written back when it is written, so that nothing a
/// server sends is lost. An empty `Extra` costs no allocation, and a clone shares its members until
/// one of the two is changed. Two are equal if they have the same members, in any order.
///
/// A value that its field cannot have is kept under the field's name while the field is not set. One exception: if a server sends a
/// field twice, under two names, and only one of them can be read, the other is dropped.
///
/// ```
/// use atoma_types::ChatCompletionResponse;
///
/// let body = br#"{"choices": [], "provider": "DeepInfra"}"#;
/// let response = ChatCompletionResponse::from_slice(body)?;
/// assert_eq!(response.extra.get("provider").unwrap(), "DeepInfra");
/// # Ok::<(), atoma_types::ParseError>(())
/// ```
#[derive(Clone, Default)]
pub struct Extra {
    /// Shared, and behind a pointer, because every model has them and almost all are empty: the
    /// code that copies and drops them is compiled once and not for each model.
    members: Option<Arc<Vec<(String, Value)>>>,
}

impl Extra {
    /// Returns an empty set of members.
    #[must_use]
    pub const fn new() -> Self {
        Self { members: None }
    }

    /// Sets a member, and returns the value it had before.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (name, value) = (name.into(), value.into());
        if let Some(old) = self.get_mut(&name) {
            return Some(std::mem::replace(old, value));
        }
        self.members_mut().push((name, value));
        None
    }

    /// Removes a member and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let position = self.position(name)?;
        Some(self.members_mut().remove(position).1)
    }

    /// Returns the value of a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|position| &self.members()[position].1)
    }

    /// Returns true if there is a member with this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the members, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.members().iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members().len()
    }

    /// Returns true if there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// Returns the value of a member, mutably.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let position = self.position(name)?;
        self.value_mut(position)
    }

    /// Whether there is an `error` that is not `null`.
    pub(crate) fn reports_error(&self) -> bool {
        self.get("error").is_some_and(|error| !error.is_null())
    }

    /// The value of the member at a position, to be changed.
    pub(crate) fn value_mut(&mut self, position: usize) -> Option<&mut Value> {
        self.members_mut().get_mut(position).map(|(_, value)| value)
    }

    /// Adds the members of a later object: of each name the last value that is not null counts.
    pub(crate) fn merge(&mut self, later: &Self) {
        for (name, value) in later.iter() {
            self.set_last(name, value);
        }
    }

    /// Sets a member to a later value, unless that is null, or there are too many members already.
    pub(crate) fn set_last(&mut self, name: &str, value: &Value) {
        if let Some(known) = self.get_mut(name) {
            if !value.is_null() {
                known.clone_from(value);
            }
        } else if self.len() < MOST_MERGED {
            self.members_mut().push((name.to_owned(), value.clone()));
        }
    }

    /// Takes out the members that are `null`.
    pub(crate) fn remove_nulls(&mut self) {
        if self.iter().any(|(_, value)| value.is_null()) {
            self.members_mut().retain(|(_, value)| !value.is_null());
        }
    }

    fn members(&self) -> &[(String, Value)] {
        self.members.as_deref().map_or(&[], Vec::as_slice)
    }

    fn members_mut(&mut self) -> &mut Vec<(String, Value)> {
        Arc::make_mut(self.members.get_or_insert_default())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.members().iter().position(|(known, _)| known == name)
    }

    fn by_name(&self) -> HashMap<&str, &Value> {
        self.iter().collect()
    }

    /// Adds a member while an object is being read. Repeated names are sorted out by [`Extra::settle`].
    pub(crate) fn push(&mut self, name: String, value: Value) {
        let members = self.members_mut();
        if members.is_empty() {
            members.reserve_exact(1);
        }
        members.push((name, value));
    }

    /// Ends the reading of an object: of repeated names the last value that is not null is kept,
    /// and a name whose field could be read is removed. Takes linear time for any input.
    pub(crate) fn settle(&mut self, is_set: &dyn Fn(&str) -> bool) {
        if self.is_empty() {
            return;
        }
        let members = self.members_mut();
        members.retain(|(name, _)| !is_set(name));
        if members.len() < 2 {
            return;
        }
        let mut places = HashMap::new();
        let mut settled: Vec<(String, Value)> = Vec::with_capacity(members.len());
        for (name, value) in members.drain(..) {
            match places.get(&name) {
                None => {
                    places.insert(name.clone(), settled.len());
                    settled.push((name, value));
                }
                Some(&place) if !value.is_null() => settled[place].1 = value,
                Some(_) => {}
            }
        }
        *members = settled;
    }
}

/// Prints the members as JSON: `{"top_k": 40}`.
impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.iter() {
            map.entry(&name, &format_args!("{}", text_of(value)));
        }
        map.finish()
    }
}

impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        if self.len() != other.len() {
            return false;
        }
        if self.is_empty() {
            return true;
        }
        self.members() == other.members() || self.by_name() == other.by_name()
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Extra {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        let mut extra = Self::new();
        extra.extend(members);
        extra
    }
}

impl<N: Into<String>, V: Into<Value>> Extend<(N, V)> for Extra {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, members: I) {
        for (name, value) in members {
            self.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insert_replaces_and_keeps_the_order() {
        let mut extra: Extra = [("a", 1), ("b", 2)].into_iter().collect();
        assert_eq!(extra.insert("a", 3), Some(Value::from(1)));
        let names: Vec<_> = extra.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(extra.remove("a"), Some(Value::from(3)));
        assert_eq!(extra.len(), 1);
    }

    #[test]
    fn a_clone_is_changed_by_itself() {
        let first: Extra = [("a", 1), ("b", 2)].into_iter().collect();
        let mut second = first.clone();
        assert_eq!(second.insert("a", 3), Some(Value::from(1)));
        assert_eq!(second.remove("b"), Some(Value::from(2)));
        assert_eq!((first.len(), first.get("a")), (2, Some(&Value::from(1))));
        assert_eq!(format!("{second:?}"), r#"{"a": 3}"#);
    }

    #[test]
    fn two_are_equal_in_any_order_of_the_members() {
        let extra = |members: &[(&str, i32)]| members.iter().copied().collect::<Extra>();
        let ab = extra(&[("a", 1), ("b", 2)]);
        assert_eq!(ab, extra(&[("a", 1), ("b", 2)]));
        assert_eq!(ab, extra(&[("b", 2), ("a", 1)]));
        assert_eq!(extra(&[]), Extra::new());
        for other in [&[("a", 1), ("b", 3)][..], &[("a", 1), ("c", 2)], &[("a", 1)], &[]] {
            assert_ne!(ab, extra(other));
        }
    }

    #[test]
    fn merging_stops_at_the_most_members_but_replaces_known_ones() {
        let mut merged = Extra::new();
        for number in 0..MOST_MERGED + 5 {
            merged.merge(&[(number.to_string(), number)].into_iter().collect());
        }
        merged.merge(&[("0", 7)].into_iter().collect());
        assert_eq!(merged.len(), MOST_MERGED);
        assert_eq!(merged.get("0"), Some(&Value::from(7)));
        assert_eq!(merged.get(&(MOST_MERGED - 1).to_string()), Some(&Value::from(MOST_MERGED - 1)));
    }

    #[test]
    fn settling_keeps_the_last_value_that_is_not_null() {
        let mut extra = Extra::new();
        for (name, value) in
            [("a", Value::from(1)), ("b", Value::Null), ("a", Value::from(2)), ("a", Value::Null)]
        {
            extra.push(name.to_owned(), value);
        }
        extra.push("typed".to_owned(), Value::from(9));
        extra.settle(&|name| name == "typed");
        assert_eq!(extra, [("a", Value::from(2)), ("b", Value::Null)].into_iter().collect());
    }

    #[test]
    fn many_members_settle_in_linear_time() {
        let mut extra = Extra::new();
        for number in 0..200_000 {
            extra.push(number.to_string(), Value::Null);
        }
        extra.settle(&|_| false);
        assert_eq!(extra.len(), 200_000);
    }
}
