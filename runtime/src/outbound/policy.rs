//! Decides which hosts and addresses workers may reach. Pure.

use golem_host::ports::HttpFailure;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A pattern of hosts or addresses, optionally restricted to one port.
///
/// | pattern | matches |
/// | --- | --- |
/// | `*` | every host |
/// | `example.com` | this host |
/// | `*.example.com` | its subdomains |
/// | `10.1.2.3`, `[::1]` | this address |
/// | `10.0.0.0/8` | this range of addresses |
/// | `example.com:8443` | this host, only on this port |
#[derive(Clone, PartialEq, Eq)]
pub struct HostPattern {
    host_match: HostMatch,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostMatch {
    Every,
    Name(String),
    Subdomains(String),
    Network { address: IpAddr, bits: u8 },
}

/// The text is not a [`HostPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a host pattern: write `example.com`, `*.example.com`, `10.0.0.0/8`, `[::1]` or `*`, optionally followed by `:port`"
)]
pub struct HostPatternError(String);

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let error = || HostPatternError(text.to_owned());
        let trimmed = text.trim();
        let (host, port) = split_port(trimmed).ok_or_else(error)?;
        let host_match = if host == "*" {
            HostMatch::Every
        } else if let Some(network) = parse_network(host) {
            network
        } else if let Some(parent) = host.strip_prefix("*.") {
            HostMatch::Subdomains(parse_name(parent).ok_or_else(error)?)
        } else {
            HostMatch::Name(parse_name(host).ok_or_else(error)?)
        };
        Ok(Self { host_match, port })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host_match {
            HostMatch::Every => f.write_str("*")?,
            HostMatch::Name(name) => f.write_str(name)?,
            HostMatch::Subdomains(name) => write!(f, "*.{name}")?,
            HostMatch::Network { address, bits } => {
                let all = if address.is_ipv4() { 32 } else { 128 };
                match (address, *bits == all) {
                    (IpAddr::V6(address), true) => write!(f, "[{address}]")?,
                    (address, true) => write!(f, "{address}")?,
                    (IpAddr::V6(address), false) => write!(f, "[{address}]/{bits}")?,
                    (address, false) => write!(f, "{address}/{bits}")?,
                }
            }
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Splits host and port. An IPv6 address without brackets has no port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') || host.contains("]/") => {
            Some((host, Some(port.parse().ok()?)))
        }
        _ => Some((text, None)),
    }
}

fn parse_network(text: &str) -> Option<HostMatch> {
    let (address, bits) = match text.rsplit_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(all);
    (bits <= all).then_some(HostMatch::Network { address, bits })
}

fn parse_name(text: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let valid = !text.is_empty() && text.len() <= 253 && text.chars().all(good) && !text.starts_with('.');
    valid.then(|| text.trim_end_matches('.').to_ascii_lowercase())
}

impl HostPattern {
    fn matches_port(&self, port: u16) -> bool {
        self.port.is_none_or(|only| only == port)
    }

    /// Whether the pattern names `host`, which is a name in lower case or an address.
    fn matches_name(&self, host: &str, port: u16) -> bool {
        self.matches_port(port)
            && match &self.host_match {
                HostMatch::Every | HostMatch::Network { .. } => false,
                HostMatch::Name(name) => name == host,
                HostMatch::Subdomains(name) => {
                    host.strip_suffix(name.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
                }
            }
    }

    fn matches_address(&self, address: IpAddr, port: u16) -> bool {
        self.matches_port(port)
            && match &self.host_match {
                HostMatch::Network { address: of, bits } => same_prefix(*of, address, *bits),
                HostMatch::Every | HostMatch::Name(_) | HostMatch::Subdomains(_) => false,
            }
    }

    fn matches_every_host(&self, port: u16) -> bool {
        self.host_match == HostMatch::Every && self.matches_port(port)
    }
}

fn same_prefix(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let (a, b, length) = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    bits == 0 || (a ^ b) >> (length - u32::from(bits)) == 0
}

/// Reachability of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AddressKind {
    /// Reachable on the Internet.
    Public,
    /// An address of this machine or of a private network.
    Private,
    /// An address that programs do not reach on purpose: link-local (including cloud metadata services), multicast,
    /// reserved.
    Special,
}

