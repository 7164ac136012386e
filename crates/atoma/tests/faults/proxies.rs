//! Rows 14–23: proxies.

use crate::lab::{
    CANARY, Found, Good as _,
    Is::{self, Connect, Retryable, Timeout},
    LONGEST_WAIT, Lab, Log, Names, Outcome, Script, Setup, cannot_check, dead_end, process, proxy,
    responses::GOOD,
    serve,
    tls::{NAME, serve_tls},
};
use atoma_transport::{ErrorKind, HyperTransport, Phase, Proxy};
use http::Uri;
use std::{net::Ipv6Addr, time::Duration};

const TRIED_AGAIN: [Is; 2] = [Connect, Retryable];
const LATE: [Is; 3] = [Connect, Timeout, Retryable];
const FINAL: [Is; 1] = [Connect];

/// A lab over `https` behind a proxy that plays these scripts and then tunnels. Returns the lab,
/// the proxy's log, and the proxy's address.
async fn behind(scripts: impl IntoIterator<Item = Script>) -> (Lab, Log, String) {
    let (setup, log, place) = set_behind(scripts).await;
    (setup.start().await, log, place)
}

async fn set_behind(scripts: impl IntoIterator<Item = Script>) -> (Setup, Log, String) {
    let proxy = proxy::http(scripts).await;
    let (log, place) = (proxy.log(), proxy.address.to_string());
    let url = format!("http://{}:{CANARY}@{place}", proxy::USER);
    (serve_tls([], []).by_way_of(proxy, url), log, place)
}

fn responding(response: &str) -> Script {
    Script::on_request().write(response)
}

#[tokio::test]
async fn row_014_the_proxys_port_is_closed() {
    let socket = dead_end::closed([127, 0, 0, 2], 0);
    let place = socket.local_addr().unwrap();
    let url = format!("http://{place}");
    let lab = serve_tls([], []).transport(|builder| builder.proxy(Proxy::all(url)));
    let lab = lab.start().await;
    let outcome = lab.unary().await;
    outcome.is(TRIED_AGAIN).kind(ErrorKind::Proxy).attempts(3).connections(0);
    outcome.says(&format!("proxy connection failed: {place}"));
    assert!(!format!("{:?}", outcome.error()).contains(NAME), "it is not the server's fault");

    let proxy = proxy::http_on(socket.listen(16).unwrap());
    lab.unary().await.ok(GOOD).attempts(1).connections(1);
    drop(proxy);
    lab.closes("the call above is the next one").await;
}

