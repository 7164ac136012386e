//! Streams: one signer, every chunk's hash, and the signatures that the mode asks for.

use atoma_verify::{Mode, SigningKey, StreamVerifier, Verifier, VerifyError, VerifyErrorKind};

const MODES: [Mode; 5] = [
    Mode::EveryChunk,
    Mode::UncheckedBetween { every: 1 },
    Mode::UncheckedBetween { every: 4 },
    Mode::UncheckedBetween { every: u32::MAX },
    Mode::UncheckedUntilEnd,
];

fn key(seed: u8) -> SigningKey {
    SigningKey::ed25519([seed; 32])
}

fn chunks(key: &SigningKey, number: usize) -> Vec<String> {
    let text = |index| format!(r#"{{"id":"c","choices":[{{"delta":{{"content":"{index}"}}}}]}}"#);
    (0..number).map(|index| key.sign_json(&text(index)).unwrap()).collect()
}

/// A chunk whose hash is right and whose signature names the key, but was made for another text.
fn forged(key: &SigningKey, text: &str) -> String {
    let real = key.sign_json(text).unwrap();
    let signature = |wire: &str| atoma_verify::split(wire).unwrap().signature().to_owned();
    let other = key.sign_json(r#"{"other":1}"#).unwrap();
    real.replace(&signature(&real), &signature(&other))
}

/// Where the stream fails: at a chunk, or at its end.
fn run(mut stream: StreamVerifier, chunks: &[String]) -> Result<(), (usize, VerifyError)> {
    for (index, chunk) in chunks.iter().enumerate() {
        stream.check(chunk).map_err(|error| (index, error))?;
    }
    stream.finish().map(drop).map_err(|error| (chunks.len(), error))
}

#[test]
fn a_signed_stream_passes_in_every_mode() {
    let key = key(1);
    for mode in MODES {
        for number in 1..10 {
            for verifier in [Verifier::any_signer(), Verifier::pinned([key.public_key()]).unwrap()]
            {
                let mut stream = verifier.clone().mode(mode).stream();
                let chunks = chunks(&key, number);
                for (index, chunk) in chunks.iter().enumerate() {
                    let checked = stream.check(chunk).unwrap();
                    let expected = match mode {
                        Mode::EveryChunk => true,
                        Mode::UncheckedBetween { every } => index % every as usize == 0,
                        _ => false,
                    };
                    assert_eq!(checked.verified().is_some(), expected, "{mode:?} {index}");
                    assert!(!checked.is_repeat());
                }
                let last = stream.finish().unwrap();
                assert_eq!(last, verifier.check(chunks.last().unwrap()).unwrap());
                assert_eq!(stream.finish(), Ok(last), "finishing twice changes nothing");
                assert_eq!(stream.chunks(), number as u64);
                assert_eq!(stream.repeats(), 0);
                assert_eq!(stream.signer(), Some(key.address()));
            }
        }
    }
}

#[test]
fn a_forged_chunk_is_found_where_the_mode_says() {
    let key = key(1);
    for mode in MODES {
        for position in 0..9 {
            let mut chunks = chunks(&key, 9);
            chunks[position] = forged(&key, r#"{"id":"forged"}"#);
            let found = run(Verifier::any_signer().mode(mode).stream(), &chunks);
            let expected = match mode {
                Mode::EveryChunk => Some(position),
                Mode::UncheckedBetween { every } if position % every as usize == 0 => {
                    Some(position)
                }
                // The documented gap of a sample.
                Mode::UncheckedBetween { .. } => (position == 8).then_some(9),
                _ => Some(9),
            };
            assert_eq!(found.as_ref().err().map(|(at, _)| *at), expected, "{mode:?} {position}");
            if let Err((_, error)) = found {
                assert_eq!(error.kind(), VerifyErrorKind::InvalidSignature);
            }
        }
    }
}

#[test]
fn an_altered_chunk_is_found_immediately_in_every_mode() {
    for mode in MODES {
        for position in 0..9 {
            let mut chunks = chunks(&key(1), 9);
            chunks[position] = chunks[position].replace("content", "Content");
            let (at, error) = run(Verifier::any_signer().mode(mode).stream(), &chunks).unwrap_err();
            assert_eq!((at, error.kind()), (position, VerifyErrorKind::HashMismatch), "{mode:?}");
        }
    }
}

#[test]
fn another_signer_is_an_error_in_every_mode_even_a_pinned_one() {
    let (first, second) = (key(1), key(2));
    let both = Verifier::pinned([first.public_key(), second.public_key()]).unwrap();
    for verifier in [Verifier::any_signer(), Verifier::trust_on_first_use(), both] {
        for mode in MODES {
            for position in 1..9 {
                let mut chunks = chunks(&first, 9);
                chunks[position] = second.sign_json(r#"{"id":"other"}"#).unwrap();
                let (at, error) = run(verifier.clone().mode(mode).stream(), &chunks).unwrap_err();
                let kind = VerifyErrorKind::SignerChanged;
                assert_eq!((at, error.kind()), (position, kind), "{mode:?}");
                assert_eq!(error.signer(), Some(second.address()));
            }
        }
    }
    let pinned = Verifier::pinned([second.public_key()]).unwrap();
    for mode in MODES {
        let (at, error) = run(pinned.clone().mode(mode).stream(), &chunks(&first, 3)).unwrap_err();
        assert_eq!((at, error.kind()), (0, VerifyErrorKind::UnknownSigner));
    }
}

#[test]
fn an_unsigned_chunk_is_an_error_in_every_mode() {
    for mode in MODES {
        for (chunk, kind) in [
            (r#"{"id":"c"}"#, VerifyErrorKind::MissingSignature),
            ("[DONE]", VerifyErrorKind::Malformed),
        ] {
            let mut chunks = chunks(&key(1), 3);
            chunks.insert(2, chunk.to_owned());
            let (at, error) = run(Verifier::any_signer().mode(mode).stream(), &chunks).unwrap_err();
            assert_eq!((at, error.kind()), (2, kind));
        }
    }
}

#[test]
fn after_an_error_no_chunk_passes() {
    let chunks = chunks(&key(1), 3);
    for mode in MODES {
        let mut stream = Verifier::any_signer().mode(mode).stream();
        stream.check(&chunks[0]).unwrap();
        let error = stream.check("{}").unwrap_err();
        assert_eq!(stream.check(&chunks[1]), Err(error.clone()));
        assert_eq!(stream.finish(), Err(error));
        assert_eq!(stream.chunks(), 1);
    }
    let mut stream = Verifier::any_signer().mode(Mode::UncheckedUntilEnd).stream();
    stream.check(forged(&key(1), r#"{"id":"forged"}"#)).unwrap();
    let error = stream.finish().unwrap_err();
    assert_eq!(stream.finish(), Err(error.clone()));
    assert_eq!(stream.check(&chunks[0]), Err(error));
}

#[test]
fn a_stream_without_chunks_is_not_signed() {
    for mode in MODES {
        let error = Verifier::any_signer().mode(mode).stream().finish().unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::MissingSignature);
    }
}

#[test]
fn repeated_chunks_are_counted() {
    let chunks = chunks(&key(1), 2);
    for mode in MODES {
        let mut stream = Verifier::any_signer().mode(mode).stream();
        let repeats =
            [0, 0, 0, 1, 1, 0, 1].map(|index| stream.check(&chunks[index]).unwrap().is_repeat());
        assert_eq!(repeats, [false, true, true, false, true, false, false]);
        assert_eq!(stream.repeats(), 3);
        assert_eq!(stream.chunks(), 7);
        assert!(stream.finish().is_ok());
    }
}

#[test]
fn a_stream_is_a_first_use_once_a_signature_was_checked() {
    let (first, second) = (key(1), key(2));
    for mode in MODES {
        let verifier = Verifier::trust_on_first_use().mode(mode);
        let mut stream = verifier.stream();
        stream.check(forged(&first, r#"{"a":1}"#)).ok();
        stream.finish().unwrap_err();
        assert_eq!(verifier.first_signer(), None);

        run(verifier.stream(), &chunks(&second, 5)).unwrap();
        assert_eq!(verifier.first_signer(), Some(second.address()));
        let (at, error) = run(verifier.stream(), &chunks(&first, 5)).unwrap_err();
        assert_eq!((at, error.kind()), (0, VerifyErrorKind::SignerChanged));
    }
}

#[test]
fn streams_with_two_first_signers_fail_for_the_slower_one() {
    let verifier = Verifier::trust_on_first_use().mode(Mode::UncheckedUntilEnd);
    let (mut first, mut second) = (verifier.stream(), verifier.stream());
    first.check(&chunks(&key(1), 1)[0]).unwrap();
    second.check(&chunks(&key(2), 1)[0]).unwrap();
    second.finish().unwrap();
    assert_eq!(first.finish().unwrap_err().kind(), VerifyErrorKind::SignerChanged);
}

#[test]
fn confidential_chunks_are_checked_by_their_plaintext() {
    let key = key(1);
    for mode in MODES {
        let mut stream = Verifier::any_signer().mode(mode).stream();
        for plaintext in ["{\"a\":1}", "{\"a\":2} "] {
            let signed = key.sign_plaintext(plaintext.as_bytes());
            let (signature, hash) = (&signed.signature, &signed.response_hash);
            stream.check_plaintext(plaintext, signature, hash).unwrap();
            let mut altered = stream.clone();
            let error = altered.check_plaintext("{}", signature, hash).unwrap_err();
            assert_eq!(error.kind(), VerifyErrorKind::HashMismatch);
        }
        stream.finish().unwrap();
    }
}

#[test]
fn a_stream_has_no_signer_until_a_chunk_has_passed() {
    let key = key(1);
    let mut stream = Verifier::any_signer().stream();
    assert_eq!(stream.signer(), None);
    stream.check(forged(&key, r#"{"a":1}"#)).unwrap_err();
    assert_eq!((stream.signer(), stream.chunks()), (None, 0));

    let mut stream = Verifier::any_signer().stream();
    stream.check(&chunks(&key, 1)[0]).unwrap();
    assert_eq!(stream.signer(), Some(key.public_key().into()));
}
