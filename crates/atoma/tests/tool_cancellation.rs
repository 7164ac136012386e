//! A run of tools may be cancelled at every point where it waits: it keeps its history, and the next call continues from there.

mod support;

use atoma::{
    Approval, ChatCompletionMessage, Role, Tool, ToolRun,
    transport::testing::{Exchange, ManualTimer},
};
use serde_json::{Value, json};
use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use support::{event, request, scripted::scripted};

const PAUSE: Duration = Duration::from_secs(1);

fn message_of(round: usize) -> Value {
    let call = |place: usize| {
        let function = json!({"name": "work", "arguments": format!("{{\"n\": {place}}}")});
        json!({"index": place, "id": format!("{round}-{place}"), "type": "function", "function": function})
    };
    match round {
        0 | 1 => json!({"role": "assistant", "content": "hm", "tool_calls": [call(0), call(1)]}),
        _ => json!({"role": "assistant", "content": "done"}),
    }
}

/// A response whose head, and each piece of its body, takes a while.
fn exchange(round: usize, is_streaming: bool) -> Exchange {
    let head = Exchange::respond(200).head_after(PAUSE);
    let usage = json!({"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6});
    let choice = |name: &str| {
        let mut choice = json!({"index": 0, "finish_reason": "stop"});
        choice[name] = message_of(round);
        json!({"id": "c", "choices": [choice], "usage": usage})
    };
    if is_streaming {
        let head = head.header("content-type", "text/event-stream");
        let body = event(choice("delta")) + "data: [DONE]\n\n";
        let (first, rest) = body.split_at(40);
        head.pause(PAUSE).body(first.to_owned()).pause(PAUSE).body(rest.to_owned())
    } else {
        let body = choice("message").to_string();
        head.header("content-type", "application/json").pause(PAUSE).body(body)
    }
}

/// Waits until it was polled a few times.
async fn wait() {
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls < 3 { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// Every call has its results right behind it.
fn check(messages: &[ChatCompletionMessage]) {
    let mut messages = messages.iter().peekable();
    while let Some(message) = messages.next() {
        assert_ne!(message.role, Role::Tool, "a result without a call");
        for call in &message.tool_calls {
            let result = messages.next().expect("a call has its result");
            assert_eq!(result.tool_call_id.as_ref(), Some(&call.id));
        }
    }
}

/// Polls a new future of `next` each time, and drops it if it is not ready.
fn run_in_small_steps(run: &mut ToolRun, timer: &ManualTimer) -> usize {
    let mut dropped = 0;
    loop {
        let known = run.messages().to_vec();
        let steps = run.steps().len();
        let polled = pin!(run.next()).poll(&mut Context::from_waker(Waker::noop()));
        check(run.messages());
        assert!(run.messages().starts_with(&known), "the history only grows");
        assert!(run.steps().len() >= steps);
        match polled {
            Poll::Ready(Ok(None)) => return dropped,
            Poll::Ready(event) => drop(event.unwrap()),
            Poll::Pending => {
                dropped += 1;
                assert!(dropped < 1000, "the run does not continue");
                timer.advance_to_next();
            }
        }
    }
}

#[test]
fn a_run_that_is_cancelled_at_every_point_goes_on_and_loses_and_repeats_nothing() {
    for is_streaming in [false, true] {
        let (transport, timer, builder) =
            scripted((0..3).map(|round| exchange(round, is_streaming)));
        let started = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&started);
        let tool =
            Tool::with_schema("work", "Works", json!({"type": "object"}), move |_: Value| {
                counter.fetch_add(1, SeqCst);
                async {
                    wait().await;
                    Ok("worked")
                }
            });
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let client = builder.build().unwrap();
        let run = client.chat().run_tools(request(), &[tool]).approve(move |_| {
            counter.fetch_add(1, SeqCst);
            async {
                wait().await;
                Approval::Allow
            }
        });
        let mut run = if is_streaming { run.streaming() } else { run };

        let dropped = run_in_small_steps(&mut run, &timer);
        assert!(dropped > 10, "{dropped} waits were cancelled");
        assert_eq!((run.text().as_ref(), run.rounds(), run.steps().len()), ("done", 3, 4));
        assert_eq!((started.load(SeqCst), asked.load(SeqCst)), (4, 4), "each call ran once");
        assert_eq!(transport.requests().len(), 3, "each request was sent once");
        assert_eq!(run.messages().len(), 1 + 3 + 3 + 1);
        assert_eq!(run.usage().total_tokens, 18);
    }
}

#[test]
fn a_run_that_is_dropped_lets_go_of_its_connection() {
    for is_streaming in [false, true] {
        for waits in 0..4 {
            let (transport, timer, builder) = scripted([exchange(0, is_streaming)]);
            let tool =
                Tool::with_schema("work", "Works", json!({"type": "object"}), async |_: Value| {
                    std::future::pending::<()>().await;
                    Ok("never")
                });
            let client = builder.build().unwrap();
            let run = client.chat().run_tools(request(), &[tool]);
            let mut run = if is_streaming { run.streaming() } else { run };
            for _ in 0..waits {
                if pin!(run.next()).poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                    timer.advance_to_next();
                }
            }
            drop(run);
            assert_eq!((transport.in_flight(), transport.live_bodies()), (0, 0), "{waits}");
        }
    }
}
