// The examples of the README need the system's random bytes and play the node.
#![cfg_attr(any(not(doctest), all(feature = "getrandom", feature = "node")), doc = include_str!("../README.md"))]
#![no_std]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

extern crate alloc;

mod call_info;
mod crypto;
mod encoding;
mod envelope;
mod error;
#[cfg(feature = "evidence")]
pub mod evidence;
mod json;
mod member;
#[cfg(feature = "node")]
pub mod node;
mod node_key;
mod randomness;
mod seal;
mod session;

pub use call_info::CallInfo;
pub use envelope::Envelope;
pub use error::{NodeKeyError, OpenError, OpenErrorKind, SealError, SealErrorKind};
pub use node_key::NodeKey;
#[cfg(feature = "getrandom")]
pub use randomness::SystemRandomness;
pub use randomness::{Randomness, RandomnessError};
pub use seal::seal;
pub use session::{Opened, Session};
