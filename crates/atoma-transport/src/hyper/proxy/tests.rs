use super::*;
use proptest::prelude::*;

fn target(url: &str) -> Target {
    Target::of(&url.parse().unwrap()).unwrap()
}

fn route(variables: &[(&str, &str)], url: &str) -> String {
    let read = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let proxies = Urls::from_variables(read).read(&HeaderMap::new());
    match proxies.route(&target(url), None) {
        Ok(route) => format!("{route:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_environment_names_the_way() {
    let table: &[(&[(&str, &str)], &str, &str)] = &[
        (&[], "https://a.test", "Direct"),
        (
            &[("HTTPS_PROXY", "http://p:1")],
            "https://a.test",
            r#"Tunnel { server: ProxyServer("p:1"), user_agent: None }"#,
        ),
        (
            &[("https_proxy", "http://p:1")],
            "https://a.test",
            r#"Tunnel { server: ProxyServer("p:1"), user_agent: None }"#,
        ),
        (&[("HTTPS_PROXY", "http://p:1")], "http://a.test", "Direct"),
        (&[("HTTP_PROXY", "p")], "http://a.test", r#"Forward(ProxyServer("p:80"))"#),
        (
            &[("ALL_PROXY", "https://p/")],
            "https://a.test",
            r#"Tunnel { server: ProxyServer("p:443"), user_agent: None }"#,
        ),
        (
            &[("ALL_PROXY", "http://[::1]:5")],
            "https://a.test",
            r#"Tunnel { server: ProxyServer("::1:5"), user_agent: None }"#,
        ),
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
        (
            &[("HTTP_PROXY", "q:1"), ("http_proxy", "p:1"), ("REQUEST_METHOD", "GET")],
            "http://a.test",
            if cfg!(windows) { "Direct" } else { r#"Forward(ProxyServer("p:1"))"# },
        ),
        (
            &[("HTTP_PROXY", "q:1"), ("HTTPS_PROXY", "p:1"), ("REQUEST_METHOD", "GET")],
            "https://a.test",
            r#"Tunnel { server: ProxyServer("p:1"), user_agent: None }"#,
        ),
        (
            &[("HTTP_PROXY", "q:1"), ("ALL_PROXY", "p:1"), ("REQUEST_METHOD", "GET")],
            "http://a.test",
            r#"Forward(ProxyServer("p:1"))"#,
        ),
        (&[("HTTP_PROXY", " p:1\n")], "http://a.test", r#"Forward(ProxyServer("p:1"))"#),
        (&[("HTTP_PROXY", " \n")], "http://a.test", "Direct"),
        (
            &[("HTTP_PROXY", "  "), ("http_proxy", "p:1")],
            "http://a.test",
            r#"Forward(ProxyServer("p:1"))"#,
        ),
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
fn given_proxies_are_used_for_their_scheme_and_no_proxy_for_none() {
    let given = || Proxy::all("p:1").http("q:2").https("r:3").no_proxy("spared.test");
    let tunnel = r#"Tunnel { server: ProxyServer("r:3"), user_agent: None }"#;
    for (name, proxy, http, https) in [
        ("none", Proxy::none(), "Direct", "Direct"),
        ("http", Proxy::none().http("q:2"), r#"Forward(ProxyServer("q:2"))"#, "Direct"),
        ("https", Proxy::none().https("r:3"), "Direct", tunnel),
        ("all", given(), r#"Forward(ProxyServer("q:2"))"#, tunnel),
        ("not the environment", Proxy::from_env().https("r:3"), "Direct", tunnel),
    ] {
        assert!(matches!(proxy.0, Choice::Given(_)), "{name}");
        let proxies = proxy.build(&HeaderMap::new()).unwrap();
        for (url, way) in [("http://a.test", http), ("https://a.test", https)] {
            let route = proxies.route(&target(url), None).unwrap();
            assert_eq!(format!("{route:?}"), way, "{name} {url}");
        }
    }
    assert!(matches!(Proxy::default().0, Choice::FromEnv));
    let proxies = given().build(&HeaderMap::new()).unwrap();
    let route = proxies.route(&target("http://spared.test"), None).unwrap();
    assert!(matches!(route, Route::Direct), "{route:?}");
}

#[test]
fn a_proxy_has_the_headers_for_its_tunnels() {
    let headers = HeaderMap::from_iter([(http::header::VIA, HeaderValue::from_static("here"))]);
    let proxies = Proxy::all("p:1").build(&headers).unwrap();
    let route = proxies.route(&target("https://a.test"), None).unwrap();
    let Route::Tunnel { server, .. } = &route else { panic!("{route:?}") };
    assert_eq!(server.connect_headers, headers);
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
fn a_variable_fails_only_where_it_would_be_used() {
    let bad = "htp://u:secret@p";
    let unusable = |name: &str| format!("{name} is neither http, https, socks5 nor socks5h");
    let forward = r#"Forward(ProxyServer("p:1"))"#.to_owned();
    let direct = "Direct".to_owned();
    let table: &[(&[(&str, &str)], &str, String)] = &[
        (&[("https_proxy", bad)], "https://a.test", unusable("https_proxy")),
        (&[("https_proxy", bad)], "http://a.test", direct.clone()),
        (&[("HTTPS_PROXY", bad), ("HTTP_PROXY", "p:1")], "http://a.test", forward.clone()),
        (&[("ALL_PROXY", bad), ("HTTP_PROXY", "p:1")], "http://a.test", forward.clone()),
        (&[("ALL_PROXY", bad), ("HTTP_PROXY", "p:1")], "https://a.test", unusable("ALL_PROXY")),
        (&[("ALL_PROXY", bad), ("NO_PROXY", "a.test")], "https://a.test", direct.clone()),
        (&[("ALL_PROXY", bad)], "https://localhost", direct.clone()),
        (&[("NO_PROXY", "<local>")], "https://a.test", direct.clone()),
        (&[("HTTPS_PROXY", "p:1"), ("NO_PROXY", "<local>")], "http://a.test", direct.clone()),
        (&[("HTTP_PROXY", "p:1"), ("NO_PROXY", "<local> a.test")], "http://a.test", direct),
    ];
    for (variables, url, way) in table {
        assert_eq!(route(variables, url), *way, "{variables:?} {url}");
    }
    let unclear = route(&[("HTTP_PROXY", "p:1"), ("no_proxy", "<local>")], "http://a.test");
    assert!(unclear.starts_with("no_proxy has an entry that is not understood"), "{unclear}");
}

#[test]
fn an_empty_variable_counts_as_none_for_its_twin() {
    for (upper, lower) in
        [("HTTP_PROXY", "http_proxy"), ("ALL_PROXY", "all_proxy"), ("HTTP_PROXY", "all_proxy")]
    {
        for variables in [[(upper, ""), (lower, "p:1")], [(upper, "p:1"), (lower, "")]] {
            let way = route(&variables, "http://a.test");
            assert_eq!(way, r#"Forward(ProxyServer("p:1"))"#, "{variables:?}");
        }
    }
    let spared = [("HTTP_PROXY", "p:1"), ("NO_PROXY", ""), ("no_proxy", "a.test")];
    assert_eq!(route(&spared, "http://a.test"), "Direct");
}

#[test]
fn every_scheme_has_its_way() {
    for (url, way) in [
        ("socks://p", r#"Socks { server: ProxyServer("p:1080"), names_here: true }"#),
        ("SOCKS://p:9/", r#"Socks { server: ProxyServer("p:9"), names_here: true }"#),
        ("socks5://p", r#"Socks { server: ProxyServer("p:1080"), names_here: true }"#),
        ("socks5h://p", r#"Socks { server: ProxyServer("p:1080"), names_here: false }"#),
        ("HTTP://p", r#"Forward(ProxyServer("p:80"))"#),
        ("p", r#"Forward(ProxyServer("p:80"))"#),
        ("https://[::1]", r#"Forward(ProxyServer("::1:443"))"#),
    ] {
        assert_eq!(route(&[("http_proxy", url)], "http://a.test"), way, "{url}");
    }
    for (url, problem) in [
        ("socks4://p", "neither http, https, socks5 nor socks5h"),
        ("http://p:+80", "no port that exists"),
        ("http://p/x", "has a path"),
        ("http://u:a/b@p", "must be %-encoded"),
        ("http://u:%ff@p", "not UTF-8"),
        ("http:// p", "spaces"),
    ] {
        let way = route(&[("http_proxy", url)], "http://a.test");
        assert!(way.contains(problem), "{url}: {way}");
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_not_stepped_over() {
    use std::os::unix::ffi::OsStringExt;
    for variable in ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        let read = |name: &str| match name {
            _ if name == variable => Some(OsString::from_vec(vec![0xff])),
            "HTTPS_PROXY" => Some("p:1".into()),
            _ => None,
        };
        let proxies = Urls::from_variables(read).read(&HeaderMap::new());
        let way = proxies.route(&target("https://a.test"), None);
        match variable {
            "ALL_PROXY" => assert!(way.is_ok(), "it is not needed"),
            _ => assert_eq!(way.unwrap_err().to_string(), format!("{variable} is not text")),
        }
    }
}

#[test]
fn credentials_are_shown_nowhere() {
    let proxies = Proxy::all("http://user:secret@p:1").build(&HeaderMap::new()).unwrap();
    let route = proxies.route(&target("https://a.test"), None).unwrap();
    let Route::Tunnel { server, .. } = &route else { panic!("{route:?}") };
    let basic = server.basic().unwrap();
    assert_eq!(basic, "Basic dXNlcjpzZWNyZXQ=");
    assert!(!format!("{route:?} {basic:?}").contains("dXNlcjpzZWNyZXQ="));
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
        if let Ok(proxies) = Proxy::all(url).build(&HeaderMap::new()) {
            for uri in ["http://a.test/", "https://a.test/", "https://127.0.0.1/"] {
                let server = match proxies.route(&target(uri), None).unwrap() {
                    Route::Direct => panic!("goes direct"),
                    Route::Forward(server)
                    | Route::Tunnel { server, .. }
                    | Route::Socks { server, .. } => server,
                };
                prop_assert!(!server.host.is_empty() && server.port != 0);
            }
        }
    }

    #[test]
    fn any_list_of_spared_servers_is_read_or_refused(list in any::<String>()) {
        let built = Proxy::all("http://p:1").no_proxy(list).build(&HeaderMap::new());
        if let Ok(proxies) = built {
            proxies.route(&target("https://a.test/"), None).unwrap();
        }
    }
}
