//! The key never appears: each way to fail is tried with keys that are searched for in everything
//! that can be printed.

mod support;

use atoma::{
    ApiKey, Client, RetryConfig, Timeouts,
    transport::{
        HyperTransport, Proxy,
        testing::{Exchange, ManualTimer, ScriptedTransport},
    },
};
use serde_json::json;
use std::{fmt::Debug, time::Duration};
use support::{
    chunk, completion, event, hello_stream, request,
    server::{Refusing, Script, Server, Step, events, framed, response, stream_head, whole},
};

/// The key of the client.
const KEY: &str = "sk-canary/4f9d2c71+AbC";
/// The value of a header that the user sets.
const HEADER: &str = "header-canary-83b1e0";
/// The password of a proxy.
const PASSWORD: &str = "proxy-canary-2d77";

/// The texts that must not appear anywhere: the secrets, the key in JSON's escapes, and all of them
/// in base64.
fn secrets() -> Vec<String> {
    let mut secrets: Vec<_> = [KEY, HEADER, PASSWORD].map(str::to_owned).into();
    secrets.push(KEY.replace('/', "\\/"));
    for text in [KEY, HEADER, PASSWORD, &format!("user:{PASSWORD}"), &format!("Bearer {KEY}")] {
        secrets.push(base64(text.as_bytes()).trim_end_matches('=').to_owned());
    }
    secrets
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut padded = [0; 3];
        padded[..three.len()].copy_from_slice(three);
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for place in 0..=three.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}

fn search(place: &str, text: &str) {
    for secret in secrets() {
        assert!(!text.contains(&secret), "{place} shows a secret: {text}");
    }
}

/// Searches the `Debug` output of a value.
fn search_debug(place: &str, value: &impl Debug) {
    search(place, &format!("{value:?}"));
    search(place, &format!("{value:#?}"));
}

/// Searches an error, all its causes, and everything that its methods return.
fn search_error(place: &str, error: &atoma::Error) {
    search_debug(place, error);
    let mut level: Option<&dyn std::error::Error> = Some(error);
    while let Some(known) = level {
        search(place, &known.to_string());
        search_debug(place, &known);
        level = known.source();
    }
    search_debug(place, &error.api_error());
    search_debug(place, &error.body_excerpt());
    search_debug(place, &error.request_id());
    search_debug(place, error.attempts());
    search_debug(place, &error.transport());
    let shown = error.to_string();
    assert!(!shown.is_empty() && !shown.contains('\n') && shown.len() < 700, "{place}: {shown}");
}

fn client(url: &str) -> Client {
    let builder = support::builder(url).api_key(KEY).default_header("x-secret", HEADER);
    search_debug("builder", &builder);
    let client = builder.retries(RetryConfig::none()).build().unwrap();
    search_debug("client", &client);
    search_debug("chat", &client.chat());
    client
}

/// Calls both methods, which both have to fail, and searches their errors.
async fn both_fail(place: &str, client: &Client) {
    let create = client.chat().create(request()).header("x-secret-too", HEADER);
    let stream = client.chat().stream(request()).header("x-secret-too", HEADER);
    search_debug(place, &create);
    search_debug(place, &stream);
    let error = create.await.expect_err(place);
    search_error(place, &error);

    let error = match stream.await {
        Err(error) => error,
        Ok(stream) => {
            search_debug(place, &stream);
            let read = support::read(Ok(stream)).await;
            read.error.expect(place)
        }
    };
    search_error(place, &error);
}

async fn served(place: &str, script: Script) {
    let server = Server::start([script]).await;
    both_fail(place, &client(&server.url())).await;
    let sent = &server.log().requests()[0];
    assert_eq!(sent.all("authorization"), [format!("Bearer {KEY}")]);
    assert_eq!((sent.all("x-secret"), sent.all("x-secret-too")), (vec![HEADER], vec![HEADER]));
}

