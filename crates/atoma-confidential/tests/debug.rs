//! The `Debug` output of errors: the line that `main` prints, and the fields in the alternate form.

mod common;

use atoma_confidential::{CallInfo, NodeKey, RandomnessError, node::NodeSecret, seal};
use common::counter;

#[test]
fn debug_of_errors_is_their_line_and_the_fields_when_alternate() {
    let node = NodeSecret::from_bytes([0x22; 32]);
    let call = CallInfo::new("m", 1);
    let key = "AAAA".parse::<NodeKey>().unwrap_err();
    let sealed = seal(b"{}", &node.key(), &call, &mut counter()).unwrap_err();
    let (_, session) = seal(br#"{"model":"m"}"#, &node.key(), &call, &mut counter()).unwrap();
    let opened = session.open("{}").unwrap_err();
    let Err(request) = node.open_request("[]") else { panic!("not a request") };
    for (name, display, line, fields) in [
        ("NodeKeyError", key.to_string(), format!("{key:?}"), format!("{key:#?}")),
        ("SealError", sealed.to_string(), format!("{sealed:?}"), format!("{sealed:#?}")),
        ("OpenError", opened.to_string(), format!("{opened:?}"), format!("{opened:#?}")),
        ("RequestError", request.to_string(), format!("{request:?}"), format!("{request:#?}")),
        (
            "RandomnessError",
            RandomnessError.to_string(),
            format!("{RandomnessError:?}"),
            format!("{RandomnessError:#?}"),
        ),
    ] {
        assert_eq!(line, display);
        assert!(fields.starts_with(name), "{fields}");
    }
}
