//! The laws of the fuzz targets, on their seeds and on two thousand arbitrary inputs each.

#[path = "common/laws.rs"]
#[allow(dead_code, unreachable_pub)]
mod laws;

use proptest::prelude::*;
use std::{fs, path::Path};

#[test]
fn seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds");
    let laws: [(&str, fn(&[u8])); 4] = [
        ("decode_arbitrary", laws::decode_arbitrary),
        ("splits", laws::splits),
        ("round_trip", laws::round_trip),
        ("limits", laws::limits),
    ];
    for (name, law) in laws {
        for seed in fs::read_dir(seeds.join(name)).unwrap() {
            law(&fs::read(seed.unwrap().path()).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decode_arbitrary(bytes in stream()) {
        laws::decode_arbitrary(&bytes);
    }

    #[test]
    fn splits(bytes in stream()) {
        laws::splits(&bytes);
    }

    #[test]
    fn round_trip(text in "(?s)[\n\r:| \0a-d\u{e9}\u{feff}\u{1f600}]{0,60}") {
        laws::round_trip(text.as_bytes());
    }

    #[test]
    fn limits(bytes in stream()) {
        laws::limits(&bytes);
    }
}

/// Two bytes for the law, then parts of event streams in any order.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let parts: Vec<&[u8]> = vec![
        b"data",
        b"data:",
        b"data: ",
        b"event: ",
        b"id: ",
        b"id",
        b"retry: ",
        b"error: ",
        b"da",
        b":",
        b" ",
        b"\n",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"\xEF\xBB\xBF",
        b"\xEF\xBB",
        b"\0",
        b"7",
        b"12",
        b"x",
        b"message",
        b"\xC3\xA9",
        b"\xF0\x9F\x98\x80",
        b"\xF0\x9F",
        b"\xFF",
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n",
        b": keep-alive\n\n",
    ];
    let part = prop_oneof![
        8 => prop::sample::select(parts).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    let parts = prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat());
    (prop::array::uniform2(0..80_u8), parts).prop_map(|(head, parts)| [&head[..], &parts].concat())
}
