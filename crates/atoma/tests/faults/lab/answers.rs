//! Good answers, whole and in pieces for the rows to spoil.

use super::Script;

/// The text of every good response.
pub const GOOD: &str = "Hello there";

/// The head of a stream that ends when the connection does.
pub const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
/// The head of a stream in HTTP chunks.
pub const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
/// The head of a whole answer that ends when the connection does.
pub const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
/// The event after the last.
pub const DONE: &str = "data: [DONE]\n\n";
/// The chunk after the last.
pub const LAST_CHUNK: &str = "0\r\n\r\n";

/// The event that says `text`.
pub fn event(text: &str) -> String {
    let delta = format!("{{\"role\":\"assistant\",\"content\":\"{text}\"}}");
    data(&format!("{{\"index\":0,\"delta\":{delta}}}"))
}

/// The event that says that the answer is finished.
pub fn finish() -> String {
    data("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}")
}

fn data(choice: &str) -> String {
    format!(
        "data: {{\"id\":\"lab-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
         \"model\":\"lab-model\",\"choices\":[{choice}]}}\n\n"
    )
}

/// All events of an answer that says `text`, `[DONE]` included.
pub fn events(text: &str) -> String {
    event(text) + &finish() + DONE
}

/// A whole answer that says `text`, as JSON.
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

/// A whole response with this status line's end, further header lines, and a length.
pub fn response(status: &str, headers: &[&str], body: &str) -> String {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{lines}content-length: {}\r\n\r\n{body}", body.len())
}

/// The whole response to a good unary call.
pub fn whole(text: &str) -> String {
    response("200 OK", &["content-type: application/json"], &completion(text))
}

/// The whole response to a good streaming call.
pub fn streamed(text: &str) -> String {
    format!("{CHUNKED}{}{LAST_CHUNK}", chunk(&events(text)))
}

/// The answer that `request` asks for.
pub fn good(request: &str) -> String {
    if request.contains("\"stream\":true") { streamed(GOOD) } else { whole(GOOD) }
}

/// Scripts with good responses.
pub trait Good {
    /// Responds to every request with the good response that it asks for.
    fn good() -> Self;

    /// Responds to every further request with the good response that it asks for.
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
