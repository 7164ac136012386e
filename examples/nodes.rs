//! Locking a confidential node, which confidential calls do by themselves before each attempt.
//!
//! Run: `cargo run --example nodes`
//!
//! You should see the number of a node and the public key that a request to it is encrypted with.

mod support;

use atoma::NodeLockRequest;
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let request = NodeLockRequest::new(support::model("meta-llama/Llama-3.3-70B-Instruct"));
    let lock = client.nodes().lock(request).await?;
    println!("node {} has the public key {}", lock.node_small_id, lock.public_key);
    Ok(())
}
