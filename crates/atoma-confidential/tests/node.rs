//! Both sides together: every response that must be refused, and every envelope.

mod common;

use atoma_confidential::{
    CallInfo, OpenError, OpenErrorKind as Kind, Session,
    node::{NodeSecret, NodeSession, OpenedRequest, RequestErrorKind, SealedResponse},
    seal,
};
use common::counter;

const BODY: &[u8] = br#"{"model":"m","messages":[]}"#;
const RESPONSE: &str = r#"{"choices":[{"message":{"content":"CANARY"}}]}"#;

fn secret() -> NodeSecret {
    NodeSecret::from_bytes([0x22; 32])
}

fn exchange() -> (Session, OpenedRequest, NodeSession) {
    let call = CallInfo::new("m", 77).num_compute_units(5);
    let (envelope, session) = seal(BODY, &secret().key(), &call, &mut counter()).unwrap();
    let (request, on_node) = secret().open_request(&envelope.into_json()).unwrap();
    (session, request, on_node)
}

fn kind(result: &Result<atoma_confidential::Opened<'_>, OpenError>) -> Result<(), Kind> {
    result.as_ref().map(|_| ()).map_err(OpenError::kind)
}

#[test]
fn the_node_opens_a_sealed_request() {
    let (_, request, _) = exchange();
    assert_eq!(request.plaintext(), BODY);
    let envelope = &request.envelope;
    assert_eq!((envelope.model.as_str(), envelope.stack_small_id), ("m", 77));
    assert_eq!((envelope.stream, envelope.num_compute_units), (Some(false), Some(5)));
    assert_eq!(envelope.node_key, secret().key());
}

