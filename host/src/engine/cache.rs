//! Keeps compiled code between runs.
//!
//! Compiled code is machine code: who can write it can run anything. It is taken from the cache
//! only if the folder, all its parents and the file belong to root or to this user and nobody else
//! may write to them; every check is made on an open descriptor, and no link is followed. A cache
//! that fails a check, or that cannot be written, is as good as none.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, Stat, fstat, fsync, open, openat, renameat, unlinkat};
use rustix::process::geteuid;

/// A folder that only this user and root can write to.
pub struct Cache {
    folder: OwnedFd,
}

impl Cache {
    /// Opens the cache of this user, `$XDG_CACHE_HOME/stridegate` or `~/.cache/stridegate`; none
    /// if it cannot be trusted.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let parent =
            absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Self::open(&parent.join("stridegate"))
    }

    /// Opens a folder, which is made if it is not there; none if it cannot be trusted.
    #[must_use]
    pub fn open(folder: &Path) -> Option<Self> {
        make_private(folder);
        let folder = folder.canonicalize().ok()?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let mut descriptor = open("/", flags, Mode::empty()).ok()?;
        for component in folder.components() {
            if let Component::Normal(name) = component {
                descriptor = openat(&descriptor, name, flags, Mode::empty()).ok()?;
            }
            trusted(&fstat(&descriptor).ok()?)?;
        }
        Some(Self { folder: descriptor })
    }

    /// The bytes that were written under a name; none if there are none that can be trusted.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NONBLOCK;
        let mut file = File::from(openat(&self.folder, name, flags, Mode::empty()).ok()?);
        trusted(&fstat(&file).ok()?)?;
        let length = file
            .metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)?
            .len();
        let mut bytes = Vec::with_capacity(usize::try_from(length).ok()?);
        file.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Keeps bytes under a name, whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let draft = format!("{name}.{}", std::process::id());
        let _ = self
            .write_draft(&draft, bytes)
            .and_then(|()| renameat(&self.folder, &draft, &self.folder, name));
        let _ = unlinkat(&self.folder, &draft, rustix::fs::AtFlags::empty());
    }

    fn write_draft(&self, draft: &str, bytes: &[u8]) -> rustix::io::Result<()> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
        let mut file = File::from(openat(&self.folder, draft, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(bytes).map_err(|error| {
            rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
        })?;
        // Code that a crash of the machine cut short would be loaded as if it were whole.
        fsync(&file)
    }
}

fn make_private(folder: &Path) {
    use std::os::unix::fs::DirBuilderExt;
    let _ = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
}

/// Whether nobody but root and this user owns or may write what a descriptor stands for.
fn trusted(stat: &Stat) -> Option<()> {
    let owned = stat.st_uid == 0 || stat.st_uid == geteuid().as_raw();
    let others_write = Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH);
    (owned && !others_write).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A folder whose parents are trusted, as those of a folder for temporary files are not.
    fn folder() -> tempfile::TempDir {
        let home = std::env::var_os("HOME").expect("the tests run for a user with a home");
        tempfile::tempdir_in(home).expect("the home can be written")
    }

    fn permit(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .expect("the test owns its files");
    }

    #[test]
    fn gives_back_what_was_written() {
        let folder = folder();
        let cache = Cache::open(&folder.path().join("cache")).expect("a private folder is trusted");
        cache.write("a", b"one");
        cache.write("a", b"two");
        assert_eq!(cache.read("a").as_deref(), Some(&b"two"[..]));
        assert_eq!(cache.read("b"), None);
        assert_eq!(
            std::fs::read_dir(folder.path().join("cache"))
                .expect("it is there")
                .count(),
            1,
            "a draft was left"
        );
    }

    #[test]
    fn a_file_that_others_may_write_is_not_taken() {
        let folder = folder();
        let cache = Cache::open(folder.path()).expect("a private folder is trusted");
        for mode in [0o620, 0o602, 0o666] {
            cache.write("a", b"one");
            permit(&folder.path().join("a"), mode);
            assert_eq!(cache.read("a"), None, "{mode:o}");
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = folder();
        let cache = Cache::open(folder.path()).expect("a private folder is trusted");
        cache.write("a", b"one");
        std::os::unix::fs::symlink("a", folder.path().join("b"))
            .expect("the folder can be written");
        assert_eq!(cache.read("b"), None);
    }

    #[test]
    fn a_folder_or_parent_that_others_may_write_is_not_opened() {
        for mode in [0o770, 0o707, 0o1777] {
            let folder = folder();
            let inner = folder.path().join("parent/cache");
            std::fs::create_dir_all(&inner).expect("the folder can be written");
            permit(&folder.path().join("parent"), mode);
            assert!(Cache::open(&inner).is_none(), "{mode:o}");
        }
    }
}
