//! What a caller got, and the sentences to say of it.

use super::{Log, invariants};
use atoma::{
    ChatCompletionResponse, ChatCompletionStream, Error, Json, Streamed, types::ChatModel,
};
use atoma_transport::{ErrorKind, TransportError};
use std::time::{Duration, Instant};

/// What an error answers `true` to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    Truncated,
    Timeout,
    Connect,
    Certificate,
    TooLarge,
    Unexpected,
    Refused,
    Config,
    Invalid,
    Retryable,
    MayBeBilled,
}

/// What a caller received: text, and perhaps an error after it.
///
/// When it is made the invariants of an error are checked, whatever the row expects.
#[must_use]
pub struct Outcome {
    text: String,
    error: Option<Error>,
    attempts: u32,
    elapsed: Duration,
    log: Log,
}

impl Outcome {
    pub(super) async fn of_stream(log: Log, call: atoma::Call<Streamed<ChatModel>>) -> Self {
        let began = Instant::now();
        match call.await {
            Ok(stream) => Self::read(log, stream, String::new(), began).await,
            Err(error) => Self::failed(log, String::new(), error, began),
        }
    }

    pub(super) async fn of_rest(log: Log, stream: ChatCompletionStream, read: &str) -> Self {
        Self::read(log, stream, read.to_owned(), Instant::now()).await
    }

    pub(super) async fn of_unary(
        log: Log,
        call: atoma::Call<Json<ChatCompletionResponse>>,
    ) -> Self {
        let began = Instant::now();
        match call.await {
            Ok(reply) => {
                invariants::no_secret(&reply);
                let attempts = reply.attempts().count;
                let text = reply.text().into_owned();
                Self { text, error: None, attempts, elapsed: began.elapsed(), log }
            }
            Err(error) => Self::failed(log, String::new(), error, began),
        }
    }

    async fn read(
        log: Log,
        mut stream: ChatCompletionStream,
        read: String,
        began: Instant,
    ) -> Self {
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
            assert!(!matches!(again, Ok(Some(_))), "a stream goes on after its end");
            let (again, first) = (again.err(), error.as_ref());
            let text = again.as_ref().map(ToString::to_string);
            assert_eq!(text, first.map(ToString::to_string), "the stream ends in another way");
        }
        match error {
            None => Self { text, error: None, attempts, elapsed: began.elapsed(), log },
            Some(error) => Self::failed(log, text, error, began),
        }
    }

    /// Made of an error that a test got by itself, `text` having come before it.
    pub fn failed(log: Log, text: String, error: Error, began: Instant) -> Self {
        invariants::of_error(&error);
        let partial = error.partial().map(|partial| partial.text().into_owned());
        if !text.is_empty() || partial.is_some() {
            assert_eq!(partial.as_deref(), Some(&*text), "the error has not what had arrived");
        }
        let attempts = error.attempts().count;
        Self { text, error: Some(error), attempts, elapsed: began.elapsed(), log }
    }

    /// A whole answer came, and it says `text`.
    #[track_caller]
    pub fn ok(&self, text: &str) -> &Self {
        if let Some(error) = &self.error {
            panic!("expected {text:?}, got {:?} and then {error:?}", self.text);
        }
        assert_eq!(self.text, text);
        self
    }

    /// The call failed, and the error is exactly this.
    #[track_caller]
    pub fn is<const N: usize>(&self, expected: [Is; N]) -> &Self {
        let error = self.error();
        let answers = Is::answers(error);
        let same = answers.len() == N && answers.iter().all(|answer| expected.contains(answer));
        assert!(same, "expected {expected:?}, got {answers:?} from {error:?}");
        self
    }

    /// Nothing came any more, before the answer or in the middle of it.
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

    /// What had arrived before the error, which has it as well.
    #[track_caller]
    pub fn after(&self, text: &str) -> &Self {
        assert_eq!(self.text, text, "what came before {:?}", self.error());
        self
    }

    /// How often the request was sent.
    #[track_caller]
    pub fn attempts(&self, attempts: u32) -> &Self {
        assert_eq!(self.attempts, attempts, "attempts; {:?}", self.error);
        self
    }

    /// How many connections the server has accepted so far.
    #[track_caller]
    pub fn connections(&self, connections: usize) -> &Self {
        assert_eq!(self.log.accepted(), connections, "connections; {:?}", self.log.events());
        self
    }

    /// How many whole requests the server has read so far.
    #[track_caller]
    pub fn requests(&self, requests: usize) -> &Self {
        assert_eq!(self.log.requests().len(), requests, "requests; {:?}", self.log.events());
        self
    }

    /// The status that the error tells.
    #[track_caller]
    pub fn status(&self, status: u16) -> &Self {
        let told = self.error().status().map(|status| status.as_u16());
        assert_eq!(told, Some(status), "{:?}", self.error());
        self
    }

    /// The error's Display, with the transport's after a colon where there is one, contains `text`.
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

    /// The beginning of an answer that was none, as the error shows it.
    #[track_caller]
    pub fn body_excerpt(&self, excerpt: &str) -> &Self {
        assert_eq!(self.error().body_excerpt(), Some(excerpt));
        self
    }

    /// The error says that the call took this long, by a clock that only the test moves.
    #[track_caller]
    pub fn lasted(&self, time: Duration) -> &Self {
        assert_eq!(self.error().attempts().elapsed, time, "{:?}", self.error());
        self
    }

    /// It took no longer than this by the clock on the wall.
    #[track_caller]
    pub fn took_at_most(&self, time: Duration) -> &Self {
        assert!(self.elapsed <= time, "it took {:?}", self.elapsed);
        self
    }

    /// Whether the call failed, where a row allows of both.
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
    fn answers(error: &Error) -> Vec<Self> {
        let all = [
            (Self::Truncated, error.is_truncated()),
            (Self::Timeout, error.is_timeout()),
            (Self::Connect, error.is_connect()),
            (Self::Certificate, error.is_certificate()),
            (Self::TooLarge, error.is_too_large()),
            (Self::Unexpected, error.is_unexpected_response()),
            (Self::Refused, error.is_api_error()),
            (Self::Config, error.is_config()),
            (Self::Invalid, error.is_invalid_request()),
            (Self::Retryable, error.is_retryable()),
            (Self::MayBeBilled, error.may_have_been_processed()),
        ];
        all.into_iter().filter(|(_, yes)| *yes).map(|(is, _)| is).collect()
    }
}
