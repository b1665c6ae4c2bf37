//! What a reference stands for.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use semver::Version;

use super::layout::VERSION;
use super::{
    Digest, Found, Lock, Locked, Reference, Registry, Repository, SCHEME, Shared, Signer, Wanted,
    version_of_tag,
};
use crate::source::nearest;

/// What a reference stands for.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The reference.
    pub reference: Reference,
    /// The tag that it was found by.
    pub tag: Option<String>,
    /// The manifest or index.
    pub found: Found,
    /// Who signed it, of those who have to have.
    pub signers: Vec<Signer>,
}

impl Pinned {
    /// The version that the tag promises.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        version_of_tag(self.tag.as_deref()?)
    }

    /// The digest of the manifest or index.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.found.descriptor.digest
    }

    /// The reference that will always stand for the same bytes.
    #[must_use]
    pub fn exact(&self) -> Reference {
        Reference {
            repository: self.reference.repository.clone(),
            wanted: Wanted::Digest(self.tag.clone(), self.digest().clone()),
        }
    }
}

impl Registry {
    /// Settles what a reference stands for.
    pub fn pin(&self, reference: &Reference) -> anyhow::Result<Pinned> {
        self.wait(self.shared.pin(reference))
    }

    /// What a reference stood for when it was locked, if that is an answer to it; else what it
    /// stands for now.
    pub fn pin_locked(&self, reference: &Reference, locked: &Locked) -> anyhow::Result<Pinned> {
        let lock = Lock {
            file: PathBuf::new(),
            entries: vec![locked.clone()],
        };
        if lock.require(reference).is_err() {
            return self.pin(reference);
        }
        let mut exact = reference.clone();
        exact.wanted = Wanted::Digest(locked.version.clone(), locked.digest.clone());
        let pinned = self.pin(&exact)?;
        Ok(Pinned {
            reference: reference.clone(),
            ..pinned
        })
    }
}

impl Shared {
    /// What a reference stands for, after its signatures were checked.
    pub(super) async fn pin(&self, reference: &Reference) -> anyhow::Result<Pinned> {
        let checked = async {
            let mut pinned = self.resolve(reference).await?;
            let repository = &reference.repository;
            pinned.signers = self.check_trust(repository, pinned.digest(), false).await?;
            if let Some(lock) = &self.lock {
                lock.check_signers(&pinned)?;
            }
            anyhow::Ok(pinned)
        };
        checked.await.with_context(|| reference.to_string())
    }

    /// What a reference stands for.
    pub(super) async fn resolve(&self, reference: &Reference) -> anyhow::Result<Pinned> {
        let repository = &reference.repository;
        let remote = &self.remote;
        let locked = match &self.lock {
            Some(lock) => {
                let locked = lock.require(reference)?;
                Wanted::Digest(locked.version.clone(), locked.digest.clone())
            }
            None => reference.wanted.clone(),
        };
        let (tag, found) = match &locked {
            Wanted::Any => bail!(
                "names no version; add one as :1.2.0, @sha256:… or #^1.2, stridegate tags {reference} shows what is there"
            ),
            Wanted::Tag(tag) => (Some(tag.clone()), self.tagged(repository, tag).await?),
            Wanted::Digest(tag, digest) => {
                let found = remote.addressed(repository, digest).await?;
                (tag.clone(), found.context("is not in the registry")?)
            }
            Wanted::Requirement(requirement) => {
                let tags = remote.tags(repository).await?;
                let tag = highest(&tags, |version| requirement.matches(version));
                let tag = tag.with_context(|| {
                    format!("no tag is a version that meets {requirement}; stridegate tags {SCHEME}{repository} shows what is there")
                })?;
                let found = self.tagged(repository, &tag).await?;
                (Some(tag), found)
            }
        };
        // What was signed as one version is not taken for another.
        let asked = tag.as_deref().and_then(version_of_tag);
        let own = found.document.annotations().get(VERSION);
        if let (Some(asked), Some(own)) = (asked, own) {
            ensure!(
                Version::parse(own).is_ok_and(|own| own == asked),
                "says of itself that it is the version {own}, and not {asked}"
            );
        }
        Ok(Pinned {
            reference: reference.clone(),
            tag,
            found,
            signers: Vec::new(),
        })
    }

    /// What a tag stands for, which has to be there.
    async fn tagged(&self, repository: &Repository, tag: &str) -> anyhow::Result<Found> {
        match self.remote.tagged(repository, tag).await? {
            Some(found) => Ok(found),
            None => bail!(self.absent(repository, tag).await),
        }
    }

    /// That a tag is not there, and what was meant, if that can be told.
    async fn absent(&self, repository: &Repository, tag: &str) -> String {
        let remote = &self.remote;
        let tags = match remote.tags(repository).await {
            Ok(tags) => tags,
            Err(error) => return format!("there is no tag {tag}: {error:#}"),
        };
        let known: Vec<&str> = tags.iter().map(String::as_str).collect();
        let near = nearest(tag, &known).map(|near| format!("; did you mean {near}?"));
        let near = near.unwrap_or_default();
        if remote.offline {
            return format!(
                "the tag {tag} is not among what was pulled; leave --offline out{near}"
            );
        }
        format!(
            "there is no tag {tag}{near}; stridegate tags {SCHEME}{repository} shows those that are there"
        )
    }
}

/// The tag of the highest version that meets a condition.
fn highest(tags: &[String], meets: impl Fn(&Version) -> bool) -> Option<String> {
    let versions = tags
        .iter()
        .filter_map(|tag| Some((version_of_tag(tag)?, tag)));
    let met = versions.filter(|(version, _)| meets(version));
    met.max().map(|(_, tag)| tag.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_that_meets_a_requirement_is_taken() {
        let all = [
            "1.2",
            "1.2.0",
            "1.10.0",
            "v1.3.0",
            "2.0.0",
            "1.11.0-rc.1",
            "latest",
        ]
        .map(str::to_owned);
        for (requirement, tag) in [
            ("^1.2", Some("1.10.0")),
            ("~1.3", Some("v1.3.0")),
            (">=1", Some("2.0.0")),
            ("^3", None),
        ] {
            let requirement = semver::VersionReq::parse(requirement).expect("it is one");
            let found = highest(&all, |version| requirement.matches(version));
            assert_eq!(found.as_deref(), tag, "{requirement}");
        }
    }
}
