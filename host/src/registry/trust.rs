//! Whose signatures an artifact needs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow};
use reqwest::Url;
use serde::Serialize;

use super::layout::Document;
use super::signature::{
    Evidence, Layout, MAX_SIGNATURE, MAX_SIGNATURES, PrivateKey, PublicKey, may_be_evidence,
    sign_bundle, sign_simple,
};
use super::{Digest, Found, Pinned, Reference, Registry, Repository, Shared, signature_tag};

/// Which keys have to have signed what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The file that says so.
    pub file: String,
    /// The rules; the one with the longest prefix counts. What none covers is refused.
    pub rules: Vec<Rule>,
}

/// Which keys have to have signed what lies below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// A registry, or a registry and the beginning of a path; `*` is everything.
    pub prefix: String,
    /// The keys, by the names under which they were given.
    pub keys: Vec<(String, PublicKey)>,
    /// How many different ones of them have to have signed.
    pub threshold: usize,
    /// Whether only what was signed for the repository in which it is counts.
    pub match_repository: bool,
}

/// Who signed an artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Signer {
    /// The name under which the key was given.
    pub name: String,
    /// The digest of the key.
    pub key: Digest,
}

impl Trust {
    fn rule(&self, repository: &Repository) -> Option<&Rule> {
        let name = canonical(&repository.to_string());
        let covers = |rule: &&Rule| {
            let prefix = canonical(rule.prefix.trim_end_matches('/'));
            let rest = name.strip_prefix(prefix.as_str());
            rule.prefix == "*" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let length = |rule: &&Rule| {
            if rule.prefix == "*" {
                0
            } else {
                canonical(&rule.prefix).len()
            }
        };
        self.rules.iter().filter(covers).max_by_key(length)
    }

    /// The first rule whose prefix is that of one before it, in whatever spelling.
    #[must_use]
    pub fn repeated(&self) -> Option<&Rule> {
        let mut seen = BTreeSet::new();
        let mut rules = self.rules.iter();
        rules.find(|rule| !seen.insert(canonical(rule.prefix.trim_end_matches('/'))))
    }
}

/// A registry and a path in the one spelling in which they are compared: what reaches the same
/// registry is covered by the same rule.
fn canonical(name: &str) -> String {
    let (registry, path) = match name.split_once('/') {
        Some((registry, path)) => (registry, format!("/{path}")),
        None => (name, String::new()),
    };
    let registry = match registry {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    };
    // An address of the Internet can be written in several ways, too.
    let url = Url::parse(&format!("https://{registry}/")).ok();
    let host = url.as_ref().and_then(|url| {
        let host = url.host_str()?.trim_end_matches('.');
        Some(format!("{host}:{}", url.port_or_known_default()?))
    });
    host.unwrap_or_else(|| registry.to_lowercase()) + &path
}

/// What a signature has to be of, and who has to have made it.
struct Asked<'a> {
    repository: &'a Repository,
    digest: &'a Digest,
    keys: &'a [(String, PublicKey)],
    threshold: usize,
    match_repository: bool,
}

/// The keys that signed as it was asked. A key that is named twice signs once.
fn signers(evidence: &[Evidence], asked: &Asked) -> Vec<Signer> {
    let good = |one: &Evidence, key| {
        (!asked.match_repository || one.names(asked.repository)) && one.holds(asked.digest, key)
    };
    let signed = asked.keys.iter();
    let signed = signed.filter(|(_, key)| evidence.iter().any(|one| good(one, key)));
    let by_key: BTreeMap<Digest, String> = signed
        .map(|(name, key)| (key.fingerprint().clone(), name.clone()))
        .collect();
    by_key
        .into_iter()
        .map(|(key, name)| Signer { name, key })
        .collect()
}

/// Why something is not signed as it was asked.
fn too_few(asked: &Asked, evidence: &[Evidence], found: usize) -> anyhow::Error {
    let (digest, threshold) = (asked.digest, asked.threshold);
    if evidence.is_empty() {
        return anyhow!("{digest} is not signed; stridegate sign and cosign sign do that");
    }
    let names: Vec<&str> = asked.keys.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(", ");
    let anywhere = signers(
        evidence,
        &Asked {
            match_repository: false,
            ..*asked
        },
    );
    let why = if anywhere.len() > found {
        format!(
            "a signature that does not name {} does not count (signedIdentity: matchRepository); sign it there",
            asked.repository
        )
    } else {
        let others = evidence.len() - found.min(evidence.len());
        format!("{others} by other keys or of other digests do not count")
    };
    anyhow!("{digest} has {found} of {threshold} signatures that it needs, by {names}; {why}")
}

