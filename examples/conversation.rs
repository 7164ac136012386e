//! A conversation in the terminal: each response becomes part of the next request, and it can be continued tomorrow.
//!
//! Run: `cargo run --example conversation`, or `cargo run --example conversation -- FILE` to load it from a file, if there
//! is one, and save it there.
//!
//! You should see a prompt. Type a line, read the response as it is written; end with an empty line or Ctrl-D. Where there is
//! no terminal, three lines are played. A conversation that gets too long forgets its beginning, but not its instructions.
//! No key is needed; see `chat` for how to talk to a real server.

mod support;

use atoma::{ChatCompletionMessage, Conversation};
use std::{
    error::Error,
    io::{IsTerminal, Write, stdin, stdout},
    path::Path,
};

const SCRIPT: [&str; 3] = ["Hello!", "Please count to five.", "What did I say before?"];

/// How many tokens of the conversation are sent.
const BUDGET: usize = 4096;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let model = support::model("meta-llama/Llama-3.3-70B-Instruct");
    let file = std::env::args_os().nth(1);
    let mut conversation = match &file {
        Some(file) if Path::new(file).exists() => Conversation::load(file)?,
        _ => Conversation::new("You are a helpful AI assistant. Answer in brief."),
    };

    let mut script = SCRIPT.into_iter();
    loop {
        let said = if stdin().is_terminal() { typed()? } else { played(script.next()) };
        if said.is_empty() {
            return Ok(());
        }
        conversation.push(ChatCompletionMessage::user(said))?;
        // A tokenizer counts exactly; four bytes for a token is a fair estimate of English.
        let forgotten = conversation.trim(BUDGET, |message| 4 + message.text().len() / 4);
        if forgotten > 0 {
            println!("({forgotten} old messages are not sent any more)");
        }

        let mut chunks = client.chat().stream(conversation.request(&model)).await?;
        while let Some(chunk) = chunks.try_next().await? {
            print!("{}", chunk.text());
            stdout().flush()?;
        }
        println!("\n");

        conversation.push_response(&chunks.into_response().await?)?;
        if let Some(file) = &file {
            conversation.save(file)?;
        }
    }
}

/// Reads the next line from the keyboard; empty at its end.
fn typed() -> std::io::Result<String> {
    print!("> ");
    stdout().flush()?;
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Returns the next line of the script, shown as if it were typed; empty at its end.
fn played(line: Option<&str>) -> String {
    let line = line.unwrap_or_default();
    if !line.is_empty() {
        println!("> {line}");
    }
    line.to_owned()
}
