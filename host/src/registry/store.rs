//! Keeps what was pulled: on this machine, for all processes, without a registry.
//!
//! A file appears whole or not at all: it is written as a draft, brought to the disk and then
//! renamed. Bytes are kept under their digest and checked against it whenever they are read, so
//! that nothing that broke on the disk, or that somebody put there, is taken for what was pulled.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};

use super::{Descriptor, Digest, Repository};

/// What a draft that nobody finishes is removed after.
const ABANDONED: Duration = Duration::from_hours(24);

/// A folder with what was pulled.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

/// What a tag stood for when it was last asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tagged {
    /// The registry and the repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// What it stood for.
    pub target: Descriptor,
}

/// The signatures of a manifest that were last seen.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Signatures {
    manifests: Vec<Descriptor>,
}

impl Store {
    /// The folder of this user: `$XDG_CACHE_HOME/stridegate/registry`, or else in `~/.cache`.
    pub fn folder_of_user() -> anyhow::Result<PathBuf> {
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        Ok(cache
            .context("there is no folder to keep artifacts in: set HOME or XDG_CACHE_HOME, or name one with --store")?
            .join("stridegate/registry"))
    }

    /// A store in a folder, which is made when something is kept.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        let store = Self { folder };
        store.remove_abandoned();
        store
    }

    /// Bytes that are kept; none if there are none or if they broke.
    #[must_use]
    pub fn get(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let file = File::open(self.blob(digest)).ok()?;
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .ok()?;
        (bytes.len() as u64 <= limit && Digest::of(&bytes) == *digest).then_some(bytes)
    }

    /// Keeps bytes, whose digest is returned.
    pub fn put(&self, bytes: &[u8]) -> anyhow::Result<Digest> {
        let digest = Digest::of(bytes);
        if self.get(&digest, bytes.len() as u64).is_none() {
            self.write(&self.blob(&digest), bytes)?;
        }
        Ok(digest)
    }

    /// Keeps what a tag stands for.
    pub fn tag(
        &self,
        repository: &Repository,
        tag: &str,
        target: &Descriptor,
    ) -> anyhow::Result<()> {
        let tagged = Tagged {
            repository: repository.to_string(),
            tag: tag.to_owned(),
            target: target.clone(),
        };
        let name = Digest::of(format!("{repository}:{tag}").as_bytes());
        self.write(
            &self.folder.join("tags").join(name.hex()),
            &serde_json::to_vec(&tagged)?,
        )
    }

    /// What the tags of a repository stood for, in no order.
    #[must_use]
    pub fn tags(&self, repository: &Repository) -> Vec<Tagged> {
        let entries = fs::read_dir(self.folder.join("tags"));
        let texts = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| fs::read(entry.ok()?.path()).ok());
        let repository = repository.to_string();
        texts
            .filter_map(|text| serde_json::from_slice::<Tagged>(&text).ok())
            .filter(|tagged| tagged.repository == repository)
            .collect()
    }

    /// Keeps which manifests hold the signatures of another.
    pub fn sign(&self, subject: &Digest, manifests: &[Descriptor]) -> anyhow::Result<()> {
        let signatures = Signatures {
            manifests: manifests.to_vec(),
        };
        self.write(
            &self.signatures_of(subject),
            &serde_json::to_vec(&signatures)?,
        )
    }

    /// Which manifests hold the signatures of another.
    #[must_use]
    pub fn signatures(&self, subject: &Digest) -> Vec<Descriptor> {
        let text = fs::read(self.signatures_of(subject)).unwrap_or_default();
        let signatures: Signatures = serde_json::from_slice(&text).unwrap_or_default();
        signatures.manifests
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    fn signatures_of(&self, subject: &Digest) -> PathBuf {
        self.folder.join("signatures").join(subject.hex())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let folder = path.parent().unwrap_or(&self.folder);
        let keep = || -> io::Result<()> {
            make_private(folder)?;
            make_private(&self.folder.join("drafts"))?;
            write_whole(&self.draft(), path, bytes)
        };
        keep().map_err(|error| {
            anyhow!(error).context(format!(
                "cannot keep {} in {}; make room there, or name another folder with --store",
                path.file_name().unwrap_or_default().to_string_lossy(),
                self.folder.display()
            ))
        })
    }

    /// A name that no other process and no other thread writes to.
    fn draft(&self) -> PathBuf {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Processes in different containers can have the same id.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_nanos();
        let name = format!("{}-{number}-{now}", std::process::id());
        self.folder.join("drafts").join(name)
    }

    fn remove_abandoned(&self) {
        for entry in fs::read_dir(self.folder.join("drafts"))
            .into_iter()
            .flatten()
        {
            let Ok(entry) = entry else { continue };
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.map(|time| time.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Writes a file by way of a draft in the same file system, which is removed if that fails.
pub(super) fn write_whole(draft: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(draft, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(draft);
    }
    written
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let store = Store::new(folder.path().join("store"));
        (folder, store)
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).map_or(0, Iterator::count)
    }

    #[test]
    fn gives_back_what_was_put() {
        let (_folder, store) = store();
        let digest = store.put(b"one").expect("it can be kept");
        assert_eq!(store.get(&digest, 3).as_deref(), Some(&b"one"[..]));
        assert_eq!(
            store.get(&digest, 2),
            None,
            "it is longer than is asked for"
        );
        assert_eq!(store.get(&Digest::of(b"two"), 9), None);
        assert_eq!(files(&store.folder.join("drafts")), 0);
    }

    #[test]
    fn what_broke_is_not_given_and_heals() {
        let (_folder, store) = store();
        let digest = store.put(b"one").expect("it can be kept");
        for broken in [&b"on"[..], b"One", b""] {
            fs::write(store.blob(&digest), broken).expect("the store can be written");
            assert_eq!(store.get(&digest, 9), None);
        }
        store.put(b"one").expect("it can be kept");
        assert_eq!(store.get(&digest, 9).as_deref(), Some(&b"one"[..]));
    }

    #[test]
    fn a_tag_of_one_repository_is_none_of_another() {
        let (_folder, store) = store();
        let repository = |path: &str| Repository {
            registry: "r.example".into(),
            path: path.into(),
        };
        let target = Descriptor::of("x", b"one");
        store
            .tag(&repository("a"), "1", &target)
            .expect("it can be kept");
        store
            .tag(&repository("a"), "1", &target)
            .expect("it can be kept again");
        assert_eq!(store.tags(&repository("a")).len(), 1);
        assert_eq!(store.tags(&repository("a/b")), []);
    }

    #[test]
    fn a_store_that_cannot_be_written_says_what_to_do() {
        let (_folder, store) = store();
        fs::write(&store.folder, b"no folder").expect("the folder can be written");
        let error = store.put(b"one").expect_err("there is no folder");
        assert!(format!("{error:#}").contains("--store"), "{error:#}");
    }

    #[test]
    fn drafts_that_nobody_finishes_are_removed() {
        let (_folder, store) = store();
        store.put(b"one").expect("it can be kept");
        let draft = store.folder.join("drafts/1-2-3");
        fs::write(&draft, b"half").expect("the store can be written");
        drop(Store::new(store.folder.clone()));
        assert!(draft.exists(), "another process may be writing it");
        let file = File::options()
            .write(true)
            .open(&draft)
            .expect("it is there");
        file.set_modified(SystemTime::now() - ABANDONED * 2)
            .expect("its time can be set");
        drop(Store::new(store.folder.clone()));
        assert!(!draft.exists());
    }
}
