//! The `Debug` output of errors: the line that `main` prints, and the fields in the alternate form.

use atoma_verify::{PublicKey, SuiAddress, Verifier};

#[test]
fn debug_of_errors_is_their_line_and_the_fields_when_alternate() {
    let parse = "0x12".parse::<SuiAddress>().unwrap_err();
    let nobody = Verifier::pinned(Vec::<PublicKey>::new()).unwrap_err();
    let verify = Verifier::any_signer().check("{}").unwrap_err();
    for (name, display, line, fields) in [
        ("ParseSignerError", parse.to_string(), format!("{parse:?}"), format!("{parse:#?}")),
        ("NoSigner", nobody.to_string(), format!("{nobody:?}"), format!("{nobody:#?}")),
        ("VerifyError", verify.to_string(), format!("{verify:?}"), format!("{verify:#?}")),
    ] {
        assert_eq!(line, display);
        assert!(fields.starts_with(name), "{fields}");
    }
}
