// The first byte decides how the call is made and how the server closes; the rest is the server's
// output: head, body and all. The call ends, in a response or an error; a stream is reported as
// complete only if the server marked it so; and a stream that has ended stays ended.

use super::{SECRET, check_error, client, request, with_secret};
use atoma::{ChatCompletionStream, Client, Error};
use atoma_transport::{HyperTransport, Proxy, testing::ManualTimer};
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    runtime::Runtime,
    task::yield_now,
};

const STREAMS: u8 = 1;
const STALLS: u8 = 2;
const RESETS: u8 = 4;
const IN_PIECES: u8 = 8;

/// State that all inputs share, for speed.
struct Lab {
    runtime: Runtime,
    listener: TcpListener,
    clock: ManualTimer,
    client: Client,
}

thread_local! {
    static LAB: RefCell<Option<Lab>> = const { RefCell::new(None) };
}

pub(crate) fn check(input: &[u8]) {
    let Some((&mode, response)) = input.split_first() else { return };
    let response = with_secret(response);
    LAB.with_borrow_mut(|lab| {
        let lab = lab.get_or_insert_with(Lab::new);
        lab.runtime.block_on(lab.exchange(mode, &response));
    });
}

impl Lab {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let clock = ManualTimer::new();
        let transport = HyperTransport::builder().proxy(Proxy::none()).timer(clock.clone());
        // Each exchange has a separate connection.
        let transport = transport.pool_max_idle(0).build().expect("a transport");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let client = client().server_url(url).transport(transport).timer(clock.clone());
        let client = client.build().expect("the client is well configured");
        Self { runtime, listener, clock, client }
    }

    async fn exchange(&self, mode: u8, response: &[u8]) {
        let is_sent = AtomicBool::new(false);
        let call = async {
            match mode & STREAMS {
                0 => unary(&self.client).await,
                _ => stream(&self.client, response).await,
            }
        };
        let (mut call, mut serving) = (pin!(call), pin!(self.serve(mode, response, &is_sent)));
        let (mut turns, mut is_over, mut is_served) = (0, false, false);
        while !is_over {
            poll_fn(|cx| {
                is_over = call.as_mut().poll(cx).is_ready();
                is_served = is_served || serving.as_mut().poll(cx).is_ready();
                Poll::Ready(())
            })
            .await;
            yield_now().await;
            turns += 1;
            // Everything has been sent; the rest only takes time.
            if is_sent.load(Ordering::Relaxed) && turns % 16 == 0 {
                self.clock.advance_to_next();
            }
            assert!(turns < 1_000_000, "it hangs");
        }
        assert_eq!(self.clock.waiters(), 0, "a sleep is left behind");
    }

    /// Sends `response`, closes as `mode` says, and waits for nothing else.
    async fn serve(&self, mode: u8, response: &[u8], is_sent: &AtomicBool) {
        let (mut peer, _) = self.listener.accept().await.expect("a connection");
        // A port is free again immediately when its connection is reset.
        peer.set_zero_linger().expect("SO_LINGER");
        let mut request = [0; 4096];
        let _ = peer.read(&mut request).await;
        let piece = if mode & IN_PIECES == 0 { usize::MAX } else { 7 };
        for piece in response.chunks(piece) {
            if peer.write_all(piece).await.is_err() {
                break;
            }
            yield_now().await;
        }
        if mode & (STALLS | RESETS) == 0 {
            let _ = peer.shutdown().await;
        }
        is_sent.store(true, Ordering::Relaxed);
        if mode & RESETS == 0 {
            while peer.read(&mut request).await.is_ok_and(|count| count > 0) {}
        }
    }
}

async fn unary(client: &Client) {
    match client.chat().create(request()).await {
        Ok(reply) => {
            let _ = (reply.text().len(), reply.request_id().map(str::len));
            assert!(!format!("{:?}", reply.attempts()).contains(SECRET));
        }
        Err(error) => check_failure(&error),
    }
}

async fn stream(client: &Client, response: &[u8]) {
    let mut stream = match client.chat().stream(request()).await {
        Ok(stream) => stream,
        Err(error) => return check_failure(&error),
    };
    let mut is_finished = false;
    let mut text = String::new();
    loop {
        match stream.try_next().await {
            Ok(Some(chunk)) => {
                is_finished |= chunk.choices.iter().any(|choice| choice.finish_reason.is_some());
                text += &chunk.text();
            }
            Ok(None) => {
                assert!(is_finished || says_done(response), "a false success");
                return ends_the_same(&mut stream, None).await;
            }
            Err(error) => {
                assert!(
                    error.partial().is_some() || text.is_empty(),
                    "the partial response is lost"
                );
                check_failure(&error);
                return ends_the_same(&mut stream, Some(error)).await;
            }
        }
    }
}

async fn ends_the_same(stream: &mut ChatCompletionStream, first: Option<Error>) {
    let first = first.map(|error| error.to_string());
    for _ in 0..3 {
        let again = stream.try_next().await;
        assert!(!matches!(again, Ok(Some(_))), "it continues after its end");
        assert_eq!(again.err().map(|error| error.to_string()), first);
    }
}

fn check_failure(error: &Error) {
    assert!(error.attempts().count == 1, "{error:?}");
    check_error(error);
}

/// Returns whether the letters of `[DONE]` are there, in this order: the framing of HTTP chunks may
/// separate them. Bodies that certainly are not event streams are left out: one JSON response in
/// place of a stream is as complete as its JSON.
fn says_done(response: &[u8]) -> bool {
    has_in_order(response, b"[done]") || !begins_with_an_event(response)
}

/// Returns whether the body begins with an event, judged by its plain bytes: there is exactly one
/// head before it, and the body does not begin like JSON.
fn begins_with_an_event(response: &[u8]) -> bool {
    let find = |part: &[u8]| response.windows(part.len()).position(|window| window == part);
    let Some(data) = find(b"\ndata:") else { return false };
    let before = String::from_utf8_lossy(&response[..data + 1]);
    let is_in_the_body = before.contains("\r\n\r\n") || before.contains("\n\n");
    is_in_the_body && !before.contains(['{', '[']) && before.matches("HTTP/").count() == 1
}

fn has_in_order(response: &[u8], letters: &[u8]) -> bool {
    let mut left = letters.iter().peekable();
    for byte in response {
        if left.peek().is_some_and(|letter| byte.eq_ignore_ascii_case(letter)) {
            left.next();
        }
    }
    left.peek().is_none()
}
