use std::net::IpAddr;

/// A URL, as far as it says who is reached: `https://user@host:2379/path`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// The URL; its host alone where a login stands before that, which may be a password.
    pub shown: &'a str,
    /// What stands before `://`, as it is written; empty where nothing does.
    pub scheme: &'a str,
    /// `HOST[:PORT]`.
    pub authority: &'a str,
    /// The name or the address of the host, that of IPv6 without brackets.
    pub host: &'a str,
}

impl<'a> Url<'a> {
    /// Takes a URL apart; one without a scheme begins with its host.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let whole = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = whole.rsplit('@').next().unwrap_or_default();
        let host = host(authority);
        Self {
            shown: if authority == whole { text } else { host },
            scheme,
            authority,
            host,
        }
    }

    /// Whether the scheme is this one, which is compared without regard to case.
    #[must_use]
    pub fn has_scheme(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.host)
    }

    /// Whether the host stands for every address of the machine: none, `0.0.0.0`, `::`.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        self.host.is_empty() || address(self.host).is_some_and(|address| address.is_unspecified())
    }
}

/// The host of `HOST[:PORT]`, an address of IPv6 without its brackets.
#[must_use]
pub fn host(authority: &str) -> &str {
    let bracketed = authority.strip_prefix('[');
    if let Some((host, _)) = bracketed.and_then(|rest| rest.split_once(']')) {
        return host;
    }
    // An address of IPv6 without brackets has no port.
    let port = authority.split_once(':');
    port.filter(|(_, port)| !port.contains(':'))
        .map_or(authority, |(host, _)| host)
}

/// Whether a host is this machine: `localhost`, or an address that leads back to it.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || address(host).is_some_and(|address| address.is_loopback())
}

fn address(host: &str) -> Option<IpAddr> {
    let address: IpAddr = host.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (text, scheme, authority, host) in [
            ("https://a.b:2379/x?y", "https", "a.b:2379", "a.b"),
            ("http://[::1]:2379", "http", "[::1]:2379", "::1"),
            ("tcp://", "tcp", "", ""),
            ("tcp://:2375", "tcp", ":2375", ""),
            ("a.b:5000", "", "a.b:5000", "a.b"),
            ("::1", "", "::1", "::1"),
            (" http://a?x ", "http", "a", "a"),
            ("unix:///run/x.sock", "unix", "", ""),
        ] {
            let shown = text.trim();
            let expected = Url {
                shown,
                scheme,
                authority,
                host,
            };
            assert_eq!(Url::new(text), expected, "{text}");
        }
    }

    #[test]
    fn a_login_is_not_shown() {
        for text in ["http://u:p@a.b:1/x", "http://u@x:p@a.b:1"] {
            let url = Url::new(text);
            assert_eq!((url.shown, url.authority), ("a.b", "a.b:1"), "{text}");
        }
    }

    #[test]
    fn addresses_are_told_by_what_they_mean() {
        for host in [
            "localhost",
            "LocalHost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "0::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "127.example.com",
            "localhost.example.com",
            "10.0.0.1",
            "::2",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
        for text in [
            "http://:80",
            "http://0.0.0.0",
            "http://[::]:80",
            "http://[0::0]",
            "http://[::ffff:0.0.0.0]",
        ] {
            assert!(Url::new(text).is_everywhere(), "{text}");
        }
        assert!(!Url::new("http://10.0.0.1").is_everywhere());
    }
}
