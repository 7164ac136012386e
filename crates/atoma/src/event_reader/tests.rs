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
