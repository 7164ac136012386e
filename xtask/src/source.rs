//! Reads the names that a Rust source text uses from its crate.

/// A path of the source, by its segments, and its purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    /// The name that it has here, if a `use` declares it.
    pub(crate) alias: Option<String>,
    /// It is only passed on: a `pub use`.
    pub(crate) is_reexport: bool,
}

/// Returns the paths that start with `crate`, `super` or `self`, and those of `pub use`.
pub(crate) fn paths(source: &str) -> Vec<Path> {
    let text = code(source);
    let mut paths = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = next_path(rest) {
        let before = rest[..start].trim_end();
        let is_use = before.ends_with("use");
        rest = &rest[start..];
        if is_use {
            let end = rest.find(';').unwrap_or(rest.len());
            let visibility = before[..before.len() - "use".len()].trim_end();
            let is_reexport = visibility.ends_with("pub") || visibility.ends_with(')');
            use_tree(&rest[..end], &mut Vec::new(), is_reexport, &mut paths);
            rest = &rest[end..];
        } else {
            let end = rest.find(|char: char| !is_path_char(char)).unwrap_or(rest.len());
            let segments = segments(&rest[..end]);
            if segments.len() > 1 && is_local(&segments[0]) {
                paths.push(Path { segments, alias: None, is_reexport: false });
            }
            rest = &rest[end..];
        }
    }
    paths
}

/// Returns the code of a source: without its comments, its tests and the text of its strings.
pub(crate) fn code(source: &str) -> String {
    without_tests(&without_comments_and_strings(source))
}

/// The length of the character literal that `text` begins with, or zero: `'a` is a lifetime.
fn literal_length(text: &str) -> usize {
    let Some(inner) = text.strip_prefix('\'') else { return 0 };
    let escape = if inner.starts_with('\\') { 2 } else { 0 };
    let rest = if escape > 0 { inner.get(escape..) } else { Some(inner) };
    let end = rest.and_then(|rest| rest.find('\''));
    match end {
        // One character, or an escape up to its quote.
        Some(end) if escape > 0 || inner[..end].chars().count() == 1 => 1 + escape + end + 1,
        _ => 0,
    }
}

/// The start of the next path: after `use`, or at one of the words for the own crate.
fn next_path(text: &str) -> Option<usize> {
    let starts = ["crate::", "super::", "self::"].into_iter().filter_map(|word| {
        // Not `$crate` either: a macro's paths count where they are used.
        let is_inside = |char: char| is_path_char(char) || char == '$';
        let is_word = |at: usize| !text[..at].ends_with(is_inside);
        text.match_indices(word).map(|(at, _)| at).find(|at| is_word(*at))
    });
    let uses = text.match_indices("use ").map(|(at, _)| at);
    let is_word = |at: &usize| *at == 0 || text[..*at].ends_with(|char: char| char.is_whitespace());
    let uses = uses.filter(is_word).map(|at| at + "use ".len()).next();
    starts.chain(uses).min()
}

/// Reads `a::{b, c::d as e}`.
fn use_tree(text: &str, prefix: &mut Vec<String>, is_reexport: bool, paths: &mut Vec<Path>) {
    let text = text.trim();
    let (path, group) = match text.find('{') {
        Some(at) => (&text[..at], Some(text[at + 1..].trim_end().trim_end_matches('}'))),
        None => (text, None),
    };
    let depth = prefix.len();
    let (path, alias) = match path.split_once(" as ") {
        Some((path, alias)) => (path, Some(alias.trim().to_owned())),
        None => (path, None),
    };
    prefix.extend(segments(path));
    match group {
        Some(group) => {
            for part in split_group(group) {
                use_tree(part, prefix, is_reexport, paths);
            }
        }
        None => {
            let mut segments = prefix.clone();
            if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
                segments.pop();
            }
            let alias = alias.or_else(|| segments.last().cloned());
            paths.push(Path { segments, alias, is_reexport });
        }
    }
    prefix.truncate(depth);
}

/// Splits `a, b::{c, d}, e` at its outer commas.
fn split_group(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn is_local(segment: &str) -> bool {
    matches!(segment, "crate" | "super" | "self")
}

fn is_path_char(char: char) -> bool {
    char.is_alphanumeric() || char == '_' || char == ':'
}

/// Cuts off the tests, which may depend on anything.
fn without_tests(source: &str) -> String {
    let cut = source.find("#[cfg(test)]\nmod tests").unwrap_or(source.len());
    source[..cut].to_owned()
}

/// Replaces comments and the text of strings, which may hold anything, by spaces.
fn without_comments_and_strings(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    for line in source.lines() {
        let mut is_string = false;
        let (mut previous, mut literal_end) = (' ', 0);
        for (at, char) in line.char_indices() {
            if !is_string && line[at..].starts_with("//") {
                break;
            }
            // The bracket of a literal, '{', opens nothing, and the quote of one, '"', ends nothing.
            if !is_string && at >= literal_end {
                literal_end = at + literal_length(&line[at..]);
            }
            if at < literal_end {
                text.push(' ');
                previous = ' ';
                continue;
            }
            let is_quote = char == '"' && previous != '\\';
            if is_quote {
                is_string = !is_string;
            }
            text.push(if is_string || is_quote { ' ' } else { char });
            previous = if previous == '\\' { ' ' } else { char };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Vec<String> {
        paths(source).into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn use_declarations_are_read_with_their_groups() {
        let source =
            "use crate::{\n    A, b::{self, C as D, e::*},\n};\nuse std::fmt;\nuse super::F;";
        assert_eq!(
            read(source),
            ["crate::A", "crate::b", "crate::b::C", "crate::b::e::*", "std::fmt", "super::F"]
        );
        let named = paths("use crate::b::C as D;");
        assert_eq!(named[0].alias.as_deref(), Some("D"));
        let passed_on = paths("pub use a::B;\npub(crate) use self::c::D;\nuse crate::e::F;");
        let reexports: Vec<bool> = passed_on.iter().map(|path| path.is_reexport).collect();
        assert_eq!(reexports, [true, true, false]);
    }

    #[test]
    fn paths_in_code_are_read_and_text_is_not() {
        let source = "fn f(a: crate::a::B) { super::g(\"crate::text\") } // crate::comment\n\
                      $crate::of_a_macro();\
                      /// [`crate::doc`]\n#[cfg(test)]\nmod tests { use crate::c; }";
        assert_eq!(read(source), ["crate::a::B", "super::g"]);
    }
}