#[tokio::test]
async fn api_errors_that_echo_the_key() {
    let escaped = KEY.replace('/', "\\/");
    for (name, body) in [
        ("message", json!({"error": {"message": format!("bad key {KEY}.")}}).to_string()),
        ("code", json!({"error": {"message": "m", "code": KEY}}).to_string()),
        ("type", json!({"error": {"message": "m", "type": KEY}}).to_string()),
        ("neighbours", json!({"error": {"message": "m", "given": [KEY]}, "key": KEY}).to_string()),
        ("name of a member", json!({"error": {"message": "m", KEY: 1}}).to_string()),
        ("escaped", format!(r#"{{"error":{{"message":"bad key {escaped}"}}}}"#)),
        ("words", format!("Bearer {KEY} is not a key")),
        ("page", format!("<html>{KEY}</html>")),
        ("list", json!([{"error": {"message": KEY}}]).to_string()),
        ("detail", json!({"detail": [{"loc": ["header", KEY], "msg": KEY}]}).to_string()),
        ("string", json!(KEY).to_string()),
        ("event", event(json!({"error": {"message": KEY}}))),
        ("cut by the limit of the excerpt", format!("{}{KEY}", "x ".repeat(245))),
        ("cut by the limit of the error body", format!("{}{KEY}", "x".repeat((64 << 10) - 5))),
    ] {
        for status in [400, 401, 429, 500, 520] {
            let headers = [("content-type", "application/json"), ("x-request-id", KEY), ("x", KEY)];
            served(name, response(status, &headers, &body)).await;
        }
    }
    served("redirect", response(302, &[("location", &format!("https://{KEY}@host/"))], KEY)).await;
}

#[tokio::test]
async fn responses_that_echo_the_key() {
    let error = json!({"error": {"message": format!("bad key {KEY}"), "code": KEY}}).to_string();
    let in_choice =
        json!({"id": "1", "choices": [{"index": 0, "delta": {}, "error": {"message": KEY}}]});
    let escaped = format!(r#"{{"error":{{"message":"{}"}}}}"#, KEY.replace('/', "\\/"));
    for (name, content_type, body) in [
        ("an error in a 200", "application/json", error.clone()),
        ("an escaped one", "application/json", escaped.clone()),
        ("a page", "text/html", format!("<html>{KEY}</html>")),
        ("words", "text/plain", KEY.to_owned()),
        ("something else", "application/json", json!({"key": KEY}).to_string()),
        ("half a JSON", "application/json", format!(r#"{{"id":"{KEY}","choices":"#)),
        ("a list", "application/json", json!([KEY]).to_string()),
        ("an error event", "text/event-stream", event(&error)),
        ("an escaped event", "text/event-stream", event(&escaped)),
        ("an error event by name", "text/event-stream", format!("event: error\ndata: {KEY}\n\n")),
        ("an error field", "text/event-stream", format!("error: {error}\n\n")),
        ("an error in a choice", "text/event-stream", event(in_choice)),
        ("stray words", "text/event-stream", event(chunk("he")) + &event(KEY)),
        ("broken JSON", "text/event-stream", event(format!(r#"{{"id":"{KEY}""#))),
        ("half an event", "text/event-stream", format!("data: {{\"id\":\"{KEY}")),
    ] {
        served(name, whole(200, content_type, &body)).await;
    }
}

#[tokio::test]
async fn connections_that_fail() {
    served("nothing", vec![Step::Close]).await;
    served("no HTTP", vec![support::server::send(format!("{KEY}\r\n\r\n")), Step::Close]).await;
    let bad = format!("HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n");
    served("no header", vec![support::server::send(bad), Step::Close]).await;
    let encoded = [("content-encoding", "gzip"), ("x", KEY)];
    served("encoded", response(200, &encoded, "abc")).await;
    served("truncated", vec![stream_head(), framed(event(chunk("he"))), Step::Close]).await;
    served("no chunk", vec![stream_head(), support::server::send(format!("{KEY}\r\n"))]).await;
    served("too large", events(["data: ".to_owned() + &"x".repeat(5 << 20)])).await;

    let gone = Refusing::new();
    both_fail("refused", &client(&format!("http://{}", gone.address))).await;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = format!("https://{}", listener.local_addr().unwrap());
    let responding = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 X\r\n\r\n").await;
        }
    });
    both_fail("no TLS", &client(&plain)).await;
    responding.abort();
}

#[tokio::test]
async fn proxies_that_fail() {
    let failing = Server::start([response(407, &[("x", PASSWORD)], PASSWORD)]).await;
    let gone = Refusing::new();
    for address in [failing.address, gone.address] {
        let proxy = Proxy::all(format!("http://user:{PASSWORD}@{address}"));
        search_debug("proxy", &proxy);
        let transport = HyperTransport::builder().proxy(proxy);
        search_debug("transport's builder", &transport);
        let builder = Client::builder().api_key(KEY).server_url("https://atoma.invalid");
        let builder = builder.retries(RetryConfig::none()).transport(transport.build().unwrap());
        search_debug("builder", &builder);
        let client = builder.build().unwrap();
        search_debug("client", &client);
        both_fail("proxy", &client).await;
    }
    let malformed = Proxy::all(format!("http://user:{PASSWORD}@:::/"));
    let error = HyperTransport::builder().proxy(malformed).build().unwrap_err();
    search_debug("malformed proxy", &error);
    search("malformed proxy", &error.to_string());
}

#[test]
fn time_outs() {
    let timer = ManualTimer::new();
    let busy = || Exchange::respond(503).header("retry-after", "9").header("x-request-id", KEY);
    let late = || busy().body(KEY);
    let streams = || Exchange::respond(200).header("content-type", "text/event-stream");
    for (name, exchanges) in [
        ("no head", [Exchange::never(), Exchange::never()]),
        ("no event", [streams().stall(), streams().stall()]),
        ("no next event", [streams().body(event(chunk("he"))).stall(), streams().stall()]),
        ("after a retry", [late(), Exchange::never()]),
    ] {
        let transport = ScriptedTransport::new(exchanges).timer(timer.clone());
        let builder = Client::builder().api_key(KEY).server_url("http://localhost:1");
        let timeouts = Timeouts::default().total(Duration::from_secs(60));
        let builder = builder.timeouts(timeouts).stream_timeouts(timeouts);
        let client = builder.transport(transport).timer(timer.clone()).build().unwrap();
        timer.run(both_fail(name, &client));
    }
}

#[test]
fn clients_that_are_built_wrong() {
    let builder = || Client::builder().api_key(KEY);
    for (name, builder) in [
        ("key with a line end", builder().api_key(format!("{KEY}\n"))),
        ("key with a space", builder().api_key(format!("{KEY} "))),
        ("key that is no ASCII", builder().api_key(format!("{KEY}é"))),
        ("key in the URL's user", builder().server_url(format!("https://user:{KEY}@host"))),
        ("key in a wrong URL's query", builder().server_url(format!("ftp://host?key={KEY}"))),
        ("key in the URL's fragment", builder().server_url(format!("https://host/#{KEY}"))),
        ("key as the URL", builder().server_url(KEY)),
        ("key in a wrong URL", builder().server_url(format!("https://ho st/{KEY}"))),
        ("key in a wrong header", builder().default_header("x", format!("{KEY}\r\n"))),
        ("key as a header's name", builder().default_header(format!("Bearer {KEY}"), "x")),
        ("key in the user agent", builder().user_agent(format!("{KEY}\n"))),
    ] {
        search_debug(name, &builder);
        let error = builder.build().expect_err(name);
        assert!(error.is_config(), "{name}: {error:?}");
        search_error(name, &error);
    }
    search_debug("key", &ApiKey::new(KEY).unwrap());
    search_error("key", &ApiKey::new(format!("{KEY}\n")).unwrap_err());
}

#[tokio::test]
async fn a_key_in_the_query_is_not_shown() {
    let gone = Refusing::new();
    let builder = Client::builder().server_url(format!("http://{}?key={KEY}", gone.address));
    let builder = builder.default_query("second", KEY).without_api_key();
    let builder = builder.retries(RetryConfig::none());
    search_debug("builder", &builder);
    let client = builder.build().unwrap();
    search_debug("client", &client);
    search("server URL", &client.server_url());
    both_fail("query", &client).await;
    let call = client.chat().create(request()).query("third", KEY);
    search_debug("call", &call);
    search_error("call", &call.await.unwrap_err());
    let call = client.chat().create(request()).query("long", KEY.repeat(9000));
    search_error("a query that is too long", &call.await.unwrap_err());
}

#[tokio::test]
async fn calls_that_are_built_wrong() {
    let client = client("http://localhost:1");
    let call = || client.chat().create(request());
    for (name, call) in [
        ("key as a header's name", call().header(KEY, "x")),
        ("key in a wrong header", call().header("x", format!("{KEY}\n"))),
        ("key in the URL", call().server_url(format!("https://user:{KEY}@host"))),
        ("a request that cannot be", client.chat().create(request().temperature(9.0))),
    ] {
        search_debug(name, &call);
        search_error(name, &call.await.expect_err(name));
    }
}

#[tokio::test]
async fn providers() {
    let echo = json!({"error": {"message": KEY}}).to_string();
    let server = Server::start([whole(401, "application/json", echo)]).await;
    let provided =
        support::builder(server.url()).api_key_provider(|| async { Ok(ApiKey::new(KEY)?) });
    search_debug("builder", &provided);
    both_fail_plainly("a provider's key", &provided.build().unwrap()).await;

    let malformed = || async { Ok(ApiKey::new(format!("{KEY}\n"))?) };
    let failing = || async { Err("the vault is closed".into()) };
    let malformed = support::builder(server.url()).api_key_provider(malformed).build().unwrap();
    both_fail_plainly("a provider's malformed key", &malformed).await;
    let failing = support::builder(server.url()).api_key_provider(failing).build().unwrap();
    both_fail_plainly("a failing provider", &failing).await;
    assert_eq!(server.log().requests().len(), 2);
}

#[tokio::test]
async fn keys_in_a_default_header() {
    let echo = json!({"error": {"message": format!("{KEY} is wrong")}}).to_string();
    let server = Server::start([whole(401, "application/json", echo)]).await;
    for value in [format!("Bearer {KEY}"), KEY.to_owned()] {
        let builder = support::builder(server.url()).without_api_key();
        let client = builder.default_header("authorization", &value).build().unwrap();
        search_debug("client", &client);
        both_fail_plainly("an authorization of the client", &client).await;
        let keyed = support::builder(server.url()).build().unwrap();
        let call = keyed.chat().create(request()).header("Authorization", &value);
        search_debug("call", &call);
        search_error("an authorization of the call", &call.await.unwrap_err());
    }
}

/// Azure, Anthropic and Google take the key in a header with another name.
#[tokio::test]
async fn keys_in_other_headers() {
    let echo = json!({"error": {"message": format!("{KEY} is wrong")}}).to_string();
    let headers = [("content-type", "application/json"), ("x-request-id", KEY)];
    let server = Server::start([response(401, &headers, echo)]).await;
    for name in ["api-key", "X-Api-Key", "x-goog-api-key"] {
        let builder = support::builder(server.url()).without_api_key().default_header(name, KEY);
        search_debug("builder", &builder);
        let client = builder.build().unwrap();
        search_debug("client", &client);
        both_fail_plainly(name, &client).await;
    }
    let received = server.log().requests();
    assert!(received.iter().all(|request| request.all("authorization").is_empty()));
    assert_eq!(received[0].all("api-key"), [KEY]);
}

async fn both_fail_plainly(place: &str, client: &Client) {
    search_error(place, &client.chat().create(request()).await.expect_err(place));
    search_error(place, &client.chat().stream(request()).await.expect_err(place));
}

#[tokio::test]
async fn good_responses() {
    let headers = [("content-type", "application/json"), ("x-request-id", KEY), ("x", KEY)];
    let reply = response(200, &headers, completion("hello").to_string());
    let headers = [("content-type", "text/event-stream"), ("x-request-id", KEY), ("x", KEY)];
    let server = Server::start([reply, response(200, &headers, hello_stream())]).await;
    let client = client(&server.url());
    let reply = client.chat().create(request()).await.unwrap();
    search_debug("reply", &reply);
    search_debug("reply's headers", reply.headers());
    search_debug("reply's id", &reply.request_id());
    let mut stream = client.chat().stream(request()).await.unwrap();
    while let Some(chunk) = stream.next().await {
        search_debug("chunk", &chunk);
        search_debug("stream", &stream);
        search_debug("stream's headers", stream.headers());
    }
}

#[test]
fn base64_is_base64() {
    for (text, coded) in
        [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
    {
        assert_eq!(base64(text.as_bytes()), coded);
    }
}
