//! The output of a model that does not exist: deterministic, and recognizable in a test.
//!
//! Without a script the mock responds to the request itself, so that an application can be tried by hand:
//!
//! ```text
//! tools the user mentions, or that are required   calls of them, with arguments that fit their schemas
//! response_format                                 an instance of the schema, or an object
//! a tool's result, or an image                    a sentence about it
//! "count to five"                                 1, 2, 3, 4, 5.
//! anything else                                   an echo, with the user's message before it
//! ```
use crate::schema;
use serde_json::{Value, json};

/// A model's output, before it is split into tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Output {
    /// The text before the output proper; `None` for a model without reasoning.
    pub(crate) reasoning: Option<String>,
    /// The content of the message.
    pub(crate) text: String,
    /// The calls of the message, in order.
    pub(crate) tool_calls: Vec<FunctionCall>,
    /// Replaces the reason that follows from the rest.
    pub(crate) finish_reason: Option<String>,
}

/// One call of a function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FunctionCall {
    pub(crate) name: String,
    /// Normally JSON.
    pub(crate) arguments: String,
}

/// Returns the output for a chat request without a script.
pub(crate) fn chat(request: &Value) -> Output {
    let question = last_user_text(request);
    let reasoning = request["reasoning_effort"]
        .is_string()
        .then(|| format!("The user says: {}. I respond to that.", excerpt(&question)));
    let tool_calls = tool_calls(request, &question);
    let text = if tool_calls.is_empty() { text(request, &question) } else { String::new() };
    Output { reasoning, text, tool_calls, finish_reason: None }
}

/// Returns the output for one prompt of a completions request without a script.
pub(crate) fn completion(prompt: &str) -> Output {
    let request = json!({"messages": [{"role": "user", "content": prompt}]});
    Output { text: text(&request, prompt), ..Output::default() }
}

/// Returns the text of a message: its text parts, joined.
pub(crate) fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

/// Returns the text of the message: by the requested format first, then by the kind of the last message.
fn text(request: &Value, question: &str) -> String {
    let last = messages(request).last().unwrap_or(&Value::Null);
    let format = &request["response_format"];
    match format["type"].as_str() {
        Some("json_schema") => {
            return schema::instance(&format["json_schema"]["schema"], question).to_string();
        }
        Some("json_object") => return json!({ "answer": excerpt(question) }).to_string(),
        _ => {}
    }
    if last["role"] == "tool" {
        return format!("The tool returned: {}", text_of(last));
    }
    if let Some(image) = image_url(request) {
        return format!("I see {}. You said: {}", describe(image), excerpt(question));
    }
    if let Some(end) = count_to(question) {
        let numbers: Vec<String> = (1..=end).map(|number| number.to_string()).collect();
        return format!("{}.", numbers.join(", "));
    }
    match excerpt(question) {
        nothing if nothing.is_empty() => "Hello! You did not say anything.".to_owned(),
        words => format!(
            "Hello! You said: {words}{} I am a mock of Atoma: I can echo, count to ten, call your \
             tools and fill your JSON schema.",
            before(request)
        ),
    }
}

/// Quotes the user's message of the turn before.
fn before(request: &Value) -> String {
    let mut turns = messages(request).iter().rev().filter(|message| message["role"] == "user");
    turns
        .nth(1)
        .map_or_else(String::new, |turn| format!(" (Before that: {})", excerpt(&text_of(turn))))
}

