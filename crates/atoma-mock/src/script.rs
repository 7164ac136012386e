//! Scripts: a JSON list of responses, for tests in other languages.

use crate::response::Response;
use serde_json::{Map, Value};
use std::{fmt, time::Duration};

/// The reason why a script cannot be used.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidScript(String);

impl fmt::Display for InvalidScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The line; the field under `{:#?}`.
impl fmt::Debug for InvalidScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_tuple("InvalidScript").field(&self.0).finish();
        }
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for InvalidScript {}

impl Response {
    /// Reads a script: a JSON list of responses, each an object with one member for the content,
    /// and others that change its delivery.
    ///
    /// | content | |
    /// | --- | --- |
    /// | `"text": "…"` | a completion; with `"reasoning": "…"` before it |
    /// | `"tool_call": {"name": "…", "arguments": {…}}` | a call of a tool |
    /// | `"error": {"status": 429, "code": "…", "message": "…"}` | the proxy's error response |
    /// | `"json": {"status": 200, "body": …}` | any JSON |
    /// | `"events": ["…", …]` | an event stream, an event each |
    /// | `"raw": {"status": 200, "content_type": "…", "body": "…"}` | any body |
    ///
    /// | how | |
    /// | --- | --- |
    /// | `on` | only for paths that end so |
    /// | `headers` | an object of header names and values |
    /// | `finish_reason` | the finish reason |
    /// | `truncate_after_events`, `reset_after_events`, `stall_after_events`, `only_keep_alive_after` | a fault, after this many events |
    /// | `delay_head_ms`, `delay_first_event_ms`, `event_interval_ms` | pauses in milliseconds |
    /// | `chunk_size` | the size of HTTP chunks in bytes |
    /// | `never_respond`, `no_keep_alive`, `without_usage`, `usage_in_every_chunk`, `without_finish_reason`, `unsigned` | `true` |
    ///
    /// ```
    /// use atoma_mock::Response;
    ///
    /// let responses = Response::script(
    ///     r#"[{"error": {"status": 503, "code": "SERVICE_UNAVAILABLE", "message": "Service unavailable"}},
    ///         {"text": "Hello.", "truncate_after_events": 1}]"#,
    /// )?;
    /// assert_eq!(responses.len(), 2);
    /// # Ok::<(), atoma_mock::InvalidScript>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The text is not a JSON list (the error names the line), or a response in it is not of this form (the error names
    /// its number, counted from 1, and the member).
    pub fn script(json: &str) -> Result<Vec<Self>, InvalidScript> {
        let list: Vec<Map<String, Value>> = serde_json::from_str(json)
            .map_err(|error| InvalidScript(format!("not a JSON list of objects: {error}")))?;
        let responses = list.iter().enumerate().map(|(index, members)| {
            read(members).map_err(|why| InvalidScript(format!("response {}: {why}", index + 1)))
        });
        responses.collect()
    }
}

fn read(members: &Map<String, Value>) -> Result<Response, String> {
    let contents = ["text", "tool_call", "error", "json", "events", "raw"];
    let mut found = contents.iter().filter(|name| members.contains_key(**name));
    let (content, None) = (found.next(), found.next()) else {
        return Err(format!("only one of {} can be sent", contents.join(", ")));
    };
    let response = match content {
        None => Response::default(),
        Some(name) => content_of(name, &members[*name], members)?,
    };
    let changes = members.iter().filter(|(name, _)| !contents.contains(&name.as_str()));
    changes
        .filter(|(name, _)| *name != "reasoning")
        .try_fold(response, |response, (name, value)| change(response, name, value))
}

fn content_of(name: &str, value: &Value, members: &Map<String, Value>) -> Result<Response, String> {
    let member = |member: &str| value.get(member).ok_or_else(|| format!("{name} has no {member}"));
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(format!("{name} must be text")),
    };
    let status = || {
        let status = value.get("status").map_or(Some(200), Value::as_u64);
        let status = status.filter(|status| (100..=999).contains(status));
        status
            .and_then(|status| u16::try_from(status).ok())
            .ok_or(format!("{name} has no valid status"))
    };
    Ok(match name {
        "text" => match members.get("reasoning") {
            Some(Value::String(reasoning)) => Response::reasoning(reasoning, text(value)?),
            Some(_) => return Err("reasoning must be text".to_owned()),
            None => Response::text(text(value)?),
        },
        "tool_call" => Response::tool_call(text(member("name")?)?, member("arguments")?.clone()),
        "error" => Response::error(status()?, text(member("code")?)?, text(member("message")?)?),
        "json" => Response::json(status()?, member("body")?.clone()),
        "raw" => Response::raw(status()?, &text(member("content_type")?)?, text(member("body")?)?),
        _ => {
            let events = value.as_array().ok_or("events must be a list")?;
            let event = |event: &Value| match event {
                Value::String(text) => text.clone(),
                json => json.to_string(),
            };
            Response::events(events.iter().map(event))
        }
    })
}

