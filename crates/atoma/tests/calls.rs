//! The requests that calls send, and the responses that they reject.

mod support;

use atoma::{ApiKey, Client, ContentPart, RetryConfig, StreamOptions};
use serde_json::json;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use support::{
    builder, client, completion, hello_stream, request,
    server::{Received, Server, events, response, whole},
};

async fn serving() -> Server {
    Server::start([whole(200, "application/json", completion("hello").to_string())]).await
}

async fn streaming() -> Server {
    Server::start([events([hello_stream()])]).await
}

/// The only request that the server received.
fn only(server: &Server) -> Received {
    let [request] = &server.log().requests()[..] else { panic!("not one request") };
    request.clone()
}

#[tokio::test]
async fn create_posts_json() {
    let server = serving().await;
    let reply = client(server.url()).chat().create(request().temperature(0.5)).await.unwrap();
    assert_eq!(reply.text(), "hello");

    let received = only(&server);
    assert_eq!(received.line, "POST /v1/chat/completions HTTP/1.1");
    for (name, value) in [
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("authorization", "Bearer sk-test"),
        ("user-agent", concat!("atoma-rust/", env!("CARGO_PKG_VERSION"))),
        ("host", &server.address.to_string()),
        ("content-length", &received.body.len().to_string()),
    ] {
        assert_eq!(received.all(name), [value], "{name}");
    }
    assert!(received.all("accept-encoding").is_empty());
    assert_eq!(
        received.json(),
        json!({
            "model": "m",
            "messages": [{"role": "user", "content": "Hello!"}],
            "temperature": 0.5,
            "stream": false,
        })
    );
}

