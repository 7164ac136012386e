//! Laws on arbitrary texts, keys and faults.

mod common;

use atoma_confidential::{
    CallInfo, Envelope, Session,
    node::{NodeSecret, NodeSession, SealedResponse},
    seal,
};
use common::fixed;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A body with arbitrary text, for a node with an arbitrary key.
fn arbitrary_exchange() -> impl Strategy<Value = (Vec<u8>, [u8; 32], Vec<u8>)> {
    let body = (".{0,80}", any::<bool>()).prop_map(|(content, stream)| {
        json!({"model": "m", "messages": [{"content": content}], "stream": stream})
            .to_string()
            .into_bytes()
    });
    (body, any::<[u8; 32]>(), prop::collection::vec(1_u8.., 60))
}

fn seal_for(body: &[u8], node: &NodeSecret, randomness: &[u8]) -> (Envelope, Session) {
    let stream = serde_json::from_slice::<Value>(body).unwrap()["stream"] == true;
    let call = CallInfo::new("m", 77).stream(stream);
    seal(body, &node.key(), &call, &mut fixed(randomness.to_vec())).unwrap()
}

fn exchange(body: &[u8], node: &NodeSecret, randomness: &[u8]) -> (Session, NodeSession) {
    let (envelope, session) = seal_for(body, node, randomness);
    let (request, on_node) = node.open_request(&envelope.into_json()).unwrap();
    assert_eq!(request.plaintext(), body);
    (session, on_node)
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn seal_and_open_are_the_identity(
        (body, secret, randomness) in arbitrary_exchange(),
        contents in prop::collection::vec(".{0,200}", 1..4),
        nonce in any::<[u8; 12]>(),
    ) {
        let (session, on_node) = exchange(&body, &NodeSecret::from_bytes(secret), &randomness);
        for content in contents {
            let text = json!({"choices": [{"delta": {"content": content}}]}).to_string();
            let sealed = on_node.seal_response(text.as_bytes(), nonce);
            for wire in [sealed.to_json(Some("s"), None), sealed.to_chunk_json(None, Some("1"))] {
                let opened = session.open(&wire).unwrap();
                prop_assert_eq!(opened.plaintext(), &text);
                prop_assert_eq!(opened.response_hash(), &sealed.response_hash);
            }
        }
    }

    #[test]
    fn any_cut_is_rejected((body, secret, randomness) in arbitrary_exchange(), content in ".{0,20}") {
        let node = NodeSecret::from_bytes(secret);
        let envelope = seal_for(&body, &node, &randomness).0.into_json();
        for at in (0..envelope.len()).filter(|&at| envelope.is_char_boundary(at)) {
            prop_assert!(node.open_request(&envelope[..at]).is_err());
        }
        let (session, on_node) = exchange(&body, &node, &randomness);
        let wire = on_node.seal_response(json!(content).to_string().as_bytes(), [9; 12]).to_json(Some("s"), Some("{}"));
        for at in 0..wire.len() {
            prop_assert!(session.open(&wire[..at]).is_err());
            prop_assert!(at == 0 || session.open(&wire[at..]).is_err());
        }
    }
}

#[test]
fn any_flipped_bit_of_a_response_is_rejected() {
    let node = NodeSecret::from_bytes([0x22; 32]);
    let (session, on_node) = exchange(br#"{"model":"m"}"#, &node, &[7; 60]);
    let sealed = on_node.seal_response(br#"{"choices":[{"delta":{"content":"Hello"}}]}"#, [9; 12]);
    let members: [fn(&mut SealedResponse) -> &mut [u8]; 3] = [
        |sealed| &mut sealed.nonce,
        |sealed| &mut sealed.ciphertext,
        |sealed| &mut sealed.response_hash,
    ];
    for member in members {
        for bit in 0..member(&mut sealed.clone()).len() * 8 {
            let mut sealed = sealed.clone();
            flip(member(&mut sealed), bit);
            assert!(session.open(&sealed.to_json(None, None)).is_err(), "{bit}");
        }
    }
}

/// Outside of the ciphertext, its nonce and the hash, a flipped bit must not change the text.
#[test]
fn any_flipped_bit_on_the_wire_is_rejected_or_harmless() {
    let node = NodeSecret::from_bytes([0x22; 32]);
    let (session, on_node) = exchange(br#"{"model":"m"}"#, &node, &[7; 60]);
    let text = r#"{"choices":[{"delta":{"content":"Hello"}}]}"#;
    let wire = on_node
        .seal_response(text.as_bytes(), [9; 12])
        .to_json(Some("c2ln"), Some(r#"{"total_tokens":3}"#));
    let mut opened = 0;
    for bit in 0..wire.len() * 8 {
        let mut flipped = wire.clone().into_bytes();
        flip(&mut flipped, bit);
        let Ok(flipped) = String::from_utf8(flipped) else { continue };
        if let Ok(response) = session.open(&flipped) {
            assert_eq!(response.plaintext(), text, "{flipped}");
            opened += 1;
        }
    }
    // Only the names and values of `signature` and `usage` leave room for that.
    assert!(opened < 60 * 8, "{opened}");
}

#[test]
fn any_flipped_bit_of_an_envelope_is_rejected() {
    let node = NodeSecret::from_bytes([0x22; 32]);
    let sealed = || seal_for(br#"{"model":"m"}"#, &node, &[7; 60]).0;
    let members: [fn(&mut Envelope) -> &mut [u8]; 5] = [
        |envelope| &mut envelope.ciphertext,
        |envelope| &mut envelope.nonce,
        |envelope| &mut envelope.salt,
        |envelope| &mut envelope.client_key,
        |envelope| &mut envelope.plaintext_hash,
    ];
    for member in members {
        for bit in 0..member(&mut sealed()).len() * 8 {
            let mut envelope = sealed();
            flip(member(&mut envelope), bit);
            assert!(node.open_request(&envelope.into_json()).is_err(), "{bit}");
        }
    }
    for bit in 0..256 {
        let mut envelope = sealed();
        let mut key = *envelope.node_key.as_bytes();
        flip(&mut key, bit);
        envelope.node_key = atoma_confidential::NodeKey::from_bytes(key);
        assert!(node.open_request(&envelope.into_json()).is_err(), "{bit}");
    }
}
