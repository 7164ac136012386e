//! The law of a timed body, over arbitrary silences: it ends exactly when the timeouts say so.

use atoma_transport::{
    Phase, Request, Timeout, Timeouts, Transport,
    testing::{Exchange, ManualTimer, ScriptedTransport},
};
use http_body::Body as _;
use proptest::{collection::vec, option, prelude::*};
use std::{future::poll_fn, pin::Pin, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// The number of pieces that arrive, the phase that ends the body, and the time of that.
fn by_stop_watch(
    silences: &[u32],
    idle: Option<u32>,
    total: Option<u32>,
) -> (usize, Option<Phase>, u32) {
    let mut now = 0;
    for (pieces, silence) in silences.iter().enumerate() {
        let idle_end = idle.map_or(u32::MAX, |idle| now + idle);
        let total_end = total.unwrap_or(u32::MAX);
        let end = idle_end.min(total_end);
        // A piece at the very instant of the end is in time, as is one without silence.
        if *silence > 0 && now + silence > end {
            let phase = if end == total_end { Phase::Total } else { Phase::Idle };
            return (pieces, Some(phase), now.max(end));
        }
        now += silence;
    }
    (silences.len(), None, now)
}

proptest! {
    #[test]
    fn a_body_ends_when_a_stopwatch_does(
        silences in vec(0..12u32, 0..40),
        idle in option::of(1..15u32),
        total in option::of(1..150u32),
    ) {
        let timer = ManualTimer::new();
        let pieces = |exchange: Exchange, silence: &u32| match silence {
            0 => exchange.body("x"),
            _ => exchange.pause(*silence * SECOND).body("x"),
        };
        let exchange = silences.iter().fold(Exchange::respond(200), pieces);
        let server = ScriptedTransport::new([exchange]).timer(timer.clone());
        let timeouts = Timeouts::none()
            .idle(idle.map(|idle| idle * SECOND))
            .total(total.map(|total| total * SECOND));
        let transport = Timeout::new(server.clone(), timer.clone(), timeouts);
        let mut body = timer.run(transport.send(Request::default())).unwrap().into_body();

        let (mut count, mut phase) = (0, None);
        while let Some(frame) = timer.run(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))) {
            match frame {
                Ok(_) => count += 1,
                Err(error) => phase = error.timeout_phase(),
            }
        }
        let (wanted, wanted_phase, end) = by_stop_watch(&silences, idle, total);
        prop_assert_eq!((count, phase), (wanted, wanted_phase));
        prop_assert_eq!(timer.elapsed(), end * SECOND);
        prop_assert_eq!(timer.waiters(), 0);
    }
}
