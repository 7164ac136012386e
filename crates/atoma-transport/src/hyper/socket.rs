//! TCP: opening a connection, and the socket under every stream.
//!
//! A host with several addresses is connected to as RFC 8305 ("happy eyeballs") describes:
//!
//! ```text
//! 0 ms      [2001:db8::1]  ── no reply ────────────────────────────►  dropped
//! 300 ms    192.0.2.1          ── connected ─► used
//! 600 ms    [2001:db8::2]                      not started
//! ```
//!
//! A failure starts the next address immediately; only silence costs the 300 ms.

use super::{delegate::delegate_write, read_state::ReadState};
use crate::Timer;
use socket2::{SockRef, TcpKeepalive};
use std::{
    fmt,
    future::{Future, poll_fn},
    io::{self, Read},
    mem::MaybeUninit,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// After this long without a connection, the next address is tried as well. RFC 8305, section 8,
/// recommends 250 ms and allows up to 2 s.
const ATTEMPT_DELAY: Duration = Duration::from_millis(300);

/// Connects to the first of `addresses` that responds.
pub(super) async fn connect(
    addresses: Vec<SocketAddr>,
    keepalive: Option<Duration>,
    timer: &dyn Timer,
) -> io::Result<Socket> {
    let stream = connect_first(addresses, timer, TcpStream::connect).await?;
    // The only option that is set unless the caller asks for more: each one is a system call.
    stream.set_nodelay(true)?;
    if let Some(idle) = keepalive {
        SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    Ok(Socket { stream, read_state: ReadState::default() })
}

/// Connects to the first of `addresses` that responds, by `dial`.
///
/// They are tried in order, IPv6 and IPv4 in turn. The next one starts when the last one started
/// has failed, or has not connected for [`ATTEMPT_DELAY`]; so an address that drops all packets
/// delays the others, but does not use up the time. The error is the last one.
pub(super) async fn connect_first<T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    timer: &dyn Timer,
    dial: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    let mut waiting = interleaved(addresses).into_iter();
    let mut pending = Vec::new();
    let mut delay = None;
    let mut last_error = None;
    poll_fn(|cx| {
        loop {
            if pending.is_empty() || delay.is_none() {
                match waiting.next() {
                    Some(address) => {
                        pending.push(Box::pin(dial(address)));
                        let next = timer.now().checked_add(ATTEMPT_DELAY);
                        let next = next.filter(|_| waiting.len() > 0);
                        delay = next.map(|next| timer.sleep_until(next));
                    }
                    None if pending.is_empty() => {
                        let error = last_error.take();
                        let none = || io::Error::from(io::ErrorKind::AddrNotAvailable);
                        return Poll::Ready(Err(error.unwrap_or_else(none)));
                    }
                    None => {}
                }
            }
            // All of them are polled, also after one has connected: a socket that is polled no more is dropped with the list.
            let mut connected = None;
            pending.retain_mut(|connecting| match poll_connect(connecting.as_mut(), cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    connected.get_or_insert(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    last_error = Some(error);
                    // No attempt is in progress: the next address starts now.
                    delay = None;
                    false
                }
            });
            if let Some(stream) = connected {
                return Poll::Ready(Ok(stream));
            }
            if let Some(sleep) = &mut delay {
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                delay = None;
            }
            // Nothing is left to start: wait for those that are pending.
            if waiting.len() == 0 && !pending.is_empty() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// The addresses of both families in turn, beginning with that of the first one.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_first_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return all;
        }
        all.extend(pair.into_iter().flatten());
    }
}

/// Polls a connection attempt. Tokio panics in a runtime without an I/O driver, and offers no way
/// to ask; that becomes an error (unless the program is built with `panic = "abort"`).
fn poll_connect<T>(
    connecting: Pin<&mut impl Future<Output = io::Result<T>>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    catch_unwind(AssertUnwindSafe(|| connecting.poll(cx)))
        .unwrap_or_else(|_| Poll::Ready(Err(io::Error::other(NoIoDriver))))
}

/// The runtime cannot do I/O.
#[derive(Debug)]
pub(super) struct NoIoDriver;

impl fmt::Display for NoIoDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Tokio runtime has no I/O driver: build it with enable_io or enable_all")
    }
}

impl std::error::Error for NoIoDriver {}

/// A TCP connection that can be read without relying on Tokio's readiness.
pub(super) struct Socket {
    /// Waits through Tokio.
    stream: TcpStream,
    /// Asked on each read that would wait.
    read_state: ReadState,
}

