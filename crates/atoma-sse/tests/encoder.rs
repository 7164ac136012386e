//! What the encoder writes and refuses. That it decodes to the same events is a law (`laws.rs`).

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
fn what_the_format_cannot_carry_is_refused_and_nothing_written() {
    let mut output = String::from("before");
    let mut refused = |event: Event<'_>| {
        let error = Encoder::new().encode(&event, &mut output).unwrap_err();
        assert_eq!(output, "before");
        error
    };
    for text in ["a\nb", "a\rb"] {
        assert!(refused(Event::new("").with_name(text)).is_name());
        assert!(refused(Event::new("").with_id(text)).is_id());
    }
    assert!(refused(Event::new("").with_id("a\0b")).is_id());
    assert!(refused(Event::new("a\rb")).is_data());
    let error = refused(Event::new("a\r\nb"));
    assert_eq!(error.to_string(), "event data cannot hold a carriage return");
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
