use alloc::string::String;
use core::str;

/// Text that is allocated only if it is longer than 15 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum SmallText {
    /// The bytes after the length are zero, so that equal texts compare equal.
    Short {
        length: u8,
        bytes: [u8; SmallText::SHORT],
    },
    Long(String),
}

impl SmallText {
    /// The bytes that fit next to their length into the size of a `String` on 64-bit targets.
    pub(crate) const SHORT: usize = 15;

    /// Joins the parts.
    #[inline(always)]
    pub(crate) fn join(parts: [&str; 3]) -> Self {
        let length = parts[0].len() + parts[1].len() + parts[2].len();
        if length <= Self::SHORT { Self::short(parts) } else { Self::Long(Self::concat(parts)) }
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Short { length, bytes } => {
                str::from_utf8(&bytes[..usize::from(*length)]).expect("it was joined from text")
            }
            Self::Long(text) => text,
        }
    }

    #[inline]
    pub(crate) fn into_string(self) -> String {
        match self {
            Self::Short { .. } => String::from(self.as_str()),
            Self::Long(text) => text,
        }
    }

    #[inline(never)]
    fn concat(parts: [&str; 3]) -> String {
        parts.concat()
    }

    // Inlined: moving a text right after its bytes were written one by one stalls the processor. An
    // event of one byte took 41 ns with a call here, 19 ns without.
    #[inline(always)]
    fn short(parts: [&str; 3]) -> Self {
        let mut bytes = [0; Self::SHORT];
        let mut length = 0;
        for byte in parts.iter().flat_map(|part| part.bytes()) {
            bytes[length] = byte;
            length += 1;
        }
        Self::Short { length: length as u8, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_longer_than_fifteen_bytes_is_allocated() {
        for (parts, short) in [
            (["", "", ""], true),
            (["[DONE]", "", ""], true),
            (["é", "note", "東7"], true),
            (["123456789", "abc", "ABC"], true),
            (["123456789", "abcd", "ABC"], false),
            (["", "", "1234567890123456"], false),
            (["1234567890123456", "", ""], false),
        ] {
            let text = SmallText::join(parts);
            assert_eq!(matches!(text, SmallText::Short { .. }), short, "{parts:?}");
            assert_eq!(text.as_str(), parts.concat());
            assert_eq!(text.into_string(), parts.concat());
        }
    }
}
