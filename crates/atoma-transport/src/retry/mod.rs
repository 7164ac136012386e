mod after;
mod budget;
mod call;
mod config;
mod error_body;
mod layer;
mod observed_call;
mod options;
mod policy;

pub use after::retry_after;
pub use budget::RetryBudget;
pub use config::{BackoffStrategy, InvalidRetryConfig, RetryConfig, RetryConnectionErrors};
pub use layer::Retry;
pub use options::CallOptions;
pub use policy::{AttemptOutcome, RetryContext, RetryDecision};
