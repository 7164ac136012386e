//! The peers: the crates that people use today.

use super::{Call, Client, Contender, Error, Tally, floor::Chunk, request_body};
use crate::traffic::Mode;
use async_openai::{
    config::OpenAIConfig,
    types::chat::{
        ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequest,
        CreateChatCompletionRequestArgs,
    },
};
use eventsource_stream::Eventsource;
use futures::StreamExt;
use std::net::SocketAddr;

pub(super) const PEERS: [Contender; 2] = [
    Contender { name: "reqwest, eventsource-stream, serde_json", open: by_hand },
    Contender { name: "async-openai", open: async_openai },
];

fn by_hand(address: SocketAddr) -> Result<Box<dyn Client>, Error> {
    let url = format!("http://{address}/v1/chat/completions");
    Ok(Box::new(ByHand { client: reqwest::Client::new(), url }))
}

struct ByHand {
    client: reqwest::Client,
    url: String,
}

impl ByHand {
    async fn send(&self, model: &str, streams: bool) -> Result<reqwest::Response, Error> {
        let request = self
            .client
            .post(&self.url)
            .bearer_auth("key")
            .header("content-type", "application/json")
            .body(request_body(model, streams));
        Ok(request.send().await?.error_for_status()?)
    }
}

impl Client for ByHand {
    fn stream<'a>(&'a mut self, mode: Mode, tally: &'a mut Tally) -> Call<'a> {
        Box::pin(async move {
            let response = self.send(mode.name(), true).await?;
            let mut events = response.bytes_stream().eventsource();
            // Read to the end, which is kinder to the connection than stopping at `[DONE]`.
            while let Some(event) = events.next().await {
                let event = event?;
                if event.data == "[DONE]" {
                    continue;
                }
                let chunk: Chunk = serde_json::from_str(&event.data)?;
                let text = chunk.choices.first().and_then(|choice| choice.delta.content.as_deref());
                if tally.add(text.unwrap_or_default()) {
                    tally.hold().await;
                    return Ok(());
                }
            }
            Ok(())
        })
    }

    fn unary<'a>(&'a mut self, tally: &'a mut Tally) -> Call<'a> {
        Box::pin(async move {
            let body = self.send(Mode::Unary.name(), false).await?.bytes().await?;
            let response: super::floor::Response = serde_json::from_slice(&body)?;
            for choice in &response.choices {
                tally.add(choice.message.content.as_deref().unwrap_or_default());
            }
            Ok(())
        })
    }
}

fn async_openai(address: SocketAddr) -> Result<Box<dyn Client>, Error> {
    let config =
        OpenAIConfig::new().with_api_base(format!("http://{address}/v1")).with_api_key("key");
    Ok(Box::new(AsyncOpenai(async_openai::Client::with_config(config))))
}

struct AsyncOpenai(async_openai::Client<OpenAIConfig>);

impl Client for AsyncOpenai {
    fn stream<'a>(&'a mut self, mode: Mode, tally: &'a mut Tally) -> Call<'a> {
        Box::pin(async move {
            let mut chunks = self.0.chat().create_stream(request(mode)?).await?;
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk?;
                let text = chunk.choices.first().and_then(|choice| choice.delta.content.as_deref());
                if tally.add(text.unwrap_or_default()) {
                    tally.hold().await;
                    return Ok(());
                }
            }
            Ok(())
        })
    }

    fn unary<'a>(&'a mut self, tally: &'a mut Tally) -> Call<'a> {
        Box::pin(async move {
            let response = self.0.chat().create(request(Mode::Unary)?).await?;
            for choice in &response.choices {
                tally.add(choice.message.content.as_deref().unwrap_or_default());
            }
            Ok(())
        })
    }
}

fn request(mode: Mode) -> Result<CreateChatCompletionRequest, Error> {
    let message = ChatCompletionRequestUserMessageArgs::default().content("Hello!").build()?;
    let mut request = CreateChatCompletionRequestArgs::default();
    Ok(request.model(mode.name()).messages([message.into()]).build()?)
}
