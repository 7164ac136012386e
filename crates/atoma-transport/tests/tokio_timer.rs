//! `TokioTimer` without a runtime, in another one, and in the same one.
#![cfg(feature = "tokio")]

use atoma_transport::{Timer, TokioTimer};
use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};

const SECOND: Duration = Duration::from_secs(1);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn a_sleep_follows_the_clock_of_its_runtime() {
    runtime().block_on(async {
        let began = TokioTimer.now();
        TokioTimer.sleep_until(began + SECOND).await;
        assert!(TokioTimer.now() - began >= SECOND);
        TokioTimer.sleep_until(began).await;
        assert!(TokioTimer.now() - began < 2 * SECOND, "an instant in the past is reached");
    });
}

/// Row 116.
#[test]
fn without_a_runtime_a_sleep_neither_waits_nor_panics() {
    let mut sleep = TokioTimer.sleep_until(TokioTimer.now() + 3600 * SECOND);
    assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

/// Row 116.
#[test]
fn a_sleep_that_started_in_a_dead_runtime_ends_in_another() {
    let first = runtime();
    let mut sleep = TokioTimer.sleep_until(TokioTimer.now() + SECOND);
    let polled = first.block_on(poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))));
    assert!(polled.is_pending());
    drop(first);
    runtime().block_on(sleep);
}
