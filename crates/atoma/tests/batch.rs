//! Many calls with bounded concurrency.

use atoma::batch;
use futures::{FutureExt, StreamExt};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[tokio::test(start_paused = true)]
async fn a_batch_keeps_the_order_and_the_limit() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let done = Arc::new(Mutex::new(Vec::new()));
    let calls = (0..20_u64).map(|number| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        async move {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100 - number)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            number
        }
    });
    let seen = Arc::clone(&done);
    let results =
        batch(calls, 4).on_done(move |index, result| seen.lock().unwrap().push((index, *result)));
    let results = results.into_vec().await;
    assert_eq!(results, (0..20).collect::<Vec<_>>());
    assert_eq!(most.load(Ordering::SeqCst), 4);
    let mut seen = done.lock().unwrap().clone();
    let in_order: Vec<_> = (0..20).map(|number| (number as usize, number)).collect();
    assert_ne!(seen, in_order, "results are shown as they come");
    seen.sort_unstable();
    assert_eq!(seen, in_order);
}

#[test]
fn calls_that_need_no_wait_all_run_whatever_the_limit() {
    for concurrency in [0, 1, 3, 100] {
        for count in [0, 1, 10] {
            let calls = || (0..count).map(std::future::ready);
            let expected: Vec<_> = (0..count).collect();
            let whole = batch(calls(), concurrency).into_vec().now_or_never();
            assert_eq!(whole.as_ref(), Some(&expected), "{concurrency}");
            let as_stream = batch(calls(), concurrency).collect::<Vec<_>>().now_or_never();
            assert_eq!(as_stream.as_ref(), Some(&expected), "{concurrency}");
        }
    }
}

#[tokio::test]
async fn a_dropped_batch_starts_nothing_more() {
    let started = Arc::new(AtomicUsize::new(0));
    let calls = (0..10).map(|_| {
        started.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>()
    });
    let mut batch = batch(calls, 3);
    assert!(batch.next().now_or_never().is_none());
    drop(batch);
    assert_eq!(started.load(Ordering::SeqCst), 3);
}
