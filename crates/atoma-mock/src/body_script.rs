//! The script of a body: which bytes are sent, when, and how it ends.
//!
//! ```text
//! Source ─ events ─► Flow ─ steps ─► ScriptedBody, or the bare socket
//!
//! event_interval, delay_first_event    a Pause before an event
//! chunk_size, per_event_write          an event as several Sends, with a Flush after each
//! fault after n events, n bytes        the rest is dropped, and the fault is the last step
//! hold_after n                         a Hold before the event after it
//! ```
//!
//! Pure: the flow decides, and others write and wait. A test of the script needs neither a socket nor a clock.
use crate::{
    behavior::{After, Behavior, Fault, Then},
    event::event,
    node::NodeOutput,
};
use bytes::Bytes;
use serde_json::json;
use std::{collections::VecDeque, time::Duration};

/// One step in sending a body, decided without touching the connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Write these bytes.
    Send(Bytes),
    /// Write everything to the socket before the next step.
    Flush,
    /// Send nothing but keep-alive comments for this long.
    Pause(Duration),
    /// Send nothing but keep-alive comments until the server is released.
    Hold,
    /// Send nothing but keep-alive comments forever.
    KeepAlive,
    /// Send nothing forever.
    Stall,
    /// End the body normally.
    End,
    /// Close the connection without the end of the body.
    Close,
    /// As `Close`, with a TCP reset.
    Reset,
}

/// The source of a body's events.
#[derive(Debug)]
pub(crate) enum Source {
    /// The node's model, which writes while it is asked.
    Node(Box<NodeOutput>),
    /// Bytes that are known from the beginning, one piece for each event.
    Pieces(VecDeque<Bytes>),
}

impl Source {
    /// A body that is sent unchanged, in one piece.
    pub(crate) fn whole(body: impl Into<Bytes>) -> Self {
        Self::Pieces(VecDeque::from([body.into()]))
    }

    /// A recorded event stream, cut after each blank line.
    pub(crate) fn events(body: &Bytes) -> Self {
        let mut pieces = VecDeque::new();
        let mut start = 0;
        for end in ends_of_events(body) {
            pieces.push_back(body.slice(start..end));
            start = end;
        }
        if start < body.len() {
            pieces.push_back(body.slice(start..));
        }
        Self::Pieces(pieces)
    }

    /// The next event, or `None` at the end of the source.
    fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Node(output) => output.next().map(|chunk| event(&chunk).into()),
            Self::Pieces(pieces) => pieces.pop_front(),
        }
    }
}

/// Turns events into steps: spaced in time, split into pieces, and interrupted where the script says so.
#[derive(Debug)]
pub(crate) struct Flow {
    /// The events that are not planned yet. A fault empties it.
    source: Source,
    event_interval: Duration,
    delay_first_event: Duration,
    chunk_size: Option<usize>,
    per_event_write: bool,
    /// How and where the body fails; `None` once it has.
    fault: Option<Fault>,
    hold_after: Option<usize>,
    /// Whether `[DONE]` is still to be sent.
    done: bool,
    /// The planned steps of the current event.
    steps: VecDeque<Step>,
    /// The number of events that were planned, and of their bytes.
    events: usize,
    bytes: usize,
}

impl Flow {
    /// `event_interval` is the server's, for a response that sets none.
    pub(crate) fn new(
        source: Source,
        behavior: &Behavior,
        event_interval: Duration,
        stream: bool,
    ) -> Self {
        Self {
            source,
            event_interval: behavior.event_interval.unwrap_or(event_interval),
            delay_first_event: behavior.delay_first_event,
            chunk_size: behavior.chunk_size,
            per_event_write: behavior.per_event_write,
            fault: behavior.fault.clone(),
            hold_after: behavior.hold_after,
            done: behavior.done && stream,
            steps: VecDeque::new(),
            events: 0,
            bytes: 0,
        }
    }

    /// The next step. The last one is `KeepAlive`, `Stall`, `End`, `Close` or `Reset`; it is repeated
    /// forever.
    pub(crate) fn next(&mut self) -> Step {
        while self.steps.is_empty() {
            self.plan();
        }
        // A last step stays in the queue.
        match self.steps.front() {
            Some(
                last @ (Step::KeepAlive | Step::Stall | Step::End | Step::Close | Step::Reset),
            ) => last.clone(),
            _ => self.steps.pop_front().unwrap_or(Step::End),
        }
    }

