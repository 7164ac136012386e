//! The public items of a crate, read from its sources: a listing whose changes are seen in review.
//!
//! The lint `unreachable_pub` holds for the whole workspace. An item that says `pub` is therefore
//! part of the public API, in whatever module it is. Hidden items are left out.

use crate::{macros, source};
use std::{collections::BTreeSet, fs, path::Path};

/// Returns a line for each public item of the sources below `src`, sorted by module.
pub(crate) fn list(src: &Path) -> Vec<String> {
    let mut files = Vec::new();
    read_folder(src, "", &mut files);
    files.sort();
    let (mut public, mut private) = (BTreeSet::new(), BTreeSet::new());
    for (_, text) in &files {
        names_of_types(text, &mut public, &mut private);
    }
    let private: BTreeSet<String> = private.difference(&public).cloned().collect();
    let mut lines = Vec::new();
    for (module, text) in &files {
        let mut found = Vec::new();
        Reader { private: &private, lines: &mut found }.items(text, "", Room::Module);
        found.sort();
        found.dedup();
        if !found.is_empty() {
            lines.push(format!("# {module}"));
            lines.extend(found);
            lines.push(String::new());
        }
    }
    lines.pop();
    lines
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            read_folder(&path, &format!("{prefix}{name}/"), files);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && name != "main.rs" {
            let text = fs::read_to_string(&path).unwrap_or_default();
            files.push((format!("{prefix}{name}"), source::code(&text)));
        }
    }
}

/// Sorts the names of types and traits by whether they are public.
fn names_of_types(text: &str, public: &mut BTreeSet<String>, private: &mut BTreeSet<String>) {
    let words: Vec<&str> = text.split_whitespace().collect();
    for (at, pair) in words.windows(2).enumerate() {
        if !matches!(pair[0], "struct" | "enum" | "trait" | "union" | "type") {
            continue;
        }
        let name = identifier(pair[1]);
        let is_public = at > 0 && words[at - 1] == "pub";
        if is_public {
            public.insert(name.to_owned());
        } else if pair[0] != "type" {
            // The type of a trait that is implemented, `type Error`, says nothing about the name.
            private.insert(name.to_owned());
        }
    }
}

/// The place of an item, which decides whether it is public.
#[derive(Clone, Copy, PartialEq)]
enum Room {
    Module,
    Methods,
    Trait,
}

struct Reader<'a> {
    private: &'a BTreeSet<String>,
    lines: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// Reads the items of a block. `owner` is the type or trait that they belong to.
    fn items(&mut self, text: &str, owner: &str, room: Room) {
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (attributes, after) = attributes(rest);
            let end = item_end(after);
            if !is_hidden(attributes) {
                self.item(attributes, after[..end].trim(), owner, room);
            }
            rest = after[end..].trim_start();
        }
    }

    fn item(&mut self, attributes: &str, item: &str, owner: &str, room: Room) {
        if let Some((name, input)) = invocation(item) {
            match macros::expand(name, input) {
                Some(items) => self.items(&items, owner, room),
                // It may make anything: a change of its input is seen.
                None if name != "macro_rules" => self.lines.push(squeeze(item)),
                None => {}
            }
            return;
        }
        let (visible, declaration) = match item.strip_prefix("pub ") {
            Some(declaration) => (true, declaration),
            None => (room == Room::Trait, item),
        };
        let head = head(declaration);
        let block = &declaration[head.len()..];
        if visible && matches!(keyword(head), "struct" | "enum") {
            let derived = derived(attributes).into_iter();
            self.lines.extend(derived.map(|name| format!("impl {name} for {}", name_of(head))));
        }
        let mark = if attributes.contains("non_exhaustive") { "#[non_exhaustive] " } else { "" };
        let owner = if owner.is_empty() { String::new() } else { format!("{owner}: ") };
        match keyword(head) {
            "impl" => self.implementation(head, block),
            "mod" if block.starts_with('{') => self.items(inner(block), "", Room::Module),
            _ if !visible => {}
            "trait" => {
                self.lines.push(format!("{mark}pub {}", squeeze(head)));
                self.items(inner(block), &name_of(head), Room::Trait);
            }
            "enum" => self.lines.push(format!("{mark}pub {}", squeeze(&bare(declaration)))),
            "struct" => {
                self.lines.push(format!("{mark}pub {}", squeeze(&bare(head))));
                for field in fields(inner(block)) {
                    self.lines.push(format!("{}.{}", name_of(head), squeeze(&field)));
                }
            }
            // The value of a constant is not part of its type.
            "const" | "static" if !head.contains("fn ") => {
                let declared = declaration.split(" = ").next().unwrap_or_default();
                self.lines.push(format!("{owner}pub {}", squeeze(declared)));
            }
            "type" | "use" | "mod" => {
                self.lines.push(format!("{owner}pub {}", squeeze(declaration)));
            }
            _ => self.lines.push(format!("{owner}pub {}", squeeze(head))),
        }
    }

    fn implementation(&mut self, head: &str, block: &str) {
        let line = squeeze(head);
        if named(&line).any(|name| self.private.contains(name)) {
            return;
        }
        if line.contains(" for ") {
            self.lines.push(line);
        } else {
            let owner = line.trim_start_matches("impl").to_owned();
            let owner = if owner.starts_with('<') { line.clone() } else { owner.trim().to_owned() };
            self.items(inner(block), &owner, Room::Methods);
        }
    }
}

