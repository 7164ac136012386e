//! Rows 39–63: the head over HTTP/1.
