//! Attestation evidence of a node, read into types for a [`NodePolicy`](crate::NodePolicy). **Nothing here
//! verifies it.**
//!
//! A policy fetches the evidence of the locked node, gives the certificate chain and the report of each
//! device to a verifier of your choice, and compares the report's nonce with the one that commits to the
//! node's key. See [`atoma_confidential::evidence`] for the format, and for the parts that a verifier has to
//! add.
//!
//! ```
//! use atoma::{LockedNode, evidence::{DeviceEvidence, NodeEvidence}, transport::BoxError};
//!
//! # async fn fetch(node_small_id: u64) -> Result<String, BoxError> { Err("no network".into()) }
//! # fn verify(device: &DeviceEvidence, nonce: [u8; 32], node: &LockedNode) -> Result<(), BoxError> { Ok(()) }
//! /// `fetch` and `verify` are yours: an HTTP client, and NVIDIA's verifier.
//! async fn attested(node: LockedNode) -> Result<(), BoxError> {
//!     let response = fetch(node.node_small_id).await?;
//!     let evidence = NodeEvidence::from_response(&response)?;
//!     if evidence.devices.is_empty() {
//!         return Err("no device has evidence".into());
//!     }
//!     for device in &evidence.devices {
//!         let nonce = device.nonce().ok_or("a report without a nonce")?;
//!         verify(device, nonce, &node)?;
//!     }
//!     Ok(())
//! }
//!
//! # fn run(client: atoma::Client) {
//! let confidential = client.confidential().policy(attested);
//! # }
//! ```

pub use atoma_confidential::evidence::*;
