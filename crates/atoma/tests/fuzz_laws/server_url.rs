// The input is a server's URL. It is an error, or requests go to the endpoint below it: over TLS,
// or within this machine.

use super::{SECRET, check_error, client, request};
use atoma_transport::testing::{ManualTimer, ScriptedTransport};

pub(crate) fn check(input: &[u8]) {
    let url = String::from_utf8_lossy(input).replace("KEY", SECRET);
    let (timer, server) = (ManualTimer::new(), ScriptedTransport::new([]));
    let builder = client().server_url(url.as_str()).timer(timer.clone());
    let client = match builder.transport(server.clone()).build() {
        Ok(client) => client,
        Err(error) => {
            assert!(error.is_config(), "{error}");
            return check_error(&error);
        }
    };
    let error = timer.run(async { client.chat().create(request()).await.unwrap_err() });
    check_error(&error);
    let [sent] = &server.requests()[..] else { return assert!(error.is_config(), "{error}") };
    let uri = sent.uri();
    let base = uri.path().strip_suffix("/chat/completions").expect("the endpoint is appended");
    assert!(base == "/v1" || url.contains(base), "{uri}");
    assert!(uri.query().is_none_or(|query| url.contains(query)), "{uri}");
    let authority = uri.authority().expect("a request goes to a server").as_str();
    assert!(url.contains(authority) && !authority.contains('@'), "{uri}");
    let host = uri.host().expect("a server has a name").trim_matches(['[', ']']);
    let is_local = host.parse::<std::net::IpAddr>().map_or_else(
        // A name may end with the dot of the root, as in `localhost.`.
        |_| host.trim_end_matches('.').to_ascii_lowercase().ends_with("localhost"),
        |address| address.is_loopback(),
    );
    assert!(uri.scheme_str() == Some("https") || is_local, "{uri}");
}
