//! Signatures of artifacts with a key, in the two layouts of cosign.
//!
//! The older one keeps them at the tag `sha256-<hex>.sig`: each layer of that manifest is a small
//! text that names the digest, with its signature in an annotation ("simple signing"). The newer
//! one keeps each as an artifact that refers to what it signs: a sigstore bundle with a DSSE
//! envelope around an in-toto statement that names the digest.

mod key;

use anyhow::{Context, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::layout::{EMPTY, MANIFEST};
use super::{Annotations, Blob, Descriptor, Digest, Manifest, Packed, Repository};

pub use key::{PrivateKey, PublicKey};

/// The type of a text that names a digest.
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The annotation with the signature of such a text.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// The type of a sigstore bundle.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What the types of all versions of it begin with.
const BUNDLES: &str = "application/vnd.dev.sigstore.bundle";

/// The type of what a bundle's envelope holds.
const STATEMENT: &str = "application/vnd.in-toto+json";

/// What a statement states that is a signature, and not, say, a list of parts.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

/// The most bytes of one signature.
pub(super) const MAX_SIGNATURE: u64 = 1 << 20;

/// The most signatures of one artifact that are looked at.
pub(super) const MAX_SIGNATURES: usize = 64;

/// Where a signature is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// At the tag `sha256-<hex>.sig`.
    Simple,
    /// In a bundle that refers to what it signs.
    Bundle,
}

/// Something signed, whose signature was not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Evidence {
    /// The bytes that were signed.
    message: Vec<u8>,
    /// Their signatures, in DER.
    signatures: Vec<Vec<u8>>,
    /// The digests that they speak of.
    subjects: Vec<String>,
    /// The repositories for which they speak of them, as far as they say so.
    repositories: Vec<String>,
}

impl Evidence {
    /// Whether a key signed a digest.
    pub(super) fn holds(&self, digest: &Digest, key: &PublicKey) -> bool {
        let digest = digest.to_string();
        let signed = |signature: &Vec<u8>| key.verifies(&self.message, signature);
        self.subjects.contains(&digest) && self.signatures.iter().any(signed)
    }

    /// Whether it was signed for a repository, and for no other.
    pub(super) fn names(&self, repository: &Repository) -> bool {
        let same = |name: &String| bare_name(name) == bare_name(&repository.to_string());
        !self.repositories.is_empty() && self.repositories.iter().all(same)
    }

