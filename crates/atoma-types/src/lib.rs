#![doc = include_str!("../README.md")]

mod base64;
mod chat;
mod completions;
mod embeddings;
mod error;
mod extra;
mod health;
mod images;
mod json;
mod models;
mod nodes;
mod open_enum;
mod schema;
mod setters;
mod stream;
mod text_input;
mod validate;
mod wire;

pub use chat::chunk::{ChatCompletionChunk, ChatCompletionChunkChoice, ChatCompletionChunkDelta};
pub use chat::content::{Content, ContentPart, ImageDetail, ImageUrl, ImageUrlPart, TextPart};
pub use chat::continuation::{Continuation, UsageReport};
pub use chat::finish_reason::{FinishReason, StopReason};
pub use chat::logprobs::{Logprobs, TokenLogprob, TopLogprob};
pub use chat::message::{ChatCompletionMessage, Role};
pub use chat::request::{ChatCompletionRequest, StreamOptions};
pub use chat::response::{ChatCompletionChoice, ChatCompletionResponse, ObjectKind};
pub use chat::response_format::{JsonSchemaFormat, ResponseFormat};
pub use chat::tool::{
    ChatCompletionToolsParam, FunctionCall, FunctionCallDelta, FunctionDefinition, ToolCall,
    ToolCallDelta, ToolChoice, ToolKind,
};
pub use chat::undocumented::{ReasoningEffort, Verbosity};
pub use chat::usage::{CompletionTokensDetails, PromptTokensDetails, Usage};
pub use completions::logprobs::CompletionLogprobs;
pub use completions::request::CompletionRequest;
pub use completions::response::{CompletionChoice, CompletionChunk, CompletionResponse};
pub use embeddings::{Embedding, EmbeddingRequest, EmbeddingResponse, EncodingFormat};
pub use error::ApiError;
pub use extra::Extra;
pub use health::HealthResponse;
pub use images::{
    ImageData, ImageFormat, ImageRequest, ImageResponse, ImageTokensDetails, ImageUsage,
};
pub use json::{ParseError, partial::PartialJson};
pub use models::{ModelInfo, ModelList};
pub use nodes::{
    NodeAddress, NodeCreateRequest, NodeCreateResponse, NodeLockRequest, NodeLockResponse,
};
pub use schema::{UnsupportedSchema, strict_schema};
pub use setters::{Number, Texts};
pub use stream::accumulator::ChatCompletionAccumulator;
pub use stream::chat::ChatModel;
pub use stream::chunk_reader::ChunkReader;
pub use stream::completion_events::{CompletionEvent, CompletionEvents};
pub use stream::completions::CompletionModel;
pub use stream::events::{ChatEvent, ChatEvents};
pub use stream::whole::WholeBody;
pub use stream::{Progress, ResponseModel, Seen, StreamModel};
pub use text_input::TextInput;
pub use validate::InvalidRequest;
