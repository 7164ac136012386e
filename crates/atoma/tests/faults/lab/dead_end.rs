//! Places on loopback where no connection can be made.
//!
//! Each is at the port of the lab's server on another address, so that a name can lead to both.

use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// An address that the kernel has no route to: the broadcast address of the loopback network.
pub const UNREACHABLE: [u8; 4] = [127, 255, 255, 255];

/// A port that is closed, and that nobody else can open while this value is alive.
pub fn closed(ip: impl Into<IpAddr>, port: u16) -> TcpSocket {
    bound(SocketAddr::new(ip.into(), port)).expect("a loopback port")
}

/// A port that drops attempts to connect while this value is alive: its accept queue is full, so
/// the kernel drops further ones.
pub struct BlackHole {
    _listener: TcpListener,
    _queue: TcpStream,
}

/// Returns a black hole; `None` if this machine does not have the address.
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
