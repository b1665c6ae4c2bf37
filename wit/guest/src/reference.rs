//! Image references: their grammar, and what Docker adds to a short one.

use std::borrow::Cow;

use crate::path::last;

/// The registry that a reference without one means.
pub const DOCKER_HUB: &str = "docker.io";

/// An image reference, taken apart and completed as Docker and containerd do.
///
/// Source: `github.com/distribution/reference`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The host of the registry, with its port if it is written; `docker.io` if none is.
    pub registry: &'a str,
    /// The path in the registry, with the `library/` that Docker Hub's official images have.
    pub repository: Cow<'a, str>,
    /// The tag; none if none is written, which means `latest`, or nothing beside a digest.
    pub tag: Option<&'a str>,
    /// The digest: `sha256:…`.
    pub digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Reads a reference; or why Docker refuses it.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("it is empty");
        }
        if is_hex(text, 64) {
            return Err("64 hexadecimal digits are an id and no name");
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (registry, rest) = split_registry(name);
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err("its name has upper case letters");
        }
        if !is_registry(registry) {
            return Err("its registry is no host name");
        }
        if path.len() > 255 || !path.split('/').all(is_component) {
            return Err("its name is none that an image can have");
        }
        if !tag.is_none_or(is_tag) {
            return Err("its tag is none that an image can have");
        }
        if !digest.is_none_or(is_digest) {
            return Err("its digest is none: sha256: and 64 hexadecimal digits");
        }
        let official = registry == DOCKER_HUB && !path.contains('/');
        let repository = if official {
            format!("library/{path}").into()
        } else {
            path.into()
        };
        Ok(Self {
            registry,
            repository,
            tag,
            digest,
        })
    }

    /// The registry and the repository: `docker.io/library/nginx`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The name as people write it: `nginx`, `grafana/grafana`, `quay.io/prometheus/prometheus`.
    #[must_use]
    pub fn familiar(&self) -> String {
        if self.registry != DOCKER_HUB {
            return self.name();
        }
        let path = &*self.repository;
        path.strip_prefix("library/").unwrap_or(path).to_owned()
    }
}

/// A reference as people write it, without the registry and the `library/` that Docker adds to a
/// short one; its tag and its digest stay.
#[must_use]
pub fn familiar(text: &str) -> &str {
    match split_registry(text) {
        (DOCKER_HUB, path) => path.strip_prefix("library/").unwrap_or(path),
        _ => text,
    }
}

/// A reference with the tag that Docker adds to one that has neither tag nor digest.
#[must_use]
pub fn tagged(text: &str) -> Cow<'_, str> {
    if last(text).contains([':', '@']) {
        text.into()
    } else {
        format!("{text}:latest").into()
    }
}

/// Whether a text is the id of an image, which names its content: `sha256:` and 64 hexadecimal
/// digits, or the digits alone.
#[must_use]
pub fn is_image_id(text: &str) -> bool {
    is_hex(text.strip_prefix("sha256:").unwrap_or(text), 64)
}

/// The registry of a name, and the rest. What stands before the first slash is a registry if it
/// could be no user of Docker Hub: with a dot, a colon or an upper case letter, or `localhost`.
#[must_use]
pub fn split_registry(name: &str) -> (&str, &str) {
    let host = |host: &str| {
        host == "localhost"
            || host.contains(['.', ':'])
            || host.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    match name.split_once('/') {
        Some(("index.docker.io", rest)) => (DOCKER_HUB, rest),
        Some((first, rest)) if host(first) => (first, rest),
        _ => (DOCKER_HUB, name),
    }
}

/// Whether a text is a digest that Docker can check.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    match text.split_once(':') {
        Some(("sha256", digits)) => is_hex(digits, 64),
        Some(("sha384", digits)) => is_hex(digits, 96),
        Some(("sha512", digits)) => is_hex(digits, 128),
        _ => false,
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == length && text.bytes().all(digit)
}

