//! Where in a chunk a pass over its text stands.

/// Where a streamed string stands in its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The position among the choices.
    pub(crate) choice: usize,
    pub(crate) field: Field,
    /// The position among the tool calls, for arguments.
    pub(crate) call: usize,
}

/// A field of a delta that is streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Content,
    Reasoning,
    ReasoningContent,
    Refusal,
    Arguments,
}

/// How many objects and lists are open where the arguments of a tool call stand, the deepest of the streamed fields.
const DEEPEST: usize = 7;

/// Where a pass over the text of a JSON value stands.
#[derive(Default)]
pub(crate) struct Path<'a> {
    open: Vec<Container<'a>>,
}

enum Container<'a> {
    Object {
        name: &'a [u8],
        naming: bool,
    },
    /// How many objects it holds so far.
    Array {
        objects: usize,
    },
}

impl<'a> Path<'a> {
    /// Whether the value has been closed, or has not been opened yet.
    pub(crate) fn is_outside(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether the next string is the name of a member.
    pub(crate) fn is_naming(&self) -> bool {
        matches!(self.open.last(), Some(Container::Object { naming: true, .. }))
    }

    /// The names that lead to the value at hand through objects alone, where it is one or two deep.
    pub(crate) fn names(&self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        match &self.open[..] {
            [Container::Object { name, naming: false }] => Some((name, None)),
            [Container::Object { name: outer, .. }, Container::Object { name, naming: false }] => {
                Some((outer, Some(name)))
            }
            _ => None,
        }
    }

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

    fn set_naming(&mut self, now: bool) {
        if let Some(Container::Object { naming, .. }) = self.open.last_mut() {
            *naming = now;
        }
    }

    pub(crate) fn string(&mut self, content: &'a [u8]) {
        if let Some(Container::Object { name, naming: true }) = self.open.last_mut() {
            *name = content;
        }
    }

    /// Where the value at hand is, if it is the text of a completion. It counts as content.
    pub(crate) fn text_place(&self) -> Option<Place> {
        match &self.open[..] {
            [
                Container::Object { name: b"choices", .. },
                Container::Array { objects },
                Container::Object { name: b"text", naming: false },
            ] => Some(Place { choice: objects.saturating_sub(1), field: Field::Content, call: 0 }),
            _ => None,
        }
    }

    /// Which streamed field the value at hand is, if it is one.
    pub(crate) fn place(&self) -> Option<Place> {
        if self.open.len() > DEEPEST {
            return None;
        }
        let Some(Container::Object { naming: false, .. }) = self.open.last() else { return None };
        let mut names: [&[u8]; 5] = [b""; 5];
        let mut positions = [0; 5];
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
        let [choices, delta, field, function, arguments] = names;
        if choices != b"choices" || !matches!(delta, b"delta" | b"message") {
            return None;
        }
        let field = match (depth, field) {
            (3, b"content") => Field::Content,
            (3, b"reasoning") => Field::Reasoning,
            (3, b"reasoning_content") => Field::ReasoningContent,
            (3, b"refusal") => Field::Refusal,
            (5, b"tool_calls") if function == b"function" && arguments == b"arguments" => {
                Field::Arguments
            }
            _ => return None,
        };
        Some(Place { choice: positions[0], field, call: positions[2] })
    }
}
