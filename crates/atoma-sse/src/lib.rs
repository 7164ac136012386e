#![doc = include_str!("../README.md")]
#![no_std]

extern crate alloc;

mod block;
mod decoder;
mod encoder;
mod error;
mod event;
mod limits;
mod line;

pub use decoder::Decoder;
pub use encoder::{EncodeError, Encoder, encode};
pub use error::DecodeError;
pub use event::{Event, OwnedEvent, Unfinished};
pub use limits::Limits;
