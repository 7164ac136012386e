//! The output of the raw server: chat streams split as a network splits them, prebuilt.

use serde_json::json;

/// The number of pieces of text in a stream.
pub const EVENTS: usize = 2_000;

/// The framing of a response. The request names it as its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// HTTP chunks of 16 KiB, without pauses; events straddle them.
    Fast,
    /// One HTTP chunk an event, without pauses.
    Framed,
    /// One HTTP chunk and one write an event.
    PerEvent,
    /// As fast, with a comment before every event.
    Keepalive,
    /// As fast, but every chunk has a different id, so that no chunk is like the one before.
    Unlike,
    /// As framed, but the body ends a millisecond after its last event.
    LateEnd,
    /// As fast, a hundred times as long: for a reader that stops.
    Long,
    /// Ten events, half a second apart: for many concurrent streams.
    Slow,
    /// One unary response.
    Unary,
}

impl Mode {
    /// The modes in which streams are timed.
    pub const TIMED: [Self; 5] =
        [Self::Fast, Self::Framed, Self::PerEvent, Self::Keepalive, Self::Unlike];

    /// All modes, in their order.
    pub const ALL: [Self; 9] = [
        Self::Fast,
        Self::Framed,
        Self::PerEvent,
        Self::Keepalive,
        Self::Unlike,
        Self::LateEnd,
        Self::Long,
        Self::Slow,
        Self::Unary,
    ];

    /// The name, as in the results and in the requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Framed => "framed",
            Self::PerEvent => "per-event",
            Self::Keepalive => "keepalive",
            Self::Unlike => "unlike",
            Self::LateEnd => "late end",
            Self::Long => "long",
            Self::Slow => "slow",
            Self::Unary => "unary",
        }
    }

    /// The mode of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// The mode that a request asks for.
    pub fn asked_for(request: &str) -> Option<Self> {
        Self::named(model(request)?)
    }

    /// The number of pieces of text in a stream of this mode.
    pub fn events(self) -> usize {
        match self {
            Self::Long => 100 * EVENTS,
            Self::Slow | Self::LateEnd => 10,
            Self::Unary => 1,
            _ => EVENTS,
        }
    }

    /// The text that a client must read.
    pub fn text(self) -> String {
        match self {
            Self::Unary => UNARY_TEXT.to_owned(),
            _ => (0..self.events()).map(token).collect(),
        }
    }

    /// The response, as the writes that send it.
    pub fn response(self) -> Vec<Vec<u8>> {
        if self == Self::Unary {
            return vec![unary()];
        }
        let events = self.event_stream();
        let head = STREAM_HEAD.as_bytes().to_vec();
        match self {
            Self::PerEvent | Self::Slow => {
                let frames = events.iter().map(|event| framed(event.as_bytes()));
                [head].into_iter().chain(frames).chain([LAST_CHUNK.to_vec()]).collect()
            }
            Self::Framed | Self::LateEnd => {
                let frames = events.iter().map(|event| framed(event.as_bytes()));
                let response = [head].into_iter().chain(frames).collect::<Vec<_>>().concat();
                match self {
                    Self::LateEnd => vec![response, LAST_CHUNK.to_vec()],
                    _ => vec![[&response[..], LAST_CHUNK].concat()],
                }
            }
            _ => {
                vec![streamed_response(&events.concat())]
            }
        }
    }

    fn event_stream(self) -> Vec<String> {
        let delta = |delta, finish_reason| event(&chunk(&delta, finish_reason));
        let opening = delta(json!({"role": "assistant", "content": ""}), None);
        let texts = (0..self.events()).map(|number| match self {
            Self::Unlike => event(&unlike_chunk(number)),
            _ => event(&content_chunk(number)),
        });
        let closing = delta(json!({}), Some("stop"));
        let events = [opening].into_iter().chain(texts).chain([closing, event("[DONE]")]);
        let comment = if self == Self::Keepalive { ": keep-alive\n\n" } else { "" };
        events.map(|event| format!("{comment}{event}")).collect()
    }
}

