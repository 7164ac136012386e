//! Guide pages. They hold no code.

#[doc = include_str!("cookbook.md")]
pub mod cookbook {}
#[doc = include_str!("migrating.md")]
pub mod migrating {}
#[cfg_attr(any(not(doctest), feature = "tracing"), doc = include_str!("observing.md"))]
pub mod observing {}
#[doc = include_str!("testing.md")]
pub mod testing {}
#[doc = include_str!("trust.md")]
pub mod trust {}
