use super::*;
use atoma_types::ChatModel;

const CHUNK: &str = r#"{"choices":[{"index":0,"delta":{"content":"he"}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
const ERROR: &str = r#"{"error":{"message":"overloaded","code":"503"}}"#;

fn reader() -> EventReader<ChatModel> {
    EventReader::new(1, Inspection::default(), None, 1 << 20)
}

fn read(reader: &mut EventReader<ChatModel>, data: &str) -> Result<EventKind> {
    reader.read(&Event::new(data))
}

#[test]
fn the_values_of_an_event_are_read_one_at_a_time_up_to_its_end() {
    let mut reader = reader();
    assert_eq!(read(&mut reader, &CHUNK.repeat(3)).unwrap(), EventKind::Chunk);
    for chunks in 1..3 {
        assert!(reader.has_rest());
        assert_eq!(reader.progress().chunks, chunks);
        assert_eq!(reader.read_rest().unwrap(), EventKind::Chunk);
    }
    assert!(!reader.has_rest());
    assert_eq!(reader.progress().chunks, 3);
}

#[test]
fn an_error_drops_the_values_after_it_in_its_event() {
    let mut reader = reader();
    let data = [CHUNK, ERROR, CHUNK].concat();
    assert_eq!(read(&mut reader, &data).unwrap(), EventKind::Chunk);
    assert!(reader.has_rest());
    assert!(reader.read_rest().unwrap_err().is_api_error());
    assert!(!reader.has_rest(), "a chunk after the error would be read");
    assert_eq!(reader.progress().chunks, 1);
}

#[test]
fn an_error_as_the_first_value_of_an_event_keeps_no_rest() {
    let mut reader = reader();
    assert!(read(&mut reader, &[ERROR, CHUNK].concat()).unwrap_err().is_api_error());
    assert!(!reader.has_rest());
    assert_eq!(reader.progress().chunks, 0);
}

#[test]
fn a_failed_response_keeps_its_error_and_no_rest() {
    let mut reader = reader();
    read(&mut reader, &CHUNK.repeat(2)).unwrap();
    assert!(reader.failed().is_none() && reader.has_rest());
    assert_eq!(reader.partial().unwrap().text(), "he");
    let error = reader.fail(Error::response_too_large(7));
    assert!(!reader.has_rest(), "a chunk after the error would be read");
    let partial = error.partial().unwrap();
    assert_eq!(partial.text(), "he");
    assert_eq!(reader.failed().map(ToString::to_string), Some(error.to_string()));
    assert_eq!(reader.partial().as_ref(), Some(partial));
    assert_eq!(reader.usage().map(|usage| usage.total_tokens), Some(3));
}

#[test]
fn a_response_that_failed_before_its_first_chunk_has_no_partial_response() {
    let mut reader = reader();
    assert!(reader.partial().is_none());
    let error = reader.fail(Error::response_too_large(7));
    assert!(error.partial().is_none());
    assert!(reader.partial().is_none() && reader.usage().is_none());
    assert!(reader.failed().is_some());
}

const LAST: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// Reads whole events, and then one without its blank line. Returns the end of the response, with
/// the text that the error quotes.
fn end_of(events: &[&str], incomplete: &str) -> String {
    let mut reader = reader();
    let mut read_all = || {
        for event in events {
            read(&mut reader, event)?;
            while reader.has_rest() {
                reader.read_rest()?;
            }
        }
        reader.read_incomplete(incomplete)?;
        reader.end(&mut http::Extensions::new())
    };
    match read_all() {
        Ok(()) => "complete".to_owned(),
        Err(error) => format!("{} {}", error.kind(), error.body_excerpt().unwrap_or_default()),
    }
}

