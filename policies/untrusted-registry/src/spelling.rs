//! Names that read like others.

use std::net::IpAddr;

/// Registries that are worth imitating, whether they are listed or not.
const KNOWN: [&str; 11] = [
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "hub.docker.com",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "registry.k8s.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "registry.gitlab.com",
];

/// The shortest name of which one other letter makes an imitation: shorter names are next to each
/// other by chance.
const LONG: usize = 7;

/// The known or listed registry that a registry reads like without being it: the name with more
/// behind it, with letters that look alike, or with one letter changed, left out or moved. A name
/// in other letters than those of ASCII reads like any.
pub(crate) fn imitated<'a>(registry: &str, listed: &'a [String]) -> Option<&'a str> {
    let host = host(registry);
    // Addresses are numbers, which nobody reads for one another.
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    if host.split('.').any(|label| label.starts_with("xn--")) {
        return Some("another in other letters");
    }
    let listed = listed.iter().map(|pattern| host_of_pattern(pattern));
    let mut names = KNOWN.into_iter().chain(listed);
    names.find(|name| name.contains('.') && is_like(&host, name))
}

fn is_like(host: &str, name: &str) -> bool {
    if host == name || host.ends_with(&format!(".{name}")) {
        return false;
    }
    let continued = host.match_indices(name).any(|(at, _)| {
        let before = host[..at].chars().next_back();
        let after = host[at + name.len()..].chars().next();
        let edge = |letter: Option<char>| letter.is_none_or(|letter| matches!(letter, '.' | '-'));
        edge(before) && edge(after)
    });
    let dashed = name.replace('.', "-");
    let domain = host.split_once('.').filter(|(_, rest)| !rest.contains('.'));
    continued
        || domain.is_some_and(|(first, _)| first == dashed)
        || skeleton(host) == skeleton(name)
        || (name.len() >= LONG && is_next_to(host, name))
}

/// Whether a publisher's name reads like `library`, which it is not.
pub(crate) fn is_like_library(name: &str) -> bool {
    const OFFICIAL: &str = "library";
    name != OFFICIAL && (skeleton(name) == skeleton(OFFICIAL) || is_next_to(name, OFFICIAL))
}

/// A registry's host in lower case, without its port.
fn host(registry: &str) -> String {
    let host = registry.split(':').next().unwrap_or_default();
    host.to_ascii_lowercase()
}

/// What is written out of a pattern's host: of `*.azurecr.io` that is `azurecr.io`.
fn host_of_pattern(pattern: &str) -> &str {
    let host = pattern.split(['/', ':']).next().unwrap_or_default();
    host.rsplit('*')
        .next()
        .unwrap_or_default()
        .trim_start_matches(['.', '-'])
}

/// A name in which letters that look alike are one.
fn skeleton(name: &str) -> String {
    let name = name
        .replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d");
    let letter = |letter| match letter {
        '0' => 'o',
        '1' | 'i' => 'l',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '8' => 'b',
        other => other,
    };
    name.chars()
        .map(letter)
        .filter(|letter| !matches!(letter, '-' | '_'))
        .collect()
}

/// Whether two names differ by one letter that is changed, left out or added, or by two neighbours
/// that changed places.
fn is_next_to(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let start = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (a, b) = (&one[start..], &other[start..]);
    match (a, b) {
        ([_, rest @ ..], _) if rest == b => true,
        (_, [_, rest @ ..]) if rest == a => true,
        ([a, c, first @ ..], [b, d, second @ ..]) if a == d && b == c && first == second => true,
        ([_, first @ ..], [_, second @ ..]) => first == second,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_read_like_known_ones_are_seen() {
        let listed = [
            "registry.example.com:5000",
            "*.azurecr.io",
            "10.0.0.8:5000",
            "127.0.0.1",
        ]
        .map(String::from);
        for (registry, like) in [
            ("docker.io.evil.tld", Some("docker.io")),
            ("docker.io-login.com", Some("docker.io")),
            ("docker-io.com", Some("docker.io")),
            ("d0cker.io", Some("docker.io")),
            ("docker.lo", Some("docker.io")),
            ("ghrc.io", Some("ghcr.io")),
            ("ghccr.io:443", Some("ghcr.io")),
            ("quay.co", Some("quay.io")),
            ("registry.k8s.io.mirror.evil.tld", Some("registry.k8s.io")),
            ("shop.azurecr.io.evil.tld", Some("azurecr.io")),
            ("registry.examp1e.com", Some("registry.example.com")),
            ("xn--dcker-jua.io", Some("another in other letters")),
            ("registry.shop.example", None),
            ("harbor.internal:8443", None),
            ("ocr.io", None),
            ("10.0.0.5:5000", None),
            ("10.0.0.7:5000", None),
            ("127.0.0.1.evil.tld:5000", Some("127.0.0.1")),
            ("eu.docker.io", None),
        ] {
            assert_eq!(imitated(registry, &listed), like, "{registry}");
        }
    }

    #[test]
    fn the_official_publisher_has_neighbours() {
        for name in ["libary", "1ibrary", "librarry", "librayr", "lib-rary"] {
            assert!(is_like_library(name), "{name}");
        }
        for name in ["library", "grafana", "librarian", "mylibrary", ""] {
            assert!(!is_like_library(name), "{name}");
        }
    }
}
