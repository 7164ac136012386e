use crate::{connection, gateway::Rules, outgoing::Tempo, server::MockServer, state::State};
use atoma_verify::SigningKey;
use std::{io, net::Ipv4Addr, sync::Arc, thread, time::Duration};
use tokio::{net::TcpListener, sync::oneshot};

/// Starting a server.
impl MockServer {
    /// Starts a server on a free port, in the tokio runtime of the caller.
    ///
    /// # Panics
    ///
    /// If no loopback port can be bound, or outside a tokio runtime.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts a server on a free port, on its own thread: for synchronous tests and programs.
    /// It uses real time, even inside a runtime whose clock is paused.
    ///
    /// # Panics
    ///
    /// If no loopback port can be bound or no thread started.
    pub fn start_blocking() -> Self {
        Self::builder().start_blocking()
    }

    /// Returns a builder, to configure the server before it starts.
    pub fn builder() -> MockServerBuilder {
        MockServerBuilder::default()
    }
}

/// Configures a [`MockServer`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct MockServerBuilder {
    rules: Rules,
    tempo: Tempo,
    signing_key: SigningKey,
    port: u16,
}

impl Default for MockServerBuilder {
    fn default() -> Self {
        let tempo =
            Tempo { event_interval: Duration::ZERO, keep_alive: Some(Duration::from_millis(15)) };
        Self { rules: Rules::default(), tempo, signing_key: SigningKey::test(), port: 0 }
    }
}

impl MockServerBuilder {
    /// Accepts only this key. Default: any that is not empty.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.rules.api_key = Some(key.into());
        self
    }

    /// Serves only these models, and lists them. Default: lists three, and serves any.
    pub fn models(mut self, models: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.rules.models = Some(models.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the pause between two events of a stream. Default: none.
    pub fn event_interval(mut self, pause: Duration) -> Self {
        self.tempo.event_interval = pause;
        self
    }

    /// Sets the silence after which a stream sends a keep-alive comment, repeatedly. Default: 15 ms, as the proxy.
    pub fn keep_alive(mut self, silence: Duration) -> Self {
        self.tempo.keep_alive = Some(silence);
        self
    }

    /// Sends no keep-alive comments.
    pub fn no_keep_alive(mut self) -> Self {
        self.tempo.keep_alive = None;
        self
    }

    /// Signs with this key. Default: [`SigningKey::test`], the published Ed25519 key.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use atoma_mock::{MockServer, Scheme, SigningKey};
    ///
    /// let key = SigningKey::secp256k1(SigningKey::TEST_SEED);
    /// let server = MockServer::builder().signing_key(key).start().await;
    /// assert_eq!(server.public_key().scheme(), Scheme::Secp256k1);
    /// # }
    /// ```
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.signing_key = key;
        self
    }

    /// Accepts lists of texts or tokens as the `input` of embeddings, as other servers do. Atoma's
    /// proxy, and the default, reject them with a 400.
    pub fn embedding_lists(mut self) -> Self {
        self.rules.embedding_lists = true;
        self
    }

    /// Listens on this port of 127.0.0.1. Default: 0, a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts the server in the tokio runtime of the caller.
    ///
    /// # Panics
    ///
    /// If the port cannot be bound, or outside a tokio runtime.
    pub async fn start(self) -> MockServer {
        self.try_start().await.expect("a loopback port can be bound")
    }

    /// Starts the server, as [`start`](Self::start) does.
    ///
    /// # Errors
    ///
    /// If the port cannot be bound, for example because another program uses it.
    pub async fn try_start(self) -> io::Result<MockServer> {
        let (server, serving) = self.bind()?;
        tokio::spawn(serving);
        Ok(server)
    }

    /// Starts the server on its own thread, for synchronous tests and programs.
    ///
    /// # Panics
    ///
    /// If the port cannot be bound or the thread cannot be started.
    pub fn start_blocking(self) -> MockServer {
        self.start_thread().expect("a loopback port can be bound and a thread can be started")
    }

    fn start_thread(self) -> io::Result<MockServer> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut server, serving) = {
            let _inside = runtime.enter();
            self.bind()?
        };
        let thread = thread::Builder::new().name("atoma-mock".to_owned());
        server.thread = Some(thread.spawn(move || runtime.block_on(serving))?);
        Ok(server)
    }

    /// Returns the server, and the future that serves. The future ends when the server is dropped.
    fn bind(self) -> io::Result<(MockServer, impl Future<Output = ()> + Send + use<>)> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let base = format!("http://{address}");
        let state = Arc::new(State::new(self.rules, self.tempo, self.signing_key, base));
        let (stop, stopped) = oneshot::channel();
        let serving = connection::accept(listener, Arc::clone(&state), stopped);
        Ok((MockServer { address, state, stop: Some(stop), thread: None }, serving))
    }
}
