//! Artifacts in an OCI registry: bytes by reference, their digests and signatures, and the lock
//! that pins them. Knows no policy.
//!
//! What a reference stands for is settled in a fixed order: resolve it to a digest, check the
//! signatures of that digest, read the manifest with that digest, refuse what its config promises
//! and this program cannot run, read the layer, and compare it with its digest.

mod archive;
mod bundle;
mod credentials;
mod digest;
pub mod layout;
mod lock;
mod reference;
mod remote;
mod signature;
mod store;
mod transport;
mod trust;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail, ensure};
use semver::Version;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use archive::Loaded;
pub use bundle::{BUNDLE, Files, pack_bundle};
pub use digest::Digest;
pub use layout::{Annotations, Blob, Descriptor, Interface, Manifest, Packed};
pub use lock::{LOCK_FILE, Lock, Locked};
pub use reference::{Reference, Repository, SCHEME, Wanted, tag_of_version, version_of_tag};
pub use remote::Found;
pub use signature::{Layout, PrivateKey, PublicKey};
pub use store::Store;
pub use transport::{Access, Meter, Patience};
pub use trust::{Rule as TrustRule, Signer, Trust};

use crate::engine;
use layout::{Document, Index, TITLE, VERSION};
use remote::Remote;
use transport::Transport;

/// How many artifacts are downloaded at a time.
const PARALLEL: usize = 8;

/// How artifacts are reached and where they are kept.
#[derive(Debug, Default)]
pub struct Options {
    /// How registries are reached.
    pub access: Access,
    /// Where what was pulled is kept; none for the folder of this user.
    pub store: Option<PathBuf>,
    /// Whether only what was pulled before is used.
    pub offline: bool,
    /// Whose signatures artifacts need; without, they need none.
    pub trust: Option<Trust>,
    /// What references have to stand for; without, what the registry says.
    pub lock: Option<Lock>,
    /// Counts what comes.
    pub meter: Arc<Meter>,
}

/// Reads and writes artifacts.
pub struct Registry {
    shared: Arc<Shared>,
    runtime: Runtime,
}

struct Shared {
    remote: Remote,
    trust: Option<Trust>,
    lock: Option<Lock>,
    parallel: Semaphore,
}

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

/// An artifact that was pulled.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// What it was pulled by.
    pub pinned: Pinned,
    /// The component, or those of a bundle.
    pub components: Vec<Component>,
    /// The files of a bundle; none if it is one component.
    pub files: Option<Files>,
}

/// A component of an artifact.
#[derive(Clone, Debug)]
pub struct Component {
    /// Where it comes from: the exact reference, and in a bundle its name.
    pub origin: String,
    /// What it is called.
    pub name: String,
    /// The version that it has to have.
    pub version: Option<Version>,
    /// The component.
    pub bytes: Vec<u8>,
}

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
    /// Gets ready; asks no registry yet.
    pub fn open(options: Options) -> anyhow::Result<Self> {
        let folder = options.store.map_or_else(Store::folder_of_user, Ok)?;
        let transport = Transport::new(options.access, options.meter)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("registry")
            .enable_all()
            .build()
            .context("cannot prepare connections to registries")?;
        let remote = Remote::new(transport, Store::new(folder), options.offline);
        Ok(Self {
            shared: Arc::new(Shared {
                remote,
                trust: options.trust,
                lock: options.lock,
                parallel: Semaphore::new(PARALLEL),
            }),
            runtime,
        })
    }

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

    /// Pulls what references stand for, several at a time, each with its own outcome.
    pub fn pull(&self, references: &[Reference]) -> Vec<anyhow::Result<Artifact>> {
        let meter = &self.shared.remote.transport.meter;
        meter
            .artifacts
            .fetch_add(references.len(), Ordering::Relaxed);
        let shared = &self.shared;
        self.wait(async {
            let mut tasks = JoinSet::new();
            for (index, reference) in references.iter().cloned().enumerate() {
                let shared = Arc::clone(shared);
                tasks.spawn(async move { (index, pull(shared, &reference).await) });
            }
            let mut pulled = tasks.join_all().await;
            pulled.sort_by_key(|(index, _)| *index);
            pulled.into_iter().map(|(_, artifact)| artifact).collect()
        })
    }

    /// The bytes of a blob of an artifact.
    pub fn blob(&self, repository: &Repository, blob: &Descriptor) -> anyhow::Result<Vec<u8>> {
        self.wait(self.shared.remote.blob(repository, blob))
    }

    /// The tags of a repository, versions first, the highest at the top.
    pub fn tags(&self, repository: &Repository) -> anyhow::Result<Vec<String>> {
        let tags = self.wait(self.shared.remote.tags(repository));
        let mut tags = tags.with_context(|| format!("{SCHEME}{repository}"))?;
        tags.sort_by_cached_key(|tag| {
            let version = version_of_tag(tag);
            (version.is_none(), std::cmp::Reverse(version), tag.clone())
        });
        Ok(tags)
    }

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

    /// What could not be kept on this machine since this was last asked.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        self.shared.remote.notices()
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

