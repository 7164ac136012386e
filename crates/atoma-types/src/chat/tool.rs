use crate::{
    Extra, ParseError,
    open_enum::open_enum,
    wire::{Piece, by_value_type, object, text_of},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

object! {
    /// A tool that the model may call.
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
    #[doc(alias("ChatCompletionTool", "ChatCompletionTools", "ChatCompletionToolParam"))]
    pub struct ChatCompletionToolsParam {
        /// The kind of tool: a function.
        pub kind: ToolKind = "type",
        /// The function.
        pub function: FunctionDefinition as WhenSet,
    }
}

object! {
    /// A function that the model may call.
    #[doc(alias = "FunctionObject")]
    pub struct FunctionDefinition {
        /// The name: 1 to 64 letters, digits, underscores or dashes.
        pub name: String,
        /// A description of the function, for the model.
        pub description: Option<String>,
        /// The parameters, as a JSON Schema of an object. `None` means no parameters.
        pub parameters: Option<Value>,
        /// Whether the arguments must conform to the schema exactly. The server's default is false.
        pub strict: Option<bool>,
    }
}

object! {
    /// A tool call of the model. Send its result with [`crate::ChatCompletionMessage::tool`].
    #[doc(alias("ChatCompletionMessageToolCall", "ChatCompletionMessageToolCalls"))]
    pub struct ToolCall => after_reading {
        /// The id of the call, to be sent with its result.
        pub id: String,
        /// The kind of tool: a function.
        pub kind: ToolKind = "type",
        /// The function and its arguments. Empty in calls of other kinds.
        pub function: FunctionCall as WhenSet,
    }
}

object! {
    /// A function and the arguments to call it with.
    pub struct FunctionCall {
        /// The function's name.
        pub name: String,
        /// The arguments, as JSON text that the model wrote: it may be invalid, or not conform to the schema. See
        /// [`ToolCall::arguments_json`].
        pub arguments: String as JsonText = "arguments" | "parameters",
    }
}

object! {
    /// A fragment of a call, in a stream. Only `index` is dependable: servers send the rest in the first fragment of a call.
    pub struct ToolCallDelta => after_reading {
        /// The position of the call among those of the choice.
        pub index: Option<i64>,
        /// The id of the call.
        pub id: Option<String>,
        /// The kind of tool: a function.
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
        pub arguments: Option<String> as JsonText = "arguments" | "parameters",
    }
}

open_enum! {
    /// The kind of a tool. Absent on the wire means [`ToolKind::Function`].
    pub enum ToolKind = Function {
        /// A function of the caller.
        Function = "function",
    }
}

/// Whether the model calls tools, and which ones.
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
    /// Returns a function with this name: 1 to 64 letters, digits, underscores or dashes.
    pub fn function(name: impl Into<String>) -> Self {
        let function = FunctionDefinition { name: name.into(), ..FunctionDefinition::default() };
        Self { function, ..Self::default() }
    }

    /// Sets the description of the function, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.function.description = Some(description.into());
        self
    }

    /// Sets the parameters, as a JSON Schema of an object.
    #[must_use]
    pub fn parameters(mut self, parameters: Value) -> Self {
        self.function.parameters = Some(parameters);
        self
    }

    /// Sets whether the arguments must conform to the schema exactly. The server's default is false.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.function.strict = Some(strict);
        self
    }
}

/// Takes a member out of a call that has its name and arguments next to `id`, not inside `function`.
fn take_flat(extra: &mut Extra, name: &str) -> Option<String> {
    let text = match extra.get(name)? {
        Value::String(text) => text.clone(),
        value @ Value::Object(_) if name == "arguments" => text_of(value),
        _ => return None,
    };
    extra.remove(name);
    Some(text)
}

