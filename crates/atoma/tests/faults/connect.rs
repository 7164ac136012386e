//! Rows 1–13: name and connection.

use crate::lab::{
    Found,
    Is::{self, Connect, MayBeBilled, Retryable, Timeout},
    LONGEST_WAIT, Lab, Names, Script, cannot_check,
    dead_end::{self, BlackHole, UNREACHABLE},
    process::alone,
    responses::GOOD,
    serve, settle,
};
use atoma_transport::{ErrorKind, Phase};
use std::{fs::File, io, net::Ipv6Addr, pin::pin, time::Duration};

const NO_CONNECTION: [Is; 2] = [Connect, Retryable];
const LATE: [Is; 3] = [Connect, Timeout, Retryable];
const FINAL: [Is; 1] = [Connect];

/// The default timeout for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// The duration of three attempts that each wait that long.
const THREE_TIMES: Duration =
    Duration::from_secs(30).saturating_add(LONGEST_WAIT.saturating_mul(2));

/// A place where nothing listens, or nothing useful.
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// A lab whose name resolves elsewhere for the first `count` lookups, and then to its server.
async fn astray(lookups: usize) -> Lab {
    let names = Names::new((0..lookups).map(|_| Found::at(ELSEWHERE)));
    serve([]).named(&names).start().await
}

async fn black_hole(lab: &Lab) -> BlackHole {
    let hole = dead_end::black_hole(ELSEWHERE, lab.server.address.port()).await;
    hole.expect("127.0.0.2 is on loopback")
}

#[tokio::test]
async fn row_001_the_port_is_closed() {
    let lab = astray(4).await;
    let closed = dead_end::closed(ELSEWHERE, lab.server.address.port());
    let outcome = lab.stream().await;
    let place = format!("could not connect: api.test:{}", lab.server.address.port());
    outcome.is(NO_CONNECTION).kind(ErrorKind::Connect).says(&place).attempts(3).connections(0);
    lab.unary().await.ok(GOOD).attempts(2).connections(1);
    drop(closed);
    lab.healthy().await;
}

#[tokio::test]
async fn row_002_the_network_drops_the_attempt() {
    let names = Names::new([(); 3].map(|()| Found::at(ELSEWHERE)));
    let lab = serve([]).named(&names).manual_clock().start().await;
    let hole = black_hole(&lab).await;
    let outcome = lab.expires_each_time(3, PATIENCE, None, lab.unary()).await;
    outcome.is(LATE).kind(ErrorKind::Timeout(Phase::Connect)).lasted(THREE_TIMES);
    outcome.attempts(3).connections(0);
    drop(hole);
    lab.healthy().await;
}

#[tokio::test]
async fn row_003_the_name_does_not_exist() {
    let unknown = [
        || Found::Fails(io::ErrorKind::NotFound.into()),
        || Found::fails("Name or service not known"),
    ];
    for fails in unknown {
        let names = Names::new([fails(), fails()]);
        let lab = serve([]).named(&names).start().await;
        let outcome = lab.unary().await;
        outcome.is(FINAL).kind(ErrorKind::Connect).says("no address is known for api.test");
        outcome.attempts(1).connections(0);
        assert_eq!(names.asked(), ["api.test"; 2], "asked once more before it is believed");
        lab.healthy().await;

        let names = Names::new([fails()]);
        let lab = serve([]).named(&names).start().await;
        lab.unary().await.ok(GOOD).attempts(1).connections(1);
        lab.healthy().await;
    }
}

