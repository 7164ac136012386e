//! Attestation evidence of a node, read into types. **Nothing here verifies it.**
//!
//! Atoma's dashboard service has it at `GET /v1/get_node_attestation/{node_small_id}`: zlib-compressed JSON with a
//! report and a certificate chain of NVIDIA for each GPU and NVSwitch.
//!
//! A verifier, which is outside of this crate, must check:
//!
//! - the chain of each device, up to NVIDIA's root, and its revocation;
//! - the signature of each report, and its measurements against NVIDIA's reference values;
//! - that the nonce of a GPU's report is BLAKE3(rotation nonce as u64, little-endian ‖ X25519 key of the node ‖
//!   300 as u16, little-endian). Only this ties the report to the key in the lock. The rotation nonce is not part of
//!   the evidence; it is published on chain.
//!
//! Evidence about the processor (TDX, SEV) is not included: even a verified report says nothing about the program
//! that holds the key.
//!
//! ```
//! use atoma_confidential::evidence::NodeEvidence;
//!
//! let response = r#"{"node_small_id":3,"compressed_evidence":[120,1,1,2,0,253,255,91,93,1,21,0,185]}"#;
//! let evidence = NodeEvidence::from_response(response)?;
//! assert_eq!(evidence.node_small_id, 3);
//! assert!(evidence.devices.is_empty());
//! # Ok::<(), atoma_confidential::evidence::EvidenceError>(())
//! ```

mod certificates;

use crate::{
    json,
    member::{Fault, Member},
};
use alloc::{string::String, vec::Vec};
use core::{error::Error, fmt, str};
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

/// The most bytes that evidence may have after decompression.
const MOST_BYTES: usize = 16 << 20;

/// The evidence of all devices of one node. Unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeEvidence {
    /// The node, as in the lock.
    pub node_small_id: i64,
    /// Its GPUs and switches, in the order of the evidence.
    pub devices: Vec<DeviceEvidence>,
}

/// The evidence of one device. Unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceEvidence {
    /// The type of the device.
    pub device: DeviceType,
    /// The certificates in DER, in the order of the evidence: usually the device's first, the root last.
    pub certificates: Vec<Vec<u8>>,
    /// The report: the SPDM request for measurements, followed by the signed response.
    pub report: Vec<u8>,
}

/// The type of a device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceType {
    /// A GPU (`device`).
    Gpu,
    /// An NVSwitch (`nvswitch`).
    NvSwitch,
    /// Any other type.
    Other(String),
}

impl NodeEvidence {
    /// Reads the response of `GET /v1/get_node_attestation/{node_small_id}`.
    ///
    /// # Errors
    /// If any part of it is malformed, or it has more than 16 MiB after decompression.
    pub fn from_response(json: &str) -> Result<Self, EvidenceError> {
        let (mut id, mut compressed) = (Member::default(), Member::default());
        json::each_member(json, |name, value| match name {
            "node_small_id" => id.put(value),
            "compressed_evidence" => compressed.put(value),
            _ => {}
        })
        .map_err(|_| EvidenceError("response is not a JSON object"))?;
        let node_small_id = id.required().and_then(|id| id.parse().map_err(|_| Fault::Malformed));
        let node_small_id =
            node_small_id.map_err(|_| EvidenceError("`node_small_id` is missing or malformed"))?;
        let malformed = EvidenceError("`compressed_evidence` is missing or not an array of bytes");
        let mut bytes = Vec::new();
        let mut all_are_bytes = true;
        json::each_element(compressed.required().map_err(|_| malformed)?, |element| match element
            .parse()
        {
            Ok(byte) => bytes.push(byte),
            Err(_) => all_are_bytes = false,
        })
        .map_err(|_| malformed)?;
        if !all_are_bytes {
            return Err(malformed);
        }
        Ok(Self { node_small_id, devices: devices_from_compressed(&bytes)? })
    }
}

impl DeviceEvidence {
    /// Returns the nonce that the report was made for: bytes 4 to 35 of the SPDM request `GET_MEASUREMENTS`.
    ///
    /// `None` if the report does not start with such a request. It is as trustworthy as the report: verify that first.
    #[must_use]
    pub fn nonce(&self) -> Option<[u8; 32]> {
        const GET_MEASUREMENTS: u8 = 0xe0;
        if self.report.get(1) != Some(&GET_MEASUREMENTS) {
            return None;
        }
        self.report.get(4..36)?.try_into().ok()
    }
}

/// Reads the evidence of a node's devices from its compressed bytes.
///
/// # Errors
/// If it is not zlib, has more than 16 MiB, or is malformed.
pub fn devices_from_compressed(compressed: &[u8]) -> Result<Vec<DeviceEvidence>, EvidenceError> {
    let bytes = decompress_to_vec_zlib_with_limit(compressed, MOST_BYTES).map_err(|error| {
        EvidenceError(match error.status {
            TINFLStatus::HasMoreOutput => "evidence is larger than 16 MiB",
            _ => "evidence is not zlib",
        })
    })?;
    let text = str::from_utf8(&bytes).map_err(|_| EvidenceError("evidence is not UTF-8"))?;
    let mut devices = Vec::new();
    json::each_element(text, |device| devices.push(read_device(device)))
        .map_err(|_| EvidenceError("evidence is not a JSON array"))?;
    devices.into_iter().collect()
}

fn read_device(text: &str) -> Result<DeviceEvidence, EvidenceError> {
    let [mut device, mut certificate, mut report] = [Member::default(); 3];
    json::each_member(text, |name, value| match name {
        "evidence_type" => device.put(value),
        "certificate" => certificate.put(value),
        "evidence" => report.put(value),
        _ => {}
    })
    .map_err(|_| EvidenceError("evidence of a device is not a JSON object"))?;
    let device =
        device.string().map_err(|_| EvidenceError("`evidence_type` is missing or malformed"))?;
    let certificate =
        certificate.bytes().map_err(|_| EvidenceError("`certificate` is missing or not base64"))?;
    Ok(DeviceEvidence {
        device: match &*device {
            "device" => DeviceType::Gpu,
            "nvswitch" => DeviceType::NvSwitch,
            _ => DeviceType::Other(device.into_owned()),
        },
        certificates: certificates::split(&certificate)
            .ok_or(EvidenceError("`certificate` is neither PEM nor DER"))?,
        report: report.bytes().map_err(|_| EvidenceError("`evidence` is missing or not base64"))?,
    })
}

/// Evidence that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EvidenceError(&'static str);

impl fmt::Display for EvidenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attestation evidence: {}", self.0)
    }
}

crate::error::debug_as_line!(EvidenceError { "reason": 0 });

impl Error for EvidenceError {}
