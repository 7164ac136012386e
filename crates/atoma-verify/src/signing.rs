//! Signing as a node does, for mocks and tests.

use crate::{
    error::{Reason, VerifyError},
    hash::blake2b256,
    public_key::PublicKey,
    signature::Signature,
    split::{Parts, preimage},
    sui_address::SuiAddress,
};
use alloc::{format, string::String};
use base64::{Engine, engine::general_purpose::STANDARD};
use core::fmt;
use ed25519_dalek::Signer;

/// A secret key that signs as Atoma's nodes do. For mocks and tests: the secret is not wiped from memory.
///
/// ```
/// use atoma_verify::{SigningKey, Verifier};
///
/// let key = SigningKey::test();
/// let signed = key.sign_json(r#"{"id":"x","choices":[]}"#)?;
/// assert!(Verifier::pinned([key.public_key()]).unwrap().check(&signed).is_ok());
/// # Ok::<(), atoma_verify::VerifyError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    secret: Secret,
    public_key: PublicKey,
}

#[derive(Clone)]
enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    #[cfg(feature = "ecdsa")]
    Secp256k1(k256::ecdsa::SigningKey),
    #[cfg(feature = "ecdsa")]
    Secp256r1(p256::ecdsa::SigningKey),
}

/// The two values that a node sends with a signed text, as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedHash {
    /// The value of the member `signature`: flag, signature and public key.
    pub signature: String,
    /// The value of the member `response_hash`: BLAKE2b-256 of the text.
    pub response_hash: String,
}

impl SigningKey {
    /// The seed of the published test key. Everybody knows it: never trust this key outside of tests.
    pub const TEST_SEED: [u8; 32] = [1; 32];

    /// Returns the published test key: Ed25519 with [`TEST_SEED`](Self::TEST_SEED), whose address is
    /// `0x29dfbf688abce7ab43bb8e70cae158ae961196e721440f515482f8ba1684390f`.
    #[must_use]
    pub fn test() -> Self {
        Self::ed25519(Self::TEST_SEED)
    }

    /// Returns the Ed25519 key with this seed.
    #[must_use]
    pub fn ed25519(seed: [u8; 32]) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(&seed);
        let public_key = PublicKey::ed25519(secret.verifying_key().to_bytes());
        Self { secret: Secret::Ed25519(secret), public_key }
    }

    /// Returns the secp256k1 key with this secret number. A number outside of the curve's range (zero, for
    /// example) is replaced with its hash.
    #[cfg(feature = "ecdsa")]
    #[must_use]
    pub fn secp256k1(seed: [u8; 32]) -> Self {
        use crate::scheme::Scheme;
        let Ok(secret) = k256::ecdsa::SigningKey::from_slice(&seed) else {
            return Self::secp256k1(blake2b256([&seed[..]]));
        };
        let point = secret.verifying_key().to_encoded_point(true);
        let public_key = PublicKey::padded(Scheme::Secp256k1, point.as_bytes());
        Self { secret: Secret::Secp256k1(secret), public_key }
    }

    /// Returns the secp256r1 key with this secret number. A number outside of the curve's range (zero, for
    /// example) is replaced with its hash.
    #[cfg(feature = "ecdsa")]
    #[must_use]
    pub fn secp256r1(seed: [u8; 32]) -> Self {
        use crate::scheme::Scheme;
        let Ok(secret) = p256::ecdsa::SigningKey::from_slice(&seed) else {
            return Self::secp256r1(blake2b256([&seed[..]]));
        };
        let point = secret.verifying_key().to_encoded_point(true);
        let public_key = PublicKey::padded(Scheme::Secp256r1, point.as_bytes());
        Self { secret: Secret::Secp256r1(secret), public_key }
    }

    /// Returns the public key, to pin it.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Returns the signer's address.
    #[must_use]
    pub fn address(&self) -> SuiAddress {
        SuiAddress::from(&self.public_key)
    }

    /// Signs a JSON object as a node does: appends the members `signature` and `response_hash`, in that
    /// order. White space around the object and before its closing brace is dropped.
    ///
    /// # Errors
    ///
    /// [`Malformed`](crate::VerifyErrorKind::Malformed) if the text is not an object, or has one of the two
    /// members already.
    pub fn sign_json(&self, text: &str) -> Result<String, VerifyError> {
        let parts = Parts::read(text)?;
        if parts.signature.is_some() || parts.response_hash.is_some() {
            return Err(Reason::Malformed("text is signed already").into());
        }
        let members = parts.runs[0].trim_end();
        let hash = blake2b256(preimage([members, "", ""]).map(str::as_bytes));
        let SignedHash { signature, response_hash } = self.signed(&hash);
        let comma = if members.is_empty() { "" } else { "," };
        Ok(format!(
            r#"{{{members}{comma}"signature":"{signature}","response_hash":"{response_hash}"}}"#
        ))
    }

    /// Signs the plaintext of a confidential response, as it is.
    #[must_use]
    pub fn sign_plaintext(&self, plaintext: &[u8]) -> SignedHash {
        self.signed(&blake2b256([plaintext]))
    }

    /// Signs a hash and returns the value of `signature`: base64 of flag, signature and public key.
    #[must_use]
    pub fn sign_hash(&self, hash: &[u8; 32]) -> String {
        let bytes = match &self.secret {
            Secret::Ed25519(key) => key.sign(hash).to_bytes(),
            // ECDSA over SHA-256 of the hash; nodes send the low form of s.
            #[cfg(feature = "ecdsa")]
            Secret::Secp256k1(key) => {
                let signature: k256::ecdsa::Signature = key.sign(hash);
                signature.normalize_s().unwrap_or(signature).to_bytes().into()
            }
            #[cfg(feature = "ecdsa")]
            Secret::Secp256r1(key) => {
                let signature: p256::ecdsa::Signature = key.sign(hash);
                signature.normalize_s().unwrap_or(signature).to_bytes().into()
            }
        };
        Signature { key: self.public_key, bytes }.encode()
    }

    fn signed(&self, hash: &[u8; 32]) -> SignedHash {
        SignedHash { signature: self.sign_hash(hash), response_hash: STANDARD.encode(hash) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public_key", &self.public_key).finish_non_exhaustive()
    }
}
