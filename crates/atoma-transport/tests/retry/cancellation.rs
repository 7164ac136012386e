//! Futures dropped after each number of polls.

use super::*;

/// Row 114: a call dropped after each number of polls leaves nothing behind.
#[test]
fn a_call_dropped_at_any_poll_leaves_nothing_behind() {
    let mut polls = 0;
    loop {
        let timer = ManualTimer::new();
        let server = ScriptedTransport::new([
            Exchange::fail(refused()).head_after(SECOND),
            Exchange::respond(503).head_after(SECOND).body("b").pause(SECOND).body("usy"),
            Exchange::respond(200).head_after(SECOND).body("he").pause(SECOND).body("llo"),
        ])
        .timer(timer.clone());
        let budget = RetryBudget::default();
        let timed = Timeout::new(server.clone(), timer.clone(), Timeouts::default());
        let client = Retry::new(timed, timer.clone()).seed(7).budget(budget.clone());
        let call = async {
            let mut response = client.send(request()).await.unwrap();
            text(response.body_mut()).await.unwrap()
        };
        let done = poll_times(&timer, Box::pin(call), polls);

        assert_eq!((server.in_flight(), server.live_bodies()), (0, 0), "{polls}");
        assert_eq!(timer.waiters(), 0, "{polls}");
        let begun = server.requests().len().saturating_sub(1) as u32;
        let returned = u32::from(done.is_some());
        let tokens = budget.tokens(&request().uri().clone());
        // The retries that were sent are paid for; a success returns one token as its head arrives.
        assert!((100 - 5 * begun..=101 - 5 * begun).contains(&tokens), "{polls}: {tokens}");
        assert!(tokens >= 100 - 5 * begun + returned, "{polls}");
        if done.is_some() {
            assert_eq!((done.as_deref(), begun), (Some("hello"), 2));
            break;
        }
        polls += 1;
    }
    assert!(polls > 6, "{polls}");
}

/// Polls at most `polls` times, moving the clock in between, and then drops the future.
fn poll_times<F: Future>(timer: &ManualTimer, future: F, polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        timer.advance_to_next();
    }
    None
}
