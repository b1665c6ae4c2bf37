//! Which proxy stands on the way to a registry: what the environment says, as Docker reads it.

use std::fmt;
use std::net::IpAddr;

use anyhow::{Context, ensure};
use reqwest::Url;

use super::route::is_loopback;

/// A proxy, and what names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    /// The variable of the environment.
    pub(super) variable: &'static str,
    /// Where it is, with its login.
    pub(super) url: Url,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.url.scheme(), self.url.host_str().unwrap_or_default());
        let port = self.url.port_or_known_default().unwrap_or_default();
        write!(f, "the proxy {scheme}://{host}:{port} of {}", self.variable)
    }
}

/// What the environment says of proxies. Nothing of it is wrong before it is needed.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    http: Option<(&'static str, String)>,
    https: Option<(&'static str, String)>,
    except: Vec<Except>,
}

/// What is reached directly.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Except {
    Everything,
    /// A name, what lies below it, or both; at one port, or at all.
    Name {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    /// The addresses that begin with as many bits as this one.
    Network(IpAddr, u32),
    Address(IpAddr, Option<u16>),
}

impl Proxies {
    /// What the environment of this process says.
    pub(super) fn of_environment() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    fn new(get: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            let mut set = names.iter().filter_map(|name| Some((*name, get(name)?)));
            set.find(|(_, value)| !value.trim().is_empty())
        };
        // A web server that starts this program writes into HTTP_PROXY what a stranger sent.
        let http = if get("REQUEST_METHOD").is_some() {
            None
        } else {
            first(&["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
        };
        let except = first(&["NO_PROXY", "no_proxy"]).map_or_else(Vec::new, |(_, list)| {
            list.split(',').filter_map(Except::read).collect()
        });
        Self {
            http,
            https: first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
            except,
        }
    }

    /// The proxy on the way to a URL; none if it is reached directly, as this machine always is.
    pub(super) fn on_the_way(&self, url: &Url) -> anyhow::Result<Option<Proxy>> {
        let named = match url.scheme() {
            "https" => &self.https,
            _ => &self.http,
        };
        let Some((variable, text)) = named else {
            return Ok(None);
        };
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let port = url.port_or_known_default().unwrap_or_default();
        let is_direct = is_loopback(url) || self.except.iter().any(|one| one.covers(&host, port));
        if is_direct {
            return Ok(None);
        }
        let url = read(text).with_context(|| {
            format!("{variable} says how to reach {host}; correct it, or name {host} in NO_PROXY")
        })?;
        Ok(Some(Proxy { variable, url }))
    }
}

/// The address of a proxy. It may hold a password, so that no message shows it.
fn read(text: &str) -> anyhow::Result<Url> {
    let text = text.trim();
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = Url::parse(&whole)
        .ok()
        .filter(|url| url.host_str().is_some_and(|host| !host.is_empty()))
        .context("is no address of a proxy, as http://proxy.example.com:3128 is one")?;
    ensure!(
        ["http", "https"].contains(&url.scheme()),
        "is a proxy of the kind {}; this program goes by way of http and https ones",
        url.scheme()
    );
    Ok(url)
}

impl Except {
    /// Reads one of the parts of the list; none if it says nothing.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, bits)) = text.split_once('/') {
            let (address, bits) = (address.parse().ok()?, bits.parse().ok()?);
            return (bits <= length(address)).then_some(Self::Network(address, bits));
        }
        let (host, port) = match text.rsplit_once(':') {
            // The colons of an address without brackets are not that of a port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (&text[..], None),
        };
        if let Ok(address) = bare(host).parse() {
            return Some(Self::Address(address, port));
        }
        let name = host.strip_prefix('*').unwrap_or(host);
        let below = name.strip_prefix('.');
        let name = below.unwrap_or(name).to_owned();
        (!name.is_empty()).then_some(Self::Name {
            name,
            itself: below.is_none(),
            port,
        })
    }

    fn covers(&self, host: &str, port: u16) -> bool {
        let at = |only: &Option<u16>| only.is_none_or(|only| only == port);
        let address = bare(host).parse::<IpAddr>().ok();
        match self {
            Self::Everything => true,
            Self::Address(known, only) => address == Some(*known) && at(only),
            Self::Network(network, bits) => {
                address.is_some_and(|address| begins_alike(*network, address, *bits))
            }
            Self::Name { name, itself, port } => {
                let host = host.trim_end_matches('.');
                let rest = host.strip_suffix(name.as_str());
                let fits = rest.is_some_and(|rest| {
                    if rest.is_empty() {
                        *itself
                    } else {
                        rest.ends_with('.')
                    }
                });
                address.is_none() && fits && at(port)
            }
        }
    }
}

