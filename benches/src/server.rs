//! A server that only writes prebuilt bytes, in a separate process, so that it is never measured.
//!
//! A program that uses it calls [`serve_if_asked`] first: [`Server::start`] runs the same program
//! again, on another core if there is one, and that run serves until its parent ends.

use crate::{
    shapes::Shape,
    traffic::{self, Mode},
};
use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

const ASKED: &str = "ATOMA_BENCH_SERVE";
const PLAIN: &str = "plain";
const TLS: &str = "tls";

/// The server, until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    certificate: String,
}

impl Server {
    /// Starts it on a free port of the loopback.
    ///
    /// # Errors
    ///
    /// If no other process can be started, or it does not report its port.
    pub fn start() -> io::Result<Self> {
        Self::start_as(PLAIN)
    }

    /// The same over TLS, with a [certificate](Self::certificate) for the address.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_tls() -> io::Result<Self> {
        Self::start_as(TLS)
    }

    fn start_as(kind: &str) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let pinned = Command::new("taskset").args(["-c", "1"]).arg("true").output();
        let mut command = match pinned {
            Ok(output) if output.status.success() => {
                let mut command = Command::new("taskset");
                command.args(["-c", "1"]).arg(program);
                command
            }
            _ => Command::new(program),
        };
        let mut child =
            command.env(ASKED, kind).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let port = line.trim().parse::<u16>().map_err(io::Error::other)?;
        let mut certificate = String::new();
        while kind == TLS && !certificate.ends_with("-----END CERTIFICATE-----\n") {
            if output.read_line(&mut certificate)? == 0 {
                return Err(io::Error::other("no certificate"));
            }
        }
        Ok(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), certificate })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_empty() { "http" } else { "https" };
        format!("{scheme}://{}", self.address)
    }

    /// The certificate to trust, in PEM; empty without TLS.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The number of connections that have carried a request since it started.
    ///
    /// # Errors
    ///
    /// If it does not respond.
    pub fn connections(&self) -> io::Result<usize> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(b"GET /connections HTTP/1.0\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        response.trim().parse().map_err(io::Error::other)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Serves and never returns, if this run of the program is the server.
pub fn serve_if_asked() {
    let Ok(kind) = std::env::var(ASKED) else { return };
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| tokio::task::LocalSet::new().block_on(&runtime, serve(&kind)));
    eprintln!("the server ended: {served:?}");
    std::process::exit(1);
}

async fn serve(kind: &str) -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = socket.listen(4096)?;
    println!("{}", listener.local_addr()?.port());
    let acceptor = if kind == TLS { Some(acceptor().map_err(io::Error::other)?) } else { None };
    let responses = Rc::new(Responses::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (responses, acceptor) = (Rc::clone(&responses), acceptor.clone());
        tokio::task::spawn_local(async move {
            let _ = match acceptor {
                None => converse(stream, &responses).await,
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => converse(stream, &responses).await,
                    Err(error) => Err(error),
                },
            };
        });
    }
}

/// Makes a certificate for the address of the server, and prints it.
fn acceptor() -> Result<TlsAcceptor, crate::clients::Error> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    println!("{}", made.cert.pem().trim_end());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[derive(Default)]
struct Responses {
    built: [std::cell::OnceCell<Vec<Vec<u8>>>; Mode::ALL.len()],
    /// By the names of the shapes.
    shapes: std::cell::RefCell<HashMap<String, Rc<Vec<u8>>>>,
    connections: std::cell::Cell<usize>,
}

impl Responses {
    /// The response of the shape that a request asks for, if it asks for one.
    fn of_shape(&self, request: &str) -> Option<Rc<Vec<u8>>> {
        let name = traffic::model(request)?;
        if let Some(built) = self.shapes.borrow().get(name) {
            return Some(Rc::clone(built));
        }
        let built = Rc::new(Shape::named(name)?.response());
        self.shapes.borrow_mut().insert(name.to_owned(), Rc::clone(&built));
        Some(built)
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    responses: &Responses,
) -> io::Result<()> {
    let mut received = Vec::new();
    let mut is_new = true;
    loop {
        let Some(request) = next_request(&mut stream, &mut received).await? else {
            return Ok(());
        };
        if request.starts_with("GET") {
            return stream.write_all(responses.connections.get().to_string().as_bytes()).await;
        }
        if std::mem::take(&mut is_new) {
            responses.connections.set(responses.connections.get() + 1);
        }
        if let Some(response) = responses.of_shape(&request) {
            stream.write_all(&response).await?;
            stream.flush().await?;
            continue;
        }
        let mode = Mode::asked_for(&request).ok_or_else(|| io::Error::other(request))?;
        for write in responses.built[mode as usize].get_or_init(|| mode.response()) {
            stream.write_all(write).await?;
            stream.flush().await?;
            match mode {
                Mode::Slow => tokio::time::sleep(Duration::from_millis(500)).await,
                Mode::LateEnd => tokio::time::sleep(Duration::from_millis(1)).await,
                _ => {}
            }
        }
    }
}

/// The head and the body of the next request; `None` once the client has closed.
async fn next_request(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = request_end(received) {
            let request = received.drain(..end).collect();
            return String::from_utf8(request).map(Some).map_err(io::Error::other);
        }
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

fn request_end(received: &[u8]) -> Option<usize> {
    let head_end = memchr::memmem::find(received, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&received[..head_end]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head_end + length.unwrap_or(0);
    (received.len() >= end).then_some(end)
}
