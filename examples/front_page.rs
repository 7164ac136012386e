//! Compiles the Rust examples of the repository's README as doctests.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct FrontPage;
