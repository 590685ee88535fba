//! Section `outbound_http`: which hosts workers may reach by HTTP, and the limits of these requests.

use super::setting::{RawValue, Setting, section};
use crate::outbound::HostPattern;
use std::fmt;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

section! {
    /// Which hosts workers may reach by HTTP, and the limits of these requests.
    OutboundHttpSettings = "outbound_http" {
        /// Whether workers may send HTTP requests at all.
        enabled: bool = true, ();
        /// Hosts that workers may reach: names, `*.` followed by a name, addresses, or ranges such as 10.0.0.0/8, each
        /// optionally followed by `:port`; `*` is every host with a public address. A host that is listed by name may
        /// have any address.
        allow: Hosts = Hosts(vec!["*".parse().expect("a pattern")]), ();
        /// Hosts that workers may not reach. Takes precedence over `allow`.
        deny: Hosts = Hosts(Vec::new()), ();
        /// Whether `*` in `allow` includes this machine and its private networks. `auto`: only if the server itself
        /// listens on a loopback address, as on a developer's machine.
        private_addresses: PrivateAddresses = PrivateAddresses::Auto, ();
        /// A PEM file with root certificates to trust in addition to the bundled ones (Mozilla's list); empty for none.
        /// Read at start.
        root_certificates: String = String::new(), ();
        /// Requests of all workers in flight at the same time; others wait.
        requests_max: u64 = 1_000, 1..=100_000;
        /// Milliseconds that a request waits for a connection, unless its worker sets a shorter limit.
        connect_ms_max: u64 = 30_000, 1..=DAY_MS;
        /// Milliseconds that a request waits for a response, unless its worker sets a shorter limit.
        first_byte_ms_max: u64 = 600_000, 1..=DAY_MS;
        /// Milliseconds between two parts of a response's body, unless its worker sets a shorter limit.
        between_bytes_ms_max: u64 = 600_000, 1..=DAY_MS;
    }
}

/// A list of hosts: an array in a file, separated by commas in other sources.
#[derive(Clone, PartialEq, Eq)]
pub struct Hosts(pub Vec<HostPattern>);

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl Setting for Hosts {
    type Allowed = ();

    fn parse(raw: &RawValue) -> Option<Self> {
        let texts: Vec<&str> = match raw {
            RawValue::Text(text) => text.split(',').map(str::trim).filter(|text| !text.is_empty()).collect(),
            RawValue::Toml(value) => {
                value.as_array()?.iter().map(toml::Value::as_str).collect::<Option<_>>()?
            }
        };
        texts.into_iter().map(|text| text.parse().ok()).collect::<Option<_>>().map(Self)
    }

    fn is_allowed(&self, (): &()) -> bool {
        true
    }

    fn expected((): &()) -> String {
        "a list of hosts, for example [\"api.example.com\", \"*.example.org:8443\", \"10.0.0.0/8\"]"
            .to_owned()
    }
}

/// Whether `*` includes private addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// Only if the server listens on a loopback address.
    Auto,
    /// Always.
    Allow,
    /// Never.
    Refuse,
}

impl fmt::Debug for PrivateAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "\"auto\"",
            Self::Allow => "\"allow\"",
            Self::Refuse => "\"refuse\"",
        })
    }
}

impl Setting for PrivateAddresses {
    type Allowed = ();

    fn parse(raw: &RawValue) -> Option<Self> {
        match raw.as_text()? {
            "auto" => Some(Self::Auto),
            "allow" => Some(Self::Allow),
            "refuse" => Some(Self::Refuse),
            _ => None,
        }
    }

    fn is_allowed(&self, (): &()) -> bool {
        true
    }

    fn expected((): &()) -> String {
        "auto, allow or refuse".to_owned()
    }
}
