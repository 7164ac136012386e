//! Whole clients over loopback, by the processor time of the reading thread.
//!
//! Run: `cargo bench -p atoma-benches --features peers --bench end_to_end` (`-- framed` for the
//! modes whose name contains that text)
//!
//! You should see a table for each mode: nanoseconds of processor time per event, the ratio to the
//! floor, allocations and bytes allocated per event; then the connections that 101 streams in a row
//! opened, the memory added by a reader that stops, and the cost of a unary call. Every client's
//! text is compared before it is timed.

use atoma_benches::{
    allocations::Allocations,
    clients::{Client, Contender, Error, FLOOR, OURS, Tally, contenders},
    record::Records,
    rounds::interleaved,
    server::{Server, serve_if_asked},
    traffic::Mode,
};
use cpu_time::ThreadTime;
use tokio::runtime::Runtime;

const COMMAND: &str = "cargo bench -p atoma-benches --features peers --bench end_to_end";
const ROUNDS: usize = 15;
const STREAMS_A_ROUND: usize = 5;
/// A call mostly waits, and the cost of its wake-ups differs from round to round.
const UNARY_ROUNDS: usize = 45;
const CALLS_A_ROUND: usize = 1000;

fn main() -> Result<(), Error> {
    serve_if_asked();
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let wanted = |name: &str| filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()));
    let mut bench = Bench {
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        server: Server::start()?,
        allocations: Allocations::count(env!("CARGO_BIN_EXE_allocations"), "clients")?,
        records: Records::new("end_to_end", COMMAND),
        missed: 0,
    };
    for mode in Mode::TIMED.into_iter().filter(|mode| wanted(mode.name())) {
        bench.streams(mode)?;
    }
    if wanted("unary") {
        bench.unary()?;
    }
    if wanted("connections") {
        bench.connections()?;
    }
    if wanted("held") {
        bench.held()?;
    }
    println!("\n{} targets missed", bench.missed);
    if filter.is_none() {
        println!("recorded in {}", bench.records.write()?.display());
    }
    Ok(())
}

struct Bench {
    runtime: Runtime,
    server: Server,
    allocations: Allocations,
    records: Records,
    missed: usize,
}

impl Bench {
    fn streams(&mut self, mode: Mode) -> Result<(), Error> {
        println!("\n{}: processor time per event", mode.name());
        self.timed(mode, ROUNDS, STREAMS_A_ROUND, mode.events())
    }

    fn unary(&mut self) -> Result<(), Error> {
        println!("\nunary: processor time per call");
        self.timed(Mode::Unary, UNARY_ROUNDS, CALLS_A_ROUND, 1)
    }

    fn timed(
        &mut self,
        mode: Mode,
        rounds: usize,
        calls: usize,
        events: usize,
    ) -> Result<(), Error> {
        let contenders = contenders();
        let mut clients = self.open(&contenders, mode)?;
        let runtime = &self.runtime;
        let times = interleaved(clients.len(), rounds, calls * events, |contender| {
            let client = &mut clients[contender];
            let start = ThreadTime::now();
            runtime.block_on(async {
                for _ in 0..calls {
                    let mut tally = Tally::default();
                    call(&mut **client, mode, &mut tally).await?;
                    tally.check(mode)?;
                }
                Ok::<_, Error>(())
            })?;
            Ok::<_, Error>(start.elapsed())
        })?;
        let floor = contenders.iter().position(|contender| contender.name == FLOOR).unwrap_or(0);
        for (contender, time) in contenders.iter().zip(&times) {
            let (time, ratio) = (time.nanoseconds(), time.ratio(&times[floor]));
            let (count, bytes) = self.allocations.of(mode.name(), contender.name)?;
            println!(
                "    {:<40} {time:>7.0} ns {ratio:>6.2} x {count:>7.2} allocations {bytes:>7.0} B",
                contender.name
            );
            self.records.push([
                ("mode", mode.name().into()),
                ("client", contender.name.into()),
                ("nanoseconds", time.into()),
                ("ratio", ratio.into()),
                ("allocations", count.into()),
                ("bytes", bytes.into()),
            ]);
            if contender.name == OURS {
                let (most_ratio, most_count, most_bytes) = targets(mode);
                self.judge("ratio", ratio, most_ratio);
                self.judge("allocations", count, most_count);
                self.judge("bytes allocated", bytes, most_bytes);
            }
        }
        Ok(())
    }

