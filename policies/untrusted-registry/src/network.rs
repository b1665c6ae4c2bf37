//! Hosts and networks as a Docker daemon reads them.

use std::net::{IpAddr, Ipv6Addr};

use stridegate_policy::{host, is_loopback};

/// The length of the prefix from which on a network of IPv4 is one rack and no whole site.
pub(crate) const NARROW: u8 = 24;

/// Whom an entry of `insecure-registries` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breadth {
    /// This machine, which is insecure in every daemon: 127.0.0.0/8 and `::1/128`.
    Loopback,
    /// One registry.
    Host,
    /// Every registry with an address in a network; the length of its prefix, of IPv6 on the
    /// scale of IPv4.
    Network(u8),
}

/// Whom an entry of `insecure-registries` stands for: a network in CIDR notation, or `HOST[:PORT]`.
pub(crate) fn breadth(entry: &str) -> Breadth {
    let network = entry.split_once('/').and_then(|(address, bits)| {
        let address: IpAddr = address.parse().ok()?;
        Some((address, bits.parse::<u8>().ok()?))
    });
    match network {
        Some((IpAddr::V4(address), bits)) if address.is_loopback() && bits >= 8 => {
            Breadth::Loopback
        }
        Some((IpAddr::V6(Ipv6Addr::LOCALHOST), 128)) => Breadth::Loopback,
        Some((IpAddr::V4(_), bits @ 32..)) => Breadth::Network(bits.min(32)),
        Some((IpAddr::V4(_), bits)) => Breadth::Network(bits),
        Some((IpAddr::V6(_), bits)) => Breadth::Network(bits.min(128) / 4),
        None if is_loopback(host(entry)) => Breadth::Loopback,
        None => Breadth::Host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_daemon_takes_is_told_from_the_rest() {
        for (entry, expected) in [
            ("127.0.0.0/8", Breadth::Loopback),
            ("127.0.0.1/32", Breadth::Loopback),
            ("::1/128", Breadth::Loopback),
            ("localhost:5000", Breadth::Loopback),
            ("127.0.0.1:5000", Breadth::Loopback),
            ("[::1]:5000", Breadth::Loopback),
            ("127.0.0.0/7", Breadth::Network(7)),
            ("0.0.0.0/0", Breadth::Network(0)),
            ("::/0", Breadth::Network(0)),
            ("10.0.0.0/24", Breadth::Network(24)),
            ("10.0.0.5/32", Breadth::Network(32)),
            ("fd00::/64", Breadth::Network(16)),
            ("fd00::/120", Breadth::Network(30)),
            ("registry.example.com:5000", Breadth::Host),
            ("localhost.example.com", Breadth::Host),
            ("10.0.0.5:5000", Breadth::Host),
            ("", Breadth::Host),
        ] {
            assert_eq!(breadth(entry), expected, "{entry}");
        }
    }
}
