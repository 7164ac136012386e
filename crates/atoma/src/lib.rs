#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod allow_http;
mod api_key;
#[cfg(feature = "blocking")]
pub mod blocking;
mod body_format;
mod builder;
mod call;
mod chat;
mod client;
mod error;
mod event_stream;
mod events;
mod headers;
mod idle_timeout;
mod outcome;
mod rate_limits;
mod redact;
mod reply;
mod server_url;

pub use api_key::{ApiKey, ApiKeyProvider};
pub use builder::ClientBuilder;
pub use call::{Call, Operation};
pub use chat::{Chat, CreateChatCompletion, StreamChatCompletion};
pub use client::Client;
pub use error::{Error, ErrorKind};
pub use event_stream::ChatCompletionStream;
pub use rate_limits::{RateLimit, RateLimits};
pub use reply::Reply;

/// The models of the API, from `atoma-types`.
pub use atoma_types as types;
#[doc(no_inline)]
pub use atoma_types::{
    ApiError, ChatCompletionChunk, ChatCompletionMessage, ChatCompletionRequest,
    ChatCompletionResponse, ChatCompletionToolsParam, ContentPart, FinishReason, ResponseFormat,
    Role, StreamOptions, ToolCall, ToolChoice, Usage,
};

/// The transport layer, from `atoma-transport`: for another transport, timer or retry policy.
pub use atoma_transport as transport;
#[doc(no_inline)]
pub use atoma_transport::{
    Attempts, BackoffStrategy, Phase, RateLimitPause, RetryBudget, RetryConfig,
    RetryConnectionErrors, RetryEvent, Timeouts, transport_fn,
};

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Compiles the examples of the repository's front page.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct FrontPage;