    /// Reads the text of an older signature, and the annotations that it came with.
    fn simple(payload: Vec<u8>, annotations: &Annotations) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Payload {
            critical: Critical,
        }
        #[derive(Deserialize)]
        struct Critical {
            image: Image,
            identity: Option<Identity>,
        }
        #[derive(Deserialize)]
        struct Identity {
            #[serde(rename = "docker-reference")]
            name: Option<String>,
        }
        #[derive(Deserialize)]
        struct Image {
            #[serde(rename = "docker-manifest-digest")]
            digest: String,
        }
        let read: Payload = serde_json::from_slice(&payload).context("is no text of cosign's")?;
        let signature = annotations.get(SIGNATURE).context("has no signature")?;
        Ok(Self {
            message: payload,
            signatures: vec![decode(signature)?],
            subjects: vec![read.critical.image.digest],
            repositories: named([read.critical.identity.and_then(|identity| identity.name)]),
        })
    }

    /// Reads a bundle.
    fn bundle(bytes: &[u8]) -> anyhow::Result<Self> {
        let bundle: Bundle = serde_json::from_slice(bytes).context("is no sigstore bundle")?;
        ensure!(
            bundle.media_type.starts_with(BUNDLES),
            "is no sigstore bundle"
        );
        let envelope = bundle
            .dsse_envelope
            .context("is a bundle without an envelope")?;
        ensure!(
            envelope.payload_type == STATEMENT,
            "is a bundle of {}, and not of {STATEMENT}",
            envelope.payload_type
        );
        let payload = decode(&envelope.payload)?;
        let statement: Statement =
            serde_json::from_slice(&payload).context("is a bundle without a statement")?;
        ensure!(
            statement.predicate_type == SIGNED,
            "states {}, and is no signature",
            statement.predicate_type
        );
        let signatures = envelope.signatures.iter();
        let (names, subjects): (Vec<_>, Vec<_>) = statement
            .subject
            .into_iter()
            .map(|subject| (subject.name, subject.digest))
            .unzip();
        Ok(Self {
            message: authenticated(&envelope.payload_type, &payload),
            signatures: signatures
                .map(|signature| decode(&signature.sig))
                .collect::<anyhow::Result<_>>()?,
            subjects: subjects
                .into_iter()
                .filter_map(|digest| Some(format!("sha256:{}", digest.sha256?)))
                .collect(),
            repositories: named(names),
        })
    }

    /// Which layers of a manifest may hold evidence.
    pub(super) fn layers(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
        let layers = manifest.layers.iter();
        layers.filter(|layer| layer.media_type == SIMPLE || layer.media_type.starts_with(BUNDLES))
    }

    /// Reads a layer.
    pub(super) fn read(layer: &Descriptor, bytes: Vec<u8>) -> anyhow::Result<Self> {
        if layer.media_type == SIMPLE {
            Self::simple(bytes, &layer.annotations)
        } else {
            Self::bundle(&bytes)
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<Envelope>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signed>,
}

#[derive(Serialize, Deserialize)]
struct Signed {
    sig: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
    predicate: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Subject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    digest: SubjectDigest,
}

#[derive(Serialize, Deserialize)]
struct SubjectDigest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// Names of repositories that say something.
fn named(names: impl IntoIterator<Item = Option<String>>) -> Vec<String> {
    let names = names.into_iter().flatten();
    names.filter(|name| !name.is_empty()).collect()
}

/// The name of a repository without a tag and a digest. That of Docker's registry is written in
/// two ways.
fn bare_name(name: &str) -> String {
    let name = name.split('@').next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    match name.strip_prefix("index.docker.io/") {
        Some(path) => format!("docker.io/{path}"),
        None => name.to_owned(),
    }
}

/// Whether what refers to something may be its signature, as far as the list of referrers says:
/// cosign does not always say it of its own.
pub(super) fn may_be_evidence(entry: &Descriptor) -> bool {
    let kind = entry.artifact_type.as_deref();
    kind.is_none_or(|kind| kind == EMPTY || kind == SIMPLE || kind.starts_with(BUNDLES))
}

/// What is signed of an envelope: its type and its payload, each with its length.
fn authenticated(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    [head.as_bytes(), payload].concat()
}

fn decode(text: &str) -> anyhow::Result<Vec<u8>> {
    BASE64
        .decode(text.trim())
        .map_err(|_| anyhow!("holds a signature that is no base64"))
}

/// Signs a digest in the newer layout: the artifact that refers to it. The name of the subject is
/// the repository, as it is in cosign's attestations.
pub(super) fn sign_bundle(
    repository: &Repository,
    subject: &Descriptor,
    key: &PrivateKey,
) -> anyhow::Result<Packed> {
    let statement = Statement {
        kind: "https://in-toto.io/Statement/v1".into(),
        subject: vec![Subject {
            name: Some(repository.to_string()),
            digest: SubjectDigest {
                sha256: Some(subject.digest.hex().to_owned()),
            },
        }],
        predicate_type: SIGNED.into(),
        predicate: json!({}),
    };
    let payload = serde_json::to_vec(&statement)?;
    let signature = key.sign(&authenticated(STATEMENT, &payload));
    let hint = key.public()?.hint()?;
    let bundle = Bundle {
        media_type: BUNDLE.into(),
        verification_material: json!({"publicKey": {"hint": hint}}),
        dsse_envelope: Some(Envelope {
            payload: BASE64.encode(&payload),
            payload_type: STATEMENT.into(),
            signatures: vec![Signed {
                sig: BASE64.encode(signature),
            }],
        }),
    };
    let bundle = Blob::new(BUNDLE, serde_json::to_vec(&bundle)?);
    let config = Blob::new(EMPTY, b"{}".to_vec());
    let mut manifest = Manifest::new(config.descriptor(), vec![bundle.descriptor()]);
    manifest.artifact_type = Some(BUNDLE.into());
    manifest.subject = Some(Descriptor {
        artifact_type: None,
        annotations: Annotations::new(),
        ..subject.clone()
    });
    let annotations = [
        ("dev.sigstore.bundle.content", "dsse-envelope"),
        ("dev.sigstore.bundle.predicateType", SIGNED),
    ];
    manifest.annotations = annotations
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    Ok(Packed {
        root: Blob::new(MANIFEST, serde_json::to_vec(&manifest)?),
        parts: vec![config, bundle],
    })
}

/// Signs a digest in the older layout, beside the signatures that are there.
pub(super) fn sign_simple(
    repository: &Repository,
    subject: &Digest,
    key: &PrivateKey,
    there: Option<Manifest>,
) -> anyhow::Result<Packed> {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": repository.to_string()},
            "image": {"docker-manifest-digest": subject.to_string()},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let payload = Blob::new(SIMPLE, serde_json::to_vec(&payload)?);
    let mut layer = payload.descriptor();
    let signature = BASE64.encode(key.sign(&payload.bytes));
    layer.annotations.insert(SIGNATURE.into(), signature);
    let mut layers = there.map(|manifest| manifest.layers).unwrap_or_default();
    if !layers.contains(&layer) {
        layers.push(layer);
    }
    let digests: Vec<&Digest> = layers.iter().map(|layer| &layer.digest).collect();
    let config = json!({
        "architecture": "",
        "config": {},
        "created": "0001-01-01T00:00:00Z",
        "history": vec![json!({"created": "0001-01-01T00:00:00Z"}); layers.len()],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": digests},
    });
    let config = Blob::new(
        "application/vnd.oci.image.config.v1+json",
        serde_json::to_vec(&config)?,
    );
    let manifest = Manifest::new(config.descriptor(), layers);
    Ok(Packed {
        root: Blob::new(MANIFEST, serde_json::to_vec(&manifest)?),
        parts: vec![config, payload],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> Repository {
        Repository {
            registry: "r.example".into(),
            path: "a".into(),
        }
    }

    fn evidence(packed: &Packed) -> Evidence {
        let manifest: Manifest = serde_json::from_slice(&packed.root.bytes).expect("a manifest");
        let layer = Evidence::layers(&manifest).next().expect("it has a layer");
        Evidence::read(layer, packed.parts[1].bytes.clone()).expect("it is evidence")
    }

    #[test]
    fn a_signature_is_of_one_digest_and_one_key() {
        let subject = Descriptor::of(MANIFEST, b"{}");
        let (key, other) = (PrivateKey::generate(), PrivateKey::generate());
        let public = key.public().expect("it is a key");
        for packed in [
            sign_bundle(&repository(), &subject, &key).expect("it is signed"),
            sign_simple(&repository(), &subject.digest, &key, None).expect("it is signed"),
        ] {
            let evidence = evidence(&packed);
            assert!(evidence.holds(&subject.digest, &public));
            assert!(!evidence.holds(&Digest::of(b"other"), &public));
            let other = other.public().expect("it is a key");
            assert!(!evidence.holds(&subject.digest, &other));
            let mut changed = evidence.clone();
            changed.subjects = vec![Digest::of(b"other").to_string()];
            changed.message.push(b' ');
            assert!(!changed.holds(&Digest::of(b"other"), &public));
        }
    }

    #[test]
    fn the_same_signature_has_the_same_bytes_and_stands_once() {
        let subject = Descriptor::of(MANIFEST, b"{}");
        let key = PrivateKey::generate();
        let sign = |there| sign_simple(&repository(), &subject.digest, &key, there);
        let first = sign(None).expect("it is signed");
        let there = serde_json::from_slice(&first.root.bytes).expect("a manifest");
        assert_eq!(sign(Some(there)).expect("it is signed"), first);
        let bundle = || sign_bundle(&repository(), &subject, &key).expect("it is signed");
        assert_eq!(bundle(), bundle());
    }

    #[test]
    fn what_is_stated_beside_a_signature_is_none() {
        let subject = Descriptor::of(MANIFEST, b"{}");
        let key = PrivateKey::generate();
        let packed = sign_bundle(&repository(), &subject, &key).expect("it is signed");
        let mut bundle: Bundle = serde_json::from_slice(&packed.parts[1].bytes).expect("a bundle");
        let envelope = bundle.dsse_envelope.as_mut().expect("it has an envelope");
        let payload = decode(&envelope.payload).expect("it is base64");
        let payload = String::from_utf8(payload).expect("JSON is text");
        let payload = payload.replace(SIGNED, "https://spdx.dev/Document");
        envelope.signatures[0].sig =
            BASE64.encode(key.sign(&authenticated(STATEMENT, payload.as_bytes())));
        envelope.payload = BASE64.encode(payload);
        let bytes = serde_json::to_vec(&bundle).expect("it can be written");
        let error = Evidence::bundle(&bytes).expect_err("it is no signature");
        assert!(error.to_string().contains("is no signature"), "{error}");
    }
}
