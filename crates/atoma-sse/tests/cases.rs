//! Tables of cases: name, stream, expected events. Each stream is decoded whole, byte by byte, and
//! split in two at every byte.

mod common;

use atoma_sse::{Decoder, Limits};

/// Events as `name/id: data`, errors as `line!` and `event!`.
fn read(decoder: &Decoder, stream: &[u8]) -> Vec<String> {
    let events = common::outcome(decoder, stream).events;
    let lines = events.into_iter().map(|event| match event {
        Ok(event) => format!("{}/{}: {}", event.name(), event.id(), event.data()),
        Err(error) if error.is_line_too_large() => "line!".to_owned(),
        Err(_) => "event!".to_owned(),
    });
    lines.collect()
}

#[track_caller]
fn check(decoder: &Decoder, cases: &[(&str, &[u8], &[&str])]) {
    for (name, stream, wanted) in cases {
        assert_eq!(read(decoder, stream), *wanted, "{name}");
    }
}

#[test]
fn events_of_the_standard() {
    check(
        &Decoder::new(),
        &[
            ("only one space is dropped", b"data:  a\n\n", &["message/:  a"]),
            ("a space alone is nothing", b"data: \n\n", &["message/: "]),
            ("names are case-sensitive", b"Data: a\nDATA: b\n\n", &[]),
            ("a longer name is another", b"datax: a\nid2: b\ndata: c\n\n", &["message/: c"]),
            ("a shorter name is another", b"dat: a\ndata: c\n\n", &["message/: c"]),
            ("retriever is not retry", b"retrie: 1\nretriever: 2\n\n", &[]),
            ("an id with a NUL keeps the last", b"id: 1\nid: 2\0\ndata: a\n\n", &["message/1: a"]),
            (
                "an empty id",
                b"id: 1\ndata: a\n\nid:\ndata: b\n\n",
                &["message/1: a", "message/: b"],
            ),
            ("an id alone", b"data: a\n\nid: 1\n\ndata: b\n\n", &["message/: a", "message/1: b"]),
            ("a name is not carried on", b"event: e\ndata\n\ndata\n\n", &["e/: ", "message/: "]),
            ("CR only", b"data: a\rdata: b\r\rdata: c\r\r", &["message/: a\nb", "message/: c"]),
            ("LF CR is two line ends", b"data: a\n\rdata: b\n\r", &["message/: a", "message/: b"]),
            ("CR CR LF LF", b"data: a\r\r\n\ndata: b\r\r", &["message/: a", "message/: b"]),
            ("a mark twice", b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\ndata: b\n\n", &["message/: b"]),
            ("a mark alone", b"\xEF\xBB\xBF", &[]),
            ("a mark in a value", b"data: \xEF\xBB\xBFa\n\n", &["message/: \u{FEFF}a"]),
            ("one byte of a mark", b"\xEFdata: a\n\ndata: b\n\n", &["message/: b"]),
            ("two bytes of a mark, line end", b"\xEF\xBB\ndata: b\n\n", &["message/: b"]),
            ("two bytes of a mark, colon", b"\xEF\xBB:\ndata: b\n\n", &["message/: b"]),
            (
                "a character split by a line end",
                b"data: \xE6\x9D\ndata: \xB1\n\n",
                &["message/: \u{FFFD}\n\u{FFFD}"],
            ),
            (
                "a character over two lines is two halves",
                b"data: \xF0\x9F\n\n",
                &["message/: \u{FFFD}"],
            ),
            ("malformed bytes in names of fields", b"d\xFFata: a\ndata: b\n\n", &["message/: b"]),
            ("comments in a block", b": a\nevent: e\n:b\ndata: c\n:\n\n", &["e/: c"]),
            (
                "a comment that looks like a block",
                b":\n\n:\r\r:\r\n\r\ndata: a\n\n",
                &["message/: a"],
            ),
        ],
    );
}

#[test]
fn retry_is_digits_alone() {
    for (stream, wanted) in [
        (&b"retry: 18446744073709551615\n"[..], Some(u64::MAX)),
        (b"retry: 18446744073709551616\n", Some(u64::MAX)),
        (b"retry: 99999999999999999999999999\n", Some(u64::MAX)),
        (b"retry: 1\nretry:  2\n", Some(1)),
        (b"retry: 1\nretry: 2 \n", Some(1)),
        (b"retry: 1\nretry: \xD9\xA2\n", Some(1)),
        (b"retry: 3\r", Some(3)),
        (b"retry: 3", None),
    ] {
        assert_eq!(common::outcome(&Decoder::new(), stream).retry, wanted);
    }
}

#[test]
fn an_event_is_incomplete_without_its_blank_line() {
    for (stream, wanted) in [
        (&b"data: [DONE]"[..], Some("[DONE]")),
        (b"data: [DONE]\n", Some("[DONE]")),
        (b"data: [DONE]\r", Some("[DONE]")),
        (b"data: [DONE]\n\n", None),
        (b"data: a\n\ndata: b\ndata: c", Some("b\nc")),
        (b"data", Some("")),
        (b"da", Some("")),
        (b"event: e\n", Some("")),
        (b"id: 1", Some("")),
        (b"data: \xF0\x9F", Some("\u{FFFD}")),
        (b"", None),
        (b"\n", None),
        (b"\xEF\xBB", None),
        (b": comment", None),
        (b"foo: bar", None),
        (b"retry: 5", None),
        (b"data: a\n\n: bye\n", None),
    ] {
        let incomplete = common::outcome(&Decoder::new(), stream).incomplete;
        assert_eq!(incomplete.as_deref(), wanted, "{:?}", String::from_utf8_lossy(stream));
    }
}

#[test]
fn finish_begins_a_new_stream() {
    let mut decoder = Decoder::new();
    let mut input = &b"id: 7\nretry: 9\ndata: a\n\nid: 8\nevent: e\ndata: b\r"[..];
    assert_eq!(decoder.decode(&mut input).unwrap().unwrap().data(), "a");
    assert_eq!(decoder.decode(&mut input), Ok(None));
    let incomplete = decoder.finish().unwrap();
    assert_eq!((incomplete.name(), incomplete.data()), ("e", "b"));
    assert_eq!((decoder.last_event_id(), decoder.retry()), ("7", Some(9)));
    assert_eq!(decoder.finish(), None);

    let mut input = &b"\xEF\xBB\xBFdata: c\n\n"[..];
    let event = decoder.decode(&mut input).unwrap().unwrap();
    assert_eq!((event.name(), event.data(), event.id()), ("message", "c", "7"));
}

#[test]
fn an_error_field_is_read_only_if_accepted() {
    let stream = b"error: {\"code\": 1}\n\nerror\n\ndata: a\nerror: b\n\nerr: c\n\n";
    check(
        &Decoder::new().accept_error_field(true),
        &[("on", stream, &["error/: {\"code\": 1}", "error/: ", "error/: a\nb"])],
    );
    check(&Decoder::new(), &[("off", stream, &["message/: a"])]);
}

#[test]
fn json_without_a_field_name_is_read_only_if_accepted() {
    let stream = b"{\"a\": 1}\n\ndata: 2\n[3]\n\n{\nid: 7\n}\n\n {\"b\": 4}\n\ndata: 5\n\n";
    check(
        &Decoder::new().accept_bare_json(true),
        &[(
            "on",
            stream,
            &["message/: {\"a\": 1}", "message/: 2\n[3]", "message/7: {", "message/7: 5"],
        )],
    );
    check(&Decoder::new(), &[("off", stream, &["message/: 2", "message/7: 5"])]);
    let limited = Decoder::with_limits(Limits::new().line(8).event(5)).accept_bare_json(true);
    check(
        &limited,
        &[
            ("within both limits", b"{\"a\"}\n\n", &["message/: {\"a\"}"]),
            ("larger than an event", b"{\"ab\"}\n\ndata: 1\n\n", &["event!", "message/: 1"]),
        ],
    );
}

#[test]
fn flawed_names_of_data_are_read_only_if_accepted() {
    let flawed: &[(&str, &[u8])] = &[
        ("a byte order mark", b"\xEF\xBB\xBFdata: 1\n\n"),
        ("spaces", b"  data: 1\n\n"),
        ("a tab", b"\tdata:1\n\n"),
        ("NULs", b"\0\0data: 1\n\n"),
        ("capitals", b"DATA: 1\n\n"),
        ("a capital and a space", b"Data : 1\n\n"),
    ];
    for (name, flawed) in flawed {
        let stream = [b"data: 0\n\n", *flawed].concat();
        let on = Decoder::new().accept_flawed_names(true);
        check(&on, &[(name, &stream, &["message/: 0", "message/: 1"])]);
        check(&Decoder::new(), &[(name, &stream, &["message/: 0"])]);
    }
    check(
        &Decoder::new().accept_flawed_names(true),
        &[
            ("another field", b"data: 0\ndate: 1\nEvent: 2\nda ta: 3\n\n", &["message/: 0"]),
            ("a blank line only in part", b"data: 0\n \ndata: 1\n\n", &["message/: 0\n1"]),
            ("a comment", b"data: 0\n : 1\n\n", &["message/: 0"]),
        ],
    );
}

#[test]
fn a_line_larger_than_its_limit() {
    check(
        &Decoder::with_limits(Limits::new().line(8)),
        &[
            ("exactly the limit", b"data: 12\n\n", &["message/: 12"]),
            ("one byte more", b"data: 123\n\ndata: 4\n\n", &["line!", "message/: 4"]),
            ("without its end", b"data: 123", &["line!"]),
            ("reported once", b"data: 123\ndata: 1234\n:12345678\n\n:ok\n\n", &["line!"]),
            (
                "a comment",
                b":1234567\n:12345678\ndata: 1\n\ndata: 2\n\n",
                &["line!", "message/: 2"],
            ),
            ("an unknown field", b"unknown: 1\n\ndata: 2\n\n", &["line!", "message/: 2"]),
            ("a name without an end", b"xxxxxxxxxxxxxxx\n\ndata: 2\n\n", &["line!", "message/: 2"]),
            ("CR LF is not counted", b"data: 12\r\n\r\n", &["message/: 12"]),
            (
                "the rest of the event",
                b"data: 1\ndata: 234\nid: 9\r\nid: 8\r\n\r\ndata: 5\n\n",
                &["line!", "message/: 5"],
            ),
            (
                "the start of the event",
                b"id: 9\nevent: e\n:12345678\n\ndata: 5\n\n",
                &["line!", "message/: 5"],
            ),
            ("replaced in an id", b"id: \xFF\xFF\xFF\n\ndata: 2\n\n", &["line!", "message/: 2"]),
            ("a mark is not counted", b"\xEF\xBB\xBFdata: 12\n\n", &["message/: 12"]),
        ],
    );
}

#[test]
fn an_event_larger_than_its_limit() {
    check(
        &Decoder::with_limits(Limits::new().line(16).event(4)),
        &[
            ("exactly the limit", b"data: 1234\n\n", &["message/: 1234"]),
            ("one byte more", b"data: 12345\n\ndata: 6\n\n", &["event!", "message/: 6"]),
            (
                "the line feed counts",
                b"data: 12\ndata: 34\n\ndata: 5\n\n",
                &["event!", "message/: 5"],
            ),
            ("two lines within", b"data: 12\ndata: 3\n\n", &["message/: 12\n3"]),
            ("empty lines", b"data\ndata\ndata\ndata\ndata\n\n", &["message/: \n\n\n\n"]),
            ("too many empty lines", b"data\ndata\ndata\ndata\ndata\ndata\n\n", &["event!"]),
            (
                "names and ids do not count",
                b"event: 123456\nid: 123456\ndata: 1\n\n",
                &["123456/123456: 1"],
            ),
            ("replaced within", b"data: a\xFF\n\n", &["message/: a\u{FFFD}"]),
            ("replaced beyond", b"data: ab\xFF\n\ndata: 1\n\n", &["event!", "message/: 1"]),
            ("both at one byte: the event", b"data: 1\ndata: 4567890123\n\n", &["event!"]),
            ("the line first", b"data: 1\nunknown: 12345678\n\n", &["line!"]),
        ],
    );
    check(
        &Decoder::with_limits(Limits::new().line(10).event(4)),
        &[("a tie is an event error", b"data: 12345\n\n", &["event!"])],
    );
    check(
        &Decoder::with_limits(Limits::new().line(0).event(0)),
        &[("nothing fits", b"data\n\n\n:\n\ndata: x\n\n", &["line!", "line!", "line!"])],
    );
}

#[test]
fn the_id_of_an_event_that_exceeds_a_limit_is_lost_with_it() {
    let decoder = Decoder::with_limits(Limits::new().line(16).event(4));
    for (name, event) in [
        ("a large event", &b"id: 2\ndata: 12345\n\n"[..]),
        ("a large line", b"id: 2\n:1234567890123456\n\n"),
        ("a large id", b"id: 3456789012345\n\n"),
        ("an id after the large line", b"data: 12345\nid: 2\n\n"),
        ("large by replacement, known at the blank line", b"id: 2\ndata: ab\xFF\n\n"),
        ("large by replacement in two lines", b"data: \xFF\nid: 2\ndata:\xFF\n\n"),
    ] {
        let stream = [b"id: 1\ndata: a\n\n", event, b"data: b\n\n"].concat();
        assert_eq!(read(&decoder, &stream).len(), 3, "{name}");
        assert_eq!(read(&decoder, &stream)[2], "message/1: b", "{name}");
    }
}

#[test]
fn an_event_is_out_as_soon_as_its_last_byte_is_in() {
    for stream in [&b"data: a\n\n"[..], b"data: a\r\r", b"data: a\r\n\r", b"data: a\n\r"] {
        let mut decoder = Decoder::new();
        let (mut start, mut last) = stream.split_at(stream.len() - 1);
        assert_eq!(decoder.decode(&mut start), Ok(None));
        assert!(decoder.decode(&mut last).unwrap().is_some(), "{stream:?}");
    }
}

#[test]
fn an_event_in_one_chunk_is_borrowed_from_the_input() {
    let stream = b"data: within the input\n\n";
    let mut decoder = Decoder::new();
    let mut input = &stream[..];
    let event = decoder.decode(&mut input).unwrap().unwrap();
    assert_eq!(event.data().as_ptr(), stream[6..].as_ptr());
}

#[test]
fn decoding_stops_right_after_an_event() {
    let mut input = &b"data: a\r\n\r\ndata: b\n\n: rest"[..];
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode(&mut input).unwrap().unwrap().data(), "a");
    assert_eq!(input, b"data: b\n\n: rest");
    assert_eq!(decoder.decode(&mut input).unwrap().unwrap().data(), "b");
    assert_eq!(input, b": rest");
}

