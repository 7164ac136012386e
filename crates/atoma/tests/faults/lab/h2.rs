//! HTTP/2: connections whose frames are written by hand, and connections that `h2` serves.

use super::{Event, Peer, Script, Setup, responses, serve};
use atoma_transport::Http2;
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use h2::server::{Builder, SendResponse};
use std::{future::Future, pin::Pin, sync::Arc};

/// The function that an [`responding`] script runs for a request: it takes the request's number from
/// 0, its body, and the place to send the response.
pub type Respond = Arc<
    dyn Fn(usize, String, SendResponse<Bytes>) -> Pin<Box<dyn Future<Output = ()> + Send>>
        + Send
        + Sync,
>;

/// A lab whose client speaks HTTP/2 from the start.
pub fn serve_h2(scripts: impl IntoIterator<Item = Script>) -> Setup {
    serve(scripts).then(good()).transport(|builder| builder.http2(Http2::PriorKnowledge))
}

/// Sends a good response to every request.
pub fn good() -> Script {
    responding(|_| {}, |_, request, respond| async move { send_good(&request, respond) })
}

/// Lets `h2` serve the connection with these settings, and `response` respond to each request.
pub fn responding<F>(
    settings: fn(&mut Builder),
    response: impl Fn(usize, String, SendResponse<Bytes>) -> F + Send + Sync + 'static,
) -> Script
where
    F: Future<Output = ()> + Send + 'static,
{
    let response: Respond =
        Arc::new(move |number, request, respond| Box::pin(response(number, request, respond)));
    Script::default().run(move |peer| Box::pin(converse(peer, settings, response.clone())))
}

async fn converse(peer: &mut Peer, settings: fn(&mut Builder), response: Respond) {
    let (log, number) = (peer.log(), peer.number);
    let mut builder = Builder::new();
    settings(&mut builder);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(&mut peer.stream).await else { return };
    let mut responses = FuturesUnordered::new();
    let mut count = 0;
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                let (response, log) = (response.clone(), log.clone());
                responses.push(async move {
                    let Some(text) = body_of(request).await else { return };
                    log.note(Event::Request(number, text.clone()));
                    response(count, text, respond).await;
                });
                count += 1;
            }
            Some(()) = responses.next() => {}
        }
    }
}

async fn body_of(request: http::Request<h2::RecvStream>) -> Option<String> {
    let mut text = format!("{:?} {} ", request.version(), request.uri());
    let mut body = request.into_body();
    while let Some(bytes) = body.data().await {
        let bytes = bytes.ok()?;
        let _ = body.flow_control().release_capacity(bytes.len());
        text += &String::from_utf8_lossy(&bytes);
    }
    Some(text)
}

/// The body of the good response to `request`.
pub fn good_body(request: &str) -> String {
    let is_stream = request.contains("\"stream\":true");
    if is_stream {
        responses::events(responses::GOOD)
    } else {
        responses::completion(responses::GOOD)
    }
}

pub fn send_good(request: &str, respond: SendResponse<Bytes>) {
    let mut body = begin(request, respond);
    let _ = body.send_data(good_body(request).into(), true);
}

/// Sends the head of a good response to `request`.
pub fn begin(request: &str, mut respond: SendResponse<Bytes>) -> h2::SendStream<Bytes> {
    let label =
        if request.contains("\"stream\":true") { "text/event-stream" } else { "application/json" };
    let head = http::Response::builder().header("content-type", label).body(()).expect("a head");
    respond.send_response(head, false).expect("a stream that was just opened")
}

/// Sends `bytes` as the window allows, in frames of `size` bytes, and returns the number of bytes
/// sent. Ends early if the client resets the stream.
pub async fn send_in_frames(
    stream: &mut h2::SendStream<Bytes>,
    bytes: Bytes,
    size: usize,
) -> usize {
    let mut taken = 0;
    while taken < bytes.len() {
        let next = size.min(bytes.len() - taken);
        stream.reserve_capacity(next);
        while stream.capacity() < next {
            let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
            let Some(Ok(_)) = capacity else { return taken };
        }
        if stream.send_data(bytes.slice(taken..taken + next), false).is_err() {
            return taken;
        }
        taken += next;
    }
    taken
}

/// A connection whose frames are written by hand. It begins with the client's first request, on
/// stream 1, and the server's settings. The next requests are on 3, 5 and so on.
pub fn on_request() -> Script {
    opened().run(request)
}

/// The same up to the request.
pub fn opened() -> Script {
    Script::default().run(preface).write(frame(SETTINGS, 0, 0, &[]))
}

/// Reads the client's preface.
pub fn preface(peer: &mut Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
    Box::pin(async {
        let preface = peer.take(24).await;
        assert!(preface.is_none_or(|preface| preface.starts_with(b"PRI * HTTP/2.0")));
    })
}

/// Reads frames up to the end of a request. Does not acknowledge settings and pings.
pub fn request(peer: &mut Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
    Box::pin(async {
        let mut text = String::new();
        while let Some((kind, flags, payload)) = next_frame(peer).await {
            if kind == DATA {
                text += &String::from_utf8_lossy(&payload);
            }
            if (kind == DATA || kind == HEADERS) && flags & END_STREAM != 0 {
                peer.log().note(Event::Request(peer.number, text));
                return;
            }
        }
    })
}

/// Reads frames up to the end of a request's head.
pub fn request_head(peer: &mut Peer) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
    Box::pin(async { while next_frame(peer).await.is_some_and(|(kind, ..)| kind != HEADERS) {} })
}

async fn next_frame(peer: &mut Peer) -> Option<(u8, u8, Vec<u8>)> {
    let head = peer.take(9).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    Some((head[3], head[4], peer.take(length).await?))
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const NO_ERROR: u32 = 0;
pub const INTERNAL_ERROR: u32 = 2;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;

/// A frame (RFC 9113, section 4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Header lines in HPACK, written out without compression (RFC 7541, section 6.2.2).
pub fn fields(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in lines {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541, section 5.1).
fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(length as u8);
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}

/// The head of a response, in one frame.
pub fn head(stream: u32, flags: u8, lines: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, &fields(lines))
}

/// The head of a stream.
pub fn stream_head(stream: u32) -> Vec<u8> {
    head(stream, 0, &[(":status", "200"), ("content-type", "text/event-stream")])
}

pub fn data(stream: u32, flags: u8, text: &str) -> Vec<u8> {
    frame(DATA, flags, stream, text.as_bytes())
}

/// A complete streamed response with the content `text`.
pub fn streamed(stream: u32, text: &str) -> Vec<u8> {
    [stream_head(stream), data(stream, END_STREAM, &responses::events(text))].concat()
}

pub fn reset(stream: u32, reason: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &reason.to_be_bytes())
}

pub fn go_away(last: u32, reason: u32, text: &str) -> Vec<u8> {
    let numbers = [last.to_be_bytes(), reason.to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &[&numbers, text.as_bytes()].concat())
}

pub fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// One setting (RFC 9113, section 6.5.1).
pub fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}
