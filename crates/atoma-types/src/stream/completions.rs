//! The model of a text completion stream, and of a text completion that arrives in one piece.
//!
//! Chunks and whole completions have the same form: the chunks of a stream are completions whose texts are pieces. So there is one
//! type for both, and the joined response is built in place, without the parts that a chat's accumulator keeps apart.
use super::{
    Progress, ResponseModel, Seen, StreamModel, chat::has_choices, choice::finish, memory_size,
    merge, next_value, numbering::Numbering, read_event, reader::Reader, streamed::StreamedChunk,
};
use crate::{
    ApiError, ParseError, SharedStr, Usage,
    completions::{
        logprobs::CompletionLogprobs,
        response::{CompletionChoice, CompletionResponse},
    },
    json::path::{Field, FieldPath, Place},
    wire::settle,
};
use std::borrow::Cow;

/// The number of choices that are kept, unless the request asked for more.
const MOST_CHOICES: usize = 128;

/// The reader of a streamed completion.
///
/// - Texts and log probabilities are joined, per choice. A character that servers cut between two events is joined as well.
/// - Of finish reasons, stop reasons and unknown members, the last that is not null counts; counts of tokens are merged as for
///   chat completions.
/// - `signature` and `response_hash` belong to single chunks: the response has none.
///
/// Reading takes time and memory in proportion to the new parts of the chunk. At most 128 choices are kept, or as many as the
/// request asked for.
///
/// ```
/// use atoma_types::{CompletionModel, StreamModel};
///
/// let mut model = CompletionModel::default();
/// for mut data in [
///     r#"{"choices": [{"text": "Once", "index": 0, "finish_reason": null}]}"#,
///     r#"{"choices": [{"text": " more", "index": 0, "finish_reason": "stop"}]}"#,
/// ] {
///     model.read("", &mut data)?;
///     print!("{}", model.chunk().text());
/// }
/// assert!(model.progress().is_complete(false));
/// assert_eq!(model.into_response().text(), "Once more");
/// # Ok::<(), atoma_types::ParseError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CompletionModel {
    /// Reads the events; holds the current chunk.
    reader: Reader<CompletionResponse>,
    /// The chunks that were read, as one response.
    joined: Joined,
    /// Whether the server sent a complete response in place of events.
    is_whole: bool,
    /// Whether an event was skipped because it could not be read.
    has_unreadable: bool,
}

/// The chunks so far, joined.
#[derive(Debug, Clone, Default)]
struct Joined {
    /// The response; its choices are sorted by their indices.
    response: CompletionResponse,
    /// The number of choices asked for; zero if unknown.
    expected: u32,
    chunks: u64,
    /// The estimate of the memory that the response takes, in bytes.
    size: usize,
}

impl StreamModel for CompletionModel {
    type Chunk = CompletionResponse;
    type Response = CompletionResponse;

    fn read(&mut self, event: &str, data: &mut &str) -> Result<Seen, ParseError> {
        let seen = read_event(event, data, |data| self.read_object(data))?;
        self.has_unreadable |= seen == Seen::Unreadable;
        Ok(seen)
    }

    /// Reads a body. Chunks and complete completions have the same form: one with the usage, or
    /// with a finish reason for each choice, is complete.
    fn read_body(&mut self, body: &mut &str) -> Result<Seen, ParseError> {
        let seen = self.read("", body)?;
        // The form does not say whether this is a chunk; a stream has its usage in the last event.
        self.is_whole |= seen == Seen::Chunk && self.chunk().usage().is_some();
        Ok(seen)
    }

    /// Sets how many choices the request asked for: see [`ChunkReader::expect_choices`](crate::ChunkReader::expect_choices).
    fn expect_choices(&mut self, n: u32) {
        self.joined.expected = n.max(1);
        self.reader.numbering = Numbering::of(n);
    }

    fn chunk(&self) -> &CompletionResponse {
        self.reader.chunk()
    }

    fn take_chunk(&mut self) -> CompletionResponse {
        self.reader.take()
    }