    /// Whether the body ends early, so that its length cannot be announced.
    pub(crate) fn ends_early(&self) -> bool {
        matches!(&self.fault, Some(Fault { then: Then::End | Then::Error(_), .. }))
    }

    /// Plans the next event, or the end.
    fn plan(&mut self) {
        // Before a fault at the same place: a test releases the server and then sees the fault.
        if self.hold_after == Some(self.events) {
            self.hold_after = None;
            return self.steps.push_back(Step::Hold);
        }
        if self.fault.as_ref().is_some_and(|fault| fault.after == After::Events(self.events)) {
            return self.fail();
        }
        let next = self
            .source
            .next()
            .or_else(|| std::mem::take(&mut self.done).then(|| event(&"[DONE]").into()));
        let Some(event) = next else {
            return self.steps.push_back(Step::End);
        };
        // `[DONE]` is an event like the others, and is delayed like them.
        let pause = if self.events == 0 { self.delay_first_event } else { self.event_interval };
        if !pause.is_zero() {
            self.steps.push_back(Step::Pause(pause));
        }
        self.events += 1;
        match self.chunk_size {
            None => self.piece(event, self.per_event_write),
            Some(size) => {
                let mut rest = event;
                while !rest.is_empty() {
                    let piece = rest.split_to(size.min(rest.len()));
                    self.piece(piece, true);
                }
            }
        }
    }

    /// Plans one piece of an event, up to the fault if it is inside.
    fn piece(&mut self, mut piece: Bytes, flush: bool) {
        let limit = match self.fault {
            Some(Fault { after: After::Bytes(limit), .. }) => limit,
            _ => usize::MAX,
        };
        // At the limit, not only beyond it: a fault after n bytes comes before byte n + 1.
        let fails = self.bytes.saturating_add(piece.len()) >= limit;
        piece.truncate(limit.saturating_sub(self.bytes));
        self.bytes += piece.len();
        if !piece.is_empty() {
            self.steps.push_back(Step::Send(piece));
        }
        if fails {
            self.fail();
        } else if flush {
            self.steps.push_back(Step::Flush);
        }
    }

    /// Plans the fault, which happens once.
    fn fail(&mut self) {
        let Some(fault) = self.fault.take() else { return };
        // Nothing follows, except for an error event.
        self.source = Source::Pieces(VecDeque::new());
        match fault.then {
            Then::End => {
                self.done = false;
                self.steps.push_back(Step::End);
            }
            Then::Close => self.steps.push_back(Step::Close),
            Then::Reset => self.steps.push_back(Step::Reset),
            Then::KeepAlive => self.steps.push_back(Step::KeepAlive),
            Then::Stall => self.steps.push_back(Step::Stall),
            Then::Error(error) => {
                let error = event(&json!({ "error": error }));
                self.source = Source::whole(error);
            }
        }
    }
}

