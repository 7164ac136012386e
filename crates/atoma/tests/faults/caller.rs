//! Rows 114–116: the caller and its runtime.

use crate::lab::{
    Gate, Good as _,
    Is::{MayBeBilled, Retryable, Truncated},
    Lab, Log, Outcome, Script, memory, request,
    responses::{CHUNKED, GOOD, STREAM, chunk, event, events, response, streamed, whole},
    serve, settle, turn, within,
};
use atoma::RetryEvent;
use atoma_transport::testing::ManualTimer;
use futures::{FutureExt, StreamExt, stream::FusedStream};
use std::{
    future::{Future, IntoFuture},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::runtime::Runtime;

const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(1);
const BUSY: &str = "503 Service Unavailable";
const MIB: u64 = 1 << 20;

/// Responds with an error first, and then with a body in pieces that each wait for the gate.
fn in_pieces(body: &str, gate: &Gate) -> Script {
    let script = Script::on_request().write(response(BUSY, &[], "")).request();
    let pieces = body.as_bytes().chunks(body.len() / 8);
    pieces.fold(script, |script, piece| script.pass(gate).write(piece)).then_good()
}

/// Polls `call` at most `polls` times, then drops it. Whenever the call is stuck, opens the gate or
/// moves the clock to the end of the wait between two attempts.
async fn dropped_after<F: Future>(
    polls: usize,
    lab: &Lab,
    gate: &Gate,
    waits: &AtomicUsize,
    call: F,
) -> Option<F::Output> {
    let mut call = Box::pin(call);
    let (mut halts, mut waited) = (lab.server.log().halts(), waits.load(Ordering::Relaxed));
    for _ in 0..polls {
        if let Some(output) = turn(&mut call).await {
            return Some(output);
        }
        if lab.server.log().halts() > halts {
            halts += 1;
            gate.open();
        }
        if waits.load(Ordering::Relaxed) > waited {
            waited += 1;
            lab.clock().advance(MOMENT);
        }
    }
    None
}

async fn is_dropped_at_each_poll(response: String, streams: bool) {
    for polls in 0.. {
        let (gate, waits) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let counts = Arc::clone(&waits);
        let hook = move |_: &RetryEvent| {
            counts.fetch_add(1, Ordering::Relaxed);
        };
        let script = in_pieces(&response, &gate);
        let lab =
            serve([script]).manual_clock().client(|client| client.on_retry(hook)).start().await;
        let call = || async {
            let chat = lab.client.chat();
            match streams {
                true => chat.stream(request()).await?.into_response().await,
                false => Ok(chat.create(request()).await?.into_inner()),
            }
        };
        let outcome = dropped_after(polls, &lab, &gate, &waits, call()).await;
        assert_eq!(lab.clock().waiters(), 0, "a sleep is left after {polls} polls");
        if outcome.is_none() {
            // Between two exchanges the connection is idle, and stays open.
            let rests = |log: &Log| log.requests().len() == waits.load(Ordering::Relaxed);
            let is_closed = |log: &Log| log.closed_by_client() == log.accepted();
            within(lab.server.wait_for(|log| is_closed(log) || rests(log))).await;
            // If the server has not seen the call at all, its error response goes to the next one.
            let next = within(dropped_after(usize::MAX, &lab, &gate, &waits, call())).await;
            assert_eq!(next.unwrap().unwrap().text(), GOOD, "after {polls} polls");
        }
        lab.healthy().await;
        if let Some(response) = outcome {
            assert_eq!(response.unwrap().text(), GOOD, "after {polls} polls");
            assert!(polls > 10, "the call took {polls} polls only");
            return;
        }
    }
}

#[tokio::test]
async fn row_114_dropped_at_each_poll() {
    is_dropped_at_each_poll(streamed(GOOD), true).await;
    is_dropped_at_each_poll(whole(GOOD), false).await;
}

#[tokio::test]
async fn row_114_a_retry_that_never_began_costs_nothing() {
    let busy = || response(BUSY, &[], "");
    let script = (0..31).fold(Script::default(), |script, _| script.request().write(busy()));
    let left = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&left);
    let hook = move |event: &RetryEvent| hears.lock().unwrap().push(event.tokens_left);
    let lab = serve([script.then_good()])
        .manual_clock()
        .client(|client| client.on_retry(hook))
        .start()
        .await;
    for calls in 1..=30 {
        let mut call = Box::pin(lab.unary());
        while left.lock().unwrap().len() < calls {
            assert!(turn(&mut call).await.is_none());
        }
        assert!(settle(&mut call).await.is_none());
    }
    assert_eq!(left.lock().unwrap()[..], [Some(95); 30]);
    let mut call = Box::pin(lab.unary());
    while left.lock().unwrap().len() < 31 {
        assert!(turn(&mut call).await.is_none());
    }
    lab.clock().advance(Duration::from_secs(6));
    within(call.as_mut()).await.ok(GOOD).attempts(2);
    drop(call);
    lab.healthy().await;
}

#[tokio::test]
async fn row_115_dropped_in_the_body() {
    let begun = [CHUNKED, &chunk(&event("Hel"))].concat();
    let lab = serve([Script::on_request().write(begun).until_closed()]).start().await;
    let mut stream = lab.open().await.unwrap();
    assert_eq!(within(stream.try_next()).await.unwrap().unwrap().text(), "Hel");
    assert_eq!(lab.server.log().closed_by_client(), 0);
    drop(stream);
    within(lab.server.wait_for(|log| log.closed_by_client() == 1)).await;
    lab.healthy().await;

    let unread = Script::on_request().write(STREAM).until_closed();
    let lab = serve([unread]).start().await;
    drop(lab.open().await.unwrap());
    within(lab.server.wait_for(|log| log.closed_by_client() == 1)).await;
    lab.healthy().await;
}

