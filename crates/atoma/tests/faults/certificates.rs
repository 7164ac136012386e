//! Rows 24–27: certificates that are not trusted.

use crate::lab::{
    Is::{self, Certificate, Connect},
    Names,
    tls::{self, Authority, NAME, ours, serve_tls},
};
use atoma_transport::{ErrorKind, HyperTransport, Proxy};
use rcgen::{SanType, date_time_ymd};

const NOT_TRUSTED: [Is; 2] = [Connect, Certificate];

/// Shows this certificate once, and checks the reason why it is not trusted. Retries do not connect
/// again.
async fn not_trusted(certificate: tls::Certificate, why: &str) {
    for uses_the_machines_roots in [false, true] {
        if uses_the_machines_roots && cfg!(not(target_os = "linux")) {
            continue;
        }
        let mut lab = serve_tls([tls::with(&certificate)], []);
        if uses_the_machines_roots {
            lab = lab.transport(|_| {
                let builder = HyperTransport::builder().proxy(Proxy::none());
                builder.resolver(Names::default()).root_certificates_pem(ours().pem().as_bytes())
            });
        }
        let lab = lab.start().await;
        let outcome = lab.unary().await;
        outcome.is(NOT_TRUSTED).kind(ErrorKind::Certificate).says(why).says(NAME);
        outcome.attempts(1).connections(1).requests(0);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_024_an_unknown_issuer() {
    let unknown = Authority::new("unknown").issue(NAME, |_| {});
    not_trusted(unknown, "that of api.test is from an unknown issuer").await;
    // The name of an issuer alone does not make it trusted.
    let same_name = Authority::new("ours").issue(NAME, |_| {});
    not_trusted(same_name, "that of api.test").await;
    let own = tls::Certificate::self_signed(NAME);
    not_trusted(own, "that of api.test is from an unknown issuer").await;
}

#[tokio::test]
async fn row_025_another_host() {
    for name in ["other.test", "api.test.example", "127.0.0.1", "*.api.test"] {
        let others = ours().issue(name, |_| {});
        not_trusted(others, &format!("it is for {name}, not for api.test")).await;
    }
    let hostile = ours().issue(NAME, |params| {
        let names = ["two\nlines\u{7}", &"long".repeat(1_000), ") and (", "more"];
        let names = names.map(|name| SanType::DnsName(name.try_into().unwrap()));
        params.subject_alt_names = names.to_vec();
    });
    not_trusted(hostile, &format!("it is for two?lines?, {}, ", "long".repeat(16))).await;
}

#[tokio::test]
async fn row_026_expired_or_not_valid_yet() {
    let expired = ours().issue(NAME, |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    not_trusted(expired, "has expired, or this machine's clock is wrong").await;
    let to_come = ours().issue(NAME, |params| params.not_before = date_time_ymd(4000, 1, 1));
    not_trusted(to_come, "is not valid yet, or this machine's clock is wrong").await;
}

#[tokio::test]
async fn row_027_this_machines_clock_is_wrong() {
    // To a clock in 1970, a certificate of today is as far in the future as this one to our clock.
    let to_come = ours().issue(NAME, |params| {
        params.not_before = date_time_ymd(2080, 1, 1);
        params.not_after = date_time_ymd(2081, 1, 1);
    });
    not_trusted(to_come, "that of api.test is not valid yet, or this machine's clock is wrong")
        .await;
    let of_1970 = ours().issue(NAME, |params| {
        params.not_before = date_time_ymd(1970, 1, 1);
        params.not_after = date_time_ymd(1971, 1, 1);
    });
    not_trusted(of_1970, "that of api.test has expired, or this machine's clock is wrong").await;
}
