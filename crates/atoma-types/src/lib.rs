#![doc = include_str!("../README.md")]

mod chat;
mod embeddings;
mod error;
mod extra;
mod json;
mod models;
mod open_enum;
mod schema;
mod stream;
mod wire;

pub use chat::chunk::{ChatCompletionChunk, ChatCompletionChunkChoice, ChatCompletionChunkDelta};
pub use chat::content::{Content, ContentPart, ImageDetail, ImageUrl, ImageUrlPart, TextPart};
pub use chat::logprobs::{Logprobs, TokenLogprob, TopLogprob};
pub use chat::message::{ChatCompletionMessage, Role};
pub use chat::request::{ChatCompletionRequest, StreamOptions};
pub use chat::response::{
    ChatCompletionChoice, ChatCompletionResponse, FinishReason, ObjectKind, StopReason,
};
pub use chat::response_format::{JsonSchemaFormat, ResponseFormat};
pub use chat::tool::{
    ChatCompletionToolsParam, FunctionCall, FunctionCallDelta, FunctionDefinition, ToolCall,
    ToolCallDelta, ToolChoice, ToolKind,
};
pub use chat::usage::{CompletionTokensDetails, PromptTokensDetails, Usage};
pub use chat::validate::InvalidRequest;
pub use embeddings::{Embedding, EmbeddingRequest, EmbeddingResponse};
pub use error::ApiError;
pub use extra::Extra;
pub use json::{ParseError, partial::PartialJson};
pub use models::{ModelInfo, ModelList};
pub use schema::{UnsupportedSchema, strict_schema};
pub use stream::accumulator::ChatCompletionAccumulator;
pub use stream::chat::ChatModel;
pub use stream::chunk_reader::ChunkReader;
pub use stream::whole::WholeBody;
pub use stream::{Progress, ResponseModel, Seen, StreamModel};
