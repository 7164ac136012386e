use super::*;
use http::{HeaderMap, HeaderValue, header};

#[test]
fn a_line_of_a_head_counts_for_its_bytes_and_32_more() {
    let mut headers = HeaderMap::new();
    let mut sizes = vec![size(&headers)];
    for (name, value) in [(header::DATE, "now"), (header::VIA, "here"), (header::VIA, "")] {
        headers.append(name, HeaderValue::from_static(value));
        sizes.push(size(&headers));
    }
    // `:status: 200`, `date: now`, `via: here` and `via: `
    assert_eq!(sizes, [42, 42 + 39, 42 + 39 + 39, 42 + 39 + 39 + 35]);
}
