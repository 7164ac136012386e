//! The models of completions.

pub(crate) mod logprobs;
pub(crate) mod request;
pub(crate) mod response;
