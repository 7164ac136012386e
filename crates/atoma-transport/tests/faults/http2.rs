//! Rows 91–106: HTTP/2.
