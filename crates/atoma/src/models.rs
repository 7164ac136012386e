use crate::{Call, Json, Selected, core::Core};
use atoma_types::{ModelInfo, ModelList};
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

    /// Looks up a model by its ID, in the server's spelling; `None` if the server does not offer
    /// it.
    ///
    /// It lists the models and picks one, because Atoma has no endpoint for a single model.
    ///
    /// ```
    /// # async fn run(client: atoma::Client) -> atoma::Result<()> {
    /// let reply = client.models().retrieve("meta-llama/Llama-3.3-70B-Instruct").await?;
    /// println!("offered: {}", reply.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn retrieve(&self, id: impl Into<String>) -> Call<Selected<ModelList, Option<ModelInfo>>> {
        let id = id.into();
        let find = move |list: ModelList| list.data.into_iter().find(|model| model.id == id);
        Call::get(&self.core, "/models", Selected::new(find))
    }
}
