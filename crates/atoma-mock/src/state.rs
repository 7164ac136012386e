//! The state of a server, shared by its connections: the script, the node, and the statistics.
//!
//! ```text
//! request ─► judge: the proxy's rules ─► Verdict ─┐
//!         └► Queue: the next scripted response ───┴─► render ─► Outgoing, Exchange
//! ```
//!
//! Each lock is taken for one step and released before the next, so that a test can read the state at any time.
use crate::{
    gateway::{Rules, Verdict, judge},
    node::ConfidentialNode,
    outgoing::{self, NodeContext, Outgoing, Tempo},
    request::ReceivedRequest,
    response::Response,
    stats::ServerStats,
};
use atoma_verify::SigningKey;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};

/// The state that all connections of a server share.
#[derive(Debug)]
pub(crate) struct State {
    /// The rules of the proxy.
    rules: Rules,
    /// The timing of responses that set none.
    tempo: Tempo,
    /// The key of the node.
    pub(crate) signing_key: Arc<SigningKey>,
    /// The server's URL.
    pub(crate) base: String,
    /// The scripted responses that are left, and the requests received.
    script: Mutex<Queue>,
    /// The node's key pair and its locks.
    node: Mutex<ConfidentialNode>,
    /// Watched, so that a test can wait for a change.
    pub(crate) stats: watch::Sender<ServerStats>,
    /// A permit for each held response that may continue.
    pub(crate) gate: Arc<Semaphore>,
}

/// The scripted responses, and the requests so far.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Each is used once, in order, by the first request that it fits.
    pub(crate) responses: VecDeque<Response>,
    /// Used when none of them fits.
    pub(crate) always: Option<Response>,
    /// Every request received, rejected ones included.
    pub(crate) requests: Vec<ReceivedRequest>,
}

impl State {
    pub(crate) fn new(rules: Rules, tempo: Tempo, signing_key: SigningKey, base: String) -> Self {
        Self {
            rules,
            tempo,
            signing_key: Arc::new(signing_key),
            base,
            script: Mutex::default(),
            node: Mutex::default(),
            stats: watch::Sender::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }

    /// Records a request and decides on the response.
    pub(crate) fn decide(self: &Arc<Self>, mut request: ReceivedRequest) -> (Outgoing, Exchange) {
        let ((verdict, plaintext), (locks, spent_locks)) = {
            let mut node = self.node();
            let judged = judge(&self.rules, &mut node, Instant::now(), &request);
            (judged, node.locks.counts())
        };
        request.plaintext = plaintext;
        // One lock for both: the number of a request is its place among the requests.
        let (response, number) = {
            let mut script = self.script();
            let response = script.take(&verdict, request.path_without_query());
            script.requests.push(request);
            (response, script.requests.len())
        };
        self.stats.send_modify(|stats| {
            stats.requests += 1;
            stats.locks = stats.locks.max(locks);
            stats.spent_locks = stats.spent_locks.max(spent_locks);
        });
        let exchange = Exchange { state: Arc::clone(self), over: false };
        (self.render(verdict, &response.unwrap_or_default(), number), exchange)
    }

    /// Makes the response: a script of raw bytes is sent whatever the verdict is.
    fn render(&self, verdict: Verdict, response: &Response, number: usize) -> Outgoing {
        if let Some(outgoing) = outgoing::server(response, self.tempo) {
            return outgoing;
        }
        match verdict {
            Verdict::Direct(direct) => outgoing::direct(direct, self.tempo),
            Verdict::Node(request) => {
                let context = NodeContext {
                    signing_key: &self.signing_key,
                    base: &self.base,
                    number,
                    created: now(),
                };
                outgoing::node(*request, response, &context, self.tempo)
            }
        }
    }

    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn opened(self: &Arc<Self>) -> OpenConnection {
        self.stats.send_modify(|stats| {
            stats.connections += 1;
            stats.open_connections += 1;
        });
        OpenConnection(Arc::clone(self))
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Queue> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn node(&self) -> MutexGuard<'_, ConfidentialNode> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Takes the response for a request; `None`: there is no script for it.
    fn take(&mut self, verdict: &Verdict, path: &str) -> Option<Response> {
        let passed = matches!(verdict, Verdict::Node(_));
        let fits = |response: &Response| response.behavior.path.accepts(path);
        match self.responses.iter().position(fits) {
            Some(place) if passed || outgoing::is_server_response(&self.responses[place]) => {
                self.responses.remove(place)
            }
            // The request was rejected, and the model's response waits for the next one.
            Some(_) => None,
            None => self
                .always
                .clone()
                .filter(|always| fits(always) && (passed || outgoing::is_server_response(always))),
        }
    }
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// An open connection.
pub(crate) struct OpenConnection(Arc<State>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.stats.send_modify(|stats| stats.open_connections -= 1);
    }
}

/// A response that is being sent. It counts as abandoned if it is dropped before it is finished.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Counts the outcome.
    state: Arc<State>,
    /// Whether it was finished.
    over: bool,
}

impl Exchange {
    /// Waits until the server releases one held response.
    pub(crate) fn released(&self) -> impl Future<Output = ()> + Send + use<> {
        let gate = Arc::clone(&self.state.gate);
        async move {
            if let Ok(permit) = gate.acquire_owned().await {
                permit.forget();
            }
        }
    }

    /// Counts the response as finished. The second time, it does nothing.
    pub(crate) fn finish(&mut self) {
        if !self.over {
            self.over = true;
            self.state.stats.send_modify(|stats| stats.finished += 1);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.over {
            self.state.stats.send_modify(|stats| stats.abandoned += 1);
        }
    }
}
