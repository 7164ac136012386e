//! The grid of faults on the front page, drawn from the tables of `FAULTS.md`.

use std::fmt::Write as _;

const COLUMNS: usize = 28;
const CELL: usize = 25;
const LEFT: usize = 8;

/// A section of the table, with the number and the name of each fault.
struct Section {
    title: String,
    rows: Vec<(String, String)>,
}

/// Draws one cell for each row of the tables, as SVG.
pub(crate) fn draw(table: &str) -> String {
    let sections = read(table);
    let count: usize = sections.iter().map(|section| section.rows.len()).sum();
    let mut body = String::new();
    let mut top = 34;
    for section in &sections {
        let title = escape(&section.title);
        let _ =
            writeln!(body, r#"<text x="{LEFT}" y="{}" class="section">{title}</text>"#, top + 11);
        top += 18;
        for (place, (number, name)) in section.rows.iter().enumerate() {
            let (x, y) = (LEFT + place % COLUMNS * CELL, top + place / COLUMNS * CELL);
            let _ = writeln!(
                body,
                r#"<g><title>{number}: {}</title><rect x="{x}" y="{y}" width="22" height="22" rx="3"/><text x="{}" y="{}" class="number">{number}</text></g>"#,
                escape(name),
                x + 11,
                y + 15
            );
        }
        top += section.rows.len().div_ceil(COLUMNS) * CELL + 8;
    }
    let width = LEFT * 2 + COLUMNS * CELL;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}" role="img" aria-label="{count} faults, each provoked by a test">
<style>
text {{ font: 12px system-ui, sans-serif; fill: #57606a; }}
.title {{ font-size: 14px; font-weight: 600; }}
.number {{ font-size: 10px; fill: #fff; text-anchor: middle; }}
rect {{ fill: #2f7d4f; }}
.page {{ fill: #fff; }}
</style>
<rect class="page" width="{width}" height="{top}"/>
<text x="{LEFT}" y="20" class="title">{count} faults, each provoked by a test</text>
{body}</svg>
"#
    )
}

fn read(table: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in table.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            sections.push(Section { title: title.to_owned(), rows: Vec::new() });
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let is_row = cells.len() > 3 && cells[1].parse::<u32>().is_ok();
        if let Some(section) = sections.last_mut().filter(|_| is_row) {
            section.rows.push((cells[1].to_owned(), cells[2].replace('`', "")));
        }
    }
    sections.retain(|section| !section.rows.is_empty());
    sections
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_tables_is_a_cell() {
        let table = "# Faults\n\n## One\n\n| row | fault | test | outcome |\n| ---: | --- | --- | --- |\n\
                     | 1 | a < b | `row_001` | none |\n| 2 | c | `row_002` | none |\n\n## Empty\n\n## Two\n\
                     | 3 | `d` | `row_003` | none |\n";
        let drawn = draw(table);
        assert_eq!(drawn.matches("<rect x").count(), 3);
        assert!(
            drawn.contains("<title>1: a &lt; b</title>") && drawn.contains("<title>3: d</title>")
        );
        assert!(drawn.contains(">One<") && drawn.contains(">Two<") && !drawn.contains("Empty"));
    }
}