impl Shared {
    /// Who signed a manifest, of those who have to have; refuses one that too few did. If only what
    /// is kept counts, no registry is asked.
    pub(super) async fn check_trust(
        &self,
        repository: &Repository,
        digest: &Digest,
        kept: bool,
    ) -> anyhow::Result<Vec<Signer>> {
        let Some(trust) = &self.trust else {
            return Ok(Vec::new());
        };
        let rule = trust.rule(repository).with_context(|| {
            format!(
                "is refused: {} says nothing of {repository}; add a rule with the keys that have to sign it",
                trust.file
            )
        })?;
        let asked = Asked {
            repository,
            digest,
            keys: &rule.keys,
            threshold: rule.threshold,
            match_repository: rule.match_repository,
        };
        self.check_signed(&asked, kept)
            .await
            .with_context(|| format!("is refused by {}", trust.file))
    }

    /// Who signed a manifest; refuses one that fewer keys than the threshold signed.
    async fn check_signed(&self, asked: &Asked<'_>, kept: bool) -> anyhow::Result<Vec<Signer>> {
        if asked.threshold == 0 {
            return Ok(Vec::new());
        }
        // A signature that was good stays good, so that what is kept is looked at first.
        let mut evidence = self.evidence(asked.repository, asked.digest, true).await?;
        let mut found = signers(&evidence, asked);
        if found.len() < asked.threshold && !kept && !self.remote.offline {
            evidence = self.evidence(asked.repository, asked.digest, false).await?;
            found = signers(&evidence, asked);
        }
        if found.len() >= asked.threshold {
            return Ok(found);
        }
        Err(too_few(asked, &evidence, found.len()))
    }

    /// What is signed about a manifest: what the registry has, or only what is kept here. What
    /// cannot be read is somebody else's, and no evidence.
    async fn evidence(
        &self,
        repository: &Repository,
        digest: &Digest,
        kept: bool,
    ) -> anyhow::Result<Vec<Evidence>> {
        let mut all = Vec::new();
        for found in self.signature_manifests(repository, digest, kept).await? {
            let Document::Manifest(manifest) = &found.document else {
                continue;
            };
            let about = manifest.subject.as_ref().map(|subject| &subject.digest);
            if about.is_some_and(|about| about != digest) {
                continue;
            }
            let layers = Evidence::layers(manifest).filter(|layer| layer.size <= MAX_SIGNATURE);
            for layer in layers.take(MAX_SIGNATURES) {
                let bytes = if kept {
                    self.remote.store.get(&layer.digest, layer.size)
                } else {
                    Some(self.remote.blob(repository, layer).await?)
                };
                all.extend(bytes.and_then(|bytes| Evidence::read(layer, bytes).ok()));
            }
        }
        Ok(all)
    }

    async fn signature_manifests(
        &self,
        repository: &Repository,
        digest: &Digest,
        kept: bool,
    ) -> anyhow::Result<Vec<Found>> {
        let tag = signature_tag(digest);
        let remote = &self.remote;
        if kept {
            let tagged = remote.store.tags(repository).into_iter();
            let tagged = tagged
                .filter(|kept| kept.tag == tag)
                .map(|kept| kept.target);
            let all = tagged.chain(remote.store.signatures(digest));
            return Ok(all.filter_map(|one| remote.kept(&one.digest)).collect());
        }
        let mut all: Vec<Found> = remote.tagged(repository, &tag).await?.into_iter().collect();
        let mut referrers = self.referrers(repository, digest).await?;
        // Others may refer to it, too, and hide no signature by their number.
        referrers.sort_by_key(|entry| !may_be_evidence(entry));
        for entry in referrers.iter().take(MAX_SIGNATURES) {
            all.extend(remote.addressed(repository, &entry.digest).await?);
        }
        Ok(all)
    }

    async fn sign(
        &self,
        reference: &Reference,
        key: &PrivateKey,
        layouts: &[Layout],
    ) -> anyhow::Result<Pinned> {
        let pinned = self.resolve(reference).await?;
        let repository = &reference.repository;
        for layout in layouts {
            match layout {
                Layout::Simple => {
                    let tag = signature_tag(pinned.digest());
                    let there = self.remote.tagged(repository, &tag).await?;
                    let there = there.and_then(|found| match found.document {
                        Document::Manifest(manifest) => Some(manifest),
                        Document::Index(_) => None,
                    });
                    let packed = sign_simple(repository, pinned.digest(), key, there)?;
                    self.push_parts(repository, &packed).await?;
                    self.remote
                        .push_manifest(repository, Some(&tag), &packed.root)
                        .await?;
                }
                Layout::Bundle => {
                    let packed = sign_bundle(repository, &pinned.found.descriptor, key)?;
                    self.push_parts(repository, &packed).await?;
                    self.remote
                        .push_referrer(repository, pinned.digest(), &packed.root)
                        .await?;
                    self.referrers(repository, pinned.digest()).await?;
                }
            }
        }
        Ok(pinned)
    }
}

impl Registry {
    /// Signs what a reference stands for, and keeps the signature beside it.
    pub fn sign(
        &self,
        reference: &Reference,
        key: &PrivateKey,
        layouts: &[Layout],
    ) -> anyhow::Result<Pinned> {
        self.wait(self.shared.sign(reference, key, layouts))
            .with_context(|| reference.to_string())
    }

