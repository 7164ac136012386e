//! The settings of confidential calls, and their paths.

use super::NodePolicy;
use std::sync::Arc;

/// The settings of confidential calls.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(super) policy: Option<Arc<dyn NodePolicy>>,
    pub(super) lock_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { policy: None, lock_seconds: 5 }
    }
}

/// Returns the path of the encrypted form of an endpoint.
pub(crate) fn path(plain: &str) -> Option<&'static str> {
    Some(match plain {
        "/chat/completions" => "/confidential/chat/completions",
        "/completions" => "/confidential/completions",
        "/embeddings" => "/confidential/embeddings",
        "/images/generations" => "/confidential/images/generations",
        _ => return None,
    })
}