#[test]
fn row_115_held_for_an_hour_and_not_polled() {
    const NAME: &str = "caller::row_115_held_for_an_hour_and_not_polled";
    memory::stays_within(16 * MIB, NAME, || async {
        let taken = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&taken);
        let flood = Script::on_request().write(STREAM).run(move |peer| {
            let counts = Arc::clone(&counts);
            Box::pin(async move {
                let words = event("word").repeat(300);
                while tokio::io::AsyncWriteExt::write_all(&mut peer.stream, words.as_bytes())
                    .await
                    .is_ok()
                {
                    counts.fetch_add(words.len() as u64, Ordering::Relaxed);
                }
            })
        });
        let lab = serve([flood]).manual_clock().start().await;
        let mut stream = lab.open().await.unwrap();
        let mut before = u64::MAX;
        // Until the server cannot write any more.
        while taken.load(Ordering::Relaxed) != before {
            before = taken.load(Ordering::Relaxed);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        // The kernel's buffers are not the client's concern.
        assert!(before < 64 * MIB, "{before} bytes were taken");

        lab.clock().advance(HOUR);
        for _ in 0..100_000 {
            let chunk = within(stream.try_next()).await.unwrap().unwrap();
            assert_eq!(chunk.text(), "word");
        }
        assert!(taken.load(Ordering::Relaxed) > before, "the server is still blocked");
        drop(stream);
        within(lab.server.wait_for(|log| log.closed_by_client() == 1)).await;
        lab.healthy().await;
    });
}

#[tokio::test]
async fn row_115_polled_after_its_end() {
    let good = events(GOOD);
    for (name, response, is_error) in [
        ("whole", [STREAM, &good].concat(), false),
        ("cut", [STREAM, &event("Hel")].concat(), true),
        ("garbage", [STREAM, &event("Hel"), "data: {\"a\n\n", &good].concat(), true),
        ("an error", [STREAM, "data: {\"error\":{\"message\":\"m\"}}\n\n", &good].concat(), true),
    ] {
        let lab = serve([Script::on_request().write(response)]).start().await;
        let mut stream = lab.open().await.unwrap();
        let mut last = None;
        while let Some(item) = within(StreamExt::next(&mut stream)).await {
            assert!(!stream.is_terminated() || item.is_err(), "{name}");
            last = Some(item);
        }
        assert_eq!(last.unwrap().is_err(), is_error, "{name}");
        for _ in 0..1_000 {
            assert!(stream.is_terminated(), "{name}");
            assert!(StreamExt::next(&mut stream).now_or_never().unwrap().is_none(), "{name}");
            let again = stream.try_next().now_or_never().unwrap();
            assert_eq!(again.is_err(), is_error, "{name}");
            assert!(!matches!(again, Ok(Some(_))), "{name}");
        }
        drop(stream);
        lab.healthy().await;
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A lab on a runtime with its own thread, so that clients can be used on others.
fn lab_elsewhere(scripts: Vec<Script>) -> (Runtime, Lab) {
    let mut elsewhere = tokio::runtime::Builder::new_multi_thread();
    let elsewhere = elsewhere.worker_threads(1).enable_all().build().unwrap();
    let lab = elsewhere.block_on(serve(scripts).start());
    (elsewhere, lab)
}

#[test]
fn row_116_a_runtime_that_ends_in_the_middle() {
    let stalled = Script::on_request().write([STREAM, &event("Hel")].concat()).until_closed();
    let unanswered = Script::on_request().until_closed();
    let (elsewhere, lab) = lab_elsewhere(vec![stalled, unanswered]);
    let (first, second) = (runtime(), runtime());
    let log = lab.server.log();

    let mut stream = first.block_on(lab.open()).unwrap();
    assert_eq!(first.block_on(stream.try_next()).unwrap().unwrap().text(), "Hel");
    let mut call = Box::pin(lab.client.chat().create(request()).into_future());
    first.block_on(async {
        within(async {
            while log.requests().len() < 2 {
                assert!(turn(&mut call).await.is_none());
            }
        })
        .await;
    });
    drop(first);

    second.block_on(async {
        lab.rest_of(stream, "Hel").await.is([Truncated, Retryable, MayBeBilled]).after("Hel");
        let error = within(call).await.unwrap_err();
        let outcome = Outcome::failed(log.clone(), String::new(), error);
        outcome.is([Retryable, MayBeBilled]).attempts(1).requests(2);
        lab.unary().await.ok(GOOD);
    });
    drop(second);
    elsewhere.block_on(lab.healthy());
}

#[test]
fn row_116_a_client_of_two_runtimes() {
    let (elsewhere, lab) = lab_elsewhere(Vec::new());
    let (first, second) = (runtime(), runtime());
    // The other runtime is still alive, but nothing drives it.
    for _ in 0..3 {
        first.block_on(lab.unary()).ok(GOOD);
        second.block_on(lab.unary()).ok(GOOD).connections(2);
    }
    drop(first);
    second.block_on(lab.unary()).ok(GOOD).connections(2);
    drop(second);
    elsewhere.block_on(lab.healthy());
}

#[test]
fn row_116_no_runtime() {
    let (elsewhere, lab) = lab_elsewhere(Vec::new());
    for _ in 0..2 {
        let call = lab.client.chat().create(request()).into_future();
        let error = ManualTimer::new().run(call).unwrap_err();
        assert!(!error.is_retryable() || !error.may_have_been_processed(), "{error:?}");
        let text = format!("{error:?}");
        assert!(text.contains("runtime"), "it does not say what is missing: {text}");
        let _ = Outcome::failed(lab.server.log(), String::new(), error);
    }
    assert_eq!(lab.server.log().accepted(), 0);
    elsewhere.block_on(lab.healthy());
}