impl ToolCallDelta {
    fn after_reading(&mut self, _has: &dyn Fn(&str) -> bool) {
        let is_function = self.kind.as_ref().is_none_or(|kind| *kind == ToolKind::Function);
        let is_flat = !self.extra.is_empty() && !self.extra.contains("function");
        if is_function && is_flat && self.function == FunctionCallDelta::default() {
            self.function.name = take_flat(&mut self.extra, "name");
            self.function.arguments = take_flat(&mut self.extra, "arguments");
        }
    }
}

impl ToolCall {
    fn after_reading(&mut self, _has: &dyn Fn(&str) -> bool) {
        let is_function = self.kind == ToolKind::Function;
        let is_flat = !self.extra.is_empty() && !self.extra.contains("function");
        if is_function && is_flat && self.function == FunctionCall::default() {
            self.function.name = take_flat(&mut self.extra, "name").unwrap_or_default();
            self.function.arguments = take_flat(&mut self.extra, "arguments").unwrap_or_default();
        }
    }

    /// Returns a call of a function, with its arguments as JSON text.
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

    /// The name of the function.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.function.name
    }

    /// Reads the arguments as a type. No text at all is an empty object.
    ///
    /// # Errors
    ///
    /// The text is not JSON, or does not fit the type: the model may have written it wrong, or may have been stopped.
    ///
    /// ```
    /// use atoma_types::ToolCall;
    ///
    /// type Place = std::collections::HashMap<String, String>; // or a struct that derives `Deserialize`
    ///
    /// let call = ToolCall::function("call_0", "get_weather", r#"{"city": "Paris"}"#);
    /// assert_eq!(call.name(), "get_weather");
    /// assert_eq!(call.arguments::<Place>()?["city"], "Paris");
    /// # Ok::<(), atoma_types::ParseError>(())
    /// ```
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        serde_json::from_str(self.arguments_text()).map_err(ParseError::new)
    }

    fn arguments_text(&self) -> &str {
        let text = self.function.arguments.trim_ascii();
        if text.is_empty() { "{}" } else { text }
    }

    /// Returns the arguments as a JSON value. No text is an empty object, as models write it for functions without parameters.
    ///
    /// # Errors
    ///
    /// The text is not JSON: the model may have written it wrong, or may have been stopped.
    ///
    /// ```
    /// use atoma_types::ToolCall;
    ///
    /// let call = ToolCall::function("call_0", "get_weather", r#"{"city": "Paris"}"#);
    /// assert_eq!(call.arguments_json()?["city"], "Paris");
    /// # Ok::<(), atoma_types::ParseError>(())
    /// ```
    pub fn arguments_json(&self) -> Result<Value, ParseError> {
        self.arguments()
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

/// `none`, `auto` or `required`. Any other text is written unchanged; for a function, see [`ToolChoice::function`].
impl From<&str> for ToolChoice {
    fn from(choice: &str) -> Self {
        Self::read_value(choice.into()).unwrap_or_default()
    }
}

impl From<String> for ToolChoice {
    fn from(choice: String) -> Self {
        choice.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, to_value};

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

    #[test]
    fn arguments_are_read_as_a_type_or_the_error_says_where() {
        type Numbers = std::collections::BTreeMap<String, u8>;
        let read = |text: &str| ToolCall::function("", "f", text).arguments::<Numbers>();
        assert_eq!(read(r#"{"a": 1}"#).unwrap()["a"], 1);
        assert!(read("").unwrap().is_empty());
        for (text, error) in [
            (r#"{"a": "secret"}"#, "the JSON does not have the expected form, at line 1 column 14"),
            (r#"{"a": 1"#, "JSON ended unexpectedly at line 1 column 7"),
            (r#"{"a" 1}"#, "invalid JSON at line 1 column 6"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_choice_is_made_of_its_name() {
        for (name, choice) in [
            ("none", ToolChoice::None),
            ("auto", ToolChoice::Auto),
            ("required", ToolChoice::Required),
            ("any", ToolChoice::Other(json!("any"))),
        ] {
            assert_eq!(ToolChoice::from(name), choice);
        }
    }
}
