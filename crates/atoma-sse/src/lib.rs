#![doc = include_str!("../README.md")]
#![no_std]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

extern crate alloc;

#[cfg(any(feature = "stream", feature = "http-body"))]
mod adapter;
#[cfg(feature = "http-body")]
mod body;
mod data_buffer;
mod decoder;
mod encoder;
mod error;
mod event;
mod event_builder;
mod limits;
mod line;
mod partial_line;
mod small_text;
#[cfg(feature = "stream")]
mod stream;
mod utf8;

#[cfg(any(feature = "stream", feature = "http-body"))]
pub use adapter::StreamError;
#[cfg(feature = "http-body")]
pub use body::EventBody;
pub use decoder::Decoder;
pub use encoder::{EncodeError, Encoder, encode};
pub use error::DecodeError;
pub use event::{Event, IncompleteEvent, OwnedEvent};
pub use limits::Limits;
#[cfg(feature = "stream")]
pub use stream::EventStream;
