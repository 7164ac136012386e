//! Half a message that arrives on an idle connection, and whose rest arrives after the next request
//! was written: its beginning was received before the request, so it must not become the response.

use crate::{
    idle::{Remote, STRAY, STREAM, call_twice, over_tls, runtime},
    process::ran_alone,
    support::{OK, Peer, Server, get, read, within},
    tls::{authority, config, issue, trusting},
};
use atoma_transport::Transport;
use socket2::SockRef;
use std::{
    io::Write,
    sync::{Arc, mpsc},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

/// Sends `early` once the first response was read, and `late` as soon as the client sends more.
async fn send_in_halves<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    (early, late): (&[u8], &[u8]),
    read_first: &Notify,
    done: &mpsc::Sender<()>,
) {
    read_first.notified().await;
    stream.write_all(early).await.unwrap();
    stream.flush().await.unwrap();
    done.send(()).unwrap();
    let mut rest = [0; 4096];
    while let Ok(1..) = stream.read(&mut rest).await {
        let _ = stream.write_all(late).await;
    }
}

/// The record that a whole response takes, and one without application data before it.
fn records(connection: &mut rustls::ServerConnection, with_key_update: bool) -> Vec<u8> {
    let mut records = Vec::new();
    if with_key_update {
        connection.refresh_traffic_keys().unwrap();
    }
    connection.writer().write_all(STRAY.as_bytes()).unwrap();
    while connection.wants_write() {
        connection.write_tls(&mut records).unwrap();
    }
    records
}

#[test]
fn half_a_tls_record_on_an_idle_connection_is_never_completed_to_a_response() {
    let authority = authority("ours");
    let certificate = issue(&authority, "api.test", |_| {});
    // Within the header of the record, at its end, within its content, and before its last byte.
    for (cut, with_key_update) in
        [(1, false), (4, false), (5, false), (6, false), (30, false), (-1, false), (-1, true)]
    {
        let read_first = Arc::new(Notify::new());
        let (done, gate) = mpsc::channel();
        let notify = read_first.clone();
        let acceptor = config(&certificate, None);
        let remote = Remote::start(Server::start(move |peer| {
            let (notify, done, acceptor) = (notify.clone(), done.clone(), acceptor.clone());
            async move {
                let mut peer = over_tls(peer, &acceptor).await;
                while peer.request().await.is_some() {
                    peer.write(OK).await;
                    if peer.number == 0 {
                        let (tcp, tls) = peer.stream.get_mut();
                        let records = records(tls, with_key_update);
                        let cut = usize::try_from(cut).unwrap_or(records.len() - 1);
                        send_in_halves(tcp, records.split_at(cut), &notify, &done).await;
                    }
                }
            }
        }));
        let url = format!("https://api.test:{}/", remote.server.address.port());
        let transport = trusting(&authority).build().unwrap();
        let name = format!("cut at {cut}, key update: {with_key_update}");
        call_twice(&remote, &transport, &url, &read_first, &gate, &name);
    }
}

/// A reset instead of an end, as from a server that was killed or a router that forgot the connection.
#[test]
fn an_idle_connection_that_was_reset_is_never_used_again() {
    if ran_alone("idle_halves::an_idle_connection_that_was_reset_is_never_used_again") {
        return;
    }
    let authority = authority("ours");
    let certificate = issue(&authority, "api.test", |_| {});
    for is_tls in [false, true] {
        let read_first = Arc::new(Notify::new());
        let (done, gate) = mpsc::channel();
        let notify = read_first.clone();
        let acceptor = config(&certificate, None);
        let remote = Remote::start(Server::start(move |mut peer| {
            let (notify, done, acceptor) = (notify.clone(), done.clone(), acceptor.clone());
            async move {
                if is_tls {
                    let mut peer = over_tls(peer, &acceptor).await;
                    while peer.request().await.is_some() {
                        peer.write(OK).await;
                        if peer.number == 0 {
                            notify.notified().await;
                            reset(peer.stream.into_inner().0);
                            return done.send(()).unwrap();
                        }
                    }
                    return;
                }
                while peer.request().await.is_some() {
                    peer.write(OK).await;
                    if peer.number == 0 {
                        notify.notified().await;
                        reset(peer.stream);
                        return done.send(()).unwrap();
                    }
                }
            }
        }));
        let scheme = if is_tls { "https" } else { "http" };
        let url = format!("{scheme}://api.test:{}/", remote.server.address.port());
        let transport = trusting(&authority).build().unwrap();
        call_twice(&remote, &transport, &url, &read_first, &gate, &format!("TLS: {is_tls}"));
    }
}

