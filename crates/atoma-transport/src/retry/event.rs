use super::FailureCause;
use crate::Response;
use std::{sync::Arc, time::Duration};

/// A retry that has been decided on, as the hook of [`Retry::on_retry`](crate::Retry::on_retry)
/// sees it: for logs and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryEvent {
    /// The number of the attempt that failed, counted from 1.
    pub attempt: u32,
    /// What it met.
    pub cause: FailureCause,
    /// The wait that begins now.
    pub wait: Duration,
    /// The server's name for the request that failed (`x-request-id`), if an answer came with one.
    pub request_id: Option<String>,
    /// What the origin's [`RetryBudget`](crate::RetryBudget) holds after paying, 0 to 100; `None`
    /// without a budget.
    pub tokens_left: Option<u32>,
}

pub(super) type OnRetry = Arc<dyn Fn(&RetryEvent) + Send + Sync>;
pub(super) type OnResponse = Arc<dyn Fn(&mut Response) + Send + Sync>;
