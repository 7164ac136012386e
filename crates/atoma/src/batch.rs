//! Runs many calls with bounded concurrency.

use futures_core::Stream;
use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

/// Runs `calls` concurrently, at most `concurrency` at a time, and returns their results in order.
///
/// The iterator is advanced when a call can start, so it may be long and make its requests lazily.
/// A failed call does not stop the others. For calls that wait together while the server limits the
/// rate, give the client a [`RateLimitPause`](crate::ClientBuilder::rate_limit_pause).
///
/// To resume an interrupted batch, save each result in [`on_done`](Batch::on_done) and make calls only
/// for those that are missing, as the example `batch` does.
///
/// ```
/// # async fn run(client: atoma::Client, requests: Vec<atoma::ChatCompletionRequest>) -> atoma::Result<()> {
/// let calls = requests.into_iter().map(|request| client.chat().create(request));
/// let replies = atoma::batch(calls, 8)
///     .on_done(|index, result| eprintln!("{index}: {}", if result.is_ok() { "done" } else { "failed" }))
///     .into_vec()
///     .await;
/// for reply in replies {
///     println!("{}", reply?.text());
/// }
/// # Ok(())
/// # }
/// ```
pub fn batch<I>(calls: I, concurrency: usize) -> Batch<I::IntoIter>
where
    I: IntoIterator<Item: Future>,
{
    Batch {
        calls: calls.into_iter(),
        concurrency: concurrency.max(1),
        started: VecDeque::new(),
        running: 0,
        first: 0,
        on_done: None,
    }
}

/// Calls that run concurrently; [`batch`] returns it.
///
/// It is a stream of the results, in the order of the calls. Dropping it cancels the calls that
/// run; those that did not start are never sent.
pub struct Batch<I: Iterator<Item: Future>> {
    calls: I,
    concurrency: usize,
    /// The calls from the first whose result was not returned yet.
    started: VecDeque<Slot<I::Item>>,
    running: usize,
    /// The number of that first call.
    first: usize,
    on_done: Option<OnDone<I::Item>>,
}

type OnDone<F> = Box<dyn FnMut(usize, &<F as Future>::Output) + Send>;

enum Slot<F: Future> {
    Running(Pin<Box<F>>),
    Done(F::Output),
}

impl<I: Iterator<Item: Future>> Batch<I> {
    /// Sets a function that sees each result as soon as it is there, with the number of its call,
    /// counted from 0: to show progress, or to save the result.
    #[must_use]
    pub fn on_done(
        mut self,
        hook: impl FnMut(usize, &<I::Item as Future>::Output) + Send + 'static,
    ) -> Self {
        self.on_done = Some(Box::new(hook));
        self
    }

    /// Returns the next result, in the order of the calls; `None` after the last.
    pub async fn next(&mut self) -> Option<<I::Item as Future>::Output> {
        poll_fn(|cx| self.poll_result(cx)).await
    }

    /// Waits for all results.
    pub async fn into_vec(mut self) -> Vec<<I::Item as Future>::Output> {
        let mut results = Vec::with_capacity(self.calls.size_hint().0);
        while let Some(result) = self.next().await {
            results.push(result);
        }
        results
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<<I::Item as Future>::Output>> {
        loop {
            self.start();
            let running = self.running;
            self.poll_running(cx);
            if let Some(Slot::Done(_)) = self.started.front() {
                if let Some(Slot::Done(result)) = self.started.pop_front() {
                    self.first += 1;
                    return Poll::Ready(Some(result));
                }
            }
            if self.started.is_empty() {
                return Poll::Ready(None);
            }
            // A call that has ended makes room for another, which has to be polled as well.
            if self.running == running {
                return Poll::Pending;
            }
        }
    }

    fn start(&mut self) {
        while self.running < self.concurrency {
            let Some(call) = self.calls.next() else { return };
            self.started.push_back(Slot::Running(Box::pin(call)));
            self.running += 1;
        }
    }

    /// Polls every running call. Their number is small, and a wake-up does not name its call.
    fn poll_running(&mut self, cx: &mut Context<'_>) {
        for (place, slot) in self.started.iter_mut().enumerate() {
            let Slot::Running(call) = slot else { continue };
            if let Poll::Ready(result) = call.as_mut().poll(cx) {
                if let Some(hook) = &mut self.on_done {
                    hook(self.first + place, &result);
                }
                *slot = Slot::Done(result);
                self.running -= 1;
            }
        }
    }
}

/// Only boxed values in it are pinned.
impl<I: Iterator<Item: Future>> Unpin for Batch<I> {}

impl<I: Iterator<Item: Future>> Stream for Batch<I> {
    type Item = <I::Item as Future>::Output;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_result(cx)
    }
}

impl<I: Iterator<Item: Future>> fmt::Debug for Batch<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("concurrency", &self.concurrency)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}
