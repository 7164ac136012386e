#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

// Policies, and the results of a check.
mod stream;
mod trust;
mod verified;
mod verifier;

// Who signs.
mod parse_error;
mod public_key;
mod scheme;
mod sui_address;

// From text to hash and signature.
mod claim;
mod hash;
mod plain_text;
mod signature;
mod split;

mod error;
#[cfg(feature = "receipt")]
mod receipt;
#[cfg(feature = "signing")]
mod signing;

pub use error::{VerifyError, VerifyErrorKind};
pub use parse_error::ParseSignerError;
pub use public_key::PublicKey;
#[cfg(feature = "receipt")]
pub use receipt::Receipt;
pub use scheme::Scheme;
#[cfg(feature = "signing")]
pub use signing::{SignedHash, SigningKey};
pub use split::{SignedText, split};
pub use stream::{Checked, Mode, StreamVerifier};
pub use sui_address::SuiAddress;
pub use verified::Verified;
pub use verifier::{NoSigner, Verifier, verify};
