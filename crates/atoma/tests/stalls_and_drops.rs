//! Servers that stall, calls that are dropped at any moment, and bodies without framing: nothing
//! hangs, nothing is left behind.

mod support;

use atoma::{
    Client, RetryConfig,
    transport::testing::{Exchange, ManualTimer, ScriptedTransport},
};
use futures::FutureExt;
use std::{
    future::{Future, IntoFuture, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};
use support::{
    chunk, completion, event, hello_stream, last_chunk, read, request,
    server::{Script, Server, Step, events, send, whole},
};

const NO_ANSWER: &str = r#"{"error":{"message":"no","code":"x"}}"#;

fn scripted(
    exchanges: impl IntoIterator<Item = Exchange>,
) -> (Client, ScriptedTransport, ManualTimer) {
    let timer = ManualTimer::new();
    let transport = ScriptedTransport::new(exchanges).timer(timer.clone());
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    let client = builder.transport(transport.clone()).timer(timer.clone()).build().unwrap();
    (client, transport, timer)
}

/// A server that streams without being asked need not end its body either.
#[test]
fn a_streamed_response_to_create_ends_with_the_response() {
    let body = [event(chunk("Hello")), event(last_chunk()), event("[DONE]")].concat();
    let exchange = Exchange::respond(200).header("content-type", "text/event-stream");
    let (client, transport, timer) = scripted([exchange.body(body).stall()]);
    let reply = timer.run(client.chat().create(request()).into_future()).unwrap();
    assert_eq!(reply.text(), "Hello");
    assert!(timer.elapsed() <= Duration::from_millis(200), "{:?}", timer.elapsed());
    assert_eq!(transport.live_bodies(), 0);
}

/// An error response is returned although its body never ends.
#[test]
fn api_errors_that_stall() {
    let minutes = Duration::from_secs(300);
    for status in [400, 401, 429, 503] {
        let stalled = || Exchange::respond(status).body(NO_ANSWER).stall();
        let (client, transport, timer) = scripted([stalled(), stalled()]);
        let once = RetryConfig::none;
        let (created, streamed) = timer.run(async {
            let created = client.chat().create(request()).retries(once()).await.unwrap_err();
            (created, client.chat().stream(request()).retries(once()).await.unwrap_err())
        });
        for error in [created, streamed] {
            assert_eq!(error.status().unwrap(), status, "{error:?}");
        }
        assert!(timer.elapsed() <= 2 * minutes, "{status} took {:?}", timer.elapsed());
        assert_eq!((transport.live_bodies(), timer.waiters()), (0, 0));
    }
}

/// The same before another attempt.
#[test]
fn retried_api_errors_that_stall() {
    let busy = || Exchange::respond(503).body("{").stall();
    let fine = || Exchange::respond(200).body(hello_stream());
    let (client, transport, timer) = scripted([busy(), fine(), busy(), fine()]);
    timer.run(async {
        let reply = client.chat().create(request()).await.unwrap();
        assert_eq!((reply.text().as_ref(), reply.attempts().count), ("hello", 2));
        let stream = client.chat().stream(request()).await.unwrap();
        assert_eq!(stream.attempts().count, 2);
        assert_eq!(stream.into_response().await.unwrap().text(), "hello");
    });
    assert!(timer.elapsed() <= Duration::from_secs(600), "{:?}", timer.elapsed());
    assert_eq!((transport.live_bodies(), timer.waiters()), (0, 0));
}

/// Only the beginning of an endless error body is read.
#[test]
fn api_errors_without_end() {
    let flood = (0..100_000).fold(Exchange::respond(500), |exchange, _| exchange.body("words "));
    let (client, transport, timer) = scripted([flood]);
    let call = client.chat().create(request()).retries(RetryConfig::none());
    let error = timer.run(call.into_future()).unwrap_err();
    assert!(error.is_api_error() && error.to_string().len() < 700, "{error}");
    assert_eq!(transport.live_bodies(), 0);
}

/// A JSON response to a streaming call has the same timeout as a first event.
#[test]
fn responses_of_another_kind_that_stall() {
    let json = || Exchange::respond(200).header("content-type", "application/json");
    for (name, exchange) in [
        ("half a JSON", json().body("{").stall()),
        ("blanks", json().body("\n").stall()),
        ("no label", Exchange::respond(200).body("dat").stall()),
    ] {
        let (client, transport, timer) = scripted([exchange]);
        let error = timer.run(async { read(client.chat().stream(request()).await).await.error });
        assert!(error.unwrap().is_timeout(), "{name}");
        assert_eq!(timer.elapsed(), Duration::from_secs(300), "{name}");
        assert_eq!((transport.live_bodies(), timer.waiters()), (0, 0), "{name}");
    }
}

/// Polls a future at most `polls` times, and runs `between` each time it has to wait.
async fn polled<T>(
    times: usize,
    future: impl Future<Output = T>,
    mut waiting: impl FnMut(),
) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let outcome = future.as_mut().poll(cx);
        if outcome.is_pending() {
            waiting();
        }
        outcome.map(Some)
    })
    .await
}

