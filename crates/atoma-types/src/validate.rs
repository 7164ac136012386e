//! Checks that requests of several endpoints share.

use crate::{
    Extra,
    wire::{Object, WriteObject, is_set, write_json},
};
use std::fmt;

/// A request that no server accepts: the field at fault, and a remedy.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidRequest {
    /// The path of the field, as on the wire.
    field: String,
    /// The fault and the way to fix it, as the rest of a sentence that begins with the field.
    remedy: String,
}

impl InvalidRequest {
    /// Returns the name of the field at fault, as on the wire: `temperature`, `messages[2].tool_call_id`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The error of serializing a field.
    pub(crate) fn unwritable(why: &str) -> Self {
        let (field, fault) = why.split_once(' ').unwrap_or((why, ""));
        Self::new(field, fault)
    }

    /// The error of a field. The remedy continues a sentence that begins with it.
    pub(crate) fn new(field: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid request: {} {}", self.field, self.remedy)
    }
}

/// The line; the fields under `{:#?}`.
impl fmt::Debug for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f
                .debug_struct("InvalidRequest")
                .field("field", &self.field)
                .field("remedy", &self.remedy)
                .finish();
        }
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for InvalidRequest {}

/// Checks that a request names a model.
pub(crate) fn check_model(model: &str, extra: &Extra) -> Result<(), InvalidRequest> {
    if model.trim().is_empty() && !extra.contains("model") {
        return Err(InvalidRequest::new("model", "is empty: name a model of the server"));
    }
    Ok(())
}

/// Checks that no member is set both as a field and as an extra member.
pub(crate) fn check_extra(request: &dyn Object) -> Result<(), InvalidRequest> {
    let mut names = request.extra().iter().map(|(name, _)| name);
    match names.find(|name| is_set(request, name)) {
        Some(name) => {
            Err(InvalidRequest::new(name, "is set twice: as a field and as an extra member"))
        }
        None => Ok(()),
    }
}

/// Checks the same of an object inside of the request.
pub(crate) fn check_nested(
    place: &dyn fmt::Display,
    object: &dyn Object,
) -> Result<(), InvalidRequest> {
    if object.extra().is_empty() {
        return Ok(());
    }
    check_extra(object)
        .map_err(|error| InvalidRequest { field: format!("{place}.{}", error.field), ..error })
}

/// Checks that a number, if it is set, is finite and in a range.
pub(crate) fn check_range(
    field: &str,
    value: Option<f32>,
    least: i8,
    most: i8,
) -> Result<(), InvalidRequest> {
    match value {
        Some(value) if !value.is_finite() => {
            Err(InvalidRequest::new(field, "is not a finite number"))
        }
        Some(value) if !(f32::from(least)..=f32::from(most)).contains(&value) => {
            Err(InvalidRequest::new(field, format!("must be from {least} to {most}")))
        }
        _ => Ok(()),
    }
}

/// Checks that counts, where they are set, are not zero.
pub(crate) fn check_counts<const N: usize>(
    counts: [(&str, Option<u32>); N],
) -> Result<(), InvalidRequest> {
    match counts.into_iter().find(|(_, count)| *count == Some(0)) {
        Some((field, _)) => Err(InvalidRequest::new(field, "must be at least 1")),
        None => Ok(()),
    }
}

/// Writes a request as JSON.
pub(crate) fn to_vec(request: &dyn WriteObject) -> Result<Vec<u8>, InvalidRequest> {
    let mut json = Vec::with_capacity(128);
    match write_json(request, &mut json) {
        Ok(()) => Ok(json),
        Err(error) => Err(InvalidRequest::unwritable(&error.to_string())),
    }
}