#[test]
fn a_response_is_complete_by_its_finish_reasons_or_the_mark_of_the_end() {
    let list = format!("[{ERROR}]");
    let cases: &[(&[&str], &str, &str)] = &[
        (&[], "", "truncated "),
        (&[CHUNK], "", "truncated "),
        (&["[DONE]"], "", "truncated "),
        (&[CHUNK, LAST], "", "complete"),
        (&[CHUNK, "[DONE]"], "", "complete"),
        (&[CHUNK, "upstream"], "", "truncated upstream"),
        (&[CHUNK, "upstream", LAST], "", "unexpected response upstream"),
        (&[CHUNK, "upstream", "[DONE]"], "", "unexpected response upstream"),
        (&[CHUNK, "{]"], "", "unexpected response {]"),
        // After the mark only objects and lists of them count, as far as they can be read.
        (&[CHUNK, "[DONE]", "upstream"], "", "complete"),
        (&[CHUNK, "[DONE]", "[7]"], "", "complete"),
        (&[CHUNK, "[DONE]", "{]"], "", "complete"),
        (&[CHUNK, "[DONE]", ERROR], "", "overloaded "),
        (&[CHUNK, "[DONE]", &list], "", "overloaded "),
        (&[CHUNK, "[DONE] upstream"], "", "complete"),
        // Without its blank line an event counts if it is whole.
        (&[CHUNK], LAST, "complete"),
        (&[CHUNK], "[DONE]", "complete"),
        (&[CHUNK], ERROR, "overloaded "),
        (&[CHUNK], "[DO", "truncated "),
        (&[CHUNK, LAST], "[DO", "complete"),
        (&[CHUNK, LAST], " ", "complete"),
        (&[CHUNK, LAST], ": keep-alive", "complete"),
        (&[CHUNK, LAST], "{\"choices\":", "truncated "),
        (&[CHUNK, LAST], "upstr", "truncated "),
        (&[CHUNK, LAST, "[DONE]"], "{\"choices\":", "complete"),
    ];
    for (events, incomplete, expected) in cases {
        assert_eq!(end_of(events, incomplete), *expected, "{events:?} {incomplete:?}");
    }
}

#[test]
fn several_losses_are_a_loss() {
    let mut reader = reader();
    read(&mut reader, LAST).unwrap();
    assert!(reader.is_complete());
    for _ in 0..2 {
        reader.lose("{");
        assert!(!reader.is_complete());
    }
    reader.lose("[DONE");
    assert!(!reader.is_complete());
}

#[test]
fn a_response_is_settled_by_all_its_choices_or_the_mark_of_the_end() {
    for (choices, events, is_settled) in [
        (1, &[CHUNK][..], false),
        (1, &[CHUNK, LAST], true),
        (2, &[CHUNK, LAST], false),
        (2, &[CHUNK, LAST, "[DONE]"], true),
    ] {
        let mut reader =
            EventReader::<ChatModel>::new(choices, Inspection::default(), None, 1 << 20);
        for event in events {
            read(&mut reader, event).unwrap();
        }
        assert_eq!(reader.is_settled(), is_settled, "{choices} {events:?}");
    }
}

#[test]
fn a_response_may_be_as_large_as_the_limit_in_whatever_form_it_comes() {
    let list = format!("[{CHUNK}]");
    type Read = fn(&mut EventReader<ChatModel>, &str) -> Result<EventKind>;
    let body: Read = |reader, data| reader.read_body(data.as_bytes());
    for (data, read) in [(CHUNK, read as Read), (&list, read), (CHUNK, body)] {
        let mut first = reader();
        read(&mut first, data).unwrap();
        let size = first.model().size();
        for (limit, is_read) in [(size, true), (size - 1, false)] {
            let mut reader = EventReader::new(1, Inspection::default(), None, limit);
            match read(&mut reader, data) {
                Ok(kind) => assert!(is_read && kind == EventKind::Chunk, "{data}"),
                Err(error) => assert!(!is_read && error.is_too_large(), "{data}: {error}"),
            }
        }
    }
}

#[test]
fn values_after_a_json_body_are_read_unless_they_are_text_after_a_whole_response() {
    let whole = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}]}"#;
    let chunk = r#"{"object":"chat.completion.chunk","choices":[{"delta":{"content":"he"}}]}"#;
    for (body, rest, has_rest) in [
        (whole, "", false),
        (whole, " served by a gateway", false),
        (whole, "[7]", false),
        (whole, ERROR, true),
        (whole, "[{}]", true),
        (whole, "[DONE]", true),
        (whole, "data: [done]", true),
        (chunk, " served by a gateway", true),
    ] {
        let mut reader = reader();
        assert_eq!(reader.read_body([body, rest].concat().as_bytes()).unwrap(), EventKind::Chunk);
        assert_eq!(reader.has_rest(), has_rest, "{body} {rest}");
    }
    for body in ["null", "{}", "[DONE]"] {
        let error = reader().read_body(body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "the response has no content", "{body}");
        assert_eq!(error.body_excerpt(), Some(body));
    }
}

