//! A mutant, as `cargo mutants` describes it.

use std::str::FromStr;

use proc_macro2::{LineColumn, Span};

/// A line and a column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    line: usize,
    column: usize,
}

impl Position {
    pub(crate) fn start_of(span: Span) -> Self {
        Self::from(span.start())
    }

    pub(crate) fn end_of(span: Span) -> Self {
        Self::from(span.end())
    }
}

impl From<LineColumn> for Position {
    fn from(place: LineColumn) -> Self {
        Self { line: place.line, column: place.column + 1 }
    }
}

impl FromStr for Position {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (line, column) = text.split_once(':').ok_or("a position is line:column")?;
        let number = |text: &str| text.parse().map_err(|_| "a position has two numbers");
        Ok(Self { line: number(line)?, column: number(column)? })
    }
}

/// A change of the code.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    pub(crate) number: u32,
    pub(crate) kind: String,
    pub(crate) start: Position,
    pub(crate) end: Position,
    pub(crate) replacement: String,
}

impl FromStr for Mutant {
    type Err = &'static str;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[number, kind, start, end, replacement] = &fields[..] else {
            return Err("a mutant has five fields");
        };
        Ok(Self {
            number: number.parse().map_err(|_| "a mutant has a number")?,
            kind: kind.to_owned(),
            start: start.parse()?,
            end: end.parse()?,
            replacement: replacement.to_owned(),
        })
    }
}
