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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_port_is_the_default_one_of_the_scheme() {
        let of = |uri: &str| Origin::of(&uri.parse().unwrap());
        for (bare, full, other) in [
            ("http://host/a", "http://HOST:80/b", "http://host:443"),
            ("https://host", "https://host:443", "https://host:80"),
        ] {
            assert_eq!(of(bare), of(full), "{bare}");
            assert_ne!(of(bare), of(other), "{bare}");
        }
        assert_eq!(of("ftp://host").port, None);
        assert_ne!(of("http://host"), of("https://host:80"));
    }
}