fn change(response: Response, name: &str, value: &Value) -> Result<Response, String> {
    let number = || {
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| format!("{name} must be a number from 0"))
    };
    let pause = || number().map(|pause| Duration::from_millis(pause as u64));
    let text = || value.as_str().ok_or_else(|| format!("{name} must be text"));
    let set = |set: fn(Response) -> Response, response| match value {
        Value::Bool(true) => Ok(set(response)),
        Value::Bool(false) => Ok(response),
        _ => Err(format!("{name} must be true or false")),
    };
    Ok(match name {
        "on" => response.on(text()?),
        "finish_reason" => response.finish_reason(text()?),
        "truncate_after_events" => response.truncate_after_events(number()?),
        "reset_after_events" => response.reset_after_events(number()?),
        "stall_after_events" => response.stall_after_events(number()?),
        "only_keep_alive_after" => response.only_keep_alive_after(number()?),
        "chunk_size" => response.chunk_size(number()?.max(1)),
        "delay_head_ms" => response.delay_head(pause()?),
        "delay_first_event_ms" => response.delay_first_event(pause()?),
        "event_interval_ms" => response.event_interval(pause()?),
        "never_respond" => set(Response::never_respond, response)?,
        "no_keep_alive" => set(Response::no_keep_alive, response)?,
        "without_usage" => set(Response::without_usage, response)?,
        "usage_in_every_chunk" => set(Response::usage_in_every_chunk, response)?,
        "without_finish_reason" => set(Response::without_finish_reason, response)?,
        "unsigned" => set(Response::unsigned, response)?,
        "headers" => {
            let headers = value.as_object().ok_or("headers must be an object")?;
            headers.iter().try_fold(response, |response, (name, value)| {
                let is_valid = name.parse::<http::HeaderName>().is_ok();
                let value = value
                    .as_str()
                    .filter(|value| is_valid && http::HeaderValue::from_str(value).is_ok());
                value
                    .map(|value| response.header(name, value))
                    .ok_or(format!("invalid header {name}"))
            })?
        }
        other => return Err(format!("unknown member {other}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_read() {
        let script = r#"[
            {"text": "a", "reasoning": "b", "finish_reason": "length", "on": "/chat/completions"},
            {"tool_call": {"name": "f", "arguments": {"x": 1}}, "truncate_after_events": 2, "chunk_size": 7},
            {"error": {"status": 429, "code": "C", "message": "m"}, "headers": {"retry-after": "1"}},
            {"json": {"body": {"a": 1}}, "delay_head_ms": 1, "no_keep_alive": true, "unsigned": false},
            {"events": ["{}", {"a": 1}], "stall_after_events": 1, "event_interval_ms": 2, "delay_first_event_ms": 3},
            {"raw": {"status": 502, "content_type": "text/html", "body": "<html>"}, "without_usage": true},
            {"never_respond": true, "usage_in_every_chunk": true, "without_finish_reason": true},
            {"reset_after_events": 1}, {"only_keep_alive_after": 1}, {}
        ]"#;
        assert_eq!(Response::script(script).unwrap().len(), 10);
    }

    #[test]
    fn the_example_of_the_readme_is_a_script() {
        let script = Response::script(include_str!("../script.json")).unwrap();
        assert_eq!(script.len(), 11);
    }

    #[test]
    fn a_flaw_is_named_with_its_place() {
        for (script, words) in [
            ("[\n{]", "line 2"),
            ("{}", "not a JSON list"),
            (r#"[{}, {"txt": "a"}]"#, "response 2: unknown member txt"),
            (r#"[{"text": 1}]"#, "response 1: text must be text"),
            (r#"[{"text": "a", "json": {"body": 1}}]"#, "only one of"),
            (r#"[{"error": {"status": 429}}]"#, "error has no code"),
            (r#"[{"error": {"status": 9, "code": "", "message": ""}}]"#, "no valid status"),
            (r#"[{"json": {"status": 200}}]"#, "json has no body"),
            (r#"[{"chunk_size": -1}]"#, "chunk_size must be a number"),
            (r#"[{"unsigned": 1}]"#, "unsigned must be true or false"),
            (r#"[{"headers": {"a b": "c"}}]"#, "invalid header a b"),
        ] {
            let invalid = Response::script(script).unwrap_err();
            let error = invalid.to_string();
            assert!(error.contains(words), "{script}: {error}");
            assert_eq!(format!("{invalid:?}"), error);
            assert!(format!("{invalid:#?}").starts_with("InvalidScript("), "{invalid:#?}");
        }
    }
}
