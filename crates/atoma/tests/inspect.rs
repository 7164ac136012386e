//! Inspectors: they receive the exact text of a response, and may replace it or reject it.

mod support;

use atoma::{
    CallInfo, ChatCompletionResponse, ErrorKind, Inspect, InspectCall,
    transport::{BoxError, testing::Exchange},
};
use http::Extensions;
use std::{
    borrow::Cow,
    sync::{Arc, Mutex},
};
use support::{
    chunk, completion, event, hello_stream, last_chunk, request,
    scripted::{json_body, scripted, streamed},
};

/// Reverses every text, counts the texts, and reports the count at the end.
#[derive(Clone, Default)]
struct Reverse {
    seen: Vec<String>,
    log: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Inspected(usize);

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

impl Inspect for Reverse {
    fn begin(&self, call: &CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
        self.log.lock().unwrap().push(format!("{} {} {}", call.method, call.path, call.is_stream));
        Some(Box::new(self.clone()))
    }
}

impl InspectCall for Reverse {
    fn body<'a>(&mut self, body: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
        let text = std::str::from_utf8(body)?;
        self.seen.push(text.to_owned());
        Ok(reversed(text).into_bytes().into())
    }

    fn event<'a>(&mut self, data: &'a str) -> Result<Cow<'a, str>, BoxError> {
        self.seen.push(data.to_owned());
        Ok(reversed(data).into())
    }

    fn finish(&mut self, extensions: &mut Extensions) -> Result<(), BoxError> {
        extensions.insert(Inspected(self.seen.len()));
        Ok(())
    }
}

#[test]
fn an_inspector_replaces_the_text_that_is_parsed() {
    let sealed = |text: serde_json::Value| reversed(&text.to_string());
    let stream = [chunk("he"), chunk("llo"), last_chunk()].map(|text| event(sealed(text))).concat()
        + &event("[DONE]");
    let body = sealed(completion("hello"));
    let (_, timer, builder) = scripted([
        json_body(&body),
        streamed().body(stream.clone()),
        streamed().body(stream.clone()),
    ]);
    let inspector = Reverse::default();
    let client = builder.inspect(inspector.clone()).build().unwrap();
    timer.run(async {
        let reply = client.chat().create(request()).await.unwrap();
        assert_eq!(reply.text(), "hello");
        assert_eq!(reply.raw(), body.as_bytes(), "the raw body is the received one");
        assert_eq!(reply.metadata().extensions().get(), Some(&Inspected(1)));

        let mut chunks = client.chat().stream(request()).await.unwrap();
        assert_eq!(chunks.try_next().await.unwrap().unwrap().text(), "he");
        assert_eq!(chunks.raw(), sealed(chunk("he")), "the raw event is the received one");
        while chunks.try_next().await.unwrap().is_some() {}
        assert_eq!(chunks.metadata().extensions().get(), Some(&Inspected(3)));
        assert_eq!(chunks.into_response().await.unwrap().text(), "hello");

        let reply = client.chat().create(request()).await.unwrap();
        assert_eq!(reply.text(), "hello");
        assert_eq!(reply.raw(), stream.as_bytes());
        assert_eq!(reply.metadata().extensions().get(), Some(&Inspected(3)));
    });
    assert_eq!(
        *inspector.log.lock().unwrap(),
        [
            "POST /chat/completions false",
            "POST /chat/completions true",
            "POST /chat/completions false"
        ]
    );
}

/// Rejects any text with this word.
struct Rejects(&'static str);

impl Inspect for Rejects {
    fn begin(&self, _: &CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
        Some(Box::new(Self(self.0)))
    }
}

impl InspectCall for Rejects {
    fn body<'a>(&mut self, body: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
        if String::from_utf8_lossy(body).contains(self.0) {
            return Err(format!("contains {}", self.0).into());
        }
        Ok(body.into())
    }

    fn event<'a>(&mut self, data: &'a str) -> Result<Cow<'a, str>, BoxError> {
        if data.contains(self.0) {
            Err(format!("contains {}", self.0).into())
        } else {
            Ok(data.into())
        }
    }
}

#[test]
fn an_inspector_can_reject_a_response() {
    let stream = hello_stream();
    for (name, exchange, is_streamed, partial) in [
        ("a body", json_body(completion("hello")), false, None),
        (
            "an event stream in a body",
            Exchange::respond(200).body(stream.clone()),
            false,
            Some("he"),
        ),
        ("a stream that was not asked for", streamed().body(stream.clone()), false, Some("he")),
        ("a stream", streamed().body(stream.clone()), true, Some("he")),
        ("a body in place of a stream", json_body(completion("hello")), true, None),
    ] {
        let (_, timer, builder) = scripted([exchange]);
        let client = builder.build().unwrap().inspected(Rejects("llo"));
        let error = timer.run(async {
            if is_streamed {
                support::read(client.chat().stream(request()).await).await.error.unwrap()
            } else {
                client.chat().create(request()).await.unwrap_err()
            }
        });
        assert!(error.is_rejected() && error.kind() == ErrorKind::Rejected, "{name}: {error:?}");
        assert!(!error.is_retryable() && error.may_have_been_processed(), "{name}");
        assert_eq!(support::chain(&error).last().unwrap(), "contains llo", "{name}");
        assert_eq!(
            error.partial().map(|part| part.text().into_owned()).as_deref(),
            partial,
            "{name}"
        );
        assert_eq!(error.partial_as::<ChatCompletionResponse>(), error.partial(), "{name}");
    }
}

/// An inspector that only watches: every method has its default.
struct Watch;

impl Inspect for Watch {
    fn begin(&self, _: &CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
        Some(Box::new(Self))
    }
}

impl InspectCall for Watch {}

#[test]
fn an_inspector_with_the_defaults_changes_nothing() {
    let body = completion("hello").to_string();
    let (_, timer, builder) = scripted([json_body(&body), streamed().body(hello_stream())]);
    let client = builder.inspect(Watch).build().unwrap();
    timer.run(async {
        assert_eq!(client.chat().create(request()).await.unwrap().text(), "hello");
        let stream = client.chat().stream(request()).await.unwrap();
        assert_eq!(stream.into_response().await.unwrap().text(), "hello");
    });
}
