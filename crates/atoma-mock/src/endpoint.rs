/// An endpoint whose responses are computed by a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Embeddings,
    Images,
}

impl Endpoint {
    /// Finds the endpoint of a path under any prefix, and whether it is the confidential one.
    pub(crate) fn of_path(path: &str) -> Option<(Self, bool)> {
        // Chat before completions: one path ends in the other.
        let known = [
            ("/chat/completions", Self::Chat),
            ("/completions", Self::Completions),
            ("/embeddings", Self::Embeddings),
            ("/images/generations", Self::Images),
        ];
        known.into_iter().find_map(|(suffix, endpoint)| {
            let prefix = path.strip_suffix(suffix)?;
            Some((endpoint, prefix.ends_with("/confidential")))
        })
    }

    /// The name of the endpoint's request in the proxy's error messages.
    pub(crate) fn request_name(self) -> &'static str {
        match self {
            Self::Chat => "chat completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Images => "image generations",
        }
    }

    /// The compute units that a confidential request needs if it does not say.
    pub(crate) fn default_compute_units(self) -> u64 {
        match self {
            Self::Images => 1024 * 1024,
            _ => 8192,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_under_any_prefix() {
        for (path, wanted) in [
            ("/v1/chat/completions", Some((Endpoint::Chat, false))),
            ("/a/b/v1/chat/completions", Some((Endpoint::Chat, false))),
            ("/chat/completions", Some((Endpoint::Chat, false))),
            ("/v1/completions", Some((Endpoint::Completions, false))),
            ("/v1/embeddings", Some((Endpoint::Embeddings, false))),
            ("/v1/images/generations", Some((Endpoint::Images, false))),
            ("/v1/confidential/chat/completions", Some((Endpoint::Chat, true))),
            ("/v1/confidential/completions", Some((Endpoint::Completions, true))),
            ("/v1/confidential/embeddings", Some((Endpoint::Embeddings, true))),
            ("/v1/confidential/images/generations", Some((Endpoint::Images, true))),
            ("/v1/models", None),
            ("/v1/images", None),
            ("/completions/x", None),
            ("", None),
        ] {
            assert_eq!(Endpoint::of_path(path), wanted, "{path}");
        }
    }
}
