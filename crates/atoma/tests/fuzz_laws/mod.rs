// The laws that the fuzz targets check, and the checks that they share.

pub(crate) mod error_body;
pub(crate) mod response;
pub(crate) mod server_url;

use atoma::{ChatCompletionMessage, ChatCompletionRequest, Client, ClientBuilder};
use std::error::Error;

/// The secret of all targets. An input contains it where it has `KEY`.
pub(crate) const SECRET: &str = "sk-canary-5e1f0c9a7b";

/// Checks that an error has one short line for each of its causes, and that no text of it shows the
/// secret.
pub(crate) fn check_error(error: &(dyn Error + 'static)) {
    let mut cause = Some(error);
    while let Some(one) = cause {
        let text = one.to_string();
        assert!(!text.is_empty() && text.len() <= 1_000, "no short line: {text}");
        assert!(!text.contains(char::is_control), "no single line: {text:?}");
        assert!(!text.contains(SECRET), "the secret is shown: {text}");
        cause = one.source();
    }
    assert!(!format!("{error:?}").contains(SECRET), "the secret is shown: {error:?}");
}

/// The input, with the secret in place of `KEY`.
fn with_secret(input: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some((first, after)) = rest.split_first() {
        match rest.strip_prefix(b"KEY") {
            Some(after) => {
                output.extend_from_slice(SECRET.as_bytes());
                rest = after;
            }
            None => {
                output.push(*first);
                rest = after;
            }
        }
    }
    output
}

/// A client with the secret as its key, and one attempt for each call.
fn client() -> ClientBuilder {
    Client::builder().api_key(SECRET).retries(atoma::RetryConfig::none())
}

fn request() -> ChatCompletionRequest {
    ChatCompletionRequest::new("model", [ChatCompletionMessage::user("Hello?")])
}
