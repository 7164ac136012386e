use crate::{Call, Json, core::Core};
use atoma_types::{NodeCreateRequest, NodeCreateResponse, NodeLockRequest, NodeLockResponse};
use std::sync::Arc;

/// The nodes of Atoma's network; [`Client::nodes`](crate::Client::nodes) returns it.
#[derive(Clone, Debug)]
pub struct Nodes {
    core: Arc<Core>,
}

impl Nodes {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Registers the public address of a node: for node operators. The request is signed with the
    /// key of the node, not with the API key.
    ///
    /// # Errors
    ///
    /// Every [`Error`](crate::Error).
    pub fn create(&self, request: NodeCreateRequest) -> Call<Json<NodeCreateResponse>> {
        Call::post(&self.core, "/nodes", request.to_vec(), Json::new(1))
    }

    /// Locks compute units of a confidential node for one request, and returns the public key that
    /// encrypts the request.
    ///
    /// A lock is used up by the first request, and expires after
    /// [`timeout`](NodeLockRequest::timeout) seconds, 5 by default.
    ///
    /// # Errors
    ///
    /// Every [`Error`](crate::Error). The status is 503 if no confidential node serves the model.
    pub fn lock(&self, request: NodeLockRequest) -> Call<Json<NodeLockResponse>> {
        Call::post(&self.core, "/nodes/lock", request.to_vec(), Json::new(1))
    }
}
