use crate::{
    json,
    wire::{Piece, Tagged, by_value_type, object},
};
use serde_json::{Value, json};

/// The format of the output.
///
/// ```
/// use atoma_types::ResponseFormat;
/// use serde_json::json;
///
/// let format = ResponseFormat::json_schema("city", json!({"type": "object"}));
/// let ResponseFormat::JsonSchema(schema) = &format else { unreachable!() };
/// assert_eq!(schema.name, "city");
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Text, the default.
    #[default]
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON that conforms to a schema.
    JsonSchema(JsonSchemaFormat),
    /// Any other format, such as a grammar; written unchanged.
    Other(Value),
}

object! {
    /// A schema that the output must conform to.
    pub struct JsonSchemaFormat {
        /// The name of the format: 1 to 64 letters, digits, underscores or dashes.
        pub name: String,
        /// A description of the format, for the model.
        pub description: Option<String>,
        /// The JSON Schema.
        pub schema: Option<Value>,
        /// Whether the output must conform exactly. The server's default is false.
        pub strict: Option<bool>,
    }
}

impl ResponseFormat {
    /// Returns the format of JSON that conforms to `schema`. For a description or strictness, use a [`JsonSchemaFormat`].
    pub fn json_schema(name: impl Into<String>, schema: Value) -> Self {
        Self::JsonSchema(JsonSchemaFormat::new(name, schema))
    }

    fn read_value(value: Value) -> Result<Self, Value> {
        let members = value.as_object().map_or(0, serde_json::Map::len);
        Ok(match (value.get("type").and_then(Value::as_str), members) {
            (Some("text"), 1) => Self::Text,
            (Some("json_object"), 1) => Self::JsonObject,
            (Some("json_schema"), 2) => {
                match value.get("json_schema").and_then(json::object_from_value) {
                    Some(schema) => Self::JsonSchema(schema),
                    None => Self::Other(value),
                }
            }
            _ => Self::Other(value),
        })
    }

    fn piece(&self) -> Piece<'_> {
        match self {
            Self::Text => Piece::Owned(json!({"type": "text"})),
            Self::JsonObject => Piece::Owned(json!({"type": "json_object"})),
            Self::JsonSchema(schema) => Piece::Tagged(Box::new(Tagged {
                kind: "json_schema",
                name: "json_schema",
                value: Piece::Object(schema),
                extra: None,
            })),
            Self::Other(value) => Piece::Value(value),
        }
    }
}

impl JsonSchemaFormat {
    /// Returns a format with this name and schema.
    pub fn new(name: impl Into<String>, schema: Value) -> Self {
        Self { name: name.into(), schema: Some(schema), ..Self::default() }
    }

    /// A description of the format, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets whether the output must conform exactly. The server's default is false.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = Some(strict);
        self
    }
}

impl From<JsonSchemaFormat> for ResponseFormat {
    fn from(schema: JsonSchemaFormat) -> Self {
        Self::JsonSchema(schema)
    }
}

by_value_type!(ResponseFormat, "a response format");

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, to_value};

    #[test]
    fn each_form_is_written_as_the_reference_says_and_read_back() {
        let strict = JsonSchemaFormat::new("city", json!({"type": "object"}))
            .description("A city")
            .strict(true);
        let cases = [
            (ResponseFormat::Text, json!({"type": "text"})),
            (ResponseFormat::JsonObject, json!({"type": "json_object"})),
            (
                strict.into(),
                json!({"type": "json_schema", "json_schema": {
                    "name": "city", "description": "A city", "schema": {"type": "object"}, "strict": true}}),
            ),
            (
                ResponseFormat::Other(json!({"type": "regex", "value": "a+"})),
                json!({"type": "regex", "value": "a+"}),
            ),
        ];
        for (format, wire) in cases {
            assert_eq!(to_value(&format).unwrap(), wire);
            assert_eq!(from_value::<ResponseFormat>(wire).unwrap(), format);
        }
    }

    #[test]
    fn a_known_form_with_unknown_members_is_kept_whole() {
        let wire = json!({"type": "json_object", "schema": {"type": "object"}});
        let format: ResponseFormat = from_value(wire.clone()).unwrap();
        assert_eq!(format, ResponseFormat::Other(wire));
    }
}