#[test]
fn the_mark_of_the_end_is_known_in_the_spellings_of_servers() {
    for (data, rest) in [
        ("[DONE]", Some("")),
        ("[done] {} ", Some("{}")),
        ("data: [DONE]", Some("")),
        (" data:data: [DONE]x", Some("x")),
        ("\"[DONE]\"", Some("")),
        ("DONE", Some("")),
        ("\"done\"", Some("")),
        ("done.", None),
        ("[DONE", None),
        ("{}", None),
        ("", None),
    ] {
        assert_eq!(after_done_mark(data), rest, "{data}");
    }
    for (data, inspected) in
        [("", false), (" ", false), (" : x", false), (" [DONE]", false), ("{}", true), ("x", true)]
    {
        assert_eq!(is_inspected(data), inspected, "{data}");
    }
}

#[test]
fn an_error_that_repeats_the_key_is_read_again_without_it() {
    let key = ApiKey::new("canary-1234").unwrap();
    let error = |message: &str| format!(r#"{{"error":{{"message":"{message}","code":"503"}}}}"#);
    for (text, message) in [("overloaded", "overloaded"), ("canary-1234 is busy", "[key] is busy")]
    {
        let mut reader =
            EventReader::<ChatModel>::new(1, Inspection::default(), Some(key.clone()), 1 << 20);
        let error = read(&mut reader, &error(text)).unwrap_err();
        assert_eq!(error.api_error().unwrap().message, message);
        assert_eq!(error.kind(), crate::ErrorKind::Overloaded);
    }
}

#[test]
fn a_json_body_is_complete_without_a_finish_reason_unlike_an_event() {
    for (is_body, is_complete) in [(true, true), (false, false)] {
        let mut reader = reader();
        if is_body { reader.read_body(CHUNK.as_bytes()) } else { read(&mut reader, CHUNK) }
            .unwrap();
        assert_eq!(reader.is_complete(), is_complete);
    }
}

#[test]
fn inspectors_see_neither_comments_nor_the_mark_of_the_end() {
    #[derive(Debug)]
    struct Rejecting;
    impl crate::Inspect for Rejecting {
        fn begin(&self, _: &crate::CallInfo<'_>) -> Option<Box<dyn crate::InspectCall>> {
            Some(Box::new(Self))
        }
    }
    impl crate::InspectCall for Rejecting {
        fn event<'a>(
            &mut self,
            _: &'a str,
        ) -> std::result::Result<Cow<'a, str>, atoma_transport::BoxError> {
            Err("rejected".into())
        }
    }
    let call = crate::CallInfo {
        method: &http::Method::POST,
        path: "/",
        uri: &http::Uri::default(),
        body: b"",
        is_stream: true,
        is_confidential: false,
        plaintext: b"",
        key: None,
    };
    let inspection = Inspection::begin(&[std::sync::Arc::new(Rejecting)], &call);
    let mut reader = EventReader::<ChatModel>::new(1, inspection, None, 1 << 20);
    for data in [": keep-alive", " ", "[DONE]"] {
        assert!(read(&mut reader, data).is_ok(), "{data}");
    }
    assert!(read(&mut reader, CHUNK).unwrap_err().is_rejected());
}

#[test]
fn only_a_list_that_cannot_be_parsed_may_report_an_error() {
    let list = format!("[{ERROR}]");
    for (json, is_api_error) in [(&*list, true), (ERROR, false), ("[7]", false)] {
        let unreadable = ChatModel::default().read("", &mut "{]").unwrap_err();
        let error = to_error(unreadable, json.as_bytes(), Error::in_body);
        assert_eq!(error.is_api_error(), is_api_error, "{json}");
        assert_eq!(error.is_unexpected_response(), !is_api_error, "{json}");
    }
}