    fn progress(&self) -> Progress {
        let choices = &self.joined.response.choices;
        let all_finished =
            !choices.is_empty() && choices.iter().all(|choice| choice.finish_reason.is_some());
        let is_finished = self.is_whole || all_finished;
        Progress {
            chunks: self.joined.chunks,
            choices: choices.len(),
            is_finished,
            // More choices may follow if the request asked for more.
            is_settled: is_finished && choices.len() >= self.joined.expected as usize,
            has_unreadable: self.has_unreadable,
            size: self.joined.size,
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.joined.response.usage.clone()
    }

    fn response(&self) -> CompletionResponse {
        self.clone().into_response()
    }

    fn into_response(mut self) -> CompletionResponse {
        self.joined.response.choices.iter_mut().for_each(|choice| settle(choice));
        settle(&mut self.joined.response);
        self.joined.response
    }
}

impl CompletionModel {
    /// The choices so far, sorted by their indices.
    pub(crate) fn choices(&self) -> &[CompletionChoice] {
        &self.joined.response.choices
    }

    /// Returns whether the choice of an index is kept: beyond the limit, choices are not.
    pub(crate) fn keeps(&self, index: u32) -> bool {
        self.choices().binary_search_by_key(&index, |choice| choice.index).is_ok()
    }

    /// The usage so far.
    pub(crate) fn usage(&self) -> Option<&Usage> {
        self.joined.response.usage.as_ref()
    }

    /// Reads the next object of the data and adds it to the response, if it is a chunk.
    fn read_object(&mut self, data: &mut &str) -> Result<Seen, ParseError> {
        if self.reader.read(data, &mut |_, _| true)? {
            self.joined.push_texts(self.reader.chunk());
            return Ok(Seen::Chunk);
        }
        if !data.is_empty() {
            *data = next_value(data);
        }
        let chunk = self.reader.chunk();
        // Before the check for a chunk: an error object has no choices.
        if let Some(error) = chunk.error() {
            return Ok(Seen::Error(Box::new(error.clone())));
        }
        if chunk.choices.is_empty() && !is_chunk_without_choices(chunk) {
            return Ok(Seen::Nothing);
        }
        self.joined.push(self.reader.chunk());
        Ok(Seen::Chunk)
    }
}

impl Joined {
    /// Adds a chunk that differs from the one before, which was added, in its text and in nothing else that a response takes.
    fn push_texts(&mut self, chunk: &CompletionResponse) {
        self.chunks = self.chunks.saturating_add(1);
        for new in &chunk.choices {
            let Some(known) = self.choice(new.index) else { continue };
            known.text.push_str(&new.text);
            self.size = self.size.saturating_add(new.text.len());
        }
    }

    /// Adds the chunk to the response.
    fn push(&mut self, chunk: &CompletionResponse) {
        self.chunks = self.chunks.saturating_add(1);
        self.push_top_level(chunk);
        for new in &chunk.choices {
            // Beyond the limit, choices are skipped.
            let Some(known) = self.choice(new.index) else { continue };
            known.text.push_str(&new.text);
            if let Some(reason) = &new.finish_reason {
                finish(&mut known.finish_reason, reason);
            }
            if new.stop_reason.is_some() {
                known.stop_reason.clone_from(&new.stop_reason);
            }
            if let Some(logprobs) = &new.logprobs {
                known.logprobs.get_or_insert_default().append(logprobs);
            }
            // Unknown members arrive complete in each chunk.
            merge::outer_members(&mut known.extra, &new.extra);
            let logprobs = new.logprobs.as_deref().map_or(0, CompletionLogprobs::memory_size);
            let size = new.text.len() + logprobs + memory_size::of_members(&new.extra);
            self.size = self.size.saturating_add(size);
        }
    }

    /// Adds the members outside of the choices: the first value of each counts, and usage is merged.
    fn push_top_level(&mut self, chunk: &CompletionResponse) {
        let response = &mut self.response;
        for (known, new) in [
            (&mut response.id, &chunk.id),
            (&mut response.object, &chunk.object),
            (&mut response.model, &chunk.model),
        ] {
            if known.is_empty() {
                known.clone_from(new);
            }
        }
        if response.created == 0 {
            response.created = chunk.created;
        }
        if response.system_fingerprint.is_none() {
            response.system_fingerprint.clone_from(&chunk.system_fingerprint);
        }
        // Some servers send the counts of prompt and completion in different chunks.
        if let Some(usage) = chunk.usage() {
            response.usage.get_or_insert_default().merge(&usage);
        }
        merge::outer_members(&mut response.extra, &chunk.extra);
        self.size = self.size.saturating_add(memory_size::of_members(&chunk.extra));
    }

