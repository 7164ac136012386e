//! Splits a certificate chain into its certificates, without reading them.

use crate::encoding;
use alloc::{string::String, vec::Vec};
use core::str;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates in DER. `None` if there is none, or something else among them.
pub(super) fn split(chain: &[u8]) -> Option<Vec<Vec<u8>>> {
    let certificates = match str::from_utf8(chain) {
        Ok(text) if text.contains(BEGIN) => split_pem(text)?,
        _ => split_der(chain)?,
    };
    Some(certificates).filter(|certificates| !certificates.is_empty())
}

/// Text between two certificates is skipped, as PEM allows.
fn split_pem(mut text: &str) -> Option<Vec<Vec<u8>>> {
    let mut certificates = Vec::new();
    while let Some((_, rest)) = text.split_once(BEGIN) {
        let (body, rest) = rest.split_once(END)?;
        let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        certificates.extend(
            split_der(&encoding::decode(&base64).ok()?).filter(|inside| inside.len() == 1)?,
        );
        text = rest;
    }
    Some(certificates)
}

fn split_der(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut certificates = Vec::new();
    while !bytes.is_empty() {
        let (certificate, rest) = bytes.split_at_checked(sequence_length(bytes)?)?;
        certificates.push(certificate.to_vec());
        bytes = rest;
    }
    Some(certificates)
}

/// The length of the DER sequence at the start, header included.
fn sequence_length(bytes: &[u8]) -> Option<usize> {
    const SEQUENCE: u8 = 0x30;
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    if tag != SEQUENCE {
        return None;
    }
    if first < 0x80 {
        return Some(2 + usize::from(first));
    }
    // The long form: how many bytes of length follow. Four of them are 4 GiB.
    let digits =
        rest.get(..usize::from(first & 0x7f)).filter(|digits| (1..=4).contains(&digits.len()))?;
    let length = digits.iter().try_fold(0_usize, |length, &digit| {
        length.checked_mul(256)?.checked_add(usize::from(digit))
    })?;
    length.checked_add(2 + digits.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    fn certificate(fill: u8, length: usize) -> Vec<u8> {
        let mut der = match length {
            0..0x80 => vec![0x30, u8::try_from(length).unwrap()],
            _ => vec![
                0x30,
                0x82,
                u8::try_from(length >> 8).unwrap(),
                u8::try_from(length & 0xff).unwrap(),
            ],
        };
        der.resize(der.len() + length, fill);
        der
    }

    fn pem(der: &[u8]) -> String {
        let base64 = encoding::encode(der);
        let lines: Vec<&str> =
            base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("{BEGIN}\r\n{}\n{END}\n", lines.join("\n"))
    }

    #[test]
    fn chains_are_split_whatever_their_form() {
        let (a, b) = (certificate(1, 100), certificate(2, 700));
        let both = Some(vec![a.clone(), b.clone()]);
        assert_eq!(split(&[a.clone(), b.clone()].concat()), both);
        assert_eq!(split(format!("subject=x\n{}issuer=y\n{}", pem(&a), pem(&b)).as_bytes()), both);
        assert_eq!(split(pem(&a).as_bytes()), Some(vec![a]));
    }

    #[test]
    fn the_length_of_a_certificate_has_up_to_four_bytes() {
        for (header, length) in [
            (&[0x30, 0x7f][..], 0x7f),
            (&[0x30, 0x81, 0x80], 0x80),
            (&[0x30, 0x82, 0x01, 0x02], 0x102),
            (&[0x30, 0x83, 0, 0x01, 0x02], 0x102),
            (&[0x30, 0x84, 0, 0, 0x01, 0x02], 0x102),
        ] {
            let whole = [header, &vec![7; length]].concat();
            assert_eq!(split(&whole), Some(vec![whole.clone()]), "{header:x?}");
            assert_eq!(split(&whole[1..]), None, "{header:x?}");
            assert_eq!(split(&whole[..whole.len() - 1]), None, "{header:x?}");
        }
        // No length at all, and one of five bytes.
        for header in [&[0x30, 0x80][..], &[0x30, 0x85, 0, 0, 0, 0, 0x80]] {
            assert_eq!(split(&[header, &[7; 0x80]].concat()), None, "{header:x?}");
        }
    }

    #[test]
    fn malformed_chains_are_refused() {
        let a = certificate(1, 700);
        let open = pem(&a).replace(END, "");
        let not_base64 = format!("{BEGIN}\n????\n{END}");
        for chain in [
            &b""[..],
            b"text",
            &a[..10],
            &a[..703],
            &[&a[..], b"x"].concat(),
            b"\x30\x80",
            b"\x30\x85\0\0\0\0\0",
        ] {
            assert_eq!(split(chain), None, "{chain:?}");
        }
        for chain in [open, not_base64, pem(&a[..20]), pem(&[&a[..], &a[..]].concat())] {
            assert_eq!(split(chain.as_bytes()), None, "{chain}");
        }
    }
}
