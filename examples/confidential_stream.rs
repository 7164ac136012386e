//! An encrypted stream, whose chunks are checked against a known signer.
//!
//! Run: `cargo run --example confidential_stream --features confidential,verify`
//!
//! You should see a stream, the signer of its chunks, and then a stream with a chunk that another
//! signer wrote: it ends with an error. Nodes repeat one nonce for all chunks, so an observer can
//! recover text of a stream: do not stream secrets. It talks to a mock, which plays the node.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client, verify::Verifier};
use atoma_mock::{MockServer, Response, Tampering};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await;
    let client = Client::builder().api_key("any").server_url(mock.url()).build()?;
    let private = client.verified(Verifier::pinned([mock.signer()])?).confidential();
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Hello!")],
    );

    let mut chunks = private.chat().stream(request.clone()).await?;
    while let Some(chunk) = chunks.next_ref().await? {
        print!("{}", chunk.text());
    }
    println!("\n{}", chunks.verified().ok_or("not verified")?);

    mock.respond(Response::text("One two three.").tamper_after_events(2, Tampering::Signer));
    let stream = private.chat().stream(request).await?;
    let error = stream.into_response().await.err().ok_or("accepted")?;
    println!("another signer: {error:?}");
    println!("checked before it: {:?}", error.partial().map(|partial| partial.text().into_owned()));
    Ok(())
}