impl Shared {
    /// What a reference stands for, after its signatures were checked.
    async fn pin(&self, reference: &Reference) -> anyhow::Result<Pinned> {
        let checked = async {
            let mut pinned = self.resolve(reference).await?;
            let repository = &reference.repository;
            pinned.signers = self.check_trust(repository, pinned.digest()).await?;
            if let Some(lock) = &self.lock {
                lock.check_signers(&pinned)?;
            }
            anyhow::Ok(pinned)
        };
        checked.await.with_context(|| reference.to_string())
    }

    /// What a reference stands for.
    async fn resolve(&self, reference: &Reference) -> anyhow::Result<Pinned> {
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
            Wanted::Tag(tag) => {
                let found = remote.tagged(repository, tag).await?;
                (
                    Some(tag.clone()),
                    found.with_context(|| self.absent(repository, tag))?,
                )
            }
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
                let found = remote.tagged(repository, &tag).await?;
                let absent = || self.absent(repository, &tag);
                (Some(tag.clone()), found.with_context(absent)?)
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

    fn absent(&self, repository: &Repository, tag: &str) -> String {
        if self.remote.offline {
            return format!("the tag {tag} is not among what was pulled; leave --offline out");
        }
        format!(
            "there is no tag {tag}; stridegate tags {SCHEME}{repository} shows those that are there"
        )
    }

    async fn component(
        &self,
        repository: &Repository,
        manifest: &Manifest,
    ) -> anyhow::Result<Vec<u8>> {
        let _permit = self.parallel.acquire().await;
        layout::component_layer(manifest)?;
        let config = self.remote.blob(repository, &manifest.config).await?;
        let (layer, _) = layout::check_component(manifest, &config, engine::INTERFACE)?;
        self.remote.blob(repository, layer).await
    }

    /// The manifest that an index names.
    async fn manifest(
        &self,
        repository: &Repository,
        entry: &Descriptor,
    ) -> anyhow::Result<Manifest> {
        let bytes = self.remote.part(repository, entry).await?;
        match Document::read(&bytes, &entry.media_type)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(_) => bail!("is a bundle of bundles"),
        }
    }

