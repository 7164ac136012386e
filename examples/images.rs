//! An image made from a description, saved to a file.
//!
//! Run: `cargo run --example images`
//!
//! You should see the path of a PNG file. The mock's image is a few pixels large.

mod support;

use atoma::{ImageRequest, types::ImageFormat};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let request = ImageRequest::new(
        support::model("black-forest-labs/FLUX.1-schnell"),
        "A cute baby sea otter floating on its back",
    )
    .n(1)
    .size("1024x1024")
    .response_format(ImageFormat::B64Json);

    let reply = client.images().generate(request).await?;
    let path = std::env::temp_dir().join("atoma-otter.png");
    match (reply.data[0].bytes(), &reply.data[0].url) {
        (Some(_), _) => reply.data[0].save(&path)?,
        // Fetched without the API key, because any server may host the URL.
        (None, Some(_)) => {
            std::fs::write(&path, &client.images().fetch(&reply.data[0]).await?[..])?;
        }
        (None, None) => return Err("the response has no image".into()),
    }
    println!("saved {}", path.display());
    Ok(())
}
