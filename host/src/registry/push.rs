//! Puts artifacts into a registry, with their signatures.

use anyhow::{Context, bail, ensure};
use semver::Version;

use super::{
    Blob, Descriptor, Digest, Found, Packed, Reference, Registry, Repository, SCHEME, Shared,
    reference, signature_tag, version_of_tag,
};

/// What came of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of what was pushed.
    pub digest: Digest,
    /// The tags that now stand for it.
    pub tags: Vec<String>,
    /// Whether the registry had it under its first tag before.
    pub known: bool,
}

/// Which tags a push sets.
#[derive(Clone, Debug, Default)]
pub struct Tags {
    /// The tag.
    pub tag: String,
    /// Whether the shorter tags move too: `1.4` and `1` with `1.4.2`.
    pub moving: bool,
    /// Whether a version that is there may be overwritten.
    pub force: bool,
}

impl Registry {
    /// Pushes an artifact.
    pub fn push(
        &self,
        repository: &Repository,
        tags: &Tags,
        packed: &Packed,
    ) -> anyhow::Result<Pushed> {
        self.wait(self.shared.push(repository, tags, packed))
            .with_context(|| format!("{SCHEME}{repository}:{}", tags.tag))
    }

    /// Copies an artifact, with its signatures, to another repository.
    pub fn copy(
        &self,
        from: &Reference,
        repository: &Repository,
        tag: Option<&str>,
        moving: bool,
        force: bool,
    ) -> anyhow::Result<Pushed> {
        self.wait(async {
            let pinned = self.shared.pin(from).await?;
            let tag = tag.or(pinned.tag.as_deref());
            let tag = tag.context("a digest is copied to a tag: name one after the target, as in oci://registry/repository:1.2.0")?;
            let tags = Tags {
                tag: tag.to_owned(),
                moving,
                force,
            };
            let source = &from.repository;
            let packed = self.shared.gather(source, pinned.found.clone()).await?;
            let pushed = self.shared.push(repository, &tags, &packed).await;
            let pushed = pushed.with_context(|| format!("{SCHEME}{repository}:{tag}"))?;
            self.shared
                .copy_signatures(source, repository, pinned.digest())
                .await?;
            Ok(pushed)
        })
    }
}

impl Shared {
    pub(super) async fn push(
        &self,
        repository: &Repository,
        tags: &Tags,
        packed: &Packed,
    ) -> anyhow::Result<Pushed> {
        reference::check_tag(&tags.tag)?;
        let digest = Digest::of(&packed.root.bytes);
        let version = version_of_tag(&tags.tag);
        let there = self.remote.head(repository, &tags.tag).await?;
        let known = there.as_ref() == Some(&digest);
        if let (Some(there), Some(version)) = (&there, &version)
            && !known
            && !tags.force
        {
            bail!(
                "the version {version} is there, as {there}, and others may rely on it; push a higher version, or overwrite it with --force"
            );
        }
        let mut all = vec![tags.tag.clone()];
        if tags.moving {
            let version = version.with_context(|| {
                format!(
                    "only a version moves shorter tags, and {} is none",
                    tags.tag
                )
            })?;
            // A repository that is not there yet has no tags.
            let others = self.remote.tags(repository).await.unwrap_or_default();
            all.extend(moving_tags(&version, &others));
        }
        self.push_parts(repository, packed).await?;
        for tag in &all {
            self.remote
                .push_manifest(repository, Some(tag), &packed.root)
                .await?;
        }
        Ok(Pushed {
            digest,
            tags: all,
            known,
        })
    }

    pub(super) async fn push_parts(
        &self,
        repository: &Repository,
        packed: &Packed,
    ) -> anyhow::Result<()> {
        for part in &packed.parts {
            if part.is_manifest() {
                self.remote.push_manifest(repository, None, part).await?;
            } else {
                self.remote.push_blob(repository, &part.bytes).await?;
            }
        }
        Ok(())
    }

    /// All the bytes of an artifact.
    pub(super) async fn gather(
        &self,
        repository: &Repository,
        found: Found,
    ) -> anyhow::Result<Packed> {
        let mut parts = Vec::new();
        let mut open = vec![(found.clone(), 0)];
        while let Some((found, depth)) = open.pop() {
            ensure!(depth < 3, "holds indexes in indexes in indexes");
            for descriptor in found.document.descriptors() {
                let bytes = self.remote.part(repository, descriptor).await?;
                let part = Blob::new(&descriptor.media_type, bytes);
                if part.is_manifest() {
                    let inner = self
                        .remote
                        .addressed(repository, &descriptor.digest)
                        .await?;
                    open.push((inner.context("a manifest is missing")?, depth + 1));
                }
                parts.push(part);
            }
        }
        // What a manifest names has to be there before it.
        parts.reverse();
        parts.sort_by_key(Blob::is_manifest);
        Ok(Packed {
            root: Blob::new(&found.descriptor.media_type, found.bytes),
            parts,
        })
    }

    /// Copies the signatures that are kept beside an artifact.
    pub(super) async fn copy_signatures(
        &self,
        from: &Repository,
        to: &Repository,
        subject: &Digest,
    ) -> anyhow::Result<()> {
        let tag = signature_tag(subject);
        if let Some(found) = self.remote.tagged(from, &tag).await? {
            let packed = self.gather(from, found).await?;
            let tags = Tags {
                tag,
                ..Tags::default()
            };
            self.push(to, &tags, &packed).await?;
        }
        for entry in self.referrers(from, subject).await? {
            self.copy_referrer(from, to, subject, &entry).await?;
        }
        Ok(())
    }

    pub(super) async fn copy_referrer(
        &self,
        from: &Repository,
        to: &Repository,
        subject: &Digest,
        entry: &Descriptor,
    ) -> anyhow::Result<()> {
        let Some(found) = self.remote.addressed(from, &entry.digest).await? else {
            return Ok(());
        };
        let packed = self.gather(from, found).await?;
        self.push_parts(to, &packed).await?;
        self.remote.push_referrer(to, subject, &packed.root).await
    }
}

/// The shorter tags that a version moves: those of which it is the highest.
fn moving_tags(version: &Version, others: &[String]) -> Vec<String> {
    if !version.pre.is_empty() {
        return Vec::new();
    }
    let is_highest = |within: &dyn Fn(&Version) -> bool| {
        let mut versions = others.iter().filter_map(|tag| version_of_tag(tag));
        !versions.any(|other| other.pre.is_empty() && within(&other) && other > *version)
    };
    let (major, minor) = (version.major, version.minor);
    let mut tags = Vec::new();
    if is_highest(&|other| (other.major, other.minor) == (major, minor)) {
        tags.push(format!("{major}.{minor}"));
    }
    if is_highest(&|other| other.major == major) {
        tags.push(major.to_string());
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(list: &[&str]) -> Vec<String> {
        list.iter().map(|tag| (*tag).to_owned()).collect()
    }

    #[test]
    fn a_version_moves_only_the_tags_of_which_it_is_the_highest() {
        for (version, others, moved) in [
            ("1.4.2", &["1.4.1", "1.4", "latest"][..], &["1.4", "1"][..]),
            ("1.4.2", &["1.4.3"], &[]),
            ("1.4.2", &["1.5.0", "2.0.0"], &["1.4"]),
            ("1.4.2", &["1.5.0-rc.1"], &["1.4", "1"]),
            ("1.4.2-rc.1", &[], &[]),
        ] {
            let version = Version::parse(version).expect("it is a version");
            assert_eq!(
                moving_tags(&version, &tags(others)),
                tags(moved),
                "{version}"
            );
        }
    }
}