/// The names of the trait and of the type of `impl<…> Trait<…> for Type<…>`, without their
/// parameters.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line.trim_start_matches("impl");
    if rest.starts_with('<') {
        let mut depth = 0;
        let end = rest.char_indices().find(|&(at, char)| {
            depth += i32::from(char == '<');
            depth -= i32::from(char == '>' && !rest[..at].ends_with('-'));
            depth == 0
        });
        rest = &rest[end.map_or(rest.len(), |(at, _)| at + 1)..];
    }
    rest.split(" where ").next().into_iter().flat_map(|head| head.split(" for ")).map(|path| {
        let path = path.split(['<', '(']).next().unwrap_or_default().trim();
        path.rsplit("::").next().unwrap_or_default().trim_start_matches(['&', '!'])
    })
}

/// Splits off the attributes in front of an item.
fn attributes(text: &str) -> (&str, &str) {
    let mut end = 0;
    while text[end..].trim_start().starts_with('#') {
        let Some(open) = text[end..].find('[') else { break };
        end += open + closing(&text[end + open..]) + 1;
    }
    (&text[..end], text[end..].trim_start())
}

/// The names of the traits that the attributes derive.
fn derived(attributes: &str) -> Vec<&str> {
    let lists = attributes.split("derive(").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()).collect()
}

fn is_hidden(attributes: &str) -> bool {
    let plain: String = attributes.split_whitespace().collect();
    plain.contains("cfg(test)") || plain.contains("doc(hidden)") || plain.contains("macro_export")
}

/// The name of a macro that is called in place of an item, and its input.
fn invocation(item: &str) -> Option<(&str, &str)> {
    let (path, rest) = item.split_once('!')?;
    let is_path = path.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | ':'));
    let name = path.rsplit("::").next().filter(|_| is_path)?;
    let rest = rest.trim_start();
    // A definition has a name before its block.
    let block = if rest.starts_with(['{', '(', '[']) { &rest[1..closing(rest)] } else { rest };
    Some((name, block))
}

/// The end of the item that `text` begins with.
fn item_end(text: &str) -> usize {
    // These end with a semicolon even if there is a block in them.
    let has_value = matches!(
        keyword(text.strip_prefix("pub ").unwrap_or(text)),
        "use" | "const" | "static" | "type"
    ) && !head(text).contains("fn ");
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at] {
            b';' => return at + 1,
            b'{' if !has_value => return at + closing(&text[at..]) + 1,
            b'{' | b'(' | b'[' => at += closing(&text[at..]) + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The item up to its block or its semicolon.
fn head(item: &str) -> &str {
    let mut at = 0;
    while at < item.len() {
        match item.as_bytes()[at] {
            b'{' | b';' => return &item[..at],
            b'(' | b'[' => at += closing(&item[at..]) + 1,
            _ => at += 1,
        }
    }
    item
}

/// The place of the bracket that closes the one `text` begins with, or the last place.
fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    text.len().saturating_sub(1)
}

fn inner(block: &str) -> &str {
    block.trim().strip_prefix('{').and_then(|block| block.strip_suffix('}')).unwrap_or("")
}

/// The public fields of a struct's block.
fn fields(block: &str) -> Vec<String> {
    bare(block)
        .split(",\n")
        .filter_map(|field| field.trim().strip_prefix("pub ").map(|field| field.replace('\n', " ")))
        .map(|field| field.trim_end_matches(',').to_owned())
        .collect()
}

/// The text without attributes.
fn bare(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("#[") {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1 + closing(&rest[at + 1..]) + 1..];
    }
    plain + rest
}

fn keyword(head: &str) -> &str {
    identifier(head.trim_start())
}

fn name_of(head: &str) -> String {
    identifier(head.split_whitespace().nth(1).unwrap_or_default()).to_owned()
}