fn address_kind(address: IpAddr) -> AddressKind {
    match canonical_address(address) {
        IpAddr::V4(address) => ipv4_kind(address),
        IpAddr::V6(address) => ipv6_kind(address),
    }
}

/// Converts an IPv6 address that embeds an IPv4 address to that address.
fn canonical_address(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return v4.into();
    }
    match v6.segments() {
        // NAT64: the network translates this prefix to IPv4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into()
        }
        _ => address,
    }
}

fn ipv4_kind(address: Ipv4Addr) -> AddressKind {
    let [a, b, c, _] = address.octets();
    if address.is_loopback() || address.is_private() || (a == 100 && (64..128).contains(&b)) {
        AddressKind::Private
    } else if a == 0
        || a >= 224
        || address.is_link_local()
        || address.is_documentation()
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b & 0xfe) == 18)
    {
        AddressKind::Special
    } else {
        AddressKind::Public
    }
}

fn ipv6_kind(address: Ipv6Addr) -> AddressKind {
    let first = address.segments()[0];
    if address.is_loopback() || (first & 0xfe00) == 0xfc00 {
        AddressKind::Private
    } else if (first & 0xe000) == 0x2000 && first != 0x2002 && !address.to_string().starts_with("2001:db8:") {
        AddressKind::Public
    } else {
        AddressKind::Special
    }
}

/// The hosts and addresses that requests may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundPolicy {
    /// Whether workers may send requests at all.
    pub enabled: bool,
    /// Patterns of allowed hosts and addresses.
    pub allow: Vec<HostPattern>,
    /// Patterns of forbidden hosts and addresses; they take precedence over `allow`.
    pub deny: Vec<HostPattern>,
    /// Whether `*` includes private addresses. An entry of `allow` that names a host or a range includes them in any
    /// case.
    pub private: bool,
}

impl OutboundPolicy {
    /// Checks the host's name. Whether its addresses are allowed is checked later, by `check_address`.
    pub fn check_host(&self, host: &str, port: u16) -> Result<(), HttpFailure> {
        let host = normalize_host(host);
        let denied = Err(HttpFailure::Denied);
        if !self.enabled
            || self
                .deny
                .iter()
                .any(|pattern| pattern.matches_every_host(port) || pattern.matches_name(&host, port))
        {
            return denied;
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.check_address(&host, address, port).map_err(|_| HttpFailure::Denied);
        }
        if self.allow.iter().any(|pattern| pattern.matches_name(&host, port)) {
            return Ok(());
        }
        if host == "localhost" || host.ends_with(".localhost") {
            let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
            return self.check_address(&host, here, port).map_err(|_| HttpFailure::Denied);
        }
        // The host may be allowed by a range, which can only be decided when the address is known.
        let may_be = self.allow.iter().any(|pattern| {
            pattern.matches_every_host(port)
                || (matches!(pattern.host_match, HostMatch::Network { .. }) && pattern.matches_port(port))
        });
        if may_be { Ok(()) } else { denied }
    }

    /// Checks an address that the name `host` was resolved to.
    pub fn check_address(&self, host: &str, address: IpAddr, port: u16) -> Result<(), HttpFailure> {
        let (host, address) = (normalize_host(host), canonical_address(address));
        let refused = Err(HttpFailure::AddressDenied);
        if !self.enabled || self.deny.iter().any(|pattern| pattern.matches_address(address, port)) {
            return refused;
        }
        if self
            .allow
            .iter()
            .any(|pattern| pattern.matches_address(address, port) || pattern.matches_name(&host, port))
        {
            return Ok(());
        }
        let open = match address_kind(address) {
            AddressKind::Public => true,
            AddressKind::Private => self.private,
            AddressKind::Special => false,
        };
        if open && self.allow.iter().any(|pattern| pattern.matches_every_host(port)) {
            Ok(())
        } else {
            refused
        }
    }
}