/// A response in pieces that each wait for the gate, so that reading it takes many polls.
fn slowly(response: Script) -> Script {
    let pieces = response.into_iter().flat_map(|step| match step {
        Step::Send(bytes) => bytes.chunks(50).map(|piece| send(piece.to_vec())).collect(),
        other => vec![other],
    });
    pieces.flat_map(|piece| [Step::Gate, piece]).collect()
}

async fn dropped_at_each_poll(script: Script, streams: bool) {
    let server = Server::start([script]).await;
    let client = support::client(server.url());
    let mut is_over = false;
    let mut polls = 0;
    while !is_over {
        let call = async {
            match streams {
                true => client.chat().stream(request()).await?.into_response().await,
                false => Ok(client.chat().create(request()).await?.into_inner()),
            }
        };
        match polled(polls, call, || server.open_gate()).await {
            Some(response) => {
                assert_eq!(response.unwrap().text(), "hello", "after {polls} polls");
                is_over = true;
            }
            None => polls += 1,
        }
        server.until(|log| log.hung_up + 1 >= log.accepted).await;
        server.close_gate();
        // The client is fully usable afterwards.
        let again = client.chat().create(request()).into_future();
        let response = polled(usize::MAX, again, || server.open_gate()).await.unwrap().unwrap();
        assert_eq!(response.text(), "hello", "after a drop at poll {polls}");
        server.close_gate();
        assert!(polls < 1000);
    }
    assert!(polls > 5, "the response took {polls} polls");
    // Each call without a complete response has closed its connection; one connection is kept.
    let accepted = server.log().accepted;
    server.until(|log| log.hung_up + 1 >= log.accepted).await;
    drop(client);
    server.until(|log| log.hung_up == accepted).await;
}

#[tokio::test]
async fn streams_dropped_at_each_poll() {
    dropped_at_each_poll(slowly(events([hello_stream()])), true).await;
}

#[tokio::test]
async fn calls_dropped_at_each_poll() {
    dropped_at_each_poll(slowly(events([hello_stream()])), false).await;
    let body = completion("hello").to_string();
    dropped_at_each_poll(slowly(whole(200, "application/json", body)), false).await;
}

/// With a transport in memory it is dropped at each poll as well, and leaves no sleep behind.
#[test]
fn waits_dropped_at_each_poll() {
    for polls in 0..40 {
        let stream = Exchange::respond(200).head_after(Duration::from_secs(1));
        let stream = stream.body(event(chunk("he"))).pause(Duration::from_secs(1));
        let stream = stream.body(event(last_chunk())).pause(Duration::from_millis(1));
        let (client, transport, timer) = scripted([Exchange::respond(503), stream]);
        timer.run(async {
            let call = async { client.chat().stream(request()).await?.into_response().await };
            polled(polls, call, || {}).await.map(|response| response.unwrap())
        });
        let left = (transport.in_flight(), transport.live_bodies(), timer.waiters());
        assert_eq!(left, (0, 0, 0), "after {polls} polls");
    }
}

/// The end of the connection is the end of the body, as in HTTP/1.0.
#[tokio::test]
async fn bodies_that_end_with_the_connection() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let server = Server::start([vec![send(head.to_owned() + &hello_stream()), Step::Close]]).await;
    let client = support::client(server.url());
    let all = read(client.chat().stream(request()).await).await;
    assert!(all.error.is_none() && all.text == "hello", "{:?}", all.error);

    let cut = event(chunk("he"));
    let server = Server::start([vec![send(head.to_owned() + &cut), Step::Close]]).await;
    let all = read(support::client(server.url()).chat().stream(request()).await).await;
    assert!(all.error.unwrap().is_truncated() && all.text == "he");

    let head = "HTTP/1.0 200 OK\r\n\r\n";
    let body = completion("hello").to_string();
    let server = Server::start([vec![send(head.to_owned() + &body), Step::Close]]).await;
    let client = support::client(server.url());
    assert_eq!(client.chat().create(request()).await.unwrap().text(), "hello");
}

/// Bytes that arrive on a connection after a complete response reach no other call.
#[tokio::test]
async fn unrequested_responses() {
    let [Step::Send(one)] = &whole(200, "application/json", completion("one").to_string())[..]
    else {
        unreachable!("a response is one write")
    };
    let twice = vec![send([&one[..], &one[..]].concat())];
    let fine = whole(200, "application/json", completion("two").to_string());
    let server = Server::start([twice, fine]).await;
    let client = support::client(server.url());
    assert_eq!(client.chat().create(request()).await.unwrap().text(), "one");
    assert_eq!(client.chat().create(request()).await.unwrap().text(), "two");
}

/// A connection that the server closed while it was idle is not used again.
#[tokio::test]
async fn idle_connections_that_were_closed() {
    let mut closing = whole(200, "application/json", completion("hello").to_string());
    closing.push(Step::Close);
    let server = Server::start([closing]).await;
    let client = support::client(server.url());
    for _ in 0..20 {
        assert_eq!(client.chat().create(request()).await.unwrap().text(), "hello");
        tokio::task::yield_now().await;
    }
    assert_eq!(server.log().requests().len(), 20);
    assert!(client.chat().create(request()).into_future().now_or_never().is_none());
}
