use crate::{Call, Json, core::Core};
use atoma_types::ModelList;
use std::sync::Arc;

/// The models of the server; [`Client::models`](crate::Client::models) returns it.
#[derive(Clone, Debug)]
pub struct Models {
    core: Arc<Core>,
}

impl Models {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Lists the models that the server offers.
    ///
    /// ```
    /// # async fn run(client: atoma::Client) -> atoma::Result<()> {
    /// for model in &client.models().list().await?.data {
    ///     println!("{}", model.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Every [`Error`](crate::Error).
    pub fn list(&self) -> Call<Json<ModelList>> {
        Call::get(&self.core, "/models", Json::new(1))
    }
}
