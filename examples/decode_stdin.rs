//! Only the decoder: a `text/event-stream` from a pipe, event by event, without async.
//!
//! Run: `printf 'data: one\n\ndata: two\n\n' | cargo run --example decode_stdin`, or with `curl -N` of
//! any server that sends events in place of `printf`.
//!
//! You should see the events, each as soon as its last byte has arrived. Without a pipe, the
//! program decodes a stream that is as odd as the standard allows.

use atoma_sse::Decoder;
use std::{
    error::Error,
    io::{IsTerminal, Read, stdin},
};

const ODD: &[u8] =
    b"\xef\xbb\xbf: a comment\rdata: two\r\ndata:lines\n\nevent: note\nid: 7\ndata\n\ndata: cut";

fn main() -> Result<(), Box<dyn Error>> {
    let mut input: Box<dyn Read> = match stdin().is_terminal() {
        true => Box::new(ODD),
        false => Box::new(stdin().lock()),
    };
    let mut decoder = Decoder::new();
    let mut buffer = [0; 16 * 1024];
    let mut events = 0;
    loop {
        let length = input.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        let mut bytes = &buffer[..length];
        while let Some(event) = decoder.decode(&mut bytes)? {
            events += 1;
            let id = if event.id().is_empty() { "" } else { " #" };
            println!("{}{id}{}: {:?}", event.name(), event.id(), event.data());
        }
    }
    println!("({events} events)");
    if let Some(incomplete) = decoder.finish() {
        println!("(one more was cut off: {:?})", incomplete.data());
    }
    Ok(())
}
