//! Guide pages. They hold no code.

#[doc = include_str!("trust.md")]
pub mod trust {}
