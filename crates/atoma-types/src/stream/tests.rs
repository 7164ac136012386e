use super::*;
use crate::{ChatCompletionChunk, ChatModel, CompletionModel, SharedStr};

/// The result of each read of an event: the text of a chunk, or the kind of value.
fn read_all(event: &str, mut data: &str) -> Vec<String> {
    let mut model = ChatModel::default();
    let mut found = Vec::new();
    while !data.is_empty() {
        found.push(match model.read(event, &mut data) {
            Ok(Seen::Chunk) => model.take_chunk().text().into_owned(),
            Ok(Seen::Error(error)) => format!("error: {error}"),
            Ok(seen) => format!("{seen:?}").to_lowercase(),
            Err(_) => "broken".to_owned(),
        });
    }
    found
}

#[test]
fn an_event_of_several_values_is_read_value_by_value() {
    let a = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    let b = r#"{"choices":[{"delta":{"content":"b"}}]}"#;
    for (name, data, wanted) in [
        ("one", a.to_owned(), &["a"][..]),
        ("nothing between", format!("{a}{b}{a}"), &["a", "b", "a"]),
        ("a line end between", format!("{a}\n{b}"), &["a", "b"]),
        ("a field name between", format!("{a}data: {b}"), &["a", "b"]),
        ("text after it", format!("{a}\nupstream timed out"), &["a", "unreadable"]),
        ("an error after it", format!("{a}{{\"error\":\"e\"}}"), &["a", "error: e"]),
        ("half of one after it", format!("{a}{}", &b[..9]), &["a", "broken"]),
        ("spaces around it", format!(" {a}\n "), &["a"]),
        ("a repaired one first", a.replace("\"a\"", "\"a\",\"x\":NaN") + b, &["a", "b"]),
        ("a list", format!("[{a}, {b}]"), &["a", "b"]),
        ("a comma between", format!("{a},{b}"), &["a", "b"]),
        ("a list, then more", format!("[{a}]\ndata: {b}"), &["a", "b"]),
        ("a field name before it", format!("data: {a}"), &["a"]),
        ("a byte order mark before it", format!("\u{feff}{a}"), &["a"]),
        ("a word that keeps the connection open", "PING".to_owned(), &["nothing"]),
        ("Python's bytes", format!("b'{a}'"), &["unreadable"]),
        ("text", "upstream timed out".to_owned(), &["unreadable"]),
        ("a line of a log", "[info] slow".to_owned(), &["unreadable"]),
        ("an error of a log", "[ERROR] e".to_owned(), &["error: [ERROR] e"]),
        ("null", "null".to_owned(), &["nothing"]),
        ("a comment", ": ping".to_owned(), &["nothing"]),
    ] {
        assert_eq!(read_all("", &data), wanted, "{name}");
    }
}

