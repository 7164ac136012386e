use http::HeaderMap;

/// Returns the server's identifier of a request, to quote in a support case.
///
/// Reads, in this order, `x-request-id` (OpenAI and most others), `request-id` (Anthropic),
/// `apim-request-id` and `x-ms-request-id` (Azure), `x-amzn-requestid` (Bedrock). An empty value
/// and one that is not visible ASCII do not count.
///
/// ```
/// let (head, ()) = http::Response::builder().header("request-id", "req-7").body(())?.into_parts();
/// assert_eq!(atoma_transport::request_id(&head.headers), Some("req-7"));
/// # Ok::<(), http::Error>(())
/// ```
pub fn request_id(headers: &HeaderMap) -> Option<&str> {
    for name in NAMES {
        let id = headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim_ascii);
        if id.is_some_and(|id| !id.is_empty()) {
            return id;
        }
    }
    None
}

const NAMES: [&str; 5] =
    ["x-request-id", "request-id", "apim-request-id", "x-ms-request-id", "x-amzn-requestid"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_name_with_a_value_counts() {
        let table: [(&[(&str, &str)], Option<&str>); 6] = [
            (&[], None),
            (&[("x-request-id", "a"), ("request-id", "b")], Some("a")),
            (&[("x-request-id", " "), ("request-id", "b")], Some("b")),
            (&[("x-request-id", "é"), ("apim-request-id", "c")], Some("c")),
            (&[("x-ms-request-id", "d")], Some("d")),
            (&[("X-Amzn-RequestId", "e"), ("cf-ray", "f")], Some("e")),
        ];
        for (headers, expected) in table {
            let mut response = http::Response::builder();
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            let response = response.body(()).unwrap();
            assert_eq!(request_id(response.headers()), expected, "{headers:?}");
        }
    }
}