    async fn push(
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
        self.push_parts(repository, packed).await?;
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

    async fn push_parts(&self, repository: &Repository, packed: &Packed) -> anyhow::Result<()> {
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
    async fn gather(&self, repository: &Repository, found: Found) -> anyhow::Result<Packed> {
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

    /// The manifests that are about another one, and are kept for when there is no registry.
    async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> anyhow::Result<Vec<Descriptor>> {
        if self.remote.offline {
            return Ok(self.remote.store.signatures(subject));
        }
        let referrers = self.remote.referrers(repository, subject).await?;
        if !referrers.is_empty() {
            self.remote
                .keep(self.remote.store.sign(subject, &referrers));
        }
        Ok(referrers)
    }

    /// Copies the signatures that are kept beside an artifact.
    async fn copy_signatures(
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

    async fn copy_referrer(
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

/// Pulls what a reference stands for.
async fn pull(shared: Arc<Shared>, reference: &Reference) -> anyhow::Result<Artifact> {
    let pinned = shared.pin(reference).await?;
    let exact = pinned.exact();
    let pulled = match &pinned.found.document {
        Document::Manifest(manifest) => {
            let bytes = shared.component(&reference.repository, manifest).await;
            let path = &reference.repository.path;
            let component = bytes.map(|bytes| Component {
                origin: exact.to_string(),
                name: path.rsplit('/').next().unwrap_or(path).to_owned(),
                version: pinned.version(),
                bytes,
            });
            component.map(|component| (vec![component], None))
        }
        Document::Index(index) => pull_bundle(&shared, &exact, index)
            .await
            .map(|(components, files)| (components, Some(files))),
    };
    let (components, files) = pulled.with_context(|| reference.to_string())?;
    let meter = &shared.remote.transport.meter;
    meter.complete.fetch_add(1, Ordering::Relaxed);
    meter.changed();
    Ok(Artifact {
        pinned,
        components,
        files,
    })
}

/// Pulls the components of a bundle, several at a time, and its files.
async fn pull_bundle(
    shared: &Arc<Shared>,
    exact: &Reference,
    index: &Index,
) -> anyhow::Result<(Vec<Component>, Files)> {
    let (entries, files) = bundle::entries(index)?;
    let mut tasks = JoinSet::new();
    for entry in entries.into_iter().cloned() {
        let (shared, exact) = (Arc::clone(shared), exact.clone());
        tasks.spawn(async move {
            let manifest = shared.manifest(&exact.repository, &entry).await?;
            let annotation = |key| manifest.annotations.get(key).cloned();
            let name = annotation(TITLE).unwrap_or_else(|| entry.digest.to_string());
            let bytes = shared.component(&exact.repository, &manifest).await;
            anyhow::Ok(Component {
                origin: format!("{exact} {name}"),
                version: annotation(VERSION).and_then(|version| Version::parse(&version).ok()),
                bytes: bytes.with_context(|| name.clone())?,
                name,
            })
        });
    }
    let mut components = Vec::new();
    while let Some(component) = tasks.join_next().await {
        components.push(component.context("a download ended by itself")??);
    }
    components.sort_by(|a, b| a.name.cmp(&b.name));
    let files = match files {
        None => Files::new(),
        Some(entry) => {
            let manifest = shared.manifest(&exact.repository, entry).await?;
            let layer = bundle::layer(&manifest)?;
            let bytes = shared.remote.blob(&exact.repository, layer).await?;
            bundle::read_files(&bytes)?
        }
    };
    Ok((components, files))
}

/// Writes a file whole or not at all.
pub fn write_file(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    store::write_whole(&draft, path, bytes)
}

/// The tag that holds the signatures of a manifest in the older layout.
fn signature_tag(subject: &Digest) -> String {
    format!("sha256-{}.sig", subject.hex())
}

/// The tag of the highest version that meets a condition.
fn highest(tags: &[String], meets: impl Fn(&Version) -> bool) -> Option<String> {
    let versions = tags
        .iter()
        .filter_map(|tag| Some((version_of_tag(tag)?, tag)));
    let met = versions.filter(|(version, _)| meets(version));
    met.max().map(|(_, tag)| tag.clone())
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

    #[test]
    fn the_highest_version_that_meets_a_requirement_is_taken() {
        let all = tags(&[
            "1.2",
            "1.2.0",
            "1.10.0",
            "v1.3.0",
            "2.0.0",
            "1.11.0-rc.1",
            "latest",
        ]);
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
