//! Many concurrent streams: the memory and the processor time of each.
//!
//! Run: `cargo bench -p atoma-benches --bench streams` (`-- tls` for the cases whose names hold this text)
//!
//! You should see a line for each case, ours and the floor's: the peak anonymous memory per stream while they are open,
//! processor time to open a stream, up to its first text, and then per event. Each stream is a separate task; each case
//! runs in a separate process. Slow streams get ten events, half a second apart; framed ones 2,000 without pauses. Ten
//! thousand streams need a higher `ulimit -n`.

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest,
    transport::{HyperTransport, HyperTransportBuilder},
};
use atoma_benches::{
    clients::{Error, FLOOR, OURS, Opening, Tally, contender, floor_over_tls},
    memory::anonymous,
    record::{Records, load},
    server::{Server, serve_if_asked},
    traffic::Mode,
};
use std::{process::Command, sync::Arc, time::Duration};
use tokio::{runtime, task::JoinHandle};

const COMMAND: &str = "cargo bench -p atoma-benches --bench streams";
const CASE: &str = "ATOMA_BENCH_CASE";

/// The number of streams, the threads of the runtime, and the most kilobytes of a stream of ours.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    streams: usize,
    threads: usize,
    is_tls: bool,
    mode: Mode,
    wanted: f64,
}

const fn slow(name: &'static str, streams: usize) -> Case {
    Case { name, streams, threads: 1, is_tls: false, mode: Mode::Slow, wanted: 20.0 }
}

const CASES: [Case; 9] = [
    Case { wanted: f64::INFINITY, ..slow("1", 1) },
    slow("100", 100),
    slow("1,000", 1_000),
    slow("4,000", 4_000),
    slow("10,000", 10_000),
    Case { is_tls: true, wanted: f64::INFINITY, ..slow("1,000 over tls", 1_000) },
    Case { is_tls: true, wanted: f64::INFINITY, ..slow("10,000 over tls", 10_000) },
    Case {
        threads: 2,
        mode: Mode::Framed,
        wanted: f64::INFINITY,
        ..slow("64 framed, two threads", 64)
    },
    Case {
        threads: 2,
        mode: Mode::Framed,
        wanted: f64::INFINITY,
        ..slow("1,000 framed, two threads", 1_000)
    },
];

fn main() -> Result<(), Error> {
    serve_if_asked();
    if let Ok(asked) = std::env::var(CASE) {
        let (who, name) = asked.split_once('/').ok_or("no client")?;
        let case = CASES.iter().find(|case| case.name == name).ok_or("no such case")?;
        return measure(who, *case);
    }
    // `cargo bench` adds `--bench`.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut records = Records::new("streams", COMMAND);
    for case in CASES {
        if filter.as_ref().is_some_and(|filter| !case.name.contains(filter.as_str())) {
            continue;
        }
        println!("{}", case.name);
        for who in [OURS, FLOOR] {
            let [memory, opening, event] = measured(who, case)?;
            println!(
                "    {who:<36} {memory:>8.1} kB a stream {opening:>8.1} µs to open {event:>8.2} µs an event"
            );
            if who == OURS && memory > case.wanted {
                println!("        MISSED: wanted at most {} kB", case.wanted);
            }
            records.push([
                ("client", who.into()),
                ("case", case.name.into()),
                ("kilobytes", memory.into()),
                ("opening_microseconds", opening.into()),
                ("microseconds", event.into()),
                ("load", load().into()),
            ]);
        }
    }
    if filter.is_none() {
        println!("recorded in {}", records.write()?.display());
    }
    Ok(())
}

/// Measures a case in another process.
fn measured(who: &str, case: Case) -> Result<[f64; 3], Error> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).env(CASE, format!("{who}/{}", case.name)).output()?;
    let figures = String::from_utf8(output.stdout)?;
    let figures = figures.trim().split('\t').map(str::parse).collect::<Result<Vec<f64>, _>>();
    let figures = figures.ok().and_then(|figures| figures.try_into().ok());
    figures.ok_or_else(|| {
        format!("{} failed: {}", case.name, String::from_utf8_lossy(&output.stderr)).into()
    })
}

/// Prints kilobytes per stream, microseconds to open one, and microseconds per event.
fn measure(who: &str, case: Case) -> Result<(), Error> {
    let server = if case.is_tls { Server::start_tls()? } else { Server::start()? };
    let runtime = match case.threads {
        1 => runtime::Builder::new_current_thread().enable_all().build()?,
        threads => {
            runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?
        }
    };
    let open = opener(who, &server)?;
    runtime.block_on(async {
        let before = anonymous();
        let opening = Opening::of(case.streams);
        let tasks: Vec<JoinHandle<Result<(), Error>>> =
            (0..case.streams).map(|_| open(case.mode, Tally::opening(&opening))).collect();
        let sampler = tokio::spawn(async move {
            let mut most = before;
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                most = most.max(anonymous());
                SAMPLED.store(most, std::sync::atomic::Ordering::Relaxed);
            }
        });
        for task in tasks {
            task.await??;
        }
        sampler.abort();
        let most = SAMPLED.load(std::sync::atomic::Ordering::Relaxed).max(anonymous());
        let (opening, events) = opening.times();
        let streams = case.streams as f64;
        let later = streams * (case.mode.events() - 1) as f64;
        println!(
            "{}\t{}\t{}",
            most.saturating_sub(before) as f64 / 1000.0 / streams,
            opening.as_secs_f64() * 1e6 / streams,
            events.as_secs_f64() * 1e6 / later
        );
        Ok(())
    })
}

/// The most anonymous memory that was seen.
static SAMPLED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

type Open = Box<dyn Fn(Mode, Tally) -> JoinHandle<Result<(), Error>>>;

/// Starts the task of one stream.
fn opener(who: &str, server: &Server) -> Result<Open, Error> {
    let address = server.address();
    let is_tls = !server.certificate().is_empty();
    if who == OURS {
        let mut transport = HyperTransport::builder();
        if is_tls {
            transport = trusting(transport, server);
        }
        let client = atoma::Client::builder()
            .api_key("key")
            .server_url(server.url())
            .transport(transport.build()?)
            .build()?;
        return Ok(Box::new(move |mode, tally| tokio::spawn(stream(client.clone(), mode, tally))));
    }
    let floor = contender(FLOOR).ok_or("there is no floor")?;
    let config = if is_tls { Some(trusting_floor(server)?) } else { None };
    Ok(Box::new(move |mode, mut tally| {
        let config = config.clone();
        tokio::spawn(async move {
            let mut client = match config {
                Some(config) => floor_over_tls(address, config),
                None => (floor.open)(address)?,
            };
            client.stream(mode, &mut tally).await?;
            tally.check(mode)
        })
    }))
}

async fn stream(client: atoma::Client, mode: Mode, mut tally: Tally) -> Result<(), Error> {
    let message = ChatCompletionMessage::user("Hello!");
    let request = ChatCompletionRequest::new(mode.name(), [message]);
    let mut chunks = client.chat().stream(request).await?;
    while let Some(chunk) = chunks.try_next().await? {
        tally.add(&chunk.text());
    }
    tally.check(mode)
}

fn trusting(transport: HyperTransportBuilder, server: &Server) -> HyperTransportBuilder {
    transport.root_certificates_pem(server.certificate().as_bytes()).only_custom_roots()
}

fn trusting_floor(server: &Server) -> Result<Arc<rustls::ClientConfig>, Error> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.certificate().as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
