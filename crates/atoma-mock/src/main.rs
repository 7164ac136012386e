//! Runs the mock as a program, until it is interrupted: `cargo run -p atoma-mock -- --help`.

use std::process::ExitCode;
use std::time::Duration;

use atoma_mock::{MockServer, ReceivedRequest};

const HELP: &str = "\
Atoma in a box: answers on 127.0.0.1 as Atoma's API does. Any key and any model will do.

usage: atoma-mock [--port N] [--pace MS] [--help]

  --port N    the port to listen on (default 8080; 0: any free one)
  --pace MS   the pause between two tokens of a stream, in milliseconds (default 30)

Ask it to count to ten, declare a tool and speak of it, send a JSON schema or an image.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("{wrong}\n\n{HELP}");
            return ExitCode::FAILURE;
        }
    };
    let builder = MockServer::builder().port(options.port).event_interval(options.pace);
    match builder.try_start().await {
        Ok(server) => serve(&server).await,
        Err(error) => {
            eprintln!("cannot listen on port {}: {error}; --port chooses another", options.port);
            ExitCode::FAILURE
        }
    }
}

/// Says how to ask, then prints a line for each request.
async fn serve(server: &MockServer) -> ExitCode {
    let url = server.url();
    println!("Listening on {url}. Try:\n");
    println!(
        "curl -N {url}/v1/chat/completions -H 'authorization: Bearer key' \
         -H 'content-type: application/json' \\\n  \
         -d '{{\"model\":\"mock\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"Count to ten\"}}]}}'\n"
    );
    let mut printed = 0;
    loop {
        let requests = server.wait_for(|state| state.requests > printed).await.requests;
        for request in &server.requests()[printed..requests] {
            println!("{}", line(request));
        }
        printed = requests;
    }
}

/// What to print of a request: no header, so that no key is shown.
fn line(request: &ReceivedRequest) -> String {
    let body = request.json();
    let manner = if body["stream"] == true { ", streamed" } else { "" };
    let model = body["model"].as_str().map(|model| format!(" to {model}")).unwrap_or_default();
    format!("{} {}{model}{manner}", request.method, request.path)
}

#[derive(Debug, PartialEq)]
struct Options {
    port: u16,
    pace: Duration,
}

impl Options {
    /// `None` if help is asked for.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self { port: 8080, pace: Duration::from_millis(30) };
        while let Some(name) = arguments.next() {
            let mut number = |most: u64| {
                let value = arguments.next().unwrap_or_default();
                let number = value.parse().ok().filter(|number| *number <= most);
                number.ok_or_else(|| format!("{name} wants a number up to {most}, not {value:?}"))
            };
            match name.as_str() {
                "--port" => options.port = number(u64::from(u16::MAX))? as u16,
                "--pace" => options.pace = Duration::from_millis(number(60_000)?),
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown argument {other:?}")),
            }
        }
        Ok(Some(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments() {
        let options = |port, pace| Ok(Some(Options { port, pace: Duration::from_millis(pace) }));
        assert_eq!(parse(""), options(8080, 30));
        assert_eq!(parse("--port 0 --pace 5"), options(0, 5));
        assert_eq!(parse("--port 1 --help"), Ok(None));
        for wrong in ["--port", "--port x", "--port 70000", "--pace -1", "--pace 1e3", "now"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