    /// Returns the choice of an index, which is added at its place if it is new and there is room.
    fn choice(&mut self, index: u32) -> Option<&mut CompletionChoice> {
        // Before the choices are borrowed.
        let most = self.most_choices();
        let choices = &mut self.response.choices;
        let place = match choices.binary_search_by_key(&index, |choice| choice.index) {
            Ok(place) => place,
            Err(_) if choices.len() >= most => return None,
            Err(place) => {
                choices.insert(place, CompletionChoice { index, ..CompletionChoice::default() });
                place
            }
        };
        choices.get_mut(place)
    }

    /// The number of choices that are kept: a request for more than 128 gets them all.
    fn most_choices(&self) -> usize {
        MOST_CHOICES.max(self.expected as usize)
    }
}

/// Returns whether an object without choices is a chunk: it counts tokens, or calls itself one.
fn is_chunk_without_choices(chunk: &CompletionResponse) -> bool {
    let is_named = !chunk.object.is_empty() && names_completion(&chunk.object);
    chunk.usage().is_some_and(|usage| !usage.is_zero()) || (is_named && !chunk.id.is_empty())
}

/// Returns whether the name of an object is a completion's, or missing.
fn names_completion(object: &str) -> bool {
    object.is_empty() || object.contains("completion")
}

impl StreamedChunk for CompletionResponse {
    /// The texts that a server may cut inside a character.
    const FIELDS: &'static [FieldPath] = &[(&["choices", "text"], Field::Content)];

    fn is_whole(&self) -> bool {
        self.choices.iter().all(|choice| choice.finish_reason.is_some())
    }

    // The only streamed text; log probabilities come with it.
    fn has_content(&self, position: usize) -> bool {
        !self.choices[position].text.is_empty()
    }

    #[inline]
    fn choices(&self) -> usize {
        self.choices.len()
    }

    fn index_mut(&mut self, position: usize) -> &mut u32 {
        &mut self.choices[position].index
    }

    fn is_finished(&self, position: usize) -> bool {
        self.choices[position].finish_reason.is_some()
    }

    fn is_plain(&self) -> bool {
        let has_only_text = |choice: &CompletionChoice| {
            let is_open = choice.finish_reason.is_none() && choice.stop_reason.is_none();
            let has_others = choice.logprobs.is_some() || choice.error.is_some();
            is_open && !has_others && choice.extra.is_empty()
        };
        self.usage.is_none()
            && self.error.is_none()
            && self.extra.is_empty()
            && self.choices.iter().all(has_only_text)
    }

    #[inline]
    fn text_mut(&mut self, place: Place) -> Option<&mut String> {
        Some(&mut self.choices.get_mut(place.choice)?.text)
    }

    fn each_text(&mut self, position: usize, each: &mut dyn FnMut(Place, i64, &mut String)) {
        let place = Place { choice: position, field: Field::Content, call: 0 };
        each(place, 0, &mut self.choices[position].text);
    }

    fn text_or_new(&mut self, place: Place, _call: i64) -> &mut String {
        &mut self.choices[place.choice].text
    }

    #[inline]
    fn id_mut(&mut self) -> &mut SharedStr {
        &mut self.id
    }

    fn shared_texts(&mut self) -> [Option<&mut SharedStr>; 4] {
        [
            Some(&mut self.id),
            Some(&mut self.object),
            Some(&mut self.model),
            self.system_fingerprint.as_mut(),
        ]
    }

    #[inline]
    fn created_mut(&mut self) -> &mut i64 {
        &mut self.created
    }

    fn usage_mut(&mut self) -> Option<&mut Usage> {
        self.usage.as_mut()
    }

    fn signature_mut(&mut self) -> Option<&mut String> {
        self.signature.as_mut()
    }

    fn response_hash_mut(&mut self) -> Option<&mut String> {
        self.response_hash.as_mut()
    }
}

impl ResponseModel for CompletionResponse {
    type Stream = CompletionModel;

    /// Reads a body, which must be a completion or report an error.
    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        let response = Self::from_slice(body)?;
        if response.choices.is_empty() && response.error().is_none() && !has_choices(body) {
            return Err(ParseError::without("choices"));
        }
        Ok(response)
    }

    fn error(&self) -> Option<&ApiError> {
        self.error()
    }

    fn has_content(&self) -> bool {
        !self.choices.is_empty() || names_completion(&self.object)
    }

    fn usage(&self) -> Option<Usage> {
        self.usage().map(Cow::into_owned)
    }
}
