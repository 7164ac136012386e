//! A TLS 1.2 server that can ask to renegotiate, which rustls itself never does.

use super::tls::{self, Speaks};
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite, Tls12CipherSuite,
    crypto::cipher::{
        AeadKey, KeyBlockShape, MessageDecrypter, MessageEncrypter, OutboundChunks,
        OutboundOpaqueMessage, OutboundPlainMessage, Tls12AeadAlgorithm, UnsupportedOperationError,
    },
    version::TLS12,
};
use std::sync::Arc;

/// A server that writes this text asks to renegotiate instead.
pub const RENEGOTIATE: &str = "<renegotiate>";

/// The handshake message with that meaning (RFC 5246, section 7.4.1.1).
const HELLO_REQUEST: [u8; 4] = [0; 4];

/// Good TLS 1.2 that turns [`RENEGOTIATE`] into a request to renegotiate.
pub fn speaks() -> Speaks {
    let mut provider = (*tls::provider()).clone();
    provider.cipher_suites.retain_mut(|suite| {
        let SupportedCipherSuite::Tls12(known) = *suite else { return false };
        let aead_alg: &'static dyn Tls12AeadAlgorithm = Box::leak(Box::new(Asking(known.aead_alg)));
        let asking = Tls12CipherSuite {
            common: rustls::crypto::CipherSuiteCommon { ..known.common },
            prf_provider: known.prf_provider,
            kx: known.kx,
            sign: known.sign,
            aead_alg,
        };
        *suite = SupportedCipherSuite::Tls12(Box::leak(Box::new(asking)));
        true
    });
    let certificate = tls::ours().issue(tls::NAME, |_| {});
    Speaks::Tls(certificate.config_by(Arc::new(provider), &[&TLS12]))
}

struct Asking(&'static dyn Tls12AeadAlgorithm);

impl Tls12AeadAlgorithm for Asking {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(AskingEncrypter(self.0.encrypter(key, iv, extra)))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }
}

struct AskingEncrypter(Box<dyn MessageEncrypter>);

impl MessageEncrypter for AskingEncrypter {
    fn encrypt(
        &mut self,
        mut message: OutboundPlainMessage<'_>,
        number: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        if message.payload.to_vec() == RENEGOTIATE.as_bytes() {
            message.typ = ContentType::Handshake;
            message.payload = OutboundChunks::Single(&HELLO_REQUEST);
        }
        self.0.encrypt(message, number)
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        self.0.encrypted_payload_len(length)
    }
}
