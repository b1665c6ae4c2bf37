//! Hosts and networks as a Docker daemon reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
        None if is_loopback(entry) => Breadth::Loopback,
        None => Breadth::Host,
    }
}

/// Whether `HOST[:PORT]` is this machine.
pub(crate) fn is_loopback(registry: &str) -> bool {
    let host = match registry
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, _)) => address,
        None => registry
            .split_once(':')
            .filter(|(_, port)| !port.contains(':'))
            .map_or(registry, |(host, _)| host),
    };
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
        || host
            .parse::<Ipv6Addr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The scheme of a mirror's URL and its `HOST[:PORT]`, without a login in it.
pub(crate) fn mirror_host(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then_some((scheme, host))
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

    #[test]
    fn a_mirror_is_named_without_its_login() {
        assert_eq!(
            mirror_host("http://u:p@m.example.com:5000/x"),
            Some(("http", "m.example.com:5000"))
        );
        assert_eq!(mirror_host("https://[::1]/"), Some(("https", "[::1]")));
        assert_eq!(mirror_host("m.example.com"), None);
        assert_eq!(mirror_host("http://"), None);
    }
}
