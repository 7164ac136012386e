use serde_json::{Value, json};

use crate::ParseError;
use crate::open_enum::open_enum;
use crate::wire::{Piece, by_value_type, object};

object! {
    /// A tool the model may call.
    ///
    /// ```
    /// use atoma_types::ChatCompletionToolsParam;
    /// use serde_json::json;
    ///
    /// let tool = ChatCompletionToolsParam::function("get_weather")
    ///     .description("The weather of a city")
    ///     .parameters(json!({"type": "object", "properties": {"city": {"type": "string"}}}));
    /// assert_eq!(tool.function.name, "get_weather");
    /// ```
    pub struct ChatCompletionToolsParam {
        /// What the tool is: a function.
        pub kind: ToolKind = "type",
        /// The function.
        pub function: FunctionDefinition as WhenSet,
    }
}

object! {
    /// A function the model may call: its name, and what it takes.
    pub struct FunctionDefinition {
        /// Its name: letters, digits, underscores and dashes, at most 64 of them.
        pub name: String,
        /// What it does, told to the model.
        pub description: Option<String>,
        /// What it takes, as a JSON Schema of an object. Absent: nothing.
        pub parameters: Option<Value>,
        /// Whether the arguments must fit the schema exactly. The server's default is false.
        pub strict: Option<bool>,
    }
}

object! {
    /// A call the model wants made. Answer it with [`crate::ChatCompletionMessage::tool`].
    pub struct ToolCall {
        /// The name of this call, to be given back with its result.
        pub id: String,
        /// What is called: a function.
        pub kind: ToolKind = "type",
        /// The function and its arguments.
        pub function: FunctionCall as WhenSet,
    }
}

object! {
    /// A function and the arguments to call it with.
    pub struct FunctionCall {
        /// The function's name.
        pub name: String,
        /// The arguments, as JSON text the model wrote: it may be broken, or not fit the schema. See
        /// [`ToolCall::arguments_json`].
        pub arguments: String as JsonText,
    }
}

object! {
    /// A fragment of a call, in a stream. Only `index` is dependable: servers send the rest in the first fragment of a call.
    pub struct ToolCallDelta {
        /// Which call of the choice the fragment belongs to.
        pub index: Option<i64>,
        /// The name of the call.
        pub id: Option<String>,
        /// What is called: a function.
        pub kind: Option<ToolKind> = "type",
        /// The fragment.
        pub function: FunctionCallDelta as WhenSet,
    }
}

object! {
    /// A fragment of a function's name and arguments.
    pub struct FunctionCallDelta {
        /// The function's name.
        pub name: Option<String>,
        /// The next piece of the arguments' JSON text.
        pub arguments: Option<String> as JsonText,
    }
}

open_enum! {
    /// What a tool is. Absent on the wire means [`ToolKind::Function`].
    pub enum ToolKind = Function {
        /// A function of the caller.
        Function = "function",
    }
}

/// Whether the model calls tools, and which.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum ToolChoice {
    /// It calls none. The server's default without tools.
    None,
    /// It decides. The server's default with tools.
    #[default]
    Auto,
    /// It calls at least one.
    Required,
    /// It calls the function of this name.
    Function(String),
    /// Any other choice; written as it is.
    Other(Value),
}

impl ChatCompletionToolsParam {
    /// A function of this name: letters, digits, underscores and dashes, at most 64 of them.
    pub fn function(name: impl Into<String>) -> Self {
        let function = FunctionDefinition { name: name.into(), ..FunctionDefinition::default() };
        Self { function, ..Self::default() }
    }

    /// What the function does, told to the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.function.description = Some(description.into());
        self
    }

    /// What the function takes, as a JSON Schema of an object.
    #[must_use]
    pub fn parameters(mut self, parameters: Value) -> Self {
        self.function.parameters = Some(parameters);
        self
    }

    /// Whether the arguments must fit the schema exactly. The server's default is false.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.function.strict = Some(strict);
        self
    }
}

impl ToolCall {
    /// A call of a function, with its arguments as JSON text.
    pub fn function(
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        let function = FunctionCall {
            name: name.into(),
            arguments: arguments.into(),
            ..FunctionCall::default()
        };
        Self { id: id.into(), function, ..Self::default() }
    }

    /// The arguments as a JSON value. No text at all is an empty object, as models write it for functions that take nothing.
    ///
    /// # Errors
    ///
    /// The text is no JSON: models write it, and may write it wrong or be cut off.
    ///
    /// ```
    /// use atoma_types::ToolCall;
    ///
    /// let call = ToolCall::function("call_0", "get_weather", r#"{"city": "Paris"}"#);
    /// assert_eq!(call.arguments_json()?["city"], "Paris");
    /// # Ok::<(), atoma_types::ParseError>(())
    /// ```
    pub fn arguments_json(&self) -> Result<Value, ParseError> {
        if self.function.arguments.trim_ascii().is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_str(&self.function.arguments).map_err(ParseError::new)
    }
}

impl ToolChoice {
    /// The function of this name must be called.
    pub fn function(name: impl Into<String>) -> Self {
        Self::Function(name.into())
    }

    fn read_value(value: Value) -> Result<Self, Value> {
        let named_function = || value.pointer("/function/name").and_then(Value::as_str);
        Ok(match value.as_str() {
            Some("none") => Self::None,
            Some("auto") => Self::Auto,
            Some("required") => Self::Required,
            _ => match named_function() {
                Some(name) if value == named(name) => Self::Function(name.to_owned()),
                _ => Self::Other(value),
            },
        })
    }

    fn piece(&self) -> Piece<'_> {
        match self {
            Self::None => Piece::Text("none"),
            Self::Auto => Piece::Text("auto"),
            Self::Required => Piece::Text("required"),
            Self::Function(name) => Piece::Owned(named(name)),
            Self::Other(value) => Piece::Value(value),
        }
    }
}

fn named(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

by_value_type!(ToolChoice, "a tool choice");

#[cfg(test)]
mod tests {
    use serde_json::{from_value, to_value};

    use super::*;

    #[test]
    fn each_choice_is_written_as_the_reference_says_and_read_back() {
        let cases = [
            (ToolChoice::None, json!("none")),
            (ToolChoice::Auto, json!("auto")),
            (ToolChoice::Required, json!("required")),
            (ToolChoice::function("f"), json!({"type": "function", "function": {"name": "f"}})),
            (ToolChoice::Other(json!({"type": "allowed_tools"})), json!({"type": "allowed_tools"})),
        ];
        for (choice, wire) in cases {
            assert_eq!(to_value(&choice).unwrap(), wire);
            assert_eq!(from_value::<ToolChoice>(wire).unwrap(), choice);
        }
    }

    #[test]
    fn arguments_may_come_as_an_object_or_be_broken() {
        let call: ToolCall = from_value(
            json!({"id": 7, "type": null, "function": {"name": "f", "arguments": {"a": 1}}}),
        )
        .unwrap();
        assert_eq!(call, ToolCall::function("7", "f", r#"{"a":1}"#));
        assert_eq!(ToolCall::function("", "f", " ").arguments_json().unwrap(), json!({}));
        assert!(ToolCall::function("", "f", "{\"a\":").arguments_json().is_err());
    }
}