#[tokio::test]
async fn stream_asks_for_events_and_usage() {
    let server = streaming().await;
    let stream = client(server.url()).chat().stream(request()).await.unwrap();
    assert_eq!(stream.into_response().await.unwrap().text(), "hello");

    let received = only(&server);
    assert_eq!(received.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(received.all("accept"), ["text/event-stream"]);
    assert!(received.all("accept-encoding").is_empty());
    let body = received.json();
    assert_eq!(body["stream"], true);
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn a_choice_about_usage_is_kept() {
    let server = streaming().await;
    let plain = StreamOptions::default();
    for (request, expected) in [
        (
            request().stream_options(plain.clone().include_usage(false)),
            json!({"include_usage": false}),
        ),
        (request().stream_options(plain), json!({"include_usage": true})),
    ] {
        client(server.url()).chat().stream(request).await.unwrap().into_response().await.unwrap();
        let body = server.log().requests().pop().unwrap().json();
        assert_eq!(body["stream_options"], expected);
    }
}

#[tokio::test]
async fn one_text_part_goes_as_text_and_absent_members_do_not_go() {
    let server = serving().await;
    let parts = [ContentPart::text("Hello!")];
    let message = atoma::ChatCompletionMessage::user(parts.to_vec());
    let request = atoma::ChatCompletionRequest::new("m", [message]);
    client(server.url()).chat().create(request).await.unwrap();
    let body = only(&server).json();
    let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["messages", "model", "stream"]);
    assert_ne!(body["messages"][0]["content"], json!([]));
}

#[tokio::test]
async fn the_path_of_the_server_url_is_kept() {
    for (prefix, path) in [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/gateway/atoma", "/gateway/atoma/chat/completions"),
        ("/gateway/v1", "/gateway/v1/chat/completions"),
        ("/a%20b", "/a%20b/chat/completions"),
    ] {
        let server = serving().await;
        let client = client(format!("{}{prefix}", server.url()));
        client.chat().create(request()).await.unwrap();
        assert_eq!(only(&server).line, format!("POST {path} HTTP/1.1"));
    }
}

#[tokio::test]
async fn headers_of_the_call_override_those_of_the_client() {
    let server = serving().await;
    let client = builder(server.url())
        .default_header("x-one", "first")
        .default_header("X-One", "client")
        .default_header("x-two", "client")
        .user_agent("app/1")
        .build()
        .unwrap();
    let call = client.chat().create(request()).header("x-two", "call").header("accept", "*/*");
    call.await.unwrap();
    let received = only(&server);
    for (name, value) in
        [("x-one", "client"), ("x-two", "call"), ("user-agent", "app/1"), ("accept", "*/*")]
    {
        assert_eq!(received.all(name), [value], "{name}");
    }
}

#[tokio::test]
async fn headers_that_the_client_sets_itself_are_an_error() {
    let managed = [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Accept-Encoding",
        "Content-Encoding",
    ];
    let server = serving().await;
    let client = client(server.url());
    for name in managed {
        let error = client.chat().create(request()).header(name, "1").await.expect_err(name);
        let text = format!("the header {} is set by the client itself", name.to_lowercase());
        assert!(error.is_config() && error.to_string().starts_with(&text), "{error}");
    }
    let twice = builder(server.url()).user_agent("a").default_header("User-Agent", "b");
    let error = twice.build().expect_err("two user agents");
    assert!(error.is_config() && error.to_string().contains("set twice"), "{error}");
    for name in managed.into_iter().chain(["Accept", "Content-Type", "ACCEPT", "cONTENT-tYPE"]) {
        let error = builder(server.url()).default_header(name, "1").build().expect_err(name);
        let text = format!("the header {} is set by the client itself", name.to_lowercase());
        assert!(error.is_config() && error.to_string().starts_with(&text), "{error}");
    }
    assert_eq!(server.log().accepted, 0);
}

#[tokio::test]
async fn there_is_never_more_than_one_authorization() {
    let server = serving().await;
    let own = "Basic dXNlcjpwYXNz";
    let with_key = builder(server.url()).build().unwrap();
    with_key.chat().create(request()).header("authorization", own).await.unwrap();
    let by_default = builder(server.url()).default_header("Authorization", own).build().unwrap();
    by_default.chat().create(request()).await.unwrap();
    let keyless = builder(server.url()).without_api_key().build().unwrap();
    keyless.chat().create(request()).await.unwrap();
    let received = server.log().requests();
    let sent: Vec<_> = received.iter().map(|request| request.all("authorization")).collect();
    assert_eq!(sent, [vec![own], vec![own], vec![]]);
}

#[tokio::test]
async fn a_call_may_go_to_another_server() {
    let (usual, other) = (serving().await, serving().await);
    let client = client(usual.url());
    client.chat().create(request()).server_url(format!("{}/eu", other.url())).await.unwrap();
    assert_eq!(usual.log().accepted, 0);
    assert_eq!(only(&other).line, "POST /eu/chat/completions HTTP/1.1");
    assert_eq!(only(&other).all("authorization"), ["Bearer sk-test"]);
    client.chat().create(request()).await.unwrap();
    assert_eq!(usual.log().requests().len(), 1);
}

/// The precedence of parameters with one name: the call, the client, the server URL.
#[tokio::test]
async fn query_parameters_come_from_the_url_the_client_and_the_call() {
    let (usual, other) = (serving().await, serving().await);
    let url = format!("{}/openai/deployments/d/?api-version=1&a=1&b=1", usual.url());
    let builder =
        Client::builder().server_url(url).without_api_key().default_header("api-key", "k");
    let client = builder.default_query("a", "2").default_query("b", "2").build().unwrap();
    assert_eq!(client.server_url(), format!("{}/openai/deployments/d", usual.url()));

    client.chat().create(request()).query("b", "3 &").await.unwrap();
    let sent = only(&usual);
    let target = "/openai/deployments/d/chat/completions?api-version=1&a=2&b=3%20%26";
    assert_eq!(sent.line, format!("POST {target} HTTP/1.1"));
    assert_eq!(sent.all("api-key"), ["k"]);
    assert!(sent.all("authorization").is_empty());

    let url = format!("{}?a=1&c=1", other.url());
    client.chat().create(request()).server_url(url).query("d", "4").await.unwrap();
    let target = "/v1/chat/completions?c=1&a=2&b=2&d=4";
    assert_eq!(only(&other).line, format!("POST {target} HTTP/1.1"));
}

#[tokio::test]
async fn each_attempt_asks_for_the_key_and_repeats_the_rest() {
    let busy = whole(503, "application/json", "{}");
    let fine = whole(200, "application/json", completion("hello").to_string());
    let server = Server::start([busy.clone(), busy, fine]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = builder(server.url())
        .api_key_provider(move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(ApiKey::new(format!("key-{number}"))?) }
        })
        .retries(at_once())
        .build()
        .unwrap();
    let call = client.chat().create(request()).header("idempotency-key", "order-7");
    assert_eq!(call.await.unwrap().attempts().count, 3);

    assert_eq!(asked.load(Ordering::SeqCst), 3);
    for (number, received) in server.log().requests().iter().enumerate() {
        assert_eq!(received.all("authorization"), [format!("Bearer key-{number}")]);
        assert_eq!(received.all("idempotency-key"), ["order-7"]);
        assert_eq!(received.body, server.log().requests()[0].body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_never_responds_is_timed_out() {
    let client = builder("http://localhost:9").api_key_provider(std::future::pending);
    let client = client.build().unwrap();
    let began = tokio::time::Instant::now();
    let error = client.chat().create(request()).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(began.elapsed().as_secs(), 600);
}

#[tokio::test]
async fn a_call_overrides_the_clients_retries() {
    let server = Server::start([whole(503, "application/json", "{}")]).await;
    let client = builder(server.url()).retries(at_once()).build().unwrap();
    for (retries, count) in
        [(None, 3), (Some(RetryConfig::none()), 1), (Some(at_once().max_attempts(2)), 2)]
    {
        let before = server.log().requests().len();
        let call = client.chat().create(request());
        let call = match retries {
            Some(retries) => call.retries(retries),
            None => call,
        };
        let error = call.await.unwrap_err();
        assert_eq!(error.attempts().count, count);
        assert_eq!(server.log().requests().len() - before, count as usize);
    }
    let wrong = client.chat().create(request()).retries(at_once().max_attempts(0));
    assert!(wrong.await.unwrap_err().is_config());
}

#[tokio::test]
async fn an_invalid_request_is_not_sent() {
    let server = serving().await;
    let chat = client(server.url()).chat();
    let cases = [
        (chat.create(request().model("")).await.err(), "model"),
        (chat.create(request().messages([])).await.err(), "messages"),
        (chat.create(request().temperature(f32::NAN)).await.err(), "temperature"),
        (chat.create(request().top_p(f32::INFINITY)).await.err(), "top_p"),
        (chat.create(request().stream(true)).await.err(), "chat().stream(request)"),
        (chat.stream(request().stream(false)).await.err(), "chat().create(request)"),
        (chat.stream(request().n(0)).await.err(), "n "),
    ];
    for (error, mention) in cases {
        let error = error.unwrap();
        assert!(error.is_invalid_request() && !error.is_retryable(), "{error:?}");
        assert!(!error.may_have_been_processed() && error.attempts().count == 0);
        let text = support::chain(&error).join(": ");
        assert!(text.contains(mention), "{text}");
    }
    let call = chat.create(request()).header("x-trace", "a\r\nb");
    assert!(call.await.unwrap_err().is_config());
    assert_eq!(server.log().accepted, 0);

    chat.stream(request().stream(true)).await.unwrap();
    chat.create(request().stream(false)).await.unwrap();
    assert_eq!(server.log().requests().len(), 2);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = serving().await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/v1/chat/completions", elsewhere.url());
        let server = Server::start([response(status, &[("location", &location)], "")]).await;
        let client = builder(server.url()).build().unwrap();
        for error in [
            client.chat().create(request()).await.unwrap_err(),
            client.chat().stream(request()).await.unwrap_err(),
        ] {
            assert_eq!(error.status().unwrap(), status);
            assert!(error.is_api_error() && !error.is_retryable());
            assert!(error.to_string().contains("redirects are not followed"), "{error}");
        }
        assert_eq!(server.log().requests().len(), 2);
    }
    assert_eq!(elsewhere.log().accepted, 0);
}

#[tokio::test]
async fn plain_http_is_for_this_machine_only() {
    let far = "http://api.atoma.network";
    let error = builder(far).build().unwrap_err();
    assert!(error.is_config() && error.to_string().contains("allow_http"), "{error}");
    assert!(builder(far).allow_http(true).build().is_ok());

    let server = serving().await;
    let error = client(server.url()).chat().create(request()).server_url(far).await.unwrap_err();
    assert!(error.is_config() && error.to_string().contains("allow_http"), "{error}");
    assert_eq!(server.log().accepted, 0);
}

#[tokio::test]
async fn a_reply_has_the_metadata_of_its_response() {
    let body = completion("hello").to_string();
    let headers = [("content-type", "application/json"), ("x-request-id", "req-7"), ("x-a", "b")];
    let server = Server::start([response(200, &headers, &body)]).await;
    let reply = client(server.url()).chat().create(request()).await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.request_id(), Some("req-7"));
    assert_eq!(reply.headers()["x-a"], "b");
    assert_eq!((reply.attempts().count, reply.attempts().failed.len()), (1, 0));
    assert_eq!(reply.raw(), body.as_bytes());
    assert_eq!(reply.choices.len(), 1);
}

#[tokio::test]
async fn no_content_is_an_unexpected_response() {
    let nothing = vec![support::server::send("HTTP/1.1 204 X\r\n\r\n")];
    let server = Server::start([nothing]).await;
    let client = client(server.url());
    let error = client.chat().create(request()).await.unwrap_err();
    assert!(error.is_unexpected_response() && !error.is_retryable(), "{error:?}");
    assert!(support::read(client.chat().stream(request()).await).await.error.is_some());
    assert_eq!(server.log().accepted, 1);
}

#[tokio::test]
async fn nothing_is_sent_before_a_call_is_awaited() {
    let server = serving().await;
    let client = client(server.url());
    drop(client.chat().create(request()));
    drop(client.chat().stream(request()));
    assert_eq!(server.log().accepted, 0);
}

#[test]
fn calls_and_clients_can_be_sent_between_threads() {
    fn is_send<T: Send + 'static>(_: &T) {}
    fn is_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let client = client("http://localhost:1");
    is_shared(&client);
    is_shared(&client.chat());
    is_send(&client.chat().create(request()));
    is_send(&client.chat().create(request()));
    is_send(&client.chat().stream(request()));
    let _: fn(&Client) = is_shared;
}

/// The default retries, without the waits between them.
fn at_once() -> RetryConfig {
    let backoff = atoma::BackoffStrategy::default().initial_interval(std::time::Duration::ZERO);
    RetryConfig::default().backoff(backoff)
}
