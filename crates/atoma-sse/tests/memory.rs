//! Memory, counted by an allocator: nothing per event, and never more than the limits allow.

use allocation_counter::{AllocationInfo, measure};
use atoma_sse::{Decoder, Limits};

fn decode(decoder: &mut Decoder, stream: &[u8], slice: usize) -> AllocationInfo {
    measure(|| {
        for mut input in stream.chunks(slice) {
            while !matches!(decoder.decode(&mut input), Ok(None)) {}
        }
    })
}

fn chunks(count: usize) -> Vec<u8> {
    let content = "x".repeat(190);
    format!("data: {{\"content\":\"{content}\"}}\n\n: keep-alive\n\n").repeat(count).into_bytes()
}

#[test]
fn a_borrowed_event_costs_no_allocation() {
    for slice in [1, 64, 1400, 16 * 1024] {
        let counted = decode(&mut Decoder::new(), &chunks(1000), slice);
        assert!(counted.count_total <= 2, "{counted:?} in slices of {slice}");
        assert!(counted.bytes_max < 1024, "{counted:?} in slices of {slice}");
    }
}

#[test]
fn buffers_for_names_ids_and_many_lines_are_reused() {
    let block = "event: update\nid: 12345\nretry: 1\ndata: a\ndata: b\n\n";
    let mut decoder = Decoder::new();
    decode(&mut decoder, block.repeat(2).as_bytes(), 5);
    let counted = decode(&mut decoder, block.repeat(1000).as_bytes(), 5);
    assert_eq!(counted.count_total, 0);
}

#[test]
fn an_owned_event_is_one_allocation() {
    let mut decoder = Decoder::new();
    let block = "event: update\ndata: sixteen bytes at least\n\n";
    let stream = ["id: 1\n", &block.repeat(3)].concat();
    let mut input = stream.as_bytes();
    decoder.decode_owned(&mut input).unwrap();
    let counted = measure(|| {
        decoder.decode_owned(&mut input).unwrap();
        decoder.decode_owned(&mut input).unwrap();
    });
    assert_eq!(counted.count_total, 2);
}

#[test]
fn a_long_owned_event_in_several_chunks_is_one_allocation() {
    let event = format!("data: {}\n\n", "é".repeat(30_000));
    let mut decoder = Decoder::new();
    let mut decode = |slice| {
        for mut input in event.as_bytes().chunks(slice) {
            while decoder.decode_owned(&mut input).unwrap().is_some() {}
        }
    };
    decode(16 * 1024);
    for slice in [1100, 1101, 5001, 16 * 1024] {
        let counted = measure(|| decode(slice));
        assert_eq!(counted.count_total, 1, "in slices of {slice}");
        // The event has the buffer that it was collected in.
        assert_eq!(counted.bytes_max, 64 * 1024);
        assert_eq!(counted.bytes_current, 0, "and nothing is kept");
    }
}

#[test]
fn a_long_owned_event_in_one_chunk_is_one_allocation_of_its_size() {
    for (length, text) in [(31_000, "x"), (32_768, "x"), (40_000, "x"), (40_000, "é")] {
        let stream = format!("data: {}\n\n", text.repeat(length / text.len()));
        let mut decoder = Decoder::new();
        let counted = measure(|| {
            let event = decoder.decode_owned(&mut stream.as_bytes()).unwrap().unwrap();
            assert_eq!(event.data().len(), length);
        });
        assert_eq!((counted.count_total, counted.bytes_max), (1, length as u64));
        assert_eq!(counted.bytes_current, 0, "the decoder keeps nothing");
        assert_eq!(decode(&mut Decoder::new(), stream.as_bytes(), 1 << 20).count_total, 0);
    }
}

#[test]
fn an_event_that_fills_less_than_half_of_the_buffer_is_copied() {
    let event = |length| format!("data: {}\n\n", "x".repeat(length));
    let mut decoder = Decoder::new();
    let mut decode = |stream: String| {
        measure(|| {
            for mut input in stream.as_bytes().chunks(5000) {
                while decoder.decode_owned(&mut input).unwrap().is_some() {}
            }
        })
    };
    decode(event(60_000));
    // A buffer as large as the last one, and the event itself.
    let counted = decode(event(20_000));
    assert_eq!((counted.bytes_max, counted.bytes_current), (64 * 1024 + 20_000, 64 * 1024));
    assert_eq!(decode(event(20_000)).bytes_total, 20_000);
}

#[test]
fn a_short_owned_event_costs_no_allocation() {
    let stream = "data: [DONE]\n\n".repeat(100);
    let mut input = stream.as_bytes();
    let counted = measure(|| while Decoder::new().decode_owned(&mut input).unwrap().is_some() {});
    assert_eq!(counted.count_total, 0);
}

#[test]
fn comments_cost_no_memory_however_long() {
    let stream = [b": ", "x".repeat(3_000_000).as_bytes()].concat();
    for slice in [1, 1400, 3_000_002] {
        assert_eq!(decode(&mut Decoder::new(), &stream, slice).count_total, 0);
    }
}

#[test]
fn memory_stays_within_the_limits() {
    const LINE: usize = 4 * 1024;
    const EVENT: usize = 16 * 1024;
    let long = "x".repeat(10 * EVENT);
    let malformed = vec![0xFF; 10 * EVENT];
    let lines = format!("data: {}\n", "x".repeat(LINE - 10)).repeat(100);
    let streams: [(&str, Vec<u8>); 7] = [
        ("a long line", format!("data: {long}").into_bytes()),
        ("a long name", format!("event: {long}\n\n").into_bytes()),
        ("a long id", format!("id: {long}\n\n").into_bytes()),
        ("many lines", lines.clone().into_bytes()),
        ("malformed lines", [&b"data: "[..], &malformed].concat()),
        ("fitting malformed lines", [b"data: ", &malformed[..LINE - 6], b"\n\n"].concat()),
        (
            "many events",
            format!("event: {}\nid: {}\n{lines}\n\n", &long[..LINE / 2], &long[..LINE / 2])
                .repeat(3)
                .into_bytes(),
        ),
    ];
    for (name, stream) in streams {
        for slice in [1, 64, 1400, 16 * 1024, stream.len()] {
            let limits = Limits::new().line(LINE).event(EVENT);
            let counted = decode(&mut Decoder::with_limits(limits), &stream, slice);
            // The counting allocator counts the old and the new buffer while one grows.
            let most = 2 * EVENT + 8 * LINE;
            assert!(counted.bytes_max as usize <= most, "{name} in {slice}: {counted:?}");
        }
    }
}

#[test]
fn a_long_line_in_small_slices_is_copied_a_bounded_number_of_times() {
    let bytes = |length: usize| {
        let stream = format!("data: {}\n\n", "x".repeat(length));
        let limits = Limits::new().line(usize::MAX).event(usize::MAX);
        decode(&mut Decoder::with_limits(limits), stream.as_bytes(), 64).bytes_total
    };
    assert!(bytes(8_000_000) <= 9 * bytes(1_000_000));
}
