//! Counts what each client allocates, in a process of its own so that counting slows nothing else.
//!
//! Run: `cargo run --release -p atoma-benches --features peers --bin client_allocations`
//!
//! It prints a tab-separated line for each mode and client: allocations per event, and bytes
//! allocated per event; for `unary` the same per call.

use std::cell::RefCell;

use atoma_benches::clients::{Error, Tally, contenders};
use atoma_benches::server::{Server, serve_if_asked};
use atoma_benches::traffic::Mode;

const CALLS: usize = 20;

fn main() -> Result<(), Error> {
    serve_if_asked();
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for mode in Mode::TIMED.into_iter().chain([Mode::Unary]) {
        for contender in contenders() {
            let client = runtime.block_on(async { (contender.open)(server.address()) })?;
            let client = RefCell::new(client);
            let calls = || {
                runtime.block_on(async {
                    for _ in 0..CALLS {
                        let (mut client, mut tally) = (client.borrow_mut(), Tally::default());
                        match mode {
                            Mode::Unary => client.unary(&mut tally).await?,
                            _ => client.stream(mode, &mut tally).await?,
                        }
                        tally.check(mode)?;
                    }
                    Ok::<_, Error>(())
                })
            };
            calls()?;
            let mut outcome = Ok(());
            let counted = allocation_counter::measure(|| outcome = calls());
            outcome?;
            let events = (CALLS * mode.events()) as f64;
            println!(
                "{}\t{}\t{:.3}\t{:.1}",
                mode.name(),
                contender.name,
                counted.count_total as f64 / events,
                counted.bytes_total as f64 / events,
            );
        }
    }
    Ok(())
}
