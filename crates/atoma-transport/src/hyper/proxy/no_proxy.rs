//! The servers that are reached without a proxy, as `NO_PROXY` lists them.
//!
//! Every program reads `NO_PROXY` differently; the forms of curl, Go and Python's requests are read here:
//!
//! ```text
//! *                          every server
//! example.com                the name and everything below it
//! .example.com *.example.com everything below the name
//! 10.0.0.1  10.0.0.0/8       an address, a network
//! 10.*                       the same as 10.0.0.0/8
//! example.com:8080  [::1]:80 one port only
//! ```
//!
//! An entry that is none of these may have been meant for any server. Skipping it could send a request through a proxy that must
//! not see it, so a server that no other entry matches is an error ([`Spared::Unclear`]).

use super::super::destination::parse_port;
use std::net::IpAddr;

/// A list that was read. Entries that cannot be understood are kept: they are an error for every
/// server that no other entry matches, since they may have been meant for it.
#[derive(Clone, Debug, Default)]
pub(super) struct NoProxy {
    /// The entries that were understood.
    entries: Vec<Entry>,
    /// Whether there was any other.
    has_unknown: bool,
}

/// One entry: hosts, and a port or all of them.
#[derive(Clone, Debug)]
struct Entry {
    hosts: Hosts,
    /// `None` for every port.
    port: Option<u16>,
}

/// The hosts of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// `*`.
    All,
    /// A name, in lower case and without dots at its ends. `only_below` leaves the name itself out.
    Name { name: String, only_below: bool },
    /// The addresses whose first `bits` bits are the same.
    Network { address: IpAddr, bits: u8 },
}

/// The result of looking a server up in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spared {
    /// An entry matches: no proxy.
    Yes,
    /// No entry matches: the proxy is used.
    No,
    /// No entry matches, and one cannot be understood.
    Unclear,
}

impl NoProxy {
    /// Reads a list. Commas, spaces and line breaks separate its entries.
    pub(super) fn read(list: &str) -> Self {
        let is_separator = |c: char| c == ',' || c.is_whitespace();
        let mut read = Self::default();
        for text in list.split(is_separator).filter(|text| !text.is_empty()) {
            match Entry::read(text) {
                Some(entry) => read.entries.push(entry),
                None => read.has_unknown = true,
            }
        }
        read
    }

    /// Returns whether an entry was not understood, for the error at build time.
    pub(super) fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// Returns whether the server at `host`, an IPv6 address without brackets, is reached directly.
    pub(super) fn spares(&self, host: &str, port: u16) -> Spared {
        if self.entries.is_empty() && !self.has_unknown {
            return Spared::No;
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if self.entries.iter().any(|entry| entry.matches(&host, port)) {
            Spared::Yes
        } else if self.has_unknown {
            Spared::Unclear
        } else {
            Spared::No
        }
    }
}

impl Entry {
    /// Reads `host`, `.host`, `*.host`, `*`, an address, a network, `10.*`, each with a port or
    /// without; IPv6 in brackets if there is a port.
    fn read(text: &str) -> Option<Self> {
        if let Some(bracketed) = text.strip_prefix('[') {
            let (address, rest) =
                bracketed.split_once(']').filter(|(text, _)| text.contains(':'))?;
            let (bits, port) = match rest.rsplit_once(':') {
                Some((bits, port)) => (bits, Some(parse_port(port)?)),
                None => (rest, None),
            };
            let is_mask = bits.is_empty() || bits.starts_with('/');
            let hosts = is_mask.then(|| Hosts::network(&format!("{address}{bits}")))??;
            return Some(Self { hosts, port });
        }
        if text.matches(':').count() > 1 {
            return Some(Self { hosts: Hosts::network(text)?, port: None });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (text, None),
        };
        Some(Self { hosts: Hosts::read(host)?, port })
    }

    /// Returns whether the entry is for this server. `host` is in lower case.
    fn matches(&self, host: &str, port: u16) -> bool {
        self.port.is_none_or(|only| only == port) && self.hosts.contain(host)
    }
}

impl Hosts {
    /// Reads the hosts of an entry: an address first, since a name may look like anything.
    fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        Self::network(text).or_else(|| Self::octets(text)).or_else(|| Self::name(text))
    }

