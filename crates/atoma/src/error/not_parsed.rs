use super::ErrorKind;
use std::fmt;

/// The reason why an output has no value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotParsed {
    Refused,
    Truncated,
    ContentFilter,
    Invalid,
}

impl fmt::Display for NotParsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "the model refused to write the output",
            Self::Truncated => "output truncated at the limit of tokens (max_completion_tokens)",
            Self::ContentFilter => "output removed by a content filter",
            Self::Invalid => "output is not JSON that fits the type",
        })
    }
}

impl NotParsed {
    pub(crate) fn kind(self) -> ErrorKind {
        match self {
            // The same request would end the same way, unlike after a stream that was truncated.
            Self::Refused | Self::Truncated => ErrorKind::Other,
            Self::ContentFilter => ErrorKind::ContentFilter,
            Self::Invalid => ErrorKind::UnexpectedResponse,
        }
    }
}