/// Returns the calls that a request asks for: the tool it names, or those that its user mentions.
fn tool_calls(request: &Value, question: &str) -> Vec<FunctionCall> {
    let choice = &request["tool_choice"];
    let has_result = messages(request).last().is_some_and(|last| last["role"] == "tool");
    let functions = request["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
    let mut functions: Vec<&Value> = functions.filter(|tool| tool["name"].is_string()).collect();
    let is_mentioned =
        |function: &Value| mentions(question, function["name"].as_str().unwrap_or(""));
    // A named tool is called even if the user does not mention it.
    if let Some(name) = choice["function"]["name"].as_str() {
        functions.retain(|function| function["name"] == name);
    } else if choice == "none" || (has_result && choice != "required") {
        functions.clear();
    } else if choice == "required" && !functions.iter().any(|function| is_mentioned(function)) {
        functions.truncate(1);
    } else {
        functions.retain(|function| is_mentioned(function));
    }
    // The other calls would come in the next round.
    if request["parallel_tool_calls"] == false {
        functions.truncate(1);
    }
    functions.into_iter().map(|function| call(function, question)).collect()
}

/// Returns a call with arguments that fit the function's schema, made of words of the question.
fn call(function: &Value, question: &str) -> FunctionCall {
    let arguments = match function.get("parameters") {
        Some(schema) if schema.is_object() => schema::instance(schema, question).to_string(),
        _ => "{}".to_owned(),
    };
    FunctionCall { name: function["name"].as_str().unwrap_or("").to_owned(), arguments }
}

/// Whether a text mentions a tool: by its name, or by a word of the name that is longer than three letters
/// ("weather" for `get_weather`).
fn mentions(text: &str, name: &str) -> bool {
    let text = text.to_lowercase();
    let name = name.to_lowercase();
    let words: Vec<&str> = text.split(|character: char| !character.is_alphanumeric()).collect();
    text.contains(&name)
        || name.split(['_', '-', '.']).any(|part| part.len() > 3 && words.contains(&part))
}

/// The number of "count to ten" or "count to 10", at most 1,000.
fn count_to(text: &str) -> Option<u32> {
    const WORDS: [&str; 10] =
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let text = text.to_lowercase();
    let (_, rest) = text.split_once("count")?;
    let word = rest.split_whitespace().skip_while(|word| *word != "to").nth(1)?;
    let word = word.trim_matches(|character: char| !character.is_alphanumeric());
    let spelled = WORDS.iter().position(|spelled| *spelled == word).map(|place| place as u32 + 1);
    spelled.or_else(|| word.parse().ok()).map(|end: u32| end.clamp(1, 1000))
}

/// Describes an image by its kind and size, or by its address.
fn describe(url: &str) -> String {
    match url.strip_prefix("data:").and_then(|data| data.split_once(',')) {
        Some((kind, data)) => {
            let kind = kind.split(';').next().unwrap_or("");
            format!("an image ({kind}, {} bytes)", data.trim_end_matches('=').len() * 3 / 4)
        }
        None => format!("an image ({url})"),
    }
}

/// The image of the last user message.
fn image_url(request: &Value) -> Option<&str> {
    last_user(request)["content"]
        .as_array()?
        .iter()
        .find_map(|part| part["image_url"]["url"].as_str().or(part["image_url"].as_str()))
}

/// The text of the last user message.
fn last_user_text(request: &Value) -> String {
    text_of(last_user(request))
}

/// The last user message, or null.
fn last_user(request: &Value) -> &Value {
    let user = |message: &&Value| message["role"] == "user";
    messages(request).iter().rfind(user).unwrap_or(&Value::Null)
}

/// The messages of a request; none if it has no list of them.
pub(crate) fn messages(request: &Value) -> &[Value] {
    request["messages"].as_array().map_or(&[], Vec::as_slice)
}

/// Returns the first 40 words of a text.
fn excerpt(text: &str) -> String {
    const WORDS: usize = 40;
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > WORDS {
        words.truncate(WORDS);
        words.push("…");
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Value {
        json!({"messages": [{"role": "user", "content": text}]})
    }

    fn with_tools(text: &str, more: &Value) -> Value {
        let mut request = asked(text);
        request["tools"] = json!([
            {"type": "function", "function": {"name": "get_weather", "parameters": {
                "type": "object", "properties": {"city": {"type": "string"}}}}},
            {"type": "function", "function": {"name": "current_time"}},
        ]);
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        request
    }

    #[test]
    fn it_counts() {
        for (text, wanted) in [
            ("Count to 3", "1, 2, 3."),
            ("please count up to three!", "1, 2, 3."),
            ("count to 0", "1."),
        ] {
            assert_eq!(chat(&asked(text)).text, wanted);
        }
        assert_eq!(count_to("count to 99999"), Some(1000));
        assert_eq!(count_to("count the stars"), None);
    }

    #[test]
    fn it_echoes_the_last_user_message() {
        let mut request = asked("first");
        request["messages"].as_array_mut().unwrap().extend([
            json!({"role": "assistant", "content": "x"}),
            json!({"role": "user", "content": [{"type": "text", "text": "second"}]}),
        ]);
        assert!(chat(&request).text.starts_with("Hello! You said: second (Before that: first) I"));
        assert_eq!(chat(&asked("")).text, "Hello! You did not say anything.");
    }

    #[test]
    fn it_calls_the_requested_tool() {
        let names = |text: &str, more: Value| -> Vec<String> {
            chat(&with_tools(text, &more)).tool_calls.into_iter().map(|call| call.name).collect()
        };
        let none: [&str; 0] = [];
        assert_eq!(names("What is the weather in Rome?", json!({})), ["get_weather"]);
        assert_eq!(names("hello", json!({})), none);
        assert_eq!(names("hello", json!({"tool_choice": "required"})), ["get_weather"]);
        assert_eq!(names("weather", json!({"tool_choice": "none"})), none);
        let named =
            json!({"tool_choice": {"type": "function", "function": {"name": "current_time"}}});
        assert_eq!(names("weather", named), ["current_time"]);
        assert_eq!(names("weather and time", json!({})), ["get_weather", "current_time"]);
        let single = json!({"parallel_tool_calls": false});
        assert_eq!(names("weather and time", single), ["get_weather"]);
    }

    #[test]
    fn arguments_follow_the_schema() {
        let output = chat(&with_tools("What is the weather in Rome?", &json!({})));
        assert_eq!(output.tool_calls[0].arguments, r#"{"city":"Rome"}"#);
        assert_eq!(output.text, "");
    }

    #[test]
    fn it_uses_the_result_of_a_tool() {
        let mut request = with_tools("weather?", &json!({}));
        request["messages"]
            .as_array_mut()
            .unwrap()
            .push(json!({"role": "tool", "content": "18 degrees", "tool_call_id": "1"}));
        assert_eq!(chat(&request).text, "The tool returned: 18 degrees");
    }

    #[test]
    fn it_fills_a_schema() {
        let mut request = asked("Tell me about Ada");
        request["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "person",
            "schema": {"type": "object", "properties": {"name": {"type": "string"}}}}});
        assert_eq!(chat(&request).text, r#"{"name":"Ada"}"#);
        request["response_format"] = json!({"type": "json_object"});
        assert_eq!(chat(&request).text, r#"{"answer":"Tell me about Ada"}"#);
    }

    #[test]
    fn it_describes_an_image() {
        let request = json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]}]});
        assert_eq!(
            chat(&request).text,
            "I see an image (image/png, 3 bytes). You said: What is this?"
        );
    }

    #[test]
    fn it_reasons_on_request() {
        let mut request = asked("hi");
        assert_eq!(chat(&request).reasoning, None);
        request["reasoning_effort"] = json!("low");
        assert!(chat(&request).reasoning.unwrap().contains("hi"));
    }
}
