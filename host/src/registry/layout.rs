//! What artifacts are made of: manifests, indexes, and the configs of WebAssembly components.
//!
//! The shapes are those of the OCI image specification 1.1 and of the layout for WebAssembly
//! artifacts of the CNCF's working group. The client of the usual crate for this protocol reads
//! answers of any length and follows redirections to anywhere, so that only these few shapes would
//! be left of it.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use super::Digest;

/// The type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The type of the config of a WebAssembly artifact.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The type of the one layer of a WebAssembly artifact.
pub const WASM_LAYER: &str = "application/wasm";
/// The type of a config that says nothing.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The annotation with the version.
pub const VERSION: &str = "org.opencontainers.image.version";
/// The annotation with the name.
pub const TITLE: &str = "org.opencontainers.image.title";
/// The annotation with one line about it.
pub const DESCRIPTION: &str = "org.opencontainers.image.description";

/// The most bytes that a manifest, an index or a config can have.
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The most bytes that a layer can have.
pub const MAX_LAYER: u64 = 256 << 20;

/// Texts by key, in a fixed order, so that the same artifact has the same bytes.
pub type Annotations = BTreeMap<String, String>;

/// Names bytes, and says what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What they are.
    pub media_type: String,
    /// Their digest.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// Of a manifest: what kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What else is said of them.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "or_empty"
    )]
    pub annotations: Annotations,
}

impl Descriptor {
    /// Describes bytes.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: Annotations::new(),
        }
    }

    /// Refuses bytes that are not the ones.
    pub fn check(&self, bytes: &[u8]) -> anyhow::Result<()> {
        ensure!(
            bytes.len() as u64 == self.size,
            "{} has {} bytes where {} were promised",
            self.digest,
            bytes.len(),
            self.size
        );
        let digest = Digest::of(bytes);
        ensure!(
            digest == self.digest,
            "what was sent for {} has the digest {digest}",
            self.digest
        );
        Ok(())
    }
}

fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Annotations, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An artifact: a config and layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`MANIFEST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is, where the config does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The config.
    pub config: Descriptor,
    /// The layers.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// What else is said of it.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "or_empty"
    )]
    pub annotations: Annotations,
}

/// A list of manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// [`INDEX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// What else is said of it.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "or_empty"
    )]
    pub annotations: Annotations,
}

impl Manifest {
    /// A manifest with this config and these layers.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MANIFEST.into()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: Annotations::new(),
        }
    }

    /// What kind of artifact it is.
    #[must_use]
    pub fn kind(&self) -> &str {
        let kind = self.artifact_type.as_deref().filter(|kind| *kind != EMPTY);
        kind.unwrap_or(&self.config.media_type)
    }
}

impl Index {
    /// An index of these manifests.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(INDEX.into()),
            artifact_type: None,
            manifests,
            annotations: Annotations::new(),
        }
    }
}

/// What a tag or a digest stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, and almost always it is the larger"
)]
pub enum Document {
    /// One artifact.
    Manifest(Manifest),
    /// A list of them.
    Index(Index),
}

impl Document {
    /// Reads a manifest or an index. What says of itself to be something else than its sender
    /// said is refused: the two would be read in different ways.
    pub fn read(bytes: &[u8], media_type: &str) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            schema_version: u32,
            media_type: Option<String>,
            config: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
            manifests: Option<serde::de::IgnoredAny>,
        }
        let head: Head = serde_json::from_slice(bytes).context("is no manifest")?;
        ensure!(
            head.schema_version == 2,
            "is a manifest of the schema version {}; this program reads version 2",
            head.schema_version
        );
        if let Some(own) = &head.media_type {
            ensure!(
                own == media_type,
                "was sent as {media_type}, and says of itself that it is {own}"
            );
        }
        ensure!(
            head.manifests.is_none() || (head.layers.is_none() && head.config.is_none()),
            "is a manifest and an index at once"
        );
        match media_type {
            MANIFEST => Ok(Self::Manifest(
                serde_json::from_slice(bytes).context("is no OCI manifest")?,
            )),
            INDEX => Ok(Self::Index(
                serde_json::from_slice(bytes).context("is no OCI index")?,
            )),
            other => bail!("is of the type {other}; this program reads {MANIFEST} and {INDEX}"),
        }
    }

    /// What else is said of it.
    #[must_use]
    pub fn annotations(&self) -> &Annotations {
        match self {
            Self::Manifest(manifest) => &manifest.annotations,
            Self::Index(index) => &index.annotations,
        }
    }

    /// All that it names.
    #[must_use]
    pub fn descriptors(&self) -> Vec<&Descriptor> {
        match self {
            Self::Manifest(manifest) => std::iter::once(&manifest.config)
                .chain(&manifest.layers)
                .collect(),
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }
}

