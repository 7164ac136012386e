//! The reasons why a transport cannot be built.

use crate::{BoxError, error::write_with_causes};
use std::{error::Error, fmt, sync::Arc};

/// A transport that cannot be built with its settings.
///
/// It names the variable or the option, never its value.
///
/// ```
/// use atoma_transport::HyperTransport;
///
/// let error = HyperTransport::builder().only_custom_roots().build().unwrap_err();
/// assert!(error.is_tls());
/// assert!(error.to_string().starts_with("no root certificates"));
/// ```
#[derive(Clone)]
pub struct ConfigError {
    about: About,
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Proxy,
    Tls,
}

impl ConfigError {
    #[cold]
    pub(super) fn proxy(name: &str, problem: &str) -> Self {
        Self { about: About::Proxy, message: format!("{name} {problem}"), source: None }
    }

    #[cold]
    pub(super) fn tls(message: &str) -> Self {
        Self { about: About::Tls, message: message.to_owned(), source: None }
    }

    pub(super) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into().into());
        self
    }

    /// A proxy's URL cannot be used: it is mistyped, or of an unknown kind.
    pub fn is_proxy(&self) -> bool {
        self.about == About::Proxy
    }

    /// A certificate, a key or the roots of trust cannot be used, or there are none.
    pub fn is_tls(&self) -> bool {
        self.about == About::Tls
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The line and its causes; the fields under `{:#?}`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return write_with_causes(f, self);
        }
        f.debug_struct("ConfigError")
            .field("about", &self.about)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_about_a_proxy_or_about_tls() {
        let proxy = ConfigError::proxy("HTTP_PROXY", "names no host");
        let tls = ConfigError::tls("the root certificates are not PEM");
        assert_eq!((proxy.is_proxy(), proxy.is_tls()), (true, false));
        assert_eq!((tls.is_proxy(), tls.is_tls()), (false, true));
        assert_eq!(proxy.to_string(), "HTTP_PROXY names no host");
        assert!(proxy.source().is_none());
        let tls = tls.with_source("cause");
        assert_eq!(tls.to_string(), "the root certificates are not PEM");
        assert_eq!(tls.source().map(ToString::to_string).as_deref(), Some("cause"));
    }
}
