//! A set of policies with what applies them, as one artifact: an index of components, and a
//! manifest whose one layer is an archive of files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use anyhow::{anyhow, bail, ensure};

use super::archive::add;
use super::layout::{
    Annotations, Blob, Descriptor, Document, EMPTY, INDEX, Index, MANIFEST, Manifest, Packed,
    WASM_CONFIG, is_manifest,
};

/// The type of such an index.
pub const BUNDLE: &str = "application/vnd.stridegate.bundle.v1";

/// The type of the manifest with the files.
const CONFIGURATION: &str = "application/vnd.stridegate.configuration.v1";

/// The type of their archive.
const FILES: &str = "application/vnd.stridegate.configuration.v1.tar";

/// The most components of a bundle.
const MAX_COMPONENTS: usize = 1000;

/// Files by their path, with forward slashes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A bundle of components and files; the same are the same bytes.
pub fn pack_bundle(
    components: Vec<Packed>,
    files: &Files,
    annotations: Annotations,
) -> anyhow::Result<Packed> {
    let mut parts = Vec::new();
    let mut entries = Vec::new();
    let all = components.into_iter().chain([pack_files(files)?]);
    for packed in all {
        let Document::Manifest(manifest) =
            Document::read(&packed.root.bytes, &packed.root.media_type)?
        else {
            bail!("a bundle holds components, and no other bundle");
        };
        let mut entry = packed.root.descriptor();
        entry.artifact_type = Some(manifest.kind().to_owned());
        entry.annotations.clone_from(&manifest.annotations);
        entries.push(entry);
        parts.extend(packed.parts);
        parts.push(packed.root);
    }
    let mut index = Index::new(entries);
    index.artifact_type = Some(BUNDLE.into());
    index.annotations = annotations;
    Ok(Packed {
        root: Blob::new(INDEX, serde_json::to_vec(&index)?),
        parts,
    })
}

fn pack_files(files: &Files) -> anyhow::Result<Packed> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        check_path(path)?;
        add(&mut archive, path, bytes)?;
    }
    let layer = Blob::new(FILES, archive.into_inner()?);
    let config = Blob::new(EMPTY, b"{}".to_vec());
    let mut manifest = Manifest::new(config.descriptor(), vec![layer.descriptor()]);
    manifest.artifact_type = Some(CONFIGURATION.into());
    Ok(Packed {
        root: Blob::new(MANIFEST, serde_json::to_vec(&manifest)?),
        parts: vec![config, layer],
    })
}

/// The components of a bundle, and the manifest with its files.
pub(super) fn entries(index: &Index) -> anyhow::Result<(Vec<&Descriptor>, Option<&Descriptor>)> {
    let kind = index.artifact_type.as_deref();
    ensure!(
        kind == Some(BUNDLE),
        "is an index of the type {}; a bundle of policies is {BUNDLE}",
        kind.unwrap_or("(none)")
    );
    ensure!(
        index.manifests.len() <= MAX_COMPONENTS,
        "is a bundle of more than {MAX_COMPONENTS} policies"
    );
    let mut components = Vec::new();
    let mut files = None;
    for entry in &index.manifests {
        match entry.artifact_type.as_deref() {
            Some(WASM_CONFIG) if is_manifest(&entry.media_type) => components.push(entry),
            Some(CONFIGURATION) if files.is_none() => files = Some(entry),
            other => bail!(
                "is a bundle with something of the type {}",
                other.unwrap_or(&entry.media_type)
            ),
        }
    }
    Ok((components, files))
}

/// The one layer of the manifest with the files.
pub(super) fn layer(manifest: &Manifest) -> anyhow::Result<&Descriptor> {
    match &manifest.layers[..] {
        [layer] if layer.media_type == FILES && manifest.kind() == CONFIGURATION => Ok(layer),
        _ => bail!("is a bundle whose files are not one layer of the type {FILES}"),
    }
}

/// Reads the archive of the files.
pub(super) fn read_files(bytes: &[u8]) -> anyhow::Result<Files> {
    let broken = |_| anyhow!("is a bundle whose files are no tar archive");
    let mut archive = tar::Archive::new(bytes);
    let mut files = Files::new();
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        ensure!(
            entry.header().entry_type().is_file(),
            "is a bundle with {path:?}, which is no file"
        );
        check_path(&path)?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(broken)?;
        ensure!(
            files.insert(path.clone(), content).is_none(),
            "is a bundle with two files {path:?}"
        );
    }
    for path in files.keys() {
        let inside = format!("{path}/");
        ensure!(
            !files.keys().any(|other| other.starts_with(&inside)),
            "is a bundle in which {path:?} is a file and a folder"
        );
    }
    Ok(files)
}

