//! The task that drives a connection, the only user of its `h2` types.
//!
//! ```text
//! callers                 Connection (shared)          Driver (one task)            h2
//! begin ───── request ──► queue ───── wake ──────────► send_queued ───────────────► SendRequest
//! head    ◄── head ────── ResponseBuffer ◄──────────── receive ◄────────────────── ResponseFuture
//! body    ◄── bytes ───── ResponseBuffer ◄──────────── receive ◄────────────────── RecvStream
//! (drop)  ─── abandoned ─► ResponseBuffer ─── wake ───► receive drops it ─────────► RST_STREAM
//! ```
//!
//! `h2` would wake each caller by itself and keep its own buffers per stream. Here one task owns all of its types: callers share
//! nothing with `h2` but a queue and a buffer, and a caller that stops reading holds up nobody.

use super::{
    super::{read_state::ReadState, stream::Stream},
    classify,
    connection::Connection,
    exchange::ResponseBuffer,
    failure::{Failure, Resend},
    keep_alive::KeepAlive,
    read_budget::{BudgetedIo, ReadBudget},
};
use crate::{Sleep, Timer};
use bytes::Bytes;
use h2::{
    RecvStream,
    client::{ResponseFuture, SendRequest},
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// A head may have this many lines.
const MAX_HEADERS: usize = 100;

/// Ready when the connection is closed. Each poll runs these steps, the order of which matters:
///
/// 1. The waker is registered first, so that no change made meanwhile is missed.
/// 2. If requests are queued, everything that has arrived is read, past Tokio's memory of the
///    socket: a connection that has ended gives them back unsent.
/// 3. Queued requests are handed to `h2`, and `h2` reads and writes.
/// 4. The received bytes are moved to the buffers of the exchanges. This comes after reading, so that
///    frames do not stay in `h2`, and before the end of the connection is reported, so that bytes
///    before it are not lost.
/// 5. Silence (ping) and idleness (close) are checked last: steps 3 and 4 may have ended either.
pub(super) struct Driver {
    /// The side that the callers see.
    shared: Arc<Connection>,
    /// `None` once nothing more will be sent.
    sender: Option<SendRequest<Bytes>>,
    /// The socket's reader and writer. Polling it moves frames between the socket and `h2`.
    connection: h2::client::Connection<BudgetedIo<Stream>>,
    /// How much `h2` reads before the driver takes the frames from it.
    budget: ReadBudget,
    read_state: ReadState,
    /// The exchanges whose request was passed to `h2`, in the order in which they began.
    open: Vec<Open>,
    keep_alive: KeepAlive,
    timer: Arc<dyn Timer>,
    idle_timeout: Option<Duration>,
    max_head: usize,
    /// Counts the times that something has arrived.
    news: u64,
    /// The end of its idle time; `None` while it is not idle.
    idle: Option<Sleep>,
}

/// An exchange in progress. Dropping it resets its stream, unless that has ended.
struct Open {
    buffer: Arc<ResponseBuffer>,
    /// The value of [`Driver::news`] when it began.
    since: u64,
    stage: Stage,
}

enum Stage {
    /// With the size of the interim responses (1xx) before it.
    Head(ResponseFuture, usize),
    /// The head was delivered.
    Body(RecvStream),
}

/// The result of polling an exchange.
#[derive(PartialEq)]
enum Found {
    /// No frame has arrived.
    Nothing,
    /// A frame has arrived, and more may follow.
    News,
    /// The response is complete, or has failed.
    End,
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Connection>,
        sender: SendRequest<Bytes>,
        mut connection: h2::client::Connection<BudgetedIo<Stream>>,
        (budget, read_state): (ReadBudget, ReadState),
        timer: Arc<dyn Timer>,
        (idle_timeout, max_head): (Option<Duration>, usize),
    ) -> Self {
        let keep_alive = KeepAlive::new(connection.ping_pong());
        Self {
            shared,
            sender: Some(sender),
            connection,
            budget,
            read_state,
            open: Vec::new(),
            keep_alive,
            timer,
            idle_timeout,
            max_head,
            news: 0,
            idle: None,
        }
    }

    /// Reads everything that has arrived if a request is about to be sent; true if the connection
    /// has ended, or cannot be used.
    ///
    /// The read is direct: a GOAWAY or FIN that no one has read, because no one drove the runtime,
    /// must be seen before the request is written. It costs one system call per request.
    fn catch_up(&mut self, cx: &mut Context<'_>) -> bool {
        // Without a request to send, the ordinary reads of the next poll are early enough.
        if !self.shared.has_queued() {
            return false;
        }
        self.read_state.set_direct(true);
        let is_closed = Pin::new(&mut self.connection).poll(cx).is_ready();
        self.read_state.set_direct(false);
        is_closed || self.has_unasked_part()
    }

    /// Returns whether a part of a frame has arrived on a connection that served an exchange and is
    /// idle. The rest would turn it into a response after the next request was written. While
    /// the read budget is used up, the rest may have arrived already.
    fn has_unasked_part(&self) -> bool {
        let is_idle = self.news > 0 && self.open.is_empty();
        is_idle && self.read_state.is_inside_message() && !self.budget.is_used_up()
    }

    /// Sends the queued requests, as far as the server allows.
    fn send_queued(&mut self, cx: &mut Context<'_>) {
        if self.budget.is_used_up() {
            // There is more to read first; the task is woken already.
            return;
        }
        let Some(sender) = &mut self.sender else { return };
        loop {
            match sender.poll_ready(cx) {
                // The server's limit on concurrent streams is reached: the rest stays queued.
                Poll::Pending => return,
                Poll::Ready(Err(_)) => return self.shared.refuse_queued(),
                Poll::Ready(Ok(())) => {}
            }
            let Some((request, buffer)) = self.shared.next() else { return };
            // The caller is gone: never sent, so that the server does no work for it.
            if buffer.is_abandoned() {
                self.shared.is_over(self.timer.now());
                continue;
            }
            match send(sender, request) {
                Ok(response) => {
                    let stage = Stage::Head(response, 0);
                    self.open.push(Open { buffer, since: self.news, stage });
                }
                Err(error) => {
                    self.shared.is_over(self.timer.now());
                    buffer.end(Err(classify::unsent(error)));
                }
            }
        }
    }

    /// Takes the frames that have arrived for each exchange; true if there were any.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_news = false;
        let (shared, news, max_head) = (&self.shared, self.news, self.max_head);
        let timer = &self.timer;
        self.open.retain_mut(|open| {
            if open.buffer.is_abandoned() {
                // The connection has been silent since this request was sent; assume it is dead and
                // retire it.
                if open.since == news && matches!(open.stage, Stage::Head(..)) {
                    shared.retire();
                }
                shared.is_over(timer.now());
                return false;
            }
            let found = open.look(shared, max_head, cx);
            has_news |= found != Found::Nothing;
            if found == Found::End {
                shared.is_over(timer.now());
            }
            found != Found::End
        });
        self.news += u64::from(has_news);
        has_news
    }

    /// Returns whether it has been idle too long, or nothing can arrive any more.
    fn is_finished(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.open.is_empty() {
            self.idle = None;
            return false;
        }
        // Retired, for example by a GOAWAY: no exchange will begin on it.
        if !self.shared.is_accepting() {
            return self.shared.retire_idle();
        }
        let Some(timeout) = self.idle_timeout else { return false };
        let timer = &self.timer;
        let Some(until) = timer.now().checked_add(timeout) else { return false };
        // Armed when the last exchange ends, and dropped when the next begins.
        let idle = self.idle.get_or_insert_with(|| timer.sleep_until(until));
        idle.as_mut().poll(cx).is_ready() && self.shared.retire_idle()
    }

    /// Ends all remaining exchanges.
    fn end(&mut self, why: &'static str) {
        self.shared.refuse_queued();
        for open in self.open.drain(..) {
            let error = classify::abandoned(why, matches!(open.stage, Stage::Body(_)));
            open.buffer.end(Err(Failure::final_with(error)));
            self.shared.is_over(self.timer.now());
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // Step 1. `h2` sees the waker of this task alone: callers wait at their buffers.
        this.shared.driver().register(cx.waker());
        this.budget.renew();
        // Steps 2 and 3.
        let mut is_closed = this.catch_up(cx);
        if !is_closed {
            this.send_queued(cx);
            is_closed = Pin::new(&mut this.connection).poll(cx).is_ready();
        }
        // Step 4.
        let has_news = this.receive(cx);
        if is_closed {
            this.end("its connection ended");
            return Poll::Ready(());
        }
        // Step 5.
        let is_busy = !this.open.is_empty();
        if this.keep_alive.poll(cx, &*this.timer, is_busy, has_news).is_err() {
            this.end("a ping was not acknowledged");
            return Poll::Ready(());
        }
        if this.is_finished(cx) {
            // Sends GOAWAY, if that is possible without waiting.
            this.sender = None;
            let _ = Pin::new(&mut this.connection).poll(cx);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Passes a request to `h2`, which queues its frames until the next poll of the connection.
fn send(
    sender: &mut SendRequest<Bytes>,
    request: http::Request<Bytes>,
) -> Result<ResponseFuture, h2::Error> {
    let (head, body) = request.into_parts();
    let head = http::Request::from_parts(head, ());
    let (response, mut stream) = sender.send_request(head, body.is_empty())?;
    if !body.is_empty() {
        // The bytes are not copied: `h2` shares them, and sends them as the window allows.
        stream.send_data(body, true)?;
    }
    Ok(response)
}

/// A task is dropped unfinished when
/// The runtime shuts down.
impl Drop for Driver {
    fn drop(&mut self) {
        self.end("its runtime has shut down");
    }
}

impl Open {
    fn look(&mut self, shared: &Connection, max_head: usize, cx: &mut Context<'_>) -> Found {
        match &mut self.stage {
            Stage::Head(response, interim) => {
                let before = *interim;
                while let Poll::Ready(Some(Ok(head))) = response.poll_informational(cx) {
                    *interim += size(head.headers());
                }
                let found = if *interim > before { Found::News } else { Found::Nothing };
                if *interim > max_head {
                    return self.is_too_large();
                }
                match Pin::new(response).poll(cx) {
                    Poll::Pending => found,
                    Poll::Ready(response) => self.head(response, shared, max_head, cx),
                }
            }
            Stage::Body(stream) => receive_body(&self.buffer, stream, cx),
        }
    }

    fn head(
        &mut self,
        response: Result<http::Response<RecvStream>, h2::Error>,
        shared: &Connection,
        max_head: usize,
        cx: &mut Context<'_>,
    ) -> Found {
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                let failure = classify::head(error);
                if failure.resend != Resend::Never {
                    shared.retire();
                }
                self.buffer.end(Err(failure));
                return Found::End;
            }
        };
        let (head, mut stream) = response.into_parts();
        if head.headers.len() > MAX_HEADERS || size(&head.headers) > max_head {
            return self.is_too_large();
        }
        self.buffer.head(head);
        if receive_body(&self.buffer, &mut stream, cx) == Found::End {
            return Found::End;
        }
        self.stage = Stage::Body(stream);
        Found::News
    }

    fn is_too_large(&self) -> Found {
        let error = classify::head_too_large();
        self.buffer.end(Err(Failure::final_with(error)));
        Found::End
    }
}

/// The size of a head: each line, its status too, counts for its bytes and 32 more (RFC 9113,
/// section 6.5.2).
fn size(headers: &http::HeaderMap) -> usize {
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32);
    ":status".len() + 3 + 32 + lines.sum::<usize>()
}

fn receive_body(buffer: &ResponseBuffer, stream: &mut RecvStream, cx: &mut Context<'_>) -> Found {
    let mut found = Found::Nothing;
    loop {
        match stream.poll_data(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                buffer.append(&bytes);
                found = Found::News;
            }
            Poll::Ready(Some(Err(error))) => {
                let error = classify::body(error);
                buffer.end(Err(Failure::final_with(error)));
                return Found::End;
            }
            Poll::Ready(None) => {
                buffer.end(Ok(()));
                return Found::End;
            }
            Poll::Pending => break,
        }
    }
    let read = buffer.take_read();
    if read > 0 {
        // It fails only for more than was received.
        let _ = stream.flow_control().release_capacity(read);
    }
    found
}

#[cfg(test)]
mod tests;
