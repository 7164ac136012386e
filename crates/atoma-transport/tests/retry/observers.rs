//! The events of a call: their times, its identity, and the body under observation.

use super::*;
use atoma_transport::{AttemptEnded, CallEnded, CallId, CallOptions, Observer, ResponseHead};
use http_body::{Frame, SizeHint};

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

/// Keeps the identity of each call that ended.
#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Vec<CallId>>>);

impl Observer for Ended {
    fn call_ended(&self, event: &CallEnded<'_>) {
        self.0.lock().unwrap().push(event.call);
    }
}

#[test]
fn a_call_has_the_identity_of_its_options_in_its_events() {
    let (timer, ended) = (ManualTimer::new(), Ended::default());
    let server = ScriptedTransport::new((0..2).map(|_| Exchange::respond(200)));
    let client = retry(&server, &timer).observer(ended.clone());
    let id = CallId::next();
    for options in [CallOptions::default().call_id(id), CallOptions::default()] {
        drop(timer.run(client.send_from(Arc::new(request()), options)).unwrap());
    }
    let ended = ended.0.lock().unwrap();
    assert_eq!((ended.len(), ended[0]), (2, id));
    assert_ne!(ended[1], id, "a new one");
}

/// A body of five bytes.
struct Sized(Option<&'static str>);

impl http_body::Body for Sized {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        Poll::Ready(self.0.take().map(|text| Ok(Frame::data(Bytes::from(text)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.map_or(0, |text| text.len() as u64))
    }
}

#[test]
fn an_observed_body_has_the_size_and_the_end_of_the_one_below() {
    let timer = ManualTimer::new();
    let server = transport_fn(|_| {
        std::future::ready(Ok(http::Response::new(Body::streamed(Sized(Some("hello"))))))
    });
    let client = Retry::new(server, timer.clone()).observer(Ended::default());
    let mut response = timer.run(client.send(request())).unwrap();
    let state = |body: &Body| (body.size_hint().exact(), body.is_end_stream());
    assert_eq!(state(response.body()), (Some(5), false));
    assert_eq!(timer.run(text(response.body_mut())).unwrap(), "hello");
    assert_eq!(state(response.body()), (Some(0), true));
}
