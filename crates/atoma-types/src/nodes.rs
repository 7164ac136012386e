use crate::{
    ApiError, InvalidRequest, ParseError, json,
    setters::{request, setters},
    stream::{ResponseModel, whole::WholeBody},
    validate::{check_extra, check_model},
    wire::object,
};

object! {
    /// A request of a node's operator to register the public address of the node.
    pub struct NodeCreateRequest {
        /// The address to register. Required.
        pub data: NodeAddress,
        /// The Sui signature of the node over the BLAKE2b-256 hash of [`NodeAddress::to_signed_bytes`], in base64. Required.
        pub signature: String,
    }
}

object! {
    /// The public address of a node.
    pub struct NodeAddress {
        /// The id of the node. Required.
        pub node_small_id: u64,
        /// The URL under which the node is reached. Required.
        pub public_address: String,
        /// The country of the node. Required.
        pub country: String,
    }
}

object! {
    /// The response to a registration.
    pub struct NodeCreateResponse {
        /// `Success`.
        pub message: String,
    }
}

object! {
    /// A request for a node that takes one confidential request.
    pub struct NodeLockRequest {
        /// The model to use. Required.
        pub model: String,
        /// The most tokens of the confidential request and its response together. The default is 8192. Images count as
        /// pixels: 1048576 for 1024x1024.
        pub max_num_tokens: Option<u64>,
        /// How long the lock is valid, in seconds. The default is 5.
        pub timeout: Option<u64>,
    }
}

object! {
    /// A node that takes one confidential request, until the lock expires.
    pub struct NodeLockResponse {
        /// The X25519 public key of the node: 32 bytes in base64.
        pub public_key: String,
        /// The id of the node.
        pub node_small_id: u64,
        /// The digest of the transaction that acquired the stack, if there was one.
        pub stack_entry_digest: Option<String>,
        /// The id of the stack, which the confidential request names.
        pub stack_small_id: u64,
    }
}

impl NodeCreateRequest {
    /// Registers an address, with the signature over [`NodeAddress::to_signed_bytes`].
    pub fn new(data: NodeAddress, signature: impl Into<String>) -> Self {
        Self { data, signature: signature.into(), ..Self::default() }
    }

    /// Checks for mistakes that the server refuses: no address, no country, no signature.
    ///
    /// # Errors
    ///
    /// The first mistake found: the name of the field, and a remedy.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        for (field, value) in [
            ("data.public_address", &self.data.public_address),
            ("data.country", &self.data.country),
            ("signature", &self.signature),
        ] {
            if value.trim().is_empty() {
                return Err(InvalidRequest::new(field, "is empty"));
            }
        }
        check_extra(self)
    }
}

impl NodeAddress {
    /// The address of a node: its id, URL and country.
    pub fn new(
        node_small_id: u64,
        public_address: impl Into<String>,
        country: impl Into<String>,
    ) -> Self {
        let (public_address, country) = (public_address.into(), country.into());
        Self { node_small_id, public_address, country, ..Self::default() }
    }

    /// The bytes whose BLAKE2b-256 hash the node signs: the address as compact JSON.
    ///
    /// ```
    /// let address = atoma_types::NodeAddress::new(7, "https://node.example", "PT");
    /// assert_eq!(
    ///     address.to_signed_bytes(),
    ///     br#"{"node_small_id":7,"public_address":"https://node.example","country":"PT"}"#
    /// );
    /// ```
    #[must_use]
    pub fn to_signed_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an address has no number that is not finite")
    }
}

impl NodeLockRequest {
    /// Requests a node for a model.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// Checks that there is a model, and that no member is set twice.
    ///
    /// # Errors
    ///
    /// The first mistake found: the name of the field, and a remedy.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        check_model(&self.model, &self.extra)?;
        check_extra(self)
    }
}

request!(NodeCreateRequest);
request!(NodeLockRequest);

setters! { NodeLockRequest {
    max_num_tokens: u64;
    timeout: u64;
} }

impl ResponseModel for NodeCreateResponse {
    type Stream = WholeBody<Self>;

    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        json::object_from_slice(body)
    }

    fn error(&self) -> Option<&ApiError> {
        None
    }

    fn has_content(&self) -> bool {
        !self.message.is_empty() && !self.extra.reports_error()
    }
}

impl ResponseModel for NodeLockResponse {
    type Stream = WholeBody<Self>;

    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        json::object_from_slice(body)
    }

    fn error(&self) -> Option<&ApiError> {
        None
    }

    fn has_content(&self) -> bool {
        !self.public_key.is_empty() && !self.extra.reports_error()
    }
}
