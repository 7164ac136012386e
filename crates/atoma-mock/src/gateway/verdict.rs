use super::direct::DirectResponse;
use crate::endpoint::Endpoint;
use atoma_confidential::node::NodeSession;
use serde_json::Value;

/// The outcome of the checks.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// A node computes the response.
    Node(Box<NodeRequest>),
    /// The proxy responds by itself.
    Direct(DirectResponse),
}

/// A request that passed the checks.
#[derive(Debug)]
pub(crate) struct NodeRequest {
    pub(crate) endpoint: Endpoint,
    /// The body, decrypted if it was encrypted.
    pub(crate) body: Value,
    pub(crate) streamed: bool,
    /// The stream that reaches the client has no events, whatever the node sends.
    pub(crate) stream_is_empty: bool,
    /// The encryption of a confidential request.
    pub(crate) session: Option<NodeSession>,
}
