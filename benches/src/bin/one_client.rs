//! One client, a number of calls, and nothing else: for a profiler.
//!
//! Run: `cargo run --release -p atoma-benches --bin one_client -- atoma fast 100` (the client, the
//! mode or the shape, the number of calls; `benches/instructions.sh` uses it to count instructions)
//!
//! With `clients` or `client-shapes` alone, it prints a line for each mode or shape: its name, a
//! tab, the number of events of a call, a tab, and the number of calls to count.

use atoma_benches::{
    clients::{Error, Tally, contender, contenders},
    server::{Server, serve_if_asked},
    shapes::{self, Shape},
    traffic::Mode,
};

fn main() -> Result<(), Error> {
    serve_if_asked();
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().unwrap_or_default();
    let (name, mode, calls) = (next(), next(), next());
    match &name[..] {
        "clients" => list_modes(),
        "client-shapes" => list_shapes(),
        _ => return call(&name, &mode, calls.parse()?),
    }
    Ok(())
}

/// Makes a number of calls with one client.
fn call(name: &str, mode: &str, calls: usize) -> Result<(), Error> {
    let contender = contender(name)
        .ok_or_else(|| format!("no client of that name; there are {:?}", contenders()))?;
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = (contender.open)(server.address())?;
        if let Some(shape) = Shape::named(mode) {
            for _ in 0..calls {
                client.shape(&shape).await?;
            }
            return Ok(());
        }
        let mode = Mode::named(mode).ok_or("no mode or shape of that name")?;
        for _ in 0..calls {
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

fn list_modes() {
    for mode in Mode::TIMED {
        println!("{}\t{}\t1", mode.name(), mode.events());
    }
    println!("{}\t1\t20", Mode::Unary.name());
}

fn list_shapes() {
    for shape in shapes::all() {
        let calls = match shape.name {
            "body of 4 KiB" => 20,
            _ if shape.is_stream() => 4,
            _ => 1,
        };
        println!("{}\t{}\t{calls}", shape.name, shape.events);
    }
}
