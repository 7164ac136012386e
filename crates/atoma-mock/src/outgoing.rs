use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::behavior::HeadTiming;
use crate::body_script::{Flow, Source};
use crate::fake_model;
use crate::gateway::{Plain, Verdict};
use crate::render::{Chunks, completion};
use crate::reply::Reply;
use crate::response::{Content, Response};

/// The answer to one request, ready to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) timing: HeadTiming,
    /// `None`: the flow is the whole response, head included.
    pub(crate) head: Option<Head>,
    pub(crate) flow: Flow,
    pub(crate) keep_alive: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The length to announce; `None`: the body is sent in chunks.
    pub(crate) length: Option<u64>,
}

/// How fast the server speaks when an answer does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tempo {
    pub(crate) pace: Duration,
    /// The silence after which a keep-alive comment is due; `None`: no comments.
    pub(crate) keep_alive: Option<Duration>,
}

/// Whether an answer is given to any request, refused ones too.
pub(crate) fn speaks_for_the_server(answer: &Response) -> bool {
    matches!(answer.content, Content::Raw { .. } | Content::Bytes(_))
}

/// Renders the proxy's own answer.
pub(crate) fn plain(plain: Plain, tempo: Tempo) -> Outgoing {
    let mut headers = any_origin();
    if let Some(content_type) = plain.content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(allow) = plain.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    let status = StatusCode::from_u16(plain.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Body::whole(plain.body.into()).outgoing(status, headers, &Response::default(), tempo)
}

/// Renders a scripted answer, or what the server says by itself, to a request that was let through.
///
/// `number` and `created` go into the id and the time stamp of a model's answer.
pub(crate) fn scripted(
    answer: &Response,
    verdict: &Verdict,
    tempo: Tempo,
    number: usize,
    created: u64,
) -> Outgoing {
    let request = match verdict {
        Verdict::Chat(request) => request,
        Verdict::Plain(_) => &Value::Null,
    };
    let said = match &answer.content {
        Content::Raw { status, content_type, body } => {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.clone())]);
            let stream = content_type.as_bytes().starts_with(b"text/event-stream");
            let body =
                if stream { Body::stream(Source::events(body)) } else { Body::whole(body.clone()) };
            return body.outgoing(*status, headers, answer, tempo);
        }
        Content::Bytes(response) => {
            return Outgoing {
                timing: answer.behavior.head,
                head: None,
                flow: Flow::new(
                    Source::whole(response.clone()),
                    &answer.behavior,
                    tempo.pace,
                    false,
                ),
                keep_alive: None,
            };
        }
        Content::Usual => &fake_model::usual(request),
        Content::Said(said) => said,
    };
    let reply = Reply::new(request, said, &answer.behavior, number, created);
    let mut headers = any_origin();
    let body = if request["stream"] == true {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Body::stream(Source::Chunks(Box::new(Chunks::new(reply))))
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Body::whole(completion(&reply).into())
    };
    body.outgoing(StatusCode::OK, headers, answer, tempo)
}

/// The header by which the proxy lets pages of any origin read its answers.
fn any_origin() -> HeaderMap {
    let any = HeaderValue::from_static("*");
    HeaderMap::from_iter([(header::ACCESS_CONTROL_ALLOW_ORIGIN, any)])
}

struct Body {
    source: Source,
    /// `None`: an event stream.
    length: Option<u64>,
}

impl Body {
    fn whole(body: bytes::Bytes) -> Self {
        Self { length: Some(body.len() as u64), source: Source::whole(body) }
    }

    fn stream(source: Source) -> Self {
        Self { source, length: None }
    }

    fn outgoing(
        self,
        status: StatusCode,
        mut headers: HeaderMap,
        answer: &Response,
        tempo: Tempo,
    ) -> Outgoing {
        let behavior = &answer.behavior;
        for (name, value) in &behavior.headers {
            headers.insert(name, value.clone());
        }
        let stream = self.length.is_none();
        let flow = Flow::new(self.source, behavior, tempo.pace, stream);
        let length = self.length.filter(|_| !flow.ends_early());
        let keep_alive = tempo.keep_alive.filter(|_| stream && !behavior.silence_is_silent);
        Outgoing {
            timing: behavior.head,
            head: Some(Head { status, headers, length }),
            flow,
            keep_alive,
        }
    }
}
