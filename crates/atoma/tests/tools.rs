//! Tool calls run until the model makes no more, whatever it writes.

mod support;

use atoma::{
    Approval, ChatCompletionRequest, ChatCompletionToolsParam, ChatEvent, Client, Role, Tool,
    ToolCall, ToolChoice, ToolEvent, ToolOutcome,
};
use atoma_mock::{MockServer, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};

#[derive(Deserialize, JsonSchema)]
struct City {
    /// The name of the city
    city: String,
}

fn weather() -> Tool {
    Tool::new("get_weather", "The weather of a city", async |args: City| {
        if args.city == "Atlantis" {
            return Err("no such city".into());
        }
        Ok(format!("sunny in {}", args.city))
    })
}

async fn server(responses: impl IntoIterator<Item = Response>) -> (MockServer, Client) {
    let mock = MockServer::start().await;
    for response in responses {
        mock.respond(response);
    }
    let client = support::client(mock.url());
    (mock, client)
}

fn request() -> ChatCompletionRequest {
    let mut request = support::request();
    request.model = "meta-llama/Llama-3.3-70B-Instruct".to_owned();
    request
}

fn capture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    let bytes = fs::read(folder.join(format!("{name}.http"))).unwrap();
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    bytes[split..].to_vec()
}

#[test]
fn the_schema_of_the_arguments_is_sent_with_its_descriptions() {
    let parameters = weather().definition().function.parameters.clone().unwrap();
    assert_eq!(
        parameters,
        json!({
            "type": "object",
            "properties": {"city": {"type": "string", "description": "The name of the city"}},
            "required": ["city"],
        })
    );
}

#[tokio::test]
async fn a_run_ends_with_the_text_and_shows_each_step() {
    let call = Response::tool_call("get_weather", json!({"city": "Rome"}));
    let (mock, client) = server([call, Response::text("It is sunny.")]).await;
    let run = client.chat().run_tools(request(), &[weather()]).await.unwrap();

    assert_eq!(run.text(), "It is sunny.");
    assert_eq!((run.rounds(), run.steps().len()), (2, 1));
    assert_eq!(run.steps()[0].content, "sunny in Rome");
    assert_eq!(run.steps()[0].outcome, ToolOutcome::Done);
    let roles: Vec<_> = run.messages().iter().map(|message| message.role.clone()).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
    assert_eq!(run.new_messages().len(), 3);

    let sent = mock.requests();
    assert_eq!(sent[0].json()["tools"][0]["function"]["name"], "get_weather");
    assert_ne!(sent[0].json()["stream"], true, "a stream was not asked for");
    let messages = sent[1].json()["messages"].clone();
    assert_eq!(messages[2]["content"], "sunny in Rome");
    assert_eq!(messages[2]["tool_call_id"], messages[1]["tool_calls"][0]["id"]);
    assert!(run.usage().total_tokens > run.response().usage().unwrap().total_tokens);
}

