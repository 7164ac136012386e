use alloc::string::String;
use core::str;

/// Text that is allocated only if it is long.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum SmallText {
    /// The bytes behind the length are zero.
    Short {
        length: u8,
        bytes: [u8; SmallText::SHORT],
    },
    Long(String),
}

impl SmallText {
    /// As many bytes as fit beside the length in the room of a `String` of 64-bit processors.
    pub(crate) const SHORT: usize = 15;

    /// The parts, one behind the other.
    #[inline(always)]
    pub(crate) fn join(parts: [&str; 3]) -> Self {
        let length = parts[0].len() + parts[1].len() + parts[2].len();
        if length <= Self::SHORT { Self::short(parts) } else { Self::Long(Self::concat(parts)) }
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Short { length, bytes } => str::from_utf8(&bytes[..usize::from(*length)])
                .expect("it was put together from text"),
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
    fn text_is_allocated_from_sixteen_bytes_on() {
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
