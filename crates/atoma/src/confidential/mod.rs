//! Calls that are encrypted for one node.

#[cfg(feature = "evidence")]
pub mod evidence;
mod locked_source;
mod node_policy;
pub(crate) mod opener;
pub(crate) mod settings;
mod units;

pub use self::node_policy::{LockedNode, NodePolicy};
pub(crate) use self::{locked_source::LockedSource, settings::Settings};
use crate::{Chat, Completions, Embeddings, Images, core::Core};
pub use atoma_confidential::{NodeKey, OpenError, OpenErrorKind};
use std::{fmt, sync::Arc, time::Duration};

/// The calls that only the holder of a node's key can read;
/// [`Client::confidential`](crate::Client::confidential) returns it.
///
/// Methods and types are those of the plain client. Each attempt locks a node, encrypts the request
/// anew for its key, and opens the response. It never falls back to plain text: a response that is not encrypted
/// for this request, or was altered, is an error for which
/// [`Error::is_untrusted`](crate::Error::is_untrusted) is true.
///
/// Nothing proves that the key belongs to a node: set a [`policy`](Self::policy) if you know the
/// keys of your nodes. **Do not stream confidential text:** nodes repeat one nonce for all chunks
/// of a stream, so an observer recovers text without the key, and can forge chunks. Only a pinned
/// [signature](crate::Client::verified) protects the integrity of a stream.
///
/// ```
/// # async fn run(client: atoma::Client, request: atoma::ChatCompletionRequest) -> atoma::Result<()> {
/// let reply = client.confidential().chat().create(request).await?;
/// println!("{}", reply.text());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Confidential {
    core: Arc<Core>,
}

impl Confidential {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        let mut core = Core::clone(core);
        core.confidential.get_or_insert_with(Settings::default);
        Self { core: Arc::new(core) }
    }

    /// Returns the chat completions.
    ///
    /// [`Chat::stream`] is encrypted with one nonce for all chunks: an observer recovers text of it
    /// without the key. Prefer [`Chat::create`].
    pub fn chat(&self) -> Chat {
        Chat::new(&self.core)
    }

    /// Returns the completions of plain text. Their streams come back empty from Atoma's server, so
    /// [`Completions::stream`] is an error.
    pub fn completions(&self) -> Completions {
        Completions::new(&self.core)
    }

    /// Returns the embeddings.
    pub fn embeddings(&self) -> Embeddings {
        Embeddings::new(&self.core)
    }

    /// Returns the generation of images. [`Images::fetch`] is an error: it is not encrypted.
    pub fn images(&self) -> Images {
        Images::new(&self.core)
    }

    /// Asks `policy` about each locked node, before anything is encrypted for it. Default: every node
    /// is accepted.
    ///
    /// ```
    /// # fn run(client: atoma::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use atoma::{LockedNode, NodeKey};
    ///
    /// let known: NodeKey = "D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=".parse()?;
    /// let confidential = client.confidential().policy(move |node: LockedNode| async move {
    ///     if node.key == known { Ok(()) } else { Err("not a node of ours".into()) }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn policy(self, policy: impl NodePolicy) -> Self {
        self.set(|settings| settings.policy = Some(Arc::new(policy)))
    }

    /// Sets how long a lock is valid, in whole seconds, 1 at least. Default 5 s. A policy that asks
    /// another server may need more.
    #[must_use]
    pub fn lock_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.lock_seconds = timeout.as_secs().max(1))
    }

    fn set(self, set: impl FnOnce(&mut Settings)) -> Self {
        let mut core = Arc::unwrap_or_clone(self.core);
        set(core.confidential.get_or_insert_with(Settings::default));
        Self { core: Arc::new(core) }
    }
}

impl fmt::Debug for Confidential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confidential").field("core", &self.core).finish()
    }
}
