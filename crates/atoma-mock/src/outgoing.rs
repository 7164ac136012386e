//! From a decision to a response: status, headers, and the flow of the body.
//!
//! ```text
//! direct   the proxy's own response     status and body from the gateway's rules
//! server   a script of raw bytes        unchanged
//! node     a completion or the like     documents ─► signature, encryption ─► events or one body
//! ```
use crate::{
    behavior::{Behavior, HeadTiming, UsagePlace},
    body_script::{Flow, Source},
    endpoint::Endpoint,
    fake_model,
    gateway::{DirectResponse, NodeRequest},
    generation::Generation,
    node::{NodeOutput, Seal},
    render::{self, ChatChunks, CompletionChunks, TextCompletion},
    response::{Content, Response},
};
use atoma_verify::SigningKey;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::{sync::Arc, time::Duration};

/// A response that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// When the head is sent.
    pub(crate) timing: HeadTiming,
    /// `None`: the flow is the whole response, head included.
    pub(crate) head: Option<ResponseHead>,
    /// The steps of the body.
    pub(crate) flow: Flow,
    /// The silence after which a comment is sent; `None`: no comments.
    pub(crate) keep_alive: Option<Duration>,
}

/// Status, headers and length of a response.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The length to announce; `None`: the body is sent in chunks.
    pub(crate) length: Option<u64>,
}

/// The timing of responses that set none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tempo {
    pub(crate) event_interval: Duration,
    /// The silence after which a keep-alive comment is due; `None`: no comments.
    pub(crate) keep_alive: Option<Duration>,
}

/// The inputs of a node's response, apart from the request.
#[derive(Debug)]
pub(crate) struct NodeContext<'a> {
    pub(crate) signing_key: &'a Arc<SigningKey>,
    /// The server's URL.
    pub(crate) base: &'a str,
    /// The number of the request, which goes into ids and nonces.
    pub(crate) number: usize,
    /// Seconds since the Unix epoch.
    pub(crate) created: u64,
}

/// Whether a response is sent to any request, including one that the proxy would reject.
pub(crate) fn is_server_response(response: &Response) -> bool {
    matches!(response.content, Content::Raw { .. } | Content::Bytes(_))
}

/// Renders the proxy's own response.
pub(crate) fn direct(direct: DirectResponse, tempo: Tempo) -> Outgoing {
    let mut headers = any_origin();
    if let Some(content_type) = direct.content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if let Some(allow) = direct.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    let status = StatusCode::from_u16(direct.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Body::whole(direct.body).outgoing(status, headers, &Behavior::default(), tempo)
}

/// Renders a scripted response of the server; `None` if the response is a node's.
pub(crate) fn server(response: &Response, tempo: Tempo) -> Option<Outgoing> {
    let behavior = &response.behavior;
    match &response.content {
        Content::Raw { status, content_type, body } => {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.clone())]);
            let stream = content_type.as_bytes().starts_with(b"text/event-stream");
            let body =
                if stream { Body::stream(Source::events(body)) } else { Body::whole(body.clone()) };
            Some(body.outgoing(*status, headers, behavior, tempo))
        }
        Content::Bytes(bytes) => {
            let source = Source::whole(bytes.clone());
            Some(Outgoing {
                timing: behavior.head,
                head: None,
                flow: Flow::new(source, behavior, tempo.event_interval, false),
                keep_alive: None,
            })
        }
        Content::Default | Content::Output(_) | Content::Documents(_) => None,
    }
}

