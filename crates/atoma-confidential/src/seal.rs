use crate::{
    CallInfo, Envelope, NodeKey, Randomness, SealError, SealErrorKind, Session,
    crypto::{self, Cipher, NONCE, SALT, Secret, WeakKey},
    json,
    member::Member,
};
use core::str;
use zeroize::Zeroizing;

/// Encrypts a request for the holder of `node`'s secret.
///
/// `plaintext` is the JSON body of the ordinary endpoint; the node hashes exactly these bytes. The client key, the
/// salt and the nonce are drawn from `randomness` for every call, 60 bytes in this order. So seal again for each
/// attempt: never send an envelope twice.
///
/// # Errors
/// If the plaintext does not fit the call, the key of the node is weak, or there are no random bytes; see
/// [`SealErrorKind`]. There is then nothing to send.
///
/// ```
/// use atoma_confidential::{CallInfo, NodeKey, SealErrorKind, seal};
///
/// # let mut randomness = |bytes: &mut [u8]| bytes.fill(7);
/// let plaintext = br#"{"model":"m","messages":[{"role":"user","content":"Hello!"}]}"#;
/// let node = NodeKey::from_bytes([1; 32]);
/// let (envelope, session) = seal(plaintext, &node, &CallInfo::new("m", 77), &mut randomness)?;
/// let body = envelope.into_json();
///
/// // A low-order point: the shared secret would be zero.
/// let error = seal(plaintext, &NodeKey::from_bytes([0; 32]), &CallInfo::new("m", 77), &mut randomness).unwrap_err();
/// assert_eq!(error.kind(), SealErrorKind::WeakNodeKey);
/// # Ok::<(), atoma_confidential::SealError>(())
/// ```
pub fn seal(
    plaintext: &[u8],
    node: &NodeKey,
    call: &CallInfo,
    randomness: &mut dyn Randomness,
) -> Result<(Envelope, Session), SealError> {
    check(plaintext, call)?;
    let drawn = Drawn::from(randomness)?;
    let cipher = Cipher::agree(&drawn.secret, node.as_bytes(), &drawn.salt).map_err(|weak| {
        SealError::new(
            SealErrorKind::WeakNodeKey,
            match weak {
                WeakKey::LowOrder => {
                    "node key is a low-order point, the shared secret would be zero"
                }
                WeakKey::NotCanonical => "node key is not a canonical X25519 public key",
            },
        )
    })?;
    let ciphertext = cipher
        .encrypt(&drawn.nonce, plaintext)
        .ok_or(SealError::new(SealErrorKind::TooLarge, "body too large for AES-GCM"))?;
    let envelope = Envelope {
        ciphertext,
        stack_small_id: call.stack_small_id,
        nonce: drawn.nonce,
        salt: drawn.salt,
        client_key: crypto::public_key(&drawn.secret),
        node_key: *node,
        plaintext_hash: crypto::hash(plaintext),
        stream: Some(call.stream),
        num_compute_units: call.num_compute_units,
        model: call.model.clone(),
    };
    Ok((envelope, Session::new(cipher, drawn.nonce)))
}

/// Everything that must never be used for two requests.
struct Drawn {
    secret: Secret,
    salt: [u8; SALT],
    nonce: [u8; NONCE],
}

impl Drawn {
    fn from(randomness: &mut dyn Randomness) -> Result<Self, SealError> {
        let mut secret = Zeroizing::new([0; 32]);
        let (mut salt, mut nonce) = ([0; SALT], [0; NONCE]);
        for part in [secret.as_mut_slice(), &mut salt, &mut nonce] {
            randomness.fill(part).map_err(|_| {
                SealError::new(SealErrorKind::Randomness, "no random bytes available")
            })?;
            // The sign of a source that fails silently; by chance, one in 2^96.
            if part.iter().all(|&byte| byte == 0) {
                return Err(SealError::new(
                    SealErrorKind::Randomness,
                    "source of random bytes returned only zeros",
                ));
            }
        }
        Ok(Self { secret, salt, nonce })
    }
}

/// Compares the plaintext, which the node uses, with the call, which the proxy uses.
fn check(plaintext: &[u8], call: &CallInfo) -> Result<(), SealError> {
    let invalid = |reason| SealError::new(SealErrorKind::InvalidPlaintext, reason);
    let text = str::from_utf8(plaintext).map_err(|_| invalid("body is not UTF-8"))?;
    let (mut model, mut stream) = (Member::default(), Member::default());
    json::each_member(text, |name, value| match name {
        "model" => model.put(value),
        "stream" => stream.put(value),
        _ => {}
    })
    .map_err(|_| invalid("body is not a JSON object"))?;
    let model = model.string().map_err(|_| invalid("body needs exactly one `model`, a string"))?;
    let stream = match stream.value() {
        Ok(Some("true")) => true,
        Ok(Some("false") | None) => false,
        _ => return Err(invalid("body needs at most one `stream`, a boolean")),
    };
    if *model != call.model {
        return Err(SealError::new(
            SealErrorKind::ModelMismatch,
            "`model` of the body is not that of the call",
        ));
    }
    if stream != call.stream {
        return Err(SealError::new(
            SealErrorKind::StreamMismatch,
            "`stream` of the body is not that of the call",
        ));
    }
    Ok(())
}
