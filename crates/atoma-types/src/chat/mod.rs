//! The models of chat completions.

pub(crate) mod call_ids;
pub(crate) mod chunk;
pub(crate) mod content;
pub(crate) mod continuation;
pub(crate) mod finish_reason;
pub(crate) mod logprobs;
pub(crate) mod media;
pub(crate) mod media_files;
pub(crate) mod message;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod response_format;
pub(crate) mod tool;
pub(crate) mod undocumented;
pub(crate) mod usage;
pub(crate) mod validate;
