//! The JSON form of a receipt.
//!
//! Written by hand: `serde_derive` would add two crates to everybody who verifies.
//!
//! ```json
//! {
//!   "receipt": 1,
//!   "request_hash": "…", "time": 1755000000,
//!   "signer": "0x…", "public_key": "…",
//!   "responses": [{"text": "…", "signature": "…", "response_hash": "…"}],
//!   "digest": "…"
//! }
//! ```

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap,
};

/// Unknown and repeated members are errors: a receipt is evidence, not a configuration.
pub(super) struct Saved<'a> {
    /// The version of the form.
    pub(super) receipt: u32,
    /// The hash of the request's body, in base64.
    pub(super) request_hash: String,
    /// Seconds since the Unix epoch.
    pub(super) time: u64,
    /// The address of the signer, if there was a signed response.
    pub(super) signer: Option<String>,
    /// The key that the address is derived from.
    pub(super) public_key: Option<String>,
    /// The signed texts, in the order in which they were received.
    pub(super) responses: Vec<SavedResponse<'a>>,
    /// The hash of everything above, which finds a receipt that was edited by accident.
    pub(super) digest: String,
}

/// One signed text.
pub(super) struct SavedResponse<'a> {
    /// Left out where it is `None`.
    pub(super) text: Option<Cow<'a, str>>,
    /// The signature, as it was received.
    pub(super) signature: String,
    /// The hash that it signs, as it was received.
    pub(super) response_hash: String,
}

impl Serialize for Saved<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("receipt", &self.receipt)?;
        members.serialize_entry("request_hash", &self.request_hash)?;
        members.serialize_entry("time", &self.time)?;
        members.serialize_entry("signer", &self.signer)?;
        members.serialize_entry("public_key", &self.public_key)?;
        members.serialize_entry("responses", &self.responses)?;
        members.serialize_entry("digest", &self.digest)?;
        members.end()
    }
}

impl Serialize for SavedResponse<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        if let Some(text) = &self.text {
            members.serialize_entry("text", text)?;
        }
        members.serialize_entry("signature", &self.signature)?;
        members.serialize_entry("response_hash", &self.response_hash)?;
        members.end()
    }
}

impl<'de> Deserialize<'de> for Saved<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Saved<'static>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a receipt")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut receipt, mut time) = (None, None);
                let (mut request_hash, mut digest) = (None, None);
                let (mut signer, mut public_key) = (None, None);
                let mut responses = None;
                while let Some(name) = map.next_key::<String>()? {
                    match &*name {
                        "receipt" => once(&mut receipt, &mut map)?,
                        "request_hash" => once(&mut request_hash, &mut map)?,
                        "time" => once(&mut time, &mut map)?,
                        "signer" => once(&mut signer, &mut map)?,
                        "public_key" => once(&mut public_key, &mut map)?,
                        "responses" => once(&mut responses, &mut map)?,
                        "digest" => once(&mut digest, &mut map)?,
                        _ => return Err(Error::custom("unknown member")),
                    }
                }
                Ok(Saved {
                    receipt: required(receipt)?,
                    request_hash: required(request_hash)?,
                    time: required(time)?,
                    signer: signer.flatten(),
                    public_key: public_key.flatten(),
                    responses: required(responses)?,
                    digest: required(digest)?,
                })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl<'de> Deserialize<'de> for SavedResponse<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = SavedResponse<'static>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a response of a receipt")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut text, mut signature, mut response_hash) = (None, None, None);
                while let Some(name) = map.next_key::<String>()? {
                    match &*name {
                        "text" => once::<Option<String>, A>(&mut text, &mut map)?,
                        "signature" => once(&mut signature, &mut map)?,
                        "response_hash" => once(&mut response_hash, &mut map)?,
                        _ => return Err(Error::custom("unknown member")),
                    }
                }
                Ok(SavedResponse {
                    text: text.flatten().map(Cow::Owned),
                    signature: required(signature)?,
                    response_hash: required(response_hash)?,
                })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// Reads the value of a member that must not occur twice.
fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(Error::custom("member twice"));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

/// Returns the value of a member that must occur.
fn required<T, E: Error>(slot: Option<T>) -> Result<T, E> {
    slot.ok_or_else(|| Error::custom("missing member"))
}
