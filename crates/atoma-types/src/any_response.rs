use serde_json::Value;

use crate::stream::{ResponseModel, whole::WholeBody};
use crate::{ApiError, ParseError, json};

/// A response that may be any JSON value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AnyResponse {
    value: Value,
    error: Option<Box<ApiError>>,
}

impl AnyResponse {
    /// Returns the value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the value itself.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }
}

impl ResponseModel for AnyResponse {
    type Stream = WholeBody<Self>;

    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        let value = json::from_slice(body)?;
        // Only a member of this name reports an error: any other JSON is content.
        let is_error = value.get("error").is_some_and(|error| !error.is_null());
        let error = if is_error { ApiError::from_body(body).map(Box::new) } else { None };
        Ok(Self { value, error })
    }

    fn error(&self) -> Option<&ApiError> {
        self.error.as_deref()
    }

    fn has_content(&self) -> bool {
        self.error.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_json_is_content_and_an_error_is_an_error() {
        for (body, is_error) in [
            ("[]", false),
            ("{}", false),
            (r#"{"data": [{"id": "m"}]}"#, false),
            (r#"{"error": null}"#, false),
            (r#"{"error": {"message": "busy"}}"#, true),
        ] {
            let response = AnyResponse::from_slice(body.as_bytes()).unwrap();
            assert_eq!(response.error().is_some(), is_error, "{body}");
            assert_eq!(response.has_content(), !is_error, "{body}");
        }
        let response = AnyResponse::from_slice(b"[1]").unwrap();
        assert_eq!(response.into_value(), json!([1]));
    }
}
