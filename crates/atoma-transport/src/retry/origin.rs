use http::{Uri, uri::Scheme};

/// Scheme, host and port of a URL: the server that a budget or a pause is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: Option<Scheme>,
    host: String,
    port: Option<u16>,
}

impl Origin {
    pub(super) fn of(uri: &Uri) -> Self {
        let default_port = || match uri.scheme_str()? {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        };
        Self {
            scheme: uri.scheme().cloned(),
            host: uri.host().unwrap_or_default().to_ascii_lowercase(),
            port: uri.port_u16().or_else(default_port),
        }
    }
}
