//! The client of this workspace, used in the ordinary way.

use super::{Call, Client, Error, Tally};
use crate::{
    shapes::{Resource, Shape},
    traffic::Mode,
};
use atoma::{
    ChatCompletionMessage, ChatCompletionRequest, CompletionRequest, EmbeddingRequest,
    ResponseStream,
};
use atoma_types::StreamModel;
use std::{hint::black_box, net::SocketAddr};

pub(super) fn open(address: SocketAddr) -> Result<Box<dyn Client>, Error> {
    Ok(Box::new(Ours(client(address)?)))
}

/// The same, with chunks by reference that are not kept.
pub(super) fn open_lending(address: SocketAddr) -> Result<Box<dyn Client>, Error> {
    Ok(Box::new(Lending(Ours(client(address)?))))
}

/// The same, with an observer that does nothing.
pub(super) fn open_observed(address: SocketAddr) -> Result<Box<dyn Client>, Error> {
    struct Nothing;
    impl atoma::Observer for Nothing {}
    Ok(Box::new(Ours(builder(address).observer(Nothing).build()?)))
}

/// The same, with a log whose lines go nowhere.
pub(super) fn open_logged(address: SocketAddr) -> Result<Box<dyn Client>, Error> {
    let log = atoma::Log::new(atoma::LogLevel::Info).output(|line| {
        black_box(line);
    });
    Ok(Box::new(Ours(builder(address).observer(log).build()?)))
}

fn client(address: SocketAddr) -> Result<atoma::Client, Error> {
    Ok(builder(address).build()?)
}

fn builder(address: SocketAddr) -> atoma::ClientBuilder {
    let builder = atoma::Client::builder().api_key("key").server_url(format!("http://{address}"));
    builder.log(atoma::LogLevel::Off)
}

struct Ours(atoma::Client);

struct Lending(Ours);

impl Client for Ours {
    fn stream<'a>(&'a mut self, mode: Mode, tally: &'a mut Tally) -> Call<'a> {
        Box::pin(async move {
            let mut chunks = self.0.chat().stream(request(mode)).await?;
            while let Some(chunk) = chunks.try_next().await? {
                if tally.add(&chunk.text()) {
                    tally.hold().await;
                    return Ok(());
                }
            }
            Ok(())
        })
    }

    fn unary<'a>(&'a mut self, tally: &'a mut Tally) -> Call<'a> {
        Box::pin(async move {
            let reply = self.0.chat().create(request(Mode::Unary)).await?;
            tally.add(&reply.text());
            Ok(())
        })
    }

    fn shape<'a>(&'a mut self, shape: &'a Shape) -> Call<'a> {
        Box::pin(read_shape(&self.0, shape, true))
    }
}

impl Client for Lending {
    fn stream<'a>(&'a mut self, mode: Mode, tally: &'a mut Tally) -> Call<'a> {
        Box::pin(async move {
            let mut chunks = self.0.0.chat().stream(request(mode)).await?;
            while let Some(chunk) = chunks.next_ref().await? {
                if tally.add(&chunk.text()) {
                    tally.hold().await;
                    return Ok(());
                }
            }
            Ok(())
        })
    }

    fn unary<'a>(&'a mut self, tally: &'a mut Tally) -> Call<'a> {
        self.0.unary(tally)
    }

    fn shape<'a>(&'a mut self, shape: &'a Shape) -> Call<'a> {
        Box::pin(read_shape(&self.0.0, shape, false))
    }
}

/// Reads a response of a shape; the chunks of a stream are taken or lent.
async fn read_shape(client: &atoma::Client, shape: &Shape, takes: bool) -> Result<(), Error> {
    let chat =
        || ChatCompletionRequest::new(shape.name, [ChatCompletionMessage::user("Hello!")]).n(4);
    let events = match shape.resource {
        Resource::ChatStream => read_all(client.chat().stream(chat()).await?, takes).await?,
        Resource::CompletionStream => {
            let request = CompletionRequest::new(shape.name, "Hello!");
            read_all(client.completions().stream(request).await?, takes).await?
        }
        Resource::Chat => client.chat().create(chat()).await?.choices.len(),
        Resource::Embeddings => {
            let request = EmbeddingRequest::new(shape.name, "Hello!");
            usize::from(!client.embeddings().create(request).await?.data.is_empty())
        }
    };
    if events != shape.events {
        return Err(format!("{events} events, not {}", shape.events).into());
    }
    Ok(())
}

async fn read_all<M: StreamModel>(
    mut chunks: ResponseStream<M>,
    takes: bool,
) -> Result<usize, Error> {
    let mut events = 0;
    if takes {
        while let Some(chunk) = chunks.try_next().await? {
            black_box(&chunk);
            events += 1;
        }
    } else {
        while let Some(chunk) = chunks.next_ref().await? {
            black_box(chunk);
            events += 1;
        }
    }
    Ok(events)
}

fn request(mode: Mode) -> ChatCompletionRequest {
    ChatCompletionRequest::new(mode.name(), [ChatCompletionMessage::user("Hello!")])
}