#[test]
fn a_limit_error_names_the_setting_that_raises_it() {
    let mut decoder = Decoder::with_limits(Limits::new().line(12).event(4));
    let mut input = &b"data: 12345\n\n:123456789012\n\n"[..];
    let mut error = || decoder.decode(&mut input).unwrap_err().to_string();
    assert_eq!(error(), "event larger than 4 bytes: raise Limits::event");
    assert_eq!(error(), "line larger than 12 bytes: raise Limits::line");
}

#[test]
fn an_exceeded_limit_is_that_of_the_line_or_of_the_event() {
    let limits = Limits::default().line(20).event(30);
    for (text, is_line, limit) in [
        ("event: 0123456789abcdefghi\n\n", true, 20),
        ("data: 0123456789\ndata: 0123456789\ndata: 0123456789\n\n", false, 30),
    ] {
        let mut input = text.as_bytes();
        let error = Decoder::with_limits(limits).decode(&mut input).unwrap_err();
        assert_eq!(error.is_line_too_large(), is_line, "{error}");
        assert_eq!(error.is_event_too_large(), !is_line, "{error}");
        assert_eq!(error.limit(), limit, "{error}");
    }
}

#[test]
fn the_default_limits_are_4_mib() {
    for (limits, name) in [(Limits::default(), "default"), (Limits::new(), "new")] {
        assert_eq!(limits, Limits::new().line(4_194_304).event(4_194_304), "{name}");
    }
}
