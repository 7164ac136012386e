//! The state that HTTP/2 streams share, and the state that they do not: connections, tasks,
//! runtimes.

use crate::{
    http2::healthy,
    lab::{
        Gate,
        Is::{Connect, MayBeBilled, Retryable, Truncated},
        Lab, Script, arrived,
        h2::{begin, good, responding, send_good, send_in_frames, serve_h2},
        request,
        responses::{GOOD, event, events},
        settle,
        tls::{Authority, NAME, Speaks, ours, serve_tls},
        turn, within,
    },
};
use atoma_transport::{ErrorKind, Http2};
use futures::future::join_all;
use rustls::version::{TLS12, TLS13};
use std::time::Duration;

/// Begins every stream with `"Hel"` and goes no further; other calls get a good response. Logs a
/// reset like a request.
fn endless() -> Script {
    responding(
        |_| {},
        |_, request, respond| async move {
            if !request.contains("\"stream\":true") {
                return send_good(&request, respond);
            }
            let mut stream = begin(&request, respond);
            let _ = stream.send_data(event("Hel").into(), false);
            std::future::poll_fn(|cx| stream.poll_reset(cx)).await.map(drop).unwrap_or_default();
        },
    )
}

/// TLS that prefers the first of `protocols`.
fn offering(protocols: &[&str]) -> Speaks {
    Speaks::Tls(ours().issue(NAME, |_| {}).config_with_protocols(protocols))
}

#[tokio::test]
async fn the_server_chooses_in_the_handshake() {
    let lab = serve_tls([offering(&["h2", "http/1.1"])], []).then(good());
    let lab = lab.transport(|builder| builder.http2(Http2::Auto)).start().await;
    lab.stream().await.ok(GOOD).connections(1).requests(1);
    assert!(lab.server.log().requests()[0].starts_with("HTTP/2.0 https://api.test:"));
    healthy(lab).await;

    // With HTTP/1.1 each exchange has a separate connection, and both are reused.
    for protocols in [&["http/1.1"][..], &[]] {
        let lab = serve_tls([offering(protocols), offering(protocols)], []);
        let lab = lab.transport(|builder| builder.http2(Http2::Auto)).start().await;
        for _ in 0..2 {
            let (first, second) = tokio::join!(lab.stream(), lab.unary());
            first.ok(GOOD).attempts(1);
            second.ok(GOOD).attempts(1).connections(2);
        }
        healthy(lab).await;
    }

    let lab = serve_tls([offering(&["http/1.1"])], []);
    let lab = lab.transport(|builder| builder.http2(Http2::PriorKnowledge)).start().await;
    lab.unary().await.kind(ErrorKind::Tls).attempts(1).connections(1);
    lab.closes("the client speaks only HTTP/2, and the server only HTTP/1.1").await;
}