#[tokio::test]
async fn row_004_the_name_server_does_not_work() {
    let out_of_order = || Found::fails("Temporary failure in name resolution");
    let names = Names::new([(); 4].map(|()| out_of_order()));
    let lab = serve([]).named(&names).start().await;
    let outcome = lab.stream().await;
    outcome.is(NO_CONNECTION).kind(ErrorKind::Connect);
    outcome.says("the name lookup of api.test failed").attempts(3).connections(0);
    assert_eq!(names.asked().len(), 3);
    lab.stream().await.ok(GOOD).attempts(2).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_005_the_name_lookup_never_ends() {
    let names = Names::new([(); 3].map(|()| Found::Nothing));
    let lab = serve([]).named(&names).manual_clock().start().await;
    let outcome = lab.expires_each_time(3, PATIENCE, None, lab.stream()).await;
    outcome.is(LATE).kind(ErrorKind::Timeout(Phase::Connect)).lasted(THREE_TIMES);
    outcome.attempts(3).connections(0);
    lab.healthy().await;
}

#[tokio::test]
async fn row_006_the_name_has_no_address() {
    let names = Names::new([Found::At(Vec::new())]);
    let lab = serve([]).named(&names).start().await;
    let outcome = lab.unary().await;
    outcome.is(FINAL).kind(ErrorKind::Connect).says("api.test has no address");
    outcome.attempts(1).connections(0);
    lab.healthy().await;
}

/// Tokio's clock, paused while this value is alive; only the test moves it.
struct StandingClock {
    _held: std::sync::mpsc::Sender<()>,
}

impl StandingClock {
    fn new() -> Self {
        tokio::time::pause();
        let (held, gate) = std::sync::mpsc::channel();
        // While a blocking task runs, a paused clock does not advance by itself.
        tokio::task::spawn_blocking(move || gate.recv().unwrap_or_default());
        Self { _held: held }
    }

    /// Checks that `call` succeeds when the clock is moved by `time`, and not before.
    async fn succeeds_after<T>(self, time: Duration, call: impl Future<Output = T>) -> T {
        let moment = Duration::from_millis(1);
        let mut call = pin!(call);
        assert!(settle(&mut call).await.is_none());
        tokio::time::advance(time - moment * 2).await;
        assert!(settle(&mut call).await.is_none(), "it ended too early");
        // Tokio rounds up to whole milliseconds.
        tokio::time::advance(moment * 3).await;
        let output = call.await;
        tokio::time::resume();
        output
    }
}

#[tokio::test]
async fn row_007_the_ipv6_address_does_not_respond() {
    let addresses = vec![Ipv6Addr::LOCALHOST.into(), [127, 0, 0, 1].into()];
    let names = Names::new([Found::At(addresses)]);
    let lab = serve([]).named(&names).tokio_clock().start().await;
    let hole = dead_end::black_hole(Ipv6Addr::LOCALHOST, lab.server.address.port()).await;
    let Some(hole) = hole else {
        cannot_check("a machine without IPv6");
        return lab.healthy().await;
    };
    let clock = StandingClock::new();
    let outcome = clock.succeeds_after(Duration::from_millis(300), lab.unary()).await;
    outcome.ok(GOOD).attempts(1).connections(1);
    drop(hole);
    lab.healthy().await;
}

#[tokio::test]
async fn row_008_the_first_of_five_addresses_does_not_respond() {
    let mut addresses = vec![[127, 0, 0, 1].into(); 5];
    addresses[0] = ELSEWHERE.into();
    let names = Names::new([Found::At(addresses)]);
    let lab = serve([]).named(&names).tokio_clock().start().await;
    let hole = black_hole(&lab).await;
    let clock = StandingClock::new();
    let outcome = clock.succeeds_after(Duration::from_millis(300), lab.unary()).await;
    outcome.ok(GOOD).attempts(1).connections(1);
    drop(hole);
    lab.healthy().await;
}

#[tokio::test]
async fn row_009_accepted_and_then_closed() {
    lost(Script::default().close(), Script::default().bytes(1).close()).await;
}

#[tokio::test]
async fn row_010_accepted_and_then_reset() {
    lost(Script::default().reset(), Script::default().bytes(1).reset()).await;
}

/// A connection that is lost immediately, and one that is lost after a write.
async fn lost(at_once: Script, written: Script) {
    let lab = serve([written]).start().await;
    let outcome = lab.unary().await;
    outcome.is([Retryable, MayBeBilled]).kind(ErrorKind::ConnectionLost).attempts(1).connections(1);
    lab.healthy().await;

    // Either side may win the race; in both cases nothing is lost, and nothing is sent twice.
    let lab = serve([at_once]).start().await;
    let outcome = lab.unary().await;
    if outcome.has_failed() {
        outcome.is([Retryable, MayBeBilled]).kind(ErrorKind::ConnectionLost).attempts(1);
        outcome.connections(1).requests(0);
    } else {
        outcome.ok(GOOD).attempts(2).connections(2).requests(1);
    }
    lab.healthy().await;
}

#[test]
fn row_011_no_file_descriptor_is_left() {
    let name = "connect::row_011_no_file_descriptor_is_left";
    alone(name, Some("ulimit -n 64"), || async {
        // The system's lookup needs a descriptor as well.
        for host in ["127.0.0.1", "localhost"] {
            let lab = serve([]).at(host).start().await;
            let all: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            let outcome = lab.unary().await;
            drop(all);
            outcome.is([]).kind(ErrorKind::ResourceExhausted).says("too many open files");
            outcome.attempts(1).connections(0);
            lab.healthy().await;
        }
    });
}

#[tokio::test]
async fn row_012_no_local_port_is_left() {
    let taken = || Found::Fails(io::Error::from_raw_os_error(99));
    let names = Names::new([(); 4].map(|()| taken()));
    let lab = serve([]).named(&names).start().await;
    let outcome = lab.unary().await;
    outcome.is([Retryable]).kind(ErrorKind::ResourceExhausted).says("no local port is free");
    outcome.attempts(3).connections(0);
    lab.unary().await.ok(GOOD).attempts(2).connections(1);
    lab.healthy().await;
}

#[tokio::test]
async fn row_013_no_route() {
    let names = Names::new([(); 4].map(|()| Found::at(UNREACHABLE)));
    let lab = serve([]).named(&names).start().await;
    let outcome = lab.stream().await;
    outcome.is(NO_CONNECTION).kind(ErrorKind::Connect).attempts(3).connections(0);
    lab.stream().await.ok(GOOD).attempts(2).connections(1);
    lab.healthy().await;
}
