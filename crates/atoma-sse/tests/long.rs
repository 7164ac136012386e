//! Long events, which are validated and stored in a different way than short ones.

mod common;

use atoma_sse::{Decoder, IncompleteEvent, Limits};
use common::laws;

const SLICES: [usize; 6] = [64, 4095, 4096, 4999, 20_001, 1 << 20];

fn same_in_any_slices(stream: &[u8]) {
    let wanted = laws::outcome(Decoder::new(), stream.chunks(1000));
    assert!(wanted.events == laws::reference(stream).events);
    for slice in SLICES {
        for first in [0, 7, 5000] {
            let (first, rest) = stream.split_at(first.min(stream.len()));
            let chunks = || [first].into_iter().chain(rest.chunks(slice));
            let found = laws::outcome(Decoder::new(), chunks());
            assert!(found == wanted, "in slices of {slice}");

            let mut decoder = Decoder::new();
            let mut lent = Vec::new();
            for mut input in chunks() {
                while let Some(event) = decoder.decode(&mut input).unwrap() {
                    lent.push(Ok(event.to_owned()));
                }
            }
            assert!(lent == wanted.events, "borrowed in slices of {slice}");
            let incomplete = decoder.finish().map(IncompleteEvent::into_data);
            assert!(incomplete == wanted.incomplete, "incomplete in slices of {slice}");
        }
    }
}

#[test]
fn text_with_characters_of_any_length() {
    for text in ["x", "é", "東京", "😀", "ab é東😀"] {
        let data = text.repeat(42_000 / text.len());
        let stream = format!("data: {data}\n\nid: 7\n: short\ndata: {text}\n\n").repeat(2);
        same_in_any_slices(stream.as_bytes());
        same_in_any_slices(format!("data: x{data}").as_bytes());
        same_in_any_slices(format!("event: {data}\nid: {data}\ndata: {data}\n\n").as_bytes());
    }
}

#[test]
fn malformed_text() {
    let long = "é".repeat(5000);
    for malformed in
        [&b"\xFF"[..], b"\xC3", b"\xE6\x9D", b"\xF0\x9F\x98", b"\x80\x80", b"\xE6\xC3\xA9"]
    {
        for length in [0, 4090, 9001] {
            let text = &long.as_bytes()[..length];
            for parts in [
                [b"data: ", malformed, text, b"\n\n"],
                [b"data: ", text, malformed, b"\n\n"],
                [b"data: ", text, malformed, text],
                [text, malformed, b"\ndata: ", text],
            ] {
                let event = [&parts.concat(), &b"\ndata: "[..], text, b"\n\n"].concat();
                same_in_any_slices(&event.repeat(2));
            }
        }
    }
}

#[test]
fn several_long_lines() {
    let (short, long) = ("é\u{1}".repeat(7), "東é".repeat(2001));
    for lines in [[&long, &short, &long], [&short, &long, &short], [&long, &long, &long]] {
        let lines = lines.map(|line| format!("data:{line}\r\n")).concat();
        same_in_any_slices(format!("id: 1\n{lines}event: note\n\n{lines}\n").as_bytes());
    }
}

#[test]
fn limits_hold_in_any_slices() {
    let long = "東é".repeat(4000);
    let stream = format!("data: {long}\n\ndata: x\n\ndata: {long}\ndata: {long}\n\ndata: y\n\n");
    for (line, event) in
        [(4100, 50_000), (50_000, 4100), (20_006, 20_000), (20_006, 40_000), (20_006, 40_001)]
    {
        let decoder = || Decoder::with_limits(Limits::new().line(line).event(event));
        let whole = laws::outcome(decoder(), [stream.as_bytes()]);
        for slice in SLICES {
            assert!(laws::outcome(decoder(), stream.as_bytes().chunks(slice)) == whole, "{slice}");
        }
    }
}
