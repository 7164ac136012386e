//! The rows as text: colored and redrawn in a terminal, plain elsewhere.

use crate::{
    WATCHED,
    watch::{Pulse, Row, Verdict},
};
use std::{
    fmt::Write as _,
    io::{IsTerminal, Write as _, stdout},
};

const COLUMNS: usize = 48;

/// Draws over the `lines` that were drawn before. Returns how many there are now.
pub(crate) fn redraw(rows: &[Row], lines: usize) -> usize {
    let is_terminal = stdout().is_terminal();
    let mut text = String::new();
    if lines > 0 {
        let _ = write!(text, "\x1b[{lines}A\x1b[J");
    }
    let drawn = draw(rows, is_terminal);
    text += &drawn;
    // A terminal that is gone is not worth a panic.
    let _ = stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush());
    drawn.lines().count()
}

fn draw(rows: &[Row], is_colored: bool) -> String {
    let mut text = String::new();
    for row in rows {
        for (name, who, pulse) in [(row.name, "atoma", &row.ours), ("", "bytes", &row.bytes)] {
            let (color, mark) = match pulse.verdict {
                Verdict::Running => ("\x1b[2m", ' '),
                Verdict::Good => ("\x1b[32m", '✓'),
                Verdict::Bad => ("\x1b[31m", '✗'),
            };
            let (color, plain) = if is_colored { (color, "\x1b[0m") } else { ("", "") };
            let track = track(pulse);
            let words = &pulse.words;
            let _ = writeln!(text, "{name:<18}{who}  {color}{track}{mark} {words}{plain}");
        }
    }
    text
}

/// The time as columns, each as high as many beats came in it, relative to the busiest one.
fn track(pulse: &Pulse) -> String {
    let column = |time: std::time::Duration| {
        let place = time.as_secs_f64() / WATCHED.as_secs_f64() * COLUMNS as f64;
        (place as usize).min(COLUMNS - 1)
    };
    let mut beats = [0_usize; COLUMNS];
    for beat in &pulse.beats {
        beats[column(*beat)] += 1;
    }
    let most = beats.iter().copied().max().unwrap_or_default().max(1);
    let end = pulse.end.map(column);
    let cells = beats.iter().enumerate().map(|(index, beats)| match beats {
        0 if end.is_some_and(|end| index > end) => ' ',
        0 => '·',
        beats => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][(beats * 8).div_ceil(most) - 1],
    });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_row_shows_its_beats_its_gap_and_its_verdict() {
        let mut row = Row::new("falls silent");
        row.ours.beats = (0..3).map(|beat| WATCHED / 48 * beat).collect();
        row.ours.beats.push(Duration::from_millis(1));
        row.ours.end = Some(WATCHED / 48 * 6);
        (row.ours.verdict, row.ours.words) = (Verdict::Bad, "stalled".to_owned());
        let text = draw(&[row], false);
        let mut lines = text.lines();
        let first = lines.next().unwrap();
        assert!(first.starts_with("falls silent      atoma  █▄▄····  "), "{first}");
        assert!(first.ends_with("✗ stalled"), "{first}");
        assert!(lines.next().unwrap().ends_with("200, more to come"));
    }
}
