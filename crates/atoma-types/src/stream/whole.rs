//! The model of a stream whose events are whole responses.
use super::{Progress, ResponseModel, Seen, StreamModel, read_other};
use crate::{ApiError, ParseError, Usage, error::names_failure};

/// The reader of a response that is never generated in chunks, for a server that sends it as an event stream all the same.
///
/// Each event holds a complete response, and the last one counts.
#[derive(Debug, Clone)]
pub struct WholeBody<T> {
    /// The last response.
    response: Option<T>,
    /// The number of responses read.
    chunks: u64,
    /// Whether an event could not be read.
    has_unreadable: bool,
    /// The size of the last event in bytes.
    size: usize,
    /// Returned by reference before the first response.
    empty: T,
}

impl<T: Default> Default for WholeBody<T> {
    fn default() -> Self {
        Self { response: None, chunks: 0, has_unreadable: false, size: 0, empty: T::default() }
    }
}

impl<T: ResponseModel + Default> StreamModel for WholeBody<T> {
    type Chunk = T;
    type Response = T;

    fn read(&mut self, event: &str, data: &mut &str) -> Result<Seen, ParseError> {
        if names_failure(event) || !data.trim_ascii().starts_with('{') {
            let seen = read_other(event, data);
            self.has_unreadable |= seen == Seen::Unreadable;
            return Ok(seen);
        }
        // All of the data is one response: nothing may follow it.
        let text = std::mem::take(data).as_bytes();
        let response = T::from_slice(text)?;
        if let Some(error) = response.error() {
            return Ok(Seen::Error(Box::new(error.clone())));
        }
        if !response.has_content() {
            return Ok(match ApiError::from_body(text) {
                Some(error) => Seen::Error(Box::new(error)),
                None => Seen::Nothing,
            });
        }
        self.chunks += 1;
        self.size = text.len();
        self.response = Some(response);
        Ok(Seen::Chunk)
    }

    fn read_body(&mut self, body: &mut &str) -> Result<Seen, ParseError> {
        self.read("", body)
    }

    fn chunk(&self) -> &T {
        self.response.as_ref().unwrap_or(&self.empty)
    }

    fn take_chunk(&mut self) -> T {
        self.chunk().clone()
    }

    fn progress(&self) -> Progress {
        let is_finished = self.response.is_some();
        Progress {
            chunks: self.chunks,
            choices: usize::from(is_finished),
            is_finished,
            is_settled: is_finished,
            has_unreadable: self.has_unreadable,
            size: self.size,
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.response.as_ref()?.usage()
    }

    fn response(&self) -> T {
        self.chunk().clone()
    }

    fn into_response(self) -> T {
        self.response.unwrap_or(self.empty)
    }
}
