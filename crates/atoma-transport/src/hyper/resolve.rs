//! Names to addresses.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin};

/// What [`Resolver::resolve`] returns.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks up the addresses of a host: a cache, a fixed table, a guard against inner networks.
///
/// The default is the operating system's resolver. Addresses in URLs are not looked up.
///
/// ```
/// use atoma_transport::{HyperTransport, Resolver, Resolving};
///
/// /// Sends every name to this machine.
/// #[derive(Debug)]
/// struct Here;
///
/// impl Resolver for Here {
///     fn resolve(&self, _host: &str, port: u16) -> Resolving {
///         Box::pin(async move { Ok(vec![([127, 0, 0, 1], port).into()]) })
///     }
/// }
///
/// # fn main() -> Result<(), atoma_transport::ConfigError> {
/// let transport = HyperTransport::builder().resolver(Here).build()?;
/// # Ok(())
/// # }
/// ```
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// The addresses of `host`, those to be tried first at the front.
    ///
    /// `port` is that of the request's URL, the one that is connected to. An error of the kind
    /// [`io::ErrorKind::NotFound`] says that the name does not exist; any other that it could not
    /// be looked up this time.
    fn resolve(&self, host: &str, port: u16) -> Resolving;
}

/// The operating system's `getaddrinfo`, on a thread for blocking work.
#[derive(Debug)]
pub(super) struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}
