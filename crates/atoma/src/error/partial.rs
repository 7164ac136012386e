use std::{any::Any, fmt, sync::Arc};

/// The part of a response that arrived before an error, of any response type.
///
/// Clones share it.
#[derive(Clone)]
pub(crate) struct Partial(Arc<dyn Any + Send + Sync>);

impl Partial {
    pub(crate) fn new<T: Send + Sync + 'static>(response: T) -> Self {
        Self(Arc::new(response))
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }

    /// Returns the response itself, without a copy if nobody else holds it.
    pub(crate) fn into<T: Clone + Send + Sync + 'static>(self) -> Option<T> {
        self.0.downcast().ok().map(Arc::unwrap_or_clone)
    }
}

#[cfg(feature = "verify")]
impl crate::Error {
    /// Returns the inspectors' reports about the response, if there is a partial one of any type.
    pub(crate) fn extensions_of_partial(&self) -> Option<&http::Extensions> {
        self.0.partial.as_ref()?;
        self.0.metadata.as_ref().map(crate::Metadata::extensions)
    }
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Partial")
    }
}
