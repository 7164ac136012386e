//! One client, a number of streams, and nothing else: for a profiler.
//!
//! Run: `cargo run --release -p atoma-benches --bin one_client -- atoma fast 100` (the client, the
//! mode, the number of streams; `benches/instructions.sh` uses it to count instructions)

use atoma_benches::{
    clients::{Error, Tally, contender, contenders},
    server::{Server, serve_if_asked},
    traffic::Mode,
};

fn main() -> Result<(), Error> {
    serve_if_asked();
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().unwrap_or_default();
    let (name, mode, streams) = (next(), next(), next());
    let contender = contender(&name)
        .ok_or_else(|| format!("no client of that name; there are {:?}", contenders()))?;
    let mode = Mode::named(&mode).ok_or("no mode of that name")?;
    let streams: usize = streams.parse()?;

    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = (contender.open)(server.address())?;
        for _ in 0..streams {
            let mut tally = Tally::default();
            match mode {
                Mode::Unary => client.unary(&mut tally).await?,
                _ => client.stream(mode, &mut tally).await?,
            }
            tally.check(mode)?;
        }
        Ok(())
    })
}