    /// What a reference stands for and who of some keys signed it; refuses what fewer than the
    /// threshold did. Without keys, the trust file decides.
    pub fn verify(
        &self,
        reference: &Reference,
        keys: &[(String, PublicKey)],
        threshold: usize,
    ) -> anyhow::Result<Pinned> {
        let verified = self.wait(async {
            let mut pinned = self.shared.resolve(reference).await?;
            let repository = &reference.repository;
            let (shared, digest) = (&self.shared, pinned.digest());
            pinned.signers = if keys.is_empty() {
                shared.check_trust(repository, digest, false).await?
            } else {
                let asked = Asked {
                    repository,
                    digest,
                    keys,
                    threshold,
                    match_repository: false,
                };
                shared.check_signed(&asked, false).await?
            };
            anyhow::Ok(pinned)
        });
        verified.with_context(|| reference.to_string())
    }

    /// Whether a trust file applies.
    #[must_use]
    pub fn has_trust(&self) -> bool {
        self.shared.trust.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(path: &str) -> Repository {
        Repository {
            registry: "r.example".into(),
            path: path.into(),
        }
    }

    #[test]
    fn the_longest_prefix_counts_and_ends_at_a_slash() {
        let rule = |prefix: &str| Rule {
            prefix: prefix.into(),
            keys: Vec::new(),
            threshold: 1,
            match_repository: false,
        };
        let trust = |prefixes: &[&str]| Trust {
            file: "trust.yaml".into(),
            rules: prefixes.iter().map(|prefix| rule(prefix)).collect(),
        };
        for (prefixes, path, found) in [
            (&["r.example"][..], "a/b", Some("r.example")),
            (&["r.example/a"], "a", Some("r.example/a")),
            (&["r.example/a/"], "a/b", Some("r.example/a/")),
            (&["r.example/a"], "ab", None),
            (&["r.exam"], "a", None),
            (
                &["*", "r.example/a", "r.example"],
                "a/b",
                Some("r.example/a"),
            ),
            (&["*"], "a", Some("*")),
            (&["*", "R.Example:443/a"], "a", Some("R.Example:443/a")),
            (&["r.example:80"], "a", None),
        ] {
            let trust = trust(prefixes);
            let rule = trust.rule(&repository(path));
            assert_eq!(
                rule.map(|rule| rule.prefix.as_str()),
                found,
                "{prefixes:?} {path}"
            );
        }
    }

    #[test]
    fn one_registry_has_one_rule_however_it_is_written() {
        for (one, other) in [
            ("r.example/a", "R.EXAMPLE/a"),
            ("r.example/a", "r.example:443/a"),
            ("r.example/a", "r.example./a"),
            ("docker.io/a", "index.docker.io/a"),
            ("docker.io/a", "registry-1.docker.io/a"),
            ("127.0.0.1:5000/a", "127.1:5000/a"),
            ("[::1]:5000/a", "[0:0::1]:5000/a"),
        ] {
            assert_eq!(canonical(one), canonical(other));
        }
        for (one, other) in [
            ("r.example/a", "r.example:5000/a"),
            ("r.example/a", "r.example/A"),
            ("r.example", "example"),
        ] {
            assert_ne!(canonical(one), canonical(other));
        }
    }

    fn evidence(packed: &super::super::Packed) -> Evidence {
        let manifest = serde_json::from_slice(&packed.root.bytes).expect("it is a manifest");
        let layer = Evidence::layers(&manifest).next().expect("it has a layer");
        Evidence::read(layer, packed.parts[1].bytes.clone()).expect("it is evidence")
    }

    #[test]
    fn a_key_that_is_named_twice_signs_once_and_for_one_repository() {
        let key = PrivateKey::generate();
        let public = key.public().expect("it is a key");
        let subject = super::super::Descriptor::of(super::super::layout::MANIFEST, b"{}");
        let here = repository("a/b");
        let keys = [("a".to_owned(), public.clone()), ("b".to_owned(), public)];
        let bundle = sign_bundle(&here, &subject, &key).expect("it is signed");
        let simple = sign_simple(&here, &subject.digest, &key, None).expect("it is signed");
        for packed in [bundle, simple] {
            let evidence = [evidence(&packed)];
            let count = |path: &str, match_repository| {
                let asked = Asked {
                    repository: &repository(path),
                    digest: &subject.digest,
                    keys: &keys,
                    threshold: 1,
                    match_repository,
                };
                signers(&evidence, &asked).len()
            };
            assert_eq!(count("a/b", false), 1);
            assert_eq!(count("a/c", false), 1);
            assert_eq!(count("a/b", true), 1);
            for other in ["a/c", "a", "a/b/c", "a/bb"] {
                assert_eq!(count(other, true), 0, "{other}");
            }
        }
    }
}