/// An address without the brackets that it has in a URL.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn length(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn begins_alike(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    let number = |address| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let rest = length(a) - bits;
    length(a) == length(b) && (number(a) ^ number(b)).checked_shr(rest).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::new(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn way(proxies: &Proxies, url: &str) -> Option<String> {
        let url = Url::parse(url).expect(url);
        let proxy = proxies.on_the_way(&url).expect("it can be read");
        proxy.map(|proxy| proxy.to_string())
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let both = proxies(&[
            ("HTTP_PROXY", "one.example:3128"),
            ("https_proxy", "http://name:hunter@two.example"),
            ("HTTPS_PROXY", ""),
        ]);
        let http = way(&both, "http://r.example/");
        assert_eq!(
            http.as_deref(),
            Some("the proxy http://one.example:3128 of HTTP_PROXY")
        );
        let https = way(&both, "https://r.example/");
        assert_eq!(
            https.as_deref(),
            Some("the proxy http://two.example:80 of https_proxy"),
            "without its login"
        );
        let all = proxies(&[("ALL_PROXY", "https://p.example")]);
        let https = way(&all, "https://r.example/");
        assert_eq!(
            https.as_deref(),
            Some("the proxy https://p.example:443 of ALL_PROXY")
        );
        let one = proxies(&[("HTTP_PROXY", "p.example")]);
        assert_eq!(way(&one, "https://r.example/"), None);
        let served = proxies(&[("HTTP_PROXY", "p.example"), ("REQUEST_METHOD", "GET")]);
        assert_eq!(way(&served, "http://r.example/"), None);
    }

    #[test]
    fn this_machine_is_reached_directly() {
        let proxies = proxies(&[("ALL_PROXY", "p.example")]);
        for url in [
            "http://localhost:5000/",
            "http://127.0.0.1/",
            "https://[::1]/",
        ] {
            assert_eq!(way(&proxies, url), None, "{url}");
        }
    }

    #[test]
    fn what_is_excepted_is_reached_directly() {
        for (list, url, is_direct) in [
            ("*", "https://r.example/", true),
            ("*", "https://10.0.0.1/", true),
            (" a.example , * ", "https://r.example/", true),
            ("r.example", "https://r.example/", true),
            ("R.Example", "https://r.example:5000/", true),
            ("r.example", "https://x.r.example/", true),
            ("r.example", "https://xr.example/", false),
            ("r.example", "https://r.example.org/", false),
            (".r.example", "https://x.r.example/", true),
            ("*.r.example", "https://x.r.example/", true),
            (".r.example", "https://r.example/", false),
            ("r.example:5000", "https://r.example:5000/", true),
            ("r.example:5000", "https://r.example/", false),
            ("r.example:443", "https://r.example/", true),
            ("r.example:80", "https://r.example/", false),
            ("10.0.0.1", "https://10.0.0.1:5000/", true),
            ("10.0.0.1:5000", "https://10.0.0.1/", false),
            ("10.0.0.0/8", "https://10.9.9.9/", true),
            ("10.0.0.0/8", "https://11.0.0.1/", false),
            ("0.0.0.0/0", "https://10.0.0.1/", true),
            ("0.0.0.0/0", "https://[fd00::1]/", false),
            ("fd00::/8", "https://[fd12::1]/", true),
            ("fd00::1", "https://[fd00::1]:5000/", true),
            ("[fd00::1]:5000", "https://[fd00::1]:5000/", true),
            ("[fd00::1]:5000", "https://[fd00::1]/", false),
            ("10.0.0.0/99, ,:", "https://10.0.0.1/", false),
            ("0.1", "https://10.0.0.1/", false),
            ("", "https://r.example/", false),
        ] {
            let proxies = proxies(&[("HTTPS_PROXY", "p.example"), ("NO_PROXY", list)]);
            assert_eq!(way(&proxies, url).is_none(), is_direct, "{list:?} {url}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_said_and_not_gone_around() {
        let url = Url::parse("https://r.example/").expect("it is one");
        for (text, part) in [
            ("socks5://name:hunter@p.example", "of the kind socks5"),
            ("http://", "is no address"),
            ("name:hunter@:x", "is no address"),
        ] {
            let proxies = proxies(&[("HTTPS_PROXY", text)]);
            let error = proxies.on_the_way(&url).expect_err(text);
            let error = format!("{error:#}");
            assert!(
                error.contains(part) && error.contains("HTTPS_PROXY"),
                "{error}"
            );
            assert!(!error.contains("hunter"), "{error}");
        }
    }
}
