use super::*;
use bytes::Bytes;

/// A source without any of the optional methods.
struct Plain;

impl RequestSource for Plain {
    fn request(&self, _: Attempt, _: Option<&FailedAttempt>) -> RequestFuture<'_> {
        RequestFuture::ready(Ok(Request::new(Bytes::new())))
    }
}

#[test]
fn a_source_names_no_url_and_decides_no_retry_by_default() {
    let (head, ()) = http::Response::builder().status(503).body(()).unwrap().into_parts();
    assert_eq!(Plain.uri(), None);
    assert_eq!(Plain.retries_response(&head, b"{}"), None);
}

#[test]
fn a_request_as_a_source_names_its_url() {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = Uri::from_static("http://server.test/v1");
    assert_eq!(RequestSource::uri(&request), Some(&Uri::from_static("http://server.test/v1")));
}
