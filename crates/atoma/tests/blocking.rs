//! The synchronous client: the same responses, on any thread.

#[cfg(target_os = "linux")]
#[path = "support/memory.rs"]
mod memory;
mod support;

use atoma::{
    ChatCompletionChunk, ChatEvent, CompletionEvent, CompletionRequest, Error,
    blocking::{Client, ResponseStream},
    transport::testing::ManualTimer,
};
use std::{thread, time::Duration};
use support::{
    chunk, completion, event, hello_stream, last_chunk, request,
    server::{Script, Server, Step, end, events, framed, stream_head, whole},
};
use tokio::runtime::{Builder, Runtime};

/// A server on a separate thread.
struct Apart {
    runtime: Runtime,
    server: Server,
}

impl Apart {
    fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(scripts));
        Self { runtime, server }
    }

    fn client(&self) -> Client {
        Client::from_client(support::client(self.server.url())).unwrap()
    }

    fn until_hung_up(&self, count: usize) {
        self.runtime.block_on(self.server.until(|log| log.hung_up >= count));
    }
}

fn hello() -> Script {
    whole(200, "application/json", completion("hello").to_string())
}

#[test]
fn create_waits_for_the_response() {
    let apart = Apart::start([hello()]);
    let reply = apart.client().chat().create(request()).header("x-one", "1").send().unwrap();
    assert_eq!((reply.text().as_ref(), reply.attempts().count), ("hello", 1));
    assert_eq!(apart.server.log().requests()[0].all("x-one"), ["1"]);
}

#[test]
fn stream_is_an_iterator() {
    let apart = Apart::start([events([hello_stream()])]);
    let client = apart.client();
    let mut stream = client.chat().stream(request()).send().unwrap();
    assert_eq!(stream.as_stream().status(), 200);
    let texts: Result<Vec<String>, Error> =
        stream.by_ref().map(|chunk| Ok(chunk?.text().into_owned())).collect();
    assert_eq!(texts.unwrap().concat(), "hello");
    assert!(stream.next().is_none() && stream.next().is_none());

    let mut lent = client.chat().stream(request()).send().unwrap();
    let mut text = String::new();
    while let Some(chunk) = lent.next_ref().unwrap() {
        text.push_str(&chunk.text());
    }
    assert_eq!(text, "hello");

    let response = client.chat().stream(request()).send().unwrap().into_response().unwrap();
    assert_eq!(response.text(), "hello");
    assert_eq!(apart.server.log().accepted, 1);
}

