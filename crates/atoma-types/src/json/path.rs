//! The names that lead to a value in a JSON text.
//!
//! ```text
//! {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"…"
//!  names      choices  delta  tool_calls  function  arguments      lists on the way are left out
//!  positions  0               0                                    the element of each list
//! ```

/// The position of a streamed string in its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The position among the choices.
    pub(crate) choice: usize,
    /// The kind of string.
    pub(crate) field: Field,
    /// The position among the tool calls, for arguments.
    pub(crate) call: usize,
}

/// A string of a choice that continues over chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// `delta.content`, or `text` of a completion.
    Content,
    /// `delta.reasoning`.
    Reasoning,
    /// `delta.reasoning_content`.
    ReasoningContent,
    /// `delta.refusal`.
    Refusal,
    /// The arguments of a tool call.
    Arguments,
    /// The content in a message next to a delta or in place of it.
    MessageContent,
    /// The same for reasoning, under either name.
    MessageReasoning,
    MessageReasoningContent,
    /// The text of a content part.
    Part,
}

/// The names of the members that lead to a streamed string. Lists on the way are lists of objects.
pub(crate) type FieldPath = (&'static [&'static str], Field);

/// The most names of a [`FieldPath`].
const MOST_NAMES: usize = 5;

/// The objects and lists that are open at a position of a text.
#[derive(Default)]
pub(crate) struct Path<'a> {
    open: Vec<Container<'a>>,
}

/// An open object or list.
enum Container<'a> {
    /// With the name of the member that was read last, and whether a name comes next.
    Object { name: &'a [u8], naming: bool },
    /// The number of objects in it so far.
    Array { objects: usize },
}

impl<'a> Path<'a> {
    /// Whether no object or list is open.
    pub(crate) fn is_outside(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether the next string names a member.
    pub(crate) fn is_naming(&self) -> bool {
        matches!(self.open.last(), Some(Container::Object { naming: true, .. }))
    }

    /// The names that lead to the current value through objects alone, if it is one or two deep.
    pub(crate) fn names(&self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        match &self.open[..] {
            [Container::Object { name, naming: false }] => Some((name, None)),
            [Container::Object { name: outer, .. }, Container::Object { name, naming: false }] => {
                Some((outer, Some(name)))
            }
            _ => None,
        }
    }

    /// Follows a bracket, a colon or a comma; other bytes change nothing.
    pub(crate) fn mark(&mut self, byte: u8) {
        match byte {
            b'{' => {
                if let Some(Container::Array { objects }) = self.open.last_mut() {
                    *objects += 1;
                }
                self.open.push(Container::Object { name: b"", naming: true });
            }
            b'[' => self.open.push(Container::Array { objects: 0 }),
            b'}' | b']' => {
                self.open.pop();
            }
            b':' => self.set_naming(false),
            b',' => self.set_naming(true),
            _ => {}
        }
    }

    /// Notes whether the next string of an object is a name.
    fn set_naming(&mut self, now: bool) {
        if let Some(Container::Object { naming, .. }) = self.open.last_mut() {
            *naming = now;
        }
    }

    /// Enters the name of the member whose value comes next.
    pub(crate) fn name(&mut self, content: &'a [u8]) {
        if let Some(Container::Object { name, naming: true }) = self.open.last_mut() {
            *name = content;
        }
    }

    /// The position of the current value, if it is one of these streamed strings.
    pub(crate) fn place(&self, fields: &[FieldPath]) -> Option<Place> {
        let Some(Container::Object { naming: false, .. }) = self.open.last() else { return None };
        let mut names: [&[u8]; MOST_NAMES] = [b""; MOST_NAMES];
        let mut positions = [0; MOST_NAMES];
        let mut depth = 0;
        let mut in_list = false;
        for container in &self.open {
            match container {
                Container::Object { name, .. } => {
                    *names.get_mut(depth)? = name;
                    depth += 1;
                    in_list = false;
                }
                Container::Array { .. } if in_list => return None,
                Container::Array { objects } => {
                    positions[depth.checked_sub(1)?] = objects.saturating_sub(1);
                    in_list = true;
                }
            }
        }
        let is_path = |path: &[&str]| {
            path.len() == depth
                && path.iter().zip(names).rev().all(|(wanted, name)| wanted.as_bytes() == name)
        };
        let (_, field) = fields.iter().find(|(path, _)| is_path(path))?;
        Some(Place { choice: positions[0], field: *field, call: positions[2] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan::{Kind, Scanner};

    #[test]
    fn a_place_is_found_through_objects_and_single_lists() {
        const FIELDS: &[FieldPath] =
            &[(&["a", "b"], Field::Content), (&["a", "c", "d"], Field::Arguments)];
        let content = |choice| Some(Place { choice, field: Field::Content, call: 0 });
        let call = |choice| Some(Place { choice, field: Field::Arguments, call: 0 });
        for (json, places) in [
            (r#"{"a":{"b":"x"}}"#, vec![content(0)]),
            (r#"{"a":[{"b":"x"},{"b":"y"}]}"#, vec![content(0), content(1)]),
            (r#"{"a":[{"b":"x","c":{"d":"y"}}]}"#, vec![content(0), call(0)]),
            (r#"{"a":[{},{"c":[{"d":"x"}]}]}"#, vec![call(1)]),
            (r#"{"a":[[{"b":"x"}]]}"#, vec![None]),
            (r#"{"a":[[],{"b":"x"}]}"#, vec![content(0)]),
            (r#"[{"a":{"b":"x"}}]"#, vec![None]),
            (r#"{"a":["x"]}"#, vec![None]),
            (r#"{"b":{"a":"x"}}"#, vec![None]),
            (r#"{"a":{"b":{"c":"x"}},"b":"y"}"#, vec![None, None]),
            (r#"{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":"x"}}}}}}}}"#, vec![None]),
        ] {
            let mut scanner = Scanner::new(json.as_bytes());
            let mut found = Vec::new();
            while let Some(token) = scanner.next() {
                if matches!(token.kind, Kind::Text(_)) {
                    found.push(scanner.path().place(FIELDS));
                }
            }
            assert_eq!(found, places, "{json}");
        }
    }
}
