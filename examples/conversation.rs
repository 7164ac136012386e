//! A conversation in the terminal: each response becomes part of the next request.
//!
//! Run: `cargo run --example multi_turn`
//!
//! You should see a prompt. Type a line, read the response as it is written; end with an empty line
//! or Ctrl-D. Without a terminal, three lines are played. No key is needed; see `chat` for how to
//! talk to a real server.

mod support;

use atoma::{ChatCompletionMessage, ChatCompletionRequest};
use std::{
    error::Error,
    io::{IsTerminal, Write, stdin, stdout},
};

const SCRIPT: [&str; 3] = ["Hello!", "Please count to five.", "What did I say before?"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let mut conversation = ChatCompletionRequest::new(
        support::model("meta-llama/Llama-3.3-70B-Instruct"),
        [ChatCompletionMessage::system("You are a helpful AI assistant. Answer in brief.")],
    );

    let mut script = SCRIPT.into_iter();
    loop {
        let said = if stdin().is_terminal() { typed()? } else { played(script.next()) };
        if said.is_empty() {
            return Ok(());
        }
        conversation.messages.push(ChatCompletionMessage::user(said));

        let mut chunks = client.chat().stream(conversation.clone()).await?;
        while let Some(chunk) = chunks.try_next().await? {
            print!("{}", chunk.text());
            stdout().flush()?;
        }
        println!("\n");

        let response = chunks.into_response().await?;
        conversation.messages.extend(response.message().cloned());
    }
}

/// The next line from the keyboard; empty at its end.
fn typed() -> std::io::Result<String> {
    print!("> ");
    stdout().flush()?;
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// The next line of the script, shown as if it were typed; empty at its end.
fn played(line: Option<&str>) -> String {
    let line = line.unwrap_or_default();
    if !line.is_empty() {
        println!("> {line}");
    }
    line.to_owned()
}
