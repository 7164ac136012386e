//! The records of a bench.

use atoma_benches::{clients::Error, record::folder};
use serde_json::Value;
use std::fs;

/// The records of one run of one bench.
pub(crate) struct Run {
    pub(crate) records: Vec<Value>,
}

impl Run {
    /// Returns the last run of that bench; no records if there was none.
    pub(crate) fn read(bench: &str) -> Result<Self, Error> {
        let text = fs::read_to_string(folder().join(format!("{bench}.json"))).unwrap_or_default();
        let records = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok(Self { records })
    }

    /// Returns whether there are figures, of code that anyone can check out.
    pub(crate) fn is_of_a_commit(&self) -> bool {
        !self.records.is_empty()
            && self.records.iter().all(|record| {
                let commit = text(record, "commit");
                !commit.is_empty() && !commit.ends_with("-dirty")
            })
    }

    /// Returns the origin of the figures, in a sentence.
    pub(crate) fn origin(&self) -> String {
        let said = |name| self.records.first().map_or("", |record| text(record, name));
        format!(
            "Measured at commit {} by `{}` on {}, {}, {}.",
            said("commit"),
            said("command"),
            said("processor"),
            said("date"),
            said("rustc"),
        )
    }

    /// Returns the distinct values of a member, in the order of the records.
    pub(crate) fn distinct(&self, name: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for value in self.records.iter().map(|record| text(record, name)) {
            if !value.is_empty() && !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    /// Returns the record with these values in these members.
    pub(crate) fn find(&self, members: &[(&str, &str)]) -> Option<&Value> {
        let matches =
            |record: &&Value| members.iter().all(|(name, value)| text(record, name) == *value);
        self.records.iter().find(matches)
    }

    /// Makes a row of a table for each record.
    pub(crate) fn rows(&self, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
        self.records.iter().map(row).collect()
    }

    /// Returns a number of the record with these values.
    pub(crate) fn number(&self, members: &[(&str, &str)], name: &str) -> Option<f64> {
        number(self.find(members)?, name)
    }
}

/// Returns a number member.
pub(crate) fn number(record: &Value, name: &str) -> Option<f64> {
    record.get(name)?.as_f64()
}

/// Returns a string member; empty if it is missing.
pub(crate) fn text<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Formats a number with this many decimals and separated thousands, or as a dash.
pub(crate) fn figure(value: Option<f64>, decimals: usize) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let plain = format!("{value:.decimals$}");
    let (whole, fraction) = plain.split_once('.').map_or((&plain[..], None), |(w, f)| (w, Some(f)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{sign}{grouped}.{fraction}"),
        None => format!("{sign}{grouped}"),
    }
}

/// A table in Markdown; the first column is text, the others are figures.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule: Vec<String> =
        (0..head.len()).map(|place| if place == 0 { "---" } else { "---:" }.to_owned()).collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{}{rows}", line(&head), line(&rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        assert_eq!(figure(Some(1234567.891), 1), "1,234,567.9");
        assert_eq!(figure(Some(-1000.0), 0), "-1,000");
        assert_eq!(figure(Some(0.5), 2), "0.50");
        assert_eq!(figure(None, 2), "–");
    }

    #[test]
    fn tables() {
        let rows = [vec!["a".to_owned(), "1".to_owned()]];
        assert_eq!(table(&["x", "y"], &rows), "| x | y |\n| --- | ---: |\n| a | 1 |\n");
    }
}
