//! The `Debug` output of errors: the line that `main` prints, and the fields in the alternate form.

use atoma_sse::{Decoder, Encoder, Event, Limits};

#[test]
fn debug_of_errors_is_their_line_and_the_fields_when_alternate() {
    let mut decoder = Decoder::with_limits(Limits::new().event(8));
    let decode = decoder.decode(&mut &b"data: too much data\n\n"[..]).unwrap_err();
    let event = Event::new("x").with_name("two\nlines");
    let encode = Encoder::new().encode(&event, &mut String::new()).unwrap_err();
    for (name, display, line, fields) in [
        ("DecodeError", decode.to_string(), format!("{decode:?}"), format!("{decode:#?}")),
        ("EncodeError", encode.to_string(), format!("{encode:?}"), format!("{encode:#?}")),
    ] {
        assert_eq!(line, display);
        assert!(fields.starts_with(&format!("{name} {{\n")), "{fields}");
    }
}
