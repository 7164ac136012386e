//! The client of this workspace, as anyone would use it.

use std::net::SocketAddr;

use atoma::{ChatCompletionMessage, ChatCompletionRequest};

use super::{Call, Client, Error, Tally};
use crate::traffic::Mode;

pub(super) fn open(address: SocketAddr) -> Result<Box<dyn Client>, Error> {
    let url = format!("http://{address}");
    Ok(Box::new(Ours(atoma::Client::builder().api_key("key").server_url(url).build()?)))
}

struct Ours(atoma::Client);

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

fn request(mode: Mode) -> ChatCompletionRequest {
    ChatCompletionRequest::new(mode.name(), [ChatCompletionMessage::user("Hello!")])
}
