//! Artifacts whose names lead out of the folder into which they are written.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use stridegate::registry::layout::{TITLE, pack_component};
use stridegate::registry::{
    Annotations, Files, Interface, Meter, Options, Packed, Registry, Tags, pack_bundle,
};
use tar::EntryType;

use super::{Desk, component};

/// A policy under another name.
fn named(title: &str) -> Packed {
    let interface = Interface {
        exports: vec!["stridegate:policy/mitigation@0.1.0".into()],
        imports: Vec::new(),
    };
    let bytes = std::fs::read(component("root-user")).expect("it is there");
    let annotations = Annotations::from([(TITLE.to_owned(), title.to_owned())]);
    pack_component(bytes, interface, annotations).expect("it is packed")
}

/// Pushes a bundle that no verb would push, and forgets it.
fn push(desk: &Desk, components: Vec<Packed>, files: &Files) -> String {
    let packed = pack_bundle(components, files, Annotations::new()).expect("it is packed");
    let registry = Registry::open(Options {
        store: Some(desk.path("store")),
        meter: Arc::new(Meter::default()),
        ..Options::default()
    })
    .expect("it needs no registry yet");
    let reference = desk.fake.reference("sets/evil:1.0.0");
    let target: stridegate::registry::Reference = reference.parse().expect("it is a reference");
    let tags = Tags {
        tag: "1.0.0".into(),
        force: true,
        ..Tags::default()
    };
    registry
        .push(&target.repository, &tags, &packed)
        .expect("the registry takes it");
    desk.forget();
    reference
}

#[test]
fn a_policy_whose_name_leads_out_is_refused() {
    let desk = Desk::new();
    let absolute = desk.path("escaped").display().to_string();
    for title in [
        "../../escaped",
        &absolute,
        "a/../../../escaped",
        "..",
        "a\\b",
    ] {
        let bundle = push(&desk, vec![named(title)], &Files::new());
        desk.refuses(&["pull", &bundle, "-d", "out/deep"], "no name of one");
        assert!(!desk.path("escaped.wasm").exists(), "{title}");
        assert!(!desk.path("out").exists(), "{title}");
        desk.forget();
    }
}

#[test]
fn two_policies_of_one_name_are_refused() {
    let desk = Desk::new();
    let mut other = named("Sample");
    other.root.bytes.push(b' ');
    let bundle = push(&desk, vec![named("sample"), other], &Files::new());
    desk.refuses(&["pull", &bundle, "-d", "out"], "two policies");
}

#[test]
fn a_file_in_the_place_of_a_policy_is_refused() {
    let desk = Desk::new();
    let files = Files::from([("sample.wasm".to_owned(), b"other".to_vec())]);
    let bundle = push(&desk, vec![named("sample")], &files);
    desk.refuses(&["pull", &bundle, "-d", "out"], "written twice");
    assert!(!desk.path("out").exists());
}

#[test]
fn nothing_is_written_through_a_link() {
    let desk = Desk::new();
    let files = Files::from([("constraints/a.yaml".to_owned(), b"a: 1".to_vec())]);
    let bundle = push(&desk, vec![named("sample")], &files);
    std::fs::create_dir_all(desk.path("out")).expect("the folder can be made");
    std::fs::create_dir_all(desk.path("elsewhere")).expect("the folder can be made");
    symlink(desk.path("elsewhere"), desk.path("out/constraints")).expect("it can be linked");
    desk.refuses(&["pull", &bundle, "-d", "out"], "is a link");
    assert_eq!(super::files(&desk.path("elsewhere")), 0);
    assert!(!desk.path("out/sample.wasm").exists(), "all or nothing");
    // A link in the place of a file is replaced, and what it leads to is not.
    desk.write("precious", b"other");
    std::fs::remove_file(desk.path("out/constraints")).expect("it is there");
    symlink(desk.path("precious"), desk.path("out/sample.wasm")).expect("it can be linked");
    desk.refuses(&["pull", &bundle, "-d", "out"], "is there with other bytes");
    let precious = std::fs::read(desk.path("precious")).expect("it is there");
    assert_eq!(precious, b"other");
}

#[test]
fn a_bundle_names_no_file_of_this_machine() {
    let desk = Desk::new();
    let text = "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {name: a}\nspec: {policy: ./mine.wasm}\n";
    std::fs::copy(component("root-user"), desk.path("mine.wasm")).expect("it can be copied");
    desk.write("Dockerfile", b"FROM scratch\n");
    desk.write("rules/a.yaml", text.as_bytes());
    let target = desk.fake.reference("sets/good:1.0.0");
    let push_it = ["push", &target, "log-level", "-c", "rules"];
    desk.refuses(&push_it, "names no file");
    let files = Files::from([("constraints/a.yaml".to_owned(), text.into())]);
    let bundle = push(&desk, vec![named("sample")], &files);
    let run = desk.ask(&["eval", "Dockerfile", "-c", &bundle]);
    assert_eq!(run.code, 2, "{run:?}");
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains("names no file"), "{said}");
}

/// An archive with one member beside what every one has.
fn archive(kind: EntryType, path: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |kind, path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        // Not by set_path, which refuses what leads out.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        if kind != EntryType::Regular {
            header.set_link_name("/etc/passwd").expect("it is short");
        }
        header.set_cksum();
        archive.append(&header, bytes).expect("it is in memory");
    };
    add(
        EntryType::Regular,
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    );
    add(kind, path, b"");
    add(
        EntryType::Regular,
        "index.json",
        br#"{"schemaVersion":2,"manifests":[]}"#,
    );
    archive.into_inner().expect("it is in memory")
}

#[test]
fn an_archive_that_leads_out_is_refused() {
    let desk = Desk::new();
    let absolute = desk.path("escaped").display().to_string();
    for (kind, path, part) in [
        (
            EntryType::Regular,
            "../escaped",
            "no part of an OCI image layout",
        ),
        (
            EntryType::Regular,
            &absolute[..],
            "no part of an OCI image layout",
        ),
        (
            EntryType::Regular,
            "blobs/sha256/../../escaped",
            "no digest",
        ),
        (EntryType::Symlink, "blobs/sha256/a", "which is no file"),
        (EntryType::Link, "index.json", "which is no file"),
        (EntryType::GNUSparse, "blobs/sha256/a", "cut short"),
    ] {
        desk.write("a.tar", &archive(kind, path));
        desk.refuses(&["load", "a.tar"], part);
        assert!(!desk.path("escaped").exists(), "{path}");
    }
}

#[test]
fn an_archive_whose_entries_are_named_badly_is_refused() {
    let desk = Desk::with_policy();
    desk.does(&["save", &desk.policy(), "-o", "a.tar"]);
    let good = std::fs::read(desk.path("a.tar")).expect("it was written");
    let name = format!("{}/a/root-user:0.1.0", desk.fake.address);
    for bad in ["../../escaped", "r.example/../x", "r.example/a:../../b"] {
        let padded = format!("{bad:x<width$}", width = name.len());
        assert_eq!(padded.len(), name.len(), "the archive keeps its lengths");
        let text = String::from_utf8_lossy(&good);
        assert!(text.contains(&name));
        let start = good
            .windows(name.len())
            .position(|bytes| bytes == name.as_bytes())
            .expect("it has the name");
        let mut changed = good.clone();
        changed[start..start + name.len()].copy_from_slice(padded.as_bytes());
        desk.write("b.tar", &changed);
        desk.refuses(&["load", "b.tar"], "is no reference to an artifact");
    }
}
