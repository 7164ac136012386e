//! Many requests with bounded concurrency: in order, with a progress bar, and resumable from a file of results.
//!
//! Run: `cargo run --example batch --features progress`
//!
//! You should see a bar (in a terminal) while eight requests run, four at a time. Run it again with the path that it prints as
//! an argument, and it sends only the requests that have no result in the file. All callers of the client wait together when the server
//! limits the rate.

mod support;

use atoma::{ChatCompletionMessage, ChatCompletionRequest, RateLimitPause, batch};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    error::Error,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let waiting = |builder: atoma::ClientBuilder| builder.rate_limit_pause(RateLimitPause::new());
    let (client, _mock) = support::client_with(waiting).await?;
    let model = support::model("meta-llama/Llama-3.3-70B-Instruct");
    let questions: Vec<String> =
        (1..=8).map(|number| format!("What is {number} squared?")).collect();

    let path = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("atoma-batch.jsonl"), PathBuf::from);
    let done = results(&path);
    let missing: Vec<String> =
        questions.iter().filter(|question| !done.contains_key(*question)).cloned().collect();
    println!("{} of {} results are in {}", done.len(), questions.len(), path.display());

    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {elapsed}, {eta} left {msg}")?;
    let bar = ProgressBar::new(missing.len() as u64).with_style(style);
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let calls = missing.clone().into_iter().map(|question| {
        let messages = [ChatCompletionMessage::user(question)];
        client.chat().create(ChatCompletionRequest::new(&model, messages))
    });
    let results = batch(calls, 4)
        .on_done(move |index, result| {
            match result {
                Ok(reply) => {
                    // Saved as soon as it is there: an interrupted run loses nothing.
                    let line = json!({"question": missing[index], "text": reply.text()});
                    if let Err(error) = writeln!(file, "{line}") {
                        bar.println(format!("result {index} is not saved: {error}"));
                    }
                }
                Err(error) => bar.println(format!("request {index}: {error}")),
            }
            bar.inc(1);
        })
        .into_vec()
        .await;
    println!("{} new results", results.iter().filter(|result| result.is_ok()).count());
    Ok(())
}

/// Returns the results of earlier runs, by their question.
fn results(path: &Path) -> HashMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        Some((value["question"].as_str()?.to_owned(), value["text"].as_str()?.to_owned()))
    };
    // The last line of an interrupted run may be half a line: it is asked again.
    text.lines().filter_map(read).collect()
}
