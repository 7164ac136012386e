//! Proxies of the suite's own.
