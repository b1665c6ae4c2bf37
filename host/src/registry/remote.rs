//! What a registry can be asked for, and what of it is kept on this machine.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, anyhow, bail, ensure};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::layout::{self, Document, INDEX, Index, MANIFEST, MAX_LAYER, MAX_MANIFEST, is_manifest};
use super::store::Store;
use super::transport::{Answer, Call, Target, Transport};
use super::{Blob, Descriptor, Digest, Repository, SCHEME};
use crate::source::nearest;

/// What a request for a manifest accepts.
const ACCEPTED: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// The most pages of a list of tags that are read.
const MAX_PAGES: usize = 200;

/// A manifest or an index, as bytes and as read.
#[derive(Clone, Debug)]
pub struct Found {
    /// What names it.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it says.
    pub document: Document,
}

impl Found {
    fn new(bytes: Vec<u8>, media_type: &str) -> anyhow::Result<Self> {
        Ok(Self {
            descriptor: Descriptor::of(media_type, &bytes),
            document: Document::read(&bytes, media_type)?,
            bytes,
        })
    }
}

/// Registries, and what is kept of them.
pub(super) struct Remote {
    pub(super) transport: Transport,
    pub(super) store: Store,
    pub(super) offline: bool,
    notices: Mutex<Vec<String>>,
}

impl Remote {
    pub(super) fn new(transport: Transport, store: Store, offline: bool) -> Self {
        Self {
            transport,
            store,
            offline,
            notices: Mutex::default(),
        }
    }

    /// What could not be kept, since this was last asked. What was pulled is good all the same.
    pub(super) fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn keep<T>(&self, kept: anyhow::Result<T>) {
        if let Err(error) = kept {
            let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
            let notice = format!("{error:#}");
            // One reason is enough for a full disk.
            if notices.is_empty() {
                notices.push(notice);
            }
        }
    }

