//! The contract suite over HTTP/2.
#![cfg(feature = "http2")]

use atoma_transport::{
    Http2, HyperTransport, Proxy, TokioTimer,
    testing::contract::{self, ContractServer, Scene},
};
use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{Request, Response, Uri};
use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};

#[tokio::test]
async fn the_hyper_transport_keeps_the_contract() {
    let server = H2Server::start().await;
    let builder = HyperTransport::builder().proxy(Proxy::none()).http2(Http2::PriorKnowledge);
    let transport = builder.build().unwrap();
    contract::check(&transport, &server, &TokioTimer).await.unwrap();
}

/// Plays scenes over HTTP/2, on the runtime that it was started on.
struct H2Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Counts the events of the scene, so that a test can wait for them.
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    scene: Option<Scene>,
    number: u64,
    received: Vec<Request<Bytes>>,
    open: usize,
}

impl H2Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { state: Mutex::default(), changes: watch::channel(0).0 };
        let shared = Arc::new(shared);
        let accepting = shared.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, accepting.clone()));
            }
        });
        Self { address, shared }
    }

    /// Waits until `condition` holds for the scene of this number, or the scene has been replaced.
    fn until(&self, condition: fn(&State) -> bool) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let shared = self.shared.clone();
        let number = shared.lock().number;
        Box::pin(async move {
            let mut changes = shared.changes.subscribe();
            let holds = |state: &State| state.number != number || condition(state);
            while !holds(&shared.lock()) {
                changes.changed().await.unwrap();
            }
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changes.send_modify(|count| *count += 1);
    }
}

impl ContractServer for H2Server {
    fn play(&self, scene: Scene) -> Uri {
        let port = if scene == Scene::Refuse { 1 } else { self.address.port() };
        self.shared.change(|state| {
            *state = State { scene: Some(scene), number: state.number + 1, ..State::default() };
        });
        let number = self.shared.lock().number;
        format!("http://127.0.0.1:{port}/scene/{number}?kept=%20yes").parse().unwrap()
    }

    fn received(&self) -> Vec<Request<Bytes>> {
        self.shared.lock().received.clone()
    }

    fn request_arrived(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.until(|state| !state.received.is_empty())
    }

    fn client_hung_up(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.until(|state| !state.received.is_empty() && state.open == 0)
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let hang_up = Arc::new(Notify::new());
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                tokio::spawn(exchange(request, respond, shared.clone(), hang_up.clone()));
            }
            () = hang_up.notified() => return,
        }
    }
}

async fn exchange(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    shared: Arc<Shared>,
    hang_up: Arc<Notify>,
) {
    let (head, mut body) = request.into_parts();
    let mut whole = Vec::new();
    while let Some(piece) = body.data().await {
        let Ok(piece) = piece else { return };
        let _ = body.flow_control().release_capacity(piece.len());
        whole.extend_from_slice(&piece);
    }
    let (number, scene) = {
        let state = shared.lock();
        (state.number, state.scene.clone())
    };
    shared.change(|state| {
        state.received.push(Request::from_parts(head, whole.into()));
        state.open += 1;
    });
    if let Some(scene) = scene {
        play(&scene, respond, &hang_up).await;
    }
    shared.change(|state| {
        if state.number == number {
            state.open -= 1;
        }
    });
}

async fn play(scene: &Scene, mut respond: SendResponse<Bytes>, hang_up: &Notify) {
    let head = |status: u16| {
        let head = Response::builder().status(status).header("x-contract", "kept");
        head.header("location", "/elsewhere").header("retry-after", "0").body(()).unwrap()
    };
    match scene {
        Scene::Respond(204, _) => drop(respond.send_response(head(204), true)),
        Scene::Respond(status, pieces) => {
            let Ok(mut body) = respond.send_response(head(*status), false) else { return };
            for piece in pieces {
                let _ = body.send_data(piece.clone(), false);
            }
            let _ = body.send_data(Bytes::new(), true);
        }
        Scene::ChunkThenSilence(piece) => {
            let Ok(mut body) = respond.send_response(head(200), false) else { return };
            let _ = body.send_data(piece.clone(), false);
            let _ = poll_fn(|cx| body.poll_reset(cx)).await;
        }
        Scene::ChunkThenInterruption(piece) => {
            let Ok(mut body) = respond.send_response(head(200), false) else { return };
            let _ = body.send_data(piece.clone(), false);
            // The connection gets a poll to send that, and ends before the stream does.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            hang_up.notify_one();
        }
        Scene::Silence => drop(poll_fn(|cx| respond.poll_reset(cx)).await),
        _ => hang_up.notify_one(),
    }
}
