//! Section `outbound_http`: where workers may send HTTP requests, and their bounds.

use super::setting::{RawValue, Setting, section};
use crate::outbound::HostPattern;
use std::fmt;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

section! {
    /// Where workers may send HTTP requests, and their bounds.
    OutboundHttpSettings = "outbound_http" {
        /// Whether workers may send HTTP requests at all.
        enabled: bool = true, ();
        /// Hosts that workers may reach: names, `*.` and a name, addresses, ranges as 10.0.0.0/8, each with `:port` if only that is meant; `*` is every host with a public address. A host that is named here may have any address.
        allow: Hosts = Hosts(vec!["*".parse().expect("a pattern")]), ();
        /// Hosts that workers may not reach, whatever `allow` says.
        deny: Hosts = Hosts(Vec::new()), ();
        /// Whether `*` in `allow` means this machine and its private networks too. `auto`: if the server itself listens on a loopback address only, as on a developer's machine.
        private_addresses: PrivateAddresses = PrivateAddresses::Auto, ();
        /// A PEM file of certificates whose signature makes a host trusted, beside those that browsers trust; empty for none. Read at start.
        root_certificates: String = String::new(), ();
        /// Requests of all workers under way at a time; others wait for their turn.
        requests_max: u64 = 1_000, 1..=100_000;
        /// Milliseconds that a request waits for a connection, if its worker does not ask for less.
        connect_ms_max: u64 = 30_000, 1..=DAY_MS;
        /// Milliseconds that a request waits for a response, if its worker does not ask for less.
        first_byte_ms_max: u64 = 600_000, 1..=DAY_MS;
        /// Milliseconds that a response's body may stand still, if its worker does not ask for less.
        between_bytes_ms_max: u64 = 600_000, 1..=DAY_MS;
    }
}

/// A list of hosts: in a file an array, elsewhere with commas between.
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

/// Whether private addresses are meant by `*`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// If the server listens on a loopback address.
    Auto,
    /// Yes.
    Allow,
    /// No.
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