fn identifier(text: &str) -> &str {
    let end = text.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(text.len());
    &text[..end]
}

/// The text on one line, as if it had never been broken.
fn squeeze(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches(';').trim_end().trim_end_matches(" where");
    line.replace("( ", "(")
        .replace(", )", ")")
        .replace("{ }", "{}")
        .replace("< ", "<")
        .replace(", >", ">")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let (mut public, mut private) = (BTreeSet::new(), BTreeSet::new());
        names_of_types(text, &mut public, &mut private);
        let mut lines = Vec::new();
        Reader { private: &private, lines: &mut lines }.items(text, "", Room::Module);
        lines
    }

    #[test]
    fn public_items_are_listed_and_others_are_not() {
        let text = "#[derive(Debug)]\n#[non_exhaustive]\npub struct A<T> {\n    pub a: T,\n    b: u8,\n}\n\
                    pub(crate) struct B;\nstruct C { pub c: u8 }\n\
                    impl<T> A<T> {\n    pub fn new(\n        a: T,\n    ) -> Self { Self { a, b: 0 } }\n    fn own(&self) {}\n}\n\
                    impl Clone for A<u8> { fn clone(&self) -> Self { todo() } }\n\
                    impl Clone for B { fn clone(&self) -> Self { B } }\n\
                    pub const fn f() {}\npub const N: [u8; 2] = { [1, 2] };\n\
                    #[cfg(test)]\npub fn hidden() {}\n#[doc(hidden)]\npub fn hidden_too() {}";
        assert_eq!(
            lines(text),
            [
                "impl Debug for A",
                "#[non_exhaustive] pub struct A<T>",
                "A.a: T",
                "impl<T> A<T>: pub fn new(a: T) -> Self",
                "impl Clone for A<u8>",
                "pub const fn f()",
                "pub const N: [u8; 2]",
            ]
        );
    }

    #[test]
    fn an_implementation_is_public_if_its_trait_and_its_type_are() {
        let text = "struct V;\ntrait T {}\npub struct A;\nimpl<V: Into<B>> Extend<(V, u8)> for A {}\n\
                    impl T for A {}\nimpl Clone for V {}\nimpl<F: Fn() -> V> a::Error for A where F: T {}\n\
                    impl B for A { type Error = u8; }\nimpl fmt::Error for A {}";
        let all = lines(text).into_iter().filter(|line| line.starts_with("impl"));
        let kept = [
            "impl<V: Into<B>> Extend<(V, u8)> for A",
            "impl<F: Fn() -> V> a::Error for A where F: T",
            "impl B for A",
            "impl fmt::Error for A",
        ];
        assert_eq!(all.collect::<Vec<_>>(), kept);
    }

    #[test]
    fn the_items_of_macros_are_listed() {
        let text = "object! { pub struct A => after { pub b: Vec<u8> as C = , pub d: u8, } }\n\
                    open_enum! { pub enum E = F { F = , G = , } }\n\
                    setters! { A { d: u8; b: B as impl Into<B>; } }\nrequest!(A);\nother! { u8 u16 }";
        let text = text.replace(", pub d", ",\n pub d");
        let lines = lines(&text);
        for line in [
            "#[non_exhaustive] pub struct A",
            "A.b: Vec<u8>",
            "A.d: u8",
            "A.extra: Extra",
            "impl Default for A",
            "impl<'de> Deserialize<'de> for A",
            "#[non_exhaustive] pub enum E { F, G, Other(String) }",
            "E: pub fn as_str(&self) -> &str",
            "impl Default for E",
            "A: pub fn d(self, d: u8) -> Self",
            "A: pub fn b(self, b: impl Into<B>) -> Self",
            "A: pub fn to_vec(&self) -> Result<Vec<u8>, InvalidRequest>",
            "other! { u8 u16 }",
        ] {
            assert!(lines.iter().any(|one| one == line), "{line:?} is not in {lines:#?}");
        }
    }

    #[test]
    fn traits_enums_and_reexports_are_listed_whole() {
        let text = "pub use a::{B, C};\nuse d::E;\n\
                    pub trait F: Send {\n    type G;\n    fn h(&self) -> u8 { 1 }\n}\n\
                    pub enum I { #[default] J, K(u8) }\npub mod l;\nmod m { pub fn n() {} }";
        assert_eq!(
            lines(text),
            [
                "pub use a::{B, C}",
                "pub trait F: Send",
                "F: pub type G",
                "F: pub fn h(&self) -> u8",
                "pub enum I { J, K(u8) }",
                "pub mod l",
                "pub fn n()",
            ]
        );
    }
}
