//! Makes errors, and adds the details of the response.

#[cfg(feature = "schemars")]
use super::not_parsed::NotParsed;
use super::{Error, Inner, Kind, Limit, Partial, Source};
use crate::{Metadata, redact::excerpt};
#[cfg(feature = "confidential")]
use atoma_transport::Delivery;
use atoma_transport::TransportError;
use atoma_types::{ApiError, ChatCompletionResponse, InvalidRequest};
use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

impl Error {
    pub(crate) fn config(why: impl Into<Cow<'static, str>>) -> Self {
        Self::from_kind(Kind::Config(why.into()))
    }

    pub(crate) fn misuse(why: impl Into<Cow<'static, str>>) -> Self {
        Self::from_kind(Kind::Misuse(why.into()))
    }

    /// Sets the `stream` member of a request; an error if the request has the opposite value.
    pub(crate) fn check_stream(
        resource: &str,
        member: &mut Option<bool>,
        stream: bool,
    ) -> Result<(), Self> {
        if member.replace(stream) == Some(!stream) {
            let method = if stream { "create" } else { "stream" };
            let asked = !stream;
            let why =
                format!("the request has stream: {asked}: call {resource}().{method}(request)");
            return Err(Self::misuse(why));
        }
        Ok(())
    }

    pub(crate) fn error_status(api: Option<ApiError>) -> Self {
        Self::from_kind(Kind::ErrorStatus(api))
    }

    pub(crate) fn in_stream(api: ApiError) -> Self {
        Self::from_kind(Kind::ErrorInside { api, in_stream: true })
    }

    pub(crate) fn in_body(api: ApiError) -> Self {
        Self::from_kind(Kind::ErrorInside { api, in_stream: false })
    }

    pub(crate) fn unexpected(what: &'static str, body: &[u8]) -> Self {
        Self::from_kind(Kind::Unexpected { what, excerpt: excerpt(body), source: None })
    }

    pub(crate) fn unreadable(source: impl Into<Source>, body: &[u8]) -> Self {
        let what = "the response cannot be parsed";
        let source = Some(source.into());
        Self::from_kind(Kind::Unexpected { what, excerpt: excerpt(body), source })
    }

    pub(crate) fn truncated(stray: &[u8]) -> Self {
        Self::from_kind(Kind::Truncated { stray: excerpt(stray) })
    }

    pub(crate) fn stalled(first: bool, limit: Duration) -> Self {
        Self::from_kind(Kind::Stalled { first, limit })
    }

    pub(crate) fn response_too_large(limit: usize) -> Self {
        Self::from_kind(Kind::TooLarge(Limit::Response, limit))
    }

    pub(crate) fn event_too_large(limit: usize) -> Self {
        Self::from_kind(Kind::TooLarge(Limit::Event, limit))
    }

    pub(crate) fn rejected(source: Source) -> Self {
        Self::from_kind(Kind::Rejected(source))
    }

    pub(crate) fn tool_rounds(rounds: usize, last: ChatCompletionResponse) -> Self {
        Self::from_kind(Kind::ToolRounds(rounds)).with_partial(Some(Partial::new(last)))
    }

    #[cfg(feature = "schemars")]
    pub(crate) fn not_parsed(why: NotParsed, response: ChatCompletionResponse) -> Self {
        Self::from_kind(Kind::NotParsed(why)).with_partial(Some(Partial::new(response)))
    }

    /// The server refused to lock a node for a confidential call, with this response.
    #[cfg(feature = "confidential")]
    pub(crate) fn no_lock(api: Option<ApiError>, delivery: Delivery) -> Self {
        Self::from_kind(Kind::NoLock { api, delivery })
    }

    /// A confidential call was not sent, because the node or its lock cannot be used.
    #[cfg(feature = "confidential")]
    pub(crate) fn node_refused(source: Source, delivery: Delivery) -> Self {
        Self::from_kind(Kind::NodeRefused { source, delivery })
    }

    /// Removes all text of the response, and the causes, which may quote it.
    pub(crate) fn without_text(mut self) -> Self {
        match &mut self.inner_mut().kind {
            Kind::Unexpected { excerpt, source, .. } => {
                excerpt.clear();
                *source = None;
            }
            Kind::Truncated { stray } => stray.clear(),
            _ => {}
        }
        self
    }

    #[cold]
    fn from_kind(kind: Kind) -> Self {
        Self(Arc::new(Inner { kind, metadata: None, retry_after: None, partial: None }))
    }

    /// Adds the head of the response.
    pub(crate) fn with_head(mut self, head: &Metadata) -> Self {
        let inner = self.inner_mut();
        inner.retry_after = atoma_transport::retry_after(head.headers(), SystemTime::now());
        inner.metadata = Some(head.clone());
        self
    }

    /// Adds the time from the head to the error, to that of the attempts.
    pub(crate) fn with_body_time(mut self, time: Duration) -> Self {
        if let Some(metadata) = &mut self.inner_mut().metadata {
            let elapsed = &mut metadata.attempts_mut().elapsed;
            *elapsed = elapsed.saturating_add(time);
        }
        self
    }

    pub(crate) fn with_partial(mut self, partial: Option<Partial>) -> Self {
        self.inner_mut().partial = partial;
        self
    }

    fn inner_mut(&mut self) -> &mut Inner {
        Arc::get_mut(&mut self.0).expect("an error is complete before it is cloned")
    }
}

impl From<InvalidRequest> for Error {
    fn from(error: InvalidRequest) -> Self {
        Self::from_kind(Kind::InvalidRequest(error))
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        Self::from_kind(Kind::Transport(error))
    }
}