#[test]
fn a_list_with_an_error_is_that_error() {
    let a = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    for event in ["", "message", "error"] {
        for list in [
            r#"[{"error":{"message":"e"}}]"#.to_owned(),
            r#"[{"a":1},{"error":{"message":"e"}}]"#.to_owned(),
            format!(r#"[{a},{{"error":{{"message":"e"}}}}]"#),
            r#"["a",{"error":{"message":"e"}}]"#.to_owned(),
        ] {
            assert_eq!(read_all(event, &list), ["error: e"], "{event}: {list}");
        }
    }
    assert_eq!(read_all("", &format!("[ {a} ]")), ["a"]);
    assert_eq!(read_all("", r#"["a"]"#), ["unreadable"]);
}

#[test]
fn a_flat_error_after_white_space_or_a_field_name_is_one() {
    for event in ["", "message"] {
        for before in ["", " ", "data: ", "\u{feff}"] {
            let data = format!(r#"{before}{{"message":"e"}}"#);
            assert_eq!(read_all(event, &data), ["error: e"], "{event}: {data}");
        }
    }
    assert_eq!(read_all("status", r#" {"message":"e"}"#), ["nothing"]);
}

#[test]
fn the_reader_of_whole_bodies_keeps_the_last_one() {
    let list = |id: &str| format!(r#"{{"object":"list","data":[{{"id":"{id}"}}]}}"#);
    let mut model = whole::WholeBody::<crate::ModelList>::default();
    assert_eq!(model.progress(), Progress::default());
    for (number, id) in ["a", "bc"].into_iter().enumerate() {
        let text = list(id);
        assert_eq!(model.read("", &mut &*text).unwrap(), Seen::Chunk);
        let progress = model.progress();
        assert_eq!((progress.chunks, progress.choices), (number as u64 + 1, 1));
        assert_eq!((progress.size, model.size()), (text.len(), text.len()));
        assert!(progress.is_finished && progress.is_settled && !progress.has_unreadable);
        assert_eq!(model.chunk().data[0].id, id);
        assert_eq!((&model.take_chunk(), &model.response()), (model.chunk(), model.chunk()));
    }
    let before = model.progress();
    for (event, data, wanted) in [
        ("", " ", "nothing"),
        ("", "{}", "nothing"),
        ("", r#"{"message":"e"}"#, "error: e"),
        ("", r#"{"error":{"message":"e"}}"#, "error: e"),
        ("error", r#"{"object":"list","message":"e"}"#, "error: e"),
    ] {
        let found = match model.read(event, &mut &*data).unwrap() {
            Seen::Error(error) => format!("error: {error}"),
            seen => format!("{seen:?}").to_lowercase(),
        };
        assert_eq!(found, wanted, "{event}: {data}");
        assert_eq!(model.progress(), before, "{event}: {data}");
    }
    assert_eq!(model.read("", &mut "text").unwrap(), Seen::Unreadable);
    assert!(model.progress().has_unreadable && !model.progress().is_complete(true));
    assert_eq!(model.read("", &mut "").unwrap(), Seen::Nothing);
    assert!(model.progress().has_unreadable);
    assert_eq!(StreamModel::usage(&model), None);
    assert_eq!(model.into_response().data[0].id, "bc");
}

#[test]
fn the_usage_of_a_whole_body_is_that_of_the_response() {
    let mut model = whole::WholeBody::<crate::EmbeddingResponse>::default();
    let mut body =
        r#"{"data":[{"embedding":[1.0],"index":0}],"usage":{"prompt_tokens":3,"total_tokens":3}}"#;
    assert_eq!(model.read_body(&mut body).unwrap(), Seen::Chunk);
    assert_eq!(StreamModel::usage(&model).unwrap().total_tokens, 3);
}

#[test]
fn a_body_that_is_not_json_is_not_a_response_by_default() {
    assert_eq!(<crate::ModelList as ResponseModel>::from_text("ok"), None);
    let mut models = crate::ModelList::default();
    assert!(!ResponseModel::read(&mut models, br#"{"data":[{"id":"m"}]} x"#).unwrap());
    assert_eq!(models.data[0].id, "m");
}

#[test]
fn the_size_of_a_completion_is_that_of_its_progress() {
    let mut model = CompletionModel::default();
    let mut data = r#"{"choices":[{"index":0,"text":"abcdef"}]}"#;
    assert_eq!(model.read("", &mut data).unwrap(), Seen::Chunk);
    assert!(model.size() >= 6);
    assert_eq!(model.size(), model.progress().size);
}

#[test]
fn a_response_is_not_a_chunk_and_has_no_usage_by_default() {
    let models: crate::ModelList = serde_json::from_str(r#"{"data":[{"id":"m"}]}"#).unwrap();
    assert!(!ResponseModel::is_chunk(&models));
    assert_eq!(ResponseModel::usage(&models), None);
    assert!(!ResponseModel::is_chunk(&crate::ChatCompletionResponse::default()));
}

#[test]
fn an_error_is_found_by_the_name_of_its_event() {
    for event in ["error", "Error", "server_error", "throttlingException", "response.failed"] {
        for data in [r#"{"message":"e"}"#, r#"{"error":{"message":"e"}}"#, "e", "\"e\""] {
            assert_eq!(read_all(event, data), ["error: e"], "{event}: {data}");
        }
        for data in ["{}", "null", r#"{"a":1}"#] {
            assert_eq!(read_all(event, data), [format!("error: {event}")], "{data}");
        }
        let chunk = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
        assert_eq!(read_all(event, chunk), ["a"], "{event}");
    }
}

#[test]
fn an_event_of_another_name_is_an_error_only_if_its_data_says_so() {
    for event in ["status", "progress", "ping", "queue", "log", "custom"] {
        for data in [
            r#"{"message":"m"}"#,
            r#"{"message":"m","code":"x"}"#,
            r#"{"message":"m","code":503}"#,
            r#"{"type":"status","message":"m"}"#,
            r#"{"status":"queued","detail":"m"}"#,
        ] {
            assert_eq!(read_all(event, data), ["nothing"], "{event}: {data}");
        }
        for data in [
            r#"{"error":{"message":"e"}}"#,
            r#"{"error":"e"}"#,
            r#"{"type":"error","message":"e"}"#,
            r#"{"object":"error","message":"e"}"#,
            r#"{"success":false,"message":"e"}"#,
            r#"{"status":503,"message":"e"}"#,
        ] {
            let found = read_all(event, data);
            assert!(found[0].starts_with("error: "), "{event}: {data}: {found:?}");
        }
    }
    for (event, data, wanted) in [
        ("ping", "2026-01-01T00:00:00Z", "nothing"),
        ("heartbeat", "17", "nothing"),
        ("done", "stream ended", "nothing"),
        ("message", "17", "unreadable"),
        ("token", "text", "unreadable"),
    ] {
        assert_eq!(read_all(event, data), [wanted], "{event}: {data}");
    }
}

#[test]
fn an_object_that_reports_progress_is_not_an_error() {
    for notice in [
        r#"{"object":"queue","message":"m"}"#,
        r#"{"object":"queue.update","message":"m","code":"q"}"#,
        r#"{"type":"warning","message":"m","code":"slow"}"#,
        r#"{"status":"processing","message":"m"}"#,
        r#"{"event":"ping","message":"m"}"#,
        r#"{"kind":"log","message":"m"}"#,
        r#"{"progress":0.5,"message":"m"}"#,
        r#"{"object":"moderation","message":"m"}"#,
        r#"{"message":"ok"}"#,
    ] {
        assert_eq!(read_all("", notice), ["nothing"], "{notice}");
    }
    for error in [
        r#"{"code":"x","message":"m"}"#,
        r#"{"event":"error","message":"m"}"#,
        r#"{"status":"failed","message":"m"}"#,
        r#"{"object":"error","message":"m"}"#,
        r#"{"message":"m"}"#,
        r#"{"success":false}"#,
        r#"{"event":"error","data":{"message":"m"}}"#,
        r#"{"type":"status","error":{"message":"m"}}"#,
    ] {
        let found = read_all("", error);
        assert!(found[0].starts_with("error: "), "{error}: {found:?}");
    }
}

#[test]
fn a_message_where_the_choices_are_null_is_an_error() {
    for object in ["chat.completion", "chat.completion.chunk"] {
        let data = format!(r#"{{"id":"x","object":"{object}","choices":null,"message":"e"}}"#);
        assert_eq!(read_all("", &data), ["error: e"], "{object}");
    }
    let notice = r#"{"type":"warning","message":"slow"}"#;
    assert_eq!(read_all("", notice), ["nothing"]);
}

#[test]
fn a_mark_of_the_end_does_not_make_up_for_text_that_could_not_be_read() {
    for (has_unreadable, is_finished, done, wanted) in [
        (false, false, false, false),
        (false, false, true, true),
        (true, false, true, false),
        (true, true, false, false),
        (true, true, true, false),
    ] {
        let progress = Progress { choices: 1, is_finished, has_unreadable, ..Progress::default() };
        assert_eq!(progress.is_complete(done), wanted, "{progress:?} {done}");
    }
    assert!(!Progress { is_finished: true, ..Progress::default() }.is_complete(true));
}

#[test]
fn chunks_share_the_texts_that_they_repeat() {
    let [chat, text] = [
        r#"{"id":"c","model":"m","system_fingerprint":"f","service_tier":"t","choices":[{"index":0,"delta":{"content":"a"}}]}"#,
        r#"{"id":"c","object":"text_completion","model":"m","system_fingerprint":"f","choices":[{"index":0,"text":"a"}]}"#,
    ];
    for (name, then) in [
        ("like it", &[("", "")][..]),
        ("more members", &[("\"id\"", "\"x\":1,\"id\"")]),
        ("repaired", &[("\"id\"", "\"x\":NaN,\"id\"")]),
        ("after one without", &[("\"m\"", "null"), ("\"t\"", "null"), ("", "")]),
        ("another text", &[("\"a\"", "\"b\\n\""), ("\"a\"", "\"\\ud83d\"")]),
    ] {
        let chats = read_chunks::<ChatModel>(chat, then);
        let (first, last) = (&chats[0], &chats[chats.len() - 1]);
        let shared = |a: &SharedStr, b: &SharedStr| !a.is_empty() && a.as_ptr() == b.as_ptr();
        assert!(shared(&first.id, &last.id) && shared(&first.model, &last.model), "{name}");
        for (a, b) in [
            (&first.system_fingerprint, &last.system_fingerprint),
            (&first.service_tier, &last.service_tier),
        ] {
            assert!(shared(a.as_ref().unwrap(), b.as_ref().unwrap()), "{name}");
        }
        let texts = read_chunks::<CompletionModel>(text, then);
        let (first, last) = (&texts[0], &texts[texts.len() - 1]);
        for (a, b) in
            [(&first.id, &last.id), (&first.object, &last.object), (&first.model, &last.model)]
        {
            assert!(shared(a, b), "{name}");
        }
    }
}

#[test]
fn ids_and_models_that_change_are_read_as_they_are() {
    let first = r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let changes = [
        ("\"c\"", "\"d\""),
        ("\"c\"", "\"longer\""),
        ("\"c\"", "\"\""),
        ("\"c\"", "null"),
        ("\"c\"", r#""\u0041""#),
        ("\"c\"", "\"é\""),
        ("\"c\"", "7"),
        ("\"m\"", "\"n\""),
        ("", ""),
    ];
    for chunks in [&changes[..], &changes.repeat(3)] {
        let read = read_chunks::<ChatModel>(first, chunks);
        for (chunk, (old, new)) in read.iter().skip(1).zip(chunks) {
            let alone = ChatCompletionChunk::from_slice(first.replace(old, new).as_bytes());
            assert_eq!(*chunk, alone.unwrap(), "{new}");
        }
    }
}

/// The chunks of a stream that begins with `first`, and continues with it and each of the changes.
fn read_chunks<M: StreamModel>(first: &str, changes: &[(&str, &str)]) -> Vec<M::Chunk> {
    let mut model = M::default();
    let changed = changes.iter().map(|(old, new)| first.replace(old, new));
    let mut read = Vec::new();
    for data in [first.to_owned()].into_iter().chain(changed) {
        assert_eq!(model.read("", &mut &*data).unwrap(), Seen::Chunk, "{data}");
        read.push(model.take_chunk());
    }
    read
}
