//! A server that speaks HTTP/2, well or badly.
