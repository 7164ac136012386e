// The links of the documentation take precedence over those of the README, which lead to files.
//! [tour]: crate::_guide::tour
//! [cookbook]: crate::_guide::cookbook
//! [migrating]: crate::_guide::migrating
//! [observing]: crate::_guide::observing
//! [testing]: crate::_guide::testing
//! [trust]: crate::_guide::trust
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
// The signature of a call does not depend on how its request is encoded today.
#![allow(clippy::needless_pass_by_value)]

#[cfg(feature = "blocking")]
#[cfg_attr(docsrs, doc(cfg(feature = "blocking")))]
pub mod blocking;

#[cfg(any(doc, doctest))]
#[path = "guide/mod.rs"]
pub mod _guide;

mod allow_http;
mod api_key;
mod batch;
mod body_capture;
mod body_format;
mod body_reader;
mod builder;
mod call;
mod chat;
mod client;
mod completions;
#[cfg(feature = "confidential")]
mod confidential;
mod conversation;
mod core;
mod draft;
mod embeddings;
mod endpoint;
mod error;
mod event_reader;
mod event_stream;
mod headers;
mod health;
mod idle_timeout;
mod images;
mod inspect;
mod key_source;
mod log;
mod models;
mod nodes;
mod observe;
mod open_router;
#[cfg(feature = "schemars")]
mod output_format;
#[cfg(feature = "schemars")]
mod parse;
#[cfg(feature = "schemars")]
mod parse_stream;
mod rate_limits;
mod raw_event;
mod redact;
mod relay;
mod reply;
mod request_members;
mod response;
#[cfg(feature = "blocking")]
mod runtime;
#[cfg(feature = "schemars")]
mod schema_of;
mod server_url;
mod stream_stats;
mod stream_views;
#[cfg(feature = "tracing")]
mod telemetry;
mod tool_run;
mod tool_step;
mod tools;
#[cfg(feature = "verify")]
mod verification;

pub use api_key::{ApiKey, ApiKeyProvider};
/// The transport layer, from `atoma-transport`: for another transport, timer or retry policy.
pub use atoma_transport as transport;
#[doc(no_inline)]
pub use atoma_transport::{
    Attempts, BackoffStrategy, Phase, RateLimitPause, RetryBudget, RetryConfig,
    RetryConnectionErrors, RetryEvent, Timeouts, transport_fn,
};
/// The models of the API, from `atoma-types`.
pub use atoma_types as types;
#[doc(no_inline)]
pub use atoma_types::{
    ApiError, ChatCompletionChunk, ChatCompletionMessage, ChatCompletionRequest,
    ChatCompletionResponse, ChatCompletionToolsParam, ChatEvent, CompletionEvent,
    CompletionRequest, CompletionResponse, ContentPart, EmbeddingRequest, EmbeddingResponse,
    FinishReason, ImageRequest, ImageResponse, ModelList, NodeCreateRequest, NodeLockRequest,
    ResponseFormat, Role, StreamOptions, TextInput, ToolCall, ToolChoice, Usage,
};
/// Verification of signed text, from `atoma-verify`.
#[cfg(feature = "verify")]
#[cfg_attr(docsrs, doc(cfg(feature = "verify")))]
pub use atoma_verify as verify;
pub use batch::{Batch, batch};
pub use builder::ClientBuilder;
pub use call::Call;
pub use chat::Chat;
pub use client::Client;
pub use completions::Completions;
#[cfg(feature = "evidence")]
#[cfg_attr(docsrs, doc(cfg(feature = "evidence")))]
pub use confidential::evidence;
#[cfg(feature = "confidential")]
#[cfg_attr(docsrs, doc(cfg(feature = "confidential")))]
pub use confidential::{Confidential, LockedNode, NodeKey, NodePolicy, OpenError, OpenErrorKind};
pub use conversation::{Conversation, ConversationError};
pub use embeddings::Embeddings;
pub use endpoint::{Download, Endpoint, Json, Selected, Streamed};
pub use error::{Error, ErrorKind};
pub use event_stream::{ChatCompletionStream, ResponseStream};
pub use health::Health;
pub use images::Images;
pub use inspect::{CallInfo, Inspect, InspectCall};
pub use log::{Log, LogLevel};
pub use models::Models;
pub use nodes::Nodes;
pub use observe::{CallEnd, CallResult, Observer, StreamEvent};
pub use open_router::OpenRouter;
#[cfg(feature = "schemars")]
#[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
pub use output_format::{OutputFormat, ParseMode, ParseOutcome, Parsed};
#[cfg(feature = "schemars")]
#[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
pub use parse::ParseCall;
#[cfg(feature = "schemars")]
#[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
pub use parse_stream::ParseStream;
pub use rate_limits::{RateLimit, RateLimits};
pub use relay::{Relay, relay};
pub use reply::{Metadata, Reply};
pub use stream_stats::StreamStats;
pub use stream_views::{
    ChatEventStream, CompletionEventStream, StreamEvents, TextStream, TypedEventStream,
};
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use telemetry::Tracing;
pub use tool_run::{ToolEvent, ToolRun};
pub use tool_step::{Approval, ToolOutcome, ToolStep};
pub use tools::{Tool, ToolError};
#[cfg(feature = "verify")]
#[cfg_attr(docsrs, doc(cfg(feature = "verify")))]
pub use verification::Verification;

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;