/// More bytes in the same segment or record as the end of a response, and their rest afterwards.
#[test]
fn bytes_that_came_together_with_a_response_do_not_begin_the_next() {
    let authority = authority("ours");
    let certificate = issue(&authority, "api.test", |_| {});
    for is_tls in [false, true] {
        for response in [OK, STREAM] {
            for cut in [1, 17, STRAY.len() - 1, STRAY.len()] {
                let (early, late) = STRAY.split_at(cut);
                let acceptor = config(&certificate, None);
                let remote = Remote::start(Server::start(move |peer| {
                    let acceptor = acceptor.clone();
                    async move {
                        if is_tls {
                            with_more(over_tls(peer, &acceptor).await, response, early, late).await;
                        } else {
                            with_more(peer, response, early, late).await;
                        }
                    }
                }));
                let scheme = if is_tls { "https" } else { "http" };
                let url = format!("{scheme}://api.test:{}/", remote.server.address.port());
                let transport = trusting(&authority).build().unwrap();
                let client = runtime();
                for call in 0..3 {
                    let name = format!("TLS: {is_tls}, {response}, cut at {cut}, call {call}");
                    client.block_on(async {
                        let response = within(transport.send(get(&url))).await.expect(&name);
                        let text = within(read(response.into_body())).await.expect(&name);
                        assert_eq!(text, "ok", "{name}");
                    });
                }
                assert_eq!(remote.server.accepted(), 3, "cut at {cut}");
            }
        }
    }
}

async fn with_more<S: AsyncRead + AsyncWrite + Unpin>(
    mut peer: Peer<S>,
    response: &str,
    early: &str,
    late: &str,
) {
    peer.request().await;
    peer.write(format!("{response}{early}")).await;
    let mut rest = [0; 4096];
    while let Ok(1..) = peer.stream.read(&mut rest).await {
        peer.write(late).await;
    }
}

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

#[cfg(feature = "http2")]
mod http2 {
    use super::*;
    use crate::support::builder;
    use atoma_transport::Http2;
    use std::future::Future;

    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const CONTINUATION: u8 = 9;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    /// `:status: 200` in HPACK.
    const STATUS_200: &[u8] = &[0x88];

    fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(content.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(content);
        frame
    }

    fn response(stream: u32, text: &[u8]) -> Vec<u8> {
        let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
        [head, frame(DATA, END_STREAM, stream, text)].concat()
    }

