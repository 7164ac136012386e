//! Rows 114–118: the caller and the runtime.
