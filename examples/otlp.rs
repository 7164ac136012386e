//! The same spans, exported in OpenTelemetry's protocol to a collector, which prints them.
//!
//! Run: `cargo run --example otlp --features otlp`
//!
//! You should see one trace of three spans: that of the program, in it `chat meta-llama/Llama-3.3-70B-Instruct` with the
//! `gen_ai` attributes, and in that the HTTP request. The collector is a part of this program, on loopback; put the endpoint
//! in its place, usually on port 4318.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client, Tracing};
use atoma_mock::MockServer;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    trace::v1::Span,
};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use prost::Message;
use std::{
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};
use tracing::Instrument;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}/v1/traces", listener.local_addr()?);
    let collector = thread::spawn(move || collect(&listener));

    // The setup of an application.
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(PlainHttp)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("example").build())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("example"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    tracing_subscriber::registry().with(layer).init();

    let mock = MockServer::start().await;
    let client =
        Client::builder().api_key("any").server_url(mock.url()).observer(Tracing::new()).build()?;
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Tell me a story.")],
    )
    .temperature(0.7);
    let story = async {
        let stream = client.chat().stream(request).await?;
        stream.into_response().await
    };
    story.instrument(tracing::info_span!("tell a story")).await?;

    // At its end: send the remaining spans.
    provider.shutdown()?;
    let spans = collector.join().expect("the collector does not panic")?;
    for span in &spans {
        print(span);
    }
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["tell a story", "chat meta-llama/Llama-3.3-70B-Instruct", "POST"]);
    Ok(())
}

/// Prints a span as the collector received it.
fn print(span: &Span) {
    println!("{} ({:.1} ms)", span.name, milliseconds(span));
    for attribute in &span.attributes {
        let value = attribute.value.as_ref().map(shown).unwrap_or_default();
        println!("    {} = {value}", attribute.key);
    }
}

fn milliseconds(span: &Span) -> f64 {
    let nanoseconds = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
    std::time::Duration::from_nanos(nanoseconds).as_secs_f64() * 1e3
}

fn shown(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => format!("{value:.3}"),
        other => format!("{other:?}"),
    }
}

/// The collector: receives spans until it has one that has no parent, and returns them, parents first.
fn collect(listener: &TcpListener) -> io::Result<Vec<Span>> {
    let mut spans: Vec<Span> = Vec::new();
    while !spans.iter().any(|span| span.parent_span_id.is_empty()) {
        let (stream, _) = listener.accept()?;
        let body = receive(stream)?;
        let request =
            ExportTraceServiceRequest::decode(body.as_slice()).map_err(io::Error::other)?;
        println!("the collector received {} bytes", body.len());
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        spans.extend(scopes.flat_map(|scope| scope.spans));
    }
    spans.sort_by_key(|span| span.start_time_unix_nano);
    Ok(spans)
}

/// Reads the body of a request, and accepts it.
fn receive(stream: TcpStream) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    // An empty message: all spans were accepted.
    reader
        .into_inner()
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    Ok(body)
}

/// The smallest HTTP client that will do for a collector on the same machine. It blocks, because the
/// exporter calls it in a separate thread.
#[derive(Debug)]
struct PlainHttp;

#[async_trait::async_trait]
impl HttpClient for PlainHttp {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let address: SocketAddr =
            request.uri().authority().ok_or("no address")?.as_str().parse()?;
        let mut stream = TcpStream::connect(address)?;
        let (head, body) = request.into_parts();
        let mut text =
            format!("{} {} HTTP/1.1\r\nhost: {address}\r\n", head.method, head.uri.path());
        for (name, value) in &head.headers {
            text += &format!("{name}: {}\r\n", value.to_str()?);
        }
        text += &format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.write_all(text.as_bytes())?;
        stream.write_all(&body)?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let status = response.split(' ').nth(1).ok_or("no status")?;
        Ok(Response::builder().status(status).body(Bytes::new())?)
    }
}
