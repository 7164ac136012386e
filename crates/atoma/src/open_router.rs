use crate::{Call, Json, core::Core};
use serde_json::Value;
use std::sync::Arc;

/// The list of models for OpenRouter; [`Client::open_router`](crate::Client::open_router) returns it.
#[derive(Clone, Debug)]
pub struct OpenRouter {
    core: Arc<Core>,
}

impl OpenRouter {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Returns the models in OpenRouter's form: any JSON, a file that the server returns unchanged.
    ///
    /// ```
    /// # async fn run(client: atoma::Client) -> atoma::Result<()> {
    /// println!("{}", client.open_router().models().await?.into_inner());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Every [`Error`](crate::Error).
    #[doc(alias = "open_router_models_list")]
    pub fn models(&self) -> Call<Json<Value>> {
        Call::get(&self.core, "/open_router/models", Json::new(1))
    }
}
