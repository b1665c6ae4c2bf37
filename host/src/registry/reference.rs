//! What names an artifact: `oci://registry/repository`, and a tag, a digest or what is asked of a
//! version.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use semver::{Version, VersionReq};

use super::Digest;

/// What every reference begins with.
pub const SCHEME: &str = "oci://";

/// A place in a registry that holds the versions of one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// The host, with its port if that is not the usual one.
    pub registry: String,
    /// The path of the repository.
    pub path: String,
}

/// Which version of a repository's is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// None is named.
    Any,
    /// The one that a tag stands for now: `:1.2.0`.
    Tag(String),
    /// The one with these bytes: `@sha256:…`. A tag before it is a note for people.
    Digest(Option<String>, Digest),
    /// The highest whose tag is a version that meets a requirement: `#^1.2`.
    Requirement(VersionReq),
}

/// A repository, and which of its versions is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The repository.
    pub repository: Repository,
    /// The version.
    pub wanted: Wanted,
}

impl Reference {
    /// The reference of one tag of the same repository.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Self {
        Self {
            repository: self.repository.clone(),
            wanted: Wanted::Tag(tag.to_owned()),
        }
    }
}

impl Wanted {
    /// The tag that is named.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(tag) | Self::Digest(Some(tag), _) => Some(tag),
            _ => None,
        }
    }
}

/// A tag as the version that it stands for; none if it moves. A tag cannot hold a `+`, for which
/// `_` stands.
#[must_use]
pub fn version_of_tag(tag: &str) -> Option<Version> {
    let version = tag.strip_prefix('v').unwrap_or(tag).replacen('_', "+", 1);
    Version::parse(&version).ok()
}

/// The tag of a version.
#[must_use]
pub fn tag_of_version(version: &Version) -> String {
    version.to_string().replacen('+', "_", 1)
}

impl FromStr for Reference {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let host = text.strip_prefix(SCHEME).unwrap_or(text).split('/').next();
        ensure!(
            !host.unwrap_or_default().contains('@'),
            "a reference holds no user and no password; docker login keeps them"
        );
        parse(text).with_context(|| format!("{text:?} is no reference to an artifact"))
    }
}

fn parse(text: &str) -> anyhow::Result<Reference> {
    let rest = text.strip_prefix(SCHEME).context(
        "it begins with oci:// as in oci://registry.example.com/policies/root-user:1.2.0",
    )?;
    let (rest, requirement) = match rest.split_once('#') {
        Some((rest, requirement)) => (rest, Some(requirement)),
        None => (rest, None),
    };
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse::<Digest>()?)),
        None => (rest, None),
    };
    let (registry, path) = rest
        .split_once('/')
        .context("after the registry's host comes a slash and the repository")?;
    let (path, tag) = match path.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (path, None),
    };
    check_registry(registry)?;
    for part in path.split('/') {
        check_part(part)?;
    }
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let wanted = match (tag, digest, requirement) {
        (None, None, None) => Wanted::Any,
        (Some(tag), None, None) => Wanted::Tag(tag.to_owned()),
        (tag, Some(digest), None) => Wanted::Digest(tag.map(str::to_owned), digest),
        (None, None, Some(requirement)) => {
            Wanted::Requirement(VersionReq::parse(requirement).with_context(|| {
                format!("{requirement:?} asks nothing of a version; #^1.2 and #>=1.2, <3 do")
            })?)
        }
        (_, _, Some(_)) => bail!("a requirement (#) stands without a tag and a digest"),
    };
    Ok(Reference {
        repository: Repository {
            registry: registry.to_owned(),
            path: path.to_owned(),
        },
        wanted,
    })
}

fn check_registry(registry: &str) -> anyhow::Result<()> {
    let (host, port) = match registry.rsplit_once(':') {
        // The colons of an address in brackets are not that of a port.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let name = |host: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        !host.is_empty() && !host.starts_with(['.', '-']) && host.bytes().all(known)
    };
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let valid = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name(host),
    };
    ensure!(valid, "{host:?} is no host of a registry");
    ensure!(
        port.is_none_or(|port| port.parse::<u16>().is_ok()),
        "the port of {registry:?} is no number below 65536"
    );
    Ok(())
}

fn check_part(part: &str) -> anyhow::Result<()> {
    let known =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let valid = part.bytes().all(known)
        && end(part.bytes().next())
        && end(part.bytes().last())
        && !part.contains("..")
        && part.len() <= 255;
    ensure!(
        valid,
        "{part:?} is no part of a repository's name: small letters and digits, with . _ and - between them"
    );
    Ok(())
}

pub(super) fn check_tag(tag: &str) -> anyhow::Result<()> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let valid =
        (1..=128).contains(&tag.len()) && tag.bytes().all(known) && !tag.starts_with(['.', '-']);
    ensure!(
        valid,
        "{tag:?} is no tag: at most 128 letters, digits, _, . and -, which does not begin with . or -"
    );
    Ok(())
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.repository)?;
        match &self.wanted {
            Wanted::Any => Ok(()),
            Wanted::Tag(tag) => write!(f, ":{tag}"),
            Wanted::Digest(None, digest) => write!(f, "@{digest}"),
            Wanted::Digest(Some(tag), digest) => write!(f, ":{tag}@{digest}"),
            Wanted::Requirement(requirement) => write!(f, "#{requirement}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_reference_is_written_as_it_was_read() {
        for text in [
            "oci://localhost/a".to_owned(),
            "oci://localhost:5000/a/b-c/d__e:1.2.0".to_owned(),
            "oci://[::1]:5000/a:x".to_owned(),
            "oci://[::1]/a:x".to_owned(),
            "oci://registry.example.com/policies/root-user#^1.2".to_owned(),
            format!("oci://r.example/a@sha256:{HEX}"),
            format!("oci://r.example/a:1.0.0@sha256:{HEX}"),
        ] {
            let reference: Reference = text.parse().expect(&text);
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_said() {
        for (text, part) in [
            ("registry/a", "begins with oci://"),
            ("oci://registry", "comes a slash"),
            ("oci:///a", "no host"),
            ("oci://r:x/a", "port"),
            ("oci://r/", "no part"),
            ("oci://r/A", "no part"),
            ("oci://r/a/../b", "no part"),
            ("oci://r/a:", "no tag"),
            ("oci://r/a:-x", "no tag"),
            ("oci://r/a@sha256:12", "no digest"),
            ("oci://r/a@md5:12", "no digest"),
            ("oci://r/a#newest", "asks nothing"),
            ("oci://r/a:1#^1", "without a tag"),
            ("oci://user:hunter@r/a", "docker login"),
        ] {
            let error = text.parse::<Reference>().expect_err(text);
            assert!(!format!("{error:#}").contains("hunter"));
            assert!(format!("{error:#}").contains(part), "{text}: {error:#}");
        }
    }

    #[test]
    fn a_tag_that_moves_is_no_version() {
        assert_eq!(version_of_tag("1.2"), None);
        assert_eq!(version_of_tag("latest"), None);
        let built = version_of_tag("1.2.0-rc.1_b5").expect("it is a version");
        assert_eq!(built.to_string(), "1.2.0-rc.1+b5");
        assert_eq!(tag_of_version(&built), "1.2.0-rc.1_b5");
    }
}
