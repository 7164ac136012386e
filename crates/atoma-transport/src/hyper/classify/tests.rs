use super::*;
use rustls::pki_types::ServerName;

fn os(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

#[cfg(target_os = "linux")]
#[test]
fn a_lack_of_resources_is_not_a_network_error() {
    use ErrorKind::{Connect, ResourceExhausted};
    for (name, code, kind, transient) in [
        ("EMFILE", 24, ResourceExhausted, false),
        ("ENFILE", 23, ResourceExhausted, false),
        ("EADDRNOTAVAIL", 99, ResourceExhausted, true),
        ("ENETUNREACH", 101, Connect, true),
        ("EHOSTUNREACH", 113, Connect, true),
        ("ECONNREFUSED", 111, Connect, true),
        ("ETIMEDOUT", 110, Connect, true),
    ] {
        let failed = connect(Connect, "host:1", io::Error::other(os(code)));
        assert_eq!((failed.kind(), failed.is_transient()), (kind, transient), "{name}");
        assert_eq!(failed.delivery(), Delivery::NotSent, "{name}");
    }
    assert_eq!(dns(Connect, "host", os(24)).kind(), ResourceExhausted);
}

#[test]
fn the_resolvers_of_all_systems_are_understood() {
    for (text, unknown) in [
        ("failed to lookup address information: Name or service not known", true),
        ("failed to lookup address information: No address associated with hostname", true),
        ("failed to lookup address information: Name does not resolve", true),
        (
            "failed to lookup address information: nodename nor servname provided, or not known",
            true,
        ),
        ("No such host is known. (os error 11001)", true),
        ("failed to lookup address information: Non-recoverable failure in name resolution", true),
        ("failed to lookup address information: Temporary failure in name resolution", false),
        ("failed to lookup address information: Try again", false),
        ("anything else", false),
    ] {
        let failed = dns(ErrorKind::Connect, "host", io::Error::other(text));
        assert_eq!(failed.is_transient(), !unknown, "{text}");
        assert!(failed.to_string().contains("host"), "{text}");
    }
}

#[test]
fn a_certificates_fault_is_found_under_wrappers() {
    for (error, detail) in [
        (Bad::Expired, "that of host has expired, or this machine's clock is wrong"),
        (Bad::NotValidYet, "that of host is not valid yet, or this machine's clock is wrong"),
        (Bad::NotValidForName, "it is not for host"),
        (Bad::UnknownIssuer, "that of host is from an unknown issuer"),
        (Bad::Revoked, "that of host was revoked"),
        (Bad::BadSignature, "that of host has a wrong signature"),
        (Bad::InvalidPurpose, "that of host is not for servers"),
        (Bad::BadEncoding, "that of host could not be checked"),
    ] {
        let wrapped = io::Error::other(io::Error::other(rustls::Error::from(error)));
        let failed = handshake("host", wrapped, None);
        assert_eq!(failed.kind(), ErrorKind::Certificate);
        assert!(!failed.is_transient());
        assert_eq!(failed.detail(), Some(detail));
    }
}

#[test]
fn the_variables_of_the_roots_are_named_where_an_issuer_is_unknown() {
    let failed = |error| {
        let error = io::Error::other(rustls::Error::from(error));
        handshake("host", error, Some("SSL_CERT_FILE".to_owned())).to_string()
    };
    assert!(failed(Bad::UnknownIssuer).ends_with("not among those of SSL_CERT_FILE"));
    assert!(!failed(Bad::Expired).contains("SSL_CERT_FILE"));
}

#[test]
fn a_lost_handshake_is_worth_another_try() {
    let failed = handshake("host", io::ErrorKind::UnexpectedEof.into(), None);
    assert_eq!((failed.kind(), failed.is_transient()), (ErrorKind::Tls, true));
}

#[test]
fn a_proxys_status_decides() {
    for (status, transient) in [(407, false), (403, false), (404, false), (500, false)] {
        let failed = tunnel("p:1", StatusCode::from_u16(status).unwrap());
        assert_eq!(failed.is_transient(), transient, "{status}");
        assert!(failed.to_string().contains(&status.to_string()));
    }
    for status in [502, 503, 504] {
        assert!(tunnel("p:1", StatusCode::from_u16(status).unwrap()).is_transient());
    }
}

#[test]
fn an_alert_is_about_certificates_if_it_names_one_or_the_access() {
    let about: [u8; 8] = [42, 43, 44, 45, 46, 48, 49, 116];
    for code in 0..=255 {
        let is_about = is_about_certificates(AlertDescription::from(code));
        assert_eq!(is_about, about.contains(&code), "alert {code}");
    }
}

#[test]
fn a_certificate_for_other_names_shows_three_of_them() {
    let presented = ["DnsName(\"a.test\")", "DnsName(\"b\u{e9}\nc\")", "IpAddress(1.2.3.4)", "x"];
    let long = "y".repeat(65);
    for (presented, names) in [
        (presented.map(str::to_owned).to_vec(), "a.test, b??c, 1.2.3.4".to_owned()),
        (vec![long.clone()], long[1..].to_owned()),
    ] {
        let error = rustls::Error::InvalidCertificate(Bad::NotValidForNameContext {
            expected: ServerName::try_from("host").unwrap(),
            presented,
        });
        let failed = handshake("host", io::Error::other(error), Some("SSL_CERT_FILE".to_owned()));
        assert_eq!(failed.detail(), Some(&*format!("it is for {names}, not for host")));
        assert_eq!(
            failed.source().unwrap().to_string(),
            rustls::Error::from(Bad::NotValidForName).to_string()
        );
    }
}

#[test]
fn a_handshake_that_fails_is_described() {
    use rustls::Error as Tls;
    for (error, detail) in [
        (
            Tls::InvalidMessage(InvalidMessage::InvalidContentType),
            "host does not speak TLS on this port",
        ),
        (
            Tls::InvalidMessage(InvalidMessage::InvalidCcs),
            "host does not follow the protocol, or not in a way known here",
        ),
        (
            Tls::AlertReceived(AlertDescription::CertificateRequired),
            "host wants a client certificate",
        ),
        (Tls::AlertReceived(AlertDescription::HandshakeFailure), "host refused (HandshakeFailure)"),
        (Tls::NoApplicationProtocol, "host does not speak HTTP/1.1"),
        (Tls::DecryptError, "host does not follow the protocol, or not in a way known here"),
    ] {
        let failed = handshake("host", io::Error::other(error), Some("SSL_CERT_FILE".to_owned()));
        assert_eq!((failed.kind(), failed.is_transient()), (ErrorKind::Tls, false), "{detail}");
        assert_eq!((failed.detail(), failed.delivery()), (Some(detail), Delivery::NotSent));
    }
}

#[test]
fn a_connection_that_cannot_be_opened_names_its_place_or_the_lack() {
    for (error, kind, transient, detail) in [
        (os(111), ErrorKind::Connect, true, "host:1".to_owned()),
        (io::Error::other(NoIoDriver), ErrorKind::Other, false, NoIoDriver.to_string()),
        (io::ErrorKind::AddrNotAvailable.into(), ErrorKind::Connect, true, "host:1".to_owned()),
    ] {
        let failed = connect(ErrorKind::Connect, "host:1", error);
        assert_eq!((failed.kind(), failed.is_transient()), (kind, transient), "{detail}");
        assert_eq!(failed.detail(), Some(&*detail));
    }
}

#[test]
fn a_name_that_the_system_does_not_find_is_unknown() {
    let failed = |kind: io::ErrorKind| dns(ErrorKind::Connect, "host", kind.into());
    let unknown = failed(io::ErrorKind::NotFound);
    assert_eq!(unknown.detail(), Some("no address is known for host"));
    assert!(!unknown.is_transient());
    let other = failed(io::ErrorKind::Interrupted);
    assert_eq!(other.detail(), Some("the name lookup of host failed"));
    assert!(other.is_transient());
}

#[test]
fn a_proxys_refusal_is_described() {
    for (status, detail) in [
        (407, "p:1 wants other credentials (407)"),
        (501, "p:1 refused (501 Not Implemented)"),
        (502, "p:1 could not reach the server (502 Bad Gateway)"),
        (504, "p:1 could not reach the server (504 Gateway Timeout)"),
        (505, "p:1 refused (505 HTTP Version Not Supported)"),
    ] {
        let failed = tunnel("p:1", StatusCode::from_u16(status).unwrap());
        assert_eq!((failed.kind(), failed.detail()), (ErrorKind::Proxy, Some(detail)));
    }
}
