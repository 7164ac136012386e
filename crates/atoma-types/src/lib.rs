#![doc = include_str!("../README.md")]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

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
mod shared_str;
mod stream;
mod text_input;
mod validate;
mod wire;

pub use chat::{
    chunk::{ChatCompletionChunk, ChatCompletionChunkChoice, ChatCompletionChunkDelta},
    content::{Content, ContentPart, ImageDetail, ImageUrl, ImageUrlPart, TextPart},
    continuation::{Continuation, UsageReport},
    finish_reason::{FinishReason, StopReason},
    logprobs::{Logprobs, TokenLogprob, TopLogprob},
    message::{ChatCompletionMessage, Role},
    request::{ChatCompletionRequest, StreamOptions},
    response::{ChatCompletionChoice, ChatCompletionResponse, ObjectKind},
    response_format::{JsonSchemaFormat, ResponseFormat},
    tool::{
        ChatCompletionToolsParam, FunctionCall, FunctionCallDelta, FunctionDefinition, ToolCall,
        ToolCallDelta, ToolChoice, ToolKind,
    },
    undocumented::{ReasoningEffort, Verbosity},
    usage::{CompletionTokensDetails, PromptTokensDetails, Usage},
};
pub use completions::{
    logprobs::CompletionLogprobs,
    request::CompletionRequest,
    response::{CompletionChoice, CompletionChunk, CompletionResponse},
};
pub use embeddings::{Embedding, EmbeddingRequest, EmbeddingResponse, EncodingFormat};
pub use error::ApiError;
pub use extra::Extra;
pub use health::HealthResponse;
pub use images::{
    ImageData, ImageFormat, ImageRequest, ImageResponse, ImageTokensDetails, ImageUsage,
};
pub use json::{ParseError, partial::PartialJson, read_members};
pub use models::{ModelInfo, ModelList};
pub use nodes::{
    NodeAddress, NodeCreateRequest, NodeCreateResponse, NodeLockRequest, NodeLockResponse,
};
pub use schema::{UnsupportedSchema, strict_schema};
pub use setters::{Number, Texts};
pub use shared_str::SharedStr;
pub use stream::{
    Progress, ResponseModel, Seen, StreamModel,
    accumulator::ChatCompletionAccumulator,
    chat::ChatModel,
    chunk_reader::ChunkReader,
    completion_events::{CompletionEvent, CompletionEvents},
    completions::CompletionModel,
    events::{ChatEvent, ChatEvents},
    whole::WholeBody,
};
pub use text_input::TextInput;
pub use validate::InvalidRequest;
