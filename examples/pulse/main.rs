//! The pulse of six streams: the times of their events, and their outcomes. Five of the servers fail, each in another way.
//!
//! Run: `cargo run --example pulse`; `-- --svg FILE` writes the picture of the front page as well.
//!
//! You should see two lines for each server: this client's verdict, and the verdict that the status and the bytes alone would
//! say. Three of the five failures end as a success does, and one never ends. No key is needed: the servers are mocks on
//! loopback.

mod servers;
mod svg;
mod terminal;
mod watch;

use std::{
    error::Error,
    fs::File,
    io::{IsTerminal, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::time::sleep;
use watch::{Pulse, Row};

/// How long the servers are watched.
const WATCHED: Duration = Duration::from_millis(3000);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let picture = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => None,
        (Some("--svg"), Some(file)) => {
            // Opened first: a wrong path is reported before the three seconds, not after them.
            match File::create(&file) {
                Ok(opened) => Some((file, opened)),
                Err(error) => end(&format!("cannot write {file}: {error}")),
            }
        }
        _ => end("usage: pulse [--svg FILE]"),
    };

    let servers = servers::start().await?;
    let rows = Arc::new(Mutex::new(
        servers.iter().map(|server| Row::new(server.name)).collect::<Vec<_>>(),
    ));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let at = |pick: fn(&mut Row) -> &mut Pulse| {
            let rows = Arc::clone(&rows);
            move |change: &dyn Fn(&mut Pulse)| {
                if let Some(row) = rows.lock().ok().as_mut().and_then(|rows| rows.get_mut(index)) {
                    change(pick(row));
                }
            }
        };
        let ours = watch::stream(server.client.clone(), at(|row| &mut row.ours), started);
        let bytes = watch::bytes(server.url.clone(), at(|row| &mut row.bytes), started);
        tasks.push(tokio::spawn(ours).abort_handle());
        tasks.push(tokio::spawn(bytes).abort_handle());
    }

    let snapshot = || rows.lock().map(|rows| rows.clone()).unwrap_or_default();
    let is_live = std::io::stdout().is_terminal();
    let mut lines = 0;
    while started.elapsed() < WATCHED + Duration::from_millis(100) {
        if is_live {
            lines = terminal::redraw(&snapshot(), lines);
        }
        sleep(Duration::from_millis(50)).await;
    }
    for task in tasks {
        task.abort();
    }
    let rows = snapshot();
    terminal::redraw(&rows, lines);
    if let Some((file, mut opened)) = picture {
        opened.write_all(svg::draw(&rows).as_bytes())?;
        println!("written to {file}");
    }
    Ok(())
}

fn end(reason: &str) -> ! {
    eprintln!("{reason}");
    std::process::exit(1)
}
