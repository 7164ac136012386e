//! Corpora and instruments of the benches.