#[tokio::test]
async fn row_015_the_proxy_requires_credentials() {
    let proxy = proxy::http_with_login().await;
    let (log, url) = (proxy.log(), format!("http://{}:wrong@{}", proxy::USER, proxy.address));
    let lab = serve_tls([], []).by_way_of(proxy, url).start().await;
    let outcome = lab.unary().await;
    outcome.is(FINAL).kind(ErrorKind::Proxy).says("wants other credentials (407)");
    outcome.attempts(1).connections(0);
    assert_eq!(log.accepted(), 1);
    lab.closes("the proxy accepts no call with these credentials").await;

    let proxy = proxy::http_with_login().await;
    let url = format!("http://{}:{CANARY}@{}", proxy::USER, proxy.address);
    let (log, lab) = (proxy.log(), serve_tls([], []).by_way_of(proxy, url).start().await);
    lab.unary().await.ok(GOOD).attempts(1).connections(1);
    let actual = lab.server.log().requests().concat();
    assert!(!actual.to_lowercase().contains("proxy-"), "the login is the proxy's: {actual}");
    assert!(!log.requests().concat().contains("sk-"), "the key is the server's");
    lab.healthy().await;

    let (lab, log, _) =
        behind([responding("HTTP/1.1 407 Log in\r\ncontent-length: 0\r\n\r\n")]).await;
    lab.unary().await.is(FINAL).kind(ErrorKind::Proxy).attempts(1).connections(0);
    assert_eq!(log.accepted(), 1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_016_the_proxy_responds_with_an_error() {
    let (lab, log, place) = behind([responding("HTTP/1.1 403 No\r\n\r\n")]).await;
    let outcome = lab.unary().await;
    outcome.is(FINAL).kind(ErrorKind::Proxy).says(&format!("{place} refused (403 Forbidden)"));
    outcome.attempts(1).connections(0);
    assert_eq!(log.accepted(), 1);
    lab.healthy().await;

    for (status, phrase) in [(502, "Bad Gateway"), (503, "Service Unavailable")] {
        let busy = responding(&format!("HTTP/1.1 {status} {phrase}\r\ncontent-length: 0\r\n\r\n"));
        let (lab, log, place) = behind([(); 4].map(|()| busy.clone())).await;
        let outcome = lab.stream().await;
        outcome.is(TRIED_AGAIN).kind(ErrorKind::Proxy).attempts(3).connections(0);
        outcome.says(&format!("{place} could not reach the server ({status} {phrase})"));
        assert_eq!(log.accepted(), 3);
        lab.stream().await.ok(GOOD).attempts(2).connections(1);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_017_the_proxy_never_responds() {
    const PATIENCE: Duration = Duration::from_secs(10);
    for script in [Script::on_request(), responding("HTTP/1.1 200 Connect")] {
        let silent = [(); 3].map(|()| script.clone().until_closed());
        let (setup, log, _) = set_behind(silent).await;
        let lab = setup.manual_clock().start().await;
        let outcome = lab.expires_each_time(3, PATIENCE, Some(&log), lab.unary()).await;
        outcome.is(LATE).kind(ErrorKind::Timeout(Phase::Connect));
        outcome.lasted(3 * PATIENCE + 2 * LONGEST_WAIT).attempts(3).connections(0);
        assert_eq!(log.accepted(), 3);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_018_a_huge_head_from_the_proxy() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(9_000));
    let endless = responding("HTTP/1.1 200 OK\r\n").flood("x: y\r\n".repeat(1_000), 64 << 20);
    for script in [responding(&long), endless] {
        let (lab, log, place) = behind([script]).await;
        let outcome = lab.unary().await;
        outcome.is(FINAL).kind(ErrorKind::Proxy).attempts(1).connections(0);
        outcome.says(&format!("{place} sent too large a head"));
        assert_eq!(log.accepted(), 1);
        lab.healthy().await;
        assert!(log.flooded() < 32 << 20, "it is not read to its end");
    }
}

#[tokio::test]
async fn row_019_the_proxy_sends_bytes_after_its_200() {
    // The beginning of a TLS record.
    let early = "HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03";
    let (lab, log, place) = behind([responding(early)]).await;
    let outcome = lab.unary().await;
    outcome.is(FINAL).kind(ErrorKind::Proxy).attempts(1).connections(0);
    outcome.says(&format!("{place} spoke before the server could"));
    assert_eq!(log.accepted(), 1);
    lab.healthy().await;

    // After the client's first bytes they could come from the server, but they are not valid TLS.
    let forged =
        Script::on_request().write("HTTP/1.1 200 OK\r\n\r\n").bytes(1).write("HTTP/1.1 200");
    let (lab, log, _) = behind([forged]).await;
    lab.unary().await.is(FINAL).kind(ErrorKind::Tls).attempts(1).connections(0);
    assert_eq!(log.accepted(), 1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_020_the_proxys_url_is_malformed() {
    let lab = serve([]).start().await;
    for url in [
        "",
        " ",
        "http://",
        "http:// bad proxy",
        "http://sk-canary-5e1f0c9a7b@",
        "http://host:port",
        "http://host:99999",
        "http://host:0",
        "http://host/path",
        "http://ho st:1",
        "htp://host:1",
        "socks4://host:1",
        "file:///etc/passwd",
        "://host",
        "http://[::1:80",
    ] {
        for proxy in [Proxy::all(url), Proxy::none().http(url), Proxy::none().https(url)] {
            let error = HyperTransport::builder().proxy(proxy).build().expect_err(url);
            assert!(error.is_proxy(), "{url:?}: {error}");
            assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
        }
    }
    assert_eq!(lab.server.log().accepted(), 0, "nothing goes direct");
    lab.healthy().await;
}

#[tokio::test]
async fn row_021_socks() {
    for (scheme, login, looked_up) in
        [("socks5h", "", 0), ("socks5", "", 1), ("socks5h", CANARY, 0)]
    {
        let names = Names::new([Found::at([127, 0, 0, 1])]);
        let proxy = if login.is_empty() {
            proxy::socks([]).await
        } else {
            proxy::socks_with_login([]).await
        };
        let login = if login.is_empty() { login } else { &format!("{}:{login}@", proxy::USER) };
        let (log, url) = (proxy.log(), format!("{scheme}://{login}{}", proxy.address));
        let lab = serve_tls([], []).named(&names).by_way_of(proxy, url).start().await;
        lab.unary().await.ok(GOOD).attempts(1).connections(1);
        assert_eq!((log.accepted(), names.asked().len()), (1, looked_up), "{scheme}");
        lab.healthy().await;
    }
}

/// A call through a SOCKS proxy that plays this script on the first `count` connections. Returns
/// the outcome and the number of connections to the proxy.
async fn by_socks(count: usize, script: Script, login: &str) -> (Outcome, usize, Lab) {
    let scripts = std::iter::repeat_n(script, count);
    let proxy = match login {
        "" => proxy::socks(scripts).await,
        _ => proxy::socks_with_login(scripts).await,
    };
    let (log, url) = (proxy.log(), format!("socks5h://{login}{}", proxy.address));
    let lab = serve_tls([], []).by_way_of(proxy, url).start().await;
    (lab.unary().await, log.accepted(), lab)
}

#[tokio::test]
async fn row_021_the_socks_proxy_rejects() {
    let greeted = Script::default().bytes(3);
    let open = greeted.clone().write([5, 0]).bytes(3 + 7 + NAME.len());
    let reply = |code| open.clone().write([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
    let login = format!("{}:{CANARY}@", proxy::USER);
    for (name, script, login) in [
        ("no method is acceptable", greeted.clone().write([5, 0xff]), ""),
        ("a method that was not offered", greeted.clone().write([5, 2]), ""),
        ("the login is refused", greeted.clone().write([5, 2]).bytes(4).write([1, 1]), &*login),
        ("not SOCKS 5", greeted.clone().write([4, 0]), ""),
        ("not allowed by the rules", reply(2), ""),
        ("not supported", reply(7), ""),
    ] {
        let (outcome, accepted, lab) = by_socks(1, script, login).await;
        println!("case: {name}");
        outcome.is(FINAL).kind(ErrorKind::Proxy).attempts(1).connections(0);
        assert_eq!(accepted, 1);
        lab.healthy().await;
    }
    for (name, script) in [
        ("nothing", greeted.clone().close()),
        ("half a method", greeted.clone().write([5]).close()),
        ("half a reply", open.clone().write([5, 0, 0, 1]).close()),
        ("reset", open.clone().reset()),
        ("general failure", reply(1)),
        ("host unreachable", reply(4)),
        ("connection refused", reply(5)),
    ] {
        println!("case: {name}");
        let (outcome, accepted, lab) = by_socks(3, script, "").await;
        outcome.is(TRIED_AGAIN).kind(ErrorKind::Proxy).attempts(3).connections(0);
        assert_eq!(accepted, 3);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_022_no_proxy() {
    let has_ipv6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    for (list, host, is_spared) in [
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.0/8", "127.0.0.1", true),
        ("10.0.0.0/8, 192.168.0.0/16", "127.0.0.1", false),
        ("::1", "[::1]", true),
        ("[::1]", "[::1]", true),
        ("::/64", "[::1]", true),
        ("::2, fd00::/8", "[::1]", false),
        ("api.test", NAME, true),
        ("API.Test", NAME, true),
        ("api.test.", NAME, true),
        (".test", NAME, true),
        ("other.test , api.test", NAME, true),
        ("other.test, i.test", NAME, false),
        ("*", NAME, true),
        ("", NAME, false),
    ] {
        if host == "[::1]" && !has_ipv6 {
            cannot_check("a machine without IPv6");
            continue;
        }
        println!("case: {list:?} {host}");
        // The proxy responds in place of the server.
        let proxy = proxy::http([Script::good(), Script::good()]).await;
        let (log, url) = (proxy.log(), format!("http://{}", proxy.address));
        let setup = serve([]);
        let setup = if host == NAME { setup.named(&Names::default()) } else { setup.at(host) };
        let lab = setup
            .by_way_of(proxy, url.clone())
            .client(|client| client.allow_http(true))
            .transport(move |builder| builder.proxy(Proxy::all(url).no_proxy(list)))
            .start()
            .await;
        let by_the_server = usize::from(is_spared);
        lab.unary().await.ok(GOOD).attempts(1).connections(by_the_server);
        assert_eq!(log.accepted(), 1 - by_the_server);
        lab.unary().await.ok(GOOD).attempts(1);
        lab.closes("the call above is the next one").await;
    }
}

/// Makes one call over `http` and one over `https` in a process with these variables, and counts
/// the calls that arrive at the proxy. `PROXY` in a value is replaced by the proxy's URL.
fn environment(test: &str, variables: &[(&str, &str)], proxied: [usize; 2]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let proxy = proxy::http([]).await;
        let mut command = process::command(test, None);
        for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command.env_remove("REQUEST_METHOD");
        for (name, value) in variables {
            command.env(name, value.replace("PROXY", &proxy.address.to_string()));
        }
        tokio::task::spawn_blocking(|| process::passes(command)).await.unwrap();
        let requests = proxy.log().requests();
        let count = |what| requests.iter().filter(|request| request.starts_with(what)).count();
        let seen = [count("POST http://api.test:"), count("CONNECT api.test:")];
        assert_eq!(seen, proxied, "{variables:?} {requests:?}");
        proxy.shut_down().await;
    });
}

/// The body of the process that [`environment`] starts.
async fn calls_by_the_environment() {
    for setup in [serve([]).named(&Names::default()), serve_tls([], [])] {
        let lab = setup.transport(|builder| builder.proxy(Proxy::from_env())).start().await;
        lab.unary().await.ok(GOOD).attempts(1).connections(1);
        lab.closes("each proxy expects a single call").await;
    }
}

#[test]
fn row_022_the_environments_proxies() {
    let this = "proxies::row_022_the_environments_proxies";
    if process::is_alone() {
        return process::alone(this, None, calls_by_the_environment);
    }
    environment(this, &[("HTTP_PROXY", "http://PROXY")], [1, 0]);
    environment(this, &[("https_proxy", "PROXY"), ("HTTP_PROXY", "")], [0, 1]);
    environment(this, &[("ALL_PROXY", "http://PROXY/")], [1, 1]);
    environment(this, &[("ALL_PROXY", "http://PROXY"), ("NO_PROXY", "API.test.")], [0, 0]);
}

#[test]
fn row_023_http_proxy_in_a_cgi_program() {
    let this = "proxies::row_023_http_proxy_in_a_cgi_program";
    if process::is_alone() {
        return process::alone(this, None, calls_by_the_environment);
    }
    environment(this, &[("HTTP_PROXY", "http://PROXY"), ("REQUEST_METHOD", "GET")], [0, 0]);
}

#[test]
fn row_020_the_environments_proxy_is_malformed() {
    let this = "proxies::row_020_the_environments_proxy_is_malformed";
    if process::is_alone() {
        return process::alone(this, None, || async {
            let lab = serve([]).start().await;
            let transport = HyperTransport::new().expect("it is an error where it is used");
            let (far, farther) =
                (Uri::from_static("http://a.test"), Uri::from_static("https://a.test"));
            let errors = [transport.check_proxy(&far).err(), transport.check_proxy(&farther).err()];
            assert!(errors.iter().any(Option::is_some));
            for error in errors.iter().flatten() {
                assert!(error.is_proxy() && !format!("{error:?}").contains(CANARY), "{error:?}");
            }
            for (url, error) in [("http://a.test", &errors[0]), ("https://a.test", &errors[1])] {
                let client = atoma::Client::builder().api_key(CANARY).server_url(url);
                let built = client.allow_http(true).build();
                if error.is_none() {
                    continue;
                }
                let error = built.expect_err(url);
                assert!(error.is_config() && !format!("{error:?}").contains(CANARY), "{error:?}");
            }
            assert_eq!(lab.server.log().accepted(), 0);
            lab.closes("there is no client to make it").await;
        });
    }
    let mistyped = "http:// sk-canary-5e1f0c9a7b@PROXY";
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"] {
        environment(this, &[(variable, mistyped)], [0, 0]);
    }
}
