//! The calls of the API reference, each with all the parameters that its page shows.
//!
//! Run: `cargo run --example reference --features verify`
//!
//! You should see a line or two of each endpoint: chat, completions, embeddings, images, models, health, nodes.

mod support;

use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, ChatCompletionToolsParam, Client,
    CompletionRequest, EmbeddingRequest, ImageRequest, NodeCreateRequest, NodeLockRequest,
    StreamOptions,
    types::{EncodingFormat, ImageFormat, NodeAddress},
    verify::SigningKey,
};
use serde_json::json;
use std::error::Error;

const MODEL: &str = "meta-llama/Llama-3.3-70B-Instruct";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    chat(&client).await?;
    completions(&client).await?;
    embeddings(&client).await?;
    images(&client).await?;
    models_and_health(&client).await?;
    nodes(&client).await
}

/// `chat.create` and `chat.stream`.
async fn chat(client: &Client) -> Result<(), Box<dyn Error>> {
    let parameters = json!({
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The location to get the weather for"},
        },
        "required": ["location"],
    });
    let description = "Get the current weather in a location";
    let request = ChatCompletionRequest::new(
        support::model(MODEL),
        [
            ChatCompletionMessage::system("You are a helpful AI assistant").name("AI expert"),
            ChatCompletionMessage::user("Hello!").name("John Doe"),
            ChatCompletionMessage::assistant(
                "I'm here to help you with any questions you have. How can I assist you today?",
            )
            .name("AI"),
        ],
    )
    .frequency_penalty(0)
    .functions([json!({
        "name": "get_current_weather", "description": description, "parameters": parameters,
    })])
    .logit_bias([("1234567890", 0.5), ("1234567891", -0.5)])
    // The reference leaves it out, and yet `top_logprobs` needs it.
    .logprobs(true)
    .max_completion_tokens(4096)
    .n(1)
    .parallel_tool_calls(true)
    .presence_penalty(0)
    .seed(123)
    .service_tier("auto")
    .stop(["stop", "halt"])
    .temperature(0.7)
    .tools([ChatCompletionToolsParam::function("get_current_weather")
        .description(description)
        .parameters(parameters)])
    .top_logprobs(1)
    .top_p(1)
    .user("user-1234");

    println!("chat: {}", client.chat().create(request.clone()).await?.text());

    print!("chat, streamed: ");
    let mut chunks = client.chat().stream(request).await?;
    while let Some(chunk) = chunks.try_next().await? {
        print!("{}", chunk.text());
    }
    println!();
    Ok(())
}

/// `completions.create` and its stream.
async fn completions(client: &Client) -> Result<(), Box<dyn Error>> {
    let request = CompletionRequest::new(support::model(MODEL), ["Hello!"])
        .best_of(1)
        .echo(false)
        .frequency_penalty(0)
        .logit_bias([("1234567890", 0.5), ("1234567891", -0.5)])
        .logprobs(1)
        .max_tokens(4096)
        .n(1)
        .presence_penalty(0)
        .seed(123)
        .stop(["stop", "halt"])
        .suffix("\n")
        .temperature(0.7)
        .top_p(1)
        .user("user-1234");

    println!("completions: {}", client.completions().create(request.clone()).await?.text());

    print!("completions, streamed: ");
    let options = StreamOptions::default().include_usage(true);
    let mut text = client.completions().stream(request.stream_options(options)).await?.text();
    while let Some(piece) = text.try_next().await? {
        print!("{piece}");
    }
    println!();
    Ok(())
}

/// `embeddings.create`.
async fn embeddings(client: &Client) -> Result<(), Box<dyn Error>> {
    let request = EmbeddingRequest::new(
        support::model("intfloat/multilingual-e5-large-instruct"),
        "The quick brown fox jumped over the lazy dog",
    )
    .encoding_format(EncodingFormat::Float)
    .dimensions(512)
    .user("user-1234");
    let reply = client.embeddings().create(request).await?;
    println!("embeddings: {} dimensions", reply.data[0].embedding.len());
    Ok(())
}

/// `images.generate`.
async fn images(client: &Client) -> Result<(), Box<dyn Error>> {
    let request = ImageRequest::new(
        support::model("black-forest-labs/FLUX.1-schnell"),
        "A cute baby sea otter floating on its back",
    )
    .n(1)
    .quality("hd")
    .response_format(ImageFormat::Url)
    .size("1024x1024")
    .style("vivid")
    .user("user-1234");
    let reply = client.images().generate(request).await?;
    println!("images: {:?}", reply.data[0].url);
    Ok(())
}

/// `models.models_list` and `health.health`.
async fn models_and_health(client: &Client) -> Result<(), Box<dyn Error>> {
    println!("models: {}", client.models().list().await?.data.len());
    println!("health: {}", client.health().check().await?.message);
    Ok(())
}

/// `nodes.nodes_create` and `nodes.nodes_create_lock`.
async fn nodes(client: &Client) -> Result<(), Box<dyn Error>> {
    // An operator signs with the key of the node; this one is published for tests.
    let address = NodeAddress::new(123, "https://node.example", "PT");
    let signature = SigningKey::test().sign_plaintext(&address.to_signed_bytes()).signature;
    let reply = client.nodes().create(NodeCreateRequest::new(address, signature)).await?;
    println!("nodes: {}", reply.message);

    let lock = client.nodes().lock(NodeLockRequest::new(support::model(MODEL))).await?;
    println!("lock: node {}, stack {}", lock.node_small_id, lock.stack_small_id);
    Ok(())
}
