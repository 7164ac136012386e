use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, watch};

use crate::gateway::{Rules, Verdict, judge};
use crate::outgoing::{self, Outgoing, Tempo};
use crate::request::ReceivedRequest;
use crate::response::Response;
use crate::server::ServerStats;

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct State {
    rules: Rules,
    tempo: Tempo,
    script: Mutex<Script>,
    pub(crate) stats: watch::Sender<ServerStats>,
    /// A permit for each held answer that may go on.
    pub(crate) gate: Arc<Semaphore>,
}

#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) queue: VecDeque<Response>,
    pub(crate) always: Option<Response>,
    pub(crate) requests: Vec<ReceivedRequest>,
}

impl State {
    pub(crate) fn new(rules: Rules, tempo: Tempo) -> Self {
        Self {
            rules,
            tempo,
            script: Mutex::default(),
            stats: watch::Sender::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }

    /// Notes a request and decides what to answer.
    pub(crate) fn decide(self: &Arc<Self>, request: ReceivedRequest) -> (Outgoing, Exchange) {
        let verdict = judge(&self.rules, &request);
        let (answer, number) = {
            let mut script = self.script();
            script.requests.push(request);
            (script.take(&verdict), script.requests.len())
        };
        self.stats.send_modify(|stats| stats.requests += 1);
        let exchange = Exchange { state: Arc::clone(self), over: false };
        let outgoing = match (answer, verdict) {
            (None, Verdict::Plain(plain)) => outgoing::plain(plain, self.tempo),
            (answer, verdict) => {
                let answer = answer.unwrap_or_else(Response::default);
                outgoing::scripted(&answer, &verdict, self.tempo, number, now())
            }
        };
        (outgoing, exchange)
    }

    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn opened(self: &Arc<Self>) -> Open {
        self.stats.send_modify(|stats| {
            stats.connections += 1;
            stats.open_connections += 1;
        });
        Open(Arc::clone(self))
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script {
    /// The answer due to a request; `None`: the proxy or the model speaks for itself.
    fn take(&mut self, verdict: &Verdict) -> Option<Response> {
        let due = self.queue.front().or(self.always.as_ref())?;
        let passes = matches!(verdict, Verdict::Chat(_));
        if !passes && !outgoing::speaks_for_the_server(due) {
            return None;
        }
        self.queue.pop_front().or_else(|| self.always.clone())
    }
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// An open connection.
pub(crate) struct Open(Arc<State>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.stats.send_modify(|stats| stats.open_connections -= 1);
    }
}

/// One answer on its way: finished, or abandoned when dropped before.
#[derive(Debug)]
pub(crate) struct Exchange {
    state: Arc<State>,
    over: bool,
}

impl Exchange {
    /// Waits until the server is told to let one held answer go on.
    pub(crate) fn released(&self) -> impl Future<Output = ()> + Send + use<> {
        let gate = Arc::clone(&self.state.gate);
        async move {
            if let Ok(permit) = gate.acquire_owned().await {
                permit.forget();
            }
        }
    }

    /// Counts the answer as given to its end; the second time nothing happens.
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
