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
            // It fails while another ping is in flight, which serves as well.
            let _ = pings.send_ping(Ping::opaque());
            let _ = pings.poll_pong(cx).is_ready();
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
