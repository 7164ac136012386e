use atoma_confidential::NodeKey;
use atoma_transport::BoxError;
use std::{future::Future, pin::Pin};

/// The node that a lock returned: the reply's [`Metadata::extensions`](crate::Metadata::extensions)
/// hold it as well.
///
/// These are the server's claims. Nothing proves that the key belongs to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockedNode {
    /// The key that the request is encrypted for.
    pub key: NodeKey,
    /// The id of the node.
    pub node_small_id: u64,
    /// The id of the stack of compute units.
    pub stack_small_id: u64,
    /// The digest of the transaction that acquired the stack, if there was one.
    pub stack_entry_digest: Option<String>,
}

/// Decides whether a locked node may read the request: by pinned keys, an allow list, or an
/// attestation.
///
/// Closures that return a future are policies; see
/// [`Confidential::policy`](crate::Confidential::policy).
pub trait NodePolicy: Send + Sync + 'static {
    /// Accepts the node, or rejects it with a reason. Nothing has been encrypted or sent to it yet.
    ///
    /// # Errors
    ///
    /// An error ends the call. It is the source of an error for which
    /// [`Error::is_untrusted`](crate::Error::is_untrusted) is true.
    fn check(
        &self,
        node: LockedNode,
    ) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + '_>>;
}

impl<F, R> NodePolicy for F
where
    F: Fn(LockedNode) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    fn check(
        &self,
        node: LockedNode,
    ) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + '_>> {
        Box::pin(self(node))
    }
}
