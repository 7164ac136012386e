use super::*;
use crate::{hyper::stream::Stream, testing::ManualTimer};
use tokio::{io::DuplexStream, runtime};

const SECOND: Duration = Duration::from_secs(1);

/// A pool, and the servers' ends of its connections.
struct Fixture {
    pool: Arc<Pool>,
    timer: ManualTimer,
    /// The runtime of the test, and another one.
    here: runtime::Id,
    other: runtime::Id,
}

impl Fixture {
    fn new(per_origin: usize) -> Self {
        let timer = ManualTimer::new();
        let limits = Limits { idle: Some(10 * SECOND), age: None };
        let pool = Pool::new(Arc::new(timer.clone()), per_origin, limits);
        let other = runtime::Builder::new_current_thread().build().unwrap();
        let here = runtime::Handle::current().id();
        let fixture = Self { pool, timer, here, other: other.handle().id() };
        other.shutdown_background();
        fixture
    }

    /// Puts a new connection to `url` in, of one of the runtimes; returns its server's end.
    async fn put(&self, url: &str, runtime: runtime::Id) -> DuplexStream {
        let (stream, server) = tokio::io::duplex(64);
        let stream = Stream::dialed(Box::new(stream));
        let connection = Connection::open(stream, 64 * 1024, self.timer.now()).await.unwrap();
        self.pool.put(Arc::new(origin(url, runtime)), Box::new(connection));
        server
    }

    /// The same for a connection that its server has closed.
    async fn put_closed(&self, url: &str, runtime: runtime::Id) {
        drop(self.put(url, runtime).await);
    }

    fn take(&self, url: &str, runtime: runtime::Id) -> bool {
        self.pool.take(&origin(url, runtime)).is_some()
    }

    fn len(&self) -> usize {
        self.pool.lock().connections.len()
    }
}

fn origin(url: &str, runtime: runtime::Id) -> Origin {
    let target = Target::of(&url.parse().unwrap()).unwrap();
    Origin { target, runtime, plain_http: PlainHttp::LoopbackOnly }
}

