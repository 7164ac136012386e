/// The configured keys and models.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// `None`: any key that is not empty.
    pub(crate) api_key: Option<String>,
    /// `None`: any model that is not empty.
    pub(crate) models: Option<Vec<String>>,
    /// Whether embeddings take lists, as other servers do and the proxy does not.
    pub(crate) embedding_lists: bool,
}
