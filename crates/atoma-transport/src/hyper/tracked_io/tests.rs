use super::*;
use crate::hyper::read_state::{MessageTracker, tls_record};
use std::task::Waker;

/// Reads zeros without end; takes no writes.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buf.put_slice(&[0; 10]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_failed_write_waits_for_what_is_to_be_read() {
    let progress = ExchangeProgress::new(ReadState::default());
    let mut stream = TrackedIo::new(Broken, progress.clone());
    let mut stream = Pin::new(&mut stream);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(stream.as_mut().poll_write(&mut cx, b"x").is_pending());
    assert!(stream.as_mut().poll_flush(&mut cx).is_pending());
    assert!(stream.as_mut().poll_shutdown(&mut cx).is_ready());
    assert!(!progress.is_written());
}

#[test]
fn bytes_that_arrive_while_the_request_cannot_be_written_are_an_error() {
    struct Blocked;
    impl AsyncRead for Blocked {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buf.put_slice(b"HTTP/1.1 200 OK");
            Poll::Ready(Ok(()))
        }
    }
    impl AsyncWrite for Blocked {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if bytes == b"now" { Poll::Ready(Ok(3)) } else { Poll::Pending }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    let progress = ExchangeProgress::new(ReadState::default());
    let mut stream = TrackedIo::new(Blocked, progress.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = |stream: &mut TrackedIo<Blocked>| {
        let mut bytes = [0; 64];
        let mut buf = ReadBuf::new(&mut bytes);
        match Pin::new(stream).poll_read(&mut cx, &mut buf) {
            Poll::Ready(read) => read.map(|()| buf.filled().len()),
            Poll::Pending => Ok(0),
        }
    };
    let mut cx = Context::from_waker(Waker::noop());
    progress.begin(1024, true);
    assert_eq!(read(&mut stream).unwrap(), 15, "hyper judges bytes on an idle connection");
    assert!(Pin::new(&mut stream).poll_write(&mut cx, b"GET").is_pending());
    assert!(read(&mut stream).unwrap_err().to_string().contains("before the request"));
    assert!(!progress.is_written());
    assert!(Pin::new(&mut stream).poll_write(&mut cx, b"now").is_ready());
    assert_eq!(read(&mut stream).unwrap(), 15);
    assert!(progress.is_written());
}

#[test]
fn a_head_has_only_so_many_bytes() {
    let progress = ExchangeProgress::new(ReadState::default());
    let mut stream = TrackedIo::new(Broken, progress.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = || {
        let mut bytes = [0; 32];
        let mut buf = ReadBuf::new(&mut bytes);
        // Bytes of an earlier read, which do not count again.
        buf.put_slice(&[1; 6]);
        let read = Pin::new(&mut stream).poll_read(&mut cx, &mut buf);
        matches!(read, Poll::Ready(Ok(())))
    };
    progress.begin(15, false);
    assert_eq!([read(), read(), read()], [true, true, false]);
    progress.begin(15, false);
    assert!(read());
    progress.head_arrived();
    assert!((0..10).all(|_| read()));
}

/// Has nothing to read; takes no writes, and reports an error that is not about its peer.
struct Silent;

impl AsyncRead for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Silent {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::other("disk full")))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[test]
fn a_part_of_a_record_on_an_idle_connection_is_an_error_before_the_request_is_taken() {
    for (name, was_idle, is_inside, is_taken, expected) in [
        ("a part on an idle connection", true, true, false, "bytes before the request"),
        ("a part on a new connection", false, true, false, "pending"),
        ("no part", true, false, false, "pending"),
        ("a part after the request was taken", true, true, true, "pending"),
    ] {
        let state = ReadState::default();
        let mut records = MessageTracker::new(tls_record, state.clone());
        let progress = ExchangeProgress::new(state);
        let mut stream = TrackedIo::new(Silent, progress.clone());
        let mut cx = Context::from_waker(Waker::noop());
        progress.begin(1024, was_idle);
        if is_inside {
            records.follow(&[23, 3, 3]);
        }
        if is_taken {
            let written = Pin::new(&mut stream).poll_write(&mut cx, b"GET");
            let Poll::Ready(Err(error)) = written else { panic!("{name}: {written:?}") };
            assert_eq!(error.to_string(), "disk full", "{name}");
        }
        let mut bytes = [0; 8];
        let read = Pin::new(&mut stream).poll_read(&mut cx, &mut ReadBuf::new(&mut bytes));
        let read = match read {
            Poll::Pending => "pending".to_owned(),
            Poll::Ready(read) => read.unwrap_err().to_string(),
        };
        assert!(read.contains(expected), "{name}: {read}");
    }
}

#[test]
fn slices_are_passed_on_if_the_stream_takes_them() {
    let progress = || ExchangeProgress::new(ReadState::default());
    assert!(TrackedIo::new(Silent, progress()).is_write_vectored());
    assert!(!TrackedIo::new(Broken, progress()).is_write_vectored());
    let mut stream = TrackedIo::new(Silent, progress());
    let mut cx = Context::from_waker(Waker::noop());
    let written = Pin::new(&mut stream).poll_write_vectored(&mut cx, &[io::IoSlice::new(b"GET")]);
    let Poll::Ready(Err(error)) = written else { panic!("{written:?}") };
    assert_eq!(error.to_string(), "disk full");
    assert!(Pin::new(&mut stream).poll_shutdown(&mut cx).is_pending());
    assert_eq!(HeadTooLarge.to_string(), "the head is over its limit");
}