#[tokio::test]
async fn plain_http_is_restricted_unless_it_may_go_anywhere() {
    let runtime = runtime::Handle::current().id();
    for (url, plain_http, expected) in [
        ("http://a.test", PlainHttp::LoopbackOnly, true),
        ("http://a.test", PlainHttp::Anywhere, false),
        ("https://a.test", PlainHttp::LoopbackOnly, false),
        ("https://a.test", PlainHttp::Anywhere, false),
    ] {
        let origin = Origin { plain_http, ..origin(url, runtime) };
        assert_eq!(origin.is_plain_restricted(), expected, "{url} {plain_http:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_its_origin_alone() {
    let (test, url) = (Fixture::new(4), "http://a.test");
    let _server = test.put(url, test.here).await;
    let known = |url: &str, runtime, plain_http| {
        test.pool.lock().known(&url.parse().unwrap(), runtime, plain_http).is_some()
    };
    assert!(known("http://a.test/v1", test.here, PlainHttp::LoopbackOnly));
    assert!(!known("http://b.test/v1", test.here, PlainHttp::LoopbackOnly));
    assert!(!known("http://a.test/v1", test.other, PlainHttp::LoopbackOnly));
    assert!(!known("http://a.test/v1", test.here, PlainHttp::Anywhere));

    assert!(!test.take("http://b.test", test.here) && !test.take(url, test.other));
    assert!(test.take(url, test.here) && !test.take(url, test.here));
}

#[tokio::test]
async fn requests_share_the_origin_that_was_parsed_last_and_no_other() {
    let test = Fixture::new(4);
    let origin = |url: &str, runtime, plain_http| {
        test.pool.origin(&url.parse().unwrap(), runtime, plain_http).unwrap()
    };
    let first = origin("http://a.test/v1", test.here, PlainHttp::LoopbackOnly);
    assert!(Arc::ptr_eq(&first, &origin("http://a.test/v2", test.here, PlainHttp::LoopbackOnly)));
    for (url, runtime, plain_http) in [
        ("http://a.test:81/v1", test.here, PlainHttp::LoopbackOnly),
        ("https://a.test/v1", test.here, PlainHttp::LoopbackOnly),
        ("http://a.test/v1", test.other, PlainHttp::LoopbackOnly),
        ("http://a.test/v1", test.here, PlainHttp::Anywhere),
    ] {
        let other = origin(url, runtime, plain_http);
        assert!(*other != *first && other.target.is_of(&url.parse().unwrap()), "{url}");
        assert_eq!((other.runtime, other.plain_http), (runtime, plain_http), "{url}");
    }
    // Parsed again, and equal.
    assert!(*origin("http://a.test", test.here, PlainHttp::LoopbackOnly) == *first);
    assert!(test.pool.origin(&"/v1".parse().unwrap(), test.here, PlainHttp::Anywhere).is_err());
}

#[tokio::test]
async fn a_connection_is_kept_until_its_time_is_over() {
    let (test, url) = (Fixture::new(4), "http://a.test");
    let _servers = [test.put(url, test.here).await, test.put(url, test.here).await];
    test.timer.advance(10 * SECOND - Duration::from_nanos(1));
    assert!(test.take(url, test.here));
    test.timer.advance(Duration::from_nanos(1));
    assert!(!test.take(url, test.here));
    assert_eq!(test.len(), 0, "the one that was too old was dropped");
}

#[tokio::test]
async fn old_connections_are_searched_for_once_a_second() {
    let test = Fixture::new(4);
    let mut servers = Vec::new();
    // At 0 s and 9.5 s; the last search is that of 9.5 s.
    servers.push(test.put("http://a.test", test.here).await);
    servers.push(test.put("http://b.test", test.here).await);
    test.timer.advance(SECOND * 19 / 2);
    servers.push(test.put("http://c.test", test.here).await);
    for (milliseconds, expected) in [(500, 4), (499, 5), (1, 4), (8500, 5), (1000, 4)] {
        test.timer.advance(Duration::from_millis(milliseconds));
        let url = format!("http://at-{:?}.test", test.timer.elapsed().as_millis());
        servers.push(test.put(&url, test.here).await);
        assert_eq!(test.len(), expected, "{:?}", test.timer.elapsed());
    }
}

#[tokio::test]
async fn an_origin_has_a_limit_of_idle_connections_and_so_has_the_pool() {
    let test = Fixture::new(2);
    let mut servers = Vec::new();
    for expected in [1, 2, 2] {
        servers.push(test.put("http://a.test", test.here).await);
        assert_eq!(test.len(), expected);
    }
    for number in 3..=MAX_IDLE + 1 {
        servers.push(test.put(&format!("http://{number}.test"), test.here).await);
        assert_eq!(test.len(), number.min(MAX_IDLE));
    }
    assert!(test.take("http://a.test", test.here), "the second is there");
    assert!(!test.take("http://a.test", test.here), "the oldest made room");
    assert!(test.take("http://513.test", test.here));

    let none = Fixture::new(0);
    none.put_closed("http://a.test", none.here).await;
    assert_eq!(none.len(), 0);
}

#[tokio::test]
async fn dead_connections_of_other_runtimes_are_found_a_few_at_a_time() {
    let (test, url) = (Fixture::new(16), "http://a.test");
    for _ in 0..6 {
        test.put_closed(url, test.other).await;
    }
    // Those of the same runtime are not read: their own calls notice that they are closed.
    assert_eq!(test.len(), 6);
    test.put_closed("http://closed.test", test.here).await;
    let mut servers = Vec::new();
    for expected in [2, 3] {
        servers.push(test.put(url, test.here).await);
        assert_eq!(test.len(), expected, "4, then 2 were dropped");
    }
    assert!(!test.take(url, test.other));
}

#[tokio::test]
async fn a_dead_connection_behind_open_ones_of_other_runtimes_is_found() {
    let test = Fixture::new(16);
    let mut servers = Vec::new();
    for _ in 0..6 {
        servers.push(test.put("http://a.test", test.other).await);
    }
    test.put_closed("http://b.test", test.other).await;
    // Four are read at a time. The search continues behind them, and after the last one at the front.
    for expected in [8, 8, 9, 10, 11] {
        servers.push(test.put("http://a.test", test.here).await);
        assert_eq!(test.len(), expected);
    }
    servers.remove(0);
    for expected in [12, 12] {
        servers.push(test.put("http://a.test", test.here).await);
        assert_eq!(test.len(), expected);
    }
}
