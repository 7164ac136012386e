//! Writes requests as JSON text directly.
//!
//! The result is exactly that of serde_json, which writes everything but objects, lists and strings here, too. Most of a request is
//! its prompt, which is searched sixteen bytes at a time for characters to escape. One of 4 KiB with a quote or a line end in
//! twenty bytes takes half the instructions.

use super::{List, Piece, WriteObject, write::each_member};
use crate::json::scan::plain;
use serde_json::Error;

/// Writes an object behind `json`.
pub(crate) fn write_json(object: &dyn WriteObject, json: &mut Vec<u8>) -> Result<(), Error> {
    json.push(b'{');
    let begin = json.len();
    each_member(object, &mut |name, piece| {
        if json.len() > begin {
            json.push(b',');
        }
        write_string(name, json);
        json.push(b':');
        write_piece(piece, json)
    })?;
    json.push(b'}');
    Ok(())
}

fn write_piece(piece: &Piece<'_>, json: &mut Vec<u8>) -> Result<(), Error> {
    match piece {
        Piece::Text(text) => {
            write_string(text, json);
            Ok(())
        }
        Piece::Object(object) => write_json(*object, json),
        Piece::OwnedObject(object) => write_json(&**object, json),
        Piece::List(list) => write_list(*list, json),
        Piece::Made(list) => write_list(&**list, json),
        // Small or rare.
        other => serde_json::to_writer(json, other),
    }
}

fn write_list(list: &dyn List, json: &mut Vec<u8>) -> Result<(), Error> {
    json.push(b'[');
    for place in 0..list.length() {
        if place > 0 {
            json.push(b',');
        }
        write_piece(&list.element(place), json)?;
    }
    json.push(b']');
    Ok(())
}

fn write_string(text: &str, json: &mut Vec<u8>) {
    json.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (written, special) = rest.split_at(plain(rest));
        json.extend_from_slice(written);
        let Some((byte, after)) = special.split_first() else { break };
        escape(*byte, json);
        rest = after;
    }
    json.push(b'"');
}

/// Writes a quote, a backslash or a control character.
fn escape(byte: u8, json: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            json.extend_from_slice(b"\\u00");
            json.extend([byte >> 4, byte & 0xF].map(|digit| DIGITS[usize::from(digit)]));
            return;
        }
    };
    json.extend([b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChatCompletionMessage, ChatCompletionRequest, CompletionRequest};
    use serde_json::json;

    #[test]
    fn strings_are_those_of_serde_json() {
        let all = || (0..0x300).filter_map(char::from_u32);
        let texts = all().map(String::from).chain([all().collect(), String::new()]);
        let long = (0..40).map(|length| format!("{}\n東\"{}", "a".repeat(length), "b".repeat(40)));
        for text in texts.chain(long) {
            let mut json = Vec::new();
            write_string(&text, &mut json);
            assert_eq!(String::from_utf8(json).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn requests_are_those_of_serde_json() {
        let messages =
            [ChatCompletionMessage::system("a\tb"), ChatCompletionMessage::user("c\u{1}\u{1f}")];
        let chat = ChatCompletionRequest::new("m", messages);
        let chat =
            chat.temperature(0.7).seed(-7).stop(["\n", "\\"]).extra("user\"", json!({"a": [1]}));
        assert_eq!(chat.to_vec().unwrap(), serde_json::to_vec(&chat).unwrap());
        let completion = CompletionRequest::new("m", "p\r\n").extra("x", json!("\u{7f}"));
        assert_eq!(completion.to_vec().unwrap(), serde_json::to_vec(&completion).unwrap());
    }
}