/// Normalizes a host: lower case, without brackets and final dot.
fn normalize_host(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<HostPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn policy(allow: &[&str], deny: &[&str], private: bool) -> OutboundPolicy {
        OutboundPolicy { enabled: true, allow: patterns(allow), deny: patterns(deny), private }
    }

    /// The result of both checks for a request to `host`, whose name resolves to `address`.
    fn check(policy: &OutboundPolicy, host: &str, address: &str, port: u16) -> Result<(), HttpFailure> {
        policy.check_host(host, port)?;
        policy.check_address(host, address.parse().unwrap(), port)
    }

    #[test]
    fn patterns_are_printed_as_they_are_parsed() {
        for text in [
            "*",
            "*:80",
            "example.com",
            "*.example.com:8443",
            "10.0.0.0/8",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:80",
            "[fc00::]/7",
            "a_b-c.d",
        ] {
            assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), text);
        }
        assert_eq!("EXAMPLE.com.".parse::<HostPattern>().unwrap().to_string(), "example.com");
        assert_eq!("::1".parse::<HostPattern>().unwrap().to_string(), "[::1]");
        for bad in ["", "http://a", "a b", "a/8", "10.0.0.0/33", "a:port", "a:99999", "*.", "a/b", ".a", "*a"]
        {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_host_means_public_addresses() {
        let policy = policy(&["*"], &[], false);
        assert_eq!(check(&policy, "example.com", "93.184.215.14", 443), Ok(()));
        assert_eq!(check(&policy, "example.com", "2606:2800::1", 443), Ok(()));
        for address in
            ["127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0"]
                .into_iter()
                .chain([
                    "::1",
                    "fe80::1",
                    "fd00::1",
                    "::ffff:127.0.0.1",
                    "64:ff9b::7f00:1",
                    "::",
                    "ff02::1",
                    "2002:7f00:1::",
                ])
        {
            let led = check(&policy, "innocent.example", address, 80);
            assert_eq!(led, Err(HttpFailure::AddressDenied), "by name to {address}");
            let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            assert_eq!(policy.check_host(&host, 80), Err(HttpFailure::Denied), "{address} itself");
        }
        for host in ["localhost", "LOCALHOST.", "a.localhost"] {
            assert_eq!(policy.check_host(host, 80), Err(HttpFailure::Denied), "{host}");
        }
    }

    #[test]
    fn private_addresses_can_be_allowed_and_link_local_ones_only_by_name() {
        let all = policy(&["*"], &[], true);
        assert_eq!(check(&all, "localhost", "127.0.0.1", 80), Ok(()));
        assert_eq!(check(&all, "10.1.2.3", "10.1.2.3", 80), Ok(()));
        assert_eq!(all.check_host("169.254.169.254", 80), Err(HttpFailure::Denied));
        let named = policy(&["*", "169.254.169.254", "db.internal:5000"], &[], false);
        assert_eq!(check(&named, "169.254.169.254", "169.254.169.254", 80), Ok(()));
        assert_eq!(check(&named, "db.internal", "10.0.0.7", 5_000), Ok(()));
        assert_eq!(check(&named, "db.internal", "10.0.0.7", 80), Err(HttpFailure::AddressDenied));
    }

    #[test]
    fn allow_and_deny_lists_are_enforced() {
        let policy = policy(
            &["api.example.com", "*.trusted.org", "10.0.0.0/8"],
            &["bad.trusted.org", "10.9.0.0/16"],
            false,
        );
        assert_eq!(check(&policy, "api.example.com", "1.2.3.4", 443), Ok(()));
        assert_eq!(check(&policy, "a.b.trusted.org", "1.2.3.4", 443), Ok(()));
        assert_eq!(check(&policy, "anything.example", "10.1.1.1", 443), Ok(()), "by its range");
        assert_eq!(check(&policy, "anything.example", "10.9.1.1", 443), Err(HttpFailure::AddressDenied));
        assert_eq!(check(&policy, "example.com", "1.2.3.4", 443), Err(HttpFailure::AddressDenied));
        for host in ["bad.trusted.org", "BAD.trusted.org."] {
            assert_eq!(policy.check_host(host, 443), Err(HttpFailure::Denied), "{host}");
        }
        let names = OutboundPolicy { allow: patterns(&["trusted.org", "*.trusted.org"]), ..policy };
        for host in ["example.com", "eviltrusted.org", "trusted.org.evil.example", "1.2.3.4"] {
            assert_eq!(names.check_host(host, 443), Err(HttpFailure::Denied), "{host}");
        }
        assert_eq!(
            OutboundPolicy { enabled: false, ..names }.check_host("trusted.org", 443),
            Err(HttpFailure::Denied)
        );
    }
}
