//! The laws of the fuzz targets: `fuzz/fuzz_targets` includes this file.

use atoma_confidential::{CallInfo, NodeKey, OpenErrorKind, Session, node::NodeSecret, seal};
use serde::de::IgnoredAny;
use serde_json::Value;
use std::str;

const NONCE: [u8; 12] = [0x42; 12];

/// The node and the random bytes of the shared vectors, so that seeds can hold real envelopes and responses.
fn node() -> NodeSecret {
    NodeSecret::from_bytes([0x22; 32])
}

fn seal_for(node: &NodeKey, body: &[u8], stream: bool) -> Option<(String, Session)> {
    let parts = [(0x11, 32), (0x33, 16), (0x40, 12)];
    let mut bytes = parts.into_iter().flat_map(|(byte, count)| vec![byte; count]);
    let mut fixed =
        |piece: &mut [u8]| piece.fill_with(|| bytes.next().expect("60 bytes are drawn"));
    let call = CallInfo::new("m", 77).stream(stream);
    let (envelope, session) = seal(body, node, &call, &mut fixed).ok()?;
    Some((envelope.into_json(), session))
}

/// Returns whether serde_json accepts the text as JSON, whatever its depth, numbers and surrogates.
fn is_json(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// Whether the text has the edges of an object.
fn is_object(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|text| {
        let text = text.trim_ascii();
        text.len() > 1 && text.starts_with('{') && text.ends_with('}')
    })
}

/// A node opens an arbitrary envelope or not, without a panic; an arbitrary body is sealed only if it fits the
/// call, and then comes out unchanged.
pub(crate) fn envelope(bytes: &[u8]) {
    let node = node();
    if let Ok(text) = str::from_utf8(bytes) {
        if let Ok((request, _)) = node.open_request(text) {
            let plaintext = request.plaintext().to_vec();
            let again = request.envelope.into_json();
            assert_eq!(
                node.open_request(&again).expect("the same envelope").0.plaintext(),
                plaintext
            );
        }
    }
    let sealed = [false, true]
        .map(|stream| seal_for(&node.key(), bytes, stream).map(|(envelope, _)| envelope));
    assert!(sealed.iter().flatten().count() < 2, "a body fits one kind of call at most");
    for (envelope, stream) in sealed.into_iter().zip([false, true]) {
        let Some(envelope) = envelope else { continue };
        assert!(is_json(bytes));
        if let Ok(body) = serde_json::from_slice::<Value>(bytes) {
            assert_eq!(body["model"], "m");
            assert_eq!(body["stream"] == true, stream);
        }
        let (request, _) = node.open_request(&envelope).expect("sealed for this node");
        assert_eq!(request.plaintext(), bytes);
    }
}

/// An arbitrary response is opened or not, without a panic; an arbitrary plaintext is opened if and only if it is
/// JSON, and then comes out unchanged; a cut or changed response is refused.
pub(crate) fn response(bytes: &[u8]) {
    let node = node();
    let (envelope, session) =
        seal_for(&node.key(), br#"{"model":"m"}"#, false).expect("a valid body");
    if let Ok(text) = str::from_utf8(bytes) {
        if let Ok(opened) = session.open(text) {
            assert!(is_json(bytes));
            assert!(is_object(opened.plaintext().as_bytes()));
        }
    }
    let (_, on_node) = node.open_request(&envelope).expect("sealed for this node");
    let sealed = on_node.seal_response(bytes, NONCE);
    let wire = sealed.to_chunk_json(Some("c2ln"), None);
    match session.open(&wire) {
        Ok(opened) => {
            assert!(is_object(bytes));
            assert_eq!(opened.plaintext().as_bytes(), bytes);
        }
        Err(error) => {
            assert_eq!(error.kind(), OpenErrorKind::PlaintextNotJson);
            assert!(!is_object(bytes));
        }
    }
    let choice = bytes
        .iter()
        .fold(0_usize, |sum, &byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    assert!(session.open(&wire[..choice % wire.len()]).is_err());
    let mut changed = sealed;
    let at = choice % changed.ciphertext.len();
    changed.ciphertext[at] ^= 1 << (choice % 8);
    assert!(session.open(&changed.to_json(None, None)).is_err());
}
