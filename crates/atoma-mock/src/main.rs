//! Runs the mock as a program, until it is interrupted: `cargo run -p atoma-mock -- --help`.

use atoma_mock::{MockServer, ReceivedRequest, Response};
use std::{process::ExitCode, time::Duration};

const HELP: &str = "\
Atoma in a box: responds on 127.0.0.1 as Atoma's API does.

usage: atoma-mock [--port N] [--event-interval MS] [--api-key KEY] [--model NAME]... [--script FILE] [--help]

  --port N             the port to listen on (default 8080; 0: any free one)
  --event-interval MS  the pause between two tokens of a stream, in milliseconds (default 30)
  --api-key KEY        the only API key to accept (default: any)
  --model NAME         a model to know, as often as needed (default: any)
  --script FILE        a JSON list of responses, given to the next requests in order

Ask it to count to ten, declare a tool and mention it, send a JSON schema or an image.";

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
    let script = match options.script.as_deref().map(read_script).transpose() {
        Ok(script) => script.unwrap_or_default(),
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::FAILURE;
        }
    };
    let mut builder = MockServer::builder().port(options.port).event_interval(options.interval);
    if let Some(key) = options.api_key {
        builder = builder.api_key(key);
    }
    if !options.models.is_empty() {
        builder = builder.models(options.models);
    }
    match builder.try_start().await {
        Ok(server) => {
            for response in script {
                server.respond(response);
            }
            serve(&server).await
        }
        Err(error) => {
            eprintln!("cannot listen on port {}: {error}; --port chooses another", options.port);
            ExitCode::FAILURE
        }
    }
}

/// Reads a script from a file; errors name the file.
fn read_script(path: &str) -> Result<Vec<Response>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    Response::script(&text).map_err(|error| format!("{path}: {error}"))
}

/// Prints how to call the server, then a line for each request.
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
        let requests = server.wait_for(|stats| stats.requests > printed).await.requests;
        for request in &server.requests()[printed..requests] {
            println!("{}", line(request));
        }
        printed = requests;
    }
}

/// The line to print for a request. It has no header, so that no key is shown.
fn line(request: &ReceivedRequest) -> String {
    let body = request.json();
    let manner = if body["stream"] == true { ", streamed" } else { "" };
    let model = body["model"].as_str().map(|model| format!(" to {model}")).unwrap_or_default();
    format!("{} {}{model}{manner}", request.method, request.path)
}

/// The arguments of the command line.
#[derive(Debug, PartialEq)]
struct Options {
    /// The port to listen on; 0 takes a free one.
    port: u16,
    /// The pause between two tokens.
    interval: Duration,
    /// The only key to accept; `None` accepts any.
    api_key: Option<String>,
    /// The only models to accept; empty accepts any.
    models: Vec<String>,
    /// The path of the script.
    script: Option<String>,
}

impl Options {
    /// Returns the options of a command line without arguments.
    fn new() -> Self {
        let interval = Duration::from_millis(30);
        Self { port: 8080, interval, api_key: None, models: Vec::new(), script: None }
    }

    /// `None` if help is asked for.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self::new();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--port" => options.port = number(&name, &value()?, u16::MAX.into())? as u16,
                "--event-interval" => {
                    options.interval = Duration::from_millis(number(&name, &value()?, 60_000)?);
                }
                "--api-key" => options.api_key = Some(value()?),
                "--model" => options.models.push(value()?),
                "--script" => options.script = Some(value()?),
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown argument {other:?}")),
            }
        }
        Ok(Some(options))
    }
}

/// Reads a number up to a limit.
fn number(name: &str, value: &str, most: u64) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| *number <= most);
    number.ok_or_else(|| format!("{name} needs a number up to {most}, not {value:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments() {
        assert_eq!(parse(""), Ok(Some(Options::new())));
        let all = "--port 0 --event-interval 5 --api-key k --model a --model b --script f.json";
        let expected = Options {
            port: 0,
            interval: Duration::from_millis(5),
            api_key: Some("k".to_owned()),
            models: vec!["a".to_owned(), "b".to_owned()],
            script: Some("f.json".to_owned()),
        };
        assert_eq!(parse(all), Ok(Some(expected)));
        assert_eq!(parse("--port 1 --help"), Ok(None));
        for wrong in
            ["--port", "--port x", "--port 70000", "--event-interval -1", "--script", "now"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
