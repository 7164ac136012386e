//! The escapes of JSON strings.

/// Reads an escape after its backslash, and moves `rest` past it; `None` if it is not valid or half a
/// surrogate pair.
pub(super) fn unescape(rest: &mut &str) -> Option<char> {
    let escape = *rest.as_bytes().first()?;
    *rest = rest.get(1..)?;
    Some(match escape {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'"' | b'\\' | b'/' => char::from(escape),
        b'u' => unicode(rest)?,
        _ => return None,
    })
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
    use crate::json::scan::read_string;

    #[test]
    fn an_escape_is_read_and_passed() {
        for (escape, wanted) in
            [("n", '\n'), ("t", '\t'), ("r", '\r'), ("b", '\u{8}'), ("f", '\u{c}'), ("u0041", 'A')]
        {
            let text = format!("{escape} rest");
            let mut rest = text.as_str();
            assert_eq!((unescape(&mut rest), rest), (Some(wanted), " rest"), "{escape}");
        }
    }

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
            r"\ud83d\udfff",
            r"\ud83d\ue000",
            r"\ud83dx",
            r"\u12",
            r"\u+123",
            r"\u00é9",
            r"\x",
            r"\U0041",
            r"\é",
            "a\nb",
        ] {
            let mut text = String::new();
            let read = read_string(&format!("{raw}\" rest"), &mut text);
            let wanted = serde_json::from_str::<String>(&format!("\"{raw}\"")).ok();
            assert_eq!(read, wanted.is_some().then_some(raw.len()), "{raw}");
            assert!(wanted.is_none_or(|wanted| text == wanted), "{raw}");
        }
    }
}
