//! The model of a chat stream: which objects are part of the response, its progress, and whole bodies.

use atoma_types::{
    ChatCompletionAccumulator, ChatCompletionChunk, ChatCompletionResponse, ChatModel,
    ResponseModel, Seen, StreamModel,
};
use serde_json::{Value, from_value, json};

/// The kind of value that a model sees in the data of an event.
fn see(model: &mut ChatModel, data: &Value) -> &'static str {
    match model.read("", &mut data.to_string().as_str()).unwrap() {
        Seen::Chunk => "chunk",
        Seen::Nothing => "nothing",
        Seen::Error(_) => "error",
        _ => "other",
    }
}

fn fragment(index: u32, finish: Option<&str>) -> Value {
    json!({"choices": [{"index": index, "delta": {"content": "abc"}, "finish_reason": finish}]})
}

fn response(body: &Value) -> ChatCompletionResponse {
    <ChatCompletionResponse as ResponseModel>::from_slice(body.to_string().as_bytes()).unwrap()
}

#[test]
fn a_stream_is_settled_when_all_choices_asked_for_are_finished() {
    for (expected, chunks, choices, is_finished, is_settled) in [
        (1, &[][..], 0, false, false),
        (1, &[(0, None)], 1, false, false),
        (1, &[(0, None), (0, Some("stop"))], 1, true, true),
        (2, &[(0, Some("stop"))], 1, true, false),
        (2, &[(0, Some("stop")), (1, None)], 2, false, false),
        (2, &[(0, Some("stop")), (1, Some("stop"))], 2, true, true),
        (2, &[(0, Some("stop")), (1, Some("stop")), (2, Some("stop"))], 3, true, true),
    ] {
        let mut model = ChatModel::default();
        model.expect_choices(expected);
        for (index, finish) in chunks {
            assert_eq!(see(&mut model, &fragment(*index, *finish)), "chunk");
        }
        let progress = model.progress();
        assert_eq!(
            (progress.chunks, progress.choices, progress.is_finished, progress.is_settled),
            (chunks.len() as u64, choices, is_finished, is_settled),
            "{expected} {chunks:?}"
        );
    }
}

#[test]
fn a_model_gives_away_its_parts_while_the_stream_goes_on() {
    let mut model = ChatModel::default();
    assert_eq!((model.usage(), model.size()), (None, 0));
    let mut chunk = fragment(0, None);
    chunk["usage"] = json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7});
    see(&mut model, &chunk);
    assert_eq!(model.usage().unwrap().total_tokens, 7);
    assert_eq!((model.size(), model.progress().size), (3, 3));
    assert_eq!((model.accumulator().chunks(), model.accumulator().size()), (1, 3));
    assert_eq!(model.response().text(), "abc");
    assert_eq!(model.response(), model.accumulator().response());
    let chunks = [model.chunk().clone(), model.chunk().clone()];
    let joined: ChatCompletionAccumulator = chunks.iter().collect();
    assert_eq!((joined.chunks(), joined.into_response().text().as_ref()), (2, "abcabc"));
}

#[test]
fn unknown_lists_count_in_the_size() {
    let text = "x".repeat(100);
    let sizes = [json!({}), json!({"a": text}), json!({"a": [text]})].map(|members| {
        let mut all = vec![members.clone()];
        all.push(json!({"choices": [members]}));
        let sizes = all.into_iter().map(|mut chunk| {
            if chunk.get("choices").is_none() {
                chunk["choices"] = json!([{"delta": {"content": "abc"}}]);
            }
            let mut so_far = ChatCompletionAccumulator::new();
            so_far.push(&from_value::<ChatCompletionChunk>(chunk).unwrap());
            so_far.size()
        });
        sizes.collect::<Vec<_>>()
    });
    // A string is replaced by a later one, a list grows.
    assert_eq!(sizes[0], [3, 0]);
    assert_eq!(sizes[1], [3, 0]);
    assert!(sizes[2][0] > 100 && sizes[2][1] > 100, "{sizes:?}");
}

