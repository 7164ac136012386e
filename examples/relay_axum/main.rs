//! A web server that passes completions on to a browser, event by event.
//!
//! Run: `cargo run --example relay_axum --features axum -- serve`, and open the address that it prints. Press Stop, and the
//! generation stops at the model's server too. With `?node=fails` the model's server closes the stream halfway, and the
//! page says so.
//!
//! Without `serve` it asks itself once for each, and you should see the events that the page would get: chunks and
//! `[DONE]`, or an error in its place.

#[path = "../support.rs"]
mod support;

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, Client, relay,
    transport::{HyperTransport, Transport},
};
use atoma_mock::{MockServer, Response};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, Uri},
    response::Html,
    routing::{get, post},
};
use std::{env, error::Error, future::poll_fn, net::Ipv4Addr, pin::Pin};
use tokio::net::TcpListener;

#[derive(Clone)]
struct App {
    client: Client,
    /// A server whose node fails after some events.
    failing: Client,
}

async fn chat(
    State(app): State<App>,
    uri: Uri,
    question: String,
) -> Result<axum::response::Response, (StatusCode, String)> {
    let is_failing = uri.query().is_some_and(|query| query.contains("node=fails"));
    let client = if is_failing { app.failing } else { app.client };
    let model = support::model("meta-llama/Llama-3.3-70B-Instruct");
    let request = ChatCompletionRequest::new(model, [ChatCompletionMessage::user(question)]);
    let stream = client.chat().stream(request).await.map_err(|error| {
        eprintln!("no stream: {error}");
        (StatusCode::BAD_GATEWAY, "the model's server does not respond".to_owned())
    })?;
    // If the browser leaves, axum drops the body, the relay drops the stream, and the generation stops.
    Ok(relay(stream).into_http().map(Body::new))
}

fn router(app: App) -> Router {
    Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/chat", post(chat))
        .route("/shown", post(async |text: String| println!("the page shows: {text:?}")))
        .with_state(app)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let broken = MockServer::start().await;
    broken.always(Response::default().truncate_after_events(5));
    let failing = Client::builder().api_key("any").server_url(broken.url()).build()?;

    let app = router(App { client, failing });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}");
    if env::args().nth(1).as_deref() == Some("serve") {
        return Ok(axum::serve(listener, app).await?);
    }
    tokio::spawn(async { axum::serve(listener, app).await });
    for path in ["/chat", "/chat?node=fails"] {
        println!("\n{path}:\n{}", post_to(&format!("{url}{path}")).await?);
    }
    Ok(())
}

/// Asks as the page does, and returns the whole body.
async fn post_to(url: &str) -> Result<String, Box<dyn Error>> {
    let question = http::Request::post(url).body("Count to three.".into())?;
    let response = HyperTransport::builder().build()?.send(question).await?;
    let (mut body, mut text) = (response.into_body(), Vec::new());
    while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await
    {
        text.extend_from_slice(&frame?.into_data().unwrap_or_default());
    }
    Ok(String::from_utf8(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_browser_that_leaves_stops_the_generation() {
        let mock = MockServer::builder().event_interval(Duration::from_millis(1)).start().await;
        mock.always(Response::default().only_keep_alive_after(3));
        let client = Client::builder().api_key("any").server_url(mock.url()).build().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/chat", listener.local_addr().unwrap());
        let app = router(App { failing: client.clone(), client });
        let server = tokio::spawn(async { axum::serve(listener, app).await });

        let question = http::Request::post(url).body("Count to ten.".into()).unwrap();
        let response = HyperTransport::builder().build().unwrap().send(question).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut body = response.into_body();
        let frame = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
        assert!(frame.unwrap().unwrap().into_data().unwrap().starts_with(b"data: {"));
        assert_eq!(mock.stats().abandoned, 0);

        drop(body);
        let left = mock.wait_for(|stats| stats.abandoned > 0);
        tokio::time::timeout(Duration::from_secs(60), left).await.unwrap();
        server.abort();
    }
}
