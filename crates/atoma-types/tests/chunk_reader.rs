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

#[test]
fn an_error_leaves_no_chunk_and_no_template() {
    let chunk = |id: &str, content: &str| {
        format!(
            r#"{{"id":"{id}","choices":[{{"index":0,"delta":{{"role":"assistant"{content}}}}}]}}"#
        )
    };
    let half = chunk("a", r#","content":"x\ud83d""#);
    for before in [vec![chunk("a", "")], vec![half], vec![chunk("a", ""), chunk("b", "")]] {
        for broken in [&b"{\"choices\":"[..], b"{\"choices\":\xFF", b"[]", b"text", b"{]"] {
            let mut reader = ChunkReader::new();
            before.iter().for_each(|json| reader.read_in_place(json).unwrap());
            assert!(!reader.chunk().choices.is_empty());
            assert!(reader.read(broken).is_err());
            assert_eq!(reader.chunk(), &ChatCompletionChunk::default());
            assert_eq!(reader.take(), ChatCompletionChunk::default());
            let next = reader.read(chunk("c", "").as_bytes()).unwrap();
            assert_eq!(next, ChatCompletionChunk::from_slice(chunk("c", "").as_bytes()).unwrap());
        }
    }
}
