use alloc::string::String;

/// The unencrypted facts about a call that the proxy needs for routing and billing.
///
/// They travel next to the ciphertext, readable by the proxy, and nothing protects them against changes.
///
/// ```
/// use atoma_confidential::CallInfo;
///
/// let call = CallInfo::new("meta-llama/Llama-3.3-70B-Instruct", 77).stream(true).num_compute_units(8192);
/// assert_eq!(call.stack_small_id, 77);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallInfo {
    /// The model; must equal the `model` member of the plaintext.
    pub model: String,
    /// The `stack_small_id` of the lock that the call consumes.
    pub stack_small_id: u64,
    /// Whether the response is a stream; must agree with the `stream` member of the plaintext. Default: `false`.
    pub stream: bool,
    /// The compute units to bill at most, at most the `max_num_tokens` of the lock.
    /// Default: `None`, for which the proxy assumes 8192 (1,048,576 for images).
    pub num_compute_units: Option<u64>,
}

impl CallInfo {
    /// Describes a call of `model` that is not a stream, for the lock with this `stack_small_id`.
    pub fn new(model: impl Into<String>, stack_small_id: u64) -> Self {
        Self { model: model.into(), stack_small_id, stream: false, num_compute_units: None }
    }

    /// Sets whether the response is a stream.
    #[must_use]
    pub fn stream(mut self, stream: bool) -> Self {
        self.stream = stream;
        self
    }

    /// Sets the compute units to bill at most.
    #[must_use]
    pub fn num_compute_units(mut self, units: u64) -> Self {
        self.num_compute_units = Some(units);
        self
    }
}
