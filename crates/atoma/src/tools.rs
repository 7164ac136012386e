//! Functions that a model may call.

use atoma_types::{ChatCompletionToolsParam, ToolCall};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// A function that a model may call; [`Chat::run_tools`](crate::Chat::run_tools) calls it.
///
/// The function takes a type that reads the arguments, and returns the result: a value that is
/// written as JSON, where a string is sent without quotes. An error is sent to the model as well.
///
#[cfg_attr(feature = "schemars", doc = "```")]
#[cfg_attr(not(feature = "schemars"), doc = "```ignore")]
/// use atoma::Tool;
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct WeatherArgs {
///     /// The name of the city
///     city: String,
/// }
///
/// let tool = Tool::new("get_weather", "The weather of a city", async |args: WeatherArgs| {
///     if args.city.is_empty() {
///         return Err("the city is empty".into());
///     }
///     Ok(format!("22 °C and sunny in {}", args.city))
/// });
/// ```
///
/// Cloning it is cheap.
#[derive(Clone)]
pub struct Tool {
    definition: ChatCompletionToolsParam,
    function: Arc<Function>,
}

type Function = dyn Fn(&ToolCall) -> Result<ToolFuture, serde_json::Error> + Send + Sync;

/// The result of a tool, as the text that the model receives.
pub(crate) type ToolFuture = Pin<Box<dyn Future<Output = Result<String, ToolError>> + Send>>;

impl Tool {
    /// Makes a tool whose parameters are the JSON Schema of `A`.
    ///
    /// Documentation comments of the fields become descriptions, which the model reads. `name` has 1
    /// to 64 letters, digits, underscores or dashes.
    #[cfg(feature = "schemars")]
    #[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
    pub fn new<A, R, F, Fut>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: F,
    ) -> Self
    where
        A: DeserializeOwned + schemars::JsonSchema,
        R: Serialize,
        F: Fn(A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    {
        Self::with_schema(name, description, crate::schema_of::schema_of::<A>(), function)
    }

    /// Makes a tool whose parameters have this JSON Schema, an object.
    ///
    /// ```
    /// use atoma::Tool;
    /// use serde_json::{Value, json};
    ///
    /// let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    /// let tool = Tool::with_schema("get_weather", "The weather of a city", schema, async |args: Value| {
    ///     Ok(json!({"city": args["city"], "degrees": 22}))
    /// });
    /// assert_eq!(tool.name(), "get_weather");
    /// ```
    pub fn with_schema<A, R, F, Fut>(
        name: impl Into<String>,
        description: impl Into<String>,
        schema: Value,
        function: F,
    ) -> Self
    where
        A: DeserializeOwned,
        R: Serialize,
        F: Fn(A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    {
        let definition =
            ChatCompletionToolsParam::function(name).description(description).parameters(schema);
        let function = move |call: &ToolCall| {
            let arguments = match call.function.arguments.trim_ascii() {
                "" => "{}",
                text => text,
            };
            let result = function(serde_json::from_str(arguments)?);
            let future: ToolFuture = Box::pin(async move { text_of(&result.await?) });
            Ok(future)
        };
        Self { definition, function: Arc::new(function) }
    }

    /// Returns the name of the function.
    pub fn name(&self) -> &str {
        &self.definition.function.name
    }

    /// Returns the definition that is sent with a request.
    pub fn definition(&self) -> &ChatCompletionToolsParam {
        &self.definition
    }

    /// Begins a call. The error names the reason why the arguments do not fit.
    pub(crate) fn call(&self, call: &ToolCall) -> Result<ToolFuture, serde_json::Error> {
        (self.function)(call)
    }
}

/// A string is sent without quotes.
fn text_of(result: &impl Serialize) -> Result<String, ToolError> {
    Ok(match serde_json::to_value(result)? {
        Value::String(text) => text,
        value => value.to_string(),
    })
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("definition", &self.definition).finish_non_exhaustive()
    }
}

/// The error of a tool. Its text is sent to the model.
///
/// Every error converts to it with `?`, and a text with `.into()`. Do not put secrets in it.
pub struct ToolError(Box<dyn std::error::Error + Send + Sync>);

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
