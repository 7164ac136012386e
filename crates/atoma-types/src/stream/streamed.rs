//! The properties of a kind of chunk that the shared reader needs.

use crate::{
    SharedStr, Usage,
    json::path::{FieldPath, Place},
    wire::ReadObject,
};

/// A chunk of a streamed response. [`super::reader::Reader`] reads it, for any model.
pub(crate) trait StreamedChunk: ReadObject + Clone + Default {
    /// The strings that continue over chunks, by the names of the members that lead to them.
    const FIELDS: &'static [FieldPath];

    /// Further strings that are new in each chunk, and never cut between two.
    const WHOLE_FIELDS: &'static [FieldPath] = &[];

    /// Returns whether each choice is a whole message, or the last fragment of one.
    fn is_whole(&self) -> bool;

    /// Returns whether the choice at a position has content.
    fn has_content(&self, position: usize) -> bool;

    /// The number of choices.
    fn choices(&self) -> usize;

    /// The index of the choice at a position, which must be there.
    fn index_mut(&mut self, position: usize) -> &mut u32;

    /// Returns whether the choice at a position has its finish reason.
    fn is_finished(&self, position: usize) -> bool;

    /// Returns whether its texts are all that a response takes of a chunk that is like the one before.
    fn is_plain(&self) -> bool;

    /// The string at a place, if the chunk has it.
    fn text_mut(&mut self, place: Place) -> Option<&mut String>;

    /// Calls a function with each streamed string of a choice, its place, and the index of its tool call.
    fn each_text(&mut self, position: usize, each: &mut dyn FnMut(Place, i64, &mut String));

    /// The string of a field in a choice, added if the chunk does not have it.
    fn text_or_new(&mut self, place: Place, call: i64) -> &mut String;

    fn id_mut(&mut self) -> &mut SharedStr;

    /// The texts that most chunks of a stream repeat.
    fn shared_texts(&mut self) -> [Option<&mut SharedStr>; 4];

    fn created_mut(&mut self) -> &mut i64;

    fn usage_mut(&mut self) -> Option<&mut Usage>;

    fn signature_mut(&mut self) -> Option<&mut String>;

    fn response_hash_mut(&mut self) -> Option<&mut String>;
}
