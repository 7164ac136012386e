//! Counts the allocations of reading chunks and of whole clients, in a separate process so that
//! counting slows nothing else.
//!
//! Run: `cargo run --release -p atoma-benches --features peers --bin allocations -- clients`
//! (or `-- chunks`)
//!
//! It prints tab-separated lines: the mode or the corpus, the contender, allocations per event, and
//! bytes allocated per event; for the mode `unary` the same per call.

use atoma_benches::{
    chunks::{READINGS, corpora},
    clients::{Error, Tally, contenders},
    server::{Server, serve_if_asked},
    traffic::Mode,
};

const CALLS: usize = 20;

fn main() -> Result<(), Error> {
    serve_if_asked();
    match std::env::args().nth(1).as_deref() {
        Some("clients") => clients(),
        Some("chunks") => chunks(),
        _ => Err("say what to count: clients or chunks".into()),
    }
}

fn clients() -> Result<(), Error> {
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for mode in Mode::TIMED.into_iter().chain([Mode::Unary]) {
        for contender in contenders() {
            let mut client = runtime.block_on(async { (contender.open)(server.address()) })?;
            let mut calls = || {
                runtime.block_on(async {
                    for _ in 0..CALLS {
                        let mut tally = Tally::default();
                        match mode {
                            Mode::Unary => client.unary(&mut tally).await?,
                            _ => client.stream(mode, &mut tally).await?,
                        }
                        tally.check(mode)?;
                    }
                    Ok(())
                })
            };
            calls()?;
            count(mode.name(), contender.name, CALLS * mode.events(), calls)?;
        }
    }
    Ok(())
}

fn chunks() -> Result<(), Error> {
    for (corpus, chunks) in corpora() {
        for reading in READINGS {
            count(corpus, reading.name, chunks.len(), || (reading.run)(&chunks).map(drop))?;
        }
    }
    Ok(())
}

fn count(
    what: &str,
    who: &str,
    events: usize,
    mut work: impl FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    let mut outcome = Ok(());
    let counted = allocation_counter::measure(|| outcome = work());
    let allocations = counted.count_total as f64 / events as f64;
    let bytes = counted.bytes_total as f64 / events as f64;
    println!("{what}\t{who}\t{allocations:.3}\t{bytes:.1}");
    outcome
}
