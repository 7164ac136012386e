//! Embeddings: of one text, and of a list of texts with several calls at a time.
//!
//! Run: `cargo run --example embeddings`
//!
//! You should see the length of a vector, and how similar three sentences are to the first one. The vectors of the mock
//! have no meaning, so with it the numbers have none either.

mod support;

use atoma::EmbeddingRequest;
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (client, _mock) = support::client().await?;
    let model = support::model("intfloat/multilingual-e5-large-instruct");

    let request = EmbeddingRequest::new(&model, "The quick brown fox jumped over the lazy dog");
    let reply = client.embeddings().create(request).await?;
    println!("{} dimensions", reply.data[0].embedding.len());

    let texts = ["The fox is quick.", "A fast fox.", "Rust compiles to machine code."];
    let request = EmbeddingRequest::new(&model, "");
    // Atoma takes one text per call.
    let vectors = client.embeddings().create_all(request, texts, 1, 4).await?;
    for (text, vector) in texts.iter().zip(&vectors) {
        println!("{:.3}  {text}", similarity(&vectors[0], vector));
    }
    Ok(())
}

/// The cosine of the angle between two vectors.
fn similarity(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
