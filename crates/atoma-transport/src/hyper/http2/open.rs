//! Opens a connection: its settings, and the task that drives it.

use super::{
    super::{keep_alive::Limits, stream::Stream},
    classify,
    connection::Connection,
    driver::Driver,
    exchange::{Exchange, WINDOW},
    read_budget::BudgetedIo,
};
use crate::{Timer, TransportError};
use bytes::Bytes;
use http::Request;
use std::sync::Arc;

/// Large enough that it never limits a stream.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// The number of reset streams that are remembered, so that late frames for them are not a protocol
/// error.
const MAX_RESET_STREAMS: usize = 256;

/// The settings that the connections of one transport share.
pub(super) struct Settings {
    pub(super) timer: Arc<dyn Timer>,
    pub(super) limits: Limits,
    /// The driver enforces the limit on heads; `h2` only bounds the work for it.
    pub(super) max_head: usize,
}

/// Speaks HTTP/2 over `stream`, in a task on this runtime, and puts `request` on it.
pub(super) async fn open(
    stream: Stream,
    settings: Settings,
    request: &Request<Bytes>,
) -> Result<(Arc<Connection>, Exchange), TransportError> {
    let read_state = stream.read_state();
    let (stream, budget) = BudgetedIo::new(stream, read_state.clone());
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(16 * settings.max_head).unwrap_or(u32::MAX))
        .max_concurrent_reset_streams(MAX_RESET_STREAMS)
        .enable_push(false)
        .handshake(stream)
        .await
        .map_err(classify::opening)?;
    let now = settings.timer.now();
    let shared = Arc::new(Connection::new(now, settings.limits));
    let exchange = shared.queue(request).ok_or_else(classify::gone)?;
    let Settings { timer, limits, max_head } = settings;
    let limits = (limits.idle, max_head);
    let driver =
        Driver::new(shared.clone(), sender, connection, (budget, read_state), timer, limits);
    tokio::spawn(driver);
    Ok((shared, exchange))
}
