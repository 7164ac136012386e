//! Only the types, sent in any way: here over a bare TCP stream, without async.
//!
//! Run: `cargo run --example types_only`
//!
//! You should see a request as it is sent, and the content of its response. It always talks to a
//! mock.

use atoma_mock::MockServer;
use atoma_types::{ApiError, ChatCompletionMessage, ChatCompletionRequest, ChatCompletionResponse};
use std::{
    error::Error,
    io::{Read, Write},
    net::TcpStream,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start_blocking();
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Count to three.")],
    )
    .temperature(0.7)
    .extra("top_k", 40); // not in the reference, so not a method
    request.validate()?;
    println!("request: {}", serde_json::to_string(&request)?);

    let (is_success, body) = post(&mock.url(), &serde_json::to_vec(&request)?)?;
    if !is_success {
        let error = ApiError::from_body(&body).unwrap_or_default();
        return Err(format!("the server refused: {error}").into());
    }
    let response = ChatCompletionResponse::from_slice(&body)?;
    println!("text:    {}", response.text());
    println!("ended:   {:?}", response.finish_reason());
    println!("tokens:  {:?}", response.usage().map(|usage| usage.total_tokens));
    Ok(())
}

/// Just enough HTTP for loopback: whether the status is a success, and the body.
fn post(url: &str, body: &[u8]) -> Result<(bool, Vec<u8>), Box<dyn Error>> {
    let host = url.strip_prefix("http://").ok_or("not a URL")?;
    let mut stream = TcpStream::connect(host)?;
    let length = body.len();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer any\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(body)?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head")?;
    Ok((response.starts_with(b"HTTP/1.1 200"), response.split_off(end + 4)))
}
