use crate::{
    ChatCompletionMessage, ChatCompletionRequest, Client, CompletionRequest, transport::testing::*,
};
use futures::{StreamExt, stream::FusedStream};

/// Reads a view as a `Stream`, checks its end, and returns its items.
macro_rules! items {
    ($view:expr, $is_complete:expr) => {{
        let mut view = $view;
        let (mut items, mut terminated, mut errors) = (Vec::new(), vec![], 0);
        while let Some(item) = StreamExt::next(&mut view).await {
            terminated.push(view.is_terminated());
            match item {
                Ok(item) => items.push(item),
                Err(error) => errors += u32::from(error.is_truncated()),
            }
        }
        terminated.pop();
        assert!(!terminated.contains(&true) && view.is_terminated());
        assert!(view.next().await.is_none());
        match view.try_next().await {
            Ok(item) => assert!($is_complete && errors == 0 && item.is_none()),
            Err(error) => assert!(!$is_complete && errors == 1 && error.is_truncated()),
        }
        assert_eq!(view.as_stream().partial().unwrap().text(), "hello");
        assert_eq!(view.into_response().await.is_ok(), $is_complete);
        items
    }};
}

/// Reads a view with `try_next`.
macro_rules! items_of_try_next {
    ($view:expr) => {{
        let (mut view, mut items) = ($view, Vec::new());
        while let Ok(Some(item)) = view.try_next().await {
            items.push(item);
        }
        items
    }};
}

/// Checks both views of the streams that a function opens.
macro_rules! check_views {
    ($stream:ident, $is_complete:ident) => {
        let events = items!($stream().await.events(), $is_complete);
        assert_eq!(events, items_of_try_next!($stream().await.events()));
        assert!(events.len() >= 2);
        let text = items!($stream().await.text(), $is_complete);
        assert_eq!(text, ["he", "llo"]);
        assert_eq!(text, items_of_try_next!($stream().await.text()));
    };
}

#[test]
fn a_view_ends_with_the_stream_and_returns_its_error_again() {
    for (is_complete, end) in [(true, r#","finish_reason":"stop""#), (false, "")] {
        let body = |pieces: [&str; 2]| {
            let [first, last] = pieces;
            [(first, ""), (last, end)]
                .map(|(text, end)| {
                    format!("data: {{\"choices\":[{{\"index\":0,{text}{end}}}]}}\n\n")
                })
                .concat()
        };
        let chat = body([r#""delta":{"content":"he"}"#, r#""delta":{"content":"llo"}"#]);
        let text = body([r#""text":"he""#, r#""text":"llo""#]);
        let exchange = |body: String| {
            Exchange::respond(200).header("content-type", "text/event-stream").body(body)
        };
        let bodies = [&chat, &chat, &chat, &chat, &text, &text, &text, &text];
        let server = ScriptedTransport::new(bodies.map(|body| exchange(body.clone())));
        let timer = ManualTimer::new();
        let client = Client::builder().api_key("sk-test").server_url("http://localhost:1");
        let client = client.transport(server).timer(timer.clone()).build().unwrap();
        timer.run(async {
            let question = [ChatCompletionMessage::user("hi")];
            let request = || ChatCompletionRequest::new("m", question.clone());
            let stream = async || client.chat().stream(request()).await.unwrap();
            check_views!(stream, is_complete);

            let request = || CompletionRequest::new("m", "p");
            let stream = async || client.completions().stream(request()).await.unwrap();
            check_views!(stream, is_complete);
        });
    }
}