/// The places after each blank line, whatever ends the lines.
fn ends_of_events(body: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut line_is_empty = false;
    let mut place = 0;
    while place < body.len() {
        let length = match (body[place], body.get(place + 1)) {
            // One line ending, not two.
            (b'\r', Some(b'\n')) => 2,
            (b'\r' | b'\n', _) => 1,
            _ => 0,
        };
        if length > 0 && line_is_empty {
            ends.push(place + length);
        }
        line_is_empty = length > 0;
        place += length.max(1);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Response;
    use proptest::prelude::*;

    /// The steps of the events `aa`, `bb`, `cc` under a response's behavior, in short.
    fn course(response: &Response) -> String {
        let source = Source::Pieces(["aa", "bb", "cc"].map(Bytes::from).into());
        run(Flow::new(source, &response.behavior, Duration::ZERO, true))
    }

    fn run(mut flow: Flow) -> String {
        let mut course = Vec::new();
        loop {
            let step = flow.next();
            match &step {
                Step::Send(bytes) => course.push(String::from_utf8_lossy(bytes).trim().to_owned()),
                Step::Pause(pause) => course.push(format!("{}ms", pause.as_millis())),
                Step::Flush => course.push("|".to_owned()),
                Step::Hold => course.push("Hold".to_owned()),
                last => {
                    course.push(format!("{last:?}"));
                    assert_eq!(flow.next(), step, "the last step is repeated");
                    return course.join(" ");
                }
            }
        }
    }

    #[test]
    fn each_behavior_has_its_steps() {
        let normal = Response::default;
        let ms = Duration::from_millis;
        for (name, response, wanted) in [
            ("plain", normal(), "aa bb cc End"),
            ("done", normal().done(), "aa bb cc data: [DONE] End"),
            ("truncate", normal().truncate_after_events(2), "aa bb End"),
            ("truncate, done", normal().done().truncate_after_events(2), "aa bb End"),
            ("truncate immediately", normal().truncate_after_events(0), "End"),
            ("truncate at the end", normal().truncate_after_events(3), "aa bb cc End"),
            (
                "truncate too late",
                normal().done().truncate_after_events(9),
                "aa bb cc data: [DONE] End",
            ),
            ("truncate in bytes", normal().truncate_after_bytes(3), "aa b Close"),
            ("truncate between bytes", normal().truncate_after_bytes(4), "aa bb Close"),
            ("truncate before bytes", normal().truncate_after_bytes(0), "Close"),
            ("reset", normal().reset_after_events(1), "aa Reset"),
            ("reset in bytes", normal().reset_after_bytes(1), "a Reset"),
            ("keep-alive", normal().only_keep_alive_after(1), "aa KeepAlive"),
            ("stall", normal().stall_after_events(1), "aa Stall"),
            ("stall in bytes", normal().stall_after_bytes(5), "aa bb c Stall"),
            ("error", normal().error_after_events(1, "no"), r#"aa data: {"error":"no"} End"#),
            (
                "error, done",
                normal().done().error_after_events(0, 7),
                r#"data: {"error":7} data: [DONE] End"#,
            ),
            (
                "last fault counts",
                normal().truncate_after_events(0).reset_after_events(1),
                "aa Reset",
            ),
            ("hold", normal().hold_after_events(1), "aa Hold bb cc End"),
            (
                "hold, truncate",
                normal().hold_after_events(1).truncate_after_events(1),
                "aa Hold End",
            ),
            ("interval", normal().event_interval(ms(5)), "aa 5ms bb 5ms cc End"),
            ("first event", normal().delay_first_event(ms(9)), "9ms aa bb cc End"),
            ("pieces", normal().chunk_size(1), "a | a | b | b | c | c | End"),
            ("writes", normal().per_event_write(), "aa | bb | cc | End"),
            ("pieces, truncate", normal().chunk_size(1).truncate_after_bytes(3), "a | a | b Close"),
        ] {
            assert_eq!(course(&response), wanted, "{name}");
        }
    }

    #[test]
    fn the_interval_of_the_response_overrides_that_of_the_server() {
        let pieces = || Source::Pieces(["a", "b"].map(Bytes::from).into());
        let flow = |response: &Response| {
            run(Flow::new(pieces(), &response.behavior, Duration::from_millis(30), true))
        };
        assert_eq!(flow(&Response::default()), "a 30ms b End");
        assert_eq!(flow(&Response::default().event_interval(Duration::ZERO)), "a b End");
    }

    #[test]
    fn a_recording_is_split_after_blank_lines() {
        for (body, wanted) in [
            ("data: a\n\ndata: b\n\n", vec!["data: a\n\n", "data: b\n\n"]),
            ("data: a\r\n\r\ndata: b", vec!["data: a\r\n\r\n", "data: b"]),
            ("data: a\r\rdata: b\r\r", vec!["data: a\r\r", "data: b\r\r"]),
            ("data: a\ndata: b\n\n", vec!["data: a\ndata: b\n\n"]),
            ("", vec![]),
        ] {
            let Source::Pieces(pieces) = Source::events(&Bytes::from(body)) else { unreachable!() };
            assert_eq!(pieces, wanted, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn the_bytes_are_the_same_in_chunks_of_any_size(
            body in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            size in 1_usize..20,
        ) {
            let body = Bytes::from(body);
            let behavior = Response::default().chunk_size(size).behavior;
            let mut flow = Flow::new(Source::events(&body), &behavior, Duration::ZERO, true);
            let mut sent = Vec::new();
            loop {
                match flow.next() {
                    Step::Send(piece) => {
                        prop_assert!(piece.len() <= size);
                        sent.extend(piece);
                    }
                    Step::Flush => {}
                    last => break prop_assert_eq!(last, Step::End),
                }
            }
            prop_assert_eq!(sent, body);
        }
    }
}
