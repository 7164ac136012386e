//! The items that the macros of `atoma-types` make, as far as the public API goes.
//!
//! A listing of the public items expands these macros by hand: what they are given decides all
//! names and types. A test compares the names here with the definitions of the macros.

use std::fmt::Write as _;

/// Expands an invocation of the macro `name` to the head of its items: bodies are empty.
pub(crate) fn expand(name: &str, input: &str) -> Option<String> {
    match name {
        "object" => object(input),
        "open_enum" => open_enum(input),
        "setters" => setters(input),
        "request" => Some(format!(
            "impl {} {{ pub fn extra(self, name: impl Into<String>, value: impl Into<Value>) -> Self {{}} \
             pub fn to_vec(&self) -> Result<Vec<u8>, InvalidRequest> {{}} }}",
            input.trim()
        )),
        "debug_as_line" => Some(format!("impl Debug for {} {{}}", first_word(input))),
        "by_value_type" => {
            let mut text = String::new();
            implements(&mut text, first_word(input), &["Serialize", "Deserialize<'de>"]);
            Some(text)
        }
        _ => None,
    }
}

fn first_word(input: &str) -> &str {
    input.trim_start().split([' ', ',', '{']).next().unwrap_or_default()
}

/// Splits `#[…] pub struct Name => hook { … }` into the attributes, the name and the block.
fn parts<'a>(input: &'a str, keyword: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let at = input.find(keyword)?;
    let (attributes, rest) = (&input[..at], &input[at + keyword.len()..]);
    let open = rest.find('{')?;
    let name = rest[..open].split_whitespace().next()?;
    Some((attributes, name, &rest[open + 1..rest.rfind('}')?]))
}

fn object(input: &str) -> Option<String> {
    let (attributes, name, block) = parts(input, "pub struct ")?;
    let mut text = format!(
        "{attributes} #[derive(Clone, PartialEq, Default)] #[non_exhaustive] pub struct {name} {{\n"
    );
    for field in block.split(",\n").map(str::trim).filter(|field| !field.is_empty()) {
        let end = field.find(" as ").or_else(|| field.find(" = ")).unwrap_or(field.len());
        let _ = writeln!(text, "    {},", field[..end].trim_end_matches(','));
    }
    text += "    pub extra: Extra,\n}\n";
    implements(&mut text, name, &["Debug", "Serialize", "Deserialize<'de>"]);
    Some(text)
}

fn open_enum(input: &str) -> Option<String> {
    let (attributes, name, block) = parts(input, "pub enum ")?;
    let head = &input[..input.find('{')?];
    let mut text = format!(
        "{attributes} #[derive(Debug, Clone, PartialEq, Eq, Hash)] #[non_exhaustive] pub enum {name} {{ "
    );
    for variant in block.split(',').map(str::trim).filter(|variant| !variant.is_empty()) {
        let _ = write!(text, "{}, ", variant.split(" = ").next()?.trim_end_matches(" ="));
    }
    text += "Other(String) }\n";
    let _ = writeln!(text, "impl {name} {{ pub fn as_str(&self) -> &str {{}} }}");
    let all = ["From<&str>", "From<String>", "FromStr", "Display", "Serialize", "Deserialize<'de>"];
    implements(&mut text, name, &all);
    if head.contains(" = ") {
        implements(&mut text, name, &["Default"]);
    }
    Some(text)
}

fn setters(input: &str) -> Option<String> {
    let (name, block) = input.split_once('{')?;
    let mut text = format!("impl {} {{\n", name.trim());
    for setter in block[..block.rfind('}')?].split(';').map(str::trim) {
        let Some((field, given)) = setter.split_once(':') else { continue };
        let given = given.split_once(" as ").map_or(given, |(_, given)| given).trim();
        let _ = writeln!(text, "    pub fn {field}(self, {field}: {given}) -> Self {{}}");
    }
    Some(text + "}\n")
}

fn implements(text: &mut String, name: &str, traits: &[&str]) {
    for one in traits {
        let generics = if one.contains("'de") { "<'de>" } else { "" };
        let _ = writeln!(text, "impl{generics} {one} for {name} {{}}");
    }
}