/// What the config of a WebAssembly artifact says of its component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WasmConfig {
    /// When it was made. Always the same, so that the same component has the same digest.
    pub created: String,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// `wasm`.
    pub architecture: String,
    /// `wasip2` for every component, whether it uses WASI or not.
    pub os: String,
    /// The digests of the layers.
    pub layer_digests: Vec<Digest>,
    /// What a component imports and exports; none for a core module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Interface>,
}

/// The names of what a component imports and exports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// What it gives.
    #[serde(default)]
    pub exports: Vec<String>,
    /// What it needs.
    #[serde(default)]
    pub imports: Vec<String>,
}

impl WasmConfig {
    /// The config of a component.
    #[must_use]
    pub fn new(layer: &Descriptor, interface: Interface) -> Self {
        Self {
            created: "1970-01-01T00:00:00Z".into(),
            author: None,
            architecture: "wasm".into(),
            os: "wasip2".into(),
            layer_digests: vec![layer.digest.clone()],
            component: Some(interface),
        }
    }
}

/// A manifest or an index with all that it consists of, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The manifest or index.
    pub root: Blob,
    /// What it names: blobs, and manifests after their own blobs.
    pub parts: Vec<Blob>,
}

/// Bytes, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What they are.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// Bytes of a type.
    #[must_use]
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        Self {
            media_type: media_type.to_owned(),
            bytes,
        }
    }

    /// Names them.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(&self.media_type, &self.bytes)
    }

    /// Whether they are a manifest or an index, which a registry keeps apart from other bytes.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        is_manifest(&self.media_type)
    }
}

/// Whether a type is that of a manifest or an index.
#[must_use]
pub fn is_manifest(media_type: &str) -> bool {
    [MANIFEST, INDEX].contains(&media_type)
}

/// A component as an artifact.
pub fn pack_component(
    component: Vec<u8>,
    interface: Interface,
    annotations: Annotations,
) -> anyhow::Result<Packed> {
    let layer = Blob::new(WASM_LAYER, component);
    let config = WasmConfig::new(&layer.descriptor(), interface);
    let config = Blob::new(WASM_CONFIG, serde_json::to_vec(&config)?);
    let mut manifest = Manifest::new(config.descriptor(), vec![layer.descriptor()]);
    manifest.annotations = annotations;
    Ok(Packed {
        root: Blob::new(MANIFEST, serde_json::to_vec(&manifest)?),
        parts: vec![config, layer],
    })
}

/// The layer of a component, and what its config promises of it. What this program could not
/// run is refused before it is downloaded: `export` is the interface that it has to give.
pub fn check_component<'a>(
    manifest: &'a Manifest,
    config: &[u8],
    export: &str,
) -> anyhow::Result<(&'a Descriptor, WasmConfig)> {
    let layer = component_layer(manifest)?;
    let config: WasmConfig =
        serde_json::from_slice(config).context("its config is not that of a component")?;
    ensure!(
        config.layer_digests == [layer.digest.clone()],
        "its config speaks of another layer than its manifest"
    );
    let Some(interface) = &config.component else {
        bail!("is a core module, and no component");
    };
    ensure!(
        interface.imports.is_empty(),
        "imports {}; a policy imports nothing",
        interface.imports.join(", ")
    );
    ensure!(
        interface.exports.iter().any(|name| name == export),
        "exports {}, and not {export}, which this program speaks",
        interface.exports.join(", ")
    );
    Ok((layer, config))
}

