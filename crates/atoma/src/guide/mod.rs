//! Guide pages. They hold no code.
//!
//! A page links to the files of the others, for readers of the repository. In the documentation, the links
//! above the text take precedence.

// The pages link to items of these features.
#![cfg_attr(
    not(all(feature = "schemars", feature = "tracing")),
    allow(rustdoc::broken_intra_doc_links)
)]

// For the links of the pages.
#[allow(unused_imports)]
use crate::*;

#[doc = include_str!("cookbook.md")]
pub mod cookbook {}
#[doc = include_str!("migrating.md")]
pub mod migrating {}
#[cfg_attr(any(not(doctest), feature = "tracing"), doc = include_str!("observing.md"))]
pub mod observing {}
#[doc = include_str!("testing.md")]
pub mod testing {}
#[cfg_attr(
    any(
        not(doctest),
        all(
            feature = "blocking",
            feature = "confidential",
            feature = "schemars",
            feature = "verify"
        )
    ),
    doc = "[first page]: crate\n[observing]: observing\n[testing]: testing\n[trust]: trust\n",
    doc = include_str!("tour.md")
)]
pub mod tour {}
#[doc = include_str!("trust.md")]
pub mod trust {}
