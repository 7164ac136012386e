//! Fixed bytes instead of random ones.

#![allow(dead_code)]

use atoma_confidential::{CallInfo, NodeKey, Randomness, Session, seal};

/// Returns `bytes`, in pieces of the requested length.
pub(crate) fn fixed(bytes: Vec<u8>) -> impl Randomness {
    let mut rest = bytes.into_iter();
    move |piece: &mut [u8]| {
        piece.fill_with(|| rest.next().expect("no more than 60 bytes are drawn"));
    }
}

/// The secret, salt and nonce of the shared vectors.
pub(crate) fn of_vectors(nonce: u8) -> impl Randomness {
    fixed([vec![0x11; 32], vec![0x33; 16], vec![nonce; 12]].concat())
}

/// Numbers that never repeat within a test; not random.
pub(crate) fn counter() -> impl Randomness {
    let mut count = 0_u64;
    move |piece: &mut [u8]| {
        count += 1;
        for (at, byte) in piece.iter_mut().enumerate() {
            *byte = count.to_le_bytes()[at % 8];
        }
    }
}

/// A session with the node whose secret is 32 times 0x22, with the random bytes of the shared
/// vectors.
pub(crate) fn session_of_vectors() -> Session {
    let node: NodeKey = "D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=".parse().unwrap();
    seal(br#"{"model":"m"}"#, &node, &CallInfo::new("m", 77), &mut of_vectors(0x40)).unwrap().1
}
