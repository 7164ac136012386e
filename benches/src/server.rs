//! A server that only writes prebuilt bytes, in a separate process, so that it is never measured.
//!
//! A program that uses it calls [`serve_if_asked`] first: [`Server::start`] runs the same program
//! again, on another core if there is one, and that run serves until its parent ends.

use crate::traffic::Mode;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    rc::Rc,
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ASKED: &str = "ATOMA_BENCH_SERVE";

/// The server, until it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it on a free port of the loopback.
    ///
    /// # Errors
    ///
    /// If no other process can be started, or it does not report its port.
    pub fn start() -> io::Result<Self> {
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
            command.env(ASKED, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse::<u16>().map_err(io::Error::other)?;
        Ok(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
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
    if std::env::var_os(ASKED).is_none() {
        return;
    }
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| tokio::task::LocalSet::new().block_on(&runtime, serve()));
    eprintln!("the server ended: {served:?}");
    std::process::exit(1);
}

async fn serve() -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = socket.listen(4096)?;
    println!("{}", listener.local_addr()?.port());
    let responses = Rc::new(Responses::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let responses = Rc::clone(&responses);
        tokio::task::spawn_local(async move {
            let _ = converse(stream, &responses).await;
        });
    }
}

#[derive(Default)]
struct Responses {
    built: [std::cell::OnceCell<Vec<Vec<u8>>>; Mode::ALL.len()],
    connections: std::cell::Cell<usize>,
}

async fn converse(mut stream: tokio::net::TcpStream, responses: &Responses) -> io::Result<()> {
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
        let mode = Mode::asked_for(&request).ok_or_else(|| io::Error::other(request))?;
        for write in responses.built[mode as usize].get_or_init(|| mode.response()) {
            stream.write_all(write).await?;
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
    stream: &mut tokio::net::TcpStream,
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
