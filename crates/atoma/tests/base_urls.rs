//! The URL of every endpoint under base URLs of several forms, with query parameters of the URL, the
//! client and the call, and with a server of the call.

use atoma::{
    Client, ClientBuilder, CompletionRequest, EmbeddingRequest, ImageRequest, NodeLockRequest,
    RetryConfig,
    transport::testing::{Exchange, ManualTimer, ScriptedTransport},
};

mod support;

use support::request;

const ENDPOINTS: [&str; 9] = [
    "/chat/completions",
    "/chat/completions",
    "/completions",
    "/completions",
    "/embeddings",
    "/images/generations",
    "/models",
    "/nodes/lock",
    "/open_router/models",
];

/// Calls every endpoint, and returns the URLs that were requested.
fn called(builder: ClientBuilder, server: Option<&str>) -> Vec<String> {
    let transport = ScriptedTransport::new((0..20).map(|_| Exchange::respond(400)));
    let timer = ManualTimer::new();
    let builder = builder.api_key("sk-test-key").transport(transport.clone());
    let builder = builder.timer(timer.clone()).retries(RetryConfig::none());
    let client = builder.build().unwrap();
    macro_rules! call {
        ($call:expr) => {{
            let call = $call.query("trace", "a b");
            timer
                .run(match server {
                    Some(server) => call.server_url(server),
                    None => call,
                })
                .unwrap_err();
        }};
    }
    let image = ImageRequest::new("m", "a cat").n(1).size("256x256");
    call!(client.chat().create(request()));
    call!(client.chat().stream(request()));
    call!(client.completions().create(CompletionRequest::new("m", "a")));
    call!(client.completions().stream(CompletionRequest::new("m", "a")));
    call!(client.embeddings().create(EmbeddingRequest::new("m", "a")));
    call!(client.images().generate(image));
    call!(client.models().list());
    call!(client.nodes().lock(NodeLockRequest::new("m")));
    call!(client.open_router().models());
    call!(client.health().check());
    transport.requests().iter().map(|request| request.uri().to_string()).collect()
}

#[test]
fn every_endpoint_is_below_the_base_url() {
    // The base URL, the base of the endpoints, its root, and the query.
    for (url, base, root, query) in [
        ("http://localhost:1", "http://localhost:1/v1", "http://localhost:1", ""),
        ("http://localhost:1/", "http://localhost:1/v1", "http://localhost:1", ""),
        ("https://h.test/v1/", "https://h.test/v1", "https://h.test", ""),
        ("https://h.test/.", "https://h.test", "https://h.test", ""),
        (
            "https://h.test/v1beta/openai/",
            "https://h.test/v1beta/openai",
            "https://h.test/v1beta/openai",
            "",
        ),
        (
            "https://h.test/api/paas/v4",
            "https://h.test/api/paas/v4",
            "https://h.test/api/paas/v4",
            "",
        ),
        (
            "https://h.test/models?api-version=1",
            "https://h.test/models",
            "https://h.test/models",
            "api-version=1&",
        ),
        ("https://h.test/d//?a=1&b", "https://h.test/d", "https://h.test/d", "a=1&b&"),
        ("https://h.test?a%20b=%2F", "https://h.test/v1", "https://h.test", "a%20b=%2F&"),
    ] {
        let mut expected: Vec<String> =
            ENDPOINTS.iter().map(|path| format!("{base}{path}?{query}trace=a%20b")).collect();
        expected.push(format!("{root}/health?{query}trace=a%20b"));
        assert_eq!(called(Client::builder().server_url(url), None), expected, "{url}");

        // As the server of the call, with its own query, and the client's.
        let other =
            Client::builder().server_url("https://other.test/x?c=1").default_query("d", "2");
        let mut expected: Vec<String> =
            ENDPOINTS.iter().map(|path| format!("{base}{path}?{query}d=2&trace=a%20b")).collect();
        expected.push(format!("{root}/health?{query}d=2&trace=a%20b"));
        assert_eq!(called(other, Some(url)), expected, "{url} of the call");
    }
}

#[cfg(feature = "blocking")]
#[test]
fn a_blocking_call_has_the_same_url() {
    let transport = ScriptedTransport::new([Exchange::respond(400), Exchange::respond(400)]);
    let builder = Client::builder().api_key("sk-test-key").default_query("api-version", "2");
    let builder = builder.server_url("https://h.test/openai/deployments/d/?api-version=1&a=1");
    let builder = builder.transport(transport.clone()).timer(ManualTimer::new());
    let client = builder.retries(RetryConfig::none()).build_blocking().unwrap();
    assert!(client.chat().create(request()).send().is_err());
    assert!(client.models().list().query("a", "2").send().is_err());
    let urls: Vec<_> = transport.requests().iter().map(|sent| sent.uri().to_string()).collect();
    let base = "https://h.test/openai/deployments/d";
    assert_eq!(
        urls,
        [
            format!("{base}/chat/completions?a=1&api-version=2"),
            format!("{base}/models?api-version=2&a=2"),
        ]
    );
}
