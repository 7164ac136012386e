//! The client of this workspace, used in the ordinary way.

use super::{Call, Client, Error, Tally};
use crate::traffic::Mode;
use atoma::{ChatCompletionMessage, ChatCompletionRequest};
use std::net::SocketAddr;

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
        std::hint::black_box(line);
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
}

fn request(mode: Mode) -> ChatCompletionRequest {
    ChatCompletionRequest::new(mode.name(), [ChatCompletionMessage::user("Hello!")])
}
