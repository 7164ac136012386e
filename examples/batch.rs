//! Many requests with bounded concurrency: in order, with progress, and resumable from a file of results.
//!
//! Run: `cargo run --example batch`
//!
//! You should see each request done once, four at a time. Run it again with the path that it prints
//! as an argument, and it sends only the requests that have no result in the file. All callers of
//! the client wait together when the server limits the rate.

mod support;

use atoma::{ChatCompletionMessage, ChatCompletionRequest, batch};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    error::Error,
    fs::OpenOptions,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let model = support::model("meta-llama/Llama-3.3-70B-Instruct");
    let questions: Vec<String> =
        (1..=8).map(|number| format!("What is {number} squared?")).collect();

    let path = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("atoma-batch.jsonl"), PathBuf::from);
    let done = results(&path);
    let missing: Vec<&String> =
        questions.iter().filter(|question| !done.contains_key(*question)).collect();
    println!("{} of {} results are in {}", done.len(), questions.len(), path.display());

    let file = Arc::new(Mutex::new(OpenOptions::new().create(true).append(true).open(&path)?));
    let asked: Vec<String> = missing.iter().map(|question| (*question).clone()).collect();
    let total = asked.len();
    let calls = missing.into_iter().map(|question| {
        let messages = [ChatCompletionMessage::user(question.as_str())];
        client.chat().create(ChatCompletionRequest::new(&model, messages))
    });
    let results = batch(calls, 4)
        .on_done(move |index, result| match result {
            Ok(reply) => {
                // Saved as soon as it arrives: an interrupted run loses nothing.
                let line = json!({"question": asked[index], "text": reply.text()});
                let saved = file.lock().map(|mut file| writeln!(file, "{line}"));
                println!("{} of {total}: done, saved: {}", index + 1, matches!(saved, Ok(Ok(()))));
            }
            Err(error) => println!("{} of {total}: {error}", index + 1),
        })
        .into_vec()
        .await;
    println!("{} new results", results.iter().filter(|result| result.is_ok()).count());
    Ok(())
}

/// The results of earlier runs, by their question.
fn results(path: &PathBuf) -> HashMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        Some((value["question"].as_str()?.to_owned(), value["text"].as_str()?.to_owned()))
    };
    text.lines().filter_map(read).collect()
}
