//! Rows 114–118: what the caller, its runtime and its clock do.