/// Refuses names of components that could not be those of files beside each other.
pub(super) fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        ensure!(
            is_part(name),
            "is a bundle with a policy {name:?}, which is no name of one: letters, digits, ., _ and -"
        );
        // Some file systems know no difference.
        ensure!(
            seen.insert(name.to_lowercase()),
            "is a bundle with two policies {name:?}"
        );
    }
    Ok(())
}

/// Whether something can be the name of a file, and leads nowhere else.
fn is_part(part: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._- ".contains(&byte);
    !part.is_empty() && !part.starts_with('.') && part.len() <= 128 && part.bytes().all(known)
}

/// Refuses a path that could lead out of the folder into which it is written.
fn check_path(path: &str) -> anyhow::Result<()> {
    ensure!(
        path.split('/').all(is_part),
        "{path:?} is no path of a file in a bundle: letters, digits, ., _ and - in folders by /"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Interface, pack_component};
    use super::*;

    fn files() -> Files {
        [("constraints/a.yaml".to_owned(), b"a: 1".to_vec())].into()
    }

    fn bundle() -> Packed {
        let component = pack_component(b"c".to_vec(), Interface::default(), Annotations::new());
        let components = vec![component.expect("it is packed")];
        pack_bundle(components, &files(), Annotations::new()).expect("it is packed")
    }

    #[test]
    fn a_bundle_is_read_as_it_was_packed() {
        let packed = bundle();
        assert_eq!(packed, bundle(), "the same bytes");
        let index: Index = serde_json::from_slice(&packed.root.bytes).expect("it is an index");
        let (components, files_entry) = entries(&index).expect("it is a bundle");
        assert_eq!(components.len(), 1);
        let part = |descriptor: &Descriptor| {
            let found = packed
                .parts
                .iter()
                .find(|part| part.descriptor().digest == descriptor.digest);
            found.expect("it is among the parts").bytes.clone()
        };
        let manifest = part(files_entry.expect("it has files"));
        let manifest: Manifest = serde_json::from_slice(&manifest).expect("it is a manifest");
        let layer = layer(&manifest).expect("it has a layer");
        assert_eq!(read_files(&part(layer)).expect("it is an archive"), files());
    }

    #[test]
    fn no_file_of_a_bundle_leads_out_of_its_folder() {
        for path in ["../a", "/a", "a/../b", "a//b", ".a", "a\\b", ""] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        for name in [
            "../a", "/tmp/a", "a/b", ".a", "", "a\\b", "a:b", "a\n", "..",
        ] {
            assert!(check_names([name].into_iter()).is_err(), "{name:?}");
        }
        assert!(check_names(["root-user", "log-level"].into_iter()).is_ok());
        assert!(check_names(["a", "A"].into_iter()).is_err());
    }

    /// Archives that no program of good will writes.
    fn archive(members: &[(tar::EntryType, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (kind, path) in members {
            let mut header = tar::Header::new_ustar();
            // Not by set_path, which refuses what leads out.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(0);
            if *kind != tar::EntryType::Regular {
                header.set_link_name("elsewhere").expect("it is short");
            }
            header.set_cksum();
            archive.append(&header, &[][..]).expect("it is in memory");
        }
        archive.into_inner().expect("it is in memory")
    }

    #[test]
    fn an_archive_that_leads_out_is_refused() {
        use tar::EntryType::{Char, Directory, Link, Regular, Symlink};
        for (members, part) in [
            (&[(Regular, "../a")][..], "no path of a file"),
            (&[(Regular, "/tmp/a")], "no path of a file"),
            (&[(Regular, "a/../../b")], "no path of a file"),
            (&[(Symlink, "a")], "is no file"),
            (&[(Link, "a")], "is no file"),
            (&[(Directory, "a")], "is no file"),
            (&[(Char, "a")], "is no file"),
            (&[(Regular, "a"), (Regular, "a")], "two files"),
            (&[(Regular, "a"), (Regular, "a/b")], "a file and a folder"),
        ] {
            let error = read_files(&archive(members)).expect_err(part);
            assert!(error.to_string().contains(part), "{members:?}: {error}");
        }
    }
}