/// The JSON of an event that carries one piece of text, about 220 bytes of it.
pub fn content_chunk(number: usize) -> String {
    chunk(&json!({"content": token(number)}), None)
}

/// The same with a different id, as few servers send it.
pub fn unlike_chunk(number: usize) -> String {
    content_chunk(number).replace("0a9b7e4d3c8a6b", &format!("{number:014x}"))
}

/// The same as Atoma's nodes send it: signed.
pub fn signed_chunk(number: usize) -> String {
    let chunk = content_chunk(number);
    let open = chunk.trim_end_matches('}');
    let closed = &chunk[open.len()..chunk.len() - 1];
    let (signature, hash) = (format!("{number:0>88}"), format!("{number:Z>44}"));
    format!("{open}{closed},\"signature\":\"{signature}\",\"response_hash\":\"{hash}\"}}")
}

/// A piece of text; one in sixteen needs an escape in JSON, one is not ASCII.
pub fn token(number: usize) -> &'static str {
    const TOKENS: [&str; 16] = [
        " the", " stream", ",", " arrives", " token", " by", " token", ".\n", " and", " nobody",
        " waits", " für", " its", " end", " again", "s",
    ];
    TOKENS[number % TOKENS.len()]
}

/// The model that a request names: a mode, or a shape.
pub(crate) fn model(request: &str) -> Option<&str> {
    let (_, rest) = request.split_once("\"model\":\"")?;
    Some(rest.split_once('"')?.0)
}

const UNARY_TEXT: &str = "The quick brown fox jumps over the lazy dog, and writes home about it.";

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\n\
    content-type: text/event-stream\r\n\
    cache-control: no-cache\r\n\
    date: Mon, 23 Nov 2026 12:00:00 GMT\r\n\
    transfer-encoding: chunked\r\n\r\n";

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

fn chunk(delta: &serde_json::Value, finish_reason: Option<&str>) -> String {
    let finish_reason = serde_json::Value::from(finish_reason);
    format!(
        "{{\"id\":\"chatcmpl-5f2c1f0a9b7e4d3c8a6b\",\"object\":\"chat.completion.chunk\",\
         \"created\":1795435200,\"model\":\"meta-llama/Llama-3.3-70B-Instruct\",\"choices\":\
         [{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish_reason}}}]}}"
    )
}

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// A response with these events, in HTTP chunks of 16 KiB.
pub(crate) fn streamed_response(events: &str) -> Vec<u8> {
    let mut response = STREAM_HEAD.as_bytes().to_vec();
    for piece in events.as_bytes().chunks(16 * 1024) {
        response.extend(framed(piece));
    }
    response.extend_from_slice(LAST_CHUNK);
    response
}

fn framed(piece: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

fn unary() -> Vec<u8> {
    let body = json!({
        "id": "chatcmpl-5f2c1f0a9b7e4d3c8a6b",
        "object": "chat.completion",
        "created": 1_795_435_200,
        "model": "meta-llama/Llama-3.3-70B-Instruct",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": UNARY_TEXT},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 11, "completion_tokens": 17, "total_tokens": 28},
    })
    .to_string();
    whole_response(&body)
}

/// A response with this JSON as its body.
pub(crate) fn whole_response(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
         date: Mon, 23 Nov 2026 12:00:00 GMT\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_mode() {
        let request = r#"{"model":"per-event","messages":[]}"#;
        assert_eq!(Mode::asked_for(request), Some(Mode::PerEvent));
        assert_eq!(Mode::asked_for("{}"), None);
    }

    #[test]
    fn chunks_are_json() {
        for chunk in [content_chunk(7), unlike_chunk(7), signed_chunk(7)] {
            let value: serde_json::Value = serde_json::from_str(&chunk).unwrap();
            assert_eq!(value["choices"][0]["delta"]["content"], token(7));
        }
    }
}
