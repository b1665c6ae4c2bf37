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
mod pin;
mod pull;
mod push;
mod reference;
mod remote;
mod signature;
mod store;
mod transport;
mod trust;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

pub use archive::Loaded;
pub use bundle::{BUNDLE, Files, pack_bundle};
pub use digest::Digest;
pub use layout::{Annotations, Blob, Descriptor, Interface, Manifest, Packed};
pub use lock::{LOCK_FILE, Lock, Locked};
pub use pin::Pinned;
pub use pull::{Artifact, Component};
pub use push::{Pushed, Tags};
pub use reference::{Reference, Repository, SCHEME, Wanted, tag_of_version, version_of_tag};
pub use remote::Found;
pub use signature::{Layout, PrivateKey, PublicKey};
pub use store::Store;
pub use transport::{Access, Meter, Patience};
pub use trust::{Rule as TrustRule, Signer, Trust};

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
    /// The manifests that are about another one, and are kept for when there is no registry.
    pub(super) async fn referrers(
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
