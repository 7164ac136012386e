//! A subscriber of `tracing` that keeps all spans and events.

use serde_json::{Map, Value};
use std::{
    fmt,
    sync::{Arc, Mutex},
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Keeps all spans and events.
#[derive(Clone, Default)]
pub(crate) struct Recorder(pub(crate) Arc<Mutex<Recorded>>);

#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) spans: Vec<RecordedSpan>,
    /// The ids of the spans that are entered.
    entered: Vec<u64>,
    pub(crate) events: Vec<(u64, Map<String, Value>)>,
}

/// One span.
pub(crate) struct RecordedSpan {
    pub(crate) name: &'static str,
    pub(crate) parent: Option<u64>,
    pub(crate) attributes: Map<String, Value>,
    handles: usize,
}

struct Attributes<'a>(&'a mut Map<String, Value>);

impl Visit for Attributes<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    /// Exporters turn everything else into text.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "atoma" || metadata.target() == "test"
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut recorded = self.0.lock().unwrap();
        let current = recorded.entered.last().copied();
        let parent = span.parent().map(span::Id::into_u64);
        let parent = if span.is_contextual() { current } else { parent };
        let mut attributes = Map::new();
        span.record(&mut Attributes(&mut attributes));
        let name = span.metadata().name();
        recorded.spans.push(RecordedSpan { name, parent, attributes, handles: 1 });
        span::Id::from_u64(recorded.spans.len() as u64)
    }

    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        let mut recorded = self.0.lock().unwrap();
        let span = &mut recorded.spans[id.into_u64() as usize - 1];
        assert!(span.handles > 0, "a closed span is not recorded");
        values.record(&mut Attributes(&mut span.attributes));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut attributes = Map::new();
        event.record(&mut Attributes(&mut attributes));
        let parent = event.parent().map_or(0, span::Id::into_u64);
        self.0.lock().unwrap().events.push((parent, attributes));
    }

    fn enter(&self, id: &span::Id) {
        self.0.lock().unwrap().entered.push(id.into_u64());
    }

    fn exit(&self, _: &span::Id) {
        self.0.lock().unwrap().entered.pop();
    }

    fn clone_span(&self, id: &span::Id) -> span::Id {
        self.0.lock().unwrap().spans[id.into_u64() as usize - 1].handles += 1;
        id.clone()
    }

    fn try_close(&self, id: span::Id) -> bool {
        let mut recorded = self.0.lock().unwrap();
        let span = &mut recorded.spans[id.into_u64() as usize - 1];
        span.handles -= 1;
        span.handles == 0
    }
}

impl Recorder {
    /// The attributes of all spans of this name.
    pub(crate) fn spans(&self, name: &str) -> Vec<Map<String, Value>> {
        let recorded = self.0.lock().unwrap();
        let spans = recorded.spans.iter().filter(|span| span.name == name);
        spans.map(|span| span.attributes.clone()).collect()
    }

    /// The attributes of the only call.
    pub(crate) fn call(&self) -> Map<String, Value> {
        let mut spans = self.spans("atoma.call");
        assert_eq!(spans.len(), 1);
        spans.remove(0)
    }

    /// Everything that was recorded, as text.
    pub(crate) fn text(&self) -> String {
        let recorded = self.0.lock().unwrap();
        let spans =
            recorded.spans.iter().map(|span| Value::from(span.attributes.clone()).to_string());
        let events =
            recorded.events.iter().map(|(_, event)| Value::from(event.clone()).to_string());
        spans.chain(events).collect()
    }

    pub(crate) fn are_all_closed(&self) -> bool {
        self.0.lock().unwrap().spans.iter().all(|span| span.handles == 0)
    }
}

/// Asserts that these are all attributes of a span. Numbers may be numbers only.
#[track_caller]
pub(crate) fn assert_attributes(span: &Map<String, Value>, expected: Value) {
    let mut span = Value::from(span.clone());
    span.sort_all_objects();
    let mut expected = expected;
    expected.sort_all_objects();
    assert_eq!(format!("{span:#}"), format!("{expected:#}"));
}
