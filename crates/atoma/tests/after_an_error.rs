//! After an error of a stream, no method returns `Ok`: a law, at every point where a stream can end.

mod support;

use atoma::{
    CallInfo, ChatCompletionResponse, ChatCompletionStream, Client, Error, Inspect, InspectCall,
    transport::{
        BoxError,
        testing::{Exchange, ManualTimer, ScriptedTransport},
    },
};
use std::borrow::Cow;
use support::{chunk, event, hello_stream, last_chunk, request};

/// The ways in which a program reads a stream before it asks for the response.
#[derive(Clone, Copy, Debug)]
enum Reading {
    TryNext,
    NextRef,
    Next,
    Nothing,
}

impl Reading {
    const ALL: [Self; 4] = [Self::TryNext, Self::NextRef, Self::Next, Self::Nothing];

    async fn read(self, stream: &mut ChatCompletionStream) -> Option<Error> {
        match self {
            Self::TryNext => loop {
                match stream.try_next().await {
                    Ok(Some(_)) => {}
                    outcome => return outcome.err(),
                }
            },
            Self::NextRef => loop {
                match stream.next_ref().await {
                    Ok(Some(_)) => {}
                    outcome => return outcome.err(),
                }
            },
            Self::Next => {
                let mut last = None;
                while let Some(item) = stream.next().await {
                    last = item.err();
                }
                last
            }
            Self::Nothing => None,
        }
    }
}

/// Rejects the third event.
struct RejectsThird(u32);

impl Inspect for RejectsThird {
    fn begin(&self, _: &CallInfo<'_>) -> Option<Box<dyn InspectCall>> {
        Some(Box::new(Self(0)))
    }
}

impl InspectCall for RejectsThird {
    fn event<'a>(&mut self, data: &'a str) -> Result<Cow<'a, str>, BoxError> {
        self.0 += 1;
        if self.0 == 3 { Err("the third".into()) } else { Ok(data.into()) }
    }
}

fn client(exchange: Exchange, timer: &ManualTimer, inspects: bool) -> Client {
    let transport = ScriptedTransport::new([exchange]).timer(timer.clone());
    let builder = Client::builder().api_key("sk-test").server_url("http://localhost:1");
    let builder = builder.transport(transport).timer(timer.clone()).max_event_size(2000);
    if inspects { builder.inspect(RejectsThird(0)) } else { builder }.build().unwrap()
}

fn seen(error: &Error) -> (String, Option<&ChatCompletionResponse>) {
    (error.to_string(), error.partial())
}

/// Checks the law for this response, and returns whether it ended in an error.
fn check(name: &str, exchange: impl Fn() -> Exchange, inspects: bool) -> bool {
    let mut outcomes = Vec::new();
    for reading in Reading::ALL {
        let timer = ManualTimer::new();
        let client = client(exchange(), &timer, inspects);
        let failed = timer.run(async {
            let Ok(mut stream) = client.chat().stream(request()).await else { return true };
            let first = reading.read(&mut stream).await;
            let Some(first) = first else {
                return stream.into_response().await.is_err();
            };
            assert!(stream.next().await.is_none(), "{name}, {reading:?}: not fused");
            for again in [stream.try_next().await.err(), stream.next_ref().await.err()] {
                let again =
                    again.unwrap_or_else(|| panic!("{name}, {reading:?}: Ok after an error"));
                assert_eq!(seen(&again), seen(&first), "{name}, {reading:?}");
            }
            assert_eq!(stream.partial().as_ref(), first.partial(), "{name}, {reading:?}");
            let last = stream.into_response().await;
            let last = last.expect_err(&format!("{name}, {reading:?}: a response after an error"));
            assert_eq!(seen(&last), seen(&first), "{name}, {reading:?}");
            assert_eq!(last.into_partial().as_ref(), first.partial(), "{name}, {reading:?}");
            true
        });
        outcomes.push(failed);
    }
    for view in ["events", "text"] {
        let timer = ManualTimer::new();
        let client = client(exchange(), &timer, inspects);
        outcomes.push(timer.run(async {
            match client.chat().stream(request()).await {
                Ok(stream) => check_view(name, view, stream).await,
                Err(_) => true,
            }
        }));
    }
    assert!(outcomes.iter().all(|failed| *failed == outcomes[0]), "{name}: {outcomes:?}");
    outcomes[0]
}

