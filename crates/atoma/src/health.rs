use crate::{Call, Json, core::Core};
use atoma_types::HealthResponse;
use std::sync::Arc;

/// The state of the server; [`Client::health`](crate::Client::health) returns it.
#[derive(Clone, Debug)]
pub struct Health {
    core: Arc<Core>,
}

impl Health {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Asks whether the server runs. The endpoint is `/health` at the root of the server, not below
    /// `/v1`.
    ///
    /// ```
    /// # async fn run(client: atoma::Client) -> atoma::Result<()> {
    /// println!("{:?}", client.health().check().await?.message);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Every [`Error`](crate::Error).
    pub fn check(&self) -> Call<Json<HealthResponse>> {
        Call::get_root(&self.core, "/health", Json::new(1))
    }
}
