//! The lifetime of a connection: idle timeouts, the server's announcement, its age.

use crate::support::{OK, Server, builder, get, read, within};
use atoma_transport::{Sleep, Timer, Transport};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A clock that moves only when a test moves it.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Mutex<Instant>>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Timer for Clock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn sleep_until(&self, _: Instant) -> Sleep {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_connection_idles_only_so_long() {
    let server = Server::responding(OK).await;
    let clock = Clock::new();
    let transport = builder().timer(clock.clone()).build().unwrap();
    for (wait, accepted) in [(0, 1), (44, 1), (44, 1), (45, 2), (1, 2)] {
        clock.advance(Duration::from_secs(wait));
        let response = within(transport.send(get(server.url("/")))).await.unwrap();
        read(response.into_body()).await.unwrap();
        assert_eq!(server.accepted(), accepted, "after {wait} s more");
    }
}

#[tokio::test]
async fn a_keep_alive_timeout_is_heeded_less_a_margin() {
    let length = "content-length: 2\r\n\r\nok";
    let chunked = "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for (announced, waits) in [
        ("Keep-Alive: timeout=5", &[(0, 1), (3_999, 1), (3_999, 1), (4_000, 2)][..]),
        ("keep-alive: timeout=20, max=1000", &[(0, 1), (18_999, 1), (19_000, 2)]),
        ("keep-alive: timeout=1", &[(0, 1), (499, 1), (500, 2)]),
        ("keep-alive: timeout=0", &[(0, 1), (0, 2)]),
        ("keep-alive: timeout=100", &[(0, 1), (44_999, 1), (45_000, 2)]),
        ("keep-alive: max=0", &[(0, 1), (0, 2)]),
        ("x-other: timeout=1", &[(0, 1), (44_999, 1)]),
    ] {
        for body in [length, chunked] {
            let server = Server::responding(format!("HTTP/1.1 200 OK\r\n{announced}\r\n{body}"));
            let server = server.await;
            let clock = Clock::new();
            let transport = builder().timer(clock.clone()).build().unwrap();
            for (wait, accepted) in waits {
                clock.advance(Duration::from_millis(*wait));
                let response = within(transport.send(get(server.url("/")))).await.unwrap();
                assert_eq!(within(read(response.into_body())).await.unwrap(), "ok");
                assert_eq!(server.accepted(), *accepted, "{announced} after {wait} ms more");
            }
        }
    }
}

#[tokio::test]
async fn a_busy_connection_becomes_only_so_old() {
    let server = Server::responding(OK).await;
    let clock = Clock::new();
    let minute = Duration::from_secs(60);
    let default = builder().timer(clock.clone()).pool_idle_timeout(2 * minute);
    let short = builder().timer(clock.clone()).max_connection_age(minute);
    let endless = builder().timer(clock.clone()).pool_idle_timeout(None).max_connection_age(None);
    let mut before = 0;
    for (builder, connections) in
        [(default, 2), (short.pool_idle_timeout(2 * minute), 6), (endless, 1)]
    {
        let transport = builder.build().unwrap();
        for _ in 0..6 {
            read(transport.send(get(server.url("/"))).await.unwrap().into_body()).await.unwrap();
            clock.advance(minute);
        }
        assert_eq!(server.accepted() - before, connections);
        before = server.accepted();
    }
}

#[tokio::test]
async fn a_connection_to_one_server_is_closed_in_time_by_exchanges_with_another() {
    let (left, used) = (Server::responding(OK).await, Server::responding(OK).await);
    let clock = Clock::new();
    let transport = builder().timer(clock.clone()).build().unwrap();
    read(transport.send(get(left.url("/"))).await.unwrap().into_body()).await.unwrap();
    for _ in 0..3 {
        clock.advance(Duration::from_secs(30));
        read(transport.send(get(used.url("/"))).await.unwrap().into_body()).await.unwrap();
    }
    within(left.until_closed(1)).await;
    assert_eq!(used.accepted(), 1);
}
