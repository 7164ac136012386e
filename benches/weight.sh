#!/bin/sh
# Weighs a program that streams one response over TLS: crates, cold build, stripped size.
#
# Run: benches/weight.sh [program…]        (about ten minutes on two cores that do nothing else)
#
# Six small projects are written under target/weight and built from scratch in release mode: ours, ours with
# verified responses (Ed25519), ours with encrypted calls and every signature scheme too, hyper with rustls and the
# same roots of trust by hand, async-openai, and reqwest with eventsource-stream by hand. Crates are counted in the tree of normal and build dependencies, without the program itself.
# The results go to target/atoma-bench/weight.json, for the report.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}
commit=$(git describe --always --dirty --abbrev=10 --exclude="*")
mkdir -p "$target/atoma-bench" "$target/weight"
cd "$target/weight"
records=$target/atoma-bench/weight.json
: > "$records"
processor="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"

# project NAME: the dependencies come on standard input, the program is in NAME.rs.
project() {
    mkdir -p "$1/src"
    cat > "$1/Cargo.toml" <<MANIFEST
[package]
name = "$1"
version = "0.0.0"
edition = "2024"

[workspace]

[profile.release]
strip = true

[dependencies]
tokio = { version = "1", default-features = false, features = ["rt", "net", "time"] }
MANIFEST
    cat >> "$1/Cargo.toml"
    cp "$1.rs" "$1/src/main.rs"
    cp "$root/Cargo.lock" "$1/Cargo.lock"
    (cd "$1" && cargo fetch --quiet)
}

# The most bytes that the stripped program hello-atoma may have.
budget=3800000

weigh() {
    (
        cd "$1"
        crates=$(cargo tree --edges normal,build --prefix none --format '{p}' | sed 's/ (.*//' |
            sort -u | grep -vc "^$1 ")
        rm -rf build
        load=$(cut -d ' ' -f 1 /proc/loadavg)
        CARGO_TARGET_DIR=build /usr/bin/time -f '%U %S %e' -o time \
            cargo build --quiet --release --offline
        seconds=$(awk '{ print $1 + $2 }' time)
        wall=$(awk '{ print $3 }' time)
        size=$(stat -c %s "build/release/$1")
        printf '%-24s %4s crates %7s CPU s %7s s %9s bytes (load before: %s)\n' \
            "$1" "$crates" "$seconds" "$wall" "$size" "$load"
        if [ "$1" = hello-atoma ]; then
            if [ "$size" -le "$budget" ]; then
                echo "within the budget of $budget bytes"
            else
                echo "OVER the budget of $budget bytes by $((size - budget))"
            fi
        fi
        printf '{"bench":"weight","command":"benches/weight.sh","processor":"%s","date":"%s","rustc":"%s","commit":"%s","program":"%s","crates":%s,"cpu_seconds":%s,"seconds":%s,"bytes":%s,"load":%s}\n' \
            "$processor" "$(date -u +%F)" "$(rustc --version)" "$commit" "$1" "$crates" "$seconds" "$wall" \
            "$size" "$load" >> "$records"
        rm -rf build
    )
}

cat > hello-atoma.rs <<'PROGRAM'
use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::from_env()?;
        let message = ChatCompletionMessage::user("Hello!");
        let request = ChatCompletionRequest::new("meta-llama/Llama-3.3-70B-Instruct", [message]);
        let mut chunks = client.chat().stream(request).await?;
        while let Some(chunk) = chunks.try_next().await? {
            print!("{}", chunk.text());
        }
        Ok(())
    })
}
PROGRAM

sed 's/Client::from_env()?/Client::from_env()?.verified(atoma::verify::Verifier::trust_on_first_use())/' \
    hello-atoma.rs > hello-verified.rs
sed 's/client.chat()/client.confidential().chat()/' hello-verified.rs > hello-confidential.rs

cat > hello-hyper.rs <<'PROGRAM'
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rustls_platform_verifier::ConfigVerifierExt;
use serde::Deserialize;

