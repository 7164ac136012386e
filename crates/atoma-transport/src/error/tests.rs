use super::*;

/// Every kind once, with a timeout of each phase.
fn all_kinds() -> [ErrorKind; 16] {
    use ErrorKind as Kind;
    [
        Kind::Connect,
        Kind::Proxy,
        Kind::Tls,
        Kind::Certificate,
        Kind::Timeout(Phase::Connect),
        Kind::Timeout(Phase::Head),
        Kind::Timeout(Phase::Idle),
        Kind::Timeout(Phase::Total),
        Kind::ConnectionLost,
        Kind::Protocol,
        Kind::BodyInterrupted,
        Kind::TooLarge,
        Kind::Encoding,
        Kind::ResourceExhausted,
        Kind::Request,
        Kind::Other,
    ]
}

/// The kinds for which `predicate` is true.
fn kinds_with(predicate: fn(&TransportError) -> bool) -> Vec<ErrorKind> {
    let error = |kind: &ErrorKind| TransportError::new(*kind, Delivery::NotSent);
    all_kinds().into_iter().filter(|kind| predicate(&error(kind))).collect()
}

#[test]
fn each_predicate_is_true_for_its_kinds_alone() {
    use ErrorKind as Kind;
    let timeouts = [Phase::Connect, Phase::Head, Phase::Idle, Phase::Total].map(Kind::Timeout);
    let connect =
        [Kind::Connect, Kind::Proxy, Kind::Tls, Kind::Certificate, Kind::Timeout(Phase::Connect)];
    assert_eq!(kinds_with(TransportError::is_connect), connect);
    assert_eq!(kinds_with(TransportError::is_certificate), [Kind::Certificate]);
    assert_eq!(kinds_with(TransportError::is_timeout), timeouts);
    assert_eq!(kinds_with(TransportError::is_too_large), [Kind::TooLarge]);
    let permanent = [
        Kind::Certificate,
        Kind::Protocol,
        Kind::BodyInterrupted,
        Kind::TooLarge,
        Kind::Encoding,
        Kind::Request,
    ];
    assert_eq!(kinds_with(|error| !error.is_transient()), permanent);
}

#[test]
fn a_timeout_has_its_phase_and_other_errors_have_none() {
    for kind in all_kinds() {
        let phase = if let ErrorKind::Timeout(phase) = kind { Some(phase) } else { None };
        assert_eq!(TransportError::new(kind, Delivery::Unknown).timeout_phase(), phase, "{kind}");
    }
}

#[test]
fn every_kind_has_its_line() {
    let lines = [
        "could not connect",
        "proxy connection failed",
        "TLS handshake failed",
        "invalid server certificate",
        "timeout: no connection",
        "timeout: no response headers",
        "timeout: no response data",
        "timeout: call not complete",
        "connection closed before response headers",
        "invalid HTTP response",
        "response body ended unexpectedly",
        "response too large",
        "response has a content encoding that was not requested",
        "out of a local resource (file descriptors, ports, memory)",
        "request cannot be sent",
        "transport failed",
    ];
    assert_eq!(all_kinds().map(|kind| kind.to_string()), lines);
}

#[test]
fn a_line_has_the_limit_of_a_timeout_alone_and_the_detail() {
    let (second, lost) = (Duration::from_secs(1), ErrorKind::ConnectionLost);
    let idle = TransportError::timeout(Phase::Idle, Delivery::Unknown);
    let lost = || TransportError::new(lost, Delivery::Unknown);
    for (error, line) in [
        (idle.with_limit(second).with_detail("why"), "timeout: no response data within 1s: why"),
        (lost().with_limit(second), "connection closed before response headers"),
        (lost().with_detail("why"), "connection closed before response headers: why"),
    ] {
        assert_eq!(error.to_string(), line);
    }
}

#[test]
fn an_error_has_the_values_it_was_made_with() {
    let error = TransportError::new(ErrorKind::Other, Delivery::Unknown);
    assert_eq!((error.detail(), error.limit()), (None, None));
    assert!(error.source().is_none() && error.extensions().is_empty() && error.is_transient());
    let mut error = error
        .with_detail("why")
        .with_limit(Duration::from_secs(1))
        .with_source("cause")
        .with_delivery(Delivery::NotSent)
        .permanent();
    error.extensions_mut().insert(7_u8);
    assert_eq!((error.detail(), error.limit()), (Some("why"), Some(Duration::from_secs(1))));
    assert_eq!(error.source().unwrap().to_string(), "cause");
    assert_eq!((error.delivery(), error.extensions().get()), (Delivery::NotSent, Some(&7_u8)));
    assert!(!error.is_transient());
}

#[test]
fn causes_follow_on_lines_unless_the_line_above_has_them() {
    let connect =
        |cause: &str| TransportError::new(ErrorKind::Connect, Delivery::NotSent).with_source(cause);
    let nested =
        TransportError::new(ErrorKind::Other, Delivery::NotSent).with_source(connect("refused"));
    let text = "transport failed\n  caused by: could not connect\n  caused by: refused";
    assert_eq!(format!("{nested:?}"), text);
    assert_eq!(format!("{:?}", connect("connect")), "could not connect");
}
