//! Rows 107–113: status and headers.
