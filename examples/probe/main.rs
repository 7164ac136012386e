//! Asks a server of OpenAI's protocol how it behaves: how its streams end, usage, tools, keep-alives, errors, log
//! probabilities, schemas.
//!
//! Run: `cargo run --example probe -- URL`, with the key in `ATOMASDK_BEARER_AUTH` and the model in `ATOMASDK_MODEL` (the
//! default is the first one that the server lists). It makes about twelve short calls, which may cost a cent.
//!
//! You should see a table: a question, the server's behavior, and this client's reaction; `!` marks a quirk. Without
//! a URL it starts the mock and probes that. It ends early, with the error, if the server cannot be reached or completes
//! nothing: the other questions would fail in the same way.

mod questions;

use atoma::{Client, Observer, RetryConfig, StreamEvent, Timeouts};
use atoma_mock::MockServer;
use questions::{Finding, Probe};
use std::{
    env,
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

/// The width of the server's column.
const WIDTH: usize = 60;

/// Keeps the data of all events of the last stream.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<String>>);

impl Events {
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.lock().map(|mut events| std::mem::take(&mut *events)).unwrap_or_default()
    }
}

impl Observer for Events {
    fn event(&self, event: &StreamEvent<'_>) {
        if let Ok(mut events) = self.0.lock() {
            events.push(event.data.to_owned());
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = env::var("ATOMASDK_BEARER_AUTH").unwrap_or_else(|_| "none".to_owned());
    let (url, _mock) = match env::args().nth(1) {
        Some(option) if option.starts_with('-') => {
            eprintln!("usage: probe [URL], for example probe http://localhost:8000");
            std::process::exit(1);
        }
        Some(url) => (url, None),
        None => {
            let models = ["meta-llama/Llama-3.3-70B-Instruct"];
            let mock = MockServer::builder().api_key(&key).models(models).start().await;
            (mock.url().to_owned(), Some(mock))
        }
    };
    let events = Arc::new(Events::default());
    let client = |key: &str| {
        let timeouts = Timeouts::default()
            .head(Duration::from_secs(60))
            .idle(Duration::from_secs(30))
            .total(Duration::from_secs(120));
        Client::builder()
            .api_key(key)
            .server_url(&url)
            // A server in the local network often has neither a key nor a certificate.
            .allow_http(env::var_os("ATOMASDK_BEARER_AUTH").is_none())
            .retries(RetryConfig::none())
            .timeouts(timeouts)
            .stream_timeouts(timeouts)
            .observer(Arc::clone(&events))
            .build()
    };
    let (client, stranger) = (client(&key)?, client("invalid-key")?);

    println!("{url}\n");
    println!("  {:<18} {:<WIDTH$} this client", "question", "the server");
    let (model, models) = questions::models(&client, env::var("ATOMASDK_MODEL").ok()).await?;
    print(&models);
    let probe = Probe { client, stranger, model, events };
    let whole = questions::whole(&probe).await;
    let completes = whole.is_ok();
    print(&whole.unwrap_or_else(|error| questions::failed("a response", &error)));
    match questions::stream(&probe).await {
        Ok(findings) => findings.iter().for_each(print),
        Err(error) if completes => print(&questions::failed("a stream", &error)),
        Err(error) => return Err(error.into()),
    }
    print(&questions::length(&probe).await);
    print(&questions::choices(&probe).await);
    print(&questions::tools(&probe).await);
    print(&questions::tool_stream(&probe).await);
    print(&questions::schema(&probe).await);
    print(&questions::json_object(&probe).await);
    print(&questions::logprobs(&probe).await);
    print(&questions::wrong_key(&probe).await);
    print(&questions::wrong_model(&probe).await);
    print(&questions::wrong_value(&probe).await);
    Ok(())
}

fn print(finding: &Finding) {
    let mark = if finding.is_quirk { '!' } else { ' ' };
    let Finding { question, server, client, .. } = finding;
    let server = match server.char_indices().nth(WIDTH - 1) {
        Some((end, _)) => format!("{}…", &server[..end]),
        None => server.clone(),
    };
    println!("{mark} {question:<18} {server:<WIDTH$} {client}");
}