/// Renders the response of a node to a request that passed the checks.
pub(crate) fn node(
    request: NodeRequest,
    response: &Response,
    context: &NodeContext<'_>,
    tempo: Tempo,
) -> Outgoing {
    let behavior = &response.behavior;
    // Before the request is taken apart.
    let confidential = request.session.is_some();
    let documents = documents(&request, response, context);
    let NodeRequest { endpoint, streamed, stream_is_empty, session, .. } = request;
    let seal = session.map(|session| Seal { session, nonce: nonce(context.number) });
    let signing_key = Arc::clone(context.signing_key);
    let mut headers = any_origin();
    if streamed {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let output = if stream_is_empty {
            NodeOutput::empty(signing_key)
        } else {
            NodeOutput::new(documents, signing_key, behavior, seal, true)
        };
        let body = Body::stream(Source::Node(Box::new(output)));
        return body.outgoing(StatusCode::OK, headers, behavior, tempo);
    }
    // The proxy bills by the usage that it sees outside of the encryption.
    if confidential && endpoint != Endpoint::Images && behavior.usage == UsagePlace::Nowhere {
        return direct(DirectResponse::internal("Bad Request"), tempo);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut output = NodeOutput::new(documents, signing_key, behavior, seal, false);
    let body = output.next().unwrap_or_default();
    Body::whole(body.into()).outgoing(StatusCode::OK, headers, behavior, tempo)
}

/// The backend's documents: the chunks of a stream, or a single one.
fn documents(
    request: &NodeRequest,
    response: &Response,
    context: &NodeContext<'_>,
) -> Box<dyn Iterator<Item = String> + Send> {
    let output = match &response.content {
        Content::Documents(documents) => return Box::new(documents.clone().into_iter()),
        Content::Output(output) => Some(output),
        Content::Default | Content::Raw { .. } | Content::Bytes(_) => None,
    };
    let (body, behavior) = (&request.body, &response.behavior);
    let generate = |output: &fake_model::Output| {
        let (number, created) = (context.number, context.created);
        Generation::new(request.endpoint, body, output, behavior, number, created)
    };
    match request.endpoint {
        Endpoint::Chat => {
            let generation = output.map_or_else(|| generate(&fake_model::chat(body)), generate);
            if request.streamed {
                Box::new(ChatChunks::new(generation))
            } else {
                Box::new(std::iter::once(render::chat(&generation)))
            }
        }
        Endpoint::Completions => {
            let generations = render::prompts(body).into_iter().map(|prompt| {
                let generation =
                    output.map_or_else(|| generate(&fake_model::completion(&prompt)), generate);
                (prompt, generation)
            });
            let completion = TextCompletion::new(generations.collect(), body["echo"] == true);
            if request.streamed {
                Box::new(CompletionChunks::new(completion))
            } else {
                Box::new(std::iter::once(completion.document()))
            }
        }
        Endpoint::Embeddings => {
            let with_usage = behavior.usage != UsagePlace::Nowhere;
            Box::new(std::iter::once(render::embeddings(body, with_usage)))
        }
        Endpoint::Images => {
            let images = render::images(body, context.base, context.created);
            Box::new(std::iter::once(images))
        }
    }
}

/// The nonce of one response. It needs to be unique under one key, and each request has its own key.
fn nonce(number: usize) -> [u8; 12] {
    let mut nonce = [0x44; 12];
    nonce[..8].copy_from_slice(&(number as u64).to_le_bytes());
    nonce
}

/// The header by which the proxy lets pages of any origin read its responses.
fn any_origin() -> HeaderMap {
    let any = HeaderValue::from_static("*");
    HeaderMap::from_iter([(header::ACCESS_CONTROL_ALLOW_ORIGIN, any)])
}

/// A body and whether its length is known.
struct Body {
    source: Source,
    /// `None`: an event stream.
    length: Option<u64>,
}

impl Body {
    /// A body in one piece.
    fn whole(body: Bytes) -> Self {
        Self { length: Some(body.len() as u64), source: Source::whole(body) }
    }

    /// An event stream.
    fn stream(source: Source) -> Self {
        Self { source, length: None }
    }

    /// Returns the response with this body, changed as its behavior says: own headers win, and a body that ends early announces no
    /// length.
    fn outgoing(
        self,
        status: StatusCode,
        mut headers: HeaderMap,
        behavior: &Behavior,
        tempo: Tempo,
    ) -> Outgoing {
        for (name, value) in &behavior.headers {
            headers.insert(name, value.clone());
        }
        let stream = self.length.is_none();
        let flow = Flow::new(self.source, behavior, tempo.event_interval, stream);
        let length = self.length.filter(|_| !flow.ends_early());
        let keep_alive = tempo.keep_alive.filter(|_| stream && !behavior.no_keep_alive);
        let head = Some(ResponseHead { status, headers, length });
        Outgoing { timing: behavior.head, head, flow, keep_alive }
    }
}
