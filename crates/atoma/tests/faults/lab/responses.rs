//! Good responses, complete and in pieces that the rows can break.

use super::Script;

/// The text of every good response.
pub const GOOD: &str = "Hello there";

/// The head of a stream that ends when the connection does.
pub const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
/// The head of a stream in HTTP chunks.
pub const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
/// The head of a unary response that ends when the connection does.
pub const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
/// The event after the last.
pub const DONE: &str = "data: [DONE]\n\n";
/// The chunk after the last.
pub const LAST_CHUNK: &str = "0\r\n\r\n";

/// An event with the content `text`.
pub fn event(text: &str) -> String {
    let delta = format!("{{\"role\":\"assistant\",\"content\":\"{text}\"}}");
    data(&format!("{{\"index\":0,\"delta\":{delta}}}"))
}

/// An event with the finish reason of the response.
pub fn finish() -> String {
    data("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}")
}

fn data(choice: &str) -> String {
    format!(
        "data: {{\"id\":\"lab-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"lab-model\",\"choices\":[{choice}]}}\n\n"
    )
}

/// All events of a response with the content `text`, including `[DONE]`.
pub fn events(text: &str) -> String {
    event(text) + &finish() + DONE
}

/// A unary response with the content `text`, as JSON.
pub fn completion(text: &str) -> String {
    let message = format!("{{\"role\":\"assistant\",\"content\":\"{text}\"}}");
    format!(
        "{{\"id\":\"lab-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"lab-model\",\
         \"choices\":[{{\"index\":0,\"message\":{message},\"finish_reason\":\"stop\"}}]}}"
    )
}

/// One HTTP chunk.
pub fn chunk(bytes: &str) -> String {
    format!("{:x}\r\n{bytes}\r\n", bytes.len())
}

/// A response with this status, these header lines, and a length.
pub fn response(status: &str, headers: &[&str], body: &str) -> String {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{lines}content-length: {}\r\n\r\n{body}", body.len())
}

/// A good unary response, with its head.
pub fn whole(text: &str) -> String {
    response("200 OK", &["content-type: application/json"], &completion(text))
}

/// A good streamed response, with its head.
pub fn streamed(text: &str) -> String {
    format!("{CHUNKED}{}{LAST_CHUNK}", chunk(&events(text)))
}

/// The good response to `request`, unary or streamed.
pub fn good(request: &str) -> String {
    if request.contains("\"stream\":true") { streamed(GOOD) } else { whole(GOOD) }
}

/// Scripts with good responses.
pub trait Good {
    /// Responds to every request with a good response of its kind.
    fn good() -> Self;

    /// Responds to every further request with a good response of its kind.
    fn then_good(self) -> Self;
}

impl Good for Script {
    fn good() -> Self {
        Self::default().then_good()
    }

    fn then_good(self) -> Self {
        self.respond(good)
    }
}
