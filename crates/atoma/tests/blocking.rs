//! The synchronous client: the same answers, on whatever thread it is called from.

mod support;

use atoma::{ChatCompletionChunk, Error, blocking::Client, transport::testing::ManualTimer};
use std::{thread, time::Duration};
use support::{
    chunk, completion, event, hello_stream, last_chunk, request,
    server::{Script, Server, Step, end, events, framed, stream_head, whole},
};
use tokio::runtime::{Builder, Runtime};

/// A server on a thread of its own.
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
fn create_waits_for_the_answer() {
    let apart = Apart::start([hello()]);
    let reply = apart.client().chat().create(request()).header("x-one", "1").send().unwrap();
    assert_eq!((reply.text().as_ref(), reply.attempts().count), ("hello", 1));
    assert_eq!(apart.server.log().requests[0].all("x-one"), ["1"]);
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

    let answer = client.chat().stream(request()).send().unwrap().into_response().unwrap();
    assert_eq!(answer.text(), "hello");
    assert_eq!(apart.server.log().accepted, 1);
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
fn refusals_are_the_same_errors() {
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
fn a_time_out_ends_the_wait() {
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
    assert_eq!(apart.server.log().requests.len(), 1);
}

/// Also when the last of the client is gone before.
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
    assert_eq!(apart.server.log().requests.len(), 1);
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
    assert_eq!(apart.server.log().requests.len(), 20);
}

/// A thread that waits for a silent server does not keep another from its answer.
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
        apart.runtime.block_on(apart.server.until(|log| log.requests.len() == 1));
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
