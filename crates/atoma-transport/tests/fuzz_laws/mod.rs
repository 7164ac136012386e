// The laws that the fuzz targets check, and the checks that they share.

pub(crate) mod proxy;
pub(crate) mod retry_after;

use std::error::Error;

/// The secret of all targets. `KEY` in an input is replaced by it.
pub(crate) const SECRET: &str = "sk-canary-5e1f0c9a7b";

/// Checks that the error and each of its causes is one short line without the secret.
pub(crate) fn check_error(error: &(dyn Error + 'static)) {
    let mut cause = Some(error);
    while let Some(one) = cause {
        let text = one.to_string();
        assert!(!text.is_empty() && text.len() <= 1_000, "not one short line: {text}");
        assert!(!text.contains(char::is_control), "not one line: {text:?}");
        assert!(!text.contains(SECRET), "the secret is shown: {text}");
        cause = one.source();
    }
    assert!(!format!("{error:?}").contains(SECRET), "the secret is shown: {error:?}");
}
