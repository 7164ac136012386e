//! Rows 24–38: TLS.
