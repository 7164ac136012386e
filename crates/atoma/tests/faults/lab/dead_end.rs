//! Places on loopback where no connection comes about.
//!
//! Each is at the port of the lab's server on another address, so that a name can lead to both.

use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// An address whose packets the kernel has no way for: the broadcast of the loopback network.
pub const UNREACHABLE: [u8; 4] = [127, 255, 255, 255];

/// A port that is closed, and that nobody else can open while this is held.
pub fn closed(ip: impl Into<IpAddr>, port: u16) -> TcpSocket {
    bound(SocketAddr::new(ip.into(), port)).expect("a loopback port")
}

/// A port that swallows attempts to connect, as long as this is held: its queue of connections that
/// wait to be accepted is full, and then the kernel drops whoever knocks.
pub struct BlackHole {
    _listener: TcpListener,
    _queue: TcpStream,
}

/// A black hole; `None` if this machine has no such address.
pub async fn black_hole(ip: impl Into<IpAddr>, port: u16) -> Option<BlackHole> {
    let address = SocketAddr::new(ip.into(), port);
    let listener = bound(address)?.listen(0).expect("a loopback port");
    let queue = TcpStream::connect(address).await.expect("the one place in its queue");
    Some(BlackHole { _listener: listener, _queue: queue })
}

fn bound(address: SocketAddr) -> Option<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.ok()?;
    socket.bind(address).ok()?;
    Some(socket)
}
