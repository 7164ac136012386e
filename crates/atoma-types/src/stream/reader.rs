use super::{
    numbering::Numbering, streamed::StreamedChunk, surrogates::Halves, template::ChunkTemplate,
};
use crate::{ParseError, SharedStr, json, json::repair::repair, wire::Wide};

/// Reads the chunks of one stream, in order.
///
/// ```text
///                    ┌ the text of the chunk before, with new strings in it ──► filled into that chunk   (template.rs)
/// data of an event ──┼ JSON ──► read, and made the next template
///                    └ flawed JSON, or a half character is held ──► repaired, halves joined, read        (surrogates.rs)
/// ```
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader<C> {
    held: Halves,
    chunk: C,
    /// Made of `chunk`, if there is one.
    template: ChunkTemplate,
    /// The texts of the last chunk that had them.
    shared: [SharedStr; 4],
    pub(crate) numbering: Numbering,
}

impl<C: StreamedChunk> Reader<C> {
    /// Reads the first object of an event's data, and moves `data` past it.
    ///
    /// `correct` corrects a chunk by earlier ones, and takes its text; it returns false if the next
    /// chunk cannot be like this one. It is not called for a chunk that is like the one before.
    ///
    /// Returns true if a response that has the chunk before takes only the streamed strings of this one.
    #[inline]
    pub(crate) fn read(
        &mut self,
        data: &mut &str,
        correct: &mut dyn FnMut(&mut C, &str) -> bool,
    ) -> Result<bool, ParseError> {
        if self.held.is_empty() && self.template.fill(data, &mut self.chunk) {
            *data = "";
            return Ok(self.template.is_plain());
        }
        self.read_alone(data, correct)?;
        Ok(false)
    }

    /// The chunk that was read last. Empty at the start, after an error, and possibly after [`take`](Self::take).
    #[inline]
    pub(crate) fn chunk(&self) -> &C {
        &self.chunk
    }

    /// Takes the chunk that was read last. It stays here as well if the next one may be filled into it.
    pub(crate) fn take(&mut self) -> C {
        if self.template.is_some() { self.chunk.clone() } else { std::mem::take(&mut self.chunk) }
    }

    /// Reads data that the template does not fit.
    #[inline(never)]
    fn read_alone(
        &mut self,
        data: &mut &str,
        correct: &mut dyn FnMut(&mut C, &str) -> bool,
    ) -> Result<(), ParseError> {
        let text = std::mem::take(data);
        if !self.held.is_empty() {
            *data = &text[self.read_repaired(text.as_bytes(), None, correct)?..];
            return Ok(());
        }
        self.chunk = C::default();
        match json::first_object(text, &mut self.chunk, Wide::Refuse) {
            Ok(rest) => {
                *data = rest;
                self.share_texts();
                self.numbering.number(&mut self.chunk);
                if correct(&mut self.chunk, text) {
                    self.template.learn(&text[..text.len() - rest.len()], &mut self.chunk);
                } else {
                    self.template.forget();
                }
                Ok(())
            }
            Err(flaw) if flaw.is_repairable() => {
                *data = &text[self.read_repaired(text.as_bytes(), Some(flaw), correct)?..];
                Ok(())
            }
            Err(error) => {
                self.clear();
                Err(error)
            }
        }
    }

    /// Reads data with its flaws repaired, and joins the halves of characters. Returns the end of
    /// the object.
    pub(crate) fn read_repaired(
        &mut self,
        data: &[u8],
        flaw: Option<ParseError>,
        correct: &mut dyn FnMut(&mut C, &str) -> bool,
    ) -> Result<usize, ParseError> {
        self.clear();
        let repaired = repair(data, C::FIELDS);
        let mut chunk = C::default();
        json::first_object(&repaired.json, &mut chunk, Wide::Round)
            .map_err(|error| flaw.unwrap_or(error))?;
        self.chunk = chunk;
        self.share_texts();
        self.numbering.number(&mut self.chunk);
        self.held.join(&mut self.chunk, &repaired.halves);
        correct(&mut self.chunk, &repaired.json);
        Ok(repaired.end)
    }

    /// Lets texts that are equal to those of earlier chunks share their allocation.
    fn share_texts(&mut self) {
        for (known, new) in self.shared.iter_mut().zip(self.chunk.shared_texts()) {
            match new {
                Some(new) if *new == *known => new.clone_from(known),
                Some(new) if !new.is_empty() => known.clone_from(new),
                _ => {}
            }
        }
    }

    fn clear(&mut self) {
        self.template.forget();
        self.chunk = C::default();
    }
}