#[test]
fn an_object_without_choices_is_a_chunk_if_it_counts_tokens_or_calls_itself_one() {
    for (object, wanted) in [
        (json!({"object": "chat.completion.chunk", "id": "c"}), "chunk"),
        (json!({"object": "chat.completion", "id": "c"}), "chunk"),
        (json!({"object": "chat.completion.end", "id": "c"}), "chunk"),
        (json!({"object": "chat.completion.chunk"}), "nothing"),
        (json!({"object": "status", "id": "c"}), "nothing"),
        (json!({"id": "c"}), "nothing"),
        (json!({"usage": {"prompt_tokens": 1}}), "chunk"),
        (json!({"object": "status", "usage": {"completion_tokens": 1}}), "chunk"),
        (json!({"usage": {"prompt_tokens": 0}}), "nothing"),
    ] {
        assert_eq!(see(&mut ChatModel::default(), &object), wanted, "{object}");
    }
}

#[test]
fn choices_with_text_in_place_of_a_delta_are_not_those_of_a_chat() {
    for (object, choices, first, later) in [
        (None, json!([{"delta": {"content": "a"}}]), "chunk", "chunk"),
        (None, json!([{"delta": {}}]), "chunk", "chunk"),
        (None, json!([{"x": 1}]), "chunk", "chunk"),
        (None, json!([{"text": "a"}]), "nothing", "nothing"),
        (None, json!([{"text": ""}]), "nothing", "chunk"),
        (None, json!([{"text": 1}]), "chunk", "chunk"),
        (None, json!([{"text": "a", "delta": {"content": "a"}}]), "chunk", "chunk"),
        (None, json!([{"text": "a"}, {"index": 1, "delta": {"content": "a"}}]), "chunk", "chunk"),
        (Some("text_completion"), json!([{"text": "a"}]), "nothing", "nothing"),
        (Some("text_completion"), json!([{"text": ""}]), "nothing", "nothing"),
        (Some("text_completion"), json!([{"delta": {"content": "a"}}]), "chunk", "chunk"),
        (Some("chat.completion"), json!([{"text": "a"}]), "chunk", "chunk"),
        (Some("chat.completion.chunk"), json!([{"text": "a"}]), "chunk", "chunk"),
        (Some("chat.completion.part"), json!([{"text": "a"}]), "chunk", "chunk"),
    ] {
        let chunk = json!({"object": object, "choices": choices});
        assert_eq!(see(&mut ChatModel::default(), &chunk), first, "{chunk}");
        let mut model = ChatModel::default();
        see(&mut model, &fragment(0, None));
        assert_eq!(see(&mut model, &chunk), later, "later: {chunk}");
    }
}

#[test]
fn a_body_is_complete_unless_it_calls_itself_a_chunk() {
    for (object, is_finished) in [
        (json!(null), true),
        (json!("chat.completion"), true),
        (json!("chat.completion.chunk"), false),
    ] {
        let choices = json!([{"message": {"content": "a"}}]);
        let body = json!({"object": object, "choices": choices}).to_string();
        let mut model = ChatModel::default();
        assert_eq!(model.read_body(&mut body.as_str()).unwrap(), Seen::Chunk);
        assert_eq!(model.progress().is_finished, is_finished, "{body}");
        // A later event does not undo it.
        assert_eq!(model.read_body(&mut "null").unwrap(), Seen::Nothing);
        assert_eq!(model.progress().is_finished, is_finished, "{body}");
        assert_eq!(
            response(&json!({"object": object, "choices": choices})).is_chunk(),
            !is_finished
        );
    }
    let mut model = ChatModel::default();
    assert_eq!(model.read_body(&mut "{}").unwrap(), Seen::Nothing);
    assert!(!model.progress().is_finished);
}

