//! A proxy with its node, in memory, for tests of confidential calls.

#![allow(dead_code, reason = "each test uses a part of it")]

use crate::support::{self, completion};
use atoma::{
    Client,
    transport::{Body, Request, testing::ManualTimer, transport_fn},
    verify::SigningKey,
};
use atoma_confidential::node::{NodeSecret, NodeSession};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// The proxy's reaction to one confidential request.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    /// Encrypts this body.
    Seal(Value),
    /// Encrypts these chunks, with one nonce.
    Stream(Vec<Value>),
    /// Encrypts these chunks, then changes the list of their events.
    Events(Vec<Value>, fn(&mut Vec<String>)),
    /// Seals the body, then replaces a text in its JSON.
    Alter(fn(&mut Value)),
    /// Sends this body as it is.
    Plain(Value),
    /// An error response.
    Error(u16, &'static str),
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) locks: Vec<Value>,
    pub(crate) envelopes: Vec<Value>,
    pub(crate) plaintexts: Vec<Value>,
    pub(crate) wire: Vec<u8>,
}

/// A proxy with its node, in memory.
pub(crate) struct Proxy {
    /// The secrets of the node's keys, one for each lock; the last one is kept.
    pub(crate) secrets: Mutex<Vec<u8>>,
    pub(crate) plays: Mutex<Vec<Play>>,
    pub(crate) lock_errors: Mutex<Vec<u16>>,
    /// Replaces the response to every lock, which is given.
    pub(crate) lock_response: Mutex<Option<fn(Value) -> Value>>,
    pub(crate) lock_delay: Option<(ManualTimer, Duration)>,
    pub(crate) log: Mutex<Log>,
}

pub(crate) fn error(status: u16, message: &str) -> http::Response<Body> {
    let body = json!({"error": {"code": "X", "message": message}}).to_string();
    http::Response::builder().status(status).body(Body::from(body)).unwrap()
}

pub(crate) fn ok(content_type: &str, body: String) -> http::Response<Body> {
    let head = http::Response::builder().header("content-type", content_type);
    head.body(Body::from(body)).unwrap()
}

impl Proxy {
    pub(crate) fn new(plays: impl Into<Vec<Play>>) -> Self {
        Self {
            secrets: Mutex::new(vec![0x22]),
            plays: Mutex::new(plays.into()),
            lock_errors: Mutex::default(),
            lock_response: Mutex::default(),
            lock_delay: None,
            log: Mutex::default(),
        }
    }

    pub(crate) fn respond(&self, request: &Request) -> http::Response<Body> {
        let mut log = self.log.lock().unwrap();
        log.wire.extend_from_slice(request.body());
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(request.headers()["authorization"], "Bearer sk-test");
        let mut secrets = self.secrets.lock().unwrap();
        if request.uri().path() == "/v1/nodes/lock" {
            log.locks.push(body);
            let mut errors = self.lock_errors.lock().unwrap();
            if !errors.is_empty() {
                return error(errors.remove(0), "Service unavailable");
            }
            let secret = secrets[0];
            if secrets.len() > 1 {
                secrets.remove(0);
            }
            let key = NodeSecret::from_bytes([secret; 32]).key().to_string();
            let stack = 100 + log.locks.len();
            let lock = json!({"public_key": key, "node_small_id": 7, "stack_small_id": stack,
                "stack_entry_digest": null});
            let change = *self.lock_response.lock().unwrap();
            let lock = change.map_or(lock.clone(), |change| change(lock));
            return ok("application/json", lock.to_string());
        }
        assert!(request.uri().path().starts_with("/v1/confidential/"), "{}", request.uri());
        log.envelopes.push(body.clone());
        let play = self.plays.lock().unwrap().remove(0);
        if let Play::Error(status, message) = play {
            return error(status, message);
        }
        let text = std::str::from_utf8(request.body()).unwrap();
        let opened = [0x22, 0x23]
            .iter()
            .find_map(|secret| NodeSecret::from_bytes([*secret; 32]).open_request(text).ok());
        let (opened, session) = opened.expect("the request is encrypted for the node");
        log.plaintexts.push(serde_json::from_slice(opened.plaintext()).unwrap());
        let response = play_out(play, &session);
        log.wire.extend_from_slice(response.1.as_bytes());
        ok(response.0, response.1)
    }
}

pub(crate) fn sealed(session: &NodeSession, body: &Value, is_chunk: bool) -> String {
    let text = body.to_string();
    let sealed = session.seal_response(text.as_bytes(), [9; 12]);
    let signature = SigningKey::test().sign_hash(&sealed.response_hash);
    let usage = Some(r#"{"total_tokens":1}"#);
    if is_chunk {
        sealed.to_chunk_json(Some(&signature), usage)
    } else {
        sealed.to_json(Some(&signature), usage)
    }
}

pub(crate) fn play_out(play: Play, session: &NodeSession) -> (&'static str, String) {
    match play {
        Play::Seal(body) => ("application/json", sealed(session, &body, false)),
        Play::Stream(chunks) => {
            let event = |chunk: &Value| support::event(sealed(session, chunk, true));
            ("text/event-stream", chunks.iter().map(event).collect())
        }
        Play::Events(chunks, change) => {
            let mut events = chunks.iter().map(|chunk| sealed(session, chunk, true)).collect();
            change(&mut events);
            ("text/event-stream", events.into_iter().map(support::event).collect())
        }
        Play::Alter(alter) => {
            let mut body = serde_json::from_str(&sealed(session, &completion(CANARY), false));
            alter(body.as_mut().unwrap());
            ("application/json", body.unwrap().to_string())
        }
        Play::Plain(body) => ("application/json", body.to_string()),
        Play::Error(..) => unreachable!("handled before decryption"),
    }
}

pub(crate) const CANARY: &str = "canary-of-the-response";
pub(crate) const PROMPT: &str = "Hello!";

pub(crate) fn client_of(proxy: Proxy) -> (Client, Arc<Proxy>, ManualTimer) {
    let timer = proxy.lock_delay.as_ref().map_or_else(ManualTimer::new, |delay| delay.0.clone());
    let proxy = Arc::new(proxy);
    let server = Arc::clone(&proxy);
    let transport = transport_fn(move |request: Request| {
        let server = Arc::clone(&server);
        async move {
            let response = server.respond(&request);
            if let (Some((timer, delay)), true) =
                (&server.lock_delay, request.uri().path().ends_with("lock"))
            {
                use atoma::transport::Timer as _;
                timer.sleep_until(timer.now() + *delay).await;
            }
            Ok(response)
        }
    });
    let client = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    let client = client.transport(transport).timer(timer.clone()).build().unwrap();
    (client, proxy, timer)
}

pub(crate) fn client(plays: impl Into<Vec<Play>>) -> (Client, Arc<Proxy>, ManualTimer) {
    client_of(Proxy::new(plays))
}