#[test]
fn completions_are_iterators_of_events_and_of_text() {
    let body = event(r#"{"choices":[{"index":0,"text":"hello","finish_reason":"stop"}]}"#);
    let apart = Apart::start([events([body])]);
    let stream =
        || apart.client().completions().stream(CompletionRequest::new("m", "a")).send().unwrap();
    let events: Vec<CompletionEvent> = stream().events().map(Result::unwrap).collect();
    assert!(
        matches!(&events[0], CompletionEvent::TextDelta { delta, .. } if delta == "hello"),
        "{events:?}"
    );
    assert!(matches!(events.last(), Some(CompletionEvent::Finish { .. })), "{events:?}");
    assert_eq!(stream().text().map(Result::unwrap).collect::<String>(), "hello");
}

#[test]
fn chunks_come_as_they_are_sent() {
    let apart = Apart::start([vec![
        stream_head(),
        framed(event(chunk("he"))),
        Step::Gate,
        framed(event(chunk("llo"))),
        framed(event(last_chunk())),
        end(),
    ]]);
    let mut stream = apart.client().chat().stream(request()).send().unwrap();
    assert_eq!(stream.next().unwrap().unwrap().text(), "he");
    apart.server.open_gate();
    let rest: Vec<ChatCompletionChunk> = stream.map(Result::unwrap).collect();
    assert_eq!(rest[0].text(), "llo");
    assert_eq!(rest.len(), 2);
}

#[test]
fn the_end_of_a_cut_stream_is_an_error() {
    let apart = Apart::start([events([event(chunk("he"))])]);
    let mut stream = apart.client().chat().stream(request()).send().unwrap();
    stream.next().unwrap().unwrap();
    let error = stream.next().unwrap().unwrap_err();
    assert!(error.is_truncated() && stream.next().is_none());
    assert_eq!(error.partial().unwrap().text(), "he");

    let error = apart.client().chat().stream(request()).send().unwrap().into_response();
    assert!(error.unwrap_err().is_truncated());
}

#[test]
fn the_views_of_a_stream_are_iterators_and_end_as_it_does() {
    let apart = Apart::start([events([hello_stream()]), events([event(chunk("he"))])]);
    let client = apart.client();
    let open = || client.chat().stream(request()).send().unwrap();

    let mut text = open().text();
    let pieces: Vec<String> = text.by_ref().map(Result::unwrap).collect();
    assert_eq!(pieces, ["he", "llo"]);
    assert!(text.next().is_none());
    assert_eq!(text.as_stream().as_stream().status(), 200);

    // The server's last script is played again and again.
    let mut text = open().text();
    assert_eq!(text.next().unwrap().unwrap(), "he");
    let error = text.next().unwrap().unwrap_err();
    assert!(error.is_truncated() && text.next().is_none());
    assert_eq!(error.partial().unwrap().text(), "he");

    let mut typed = open().events();
    let is_delta = |event: &ChatEvent| matches!(event, ChatEvent::ContentDelta { .. });
    assert!(typed.by_ref().map_while(Result::ok).any(|event| is_delta(&event)));
    assert!(typed.by_ref().any(|event| event.is_err_and(|error| error.is_truncated())));
    assert!(typed.next().is_none());

    let apart = Apart::start([events([hello_stream()])]);
    let typed = apart.client().chat().stream(request()).send().unwrap().events();
    let typed: Vec<ChatEvent> = typed.map(Result::unwrap).collect();
    let done = typed.iter().find_map(|event| match event {
        ChatEvent::ContentDone { content, .. } => Some(content.as_str()),
        _ => None,
    });
    assert_eq!(done, Some("hello"));
}

#[test]
fn api_errors_are_the_same() {
    let body = r#"{"error":{"code":"AUTH_ERROR","message":"Authentication failed"}}"#;
    let apart = Apart::start([whole(401, "application/json", body)]);
    let error = apart.client().chat().create(request()).send().unwrap_err();
    assert_eq!(error.status().unwrap(), 401);
    assert_eq!(error.api_error().unwrap().code.as_deref(), Some("AUTH_ERROR"));
    let error = apart.client().chat().stream(request()).send().unwrap_err();
    assert!(error.is_api_error());
    let error = apart.client().chat().create(request().stream(true)).send().unwrap_err();
    assert!(error.is_invalid_request());
}

#[test]
fn a_timeout_ends_the_wait() {
    let apart = Apart::start([vec![Step::Stall]]);
    let call = apart.client().chat().create(request()).timeout(Duration::from_millis(20));
    assert!(call.send().unwrap_err().is_timeout());
    apart.until_hung_up(1);
}

#[test]
fn dropping_the_iterator_closes_the_connection() {
    let apart = Apart::start([vec![stream_head(), framed(event(chunk("he"))), Step::Stall]]);
    let client = apart.client();
    let mut stream = client.chat().stream(request()).send().unwrap();
    stream.next().unwrap().unwrap();
    assert_eq!(apart.server.log().hung_up, 0);
    drop(stream);
    apart.until_hung_up(1);
    assert_eq!(apart.server.log().requests().len(), 1);
}

/// Also when the last clone of the client has been dropped before.
#[test]
fn the_iterator_outlives_the_client() {
    let apart = Apart::start([vec![
        stream_head(),
        framed(event(chunk("he"))),
        Step::Gate,
        framed(event(last_chunk())),
        end(),
    ]]);
    let mut stream = apart.client().chat().stream(request()).send().unwrap();
    assert_eq!(stream.next().unwrap().unwrap().text(), "he");
    apart.server.open_gate();
    assert_eq!(stream.count(), 1);
}

#[test]
fn inside_an_async_runtime_it_is_an_error_and_not_a_panic() {
    let apart = Apart::start([events([hello_stream()])]);
    let client = apart.client();
    let mut stream = client.chat().stream(request()).send().unwrap();
    apart.runtime.block_on(async {
        let error = client.chat().create(request()).send().unwrap_err();
        assert!(error.to_string().contains("use atoma::Client"), "{error}");
        assert!(error.is_invalid_request() && !error.may_have_been_processed());
        let error = client.chat().stream(request()).send().unwrap_err();
        assert!(error.to_string().contains("async runtime"), "{error}");
        assert!(stream.next().unwrap().is_err());
        drop(apart.client());
        drop(stream);
        drop(client);
    });
    assert_eq!(apart.server.log().requests().len(), 1);
}

/// Where Tokio allows blocking, the client blocks; elsewhere it returns an error.
#[test]
fn row_123_it_works_wherever_blocking_is_allowed() {
    let served = || events([hello_stream()]);
    let apart = Apart::start([served(), served(), served(), served(), served(), served()]);
    let client = apart.client();
    let call = |name: &str| {
        let stream = client.chat().stream(request()).send();
        let mut stream = stream.unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut text = stream.next_ref().unwrap().unwrap().text().into_owned();
        text.extend(stream.map(|chunk| chunk.unwrap().text().into_owned()));
        assert_eq!(text, "hello", "{name}");
    };
    call("a plain thread");
    let entered = Builder::new_current_thread().build().unwrap();
    {
        let _guard = entered.enter();
        call("a thread with a runtime entered");
    }
    let worker = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| worker.block_on(async { tokio::task::block_in_place(|| call("in place")) }));
    });
    let blocking = |runtime: &Runtime, name: &'static str| {
        let client = client.clone();
        let handle = runtime.handle().clone();
        runtime.block_on(async move {
            let text = handle.spawn_blocking(move || {
                let stream = client.chat().stream(request()).send();
                let response = stream.and_then(ResponseStream::into_response);
                response.map(|response| response.text().into_owned())
            });
            assert_eq!(text.await.unwrap().unwrap(), "hello", "{name}");
        });
    };
    blocking(&worker, "spawn_blocking of a multi-thread runtime");
    let single = Builder::new_current_thread().enable_all().build().unwrap();
    blocking(&single, "spawn_blocking of a current-thread runtime");
}

