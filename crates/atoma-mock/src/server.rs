use crate::{request::ReceivedRequest, response::Response, state::State, stats::ServerStats};
use atoma_verify::{PublicKey, SuiAddress};
use std::{net::SocketAddr, sync::Arc, thread};
use tokio::sync::oneshot;

/// An Atoma server on loopback, which runs until this value is dropped.
///
/// Dropping it closes the port and every connection and ends all its tasks: as soon as the runtime
/// runs them, or before `drop` returns if the server has its own thread.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use atoma_mock::{Response, MockServer};
///
/// let server = MockServer::start().await;
/// server.respond(Response::text("Hello"));
/// assert!(server.url().starts_with("http://127.0.0.1:"));
/// # }
/// ```
#[derive(Debug)]
pub struct MockServer {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) thread: Option<thread::JoinHandle<()>>,
}

impl MockServer {
    /// Returns the server's URL, `http://127.0.0.1:PORT`, without a path: clients append `/v1/…`.
    ///
    /// A client that has a path in its server URL works too: endpoints are found by the end of a path, such as
    /// `/chat/completions`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Queues a response: the next request gets it (see [`Response`] for which requests count).
    pub fn respond(&self, response: Response) -> &Self {
        self.state.script().responses.push_back(response);
        self
    }

    /// Sends this response from now on to every request for which none is queued.
    pub fn always(&self, response: Response) -> &Self {
        self.state.script().always = Some(response);
        self
    }

    /// Lets one response continue that [`hold_after_events`](Response::hold_after_events) holds: the first that
    /// waits, or else the next that would wait.
    pub fn release(&self) {
        self.state.gate.add_permits(1);
    }

    /// Returns the address of the node's signing key: signatures of all responses are by this key.
    ///
    /// Default: the published test key, [`SigningKey::test`](crate::SigningKey::test).
    pub fn signer(&self) -> SuiAddress {
        self.state.signing_key.address()
    }

    /// Returns the public part of the node's signing key.
    pub fn public_key(&self) -> PublicKey {
        self.state.signing_key.public_key()
    }

    /// Returns the key that confidential requests are encrypted for, as `POST /v1/nodes/lock` sends it: base64 of
    /// 32 bytes.
    pub fn node_key(&self) -> String {
        self.state.node().public_key()
    }

    /// Replaces the key that confidential requests are encrypted for. Requests that are encrypted for the old key
    /// get the 500 of the real proxy.
    pub fn rotate_node_key(&self) {
        self.state.node().rotate_key();
    }

    /// Lets every lock expire that has not been spent. The next confidential request that uses one gets a 425.
    ///
    /// Locks also expire by tokio's clock: five seconds after the lock, or the `timeout` that it asked for.
    pub fn expire_locks(&self) {
        self.state.node().locks.expire();
    }

    /// Returns the requests so far, in the order in which they were received in full.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.state.script().requests.clone()
    }

    /// Returns how many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.stats().connections
    }

    /// Returns how many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.stats().open_connections
    }

    /// Returns the counts so far.
    pub fn stats(&self) -> ServerStats {
        *self.state.stats.borrow()
    }

    /// Waits until the stats satisfy a condition, and returns them; immediately if they do already.
    ///
    /// It waits without a limit. A test that may fail here should add a timeout.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let server = atoma_mock::MockServer::start().await;
    /// # let stream = tokio::net::TcpStream::connect(&server.url()[7..]).await.unwrap();
    /// # drop(stream);
    /// let stats = server.wait_for(|stats| stats.connections == 1 && stats.open_connections == 0).await;
    /// assert_eq!(stats.requests, 0);
    /// # }
    /// ```
    pub async fn wait_for(&self, wanted: impl FnMut(&ServerStats) -> bool) -> ServerStats {
        let mut stats = self.state.stats.subscribe();
        match stats.wait_for(wanted).await {
            Ok(stats) => *stats,
            Err(_) => self.stats(),
        }
    }

    /// Waits until no connection is open; returns immediately if none is.
    pub async fn wait_closed(&self) {
        self.wait_for(|stats| stats.open_connections == 0).await;
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
