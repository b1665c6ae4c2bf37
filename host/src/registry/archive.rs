//! Artifacts in one file, for machines without a registry: an OCI image layout in a tar archive,
//! which other tools read as `oci-archive`.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use anyhow::{Context, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

use super::layout::{Document, INDEX, Index, MAX_LAYER, MAX_MANIFEST, is_manifest};
use super::{
    Descriptor, Digest, Pinned, Reference, Registry, Repository, SCHEME, Tags, Wanted,
    signature_tag,
};

/// The annotation with the name of an entry.
const NAME: &str = "org.opencontainers.image.ref.name";

/// The file that says what the others are.
const MARK: &str = "oci-layout";

/// The file that names the artifacts.
const ENTRIES: &str = "index.json";

/// What an archive held.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it is called.
    pub reference: Reference,
    /// Its digest.
    pub digest: Digest,
    /// Whether it is an artifact, and not the signature of one.
    pub artifact: bool,
}

impl Loaded {
    /// The reference that will always stand for the same bytes.
    #[must_use]
    pub fn exact(&self) -> Reference {
        Reference {
            repository: self.reference.repository.clone(),
            wanted: Wanted::Digest(
                self.reference.wanted.tag().map(str::to_owned),
                self.digest.clone(),
            ),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    image_layout_version: String,
}

impl Registry {
    /// Writes artifacts with their signatures as one archive; the same artifacts are the same
    /// bytes.
    pub fn save(
        &self,
        references: &[Reference],
        output: impl Write,
    ) -> anyhow::Result<Vec<Pinned>> {
        let mut entries = Vec::new();
        let mut blobs = BTreeMap::new();
        let mut pins = Vec::new();
        for reference in references {
            let pinned = self.pin(reference)?;
            self.wait(self.collect(&pinned, &mut entries, &mut blobs))
                .with_context(|| reference.to_string())?;
            pins.push(pinned);
        }
        let mark = Mark {
            image_layout_version: "1.0.0".into(),
        };
        let mut archive = tar::Builder::new(output);
        add(&mut archive, MARK, &serde_json::to_vec(&mark)?)?;
        for (digest, bytes) in &blobs {
            add(
                &mut archive,
                &format!("blobs/sha256/{}", digest.hex()),
                bytes,
            )?;
        }
        let index = serde_json::to_vec(&Index::new(entries))?;
        add(&mut archive, ENTRIES, &index)?;
        let mut output = archive
            .into_inner()
            .context("the archive cannot be written")?;
        output.flush().context("the archive cannot be written")?;
        Ok(pins)
    }

    async fn collect(
        &self,
        pinned: &Pinned,
        entries: &mut Vec<Descriptor>,
        blobs: &mut BTreeMap<Digest, Vec<u8>>,
    ) -> anyhow::Result<()> {
        let repository = &pinned.reference.repository;
        let remote = &self.shared.remote;
        let tag = pinned.tag.clone();
        let mut found = vec![(tag, pinned.found.clone())];
        let sigs = signature_tag(pinned.digest());
        found.extend(
            remote
                .tagged(repository, &sigs)
                .await?
                .map(|signature| (Some(sigs), signature)),
        );
        for entry in self.shared.referrers(repository, pinned.digest()).await? {
            let referrer = remote.addressed(repository, &entry.digest).await?;
            found.extend(referrer.map(|referrer| (None, referrer)));
        }
        for (tag, found) in found {
            let mut entry = found.descriptor.clone();
            let name = match tag {
                Some(tag) => format!("{repository}:{tag}"),
                None => format!("{repository}@{}", entry.digest),
            };
            entry.annotations.insert(NAME.into(), name);
            if !entries.contains(&entry) {
                entries.push(entry);
            }
            let packed = self.shared.gather(repository, found).await?;
            for blob in packed.parts.into_iter().chain([packed.root]) {
                blobs.insert(Digest::of(&blob.bytes), blob.bytes);
            }
        }
        Ok(())
    }

    /// Takes what an archive holds into the store. Nothing of it can be used before all of it was
    /// checked.
    pub fn load(&self, input: impl Read) -> anyhow::Result<Vec<Loaded>> {
        let store = &self.shared.remote.store;
        let mut index = None;
        let mut is_marked = false;
        let mut archive = tar::Archive::new(input);
        // Errors of tar show what the file holds, which may be no archive at all.
        let broken = |_| anyhow!("is no tar archive, or is cut short");
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            if entry.header().entry_type().is_dir() {
                continue;
            }
            let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
            let path = path.trim_start_matches("./").to_owned();
            ensure!(
                entry.header().entry_type().is_file(),
                "holds {path:?}, which is no file"
            );
            ensure!(
                entry.size() <= MAX_LAYER,
                "holds {path:?} with {} MiB, which is more than a policy has",
                entry.size() >> 20
            );
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            ensure!(bytes.len() as u64 == entry.size(), "is cut short");
            if path == MARK {
                is_marked = true;
            } else if path == ENTRIES {
                index = Some(bytes);
            } else if let Some(hex) = path.strip_prefix("blobs/sha256/") {
                let digest: Digest = format!("sha256:{hex}").parse()?;
                ensure!(
                    Digest::of(&bytes) == digest,
                    "holds {digest} with other bytes than that"
                );
                store.put(&bytes)?;
            } else {
                bail!("holds {path:?}, which is no part of an OCI image layout");
            }
        }
        let index = index
            .filter(|_| is_marked)
            .ok_or_else(|| anyhow!("is no OCI image layout: stridegate save writes one"))?;
        let Document::Index(index) = Document::read(&index, INDEX)? else {
            bail!("its index.json is no index");
        };
        let mut loaded = Vec::new();
        for entry in &index.manifests {
            let name = entry.annotations.get(NAME).context(
                "its index.json has an entry without a name; stridegate save names each",
            )?;
            let reference: Reference = format!("{SCHEME}{name}").parse()?;
            self.check_whole(entry, 0)
                .with_context(|| reference.to_string())?;
            let bytes = store.get(&entry.digest, MAX_MANIFEST);
            let document = Document::read(&bytes.unwrap_or_default(), &entry.media_type)?;
            let subject = match &document {
                Document::Manifest(manifest) => manifest.subject.clone(),
                Document::Index(_) => None,
            };
            let is_signature = subject.is_some()
                || reference
                    .wanted
                    .tag()
                    .is_some_and(|tag| tag.starts_with("sha256-"));
            if let Some(subject) = subject {
                let mut known = store.signatures(&subject.digest);
                if !known.iter().any(|known| known.digest == entry.digest) {
                    known.push(entry.clone());
                    store.sign(&subject.digest, &known)?;
                }
            }
            loaded.push(Loaded {
                reference,
                digest: entry.digest.clone(),
                artifact: !is_signature,
            });
        }
        let keep = |loaded: &Loaded, entry| {
            let tag = loaded.reference.wanted.tag();
            let repository = &loaded.reference.repository;
            tag.map_or(Ok(()), |tag| store.tag(repository, tag, entry))
        };
        // Signatures first: they say whether the others may be kept.
        let all = || loaded.iter().zip(&index.manifests);
        for (signature, entry) in all().filter(|(loaded, _)| !loaded.artifact) {
            keep(signature, entry)?;
        }
        for (artifact, _) in all().filter(|(loaded, _)| loaded.artifact) {
            let repository = &artifact.reference.repository;
            self.wait(self.shared.check_trust(repository, &artifact.digest, true))
                .with_context(|| artifact.reference.to_string())?;
        }
        for (artifact, entry) in all().filter(|(loaded, _)| loaded.artifact) {
            keep(artifact, entry)?;
        }
        Ok(loaded)
    }

    /// That everything that a manifest names is in the store.
    fn check_whole(&self, descriptor: &Descriptor, depth: u32) -> anyhow::Result<()> {
        ensure!(depth < 4, "holds indexes in indexes in indexes");
        let store = &self.shared.remote.store;
        let bytes = store
            .get(&descriptor.digest, descriptor.size)
            .with_context(|| format!("{} is missing, or has another length", descriptor.digest))?;
        descriptor.check(&bytes)?;
        if is_manifest(&descriptor.media_type) {
            let document = Document::read(&bytes, &descriptor.media_type)?;
            for inner in document.descriptors() {
                self.check_whole(inner, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Pushes what was loaded to a registry, below a path if one is given, under its own names.
    pub fn push_loaded(
        &self,
        loaded: &Loaded,
        registry: &str,
        prefix: &str,
        force: bool,
    ) -> anyhow::Result<Reference> {
        let source = &loaded.reference.repository;
        let path = format!("{prefix}/{}", source.path);
        let target = Repository {
            registry: registry.to_owned(),
            path: path.trim_start_matches('/').to_owned(),
        };
        let store = &self.shared.remote.store;
        let pushed = self.wait(async {
            let remote = &self.shared.remote;
            let found = remote.addressed(source, &loaded.digest).await?;
            let packed = self
                .shared
                .gather(source, found.context("is not in the store")?)
                .await?;
            let tag = loaded.reference.wanted.tag().map(str::to_owned);
            if let Some(tag) = tag {
                let tags = Tags {
                    tag,
                    force,
                    moving: false,
                };
                self.shared.push(&target, &tags, &packed).await?;
            } else {
                self.shared.push_parts(&target, &packed).await?;
                remote.push_manifest(&target, None, &packed.root).await?;
            }
            for entry in store.signatures(&loaded.digest) {
                self.shared
                    .copy_referrer(source, &target, &loaded.digest, &entry)
                    .await?;
            }
            anyhow::Ok(())
        });
        pushed.with_context(|| format!("{SCHEME}{target}"))?;
        Ok(Reference {
            repository: target,
            ..loaded.exact()
        })
    }
}

/// Adds a file to an archive, without a time and an owner.
pub(super) fn add(
    archive: &mut tar::Builder<impl Write>,
    path: &str,
    bytes: &[u8],
) -> anyhow::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, path, bytes)
        .context("the archive cannot be written")
}
