//! Many concurrent streams: the memory and the processor time of each.
//!
//! Run: `cargo bench -p atoma-benches --bench streams`
//!
//! You should see a line for 1, 100, 1,000 and 10,000 streams, ours and the floor's: the peak
//! anonymous memory per stream while they are open, and processor time per stream and event. Each
//! stream is a separate task on one thread and gets ten events, half a second apart; each number of
//! streams runs in a separate process. Ten thousand need a higher `ulimit -n`.

use atoma::{ChatCompletionMessage, ChatCompletionRequest};
use atoma_benches::{
    clients::{Error, FLOOR, OURS, Tally, contender},
    memory::anonymous,
    record::Records,
    server::{Server, serve_if_asked},
    traffic::Mode,
};
use cpu_time::ThreadTime;
use std::{cell::Cell, process::Command, rc::Rc, time::Duration};
use tokio::task::LocalSet;

const COMMAND: &str = "cargo bench -p atoma-benches --bench streams";
const COUNT: &str = "ATOMA_BENCH_STREAMS";
const WHO: &str = "ATOMA_BENCH_CLIENT";

fn main() -> Result<(), Error> {
    serve_if_asked();
    if let (Ok(who), Ok(count)) = (std::env::var(WHO), std::env::var(COUNT)) {
        return measure(&who, count.parse()?);
    }
    let mut records = Records::new("streams", COMMAND);
    for who in [OURS, FLOOR] {
        println!("{who}:");
        for count in [1, 100, 1_000, 10_000] {
            let (memory, time) = measured(who, count)?;
            println!("{count:>8} streams {memory:>8.1} kB a stream {time:>8.2} µs an event");
            if who == OURS && memory > 25.0 && count > 1 {
                println!("        MISSED: wanted at most 25 kB");
            }
            records.push([
                ("client", who.into()),
                ("streams", count.into()),
                ("kilobytes", memory.into()),
                ("microseconds", time.into()),
            ]);
        }
    }
    println!("recorded in {}", records.write()?.display());
    Ok(())
}

/// Measures this many streams in another process.
fn measured(who: &str, count: usize) -> Result<(f64, f64), Error> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).env(WHO, who).env(COUNT, count.to_string()).output()?;
    let figures = String::from_utf8(output.stdout)?;
    let (memory, time) = figures.trim().split_once('\t').ok_or_else(|| {
        format!("{count} streams failed: {}", String::from_utf8_lossy(&output.stderr))
    })?;
    Ok((memory.parse()?, time.parse()?))
}

/// Prints kilobytes per stream and microseconds per event of this many streams.
fn measure(who: &str, count: usize) -> Result<(), Error> {
    let server = Server::start()?;
    let client = atoma::Client::builder().api_key("key").server_url(server.url()).build()?;
    let floor = contender(FLOOR).ok_or("there is no floor")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let before = anonymous();
        let start = ThreadTime::now();
        let is_floor = who == FLOOR;
        let tasks: Vec<_> = (0..count)
            .map(|_| {
                let (client, address) = (client.clone(), server.address());
                tokio::task::spawn_local(async move {
                    let mut tally = Tally::default();
                    if is_floor {
                        (floor.open)(address)?.stream(Mode::Slow, &mut tally).await?;
                    } else {
                        stream(&client, &mut tally).await?;
                    }
                    tally.check(Mode::Slow)
                })
            })
            .collect();
        let most = Rc::new(Cell::new(before));
        let sampled = Rc::clone(&most);
        let sampler = tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                sampled.set(sampled.get().max(anonymous()));
            }
        });
        for task in tasks {
            task.await??;
        }
        sampler.abort();
        let time = start.elapsed();
        let kilobytes = (most.get() - before) as f64 / 1000.0 / count as f64;
        let events = (count * Mode::Slow.events()) as f64;
        println!("{kilobytes}\t{}", time.as_secs_f64() * 1e6 / events);
        Ok(())
    })
}

async fn stream(client: &atoma::Client, tally: &mut Tally) -> Result<(), Error> {
    let message = ChatCompletionMessage::user("Hello!");
    let request = ChatCompletionRequest::new(Mode::Slow.name(), [message]);
    let mut chunks = client.chat().stream(request).await?;
    while let Some(chunk) = chunks.try_next().await? {
        tally.add(&chunk.text());
    }
    Ok(())
}
