use super::*;
use proptest::prelude::*;

fn route(variables: &[(&str, &str)], url: &str) -> String {
    let read = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let proxies = Urls::from_variables(read).unwrap().build().unwrap();
    let uri = url.parse().unwrap();
    format!("{:?}", proxies.route(&Target::of(&uri).unwrap(), &uri))
}

#[test]
fn the_environment_names_the_way() {
    let table: &[(&[(&str, &str)], &str, &str)] = &[
        (&[], "https://a.test", "Direct"),
        (&[("HTTPS_PROXY", "http://p:1")], "https://a.test", r#"Tunnel(ProxyServer("p:1"))"#),
        (&[("https_proxy", "http://p:1")], "https://a.test", r#"Tunnel(ProxyServer("p:1"))"#),
        (&[("HTTPS_PROXY", "http://p:1")], "http://a.test", "Direct"),
        (&[("HTTP_PROXY", "p")], "http://a.test", r#"Forward(ProxyServer("p:80"))"#),
        (&[("ALL_PROXY", "https://p/")], "https://a.test", r#"Tunnel(ProxyServer("p:443"))"#),
        (&[("ALL_PROXY", "http://[::1]:5")], "https://a.test", r#"Tunnel(ProxyServer("::1:5"))"#),
        (
            &[("ALL_PROXY", "p:1"), ("HTTP_PROXY", "q:2")],
            "http://a.test",
            r#"Forward(ProxyServer("q:2"))"#,
        ),
        (
            &[("ALL_PROXY", "socks5://p")],
            "http://a.test",
            r#"Socks { server: ProxyServer("p:1080"), names_here: true }"#,
        ),
        (
            &[("ALL_PROXY", "socks5h://u:secret@p:9")],
            "https://a.test",
            r#"Socks { server: ProxyServer("p:9"), names_here: false }"#,
        ),
        (&[("HTTPS_PROXY", "")], "https://a.test", "Direct"),
        (&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], "http://a.test", "Direct"),
        (&[("HTTP_PROXY", "p:1")], "http://localhost:8080", "Direct"),
        (&[("HTTP_PROXY", "p:1")], "http://LocalHost.", "Direct"),
        (&[("HTTP_PROXY", "p:1")], "http://127.1.2.3", "Direct"),
        (&[("HTTP_PROXY", "p:1")], "http://[::1]:80", "Direct"),
    ];
    for (variables, url, way) in table {
        assert_eq!(route(variables, url), *way, "{variables:?} {url}");
    }
}

#[test]
fn no_proxy_spares_names_addresses_and_networks() {
    for (list, url, spared) in [
        ("a.test", "https://a.test", true),
        ("A.Test", "https://a.test", true),
        ("a.test", "https://A.TEST", true),
        ("a.test", "https://b.a.test", true),
        (".a.test", "https://b.a.test", true),
        ("a.test.", "https://a.test", true),
        ("a.test", "https://a.test.", true),
        ("a.test", "https://nota.test", false),
        ("a.test", "https://a.test.evil", false),
        (" b.test ,, a.test ", "https://a.test", true),
        ("10.0.0.0/8", "https://10.1.2.3", true),
        ("10.0.0.0/8", "https://11.1.2.3", false),
        ("2001:db8::/32", "https://[2001:db8::1]:80", true),
        ("[2001:db8::1]", "https://[2001:db8::1]", true),
        ("2001:db8::2", "https://[2001:db8::1]", false),
        ("*", "https://a.test", true),
        ("*", "https://10.1.2.3", true),
        ("", "https://a.test", false),
    ] {
        let way = route(&[("ALL_PROXY", "http://p:1"), ("NO_PROXY", list)], url);
        assert_eq!(way == "Direct", spared, "{list:?} {url}: {way}");
    }
}

#[test]
fn a_variable_that_is_no_proxy_is_named_and_not_shown() {
    let read = |name: &str| (name == "https_proxy").then(|| "htp://u:secret@p".into());
    let error = Urls::from_variables(read).unwrap().build().err().unwrap();
    assert!(error.is_proxy());
    assert_eq!(error.to_string(), "https_proxy is neither http, https, socks5 nor socks5h");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_not_stepped_over() {
    use std::os::unix::ffi::OsStringExt;
    for variable in ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        let read = |name: &str| (name == variable).then(|| OsString::from_vec(vec![0xff]));
        let built = Urls::from_variables(read).and_then(Urls::build);
        assert_eq!(built.err().unwrap().to_string(), format!("{variable} is not text"));
    }
}

#[test]
fn credentials_are_shown_nowhere() {
    let proxies = Proxy::all("http://user:secret@p:1").given().build().unwrap();
    let uri = Uri::from_static("https://a.test");
    let route = proxies.route(&Target::of(&uri).unwrap(), &uri);
    let Route::Tunnel(server) = &route else { panic!("{route:?}") };
    assert_eq!(server.basic.as_ref().unwrap(), "Basic dXNlcjpzZWNyZXQ=");
    assert!(!format!("{route:?} {:?}", server.basic).contains("dXNlcjpzZWNyZXQ="));
}

/// Strings near enough to URLs that some are and some are not.
fn nearly_a_url() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(vec!["", "http://", "HTTPS://", "socks5://", "http:/"]);
    let login = prop::sample::select(vec!["", "u:p@", "u@", "@", "u:p@q@", "%zz:%00@"]);
    let host = prop_oneof!["[a-z.\\-_ %]{0,8}", Just("[::1]".into()), Just("1.2.3.4".into())];
    let port = prop::sample::select(vec!["", ":", ":80", ":0", ":65536", ":x", ":8 0"]);
    let end = prop::sample::select(vec!["", "/", "/x", "?x", "#x", " ", "\\", "\n"]);
    (scheme, login, host, port, end)
        .prop_map(|(scheme, login, host, port, end)| format!("{scheme}{login}{host}{port}{end}"))
}

proptest! {
    #[test]
    fn a_proxy_that_is_given_is_used_or_refused(
        url in prop_oneof![any::<String>(), nearly_a_url()],
    ) {
        if let Ok(proxies) = Proxy::all(url).build() {
            for uri in ["http://a.test/", "https://a.test/", "https://127.0.0.1/"] {
                let uri = Uri::from_static(uri);
                let route = proxies.route(&Target::of(&uri).unwrap(), &uri);
                let (Route::Forward(server) | Route::Tunnel(server) | Route::Socks { server, .. }) =
                    route
                else {
                    panic!("goes direct");
                };
                prop_assert!(!server.host.is_empty() && server.port != 0);
            }
        }
    }

    #[test]
    fn any_list_of_spared_servers_is_read(list in any::<String>()) {
        let proxies = Proxy::all("http://p:1").no_proxy(list).build().unwrap();
        let uri = Uri::from_static("https://a.test/");
        let _ = proxies.route(&Target::of(&uri).unwrap(), &uri);
    }
}
