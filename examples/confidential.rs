//! Calls that only the holder of a node's key can read.
//!
//! Run: `cargo run --example confidential --features confidential`
//!
//! You should see a completion, the node that wrote it, the beginning of the body on the wire,
//! which is encrypted, a call that needed a second lock, and two that fail: a response in plain
//! text, and a node that the policy does not know. It talks to a mock, which plays the node.

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client, LockedNode, NodeKey};
use atoma_mock::{MockServer, Response, Tampering};
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mock = MockServer::start().await;
    let client = Client::builder().api_key("any").server_url(mock.url()).build()?;
    let known: NodeKey = mock.node_key().parse()?;
    let private = client.confidential().policy(move |node: LockedNode| async move {
        if node.key == known { Ok(()) } else { Err("not a node of ours".into()) }
    });
    let request = ChatCompletionRequest::new(
        "meta-llama/Llama-3.3-70B-Instruct",
        [ChatCompletionMessage::user("Hello!")],
    );

    let reply = private.chat().create(request.clone()).await?;
    let node = reply.metadata().extensions().get::<LockedNode>().ok_or("no node")?;
    println!("{:?}, by node {} with the key {}", reply.text(), node.node_small_id, node.key);
    println!("on the wire: {:.60}…", String::from_utf8_lossy(reply.raw()));

    mock.respond(Response::stack_unavailable());
    let reply = private.chat().create(request.clone()).await?;
    println!("a lost lock: {} attempts", reply.attempts().count);

    mock.respond(Response::text("Hi.").tamper(Tampering::Plain));
    let error = private.chat().create(request.clone()).await.err().ok_or("accepted")?;
    println!("a response in plain text: {error:?}");

    mock.rotate_node_key();
    let error = private.chat().create(request).await.err().ok_or("accepted")?;
    println!("an unknown node: {error:?}");
    Ok(())
}