impl Socket {
    /// The state that the layers above share with this socket.
    pub(super) fn read_state(&self) -> ReadState {
        self.read_state.clone()
    }

    /// Reads the bytes that the operating system has received, without waiting.
    fn read_directly(&self, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = SockRef::from(&self.stream);
        // Almost always there is nothing. Peeking costs less than preparing the buffer.
        match socket.peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
            Ok(0) => return Poll::Ready(Ok(())),
            Ok(_) => {}
        }
        match (&*socket).read(buf.initialize_unfilled()) {
            Ok(count) => {
                buf.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Tokio first: its readiness is exact when it reports bytes, and its waker is registered when it does not.
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending if self.read_state.is_direct() => self.read_directly(buf),
            polled => polled,
        }
    }
}

impl AsyncWrite for Socket {
    delegate_write!(stream);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[tokio::test]
    async fn no_socket_option_ends_an_exchange_before_its_timeouts() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = || vec![listener.local_addr().unwrap()];
        let default = connect(to(), None, &crate::TokioTimer).await.unwrap();
        assert!(!SockRef::from(&default.stream).keepalive().unwrap());
        assert!(default.stream.nodelay().unwrap());
        let probed =
            connect(to(), Some(Duration::from_secs(60)), &crate::TokioTimer).await.unwrap();
        assert!(SockRef::from(&probed.stream).keepalive().unwrap());
    }

    #[test]
    fn families_take_turns() {
        let four = |last| SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 1));
        let six = |last| SocketAddr::from((Ipv6Addr::new(1, 0, 0, 0, 0, 0, 0, last), 1));
        for (addresses, order) in [
            (vec![], vec![]),
            (vec![four(1), four(2)], vec![four(1), four(2)]),
            (vec![six(1), six(2), four(1)], vec![six(1), four(1), six(2)]),
            (vec![four(1), six(1), six(2)], vec![four(1), six(1), six(2)]),
        ] {
            assert_eq!(interleaved(addresses), order);
        }
    }

    #[cfg(feature = "test-util")]
    #[test]
    fn the_next_address_starts_after_a_failure_or_300_ms_of_silence() {
        use crate::testing::ManualTimer;
        use std::cell::RefCell;
        const NEVER: i64 = 1_000_000;
        // (name, milliseconds until each address connects, or fails if negative; the outcome, the
        // addresses that were started, at which time it came, and the number of sleeps)
        type Row = (&'static str, &'static [i64], Option<u16>, u16, u64, u64);
        let table: [Row; 9] = [
            ("none", &[], None, 0, 0, 0),
            ("one that is slow", &[1000], Some(1), 1, 1000, 1),
            ("one that fails", &[-1000], None, 1, 1000, 1),
            ("the first", &[299, 1], Some(1), 1, 299, 2),
            ("the second, after silence", &[NEVER, 50], Some(2), 2, 350, 3),
            ("the first, although the second began", &[320, 50], Some(1), 2, 320, 3),
            ("the second, after a failure", &[-10, 50], Some(2), 2, 60, 3),
            ("the third, after both", &[NEVER, -10, 50], Some(3), 3, 360, 5),
            ("none of three", &[-10, -20, -30], None, 3, 60, 5),
        ];
        for (name, outcomes, winner, started, at, sleeps) in table {
            let (timer, dialed) = (ManualTimer::new(), RefCell::new(Vec::new()));
            let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let addresses = (1..=outcomes.len()).map(|port| address(port as u16)).collect();
            let dial = |address: SocketAddr| {
                dialed.borrow_mut().push(address.port());
                let outcome = outcomes[usize::from(address.port()) - 1];
                let wait = Duration::from_millis(outcome.unsigned_abs());
                let sleep = timer.sleep_until(timer.now() + wait);
                async move {
                    sleep.await;
                    let error = || io::Error::other(address.port().to_string());
                    if outcome < 0 { Err(error()) } else { Ok(address.port()) }
                }
            };
            let connected = timer.run(connect_first(addresses, &timer, dial));
            let error = connected.as_ref().err().map(io::Error::to_string);
            assert_eq!(connected.as_ref().ok(), winner.as_ref(), "{name}");
            assert_eq!(*dialed.borrow(), (1..=started).collect::<Vec<_>>(), "{name}");
            assert_eq!(timer.elapsed(), Duration::from_millis(at), "{name}");
            assert_eq!((timer.sleeps(), timer.waiters()), (sleeps, 0), "{name}");
            if winner.is_none() && started > 0 {
                assert_eq!(error, Some(started.to_string()), "{name}: the last error");
            }
        }
    }
}