    /// What a tag stands for; none if it is not there.
    pub(super) async fn tagged(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> anyhow::Result<Option<Found>> {
        if self.offline {
            let tags = self.store.tags(repository);
            let Some(kept) = tags.into_iter().find(|kept| kept.tag == tag) else {
                return Ok(None);
            };
            return self.addressed(repository, &kept.target.digest).await;
        }
        let Some(found) = self.manifest(repository, tag, false).await? else {
            return Ok(None);
        };
        self.keep(self.store.put(&found.bytes));
        self.keep(self.store.tag(repository, tag, &found.descriptor));
        Ok(Some(found))
    }

    /// The manifest or index with a digest; none if it is not there.
    pub(super) async fn addressed(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> anyhow::Result<Option<Found>> {
        if let Some(bytes) = self.store.get(digest, MAX_MANIFEST) {
            let media_type = own_media_type(&bytes);
            return Found::new(bytes, &media_type).map(Some);
        }
        self.connected()?;
        let found = self.manifest(repository, &digest.to_string(), true).await?;
        let Some(found) = found else { return Ok(None) };
        ensure!(
            found.descriptor.digest == *digest,
            "the registry sent a manifest with the digest {}",
            found.descriptor.digest
        );
        self.keep(self.store.put(&found.bytes));
        Ok(Some(found))
    }

    /// The manifest or index with a digest, if it is kept on this machine.
    pub(super) fn kept(&self, digest: &Digest) -> Option<Found> {
        let bytes = self.store.get(digest, MAX_MANIFEST)?;
        let media_type = own_media_type(&bytes);
        Found::new(bytes, &media_type).ok()
    }

    async fn manifest(
        &self,
        repository: &Repository,
        name: &str,
        addressed: bool,
    ) -> anyhow::Result<Option<Found>> {
        let call = Call {
            accept: ACCEPTED,
            addressed,
            ..Call::get(repository, format!("manifests/{name}"))
        };
        let answer = self.transport.exchange(&call).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.success(repository)?;
        if let Some(digest) = answer.header("docker-content-digest") {
            let actual = Digest::of(&answer.body).to_string();
            ensure!(
                !digest.starts_with("sha256:") || digest == actual,
                "the registry says that it sent {digest}, and sent {actual}"
            );
        }
        let media_type = media_type(&answer);
        Found::new(answer.body, &media_type).map(Some)
    }

    /// Bytes that a manifest names.
    pub(super) async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> anyhow::Result<Vec<u8>> {
        ensure!(
            descriptor.size <= MAX_LAYER,
            "{} has {} MiB; this program reads up to {}",
            descriptor.digest,
            descriptor.size >> 20,
            MAX_LAYER >> 20
        );
        if let Some(bytes) = self.store.get(&descriptor.digest, descriptor.size) {
            descriptor.check(&bytes)?;
            return Ok(bytes);
        }
        self.connected()?;
        let call = Call {
            limit: descriptor.size,
            exact: Some(descriptor.size),
            addressed: true,
            ..Call::get(repository, format!("blobs/{}", descriptor.digest))
        };
        let answer = self.transport.exchange(&call).await?.success(repository)?;
        descriptor.check(&answer.body)?;
        self.keep(self.store.put(&answer.body));
        Ok(answer.body)
    }

    /// Bytes that a manifest names, or the manifest that an index names.
    pub(super) async fn part(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
    ) -> anyhow::Result<Vec<u8>> {
        if !is_manifest(&descriptor.media_type) {
            return self.blob(repository, descriptor).await;
        }
        let found = self.addressed(repository, &descriptor.digest).await?;
        let found = found.with_context(|| format!("{} is missing", descriptor.digest))?;
        descriptor.check(&found.bytes)?;
        ensure!(
            found.descriptor.media_type == descriptor.media_type,
            "{} was announced as {}, and is {}",
            descriptor.digest,
            descriptor.media_type,
            found.descriptor.media_type
        );
        Ok(found.bytes)
    }

    /// The tags of a repository, in the registry's order.
    pub(super) async fn tags(&self, repository: &Repository) -> anyhow::Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        if self.offline {
            let kept = self.store.tags(repository).into_iter();
            return Ok(kept.map(|kept| kept.tag).collect());
        }
        let mut tags = Vec::new();
        let mut call = Call::get(repository, "tags/list?n=1000".into());
        for _ in 0..MAX_PAGES {
            let answer = self.transport.exchange(&call).await?;
            if answer.status == StatusCode::NOT_FOUND {
                bail!(
                    "{SCHEME}{repository} is no repository of the registry{}",
                    self.near(repository).await
                );
            }
            let answer = answer.success(repository)?;
            let page: Page = serde_json::from_slice(&answer.body)
                .map_err(|_| anyhow!("the registry sent something else than a list of tags"))?;
            tags.extend(page.tags.unwrap_or_default());
            let Some(next) = next_page(&answer)? else {
                return Ok(tags);
            };
            call.target = next;
        }
        bail!("the registry's list of tags has no end")
    }

    /// Which repository may have been meant, where the registry tells which it has.
    async fn near(&self, repository: &Repository) -> String {
        #[derive(Deserialize)]
        struct Catalog {
            repositories: Vec<String>,
        }
        let call = Call {
            target: Target::Registry("_catalog?n=1000".into()),
            ..Call::get(repository, String::new())
        };
        let answer = self.transport.once(&call).await.ok();
        let answer = answer.filter(|answer| answer.status.is_success());
        let read = answer.and_then(|answer| serde_json::from_slice::<Catalog>(&answer.body).ok());
        let known = read.map(|catalog| catalog.repositories).unwrap_or_default();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let near = nearest(&repository.path, &known);
        let near =
            near.map(|near| format!("; did you mean {SCHEME}{}/{near}?", repository.registry));
        near.unwrap_or_default()
    }

    /// The manifests that are about another one.
    pub(super) async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> anyhow::Result<Vec<Descriptor>> {
        let call = Call {
            accept: INDEX,
            ..Call::get(repository, format!("referrers/{subject}"))
        };
        let answer = self.transport.exchange(&call).await?;
        let listed = if answer.status == StatusCode::NOT_FOUND {
            Vec::new()
        } else {
            let answer = answer.success(repository)?;
            let index: Index = serde_json::from_slice(&answer.body).map_err(|_| {
                anyhow!("the registry sent something else than a list of referrers")
            })?;
            index.manifests
        };
        if !listed.is_empty() {
            return Ok(listed);
        }
        Ok(self.fallback(repository, subject).await?.manifests)
    }

    /// The list that stands at a tag where a registry keeps none of its own.
    async fn fallback(&self, repository: &Repository, subject: &Digest) -> anyhow::Result<Index> {
        match self
            .manifest(repository, &fallback_tag(subject), false)
            .await?
        {
            Some(Found {
                document: Document::Index(index),
                ..
            }) => Ok(index),
            Some(_) => bail!("the tag {} is no list of referrers", fallback_tag(subject)),
            None => Ok(Index::new(Vec::new())),
        }
    }

    /// What a tag stands for, without its bytes.
    pub(super) async fn head(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> anyhow::Result<Option<Digest>> {
        let found = self.manifest(repository, tag, false).await?;
        Ok(found.map(|found| found.descriptor.digest))
    }

    /// Makes sure that a registry has some bytes.
    pub(super) async fn push_blob(
        &self,
        repository: &Repository,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        self.connected()?;
        let digest = Digest::of(bytes);
        let probe = Call {
            method: Method::HEAD,
            addressed: true,
            writes: true,
            ..Call::get(repository, format!("blobs/{digest}"))
        };
        if self.transport.exchange(&probe).await?.status.is_success() {
            return Ok(());
        }
        let begin = Call::write(
            repository,
            Method::POST,
            Target::Path("blobs/uploads/".into()),
        );
        let finish = |answer: &Answer| {
            let location = answer
                .header("location")
                .and_then(|location| answer.url.join(location).ok());
            let mut location =
                location.context("the registry does not say where the bytes are to be sent")?;
            location
                .query_pairs_mut()
                .append_pair("digest", &digest.to_string());
            Ok(location)
        };
        let answer = self.transport.upload(&begin, finish, bytes).await?;
        answer.success(repository)?;
        self.keep(self.store.put(bytes));
        Ok(())
    }

    /// Pushes a manifest or an index to a tag, or to its digest.
    pub(super) async fn push_manifest(
        &self,
        repository: &Repository,
        tag: Option<&str>,
        manifest: &Blob,
    ) -> anyhow::Result<Answer> {
        self.connected()?;
        let digest = Digest::of(&manifest.bytes);
        let name = tag.map_or_else(|| digest.to_string(), str::to_owned);
        let mut call = Call::write(
            repository,
            Method::PUT,
            Target::Path(format!("manifests/{name}")),
        );
        call.body = Some((&manifest.media_type, &manifest.bytes));
        let answer = self.transport.exchange(&call).await?.success(repository)?;
        if let Some(said) = answer.header("docker-content-digest") {
            ensure!(
                said == digest.to_string(),
                "the registry keeps {digest} as {said}"
            );
        }
        self.keep(self.store.put(&manifest.bytes));
        if let Some(tag) = tag {
            self.keep(self.store.tag(repository, tag, &manifest.descriptor()));
        }
        Ok(answer)
    }

    /// Pushes a manifest that is about another one, and lists it where the registry does not.
    pub(super) async fn push_referrer(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifest: &Blob,
    ) -> anyhow::Result<()> {
        let answer = self.push_manifest(repository, None, manifest).await?;
        if answer.header("oci-subject").is_some() {
            return Ok(());
        }
        let mut entry = manifest.descriptor();
        if let Document::Manifest(read) = Document::read(&manifest.bytes, &manifest.media_type)? {
            entry.artifact_type = Some(read.kind().to_owned());
            entry.annotations = read.annotations;
        }
        let mut index = self.fallback(repository, subject).await?;
        if index
            .manifests
            .iter()
            .any(|known| known.digest == entry.digest)
        {
            return Ok(());
        }
        index.manifests.push(entry);
        let index = Blob::new(INDEX, serde_json::to_vec(&index)?);
        let tag = fallback_tag(subject);
        self.push_manifest(repository, Some(&tag), &index).await?;
        Ok(())
    }

    fn connected(&self) -> anyhow::Result<()> {
        ensure!(
            !self.offline,
            "is not among what was pulled; leave --offline out, or pull it first"
        );
        Ok(())
    }
}

/// The tag under which the referrers of a manifest are listed.
pub(super) fn fallback_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn media_type(answer: &Answer) -> String {
    let text = answer.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let text = text.split(';').next().unwrap_or_default().trim();
    text.to_ascii_lowercase()
}

/// What kept bytes say of themselves; their sender's word is not kept.
fn own_media_type(bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
    }
    let head: Option<Head> = serde_json::from_slice(bytes).ok();
    match head {
        Some(Head {
            media_type: Some(media_type),
            ..
        }) => media_type,
        Some(Head {
            manifests: Some(_), ..
        }) => layout::INDEX.into(),
        _ => MANIFEST.into(),
    }
}

/// Where the next page of a list is: `<URL>; rel="next"`.
fn next_page(answer: &Answer) -> anyhow::Result<Option<Target>> {
    let Some(link) = answer.header("link") else {
        return Ok(None);
    };
    let url = link
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .filter(|(_, rest)| rest.contains("next"))
        .and_then(|(url, _)| answer.url.join(url).ok());
    let Some(url) = url else { return Ok(None) };
    ensure!(
        url.origin() == answer.url.origin(),
        "the registry continues its list of tags elsewhere"
    );
    Ok(Some(Target::Url(url)))
}