#[test]
fn row_123_inside_a_task_of_any_kind_it_is_an_error() {
    let apart = Apart::start([hello()]);
    let client = apart.client();
    let is_refused = |name: &str| {
        let error = client.chat().create(request()).send().unwrap_err();
        assert!(error.is_invalid_request() && error.attempts().count == 0, "{name}: {error:?}");
    };
    for runtime in [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
    ] {
        runtime.block_on(async {
            is_refused("block_on");
            tokio::task::LocalSet::new().run_until(async { is_refused("a local set") }).await;
            let client = client.clone();
            let task = tokio::spawn(async move { client.chat().create(request()).send().is_err() });
            assert!(task.await.unwrap(), "a task");
            // The task continues undisturbed.
            tokio::task::yield_now().await;
        });
    }
    assert_eq!(apart.server.log().accepted, 0);
    // Outside, the same client's next call succeeds.
    client.chat().create(request()).send().unwrap();
}

/// A task without a budget looks as if blocking were allowed, but Tokio would panic.
#[test]
fn an_unconstrained_task_does_not_panic() {
    let apart = Apart::start([hello()]);
    let client = apart.client();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let call =
        async { client.chat().create(request()).send().map(|reply| reply.text().into_owned()) };
    assert_eq!(runtime.block_on(tokio::task::unconstrained(call)).unwrap(), "hello");
}

#[test]
fn a_call_of_an_async_client_says_what_to_do() {
    let client = support::client("http://localhost:1");
    let error = client.chat().create(request()).send().unwrap_err();
    assert!(error.is_invalid_request(), "{error:?}");
    assert!(error.to_string().contains("atoma::blocking::Client"), "{error}");
}

#[test]
fn after_an_error_no_method_returns_ok() {
    let apart = Apart::start([events([event(chunk("he"))])]);
    let mut stream = apart.client().chat().stream(request()).send().unwrap();
    while let Ok(Some(_)) = stream.try_next() {}
    assert!(stream.try_next().unwrap_err().is_truncated());
    assert!(stream.next_ref().unwrap_err().is_truncated());
    assert!(stream.next().is_none());
    let error = stream.into_response().unwrap_err();
    assert!(error.is_truncated() && error.partial().unwrap().text() == "he", "{error:?}");
}

#[test]
fn every_resource_works_without_code_for_it() {
    let models = serde_json::json!({"object": "list", "data": [{"id": "m"}]});
    let apart = Apart::start([whole(200, "application/json", models.to_string())]);
    let reply = apart.client().models().list().send().unwrap();
    assert_eq!(reply.data[0].id, "m");
}

#[test]
fn several_threads_use_one_client() {
    let apart = Apart::start([hello()]);
    let client = apart.client();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let reply = client.chat().create(request()).send().unwrap();
                    assert_eq!(reply.text(), "hello");
                }
            });
        }
    });
    assert_eq!(apart.server.log().requests().len(), 20);
}

/// A thread that waits for a silent server does not delay another thread's response.
#[test]
fn threads_do_not_wait_for_one_another() {
    let held = vec![stream_head(), Step::Gate, framed(hello_stream()), end()];
    let apart = Apart::start([held, hello()]);
    let client = apart.client();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let stream = client.chat().stream(request()).send().unwrap();
            stream.into_response().unwrap().text().into_owned()
        });
        apart.runtime.block_on(apart.server.until(|log| log.requests().len() == 1));
        assert_eq!(client.chat().create(request()).send().unwrap().text(), "hello");
        apart.server.open_gate();
        assert_eq!(waiting.join().unwrap(), "hello");
    });
}

#[test]
fn an_iterator_goes_to_another_thread() {
    let apart = Apart::start([events([hello_stream()])]);
    let stream = apart.client().chat().stream(request()).send().unwrap();
    assert_eq!(thread::spawn(move || stream.count()).join().unwrap(), 3);
}

#[test]
fn any_client_can_be_made_synchronous() {
    use atoma::transport::testing::{Exchange, ScriptedTransport};
    let transport = ScriptedTransport::new([
        Exchange::respond(200).body(completion("hello").to_string()),
        Exchange::respond(200).body(hello_stream()),
    ]);
    let builder = atoma::Client::builder().without_api_key().server_url("http://localhost:1");
    let client = builder.transport(transport).timer(ManualTimer::new()).build().unwrap();
    let client = Client::from_client(client).unwrap();
    assert_eq!(client.chat().create(request()).send().unwrap().text(), "hello");
    assert_eq!(client.chat().stream(request()).send().unwrap().count(), 3);
}
