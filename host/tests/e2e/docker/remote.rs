//! Over TLS: who asks is known, and a scan finds the engine as the `docker` command does.

use std::fs;
use std::process::{Command, Output};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use serde_json::Value;

use super::super::STRIDEGATE;
use super::{COMMITTERS, CONSTRAINTS, World};

/// Makes a CA, the certificate of the engine and those of its users: folders as the `docker`
/// command keeps them.
pub(super) fn certificates(folder: &std::path::Path) {
    let key = KeyPair::generate().expect("a key can be made");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&key).expect("it can be signed");
    let issuer = Issuer::new(authority, key);
    let stranger = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()])
        .expect("a certificate can be made");
    for (name, usage) in [
        ("engine", ExtendedKeyUsagePurpose::ServerAuth),
        ("alice", ExtendedKeyUsagePurpose::ClientAuth),
        ("bob", ExtendedKeyUsagePurpose::ClientAuth),
        ("stranger", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".into()]).expect("it is an address");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, &issuer).expect("it can be signed");
        let ca = if name == "stranger" {
            stranger.cert.pem()
        } else {
            certificate.pem()
        };
        let folder = folder.join("tls").join(name);
        fs::create_dir_all(&folder).expect("the folder can be written");
        for (file, text) in [
            ("ca.pem", ca),
            ("cert.pem", signed.pem()),
            ("key.pem", key.serialize_pem()),
        ] {
            fs::write(folder.join(file), text).expect("the folder can be written");
        }
    }
}

fn docker_as(world: &World, user: &str, arguments: &[&str]) -> (bool, String) {
    let folder = world.path(&format!("tls/{user}"));
    super::docker_in(
        world.folder.path(),
        arguments,
        &[
            ("DOCKER_HOST", &world.tcp()),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_CERT_PATH", &folder.display().to_string()),
        ],
    )
}

/// Whoever shows a certificate is known by its name.
pub(super) fn committers(world: &mut World) {
    world.constraints(&format!("{CONSTRAINTS}{COMMITTERS}"));
    let (succeeded, said) = docker_as(world, "alice", &["commit", "c1", "bb:by-alice"]);
    assert!(succeeded, "{said}");
    let (succeeded, said) = docker_as(world, "bob", &["commit", "c1", "bb:by-bob"]);
    assert!(
        !succeeded && said.contains("image-commit/unauthorized: bob makes an image"),
        "{said}"
    );
    let decisions = world.decisions();
    let by = |user: &str| {
        decisions
            .iter()
            .rfind(|decision| decision["user"] == user && decision["endpoint"] == "image.commit")
            .map(|decision| decision["decision"].clone())
    };
    assert_eq!(by("alice"), Some("allow".into()));
    assert_eq!(by("bob"), Some("deny".into()));
    world.constraints(CONSTRAINTS);
}

/// A scan with variables and arguments, and no other engine to fall back to.
fn scan(world: &World, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(STRIDEGATE);
    command.current_dir(world.folder.path());
    for name in [
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_TLS",
        "DOCKER_TLS_VERIFY",
        "DOCKER_CERT_PATH",
    ] {
        command.env_remove(name);
    }
    command
        .env("DOCKER_CONFIG", world.path("client"))
        .envs(variables.iter().copied())
        .args(["scan", "docker"])
        .args(arguments)
        .output()
        .expect("the program can be started")
}

fn finds_c1(what: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{what}: {error}: {said}"));
    assert_eq!(
        report["summary"]["errors"], 0,
        "{what}: {}",
        report["errors"]
    );
    let mut results = report["results"].as_array().into_iter().flatten();
    assert!(
        results.any(|result| result["file"] == "container/c1"),
        "{what}: {said}"
    );
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
}

fn fails(part: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains(part) && said.lines().count() == 1,
        "{part:?} is not the one line: {said}"
    );
}

/// An engine is found by variables, by contexts and by arguments, over TLS and on its socket.
pub(super) fn scans(world: &World) {
    let (tcp, socket) = (world.tcp(), world.unix());
    let folder = |user: &str| world.path(&format!("tls/{user}")).display().to_string();
    let (alice, stranger) = (folder("alice"), folder("stranger"));
    let json = ["-o", "json"];
    let tls = |folder| {
        [
            ("DOCKER_HOST", &*tcp),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_CERT_PATH", folder),
        ]
    };
    let over_tls = scan(world, &tls(&alice), &json);
    finds_c1("variables", &over_tls);
    let said = String::from_utf8_lossy(&over_tls.stderr);
    assert!(
        said.contains("are not judged: the engine is remote"),
        "{said}"
    );
    finds_c1("a socket", &scan(world, &[("DOCKER_HOST", &socket)], &json));
    finds_c1(
        "an argument",
        &scan(world, &tls("/nowhere"), &["-o", "json", "-H", &socket]),
    );
    fails("certificate", &scan(world, &tls(&stranger), &json));
    fails(
        "ca.pem cannot be read",
        &scan(world, &tls("/nowhere"), &json),
    );
    let plain = scan(world, &[("DOCKER_HOST", &tcp)], &json);
    assert_eq!(plain.status.code(), Some(2));

    let remote = format!("host={tcp},ca={alice}/ca.pem,cert={alice}/cert.pem,key={alice}/key.pem");
    let local = format!("host={socket}");
    let at_home = |arguments: &[&str]| {
        let (succeeded, said) =
            super::docker_in(world.folder.path(), arguments, &[("DOCKER_HOST", "")]);
        assert!(succeeded, "{said}");
    };
    at_home(&["context", "create", "remote", "--docker", &remote]);
    at_home(&["context", "create", "local", "--docker", &local]);
    finds_c1(
        "a context by a variable",
        &scan(world, &[("DOCKER_CONTEXT", "remote")], &json),
    );
    for context in ["remote", "local"] {
        at_home(&["context", "use", context]);
        finds_c1("the context in use", &scan(world, &[], &json));
    }
    let named = ["-o", "json", "--context", "remote"];
    finds_c1("a context by name", &scan(world, &[], &named));
    fails(
        "the context gone",
        &scan(world, &[], &["--context", "gone"]),
    );
    at_home(&["context", "use", "default"]);
    outputs(world, &socket);
}

/// Each output says the same.
fn outputs(world: &World, socket: &str) {
    let written = |output: &str| {
        let output = scan(world, &[("DOCKER_HOST", socket)], &["-o", output]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stdout).expect("the program writes UTF-8")
    };
    let text = written("text");
    assert!(
        text.contains("root-user/no-user") && text.contains("--> image/bb:imported:"),
        "{text}"
    );
    let sarif: Value = serde_json::from_str(&written("sarif")).expect("it is JSON");
    assert_eq!(sarif["version"], "2.1.0");
    let mut results = sarif["runs"][0]["results"].as_array().into_iter().flatten();
    assert!(
        results.any(|result| result["ruleId"]
            .as_str()
            .is_some_and(|rule| rule.starts_with("root-user/"))),
        "{sarif:#}"
    );
    let junit = written("junit");
    assert!(
        junit.contains("<testsuite ") && junit.contains("container/c1"),
        "{junit}"
    );
}
