//! Certificates made at test time, and a server that speaks TLS.
