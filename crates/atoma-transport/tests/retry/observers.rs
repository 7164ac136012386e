//! The times in the events of a call.

use super::*;
use atoma_transport::{AttemptEnded, CallEnded, Observer, ResponseHead};

/// Keeps the times of the events, with their names.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<(&'static str, Duration)>>>);

impl Times {
    fn add(&self, name: &'static str, elapsed: Duration) {
        self.0.lock().unwrap().push((name, elapsed));
    }
}

impl Observer for Times {
    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        self.add("attempt", event.elapsed);
    }

    fn response_head(&self, event: &ResponseHead<'_>) {
        self.add("head", event.elapsed);
    }

    fn call_ended(&self, event: &CallEnded<'_>) {
        self.add("call", event.elapsed);
    }
}

#[test]
fn an_event_has_the_time_of_its_attempt_or_of_the_whole_call() {
    let timer = ManualTimer::new();
    let server = ScriptedTransport::new([
        Exchange::respond(503).head_after(SECOND).header("retry-after-ms", "7000"),
        Exchange::respond(200).head_after(2 * SECOND).pause(3 * SECOND).body("hello"),
    ])
    .timer(timer.clone());
    let times = Times::default();
    let client = retry(&server, &timer).observer(times.clone());
    let head_at = timer.run(async {
        let mut response = client.send(request()).await.unwrap();
        let head_at = timer.elapsed();
        assert_eq!(text(response.body_mut()).await.unwrap(), "hello");
        head_at
    });
    assert!(head_at >= 10 * SECOND, "{head_at:?}");
    let expected = [
        ("attempt", SECOND),
        ("attempt", 2 * SECOND),
        ("head", head_at),
        ("call", head_at + 3 * SECOND),
    ];
    assert_eq!(*times.0.lock().unwrap(), expected);
}