/// Whether a text is `HOST[:PORT]`; a host is a name, an address, or one of IPv6 in brackets.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
            if address.is_empty() || !address.bytes().all(hex) {
                return false;
            }
            let Some(port) = rest.strip_prefix(':') else {
                return rest.is_empty();
            };
            ("localhost", Some(port))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(inner)
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    host.split('.').all(label) && port.is_none_or(digits)
}

/// Whether a text is a step of a path: lower case letters and digits, with a dot, one or two
/// underscores, or dashes between them.
fn is_component(text: &str) -> bool {
    let alphanumeric = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let separator =
        |run: &str| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-');
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.split(alphanumeric).all(separator)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_completed_as_docker_does() {
        let pinned = format!("localhost:5000/a/b:1.2@{DIGEST}");
        for (text, registry, repository, tag, digest) in [
            ("nginx", "docker.io", "library/nginx", None, None),
            (
                "nginx:1.29",
                "docker.io",
                "library/nginx",
                Some("1.29"),
                None,
            ),
            ("shop/api", "docker.io", "shop/api", None, None),
            (
                "index.docker.io/nginx",
                "docker.io",
                "library/nginx",
                None,
                None,
            ),
            ("localhost/nginx", "localhost", "nginx", None, None),
            (
                "localhost:5000/nginx",
                "localhost:5000",
                "nginx",
                None,
                None,
            ),
            (
                "localhost:5000",
                "docker.io",
                "library/localhost",
                Some("5000"),
                None,
            ),
            ("Host/nginx:1", "Host", "nginx", Some("1"), None),
            ("[::1]:5000/a", "[::1]:5000", "a", None, None),
            ("[fe80::1]/a", "[fe80::1]", "a", None, None),
            ("a.b/c__d/e--f.g", "a.b", "c__d/e--f.g", None, None),
            (&pinned, "localhost:5000", "a/b", Some("1.2"), Some(DIGEST)),
        ] {
            let expected = Reference {
                registry,
                repository: repository.into(),
                tag,
                digest,
            };
            assert_eq!(Reference::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        let long = "a".repeat(256);
        let id = &DIGEST[7..];
        for text in [
            "",
            "Nginx",
            "docker.io/Nginx",
            "a//b",
            "/a",
            "a/",
            "a:",
            "a:b:c",
            "a:.b",
            "a:v1/b",
            "a@",
            "a@sha256:12",
            "a@md5:d41d8cd98f00b204e9800998ecf8427e",
            "a..b/c:1",
            "a._b",
            "a___b",
            "-a.b/c",
            "a.b:x/c",
            "[::1/a",
            "[]/a",
            "https://a.b/c",
            "a b",
            "d\u{f6}cker.io/a",
            &long,
            id,
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_short_where_people_write_them_short() {
        for (text, name, familiar) in [
            ("nginx:1", "docker.io/library/nginx", "nginx"),
            ("docker.io/a/b", "docker.io/a/b", "a/b"),
            ("quay.io/a/b", "quay.io/a/b", "quay.io/a/b"),
            (
                "quay.io/library/b",
                "quay.io/library/b",
                "quay.io/library/b",
            ),
        ] {
            let reference = Reference::parse(text).expect("it is one");
            assert_eq!(
                (reference.name(), reference.familiar()),
                (name.into(), familiar.into())
            );
        }
        for (text, short) in [
            ("docker.io/library/nginx:1@sha256:1", "nginx:1@sha256:1"),
            ("index.docker.io/library/nginx", "nginx"),
            ("library/nginx", "nginx"),
            ("quay.io/library/b", "quay.io/library/b"),
            ("sha256:00", "sha256:00"),
        ] {
            assert_eq!(familiar(text), short, "{text}");
        }
        assert!(is_image_id(DIGEST) && is_image_id(&DIGEST[7..]) && !is_image_id("abc"));
    }
}
