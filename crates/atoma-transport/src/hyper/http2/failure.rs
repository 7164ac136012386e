//! The reason why an exchange over HTTP/2 has no response, and whether the request may be sent
//! again.

use crate::TransportError;

/// The failure of one exchange.
pub(super) struct Failure {
    pub(super) error: TransportError,
    pub(super) resend: Resend,
}

/// Whether the same request may be sent over another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resend {
    /// The server may have processed it.
    Never,
    /// The server refused the stream, and reports that it has not processed it (RFC 9113, section
    /// 8.7).
    Once,
    /// Nothing of it was written: the connection had ended before.
    Unsent,
}

impl Failure {
    /// A failure after which the request must not be sent again.
    pub(super) fn final_with(error: TransportError) -> Self {
        Self { error, resend: Resend::Never }
    }
}
