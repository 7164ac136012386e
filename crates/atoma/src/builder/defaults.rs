//! The default parts of a client.

use crate::{
    ApiKey, ApiKeyProvider, Error, Log, LogLevel,
    api_key::Credentials,
    headers::{parse_default_header, parse_header, set},
    server_url::ServerUrl,
};
use atoma_transport::{Timeouts, Timer, Transport};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use std::{sync::Arc, time::Duration};

/// The source of the API key.
pub(super) enum Key {
    Text(String),
    Provider(Arc<dyn ApiKeyProvider>),
    None,
}

/// Checks the default headers and adds those that every request has.
pub(super) fn default_headers(
    headers: &[(String, String)],
    user_agent: Option<&str>,
) -> Result<HeaderMap, Error> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let (name, value) = parse_default_header(name, value)?;
        set(&mut map, name, value);
    }
    if user_agent.is_some() && map.contains_key(USER_AGENT) {
        return Err(Error::config(
            "the header user-agent is set twice: by user_agent and as a default header; remove one",
        ));
    }
    if !map.contains_key(USER_AGENT) {
        let default = concat!("atoma-rust/", env!("CARGO_PKG_VERSION"));
        set(&mut map, USER_AGENT, parse_header("user-agent", user_agent.unwrap_or(default))?.1);
    }
    for name in [ACCEPT, CONTENT_TYPE] {
        set(&mut map, name, HeaderValue::from_static("application/json"));
    }
    Ok(map)
}

pub(super) fn credentials(key: Option<Key>) -> Result<Credentials, Error> {
    match key {
        Some(Key::Text(key)) => ApiKey::new(key).map(Credentials::Key),
        Some(Key::Provider(provider)) => Ok(Credentials::Provider(provider)),
        Some(Key::None) => Ok(Credentials::None),
        None => Err(Error::config(
            "no API key: call api_key, or without_api_key if the server needs none",
        )),
    }
}

/// Long enough for a model that thinks for minutes.
pub(super) fn stream_timeouts() -> Timeouts {
    Timeouts::default().head(Duration::from_secs(300)).idle(Duration::from_secs(120)).total(None)
}

/// Makes the log of a client, at the level of the environment unless one is set.
pub(super) fn log(level: Option<LogLevel>, key: Option<&ApiKey>) -> Result<Option<Log>, Error> {
    let level = match level {
        Some(level) => level,
        None => LogLevel::from_env(|name| std::env::var_os(name))?,
    };
    Ok((level != LogLevel::Off).then(|| Log::new(level).redact(key)))
}

pub(super) fn variable(name: &str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.trim_ascii().is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::config(format!("the environment variable {name} is not Unicode")))
        }
    }
}

#[cfg(feature = "hyper")]
pub(super) fn default_timer() -> Result<Arc<dyn Timer>, Error> {
    Ok(Arc::new(atoma_transport::TokioTimer))
}

#[cfg(not(feature = "hyper"))]
pub(super) fn default_timer() -> Result<Arc<dyn Timer>, Error> {
    Err(Error::config("no timer: call timer, or enable the feature `hyper`"))
}

#[cfg(feature = "hyper")]
pub(super) fn default_transport(server_url: &ServerUrl) -> Result<Arc<dyn Transport>, Error> {
    let failed = |error: atoma_transport::ConfigError| Error::config(error.to_string());
    let transport = atoma_transport::HyperTransport::new().map_err(failed)?;
    transport.check_proxy(&server_url.join("/models", &[])?).map_err(failed)?;
    if server_url.is_https() {
        // In a thread: reading them takes longer than everything else that is done here.
        transport.preload_root_certificates().map_err(failed)?;
    }
    Ok(Arc::new(transport))
}

#[cfg(not(feature = "hyper"))]
pub(super) fn default_transport(_: &ServerUrl) -> Result<Arc<dyn Transport>, Error> {
    Err(Error::config("no transport: call transport, or enable the feature `hyper`"))
}
