//! The sections of the page, each in a separate file.

mod client_shapes;
mod clients;
mod decoder_ratios;
mod decoders;
mod first_call;
mod instructions;
mod json;
mod shapes;
mod streams;
mod trust;
mod weight;

use super::{
    chart::{Bar, Kind},
    records::Run,
};
use atoma_benches::clients::OURS;

/// A section of the page, and the records that it shows.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// The names of the records. If one is missing, the section stays as it is.
    pub(crate) records: &'static [&'static str],
    /// The rows of the table of commands: a description, and the command that makes the records.
    pub(crate) commands: &'static [(&'static str, &'static str)],
    /// Writes the text from the runs, in the order of `records`.
    pub(crate) write: fn(&[Run]) -> Written,
}

/// The text of a section, and its chart by the name of its file.
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) chart: Option<(&'static str, String)>,
}

/// All sections, in the order of the page.
pub(crate) const ALL: &[Section] = &[
    decoders::SECTION,
    decoder_ratios::SECTION,
    clients::SECTION,
    instructions::SECTION,
    client_shapes::SECTION,
    shapes::SECTION,
    json::SECTION,
    streams::SECTION,
    first_call::SECTION,
    weight::SECTION,
    trust::SECTION,
];

/// A name in a table; ours in bold.
fn named(name: &str) -> String {
    if name.contains("atoma") { format!("**{name}**") } else { name.to_owned() }
}

fn kind(client: &str) -> Kind {
    match client {
        _ if client.starts_with(OURS) => Kind::Ours,
        _ if client.starts_with("floor") => Kind::Floor,
        _ => Kind::Peer,
    }
}

fn sorted<'a>(bars: impl Iterator<Item = Bar<'a>>) -> Vec<Bar<'a>> {
    let mut bars: Vec<_> = bars.collect();
    bars.sort_by(|a, b| b.value.total_cmp(&a.value));
    bars
}

fn sorted_up<'a>(bars: impl Iterator<Item = Bar<'a>>) -> Vec<Bar<'a>> {
    let mut bars = sorted(bars);
    bars.reverse();
    bars
}
