//! A question about an image, sent inside the request.
//!
//! Run: `cargo run --example vision`, or with another image: `cargo run --example vision --
//! https://example.com/cat.png`
//!
//! You should see a sentence about the image (from the mock: its type and size). No key is needed;
//! see `chat` for how to talk to a real server, and name a model that can see.

mod support;

use atoma::{ChatCompletionMessage, ChatCompletionRequest, ContentPart, types::ImageDetail};
use std::error::Error;

/// A red square of 16 by 16 pixels: a PNG as a `data:` URL, in place of a better picture.
const RED_SQUARE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mO4oKBAEmIY1TCqYfhqAABLfxAQegypMgAAAABJRU5ErkJggg==";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let image = std::env::args().nth(1).unwrap_or_else(|| RED_SQUARE.to_owned());

    let request = ChatCompletionRequest::new(
        support::model("meta-llama/Llama-3.2-11B-Vision-Instruct"),
        [ChatCompletionMessage::user("What do you see?")
            .part(ContentPart::image_url(image).detail(ImageDetail::Low))],
    )
    .max_completion_tokens(200);

    println!("{}", client.chat().create(request).await?.text());
    Ok(())
}
