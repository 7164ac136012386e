//! The outcome of a call, and assertions about it.

use super::{Log, invariants};
use atoma::{
    ChatCompletionResponse, ChatCompletionStream, Error, Json, Streamed, types::ChatModel,
};
use atoma_transport::{ErrorKind, TransportError};
use std::time::Duration;

/// The predicates of an error that return true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    Truncated,
    Timeout,
    Connect,
    Certificate,
    TooLarge,
    Unexpected,
    ApiError,
    Config,
    Invalid,
    Retryable,
    MayBeBilled,
}

/// The outcome of a call: text, and perhaps an error after it.
///
/// The constructors check the invariants of an error, whatever the row expects.
#[must_use]
pub struct Outcome {
    text: String,
    error: Option<Error>,
    attempts: u32,
    log: Log,
}

impl Outcome {
    pub(super) async fn of_stream(log: Log, call: atoma::Call<Streamed<ChatModel>>) -> Self {
        match call.await {
            Ok(stream) => Self::read(log, stream, String::new()).await,
            Err(error) => Self::failed(log, String::new(), error),
        }
    }

    pub(super) async fn of_rest(log: Log, stream: ChatCompletionStream, read: &str) -> Self {
        Self::read(log, stream, read.to_owned()).await
    }

    pub(super) async fn of_unary(
        log: Log,
        call: atoma::Call<Json<ChatCompletionResponse>>,
    ) -> Self {
        match call.await {
            Ok(reply) => {
                invariants::no_secret(&reply);
                let attempts = reply.attempts().count;
                let text = reply.text().into_owned();
                Self { text, error: None, attempts, log }
            }
            Err(error) => Self::failed(log, String::new(), error),
        }
    }

    async fn read(log: Log, mut stream: ChatCompletionStream, read: String) -> Self {
        invariants::no_secret(&stream);
        let (attempts, mut text) = (stream.attempts().count, read);
        let error = loop {
            match stream.try_next().await {
                Ok(Some(chunk)) => text.push_str(&chunk.text()),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        for _ in 0..2 {
            let again = stream.try_next().await;
            assert!(!matches!(again, Ok(Some(_))), "a stream continues after its end");
            let (again, first) = (again.err(), error.as_ref());
            let text = again.as_ref().map(ToString::to_string);
            assert_eq!(text, first.map(ToString::to_string), "the stream ends in another way");
        }
        match error {
            None => Self { text, error: None, attempts, log },
            Some(error) => Self::failed(log, text, error),
        }
    }

    /// Makes an outcome from an error that a test received itself; `text` arrived before it.
    pub fn failed(log: Log, text: String, error: Error) -> Self {
        invariants::of_error(&error);
        let partial = error.partial().map(|partial| partial.text().into_owned());
        if !text.is_empty() || partial.is_some() {
            assert_eq!(partial.as_deref(), Some(&*text), "the error lacks the partial response");
        }
        let attempts = error.attempts().count;
        Self { text, error: Some(error), attempts, log }
    }

    /// The call succeeded with the content `text`.
    #[track_caller]
    pub fn ok(&self, text: &str) -> &Self {
        if let Some(error) = &self.error {
            panic!("expected {text:?}, got {:?} and then {error:?}", self.text);
        }
        assert_eq!(self.text, text);
        self
    }

    /// The call failed, and exactly these predicates of its error are true.
    #[track_caller]
    pub fn is<const N: usize>(&self, expected: [Is; N]) -> &Self {
        let error = self.error();
        let actual = Is::all_of(error);
        let same = actual.len() == N && actual.iter().all(|is| expected.contains(is));
        assert!(same, "expected {expected:?}, got {actual:?} from {error:?}");
        self
    }

    /// The call timed out, before the response or in the middle of it.
    #[track_caller]
    pub fn stalled(&self, partial: &str) -> &Self {
        use Is::{MayBeBilled, Retryable, Timeout, Truncated};
        match partial {
            "" => self.is([Timeout, Retryable, MayBeBilled]),
            _ => self.is([Timeout, Retryable, MayBeBilled, Truncated]),
        };
        self.after(partial)
    }

    /// The call failed, and the transport's error is of this kind.
    #[track_caller]
    pub fn kind(&self, kind: ErrorKind) -> &Self {
        let error = self.error();
        assert_eq!(error.transport().map(TransportError::kind), Some(kind), "{error:?}");
        self
    }

    /// This text arrived before the error, and is in the error's partial response.
    #[track_caller]
    pub fn after(&self, text: &str) -> &Self {
        assert_eq!(self.text, text, "the text before {:?}", self.error());
        self
    }

    /// The request was sent this many times.
    #[track_caller]
    pub fn attempts(&self, attempts: u32) -> &Self {
        assert_eq!(self.attempts, attempts, "attempts; {:?}", self.error);
        self
    }

    /// The server has accepted this many connections so far.
    #[track_caller]
    pub fn connections(&self, connections: usize) -> &Self {
        assert_eq!(self.log.accepted(), connections, "connections; {:?}", self.log.events());
        self
    }

    /// The server has read this many complete requests so far.
    #[track_caller]
    pub fn requests(&self, requests: usize) -> &Self {
        assert_eq!(self.log.requests().len(), requests, "requests; {:?}", self.log.events());
        self
    }

    /// The error has this status.
    #[track_caller]
    pub fn status(&self, status: u16) -> &Self {
        let actual = self.error().status().map(|status| status.as_u16());
        assert_eq!(actual, Some(status), "{:?}", self.error());
        self
    }

    /// The error's Display contains `text`; the transport's error, if there is one, is appended
    /// after a colon.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        let error = self.error();
        let said = match error.transport() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        assert!(said.contains(text), "{said:?} does not say {text:?}");
        self
    }

    /// The error's excerpt of an unexpected response.
    #[track_caller]
    pub fn body_excerpt(&self, excerpt: &str) -> &Self {
        assert_eq!(self.error().body_excerpt(), Some(excerpt));
        self
    }

    /// The call took this long, by a clock that only the test moves.
    #[track_caller]
    pub fn lasted(&self, time: Duration) -> &Self {
        assert_eq!(self.error().attempts().elapsed, time, "{:?}", self.error());
        self
    }

    /// Returns whether the call failed, in rows that allow both.
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    #[track_caller]
    pub fn error(&self) -> &Error {
        match &self.error {
            Some(error) => error,
            None => panic!("expected an error, got {:?}", self.text),
        }
    }
}

impl Is {
    fn all_of(error: &Error) -> Vec<Self> {
        let all = [
            (Self::Truncated, error.is_truncated()),
            (Self::Timeout, error.is_timeout()),
            (Self::Connect, error.is_connect()),
            (Self::Certificate, error.is_certificate()),
            (Self::TooLarge, error.is_too_large()),
            (Self::Unexpected, error.is_unexpected_response()),
            (Self::ApiError, error.is_api_error()),
            (Self::Config, error.is_config()),
            (Self::Invalid, error.is_invalid_request()),
            (Self::Retryable, error.is_retryable()),
            (Self::MayBeBilled, error.may_have_been_processed()),
        ];
        all.into_iter().filter(|(_, yes)| *yes).map(|(is, _)| is).collect()
    }
}