#[tokio::test]
async fn a_client_certificate_is_wanted() {
    let theirs = Authority::new("theirs");
    let certificate = ours().issue(NAME, |_| {});
    for version in [&TLS12, &TLS13] {
        let mut wants = (*certificate.config_for_clients_of(&theirs, &[version])).clone();
        wants.alpn_protocols = vec![b"h2".to_vec()];
        let lab = serve_tls([Speaks::Tls(wants.into()), offering(&["h2"])], []).then(good());
        let lab = lab.transport(|builder| builder.http2(Http2::Auto)).start().await;
        let outcome = lab.unary().await;
        outcome.is([Connect]).kind(ErrorKind::Tls).says("wants a client certificate");
        outcome.attempts(1).connections(1).requests(0);
        healthy(lab).await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_it_is_not_believed() {
    let http_1 = Script::default().bytes(24).write("HTTP/1.1 400 Bad Request\r\n\r\n");
    let lab = serve_h2([http_1]).start().await;
    let outcome = lab.unary().await;
    outcome.is([MayBeBilled]).kind(ErrorKind::Protocol).attempts(1).connections(1);
    healthy(lab).await;
}

#[tokio::test]
async fn calls_that_begin_together_share_connections() {
    let lab = serve_h2([]).start().await;
    for outcome in join_all((0..100).map(|_| lab.unary())).await {
        outcome.ok(GOOD).attempts(1).connections(4);
    }
    healthy(lab).await;
}

#[tokio::test]
async fn no_connection_has_more_than_32_streams() {
    let lab = serve_h2([endless(), endless()]).start().await;
    let mut streams = Vec::new();
    for count in 1..=64 {
        streams.push(lab.open().await.unwrap());
        assert_eq!(lab.server.log().accepted(), if count <= 32 { 1 } else { 2 });
    }
    lab.unary().await.ok(GOOD).connections(3);
    streams.pop();
    arrived().await;
    streams.push(lab.open().await.unwrap());
    assert_eq!(lab.server.log().accepted(), 3);
    drop(streams);
    lab.unary().await.ok(GOOD).connections(3);
    lab.closes("the call above is the next one").await;
}

#[tokio::test]
async fn an_opening_that_is_given_up_is_taken_over() {
    // The server accepts the first connection and is silent in its TLS handshake; two calls wait
    // for it.
    let silent = Script::default().until_closed();
    let lab = serve_tls([Speaks::Tcp, offering(&["h2"])], [silent]).then(good());
    let lab = lab.transport(|builder| builder.http2(Http2::Auto)).start().await;
    let mut opener = Box::pin(lab.unary());
    lab.halts(1, &mut opener).await;
    let mut waiting = Box::pin(lab.unary());
    assert!(settle(&mut waiting).await.is_none());
    assert_eq!(lab.server.log().accepted(), 1);
    drop(opener);
    within(&mut waiting).await.ok(GOOD).attempts(1).connections(2);
    drop(waiting);
    healthy(lab).await;
}

#[tokio::test]
async fn what_is_dropped_is_reset_and_nothing_else() {
    let [begun, reset, finish] = [Gate::new(), Gate::new(), Gate::new()];
    let gates = [begun.clone(), reset.clone(), finish.clone()];
    let script = responding(
        |_| {},
        move |number, request, mut respond| {
            let [begun, reset, finish] = gates.clone();
            async move {
                begun.open();
                let reason = if number == 3 {
                    std::future::poll_fn(|cx| respond.poll_reset(cx)).await
                } else {
                    let mut stream = begin(&request, respond);
                    let _ = stream.send_data(event("Hel").into(), false);
                    if number == 0 {
                        finish.passed().await;
                        let _ = stream.send_data(events("lo").into(), true);
                        return;
                    }
                    std::future::poll_fn(|cx| stream.poll_reset(cx)).await
                };
                assert_eq!(reason.unwrap(), h2::Reason::CANCEL);
                reset.open();
            }
        },
    );
    let lab = serve_h2([script]).start().await;
    let other = lab.open().await.unwrap();
    begun.passed().await;
    for (dropped, has_head) in [("after its head", true), ("in its body", true), ("early", false)] {
        println!("case: {dropped}");
        let mut call = Box::pin(lab.client.chat().stream(request()).into_future());
        let mut passed = Box::pin(begun.passed());
        if has_head {
            let mut stream = within(call).await.unwrap();
            within(passed).await;
            if dropped == "in its body" {
                assert_eq!(within(stream.try_next()).await.unwrap().unwrap().text(), "Hel");
            }
        } else {
            while turn(&mut passed).await.is_none() {
                assert!(turn(&mut call).await.is_none());
            }
            drop(call);
        }
        within(reset.passed()).await;
    }
    finish.open();
    lab.rest_of(other, "").await.ok("Hello").connections(1).requests(4);
    healthy(lab).await;
}

#[tokio::test]
async fn dropped_at_each_poll() {
    let lab = serve_h2([]).start().await;
    let mut polls = 0;
    loop {
        let mut call = Box::pin(lab.stream());
        let mut ended = false;
        for _ in 0..polls {
            ended |= turn(&mut call).await.is_some();
            if ended {
                break;
            }
        }
        drop(call);
        if ended {
            break;
        }
        polls += 1;
        assert!(polls < 1_000, "it never ends");
    }
    assert!(polls > 2);
    healthy(lab).await;
}

#[tokio::test]
async fn an_idle_connection_has_its_time() {
    let lab = serve_h2([]).manual_clock().start().await;
    for _ in 0..3 {
        lab.unary().await.ok(GOOD).connections(1);
        arrived().await;
        lab.clock().advance(Duration::from_secs(44));
        arrived().await;
    }
    lab.clock().advance(Duration::from_secs(1));
    within(lab.server.wait_for(|log| log.closed_by_client() == 1)).await;
    lab.unary().await.ok(GOOD).connections(2);
    healthy(lab).await;

    let lab = serve_h2([]).transport(|builder| builder.pool_max_idle(0)).start().await;
    for calls in 1..=3 {
        lab.unary().await.ok(GOOD).attempts(1).connections(calls);
        within(lab.server.wait_for(|log| log.closed_by_client() == calls)).await;
    }
    lab.closes("each of the calls above has a next one").await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn each_runtime_has_its_own_connections() {
    let mut elsewhere = tokio::runtime::Builder::new_multi_thread();
    let elsewhere = elsewhere.worker_threads(1).enable_all().build().unwrap();
    let lab: Lab = elsewhere.block_on(serve_h2([endless(), good()]).start());
    let (first, second) = (runtime(), runtime());
    for _ in 0..3 {
        first.block_on(lab.unary()).ok(GOOD);
        second.block_on(lab.unary()).ok(GOOD).connections(2);
    }
    let stream = first.block_on(async {
        let mut stream = lab.open().await.unwrap();
        assert_eq!(within(stream.try_next()).await.unwrap().unwrap().text(), "Hel");
        stream
    });
    drop(first);
    let outcome = second.block_on(lab.rest_of(stream, "Hel"));
    outcome.is([Truncated, Retryable, MayBeBilled]).after("Hel").says("runtime");
    second.block_on(lab.unary()).ok(GOOD).connections(2);
    drop(second);
    elsewhere.block_on(healthy(lab));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_on_many_threads() {
    // Each response is larger than a window, and every fifth reader leaves in the middle.
    let script = responding(
        |_| {},
        |_, request, respond| async move {
            if !request.contains("\"stream\":true") {
                return send_good(&request, respond);
            }
            let mut stream = begin(&request, respond);
            let filler = format!(":{}\n", "x".repeat(98)).repeat(3_000).into();
            send_in_frames(&mut stream, filler, 1_000).await;
            let _ = stream.send_data(events(GOOD).into(), true);
        },
    );
    let lab = serve_h2([]).then(script).start().await;
    let calls = (0..80).map(|number| {
        let client = lab.client.clone();
        tokio::spawn(async move {
            let mut stream = client.chat().stream(request()).await.unwrap();
            if number % 5 == 0 {
                assert!(turn(&mut Box::pin(stream.try_next())).await.is_none());
                return None;
            }
            let mut text = String::new();
            while let Some(chunk) = stream.try_next().await.unwrap() {
                text += &chunk.text();
            }
            Some(text)
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut whole = 0;
    for text in within(join_all(calls)).await {
        whole += usize::from(text.unwrap().is_some_and(|text| text == GOOD));
    }
    assert_eq!(whole, 64);
    healthy(lab).await;
}