#[derive(Deserialize)]
struct Chunk { choices: Vec<Choice> }
#[derive(Deserialize)]
struct Choice { delta: Delta }
#[derive(Deserialize)]
struct Delta { content: Option<String> }

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        rustls::crypto::ring::default_provider().install_default().ok();
        let config = rustls::ClientConfig::with_platform_verifier()?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config).https_only().enable_http1().build();
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let body = serde_json::json!({
            "model": "meta-llama/Llama-3.3-70B-Instruct", "stream": true,
            "messages": [{"role": "user", "content": "Hello!"}],
        });
        let key = std::env::var("ATOMASDK_BEARER_AUTH")?;
        let request = hyper::Request::post("https://api.atoma.network/v1/chat/completions")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))?;
        let mut body = client.request(request).await?.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() { rest.extend_from_slice(&data); }
            while let Some(end) = memchr::memchr(b'\n', &rest) {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let Some(data) = line.strip_prefix(b"data: ") else { continue };
                if data.starts_with(b"[DONE]") { continue; }
                let chunk: Chunk = serde_json::from_slice(data)?;
                for choice in chunk.choices { print!("{}", choice.delta.content.unwrap_or_default()); }
            }
        }
        Ok(())
    })
}
PROGRAM

cat > hello-async-openai.rs <<'PROGRAM'
use async_openai::{Client, config::OpenAIConfig};
use async_openai::types::chat::{ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequestArgs};
use futures::StreamExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let config = OpenAIConfig::new().with_api_base("https://api.atoma.network/v1");
        let message = ChatCompletionRequestUserMessageArgs::default().content("Hello!").build()?;
        let request = CreateChatCompletionRequestArgs::default()
            .model("meta-llama/Llama-3.3-70B-Instruct").messages([message.into()]).build()?;
        let mut chunks = Client::with_config(config).chat().create_stream(request).await?;
        while let Some(chunk) = chunks.next().await {
            for choice in chunk?.choices { print!("{}", choice.delta.content.unwrap_or_default()); }
        }
        Ok(())
    })
}
PROGRAM

cat > hello-reqwest.rs <<'PROGRAM'
use eventsource_stream::Eventsource;
use futures::StreamExt;
use serde::Deserialize;

#[derive(Deserialize)]
struct Chunk { choices: Vec<Choice> }
#[derive(Deserialize)]
struct Choice { delta: Delta }
#[derive(Deserialize)]
struct Delta { content: Option<String> }

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let response = reqwest::Client::new()
            .post("https://api.atoma.network/v1/chat/completions")
            .bearer_auth(std::env::var("ATOMASDK_BEARER_AUTH")?)
            .json(&serde_json::json!({
                "model": "meta-llama/Llama-3.3-70B-Instruct", "stream": true,
                "messages": [{"role": "user", "content": "Hello!"}],
            }))
            .send().await?.error_for_status()?;
        let mut events = response.bytes_stream().eventsource();
        while let Some(event) = events.next().await {
            let event = event?;
            if event.data == "[DONE]" { break; }
            let chunk: Chunk = serde_json::from_str(&event.data)?;
            for choice in chunk.choices { print!("{}", choice.delta.content.unwrap_or_default()); }
        }
        Ok(())
    })
}
PROGRAM

project hello-atoma <<MANIFEST
atoma = { path = "$root/crates/atoma" }
MANIFEST
project hello-verified <<MANIFEST
atoma = { path = "$root/crates/atoma", features = ["verify"] }
MANIFEST
project hello-confidential <<MANIFEST
atoma = { path = "$root/crates/atoma", features = ["confidential", "verify-ecdsa"] }
MANIFEST
project hello-hyper <<'MANIFEST'
http-body-util = "0.1"
hyper = { version = "1", default-features = false, features = ["client", "http1"] }
hyper-rustls = { version = "0.27", default-features = false, features = ["http1", "ring", "tls12"] }
hyper-util = { version = "0.1", default-features = false, features = ["client-legacy", "http1", "tokio"] }
memchr = "2"
rustls = { version = "0.23", default-features = false, features = ["ring", "std", "tls12"] }
rustls-platform-verifier = "0.7"
serde = { version = "1", features = ["derive"] }
serde_json = "1"
MANIFEST
project hello-async-openai <<'MANIFEST'
async-openai = { version = "0.43", features = ["chat-completion"] }
futures = "0.3"
MANIFEST
project hello-reqwest <<'MANIFEST'
eventsource-stream = "0.2"
futures = "0.3"
reqwest = { version = "0.13", features = ["json", "stream"] }
serde = { version = "1", features = ["derive"] }
serde_json = "1"
MANIFEST

for program in ${*:-hello-atoma hello-verified hello-confidential hello-hyper hello-reqwest hello-async-openai}; do
    weigh "$program"
done