#[test]
fn members_come_in_any_order_with_others_among_them() {
    let (session, _, on_node) = exchange();
    let sealed = on_node.seal_response(RESPONSE.as_bytes(), [9; 12]);
    let json = sealed.to_json(Some("sig+/="), Some(r#"{"total_tokens":3}"#));
    let parts: Vec<&str> = json[1..json.len() - 1].splitn(5, ',').collect();
    let escaped = parts[1].replace('/', "\\/").replace("ciphertext", "\\u0063iphertext");
    for text in [
        json.clone(),
        sealed.to_chunk_json(Some("sig+/="), Some(r#"{"total_tokens":3}"#)),
        format!(
            " {{ {} , {} ,\n\"x\":[{{\"nonce\":1}}],{},{},{}}}\r\n",
            parts[4], parts[3], parts[2], escaped, parts[0]
        ),
        format!("{{\"error\":null,\"choices\":[],{}}}", parts.join(",")),
    ] {
        let opened = session.open(&text).unwrap();
        assert_eq!(opened.plaintext(), RESPONSE);
        assert_eq!(opened.signature(), Some("sig+/="), "{text}");
        assert_eq!(opened.outer_usage(), Some(r#"{"total_tokens":3}"#));
        assert_eq!(opened.nonce(), &[9; 12]);
        assert_eq!(opened.response_hash(), &sealed.response_hash);
    }
    let bare = sealed.to_json(None, Some("null"));
    let bare = session.open(&bare).unwrap();
    assert_eq!((bare.signature(), bare.outer_usage()), (None, None));
}

#[test]
fn a_repeated_nonce_within_a_stream_is_accepted() {
    let (session, _, on_node) = exchange();
    for text in ["{}", RESPONSE, RESPONSE] {
        let chunk = on_node.seal_response(text.as_bytes(), [9; 12]).to_chunk_json(None, None);
        assert_eq!(session.open(&chunk).unwrap().plaintext(), text);
    }
}

#[test]
fn each_fault_of_a_response_has_its_kind() {
    let (session, request, on_node) = exchange();
    let sealed = on_node.seal_response(RESPONSE.as_bytes(), [9; 12]);
    let json = sealed.to_json(Some("c2ln"), None);
    let with = |change: &dyn Fn(&mut SealedResponse)| {
        let mut sealed = sealed.clone();
        change(&mut sealed);
        sealed.to_json(None, None)
    };
    let not_utf8 = on_node.seal_response(b"\"\xff\"", [9; 12]).to_json(None, None);
    let other = exchange_with_another_key();
    let reflected = SealedResponse {
        nonce: request.envelope.nonce,
        ciphertext: request.envelope.ciphertext.clone(),
        response_hash: request.envelope.plaintext_hash,
    };
    for (name, text, wanted) in [
        ("empty", String::new(), Kind::NotJson),
        ("two objects", format!("{json}{json}"), Kind::NotJson),
        ("array", format!("[{json}]"), Kind::NotJson),
        ("byte order mark", format!("\u{feff}{json}"), Kind::NotJson),
        ("[DONE]", "[DONE]".into(), Kind::NotJson),
        (
            "plain",
            r#"{"choices":[],"signature":"c2ln","response_hash":"AAAA"}"#.into(),
            Kind::NotEncrypted,
        ),
        ("empty object", "{}".into(), Kind::NotEncrypted),
        ("null members", r#"{"ciphertext":null,"nonce":null}"#.into(), Kind::NotEncrypted),
        ("nested", format!(r#"{{"data":{json}}}"#), Kind::NotEncrypted),
        ("error", r#"{"error":{"code":"X","message":"CANARY"}}"#.into(), Kind::ErrorObject),
        ("error text", r#"{"error":"CANARY"}"#.into(), Kind::ErrorObject),
        ("error object", r#"{"object":"error","message":"CANARY"}"#.into(), Kind::ErrorObject),
        ("no error", r#"{"error":{},"choices":[]}"#.into(), Kind::NotEncrypted),
        ("no ciphertext", json.replace("ciphertext", "c"), Kind::MissingMember),
        ("no nonce", json.replace("nonce", "n"), Kind::MissingMember),
        ("no hash", json.replace("response_hash", "r"), Kind::MissingMember),
        (
            "null hash",
            json.replace("\"response_hash\":", "\"response_hash\":null,\"r\":"),
            Kind::MissingMember,
        ),
        ("two nonces", json.replace('{', r#"{"nonce":null,"#), Kind::DuplicateMember),
        ("two ciphertexts", json.replace('{', r#"{"cipher\u0074ext":"","#), Kind::DuplicateMember),
        ("two hashes", json.replace('{', r#"{"response_hash":"","#), Kind::DuplicateMember),
        ("two signatures", json.replace('{', r#"{"signature":"","#), Kind::DuplicateMember),
        (
            "nonce is a number",
            json.replace("\"nonce\":", "\"nonce\":1,\"n\":"),
            Kind::InvalidBase64,
        ),
        ("signature is a number", json.replace("\"c2ln\"", "1"), Kind::InvalidBase64),
        ("not base64", json.replace("\"nonce\":\"", "\"nonce\":\"!"), Kind::InvalidBase64),
        ("no padding", json.replace("=\"", "\""), Kind::InvalidBase64),
        ("short nonce", json.replace("\"nonce\":\"CQkJ", "\"nonce\":\""), Kind::NonceSize),
        ("long nonce", json.replace("\"nonce\":\"", "\"nonce\":\"AAAA"), Kind::NonceSize),
        (
            "empty nonce",
            r#"{"nonce":"","ciphertext":"","response_hash":""}"#.into(),
            Kind::NonceSize,
        ),
        (
            "short hash",
            json.replace("\"response_hash\":\"", "\"response_hash\":\"AAAA\",\"r\":\""),
            Kind::HashSize,
        ),
        ("no tag", with(&|sealed| sealed.ciphertext.truncate(15)), Kind::CiphertextTooShort),
        ("no text", with(&|sealed| sealed.ciphertext.truncate(16)), Kind::TagMismatch),
        ("shorter", with(&|sealed| sealed.ciphertext.truncate(40)), Kind::TagMismatch),
        ("longer", with(&|sealed| sealed.ciphertext.push(0)), Kind::TagMismatch),
        ("another key", other, Kind::TagMismatch),
        ("the request, sent back", reflected.to_json(None, None), Kind::RequestNonce),
        ("another hash", with(&|sealed| sealed.response_hash = [0; 32]), Kind::HashMismatch),
        ("not UTF-8", not_utf8, Kind::PlaintextNotJson),
        (
            "not JSON",
            on_node.seal_response(b"{CANARY", [9; 12]).to_json(None, None),
            Kind::PlaintextNotJson,
        ),
        (
            "JSON, but not an object",
            on_node.seal_response(b"[{}]", [9; 12]).to_json(None, None),
            Kind::PlaintextNotJson,
        ),
        (
            "half an object",
            on_node.seal_response(br#"{"choices":["#, [9; 12]).to_json(None, None),
            Kind::PlaintextNotJson,
        ),
        (
            "empty text",
            on_node.seal_response(b"", [9; 12]).to_json(None, None),
            Kind::PlaintextNotJson,
        ),
    ] {
        let result = session.open(&text);
        assert_eq!(kind(&result), Err(wanted), "{name}");
        let error = result.unwrap_err();
        assert_eq!(error.is_error_object(), wanted == Kind::ErrorObject, "{name}");
        assert_eq!(
            error.is_not_encrypted(),
            matches!(wanted, Kind::ErrorObject | Kind::NotEncrypted),
            "{name}"
        );
        assert!(!format!("{error} {error:?}").contains("CANARY"), "{name}: {error:?}");
        assert!(error.to_string().contains(words(wanted)), "{name}: {error}");
    }
}

/// Words of the message of each kind.
fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::NotJson => "response is not a JSON object",
        Kind::ErrorObject => "error object",
        Kind::NotEncrypted => "not encrypted",
        Kind::MissingMember => "without `",
        Kind::DuplicateMember => "two members `",
        Kind::InvalidBase64 => "canonical base64",
        Kind::NonceSize => "12 bytes",
        Kind::CiphertextTooShort => "shorter than its tag",
        Kind::HashSize => "32 bytes",
        Kind::RequestNonce => "nonce of the request",
        Kind::TagMismatch => "tag does not fit",
        Kind::HashMismatch => "is not that of the decrypted response",
        Kind::PlaintextNotJson => "decrypted response is not JSON",
        other => panic!("no words for {other:?}"),
    }
}

fn exchange_with_another_key() -> String {
    let (envelope, _) =
        seal(BODY, &secret().key(), &CallInfo::new("m", 77), &mut |bytes: &mut [u8]| bytes.fill(5))
            .unwrap();
    let (_, on_node) = secret().open_request(&envelope.into_json()).unwrap();
    on_node.seal_response(RESPONSE.as_bytes(), [9; 12]).to_json(None, None)
}

#[test]
fn each_fault_of_an_envelope_has_its_kind() {
    use RequestErrorKind as Kind;

    let sealed = || seal(BODY, &secret().key(), &CallInfo::new("m", 77), &mut counter()).unwrap().0;
    let json = sealed().into_json();
    let with = |change: &dyn Fn(&mut atoma_confidential::Envelope)| {
        let mut envelope = sealed();
        change(&mut envelope);
        envelope.into_json()
    };
    for (name, text, wanted) in [
        ("cut short", json[..json.len() - 1].to_owned(), Kind::NotJson),
        ("no nonce", json.replace("\"nonce\"", "\"n\""), Kind::MissingMember),
        ("no stack", json.replace("stack_small_id", "s"), Kind::MissingMember),
        ("no model", json.replace("\"m\"", "null"), Kind::MissingMember),
        ("two salts", json.replace('{', r#"{"salt":"","#), Kind::DuplicateMember),
        ("not base64", json.replace("\"salt\":\"", "\"salt\":\"!"), Kind::InvalidMember),
        ("stack is negative", json.replace(":77", ":-77"), Kind::InvalidMember),
        ("stream is a string", json.replace(":false", ":\"false\""), Kind::InvalidMember),
        ("long nonce", json.replace("\"nonce\":\"", "\"nonce\":\"AAAA"), Kind::WrongSize),
        ("no tag", with(&|envelope| envelope.ciphertext.truncate(15)), Kind::WrongSize),
        ("a tag alone", with(&|envelope| envelope.ciphertext.truncate(16)), Kind::TagMismatch),
        (
            "rotated key",
            with(&|envelope| envelope.node_key = NodeSecret::from_bytes([1; 32]).key()),
            Kind::OtherNodeKey,
        ),
        ("low order", with(&|envelope| envelope.client_key = [0; 32]), Kind::WeakClientKey),
        ("another salt", with(&|envelope| envelope.salt = [0; 16]), Kind::TagMismatch),
        ("another hash", with(&|envelope| envelope.plaintext_hash = [0; 32]), Kind::HashMismatch),
    ] {
        let error = secret().open_request(&text).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), wanted, "{name}: {error}");
        let words = match wanted {
            Kind::NotJson => "is not a JSON object",
            Kind::MissingMember => "is missing",
            Kind::DuplicateMember => "`salt` appears twice",
            Kind::InvalidMember => "is malformed",
            Kind::WrongSize => "wrong size",
            Kind::OtherNodeKey => "`node_dh_public_key` is not the key of this node",
            Kind::WeakClientKey => "`client_dh_public_key` is a weak key",
            Kind::TagMismatch => "tag does not fit",
            _ => "`plaintext_body_hash` is not that of the plaintext",
        };
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
}

#[test]
fn a_member_in_base64_may_have_escaped_slashes() {
    let (session, _, on_node) = exchange();
    let json = on_node.seal_response(RESPONSE.as_bytes(), [0xff; 12]).to_json(None, None);
    assert!(json.contains("////////////////"));
    for escaped in [json.replace('/', "\\/"), json.replace("\"////", "\"\\u002f///")] {
        let opened = session.open(&escaped).unwrap();
        assert_eq!((opened.plaintext(), opened.nonce()), (RESPONSE, &[0xff; 12]), "{escaped}");
    }
    let short = json.replace("\"////////////////", "\"\\/\\/\\/\\/////////");
    assert_eq!(kind(&session.open(&short)), Err(Kind::NonceSize));
}

#[test]
fn nothing_secret_is_printed() {
    let (session, request, on_node) = exchange();
    let sealed = on_node.seal_response(RESPONSE.as_bytes(), [9; 12]);
    let response = sealed.to_json(None, None);
    let opened = session.open(&response).unwrap();
    let printed = format!("{opened:?} {opened:#?} {request:?} {on_node:?} {:?}", secret());
    for secret in ["CANARY", "messages", "34, 34", "2222"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
