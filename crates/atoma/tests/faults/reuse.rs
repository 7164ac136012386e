//! Rows 59–63: reused connections, and responses to somebody else's request.

use crate::lab::{
    Event, Gate,
    Is::{ApiError, MayBeBilled, Retryable},
    Lab, Script, arrived, asking,
    process::alone,
    quick_retries,
    responses::{GOOD, response, streamed, whole},
    serve, turn, within,
};
use atoma_transport::{ErrorKind, RetryConnectionErrors::Always};
use std::iter::repeat_n;

#[test]
fn row_059_closed_while_idle() {
    // Next to processes that other rows start, a closed connection can stay open for a moment.
    alone("reuse::row_059_closed_while_idle", None, || async {
        for end in [Script::close, Script::reset, Script::half_close] {
            let gate = Gate::new();
            let script = Script::on_request().write(whole(GOOD)).pass(&gate);
            let lab = serve([end(script)]).start().await;
            lab.unary().await.ok(GOOD).connections(1);
            gate.open();
            within(lab.server.wait_for(|log| {
                let events = log.events();
                events.contains(&Event::Ended(0))
                    || events.ends_with(&[Event::Resumed(0), Event::Halted(0)])
            }))
            .await;
            arrived().await;
            lab.unary().await.ok(GOOD).attempts(1).connections(2).requests(2);
            lab.healthy().await;
        }
    });
}

#[tokio::test]
async fn row_060_closed_while_the_request_is_sent() {
    for end in [Script::close, Script::reset] {
        let script = end(Script::on_request().write(whole(GOOD)).bytes(1));
        let lab = serve([script.clone()]).start().await;
        lab.unary().await.ok(GOOD).connections(1);
        let outcome = lab.unary().await;
        outcome
            .is([Retryable, MayBeBilled])
            .kind(ErrorKind::ConnectionLost)
            .attempts(1)
            .connections(1);
        lab.healthy().await;

        let twice = quick_retries().retry_connection_errors(Always);
        let lab = serve([script]).client(|client| client.retries(twice)).start().await;
        lab.unary().await.ok(GOOD).connections(1);
        lab.unary().await.ok(GOOD).attempts(2).connections(2);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_061_an_error_response_while_the_request_is_being_written() {
    let large = "x".repeat(16 << 20);
    for (status, then) in [
        ("413 Too Large", Script::until_closed as fn(Script) -> Script),
        ("413 Too Large", Script::reset),
        ("401 Unauthorized", Script::close),
    ] {
        let error_response =
            response(status, &["connection: close"], "{\"error\":{\"message\":\"no\"}}");
        let lab = serve([then(Script::default().bytes(1).write(error_response))]).start().await;
        let outcome = lab.unary_of(asking(&large)).await;
        let number = status[..3].parse().unwrap();
        outcome.is([ApiError]).status(number).attempts(1).connections(1).requests(0);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_062_a_response_before_its_request() {
    for unasked in
        [whole("poison"), streamed("poison"), "x".into(), "HTTP/1.1 408 Late\r\n\r\n".into()]
    {
        let script = Script::on_request().write([whole(GOOD), unasked].concat()).until_closed();
        let later = Script::on_request().write(whole(GOOD)).write(whole("poison")).until_closed();
        let lab = serve([script, later]).start().await;
        for calls in 1..=2 {
            lab.unary().await.ok(GOOD).attempts(1).connections(calls);
            within(lab.server.wait_for(|log| log.halts() >= calls)).await;
            arrived().await;
        }
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_063_a_response_to_a_cancelled_request() {
    let lab = serve(repeat_n(echoing(), 2_000)).start().await;
    let mut chance = fastrand::Rng::with_seed(63);
    for call in 0..1_000 {
        cancelled(&lab, &format!("cancelled {call}"), chance.u32(0..8), chance.bool()).await;
        let wanted = format!("call {call}");
        lab.unary_of(asking(&wanted)).await.ok(&wanted).attempts(1);
    }
    lab.closes("each of the calls above has a next one").await;
}

/// Responds to each request with the text in it.
fn echoing() -> Script {
    Script::default().run(|peer| {
        Box::pin(async {
            while let Some(request) = peer.request().await {
                let text =
                    request.split("\"content\":\"").nth(1).and_then(|rest| rest.split('"').next());
                let text = text.unwrap_or_default();
                let streams = request.contains("\"stream\":true");
                let response = if streams { streamed(text) } else { whole(text) };
                let (first, rest) = response.split_at(response.len() / 2);
                peer.write(first.as_bytes()).await;
                tokio::task::yield_now().await;
                peer.write(rest.as_bytes()).await;
            }
        })
    })
}

/// Begins a call, and drops it after this many polls if it has not ended by then.
async fn cancelled(lab: &Lab, text: &str, turns: u32, streams: bool) {
    let mut call = Box::pin(async {
        if streams {
            let stream = lab.client.chat().stream(asking(text)).await.unwrap();
            assert_eq!(stream.into_response().await.unwrap().text(), text);
        } else {
            assert_eq!(lab.client.chat().create(asking(text)).await.unwrap().text(), text);
        }
    });
    for _ in 0..turns {
        if turn(&mut call).await.is_some() {
            return;
        }
    }
}
