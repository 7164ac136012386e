//! Whole responses of every model: the error in them, content, and usage.

use atoma_types::{
    ApiError, ChatCompletionResponse, EmbeddingResponse, HealthResponse, ImageData, ImageResponse,
    ModelList, NodeCreateResponse, NodeLockResponse, ParseError, Progress, ResponseModel, Seen,
    StreamModel,
};
use serde_json::Value;

/// The message of the error, whether there is content, and the total of the tokens.
type Summary = (Option<&'static str>, bool, Option<u64>);

fn summary<T: ResponseModel>(body: &str) -> (Option<String>, bool, Option<u64>) {
    let response = T::from_slice(body.as_bytes()).unwrap();
    let message = response.error().map(|error: &ApiError| error.message.clone());
    let tokens = response.usage().map(|usage| usage.total_tokens);
    (message, response.has_content(), tokens)
}

fn check<T: ResponseModel>(rows: &[(&str, Summary)]) {
    for (body, (message, has_content, tokens)) in rows {
        let expected = (message.map(str::to_owned), *has_content, *tokens);
        assert_eq!(summary::<T>(body), expected, "{} {body}", std::any::type_name::<T>());
    }
}

const ERROR: &str = r#"{"error": {"message": "busy"}}"#;
const REPORTED: Summary = (Some("busy"), false, None);
/// An error that is a member without a field: the client reads it from the body.
const NO_CONTENT: Summary = (None, false, None);
const CONTENT: Summary = (None, true, None);

#[test]
fn every_model_reports_its_error_content_and_usage() {
    check::<EmbeddingResponse>(&[
        (ERROR, REPORTED),
        ("{}", NO_CONTENT),
        (
            r#"{"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}"#,
            (None, true, Some(3)),
        ),
    ]);
    check::<ImageResponse>(&[
        (ERROR, REPORTED),
        ("{}", NO_CONTENT),
        (
            r#"{"data": [{"b64_json": "AAAA"}], "usage": {"total_tokens": 3}}"#,
            (None, true, Some(3)),
        ),
    ]);
    check::<ModelList>(&[
        (ERROR, REPORTED),
        ("{}", NO_CONTENT),
        (r#"{"data": [{"id": "m"}]}"#, CONTENT),
        (r#"{"object": "list", "data": []}"#, CONTENT),
    ]);
    check::<NodeCreateResponse>(&[
        (ERROR, NO_CONTENT),
        ("{}", NO_CONTENT),
        (r#"{"message": "registered"}"#, CONTENT),
        (r#"{"message": "registered", "error": null}"#, CONTENT),
        (r#"{"message": "rejected", "error": "busy"}"#, NO_CONTENT),
    ]);
    check::<NodeLockResponse>(&[
        (ERROR, NO_CONTENT),
        ("{}", NO_CONTENT),
        (r#"{"public_key": "AAAA"}"#, CONTENT),
        (r#"{"public_key": "AAAA", "error": "busy"}"#, NO_CONTENT),
    ]);
    check::<HealthResponse>(&[
        (ERROR, NO_CONTENT),
        ("{}", CONTENT),
        (r#"{"message": "OK", "error": null}"#, CONTENT),
    ]);
    check::<Value>(&[
        (ERROR, NO_CONTENT),
        ("{}", CONTENT),
        (r#"{"error": null}"#, CONTENT),
        (r#"{"error": "busy", "data": []}"#, CONTENT),
        ("null", NO_CONTENT),
        ("[]", CONTENT),
    ]);
}

/// A model with the required methods alone.
#[derive(Default)]
struct Minimal(());

impl StreamModel for Minimal {
    type Chunk = ();
    type Response = Value;

    fn read(&mut self, _: &str, _: &mut &str) -> Result<Seen, ParseError> {
        Ok(Seen::Chunk)
    }

    fn read_body(&mut self, _: &mut &str) -> Result<Seen, ParseError> {
        Ok(Seen::Chunk)
    }

    fn chunk(&self) -> &() {
        &self.0
    }

    fn take_chunk(&mut self) {}

    fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        progress.size = 7;
        progress
    }

    fn response(&self) -> Value {
        Value::Null
    }

    fn into_response(self) -> Value {
        Value::Null
    }
}

#[test]
fn a_stream_has_the_size_of_its_progress_and_no_usage_by_default() {
    let model = Minimal::default();
    assert_eq!((model.size(), model.usage()), (7, None));
}

#[test]
fn repeated_indices_of_embeddings_are_those_of_the_wire_order() {
    for (indices, expected) in [
        ([0, 0, 0], [(0, 0.0), (1, 1.0), (2, 2.0)]),
        ([0, 1, 1], [(0, 0.0), (1, 1.0), (2, 2.0)]),
        ([2, 1, 0], [(0, 2.0), (1, 1.0), (2, 0.0)]),
        ([0, 1, 2], [(0, 0.0), (1, 1.0), (2, 2.0)]),
        ([0, 2, 1], [(0, 0.0), (1, 2.0), (2, 1.0)]),
    ] {
        let data: Vec<_> = (indices.iter().zip(0..))
            .map(|(index, place)| format!(r#"{{"index": {index}, "embedding": [{place}]}}"#))
            .collect();
        let body = format!(r#"{{"data": [{}]}}"#, data.join(","));
        let response = EmbeddingResponse::from_slice(body.as_bytes()).unwrap();
        let found: Vec<_> =
            response.data.iter().map(|entry| (entry.index, entry.embedding[0])).collect();
        assert_eq!(found, expected, "{indices:?}");
    }
}

#[test]
fn an_image_is_saved_as_its_bytes() {
    let path = std::env::temp_dir().join(format!("atoma-types-{}.png", std::process::id()));
    let mut image = ImageData::default();
    assert!(image.save(&path).unwrap_err().to_string().contains("no base64 data"));
    assert!(!path.exists());
    image.b64_json = Some("AQID".to_owned());
    image.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), [1, 2, 3]);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_list_of_one_choice_has_no_room_for_more_and_a_long_one_grows_in_few_steps() {
    let body = |count: usize| {
        let choices = vec![r#"{"message":{"content":"a"}}"#; count].join(",");
        format!(r#"{{"choices":[{choices}]}}"#)
    };
    let read = |count| ChatCompletionResponse::from_slice(body(count).as_bytes()).unwrap().choices;
    assert_eq!(read(1).capacity(), 1);
    let many = read(97);
    assert!(many.len() == 97 && many.capacity() > 97, "{}", many.capacity());
}
