//! The output and the errors of the encoder. That its output decodes to the same events is a law.

use atoma_sse::{Encoder, Event, encode};

#[test]
fn events_as_text() {
    for (event, wanted) in [
        (Event::new("a"), "data: a\n\n"),
        (Event::new(""), "data: \n\n"),
        (Event::new(" a"), "data:  a\n\n"),
        (Event::new("a\n\nb\n"), "data: a\ndata: \ndata: b\ndata: \n\n"),
        (Event::new("a").with_name("message"), "data: a\n\n"),
        (Event::new("a").with_name(""), "data: a\n\n"),
        (Event::new("a").with_name(" e "), "event:  e \ndata: a\n\n"),
        (Event::new("a").with_id("1"), "id: 1\ndata: a\n\n"),
    ] {
        assert_eq!(encode(&event).unwrap(), wanted);
    }
}

#[test]
fn an_id_is_written_when_it_changes() {
    let mut encoder = Encoder::new();
    for (id, wanted) in [
        ("", "data: a\n\n"),
        ("1", "id: 1\ndata: a\n\n"),
        ("1", "data: a\n\n"),
        ("12", "id: 12\ndata: a\n\n"),
        ("2", "id: 2\ndata: a\n\n"),
        ("", "id\ndata: a\n\n"),
        ("", "data: a\n\n"),
    ] {
        let mut output = String::new();
        encoder.encode(&Event::new("a").with_id(id), &mut output).unwrap();
        assert_eq!(output, wanted, "{id}");
    }
}

#[test]
fn the_text_of_an_error_names_the_part() {
    for (event, wanted) in [
        (Event::new("").with_name("\n"), "event name contains a line break"),
        (Event::new("").with_id("\n"), "event id contains a line break or NUL"),
        (Event::new("\r"), "event data contains a carriage return"),
    ] {
        let error = encode(&event).unwrap_err();
        assert_eq!(
            (error.to_string(), format!("{error:?}")),
            (wanted.to_owned(), wanted.to_owned())
        );
    }
}

#[test]
fn an_event_the_format_cannot_represent_is_an_error_and_writes_nothing() {
    let mut output = String::from("before");
    let mut error_of = |event: Event<'_>| {
        let error = Encoder::new().encode(&event, &mut output).unwrap_err();
        assert_eq!(output, "before");
        error
    };
    for text in ["a\nb", "a\rb"] {
        assert!(error_of(Event::new("").with_name(text)).is_name());
        assert!(error_of(Event::new("").with_id(text)).is_id());
    }
    assert!(error_of(Event::new("").with_id("a\0b")).is_id());
    assert!(error_of(Event::new("a\rb")).is_data());
    for (event, wanted) in [
        (Event::new("a").with_name("a\nb"), (true, false, false)),
        (Event::new("a").with_id("a\nb"), (false, true, false)),
        (Event::new("a\rb"), (false, false, true)),
    ] {
        let error = error_of(event);
        assert_eq!((error.is_name(), error.is_id(), error.is_data()), wanted, "{error}");
    }
    let error = error_of(Event::new("a\r\nb"));
    assert_eq!(error.to_string(), "event data contains a carriage return");
}

#[test]
fn comments_and_retries() {
    let mut output = String::new();
    let mut encoder = Encoder::new();
    encoder.comment("keep-alive", &mut output);
    encoder.comment("two\rlines\nand a third", &mut output);
    encoder.retry(3000, &mut output);
    let wanted = ": keep-alive\n: two\n: lines\n: and a third\nretry: 3000\n\n";
    assert_eq!(output, wanted);
}
