//! A first call: the time to make a client, and from there to the first chunk over TLS.
//!
//! Run: `cargo bench -p atoma-benches --bench first_call`
//!
//! You should see a line for our client and for the floor: the median of processes that each make one client with its
//! defaults and open two streams. The root certificates are those of the machine, and one of the server.

use atoma::{ChatCompletionMessage, ChatCompletionRequest};
use atoma_benches::{
    clients::{Client, Error, FLOOR, OURS, Tally, floor_over_tls},
    record::{Records, load},
    server::{Server, serve_if_asked},
    traffic::Mode,
};
use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

const COMMAND: &str = "cargo bench -p atoma-benches --bench first_call";
const WHO: &str = "ATOMA_BENCH_CLIENT";
const ADDRESS: &str = "ATOMA_BENCH_ADDRESS";
const PROCESSES: usize = 31;
/// The bundles of root certificates of common systems.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

fn main() -> Result<(), Error> {
    serve_if_asked();
    if let (Ok(who), Ok(address)) = (std::env::var(WHO), std::env::var(ADDRESS)) {
        return measure(&who, address.parse()?);
    }
    let server = Server::start_tls()?;
    let roots = std::env::temp_dir().join(format!("atoma-bench-{}.pem", std::process::id()));
    let machine = BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok());
    let machine = machine.ok_or("this machine has no bundle of root certificates")?;
    fs::write(&roots, format!("{machine}\n{}", server.certificate()))?;

    let mut records = Records::new("first_call", COMMAND);
    let mut times = [OURS, FLOOR].map(|who| (who, [const { Vec::new() }; 3]));
    for _ in 0..PROCESSES {
        for (who, times) in &mut times {
            let output = Command::new(std::env::current_exe()?)
                .env(WHO, &**who)
                .env(ADDRESS, server.address().to_string())
                .env("SSL_CERT_FILE", &roots)
                .output()?;
            let figures = String::from_utf8(output.stdout)?;
            let mut figures = figures.trim().split('\t').map(str::parse::<f64>);
            for times in times {
                let error = || String::from_utf8_lossy(&output.stderr).into_owned();
                times.push(figures.next().ok_or_else(error)??);
            }
        }
    }
    fs::remove_file(&roots)?;
    for (who, times) in &mut times {
        let [make, first, second] = times.each_mut().map(|times| median(times));
        println!(
            "{who:<36} {make:>8.0} µs to make {first:>8.0} µs to the first chunk {second:>8.0} µs in a second call"
        );
        if *who == OURS && make > 1000.0 {
            println!("    MISSED: wanted at most 1,000 µs to make a client");
        }
        records.push([
            ("client", (*who).into()),
            ("make_microseconds", make.into()),
            ("first_microseconds", first.into()),
            ("second_microseconds", second.into()),
            ("load", load().into()),
        ]);
    }
    println!("recorded in {}", records.write()?.display());
    Ok(())
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the microseconds to make a client, and to the first chunk of its first and second stream.
fn measure(who: &str, address: SocketAddr) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let start = Instant::now();
    let times = if who == OURS {
        let client = atoma::Client::builder()
            .api_key("key")
            .server_url(format!("https://{address}"))
            .build()?;
        let made = start.elapsed();
        runtime.block_on(async {
            Ok::<_, Error>([made, ours(&client).await?, ours(&client).await?])
        })?
    } else {
        let mut client = floor_over_tls(address, Arc::new(verifying()?));
        let made = start.elapsed();
        runtime.block_on(async {
            Ok::<_, Error>([made, floor(&mut *client).await?, floor(&mut *client).await?])
        })?
    };
    let [make, first, second] = times.map(|time| time.as_secs_f64() * 1e6);
    println!("{make}\t{first}\t{second}");
    Ok(())
}

async fn ours(client: &atoma::Client) -> Result<Duration, Error> {
    let mut tally = Tally::timing(Instant::now());
    let message = ChatCompletionMessage::user("Hello!");
    let request = ChatCompletionRequest::new(Mode::Fast.name(), [message]);
    let mut chunks = client.chat().stream(request).await?;
    while let Some(chunk) = chunks.try_next().await? {
        tally.add(&chunk.text());
    }
    tally.check(Mode::Fast)?;
    tally.first.ok_or_else(|| "no chunk".into())
}

async fn floor(client: &mut dyn Client) -> Result<Duration, Error> {
    let mut tally = Tally::timing(Instant::now());
    client.stream(Mode::Fast, &mut tally).await?;
    tally.check(Mode::Fast)?;
    tally.first.ok_or_else(|| "no chunk".into())
}

fn verifying() -> Result<rustls::ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))?;
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
