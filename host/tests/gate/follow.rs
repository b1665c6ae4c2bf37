//! What a reference stands for changes while the plugin serves.

use rustix::process::Signal;

use super::fake::Fake;
use super::{Gate, command, create};

fn push(fake: &Fake, policy: &str) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let target = fake.reference("a/policy:edge");
    let pushed = command(folder.path())
        .args(["push", &target, policy, "--store", "store"])
        .output()
        .expect("the program can be started");
    assert!(pushed.status.success(), "{pushed:?}");
}

fn denies_root(gate: &Gate) -> bool {
    let body = create("0");
    !gate.asks("POST", "/containers/create", Some(&body)).0
}

#[test]
fn what_a_tag_stands_for_is_followed_and_a_bad_one_is_not() {
    let fake = Fake::start();
    push(&fake, "root-user");
    let constraints = format!(
        "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: a}}\nspec: {{policy: '{}'}}\n",
        fake.reference("a/policy:edge")
    );
    let mut gate = Gate::start(&constraints, &["--store", "store"]);
    assert!(denies_root(&gate));
    let good = fake.manifest("a/policy", "edge");
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    fake.set("a/policy", "edge", manifest, b"{}");
    gate.signal(Signal::HUP);
    gate.wait_for("the old one stays in force");
    assert!(denies_root(&gate));
    fake.set("a/policy", "edge", manifest, &good);
    gate.signal(Signal::HUP);
    gate.wait_for("nothing has changed");
    push(&fake, "log-level");
    gate.signal(Signal::HUP);
    gate.wait_for("are in force");
    assert!(
        !denies_root(&gate),
        "the other policy has nothing against it"
    );
    push(&fake, "root-user");
    gate.signal(Signal::HUP);
    gate.wait_for("are in force");
    assert!(denies_root(&gate));
}

/// A component that says of itself that it is the next version.
fn newer(gate: &std::path::Path, policy: &str) -> std::path::PathBuf {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/policies");
    let mut bytes = std::fs::read(root.join(format!("{policy}.wasm"))).expect("it is there");
    let old = b"0.1.0";
    let places: Vec<usize> = (1..bytes.len() - old.len())
        .filter(|at| &bytes[*at..*at + old.len()] == old && bytes[at - 1] != b'@')
        .collect();
    assert!(!places.is_empty(), "it names its version");
    for at in places {
        bytes[at..at + old.len()].copy_from_slice(b"0.2.0");
    }
    let path = gate.join(format!("{policy}-0.2.0.wasm"));
    std::fs::write(&path, bytes).expect("the folder can be written");
    path
}

/// Runs a verb in a folder.
fn does(folder: &std::path::Path, arguments: &[&str]) {
    let output = command(folder)
        .args(arguments)
        .args(["--store", "pushed"])
        .output()
        .expect("the program can be started");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[test]
fn a_requirement_is_followed_only_to_what_is_signed_and_back() {
    let fake = Fake::start();
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let here = folder.path();
    let repository = fake.reference("a/policy");
    std::fs::write(here.join("password"), "hunter").expect("the folder can be written");
    let key = ["--key", "team.key", "--password-file", "password"];
    let made = command(here)
        .args(["keygen", "team", "--password-file", "password"])
        .output()
        .expect("the program can be started");
    assert!(made.status.success(), "{made:?}");
    let sign = |version: &str| {
        let reference = format!("{repository}:{version}");
        does(here, &[&["sign", &reference][..], &key].concat());
    };
    does(here, &["push", &repository, "root-user"]);
    sign("0.1.0");
    let trust = format!(
        "apiVersion: stridegate.dev/v1\nkind: Trust\nspec: {{rules: [{{prefix: {}, keys: [team.pub]}}]}}\n",
        fake.address
    );
    std::fs::write(here.join("trust.yaml"), trust).expect("the folder can be written");
    let constraints = format!(
        "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: a}}\nspec: {{policy: '{repository}#>=0.1'}}\n"
    );
    let trust = here.join("trust.yaml").display().to_string();
    let mut gate = Gate::start(
        &constraints,
        &[
            "--store",
            "store",
            "--trust",
            &trust,
            "--metrics",
            "127.0.0.1:0",
        ],
    );
    let told = gate.program.heard.iter().find_map(|line| {
        let (_, rest) = line.split_once("told at http://")?;
        Some(rest.strip_suffix("/metrics")?.to_owned())
    });
    let metrics = told.expect("it says where");
    assert!(denies_root(&gate));

    // A newer version that nobody signed.
    let component = newer(here, "log-level").display().to_string();
    does(here, &["push", &repository, &component]);
    gate.signal(Signal::HUP);
    gate.wait_for("the old one stays in force");
    let why = gate.wait_for("reload: ");
    assert!(
        why.contains("is not signed") && why.contains("trust.yaml"),
        "{why}"
    );
    assert!(denies_root(&gate));
    let text = scrape(&metrics);
    assert!(
        text.contains("reloads_total{gate=\"docker\",result=\"kept\"} 1"),
        "{text}"
    );

    // Somebody signs it.
    sign("0.2.0");
    gate.signal(Signal::HUP);
    gate.wait_for("are in force");
    assert!(!denies_root(&gate), "the newer one has nothing against it");

    // It is taken back.
    fake.remove("a/policy", "0.2.0");
    gate.signal(Signal::HUP);
    gate.wait_for("are in force");
    assert!(denies_root(&gate));

    // The registry is away, and is there again.
    fake.misbehave(|_| Some(super::fake::Reply::Cut(9, Vec::new())));
    gate.signal(Signal::HUP);
    gate.wait_for("the old one stays in force");
    let why = gate.wait_for("reload: ");
    assert!(why.contains("the registry"), "{why}");
    assert!(denies_root(&gate));
    fake.behave();
    gate.signal(Signal::HUP);
    gate.wait_for("nothing has changed");
    assert!(denies_root(&gate));
}

/// What Prometheus is told.
fn scrape(address: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    text
}
