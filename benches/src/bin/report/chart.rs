//! Bar charts in SVG.

use super::records::figure;
use std::fmt::Write;

/// Bars in groups; the length of a bar is its value.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    /// The unit of the figures, and whether more or less is better.
    pub(crate) unit: &'a str,
    pub(crate) groups: Vec<Group<'a>>,
}

/// Bars that are compared with one another.
pub(crate) struct Group<'a> {
    pub(crate) name: &'a str,
    pub(crate) bars: Vec<Bar<'a>>,
}

/// One bar.
pub(crate) struct Bar<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: f64,
    pub(crate) kind: Kind,
}

/// The party that a bar belongs to, which decides its color.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Peer,
    Floor,
}

const WIDTH: usize = 810;
const NAMES: usize = 300;
const BAR: usize = 16;
const STEP: usize = 22;
const GROUP: usize = 34;
const TOP: usize = 58;

impl Kind {
    fn colour(self) -> &'static str {
        match self {
            Self::Ours => "#0b7a75",
            Self::Peer => "#b8b8c0",
            Self::Floor => "#dcd6c4",
        }
    }
}

impl Chart<'_> {
    /// Draws the chart. Each group has a separate scale, set by its longest bar.
    pub(crate) fn svg(&self) -> String {
        let mut body = String::new();
        let mut y = TOP;
        for group in &self.groups {
            y += GROUP - STEP + BAR;
            text(&mut body, (16, y), "group", group.name);
            y += 10;
            let longest = group.bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
            for bar in &group.bars {
                self.bar(&mut body, bar, y, longest);
                y += STEP;
            }
        }
        let height = y + 16;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{}\">\n{STYLE}\
             <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"6\" fill=\"#ffffff\"/>\n",
            escaped(self.title)
        );
        text(&mut svg, (16, 28), "title", self.title);
        text(&mut svg, (16, 47), "unit", self.unit);
        svg.push_str(&body);
        svg.push_str("</svg>\n");
        svg
    }

    fn bar(&self, svg: &mut String, bar: &Bar<'_>, y: usize, longest: f64) {
        let room = (WIDTH - NAMES - 80) as f64;
        let length = if longest > 0.0 { (bar.value / longest * room).max(1.0) } else { 1.0 };
        let colour = bar.kind.colour();
        let class = if bar.kind == Kind::Ours { "ours" } else { "name" };
        let baseline = y + BAR - 4;
        let decimals = usize::from(longest < 20.0) + usize::from(longest < 2.0);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{baseline}\" class=\"{class}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{NAMES}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" \
             fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{baseline}\" class=\"{class}\">{}</text>",
            NAMES - 8,
            escaped(bar.name),
            NAMES as f64 + length + 6.0,
            figure(Some(bar.value), decimals),
        );
    }
}

const STYLE: &str = "<style>text{font:12px system-ui,sans-serif;fill:#33333a}\
    .title{font-size:16px;font-weight:600}.unit{fill:#6a6a74}.group{font-weight:600}\
    .ours{font-weight:600;fill:#0b7a75}</style>\n";

fn text(svg: &mut String, (x, y): (usize, usize), class: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{}</text>", escaped(text));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_holds_its_names_and_figures() {
        let bar = Bar { name: "a < b", value: 1500.0, kind: Kind::Ours };
        let groups = vec![Group { name: "fast", bars: vec![bar] }];
        let svg = Chart { title: "Time", unit: "ns", groups }.svg();
        assert!(svg.contains("a &lt; b") && svg.contains("1,500") && svg.ends_with("</svg>\n"));
    }
}
