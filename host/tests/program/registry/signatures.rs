//! Signatures that cosign made, as testdata/signatures/README.md says.

use std::path::PathBuf;

use serde_json::Value;
use stridegate::registry::{Digest, PrivateKey, PublicKey};

use super::{Desk, root};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn recorded(name: &str) -> PathBuf {
    root().join("testdata/signatures").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(recorded(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A desk beside a registry with the artifact and one of its signatures, which may be changed.
fn desk(name: &str, change: impl Fn(&str) -> String) -> (Desk, String) {
    let desk = Desk::new();
    let artifact = read("artifact.json");
    let tag = Digest::of(&artifact).to_string().replace(':', "-");
    desk.fake
        .set("policies/sample", "1.0.0", MANIFEST, &artifact);
    let text = |file: &str| {
        let text = String::from_utf8(read(&format!("{name}/{file}"))).expect("JSON is text");
        change(&text).into_bytes()
    };
    let manifest = text("manifest.json");
    if recorded(name).join("index.json").exists() {
        let digest = Digest::of(&manifest).to_string();
        desk.fake
            .set("policies/sample", &digest, MANIFEST, &manifest);
        desk.fake
            .set("policies/sample", &tag, INDEX, &text("index.json"));
        desk.fake.set_blob(&text("bundle.json"));
    } else {
        let tag = format!("{tag}.sig");
        desk.fake.set("policies/sample", &tag, MANIFEST, &manifest);
        desk.fake.set_blob(&text("payload.json"));
    }
    let reference = desk.fake.reference("policies/sample:1.0.0");
    (desk, reference)
}

const SIGNATURES: [&str; 4] = [
    "cosign-2.5-tag",
    "cosign-3.1-tag",
    "cosign-3.1-bundle",
    "cosign-3.1-annotated",
];

#[test]
fn the_signatures_of_cosign_are_good() {
    let key = recorded("team.pub").display().to_string();
    for name in SIGNATURES {
        let (desk, reference) = desk(name, str::to_owned);
        let said = desk.does(&["verify", &reference, "--key", &key]);
        assert!(said.contains("signed by"), "{name}: {said}");
        desk.does(&["verify", &reference, "--key", &key, "--offline"]);
        desk.write("password", b"other");
        desk.run(&["keygen", "other", "--password-file", "password"]);
        let other = ["verify", &reference, "--key", "other.pub"];
        desk.refuses(&other, "0 of 1 signatures");
    }
}

#[test]
fn a_signature_that_was_changed_is_not() {
    let key = recorded("team.pub").display().to_string();
    // In base64, of a number in DER.
    for (from, to) in [("MEUCI", "MEUCJ"), ("MEQCI", "MEQCJ"), ("MEYCI", "MEYCJ")] {
        for name in SIGNATURES {
            let before = ["manifest.json", "bundle.json"].map(|file| {
                let text = std::fs::read_to_string(recorded(name).join(file));
                text.unwrap_or_default()
            });
            if !before.iter().any(|text| text.contains(from)) {
                continue;
            }
            let (desk, reference) = desk(name, |text| text.replace(from, to));
            let run = desk.ask(&["verify", &reference, "--key", &key]);
            assert_eq!(run.code, 2, "{name}: {run:?}");
        }
    }
}

#[test]
fn a_signature_of_another_artifact_is_not() {
    let key = recorded("team.pub").display().to_string();
    for name in SIGNATURES {
        let (desk, _) = desk(name, str::to_owned);
        let mut other = read("artifact.json");
        let tag = |bytes: &[u8]| Digest::of(bytes).to_string().replace(':', "-");
        let from = tag(&other);
        other.push(b' ');
        let to = tag(&other);
        desk.fake.set("policies/sample", "1.0.0", MANIFEST, &other);
        let is_tag = name.ends_with("-tag");
        let end = if is_tag { ".sig" } else { "" };
        let moved = desk
            .fake
            .manifest("policies/sample", &format!("{from}{end}"));
        let kind = if is_tag { MANIFEST } else { INDEX };
        desk.fake
            .set("policies/sample", &format!("{to}{end}"), kind, &moved);
        let reference = desk.fake.reference("policies/sample:1.0.0");
        let run = desk.ask(&["verify", &reference, "--key", &key]);
        assert_eq!(run.code, 2, "{name}: {run:?}");
    }
}

#[test]
fn an_attestation_is_no_signature() {
    let key = recorded("team.pub").display().to_string();
    let (desk, reference) = desk("cosign-3.1-attestation", str::to_owned);
    desk.refuses(&["verify", &reference, "--key", &key], "is not signed");
}

#[test]
fn what_names_another_repository_or_none_does_not_count_where_it_has_to() {
    for name in SIGNATURES {
        let (desk, reference) = desk(name, str::to_owned);
        let trust = |identity: &str| {
            let text = format!(
                "apiVersion: stridegate.dev/v1\nkind: Trust\nspec:\n  rules:\n    - {{prefix: {}, keys: [team.pub]{identity}}}\n",
                desk.fake.address
            );
            desk.write("trust.yaml", text.as_bytes());
            desk.write("team.pub", &read("team.pub"));
        };
        let verify = ["verify", &reference, "--trust", "trust.yaml"];
        trust("");
        desk.does(&verify);
        trust(", signedIdentity: matchRepository");
        desk.refuses(&verify, "does not name");
    }
}

#[test]
fn a_referrer_of_another_kind_hides_no_signature() {
    let key = recorded("team.pub").display().to_string();
    let (desk, reference) = desk("cosign-3.1-bundle", str::to_owned);
    let artifact = read("artifact.json");
    let tag = Digest::of(&artifact).to_string().replace(':', "-");
    let index = desk.fake.manifest("policies/sample", &tag);
    let mut index: Value = serde_json::from_slice(&index).expect("it is JSON");
    let list = index["manifests"].as_array_mut().expect("it is a list");
    for number in 0..100_u8 {
        let other = serde_json::json!({
            "mediaType": MANIFEST,
            "artifactType": "application/spdx+json",
            "digest": Digest::of(&[number]).to_string(),
            "size": 1,
        });
        list.insert(0, other);
    }
    let index = index.to_string();
    desk.fake
        .set("policies/sample", &tag, INDEX, index.as_bytes());
    desk.does(&["verify", &reference, "--key", &key]);
}

#[test]
fn a_key_of_cosign_opens() {
    let key = PrivateKey::open(&recorded("team.key"), Some("hunter")).expect("it opens");
    let public = PublicKey::open(&recorded("team.pub")).expect("it is a key");
    assert_eq!(key.public().expect("it is a key"), public);
}
