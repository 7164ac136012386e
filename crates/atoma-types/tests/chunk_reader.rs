//! The ways to read one chunk: from bytes, from text, and in place.

use atoma_types::{ChatCompletionChunk, ChunkReader};

#[test]
fn bytes_text_and_in_place_reads_give_the_same_chunk() {
    let event = r#"{"id": "c", "choices": [{"index": 0, "delta": {"content": "a"}}]}"#;
    let expected: ChatCompletionChunk = serde_json::from_str(event).unwrap();
    let mut reader = ChunkReader::new();
    assert_eq!(reader.read(event.as_bytes()).unwrap(), expected);
    assert_eq!(reader.read_str(event).unwrap(), expected);
    reader.read_in_place(event).unwrap();
    assert_eq!(reader.chunk(), &expected);
    assert_eq!(reader.take(), expected);
    assert!(reader.read_str("not JSON").is_err());
}