    /// `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`. The zone of `fe80::1%eth0` is left out, since a
    /// URL has none.
    fn network(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => {
                let is_number = bits.bytes().all(|byte| byte.is_ascii_digit());
                (address, Some(bits.parse().ok().filter(|_| is_number)?))
            }
            None => (text, None),
        };
        let address = match address.split_once('%') {
            Some((address, zone)) if address.contains(':') && !zone.is_empty() => address,
            _ => address,
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self::Network { address, bits })
    }

    /// `10.*`, `192.168.*.*`: the first octets of an IPv4 address.
    fn octets(text: &str) -> Option<Self> {
        let mut octets = [0; 4];
        let (mut known, mut stars) = (0, 0);
        for part in text.split('.') {
            if part == "*" {
                stars += 1;
            } else if stars > 0 || known == 4 || part.starts_with('+') {
                return None;
            } else {
                octets[known] = part.parse().ok()?;
                known += 1;
            }
        }
        let is_whole = stars > 0 && (1..=3).contains(&known) && known + stars <= 4;
        let bits = u8::try_from(8 * known).ok()?;
        is_whole.then_some(Self::Network { address: octets.into(), bits })
    }

    /// `host`, `.host`, `*.host`.
    fn name(text: &str) -> Option<Self> {
        let (name, only_below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text.strip_prefix('.').unwrap_or(text), false),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_label = |label: &str| {
            let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !label.is_empty() && label.bytes().all(is_usual)
        };
        // Digits alone are an address in an unknown form.
        let is_address = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let is_name = name.split('.').all(is_label) && !is_address;
        is_name.then_some(Self::Name { name, only_below })
    }

    fn contain(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::Name { name, only_below } => match host.strip_suffix(name.as_str()) {
                Some("") => !only_below,
                Some(below) => below.ends_with('.'),
                None => false,
            },
            Self::Network { address, bits } => host.parse::<IpAddr>().is_ok_and(|host| {
                match (address.to_canonical(), host.to_canonical()) {
                    (IpAddr::V4(network), IpAddr::V4(host)) => {
                        let differing = network.to_bits() ^ host.to_bits();
                        differing.leading_zeros() >= u32::from(*bits).min(32)
                    }
                    (IpAddr::V6(network), IpAddr::V6(host)) => {
                        let differing = network.to_bits() ^ host.to_bits();
                        differing.leading_zeros() >= u32::from(*bits)
                    }
                    _ => false,
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_other_tools_read_them() {
        use Spared::{No, Unclear, Yes};
        for (list, host, port, spared) in [
            ("a.test", "a.test", 443, Yes),
            ("A.Test", "a.test", 443, Yes),
            ("a.test", "A.TEST", 443, Yes),
            ("a.test", "b.a.test", 443, Yes),
            (".a.test", "b.a.test", 443, Yes),
            (".a.test", "a.test", 443, Yes),
            ("*.a.test", "b.a.test", 443, Yes),
            ("*.a.test", "c.b.a.test", 443, Yes),
            ("*.a.test", "a.test", 443, No),
            ("*.a.test", "xa.test", 443, No),
            ("a.test.", "a.test", 443, Yes),
            ("a.test", "a.test.", 443, Yes),
            ("a.test", "nota.test", 443, No),
            ("a.test", "a.test.evil", 443, No),
            ("a.test:443", "a.test", 443, Yes),
            ("a.test:443", "b.a.test", 443, Yes),
            ("a.test:443", "a.test", 8443, No),
            ("*.a.test:8080", "b.a.test", 8080, Yes),
            ("*.a.test:8080", "b.a.test", 80, No),
            ("b.test ,, a.test ", "a.test", 443, Yes),
            ("b.test a.test", "a.test", 443, Yes),
            ("b.test\na.test\n", "a.test", 443, Yes),
            ("b.test\r\n\ta.test", "a.test", 443, Yes),
            ("10.0.0.0/8", "10.1.2.3", 443, Yes),
            ("10.0.0.0/8", "11.1.2.3", 443, No),
            ("10.1.2.3/0", "11.1.2.3", 443, Yes),
            ("10.1.2.3:80", "10.1.2.3", 80, Yes),
            ("10.1.2.3:80", "10.1.2.3", 443, No),
            ("10.1.2.3/32", "10.1.2.3", 443, Yes),
            ("10.1.2.3/32", "10.1.2.2", 443, No),
            ("10.1.2.3/31", "10.1.2.2", 443, Yes),
            ("2001:db8::1/128", "2001:db8::1", 443, Yes),
            ("2001:db8::1/128", "2001:db8::", 443, No),
            ("::ffff:10.1.2.0/120", "10.1.2.0", 443, Yes),
            ("1.2.3.*", "1.2.3.4", 443, Yes),
            ("1.2.3.*", "1.2.4.4", 443, No),
            ("1.*.*.*", "1.2.3.4", 443, Yes),
            ("10.*", "10.1.2.3", 443, Yes),
            ("10.*", "110.1.2.3", 443, No),
            ("10.*", "10.test", 443, No),
            ("192.168.*", "192.168.2.3", 443, Yes),
            ("192.168.*.*", "192.168.2.3", 443, Yes),
            ("192.168.*", "192.169.2.3", 443, No),
            ("192.168.*:80", "192.168.2.3", 443, No),
            ("2001:db8::/32", "2001:db8::1", 80, Yes),
            ("2001:db8::/32", "2001:db9::1", 80, No),
            ("[2001:db8::1]", "2001:db8::1", 443, Yes),
            ("[2001:db8::1]:443", "2001:db8::1", 443, Yes),
            ("[2001:db8::1]:443", "2001:db8::1", 80, No),
            ("2001:DB8:0::1", "2001:db8::1", 80, Yes),
            ("::1", "::1", 80, Yes),
            ("fe80::1%eth0", "fe80::1", 80, Yes),
            ("[fe80::1%25eth0]:443", "fe80::1", 443, Yes),
            ("fe80::%eth0/10", "fe80::1", 80, Yes),
            ("[2001:db8::]/32", "2001:db8::1", 80, Yes),
            ("[2001:db8::]/32", "2001:db9::1", 80, No),
            ("[2001:db8::/32]", "2001:db8::1", 80, Yes),
            ("[2001:db8::]/32:443", "2001:db8::1", 80, No),
            ("10.0.0.0/8:443", "10.1.2.3", 443, Yes),
            ("10.0.0.0/8:443", "10.1.2.3", 80, No),
            ("10.0.0.0/8", "::ffff:10.1.2.3", 443, Yes),
            ("::/0", "2001:db8::1", 443, Yes),
            ("::/0", "10.1.2.3", 443, No),
            ("..a.test", "a.test", 443, Unclear),
            ("[2001:db8::/32]/32", "2001:db8::1", 80, Unclear),
            ("[a.test]:80", "a.test", 80, Unclear),
            ("10.0.0.1%eth0", "10.0.0.1", 80, Unclear),
            ("fe80::1%", "fe80::1", 80, Unclear),
            ("10.0.0.1", "::ffff:10.0.0.1", 80, Yes),
            ("*", "a.test", 443, Yes),
            ("*", "10.1.2.3", 443, Yes),
            ("*:80", "a.test", 80, Yes),
            ("my_host-1", "my_host-1", 80, Yes),
            ("", "a.test", 443, No),
            (", ,", "a.test", 443, No),
            // Entries that are not understood.
            ("http://a.test", "a.test", 443, Unclear),
            ("a.test/path", "a.test", 443, Unclear),
            ("a*.test", "a.test", 443, Unclear),
            ("*a.test", "a.test", 443, Unclear),
            ("a.*.test", "a.b.test", 443, Unclear),
            ("a.test:+443", "a.test", 443, Unclear),
            ("a.test:x", "a.test", 443, Unclear),
            ("a.test:", "a.test", 443, Unclear),
            ("10.0.0.0/33", "10.0.0.1", 443, Unclear),
            ("10.0.0.0/+8", "10.0.0.1", 443, Unclear),
            ("10.0.0", "10.0.0.1", 443, Unclear),
            ("10.*.3", "10.1.3.1", 443, Unclear),
            ("*.*", "10.1.3.1", 443, Unclear),
            ("10.+1.*", "10.1.3.1", 443, Unclear),
            ("10.*.*.*.*", "10.1.3.1", 443, Unclear),
            ("192.168.*.*.*", "192.168.3.1", 443, Unclear),
            ("1.2.3.4.5.*", "1.2.3.4", 443, Unclear),
            ("1.2.3.4.*", "1.2.3.4", 443, Unclear),
            ("2001:db8::1/129", "2001:db8::1", 443, Unclear),
            ("[::1", "::1", 443, Unclear),
            ("[::1]x", "::1", 443, Unclear),
            ("[2001:db8::]1", "2001:db8::1", 443, Unclear),
            ("<local>", "a", 443, Unclear),
            ("a..test", "a.test", 443, Unclear),
            ("b.test;a.test", "a.test", 443, Unclear),
            ("münchen.test", "a.test", 443, Unclear),
            ("<local>,a.test", "a.test", 443, Yes),
        ] {
            assert_eq!(NoProxy::read(list).spares(host, port), spared, "{list:?} {host}:{port}");
        }
    }
}
