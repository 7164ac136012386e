//! The rows as a picture.

use crate::{
    WATCHED,
    watch::{Pulse, Row, Verdict},
};
use std::{fmt::Write, time::Duration};

const WIDTH: u32 = 870;
const TRACK: f64 = 400.0;
const LEFT: f64 = 160.0;
const TOP: usize = 74;
const ROW: usize = 66;

const STYLE: &str = "\
text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.small{font-size:12px;fill:#656d76}.name{font-weight:600}\
.page{fill:#ffffff}path{fill:none;stroke-width:1.5;stroke-linejoin:round}\
.good{stroke:#1a7f37}.bad{stroke:#cf222e}.running{stroke:#9a6700}.plain{stroke:#8c959f}\
text.good{fill:#1a7f37;stroke:none;font-weight:600}text.bad{fill:#cf222e;stroke:none;font-weight:600}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.small{fill:#8d96a0}.good{stroke:#3fb950}.bad{stroke:#f85149}\
text.good{fill:#3fb950}text.bad{fill:#f85149}}";

pub(crate) fn draw(rows: &[Row]) -> String {
    let height = TOP + ROW * rows.len() + 6;
    let mut body = String::new();
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + ROW * index;
        let _ = write!(body, r#"<text class="name" x="16" y="{}">{}</text>"#, y + 18, row.name);
        let class = match row.ours.verdict {
            Verdict::Good => "good",
            Verdict::Bad => "bad",
            Verdict::Running => "running",
        };
        track(&mut body, &row.ours, class, y + 20, 18.0);
        track(&mut body, &row.bytes, "plain", y + 44, 11.0);
        let (verdict, details) =
            row.ours.words.split_once([',', ';']).unwrap_or((&row.ours.words, ""));
        let details = details.replace(';', ",");
        words(&mut body, class, y + 8, verdict);
        words(&mut body, "small", y + 23, details.trim());
        words(&mut body, "small", y + 44, &format!("bytes alone: {}", row.bytes.words));
    }
    let seconds = WATCHED.as_secs();
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">
<title>The pulse of six streams, five of which fail</title><style>{STYLE}</style>
<rect class="page" width="{WIDTH}" height="{height}" rx="6"/>
<text class="title" x="16" y="28">Five servers fail. Which of them say so?</text>
<text class="small" x="16" y="48">each spike is an event; below it, in gray, the bytes that came; {seconds} seconds from left to right</text>
{body}</svg>
"#
    )
}

fn words(body: &mut String, class: &str, y: usize, words: &str) {
    let x = LEFT + TRACK + 20.0;
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = write!(body, r#"<text class="{class}" x="{x}" y="{y}">{words}</text>"#);
}

/// A flat line with a spike for each beat, up to the end.
fn track(body: &mut String, pulse: &Pulse, class: &str, y: usize, spike: f64) {
    let x = |time: Duration| LEFT + TRACK * (time.as_secs_f64() / WATCHED.as_secs_f64()).min(1.0);
    let mut path = format!("M{LEFT} {y}");
    for beat in &pulse.beats {
        let at = x(*beat);
        let top = y as f64 - spike;
        let _ = write!(path, "L{:.1} {y}L{at:.1} {top}L{:.1} {y}", at - 1.5, at + 1.5);
    }
    let end = x(pulse.end.unwrap_or(WATCHED));
    let _ = write!(path, "L{end:.1} {y}");
    let _ = write!(body, r#"<path class="{class}" d="{path}"/>"#);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_spike_for_each_beat_and_escapes_its_words() {
        let mut row = Row::new("works");
        row.ours.beats = vec![WATCHED / 2, WATCHED];
        row.ours.words = "failed: <a>, 3 words kept; first token 1 ms".to_owned();
        let picture = draw(&[row]);
        assert!(picture.contains("L360.0 76"), "{picture}");
        assert!(picture.contains("failed: &lt;a></text>"), "{picture}");
        assert!(picture.contains("3 words kept, first token 1 ms"), "{picture}");
        assert_eq!(picture.matches("<path").count(), 2);
    }
}