    /// Reads frames up to a request, and returns its stream.
    async fn request<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Option<u32> {
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut content = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut content).await.ok()?;
            let (kind, flags) = (head[3], head[4]);
            if kind == SETTINGS && flags == 0 {
                stream.write_all(&frame(SETTINGS, 1, 0, b"")).await.ok()?;
            }
            if kind == HEADERS {
                return Some(u32::from_be_bytes(head[5..].try_into().unwrap()));
            }
        }
    }

    /// The bytes before and after the second request, which is on stream 3.
    fn halves() -> Vec<(String, Vec<u8>, Vec<u8>)> {
        let stray = response(3, b"stray");
        let mut halves: Vec<_> = [1, 8, 9, 10, 15, stray.len() - 1, stray.len()]
            .into_iter()
            .map(|cut| (format!("cut at {cut}"), stray[..cut].to_vec(), stray[cut..].to_vec()))
            .collect();
        let open_head = frame(HEADERS, 0, 3, &[]);
        let mut rest = frame(CONTINUATION, END_HEADERS, 3, STATUS_200);
        rest.extend(frame(DATA, END_STREAM, 3, b"stray"));
        halves.push(("a head without its continuation".into(), open_head, rest));
        let ping = frame(PING, 0, 0, &[0; 8]);
        halves.push((
            "a ping and half a frame".into(),
            [&ping[..], &stray[..9]].concat(),
            stray[9..].to_vec(),
        ));
        halves
    }

    /// Responds to each request on its stream. Once the first response was read, `act` runs, and
    /// returns whether the connection continues.
    fn serve<R>(
        act: impl Fn(TcpStream) -> R + Clone + Send + Sync + 'static,
        read_first: Arc<Notify>,
    ) -> Remote
    where
        R: Future<Output = Option<TcpStream>> + Send,
    {
        Remote::start(Server::start(move |mut peer| {
            let (act, read_first) = (act.clone(), read_first.clone());
            async move {
                let mut preface = [0; 24];
                if peer.stream.read_exact(&mut preface).await.is_err() {
                    return;
                }
                peer.write(frame(SETTINGS, 0, 0, b"")).await;
                let (number, mut stream) = (peer.number, peer.stream);
                let mut is_first = number == 0;
                while let Some(id) = request(&mut stream).await {
                    let _ = stream.write_all(&response(id, b"ok")).await;
                    if std::mem::take(&mut is_first) {
                        read_first.notified().await;
                        let Some(same) = act(stream).await else { return };
                        stream = same;
                    }
                }
            }
        }))
    }

    #[test]
    fn a_frame_of_which_an_idle_http2_connection_has_received_a_part_is_no_response() {
        for (name, early, late) in halves() {
            let read_first = Arc::new(Notify::new());
            let (done, gate) = mpsc::channel();
            let act = move |mut stream: TcpStream| {
                let (done, early, late) = (done.clone(), early.clone(), late.clone());
                async move {
                    let read = Notify::new();
                    read.notify_one();
                    send_in_halves(&mut stream, (&early, &late), &read, &done).await;
                    None
                }
            };
            let remote = serve(act, read_first.clone());
            let url = remote.server.url("/");
            let transport = builder().http2(Http2::PriorKnowledge).build().unwrap();
            call_twice(&remote, &transport, &url, &read_first, &gate, &name);
        }
    }

    #[test]
    fn an_idle_http2_connection_that_was_reset_is_never_used_again() {
        if ran_alone(
            "idle_halves::http2::an_idle_http2_connection_that_was_reset_is_never_used_again",
        ) {
            return;
        }
        let read_first = Arc::new(Notify::new());
        let (done, gate) = mpsc::channel();
        let act = move |stream| {
            reset(stream);
            done.send(()).unwrap();
            std::future::ready(None)
        };
        let remote = serve(act, read_first.clone());
        let url = remote.server.url("/");
        let transport = builder().http2(Http2::PriorKnowledge).build().unwrap();
        call_twice(&remote, &transport, &url, &read_first, &gate, "reset");
    }

    #[test]
    fn whole_frames_about_the_connection_leave_an_idle_one_usable() {
        const WINDOW_UPDATE: u8 = 8;
        let unknown = 0xee;
        for (name, sent) in [
            ("ping", frame(PING, 0, 0, &[0; 8])),
            ("settings", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])),
            ("window", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0])),
            ("unknown", frame(unknown, 0, 0, b"text")),
            ("two", [frame(PING, 0, 0, &[0; 8]), frame(unknown, 0xff, 0, b"")].concat()),
        ] {
            let read_first = Arc::new(Notify::new());
            let (done, gate) = mpsc::channel();
            let act = move |mut stream: TcpStream| {
                let (done, sent) = (done.clone(), sent.clone());
                async move {
                    stream.write_all(&sent).await.unwrap();
                    done.send(()).unwrap();
                    Some(stream)
                }
            };
            let remote = serve(act, read_first.clone());
            let url = remote.server.url("/");
            let transport = builder().http2(Http2::PriorKnowledge).build().unwrap();
            let client = runtime();
            let call = || async {
                let response = within(transport.send(get(&url))).await.expect(name);
                assert_eq!(within(read(response.into_body())).await.unwrap(), "ok", "{name}");
            };
            client.block_on(call());
            read_first.notify_one();
            gate.recv().unwrap();
            client.block_on(call());
            assert_eq!(remote.server.accepted(), 1, "{name}");
        }
    }
}
