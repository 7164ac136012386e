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
