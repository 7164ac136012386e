//! Errors that hyper 1.12 has no type for are recognized by their texts. If a new version changes one,
//! a test here fails.

use crate::support::{Server, get, read, transport, within};
use atoma_transport::{ErrorKind, Transport};

#[tokio::test]
async fn limits_of_hyper_1_12_are_recognized_by_their_texts() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let lines = "x: y\r\n".repeat(101);
    for (name, response) in [
        ("message head is too large", format!("HTTP/1.1 200 OK\r\n{lines}\r\n")),
        ("chunk extensions over limit", format!("{chunked}2;{}\r\nok\r\n", "x".repeat(20 * 1024))),
        (
            "chunk trailers bytes over limit",
            format!("{chunked}2\r\nok\r\n0\r\nx: {}\r\n\r\n", "y".repeat(70 * 1024)),
        ),
        (
            "chunk trailers count overflow",
            format!("{chunked}2\r\nok\r\n0\r\n{}\r\n", "x:y\r\n".repeat(2000)),
        ),
    ] {
        let server = Server::responding_once(response).await;
        let result =
            within(async { read(transport().send(get(server.url("/"))).await?.into_body()).await });
        let error = result.await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{name}: {error:?}");
        assert!(format!("{error:?}").contains(name), "{name}: {error:?}");
    }
}