    /// Opens all clients, and compares the texts that they read.
    fn open(&self, contenders: &[Contender], mode: Mode) -> Result<Vec<Box<dyn Client>>, Error> {
        let mut clients = Vec::new();
        for contender in contenders {
            let mut client =
                self.runtime.block_on(async { (contender.open)(self.server.address()) })?;
            let mut tally = Tally::keeping();
            self.runtime.block_on(call(&mut *client, mode, &mut tally))?;
            tally.check(mode).map_err(|error| format!("{}: {error}", contender.name))?;
            clients.push(client);
        }
        Ok(clients)
    }

    fn connections(&mut self) -> Result<(), Error> {
        println!("\nconnections opened for 101 streams in a row");
        for mode in Mode::TIMED.into_iter().chain([Mode::LateEnd]) {
            for contender in contenders() {
                let before = self.server.connections()?;
                self.runtime.block_on(async {
                    let mut client = (contender.open)(self.server.address())?;
                    for _ in 0..101 {
                        client.stream(mode, &mut Tally::default()).await?;
                    }
                    Ok::<_, Error>(())
                })?;
                let opened = self.server.connections()? - before;
                println!("    {:<10} {:<40} {opened:>4}", mode.name(), contender.name);
                self.records.push([
                    ("mode", "connections".into()),
                    ("stream", mode.name().into()),
                    ("client", contender.name.into()),
                    ("connections", opened.into()),
                ]);
                if contender.name == OURS {
                    self.judge("connections", opened as f64, 1.0);
                }
            }
        }
        Ok(())
    }

    fn held(&mut self) -> Result<(), Error> {
        println!("\nmemory added by a reader that stops for 3 s while 200,000 events are sent");
        for contender in contenders() {
            let growth = self.runtime.block_on(async {
                let mut client = (contender.open)(self.server.address())?;
                client.stream(Mode::Fast, &mut Tally::default()).await?;
                let mut tally = Tally::holding(100);
                client.stream(Mode::Long, &mut tally).await?;
                tally.growth.ok_or_else(|| Error::from("it did not stop"))
            })?;
            let mebibytes = growth as f64 / f64::from(1 << 20);
            println!("    {:<40} {mebibytes:>8.2} MiB", contender.name);
            self.records.push([
                ("mode", "held".into()),
                ("client", contender.name.into()),
                ("mebibytes", mebibytes.into()),
            ]);
            if contender.name == OURS {
                self.judge("mebibytes", mebibytes, 1.0);
            }
        }
        Ok(())
    }

    fn judge(&mut self, what: &str, value: f64, most: f64) {
        if value > most {
            self.missed += 1;
            println!("        MISSED: {what} {value:.2}, wanted at most {most:.2}");
        }
    }
}

/// The limits for our client: ratio to the floor, allocations, bytes allocated.
fn targets(mode: Mode) -> (f64, f64, f64) {
    match mode {
        Mode::Framed => (1.15, 5.0, 800.0),
        Mode::PerEvent => (1.10, 5.0, 800.0),
        Mode::Unary => (1.15, 60.0, f64::INFINITY),
        // Not in the list of targets: shows the cost of reading where no chunk helps with the next.
        Mode::Unlike => (f64::INFINITY, 5.0, 800.0),
        _ => (1.25, 5.0, 800.0),
    }
}

async fn call(client: &mut dyn Client, mode: Mode, tally: &mut Tally) -> Result<(), Error> {
    match mode {
        Mode::Unary => client.unary(tally).await,
        _ => client.stream(mode, tally).await,
    }
}