/// Checks the law for one of the other views of a stream.
async fn check_view(name: &str, view: &str, stream: ChatCompletionStream) -> bool {
    macro_rules! check_view {
        ($view:expr) => {{
            let mut items = $view;
            let first = loop {
                match items.try_next().await {
                    Ok(Some(_)) => {}
                    outcome => break outcome.err(),
                }
            };
            let Some(first) = first else { return items.into_response().await.is_err() };
            assert!(items.next().await.is_none(), "{name}, {view}: not fused");
            let again = items.try_next().await.expect_err("Ok after an error");
            assert_eq!(seen(&again), seen(&first), "{name}, {view}");
            let last = items.into_response().await.expect_err("a response after an error");
            assert_eq!(seen(&last), seen(&first), "{name}, {view}");
            true
        }};
    }
    match view {
        "events" => check_view!(stream.events()),
        _ => check_view!(stream.text()),
    }
}

fn streamed() -> Exchange {
    Exchange::respond(200).header("content-type", "text/event-stream")
}

#[test]
fn no_cut_leads_from_an_error_to_ok() {
    let body = hello_stream();
    let finished = body.find("[DONE]").unwrap() - "data: ".len();
    for cut in 0..=body.len() {
        let part = || streamed().body(body[..cut].to_owned());
        let closed = check(&format!("closed at {cut}"), part, false);
        let reset = check(&format!("reset at {cut}"), || part().break_off("reset"), false);
        let stalled = check(&format!("stalled at {cut}"), || part().stall(), false);
        // The last chunk counts with its last line end, also where its blank line is missing.
        if cut < finished - 2 {
            assert!(closed && reset && stalled, "cut at {cut}");
        }
        if cut >= finished {
            assert!(!closed && !reset && !stalled, "cut at {cut}");
        }
    }
}

#[test]
fn no_other_end_leads_from_an_error_to_ok() {
    let (error, he) = (r#"{"error":{"message":"m","code":"500"}}"#, event(chunk("he")));
    let cases = [
        ("an error event", format!("{he}event: error\ndata: {{\"message\":\"m\"}}\n\n")),
        ("an error object", format!("{he}{}", event(error))),
        ("a large event", format!("{he}{}", event(chunk(&"x".repeat(3000))))),
        ("broken JSON", format!("{he}{}", event("{\"choices\":[{]}"))),
        (
            "text in place of JSON",
            format!("{he}{}{}", event("upstream timed out"), event("[DONE]")),
        ),
        ("only the mark of the end", event("[DONE]")),
        ("nothing", String::new()),
        ("a page", "<html>".to_owned()),
        ("JSON without content", r#"{"object":"list"}"#.to_owned()),
        ("a JSON error", error.to_owned()),
        ("an error after the mark of the end", format!("{}{}", hello_stream(), event(error))),
        ("a finish reason that is an error", {
            let mut last = last_chunk();
            last["choices"][0]["finish_reason"] = "error".into();
            format!("{he}{}", event(last))
        }),
        ("two values, the second an error", event(format!("{}{error}", chunk("he")))),
    ];
    for (name, body) in &cases {
        assert!(check(name, || streamed().body(body.clone()), false), "{name} is not an error");
    }
    let finished = format!("{he}{}", event(last_chunk()));
    for (name, cut_off, is_lost) in [
        ("half a usage chunk", "data: {\"choices\":[],\"usa", true),
        ("half a text", "data: upstream ti", true),
        ("half a mark of the end", "data: [DO", false),
        ("half a comment", ": keep", false),
        ("half a field name", "da", false),
        ("an empty event", "data: ", false),
    ] {
        let body = format!("{finished}{cut_off}");
        let part = || streamed().body(body.clone());
        assert_eq!(check(&format!("{name}, closed"), part, false), is_lost, "{name}, closed");
        let reset = || part().break_off("reset");
        assert_eq!(check(&format!("{name}, reset"), reset, false), is_lost, "{name}, reset");
        let stalled = || part().stall();
        assert_eq!(check(&format!("{name}, stalled"), stalled, false), is_lost, "{name}, stalled");
    }
    let whole = [chunk("he"), chunk("llo"), last_chunk()].map(event).concat();
    assert!(check("rejected by an inspector", || streamed().body(whole.clone()), true));
    assert!(!check("accepted", || streamed().body(whole.clone()), false));
}