/// The one layer of the manifest of a WebAssembly artifact.
pub fn component_layer(manifest: &Manifest) -> anyhow::Result<&Descriptor> {
    ensure!(
        manifest.config.media_type == WASM_CONFIG,
        "is of the type {}; the config of a policy is {WASM_CONFIG}",
        manifest.kind()
    );
    match &manifest.layers[..] {
        [layer] if layer.media_type == WASM_LAYER => Ok(layer),
        [layer] => bail!(
            "has a layer of the type {}, where {WASM_LAYER} is due",
            layer.media_type
        ),
        layers => bail!("has {} layers, where one is due", layers.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> Packed {
        let interface = Interface {
            exports: vec!["a:b/c@1.0.0".into()],
            imports: Vec::new(),
        };
        pack_component(b"component".to_vec(), interface, Annotations::new()).expect("it is packed")
    }

    fn manifest(packed: &Packed) -> Manifest {
        match Document::read(&packed.root.bytes, MANIFEST).expect("it is a manifest") {
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => panic!("it is an index"),
        }
    }

    #[test]
    fn the_same_component_has_the_same_bytes() {
        assert_eq!(packed(), packed());
        let digest = packed().root.descriptor().digest.to_string();
        assert_eq!(
            digest, "sha256:e936113cc6b88d33bb1f93e923db5d34622b41abe07aaf39e01c675ed7c5f5f8",
            "a change of this is a change of every published digest"
        );
    }

    #[test]
    fn a_component_that_cannot_run_is_refused_by_its_config() {
        let packed = packed();
        let manifest = manifest(&packed);
        let config = &packed.parts[0].bytes;
        assert!(check_component(&manifest, config, "a:b/c@1.0.0").is_ok());
        for (from, to, part) in [
            ("a:b/c@1.0.0", "a:b/c@2.0.0", "and not a:b/c@1.0.0"),
            ("\"imports\":[]", "\"imports\":[\"x:y/z\"]", "imports x:y/z"),
            (
                "\"layerDigests\":[",
                "\"layerDigests\":[\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",",
                "another layer",
            ),
            ("component", "model", "core module"),
        ] {
            let changed = String::from_utf8_lossy(config).replace(from, to);
            let error =
                check_component(&manifest, changed.as_bytes(), "a:b/c@1.0.0").expect_err(part);
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
    }

    #[test]
    fn a_manifest_of_another_shape_is_refused() {
        let good = String::from_utf8(packed().root.bytes).expect("JSON is text");
        for (from, to, part) in [
            (
                WASM_CONFIG,
                "application/vnd.wasm.config.v1+json",
                "is of the type",
            ),
            (
                WASM_LAYER,
                "application/vnd.wasm.content.layer.v1+wasm",
                "has a layer",
            ),
            ("\"layers\":[{", "\"layers\":[],\"x\":[{", "has 0 layers"),
        ] {
            let bytes = good.replacen(from, to, 1);
            let Ok(Document::Manifest(manifest)) = Document::read(bytes.as_bytes(), MANIFEST)
            else {
                panic!("{bytes}");
            };
            let error = component_layer(&manifest).expect_err(part);
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
        for (from, to, part) in [
            (
                "\"schemaVersion\":2",
                "\"schemaVersion\":1",
                "schema version 1",
            ),
            (MANIFEST, INDEX, "says of itself"),
            (
                "\"schemaVersion\":2",
                "\"schemaVersion\":2,\"manifests\":[]",
                "at once",
            ),
            ("sha256:", "sha512:", "no OCI manifest"),
            ("{", "[", "no manifest"),
        ] {
            let error =
                Document::read(good.replacen(from, to, 1).as_bytes(), MANIFEST).expect_err(part);
            assert!(format!("{error:#}").contains(part), "{error:#}");
        }
    }
}
