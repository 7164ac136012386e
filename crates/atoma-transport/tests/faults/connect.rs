//! Rows 1–23: name, connection, proxy.
