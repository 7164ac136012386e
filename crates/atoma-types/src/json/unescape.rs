//! The escapes of JSON strings.

/// Adds the text between the quotes of a JSON string to `text`; `None` if an escape is not valid, or is half a surrogate pair.
pub(crate) fn unescape(raw: &str, text: &mut String) -> Option<()> {
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let escape = *escaped.as_bytes().first()?;
        rest = escaped.get(1..)?;
        text.push(match escape {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(escape),
            b'u' => unicode(&mut rest)?,
            _ => return None,
        });
    }
    text.push_str(rest);
    Some(())
}

/// Reads the digits of one escape, or of two that are the halves of a character.
fn unicode(rest: &mut &str) -> Option<char> {
    let first = code_unit(rest)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first);
    }
    *rest = rest.strip_prefix("\\u")?;
    let second = code_unit(rest)?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
    char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + second)
}

fn code_unit(rest: &mut &str) -> Option<u32> {
    let (digits, after) = rest.split_at_checked(4)?;
    *rest = after;
    // `from_str_radix` would take a sign as well.
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_as_serde_json_reads_them() {
        for raw in [
            "",
            "plain é",
            r"\n",
            r"a\nb\tc\rd\be\ff",
            r#"\"\/\\"#,
            r"\u0041\u00e9\u20ac",
            r"\ud83d\ude42!",
            r"\ud83d",
            r"\ude42",
            r"\ud83d\n",
            r"\ud83d\u0041",
            r"\ud83dx",
            r"\u12",
            r"\u+123",
            r"\u00é9",
            r"\x",
            r"\U0041",
            r"\é",
        ] {
            let mut text = String::new();
            let read = unescape(raw, &mut text).map(|()| text);
            let wanted = serde_json::from_str::<String>(&format!("\"{raw}\"")).ok();
            assert_eq!(read, wanted, "{raw}");
        }
    }
}
