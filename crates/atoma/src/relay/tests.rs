use super::*;
use atoma_transport::{Delivery, ErrorKind as Failure, TransportError};

#[test]
fn an_error_without_a_report_of_the_server_is_described_by_its_kind() {
    let transport = |kind| Error::from(TransportError::new(kind, Delivery::Unknown));
    let second = Duration::from_secs(1);
    for (error, code, message) in [
        (
            Error::truncated(b"secret"),
            "upstream_truncated",
            "the response ended before it was complete",
        ),
        (
            transport(Failure::ConnectionLost),
            "upstream_truncated",
            "the response ended before it was complete",
        ),
        (
            Error::stalled(false, second),
            "upstream_timeout",
            "the response stopped before it was complete",
        ),
        (Error::response_too_large(1), "upstream_too_large", "the response is too large"),
        (Error::rejected("secret".into()), "upstream_rejected", "the response was rejected"),
        #[cfg(feature = "confidential")]
        (
            Error::node_refused("secret".into(), Delivery::NotSent),
            "upstream_untrusted",
            "the response is not trusted",
        ),
        (Error::unexpected("secret", b"secret"), "upstream_invalid", "the response cannot be read"),
        (transport(Failure::Other), "upstream_failed", "the response failed"),
    ] {
        let reported = reported(&error);
        assert_eq!(reported.code.as_deref(), Some(code), "{error:#?}");
        assert_eq!(reported.message, message, "{error:#?}");
        assert_eq!(reported.kind.as_deref(), Some("server_error"), "{error:#?}");
    }
}
