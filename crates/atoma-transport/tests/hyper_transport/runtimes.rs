//! Runtimes that lack something are an error, and no panic.

use crate::support::{builder, get, within};
use atoma_transport::{Delivery, ErrorKind, Timeout, Timeouts, TokioTimer, Transport};
use std::{sync::Arc, time::Duration};
use tokio::runtime::Builder;

#[test]
fn a_runtime_without_io_is_an_error_that_says_so() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let transport = builder().build().unwrap();
    let error = runtime
        .block_on(async { within(transport.send(get("http://127.0.0.1:9/"))).await.unwrap_err() });
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, Delivery::NotSent));
    assert!(!error.is_transient());
    assert!(error.to_string().contains("enable_io"), "{error}");
}

#[test]
fn a_runtime_without_time_is_an_error_that_says_so() {
    // Bound without a runtime: nobody accepts, and the connection waits in the backlog.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let transport = builder().build().unwrap();
    let error = runtime.block_on(transport.send(get(&url))).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, Delivery::NotSent));
    assert!(!error.is_transient());
    assert!(error.to_string().contains("enable_time"), "{error}");

    // With layers above that wait as well.
    let timeouts = Timeouts::default().head(Duration::from_secs(9));
    let layered = Timeout::new(transport, Arc::new(TokioTimer), timeouts);
    let error = runtime.block_on(layered.send(get(&url))).unwrap_err();
    assert!(error.to_string().contains("enable_time"), "{error}");
}

#[test]
fn a_runtime_without_anything_is_an_error() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let transport = builder().build().unwrap();
    let error = runtime.block_on(transport.send(get("http://127.0.0.1:9/"))).unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Other, Delivery::NotSent));
}
