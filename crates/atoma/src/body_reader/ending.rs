//! The ends of a streamed response: complete, truncated, timed out or failed.

use super::{BodyReader, Mode, Step};
use crate::{Error, event_reader::EventKind, observe::CallResult};
use atoma_transport::{Body, TransportError};
use atoma_types::StreamModel;

impl<M: StreamModel> BodyReader<M> {
    /// Ends a response that has been silent for too long: an error, unless everything but the usage has arrived.
    pub(super) fn time_out(&mut self) -> Option<Step> {
        // After a finish reason, more events may follow, so the idle timeout still applied. If none
        // arrived, nothing is lost.
        if self.events.is_settled() {
            self.lose_incomplete();
            return self.close();
        }
        let limit = self.idle_limit().unwrap_or_default();
        self.fail(Error::stalled(self.events.progress().chunks == 0, limit))
    }

    /// Reads the rest of a body that has ended. Whether the response is complete is checked in the next turn.
    pub(super) fn end_of_body(&mut self) -> Option<Step> {
        // First, so that a `[DONE]` in the rest does not begin to drain a body that has ended.
        let mode = std::mem::replace(&mut self.mode, Mode::Closing);
        let kind = match mode {
            Mode::Json(json) => {
                self.raw.copy(&String::from_utf8_lossy(&json));
                self.events.read_body(&json)
            }
            Mode::Events | Mode::Draining { .. } => match self.decoder.finish() {
                Some(incomplete) => {
                    self.raw.copy(incomplete.data());
                    self.events.read_incomplete(incomplete.data())
                }
                None => Ok(EventKind::Nothing),
            },
            _ => Ok(EventKind::Nothing),
        };
        self.handle(kind)
    }

    /// Notes an event of which only a part has arrived.
    fn lose_incomplete(&mut self) {
        if let (Mode::Events, Some(incomplete)) = (&self.mode, self.decoder.finish()) {
            self.events.lose(incomplete.data());
        }
    }

    /// Handles an error of the body. After `[DONE]` it loses nothing.
    pub(super) fn interrupt(&mut self, error: TransportError) -> Option<Step> {
        self.lose_incomplete();
        if self.events.is_complete() { self.close() } else { self.fail(error.into()) }
    }

    /// Ends the response with success if it is complete, otherwise with the error that says why not.
    pub(super) fn close(&mut self) -> Option<Step> {
        match self.events.end(self.metadata.extensions_mut()) {
            Ok(()) => {
                self.finish();
                self.report(CallResult::Complete);
                None
            }
            Err(error) => self.fail(error),
        }
    }

    /// Ends the response with an error. The connection is closed, not returned to its pool.
    pub(super) fn fail(&mut self, error: Error) -> Option<Step> {
        self.finish();
        let time = self.stats.body_time(&self.idle);
        let error = error.with_head(&self.metadata).with_body_time(time);
        let error = self.events.fail(error);
        self.report(CallResult::Failed(&error));
        Some(Err(error))
    }

    /// Reports the end of the call to the observers.
    pub(super) fn report(&mut self, outcome: CallResult<'_>) {
        if self.observation.is_active() {
            let (stats, response) = (self.stats(), self.events.partial());
            let response = response.as_ref().map(|response| response as _);
            self.observation.end(outcome, self.events.usage().as_ref(), Some(&stats), response);
        }
    }

    /// Releases the connection. It returns to its pool only if its body was read to the end.
    pub(super) fn finish(&mut self) -> Option<Step> {
        self.mode = Mode::Ended;
        self.body = Body::empty();
        self.read = self.frame.len();
        self.stats.end(&self.idle);
        None
    }
}