#[tokio::test]
async fn the_model_is_shown_each_mistake() {
    let cases: [(&str, Response, ToolOutcome, &str); 6] = [
        (
            "an unknown tool",
            Response::tool_call("get_time", json!({})),
            ToolOutcome::UnknownTool,
            r#"error: unknown tool "get_time"; known: get_weather"#,
        ),
        (
            "a missing argument",
            Response::tool_call("get_weather", json!({})),
            ToolOutcome::InvalidArguments,
            "error: invalid arguments: missing field `city` at line 1 column 2",
        ),
        (
            "an argument of another type",
            Response::tool_call("get_weather", json!({"city": 7})),
            ToolOutcome::InvalidArguments,
            "error: invalid arguments: invalid type: integer `7`, expected a string at line 1 column 9",
        ),
        (
            "text that is not JSON",
            Response::tool_call("get_weather", r#"{"city": Rome}"#),
            ToolOutcome::InvalidArguments,
            "error: invalid arguments: expected value at line 1 column 10",
        ),
        (
            "JSON that is not an object",
            Response::tool_call("get_weather", "false"),
            ToolOutcome::InvalidArguments,
            "error: invalid arguments: invalid type: boolean `false`, expected struct City at line 1 column 5",
        ),
        (
            "a tool that fails",
            Response::tool_call("get_weather", json!({"city": "Atlantis"})),
            ToolOutcome::Failed,
            "error: no such city",
        ),
    ];
    for (name, response, outcome, content) in cases {
        for streaming in [false, true] {
            let (mock, client) = server([response.clone(), Response::text("Sorry.")]).await;
            let run = client.chat().run_tools(request(), &[weather()]);
            let run = if streaming { run.streaming() } else { run }.await.unwrap();
            assert_eq!(run.steps()[0].outcome, outcome, "{name}");
            assert_eq!(run.steps()[0].content, content, "{name}");
            assert_eq!(run.text(), "Sorry.", "{name}");
            let message = mock.requests()[1].json()["messages"][1].clone();
            let arguments =
                message["tool_calls"][0]["function"]["arguments"].as_str().unwrap().to_owned();
            let arguments: Value = serde_json::from_str(&arguments).expect(name);
            assert!(arguments.is_object(), "{name}: servers parse the arguments of a history");
        }
    }
}

#[tokio::test]
async fn recorded_tool_calls_run() {
    let cases = [
        ("vllm-tools-required", "application/json", false),
        ("llamacpp-stream-tools-required", "text/event-stream", true),
    ];
    for (name, content_type, streaming) in cases {
        let recorded = Response::raw(200, content_type, capture(name));
        let (mock, client) = server([recorded, Response::text("Done.")]).await;
        let run = client.chat().run_tools(request().tool_choice("required"), &[weather()]);
        let run = if streaming { run.streaming() } else { run }.await.expect(name);
        assert_eq!((run.text().as_ref(), run.rounds()), ("Done.", 2), "{name}");
        assert_eq!(run.steps()[0].call.name(), "get_weather", "{name}");
        assert!(!run.steps()[0].call.id.is_empty(), "{name}");
        let sent = mock.requests();
        assert_eq!(sent[0].json()["tool_choice"], "required", "{name}");
        assert_eq!(sent[1].json()["tool_choice"], "auto", "{name}: forced once");
    }
}

#[tokio::test]
async fn calls_run_together_within_the_bound_and_results_keep_the_order_of_the_calls() {
    let mut response = Response::tool_call("work", json!({"n": 0}));
    for n in 1..6 {
        response = response.and_tool_call("work", json!({"n": n}));
    }
    let (mock, client) = server([response, Response::text("ok")]).await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let work = Tool::with_schema("work", "Works", json!({"type": "object"}), move |args: Value| {
        let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
        async move {
            peak.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            // Later calls end earlier.
            for _ in 0..(10 - args["n"].as_u64().unwrap()) {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, SeqCst);
            Ok(args["n"].clone())
        }
    });
    let run = client.chat().run_tools(request(), &[work]).concurrency(3).await.unwrap();
    assert_eq!(most.load(SeqCst), 3);
    assert_eq!(run.steps().len(), 6);
    let messages = mock.requests()[1].json()["messages"].clone();
    let results: Vec<_> = (2..8).map(|at| messages[at]["content"].clone()).collect();
    assert_eq!(results, ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_run_is_bounded_in_rounds() {
    let (mock, client) = server([]).await;
    mock.always(Response::tool_call("get_weather", json!({"city": "Rome"})));
    let mut run = client.chat().run_tools(request(), &[weather()]).max_rounds(3);
    let error = run.finish().await.unwrap_err();
    assert_eq!(error.to_string(), "the model still calls tools after 3 rounds (max_rounds)");
    assert_eq!(error.partial().unwrap().tool_calls().len(), 1);
    assert_eq!((run.rounds(), run.steps().len(), mock.requests().len()), (3, 2, 3));
    assert_eq!(run.messages().last().unwrap().role, Role::Tool);
    assert_eq!(run.next().await.unwrap_err().to_string(), error.to_string());
}

#[tokio::test]
async fn an_approval_allows_denies_or_edits() {
    let response = Response::tool_call("get_weather", json!({"city": "Rome"}))
        .and_tool_call("get_weather", json!({"city": "Oslo"}))
        .and_tool_call("get_weather", json!({"city": "Bern"}));
    let (mock, client) = server([response, Response::text("ok")]).await;
    let run =
        client.chat().run_tools(request(), &[weather()]).approve(async |call: ToolCall| match call
            .arguments::<City>()
            .unwrap()
            .city
            .as_str()
        {
            "Rome" => Approval::Allow,
            "Oslo" => Approval::deny("too cold"),
            _ => Approval::edit(json!({"city": "Basel"})),
        });
    let run = run.await.unwrap();
    let messages = mock.requests()[1].json()["messages"].clone();
    let contents: Vec<_> = (2..5).map(|at| messages[at]["content"].clone()).collect();
    assert_eq!(
        contents,
        ["sunny in Rome", "error: the call was denied: too cold", "sunny in Basel"]
    );
    let calls = &run.messages()[1].tool_calls;
    assert_eq!(calls[2].function.arguments, r#"{"city":"Basel"}"#);
    assert!(run.steps().iter().any(|step| step.outcome == ToolOutcome::Denied));
}

#[tokio::test]
async fn a_streamed_run_shows_every_event() {
    let call = Response::tool_call("get_weather", json!({"city": "Rome"}));
    let (_mock, client) = server([call, Response::text("It is sunny.")]).await;
    let mut run = client.chat().run_tools(request(), &[weather()]).streaming();
    let (mut text, mut kinds) = (String::new(), Vec::new());
    while let Some(event) = run.next().await.unwrap() {
        match event {
            ToolEvent::Chat(ChatEvent::ContentDelta { delta, .. }) => text.push_str(&delta),
            ToolEvent::Chat(_) => {}
            ToolEvent::Response(_) => kinds.push("response"),
            ToolEvent::Step(_) => kinds.push("step"),
            _ => unreachable!(),
        }
    }
    assert_eq!((text.as_str(), kinds), ("It is sunny.", vec!["response", "step", "response"]));
    assert_eq!(run.text(), text);
    assert!(run.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let (gate, started) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let calls = Arc::new(AtomicUsize::new(0));
    let tool = {
        let (gate, started, calls) = (gate.clone(), started.clone(), calls.clone());
        Tool::with_schema("wait", "Waits", json!({"type": "object"}), move |_: Value| {
            calls.fetch_add(1, SeqCst);
            let (gate, started) = (gate.clone(), started.clone());
            async move {
                started.notify_one();
                gate.acquire().await?.forget();
                Ok("done")
            }
        })
    };
    let call = Response::tool_call("wait", json!({}));
    let (mock, client) = server([call, Response::text("ok")]).await;
    let mut run = client.chat().run_tools(request(), &[tool]);
    tokio::select! {
        result = run.finish() => panic!("{result:?}"),
        () = started.notified() => {}
    }
    assert_eq!((run.rounds(), run.steps().len(), run.messages().len()), (1, 0, 1));

    gate.add_permits(1);
    tokio::time::timeout(Duration::from_secs(60), run.finish()).await.unwrap().unwrap();
    assert_eq!((run.text().as_ref(), calls.load(SeqCst), mock.requests().len()), ("ok", 1, 2));
}

#[tokio::test]
async fn an_error_leaves_the_conversation_in_hand() {
    let call = Response::tool_call("get_weather", json!({"city": "Rome"}));
    let (_mock, client) = server([call, Response::error(400, "bad", "bad request")]).await;
    let mut run = client.chat().run_tools(request().tool_choice(ToolChoice::Auto), &[weather()]);
    assert!(run.finish().await.unwrap_err().is_api_error());
    assert_eq!((run.messages().len(), run.steps().len()), (3, 1));
}

#[tokio::test]
async fn a_forced_call_is_forced_once() {
    let forced = ToolChoice::Function("get_weather".to_owned());
    let function = json!({"type": "function", "function": {"name": "get_weather"}});
    for (choice, first, second) in [
        (Some(ToolChoice::Required), json!("required"), json!("auto")),
        (Some(forced), function, json!("auto")),
        (Some(ToolChoice::None), json!("none"), json!("none")),
        (None, Value::Null, Value::Null),
    ] {
        let call = Response::tool_call("get_weather", json!({"city": "Rome"}));
        let (mock, client) = server([call, Response::text("It is sunny.")]).await;
        let mut request = request();
        request.tool_choice = choice;
        // A limit of zero is one call.
        let run = client.chat().run_tools(request, &[weather()]).concurrency(0).await.unwrap();
        assert_eq!((run.text().as_ref(), run.steps().len()), ("It is sunny.", 1));
        let sent: Vec<Value> =
            mock.requests().iter().map(|sent| sent.json()["tool_choice"].clone()).collect();
        assert_eq!(sent, [first, second]);
    }
}

#[tokio::test]
async fn tools_of_the_request_stay_and_no_tools_are_not_a_list() {
    for (own, tools, names) in [
        (false, vec![], None),
        (true, vec![], Some(vec!["own"])),
        (false, vec![weather()], Some(vec!["get_weather"])),
        (true, vec![weather()], Some(vec!["own", "get_weather"])),
    ] {
        let (mock, client) = server([Response::text("Hello.")]).await;
        let mut request = request();
        if own {
            request.tools = Some(vec![ChatCompletionToolsParam::function("own")]);
        }
        let run = client.chat().run_tools(request, &tools).await.unwrap();
        assert_eq!(run.text(), "Hello.");
        let sent = mock.requests()[0].json()["tools"].clone();
        let sent = sent.as_array().map(|tools| {
            tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(sent, names);
    }
}