#[test]
fn a_body_has_content_if_it_may_be_a_chats_completion() {
    for (body, wanted) in [
        (json!({"choices": [{"message": {"content": "a"}}]}), true),
        (json!({"choices": [{"text": "a"}]}), false),
        (json!({"choices": [{"text": "a", "message": {"content": "a"}}]}), true),
        (json!({"choices": [{"text": "a"}, {"message": {"content": "a"}}]}), true),
        (json!({"choices": [{}]}), true),
        (json!({"choices": []}), true),
        (json!({"object": "chat.completion", "choices": []}), true),
        (json!({"object": "chat.completion.x", "choices": []}), true),
        (json!({"object": "status", "choices": []}), false),
        (json!({"type": "status", "choices": []}), false),
        (json!({"type": "chat.completion.x", "choices": []}), true),
        (json!({"type": "", "choices": []}), true),
        (json!({"type": 1, "choices": []}), true),
    ] {
        assert_eq!(response(&body).has_content(), wanted, "{body}");
    }
}

#[test]
fn a_body_has_a_list_of_choices_or_an_error() {
    for (body, wanted) in [
        (r#"{"choices":[]}"#, Some(false)),
        (r#"{"choices":[]} "#, Some(false)),
        (r#"{"choices":[]} x"#, Some(true)),
        (r#"{"choices":[{"message":{"content":"a"}}]} {}"#, Some(true)),
        (r#"{"error":{"message":"e"}}"#, Some(false)),
        (r#"{"choices":null}"#, None),
        (r#"{"choices":"a"}"#, None),
        ("{}", None),
    ] {
        let mut read = ChatCompletionResponse::default();
        let has_more = ResponseModel::read(&mut read, body.as_bytes());
        match wanted {
            Some(wanted) => {
                assert_eq!(has_more.unwrap(), wanted, "{body}");
                let error = ResponseModel::error(&read).map(|error| error.message.as_str());
                assert_eq!(error, body.contains("error").then_some("e"), "{body}");
            }
            None => assert!(has_more.unwrap_err().to_string().contains("choices"), "{body}"),
        }
        assert_eq!(
            <ChatCompletionResponse as ResponseModel>::from_slice(body.as_bytes()).is_ok(),
            wanted.is_some()
        );
    }
    let counted = response(&json!({"choices": [], "usage": {"prompt_tokens": 5}}));
    assert_eq!(ResponseModel::usage(&counted).unwrap().prompt_tokens, 5);
}

/// The last value of the first choice's finish reason, of its unknown member `x`, and of its message's.
#[test]
fn of_members_outside_of_the_text_the_last_value_counts() {
    let joined = |choices: [Value; 2]| {
        let chunks = choices.map(|choice| {
            from_value::<ChatCompletionChunk>(
                json!({"created": choice["created"], "choices": [choice]}),
            )
            .unwrap()
        });
        chunks.iter().collect::<ChatCompletionAccumulator>().into_response()
    };
    for (first, second, wanted) in [
        ("length", "stop", "length"),
        ("tool_calls", "eos", "tool_calls"),
        ("length", "tool_calls", "tool_calls"),
        ("stop", "length", "length"),
        ("stop", "eos", "eos"),
        ("custom", "stop", "stop"),
    ] {
        let choices = [first, second].map(|reason| json!({"finish_reason": reason}));
        let response = joined(choices);
        assert_eq!(response.choices[0].finish_reason.as_ref().unwrap().as_str(), wanted);
    }
    let delta = |text: &str| json!({"delta": {"x": text, "name": text, "tool_call_id": text, "thinking": text}});
    let message = &joined([delta("a"), delta("b")]).choices[0].message;
    assert_eq!(message.extra.get("x"), Some(&json!("b")));
    assert_eq!(message.name.as_deref(), Some("b"));
    assert_eq!(message.tool_call_id.as_deref(), Some("b"));
    assert_eq!(message.extra.get("thinking"), Some(&json!("ab")));
    for (first, second, wanted) in [(0, 5, 5), (5, 6, 5), (5, 0, 5)] {
        let choices = [first, second].map(|created| json!({"created": created}));
        assert_eq!(joined(choices).created, wanted);
    }
}
