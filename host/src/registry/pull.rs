//! Gets the bytes of artifacts, after they were pinned.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use semver::Version;
use tokio::task::JoinSet;

use super::layout::{self, Document, Index, TITLE, VERSION};
use super::{Descriptor, Files, Manifest, Pinned, Reference, Registry, Repository, Shared, bundle};
use crate::engine;

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

impl Registry {
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
            // What failed is no longer on its way either.
            meter.settle();
            pulled.sort_by_key(|(index, _)| *index);
            pulled.into_iter().map(|(_, artifact)| artifact).collect()
        })
    }
}

impl Shared {
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
            let name = annotation(TITLE).unwrap_or_else(|| entry.digest.hex().to_owned());
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
    bundle::check_names(components.iter().map(|component| &component.name[..]))?;
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
