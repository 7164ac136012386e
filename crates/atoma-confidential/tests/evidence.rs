//! Reading attestation evidence.

use atoma_confidential::evidence::{DeviceType, NodeEvidence, devices_from_compressed};
use serde_json::{Value, json};

/// Zlib without compression: stored blocks and a checksum.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        out.push(u8::from(blocks.peek().is_none()));
        let length = u16::try_from(block.len()).unwrap();
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    out.extend((b << 16 | a).to_be_bytes());
    out
}

fn response(evidence: &Value) -> String {
    json!({"compressed_evidence": zlib(evidence.to_string().as_bytes()), "node_small_id": 3, "more": []}).to_string()
}

#[test]
fn devices_are_read_with_chain_report_and_nonce() {
    // A report: version, code, two parameters, the nonce, the slot; then the response.
    let report = "EeAB/wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDABFgAAA=";
    let evidence = json!([
        {"evidence_type": "device", "certificate": "MAMBAgMwAQE=", "evidence": report},
        {"evidence_type": "nvswitch", "certificate": "MAMBAgM=", "evidence": "", "new": 1},
        {"evidence_type": "dpu", "certificate": "MAMBAgM=", "evidence": "EeE="},
    ]);
    let read = NodeEvidence::from_response(&response(&evidence)).unwrap();
    assert_eq!(read.node_small_id, 3);
    let [gpu, switch, other] = &read.devices[..] else { panic!("{read:?}") };
    assert_eq!(gpu.device, DeviceType::Gpu);
    assert_eq!(gpu.certificates, [vec![0x30, 3, 1, 2, 3], vec![0x30, 1, 1]]);
    assert_eq!(gpu.nonce(), Some([3; 32]));
    assert_eq!((&switch.device, switch.nonce()), (&DeviceType::NvSwitch, None));
    assert_eq!((&other.device, other.nonce()), (&DeviceType::Other("dpu".into()), None));
}

#[test]
fn malformed_evidence_is_an_error() {
    let device = json!({"evidence_type": "device", "certificate": "MAMBAgM=", "evidence": "AAAA"});
    assert!(NodeEvidence::from_response(&response(&json!([device]))).is_ok());
    let changed = |name: &str, value: Value| {
        let mut device = device.clone();
        device[name] = value;
        response(&json!([device]))
    };
    for (text, words) in [
        (String::new(), "not a JSON object"),
        (r#"{"compressed_evidence":[]}"#.into(), "node_small_id"),
        (r#"{"node_small_id":3}"#.into(), "compressed_evidence"),
        (r#"{"node_small_id":3,"compressed_evidence":"AAAA"}"#.into(), "not an array of bytes"),
        (r#"{"node_small_id":3,"compressed_evidence":[256]}"#.into(), "not an array of bytes"),
        (r#"{"node_small_id":3,"compressed_evidence":[1.0]}"#.into(), "not an array of bytes"),
        (r#"{"node_small_id":3,"compressed_evidence":[]}"#.into(), "not zlib"),
        (response(&json!({})), "not a JSON array"),
        (response(&json!([1])), "not a JSON object"),
        (changed("evidence_type", json!(1)), "evidence_type"),
        (changed("certificate", json!("AAAA")), "neither PEM nor DER"),
        (changed("certificate", json!("!")), "not base64"),
        (changed("evidence", Value::Null), "`evidence`"),
    ] {
        let error = NodeEvidence::from_response(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_bomb_is_an_error() {
    let error = devices_from_compressed(&zlib(&vec![b' '; (16 << 20) + 1])).unwrap_err();
    assert!(error.to_string().contains("larger than 16 MiB"), "{error}");
}
