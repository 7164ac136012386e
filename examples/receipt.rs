//! A receipt: the exact signed text of a response, saved and checked again without a client.
//!
//! Run: `cargo run --example receipt --features verify`
//!
//! You should see the size of a saved receipt, that it passes a check by `atoma-verify` alone, and that it no longer does
//! after one letter was changed. It talks to a mock, which signs with a published test key.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client, Verification};
use atoma_mock::MockServer;
use atoma_verify::{Receipt, Verifier};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await;
    let verifier = Verifier::pinned([mock.signer()])?;
    let client = Client::builder()
        .api_key("any")
        .server_url(mock.url())
        .verify(Verification::new(verifier.clone()).keep_receipts(true))
        .build()?;
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Hello!")],
    );

    let reply = client.chat().create(request).await?;
    let saved = reply.receipt().ok_or("no receipt")?.to_json();
    println!("saved {} bytes", saved.len());

    // From here on, only the file and the pinned address are needed.
    let receipt = Receipt::from_json(&saved)?;
    println!("checked again: {}", receipt.check(&verifier)?);

    let altered = saved.replacen("assistant", "Assistant", 1);
    let checked = Receipt::from_json(&altered).and_then(|receipt| receipt.check(&verifier));
    println!("altered: {}", checked.err().ok_or("accepted")?);
    Ok(())
}
