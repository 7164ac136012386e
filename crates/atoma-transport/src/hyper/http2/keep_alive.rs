//! Checks whether the server is still there.

use crate::{Sleep, Timer};
use h2::{Ping, PingPong};
use std::{
    task::Context,
    time::{Duration, Instant},
};

/// The silence after which the server is pinged.
const INTERVAL: Duration = Duration::from_secs(20);

/// The time it has to respond, or to send anything else.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pings a server that is silent while exchanges are in progress, never an idle one.
pub(super) struct KeepAlive {
    pings: Option<PingPong>,
    watch: Option<Watch>,
}

struct Watch {
    heard: Instant,
    is_asked: bool,
    sleep: Sleep,
}

/// The server sent nothing for [`INTERVAL`] and [`TIMEOUT`] together.
pub(super) struct Silent;

impl KeepAlive {
    pub(super) fn new(pings: Option<PingPong>) -> Self {
        Self { pings, watch: None }
    }

    /// Reads the clock; `has_news` says whether something has arrived.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        timer: &dyn Timer,
        is_busy: bool,
        has_news: bool,
    ) -> Result<(), Silent> {
        let Some(pings) = &mut self.pings else { return Ok(()) };
        let has_pong = match &self.watch {
            Some(watch) if watch.is_asked => pings.poll_pong(cx).is_ready(),
            _ => false,
        };
        if !is_busy {
            // A ping in flight is waited for when there are exchanges again.
            self.watch = None;
            return Ok(());
        }
        let now = timer.now();
        let watch = self.watch.get_or_insert_with(|| Watch::new(timer, now));
        if has_news || has_pong {
            watch.heard = now;
        }
        watch.is_asked &= !has_pong;
        // Twice at most: a timer that cannot wait must not keep the driver here.
        for _ in 0..2 {
            if watch.sleep.as_mut().poll(cx).is_pending() {
                break;
            }
            let silence = now.saturating_duration_since(watch.heard);
            let allowed = if watch.is_asked { INTERVAL + TIMEOUT } else { INTERVAL };
            if silence < allowed {
                watch.sleep = timer.sleep_until(watch.heard + allowed);
                continue;
            }
            if watch.is_asked {
                return Err(Silent);
            }
            // An acknowledgment that arrived between two exchanges would keep this ping from being sent.
            let _ = pings.poll_pong(cx).is_ready();
            // It fails while another ping is in flight, which serves as well.
            let _ = pings.send_ping(Ping::opaque());
            watch.is_asked = true;
            watch.sleep = timer.sleep_until(now + TIMEOUT);
        }
        Ok(())
    }
}

impl Watch {
    fn new(timer: &dyn Timer, now: Instant) -> Self {
        Self { heard: now, is_asked: false, sleep: timer.sleep_until(now + INTERVAL) }
    }
}

#[cfg(test)]
#[cfg(feature = "test-util")]
mod tests {
    use super::*;
    use crate::testing::ManualTimer;
    use bytes::Bytes;
    use std::{future::Future, pin::Pin, task::Waker};
    use tokio::io::DuplexStream;

    /// A client whose keep-alive is polled by hand, and its server.
    struct Pair {
        keep_alive: KeepAlive,
        client: h2::client::Connection<DuplexStream>,
        server: h2::server::Connection<DuplexStream, Bytes>,
        timer: ManualTimer,
        /// `h2` ends a connection to which nobody can add a stream.
        _sender: h2::client::SendRequest<Bytes>,
    }

    impl Pair {
        async fn new() -> Self {
            let (here, there) = tokio::io::duplex(1 << 16);
            let (client, server) =
                tokio::join!(h2::client::handshake(here), h2::server::handshake(there));
            let (_sender, mut client) = client.unwrap();
            let keep_alive = KeepAlive::new(client.ping_pong());
            let (server, timer) = (server.unwrap(), ManualTimer::new());
            Self { keep_alive, client, server, timer, _sender }
        }

        /// Polls at `second`, and returns the state afterwards. `signs`: b for an exchange in progress,
        /// n for news, a for a server that acknowledges pings after the poll.
        fn at(&mut self, second: f64, signs: &str) -> &'static str {
            self.timer.advance(Duration::from_secs_f64(second) - self.timer.elapsed());
            let cx = &mut Context::from_waker(Waker::noop());
            let (is_busy, has_news) = (signs.contains('b'), signs.contains('n'));
            let polled = self.keep_alive.poll(cx, &self.timer, is_busy, has_news);
            // Woken by the clock while there is something to wait for, and not before.
            assert_eq!(self.timer.waiters() > 0, is_busy && polled.is_ok(), "{second}");
            for _ in 0..2 {
                assert!(Pin::new(&mut self.client).poll(cx).is_pending());
                if signs.contains('a') {
                    assert!(self.server.poll_closed(cx).is_pending());
                }
            }
            match (&self.keep_alive.watch, polled) {
                (_, Err(Silent)) => "silent",
                (None, Ok(())) => "idle",
                (Some(watch), Ok(())) if watch.is_asked => "asked",
                (Some(_), Ok(())) => "watched",
            }
        }
    }

    /// The second, the signs, and the state.
    type Step = (f64, &'static str, &'static str);

    #[tokio::test]
    async fn a_server_is_pinged_after_20_s_and_given_up_10_s_later() {
        let table: [(&str, &[Step]); 6] = [
            ("idle", &[(0.0, "", "idle"), (100.0, "", "idle"), (200.0, "", "idle")]),
            (
                "silent",
                &[
                    (0.0, "b", "watched"),
                    (19.9, "b", "watched"),
                    (20.0, "b", "asked"),
                    (29.9, "b", "asked"),
                    (30.0, "b", "silent"),
                ],
            ),
            (
                "silent, but it acknowledges pings",
                &[
                    (0.0, "ba", "watched"),
                    (20.0, "ba", "asked"),
                    (21.0, "ba", "watched"),
                    (30.0, "ba", "watched"),
                    (40.9, "ba", "watched"),
                    (41.0, "ba", "asked"),
                    (42.0, "b", "watched"),
                    (51.0, "b", "watched"),
                    (62.0, "b", "asked"),
                    (72.0, "b", "silent"),
                ],
            ),
            (
                "news before the ping",
                &[
                    (0.0, "b", "watched"),
                    (15.0, "bn", "watched"),
                    (20.0, "b", "watched"),
                    (34.9, "b", "watched"),
                    (35.0, "b", "asked"),
                    (45.0, "b", "silent"),
                ],
            ),
            (
                "news after the ping",
                &[
                    (0.0, "b", "watched"),
                    (20.0, "b", "asked"),
                    (25.0, "bn", "asked"),
                    (30.0, "b", "asked"),
                    (54.9, "b", "asked"),
                    (55.0, "b", "silent"),
                ],
            ),
            (
                "a ping that is acknowledged between two exchanges",
                &[
                    (0.0, "b", "watched"),
                    (20.0, "b", "asked"),
                    (21.0, "", "idle"),
                    (22.0, "a", "idle"),
                    (30.0, "ba", "watched"),
                    (50.0, "ba", "asked"),
                    (51.0, "ba", "watched"),
                    (60.0, "ba", "watched"),
                ],
            ),
        ];
        for (name, steps) in table {
            let mut pair = Pair::new().await;
            for (second, signs, state) in steps {
                assert_eq!(pair.at(*second, signs), *state, "{name}: {second}");
            }
        }
    }
}
