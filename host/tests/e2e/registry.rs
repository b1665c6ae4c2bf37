//! Debian's registry, plain, with TLS and with a login; read back with skopeo, and with oras and
//! cosign where they are installed.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{STRIDEGATE, Server};

/// The name `name` with the password `hunter`, as htpasswd writes it.
const LOGIN: &str = "name:$2y$05$abcdefghijklmnopqrstuuuryAzIgksnkNwoKOz7iIRNM8ilj1V2u\n";

/// A registry in a folder of its own, and a desk beside it.
struct World {
    _server: Server,
    address: String,
    folder: TempDir,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Tls,
    Login,
}

impl World {
    fn start(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let path = |name: &str| folder.path().join(name).display().to_string();
        // Free now; nobody else takes it in the moment until the registry does.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        drop(listener);
        let mut config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp:\n  addr: {address}\n",
            path("data")
        );
        if kind != Kind::Plain {
            let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()])
                .expect("a certificate can be made");
            fs::write(path("ca.pem"), pair.cert.pem()).expect("the folder can be written");
            fs::write(path("key.pem"), pair.signing_key.serialize_pem())
                .expect("the folder can be written");
            config += &format!(
                "  tls: {{certificate: {}, key: {}}}\n",
                path("ca.pem"),
                path("key.pem")
            );
        }
        if kind == Kind::Login {
            fs::write(path("htpasswd"), LOGIN).expect("the folder can be written");
            config += &format!(
                "auth: {{htpasswd: {{realm: r, path: {}}}}}\n",
                path("htpasswd")
            );
        }
        fs::write(path("config.yml"), config).expect("the folder can be written");
        let server = Server::start(
            Command::new("docker-registry")
                .arg("serve")
                .arg(path("config.yml")),
            "listening on",
        );
        Self {
            _server: server,
            address,
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.address)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("DOCKER_CONFIG", self.path("docker"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("COSIGN_PASSWORD", "hunter")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_RUNTIME_DIR");
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> (bool, String, String) {
        let output = self.command(program, arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    fn does(&self, program: &str, arguments: &[&str]) -> String {
        let (succeeded, stdout, stderr) = self.run(program, arguments);
        assert!(succeeded, "{program} {arguments:?}: {stdout}{stderr}");
        stdout
    }

    fn refuses(&self, arguments: &[&str], part: &str) {
        let (succeeded, stdout, stderr) = self.run(STRIDEGATE, arguments);
        assert!(
            !succeeded && stderr.contains(part),
            "{arguments:?}: {stdout}{stderr}"
        );
        assert!(!stderr.contains("hunter"), "{stderr}");
    }

    fn forget(&self) {
        let _ = fs::remove_dir_all(self.path(".cache/stridegate/registry"));
    }
}

fn component(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("../target/policies/{name}.wasm"))
        .display()
        .to_string()
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("version").output().is_ok()
}

/// Pushes, pulls, lists, copies and saves, and lets skopeo read what was written.
fn round(world: &World, options: &[&str], skopeo: &[&str]) {
    let target = world.reference("policies/root-user");
    fn join<'a>(arguments: &[&'a str], options: &[&'a str]) -> Vec<&'a str> {
        [arguments, options].concat()
    }
    let pushed = world.does(
        STRIDEGATE,
        &join(
            &["push", &target, &component("root-user"), "--moving"],
            options,
        ),
    );
    let digest = pushed
        .split(['@', ','])
        .nth(1)
        .expect("it has a digest")
        .trim()
        .to_owned();
    world.forget();
    assert_eq!(
        world.does(STRIDEGATE, &join(&["tags", &target], options)),
        "0.1.0\n0\n0.1\n"
    );
    let exact = format!("{target}@{digest}");
    world.does(STRIDEGATE, &join(&["pull", &exact, "-d", "out"], options));
    let bytes = fs::read(world.path("out/root-user.wasm")).expect("it was written");
    assert_eq!(
        bytes,
        fs::read(component("root-user")).expect("it is there")
    );
    let copy = world.reference("mirror/root-user");
    world.does(
        STRIDEGATE,
        &join(
            &["copy", &format!("{target}:0.1"), &format!("{copy}:0.1.0")],
            options,
        ),
    );
    let image = format!("docker://{}/mirror/root-user:0.1.0", world.address);
    let inspected = world.does(
        "skopeo",
        &[&["inspect", "--raw"][..], skopeo, &[&image]].concat(),
    );
    let manifest: Value = serde_json::from_str(&inspected).expect("it is JSON");
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.wasm.config.v0+json"
    );
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.title"],
        "root-user"
    );
    assert_eq!(
        stridegate::registry::Digest::of(inspected.as_bytes()).to_string(),
        digest
    );
}

#[test]
fn a_plain_registry_on_this_machine() {
    let world = World::start(Kind::Plain);
    round(&world, &[], &["--tls-verify=false"]);
    world.does(
        STRIDEGATE,
        &[
            "save",
            &world.reference("policies/root-user:0.1.0"),
            "-o",
            "a.tar",
        ],
    );
    let listed = world.does("skopeo", &["inspect", "--raw", "oci-archive:a.tar"]);
    assert!(listed.contains("application/wasm"), "{listed}");
}

#[test]
fn a_registry_with_tls_whose_authority_has_to_be_named() {
    let world = World::start(Kind::Tls);
    let target = world.reference("policies/root-user");
    world.refuses(&["push", &target, &component("root-user")], "--ca");
    fs::create_dir(world.path("certificates")).expect("the folder can be written");
    fs::copy(world.path("ca.pem"), world.path("certificates/ca.crt")).expect("it can be copied");
    round(&world, &["--ca", "ca.pem"], &["--cert-dir", "certificates"]);
}

#[test]
fn a_registry_with_a_login() {
    let world = World::start(Kind::Login);
    let target = world.reference("policies/root-user");
    let ca = ["--ca", "ca.pem"];
    world.refuses(
        &[&["push", &target, "root-user"][..], &ca].concat(),
        "docker login",
    );
    let config = |login: &str| {
        let auths = serde_json::json!({"auths": {world.address.as_str(): {"auth": login}}});
        fs::create_dir_all(world.path("docker")).expect("the folder can be written");
        fs::write(world.path("docker/config.json"), auths.to_string()).expect("it can be written");
    };
    config("bmFtZTpvdGhlcg==");
    world.refuses(
        &[&["push", &target, "root-user"][..], &ca].concat(),
        "docker login",
    );
    config("bmFtZTpodW50ZXI=");
    fs::create_dir(world.path("certificates")).expect("the folder can be written");
    fs::copy(world.path("ca.pem"), world.path("certificates/ca.crt")).expect("it can be copied");
    round(
        &world,
        &ca,
        &["--cert-dir", "certificates", "--creds", "name:hunter"],
    );
}

#[test]
fn from_push_to_enforced_rollback() {
    let world = World::start(Kind::Plain);
    let target = world.reference("policies/root-user");
    world.does(STRIDEGATE, &["keygen", "team"]);
    world.does(STRIDEGATE, &["push", &target, &component("root-user")]);
    let trust = format!(
        "apiVersion: stridegate.dev/v1\nkind: Trust\nspec:\n  rules:\n    - {{prefix: {}/policies, keys: [team.pub]}}\n",
        world.address
    );
    fs::write(world.path("trust.yaml"), trust).expect("the folder can be written");
    let constraint = format!(
        "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: a}}\nspec: {{policy: '{target}#^0.1'}}\n"
    );
    fs::write(world.path("rules.yaml"), constraint).expect("the folder can be written");
    fs::write(world.path("Dockerfile"), "FROM scratch\nUSER 0\n").expect("it can be written");
    let eval = [
        "eval",
        "Dockerfile",
        "-c",
        "rules.yaml",
        "--trust",
        "trust.yaml",
    ];
    let (_, _, stderr) = world.run(
        STRIDEGATE,
        &["pull", &format!("{target}:0.1.0"), "--trust", "trust.yaml"],
    );
    assert!(stderr.contains("is not signed"), "{stderr}");
    let code = |arguments: &[&str]| {
        let output = world
            .command(STRIDEGATE, arguments)
            .output()
            .expect("it can be started");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    assert_eq!(code(&eval).0, Some(2));
    world.does(
        STRIDEGATE,
        &["sign", &format!("{target}:0.1.0"), "--key", "team.key"],
    );
    assert_eq!(code(&eval).0, Some(1), "the policy is used, and finds root");
    world.does(
        STRIDEGATE,
        &["lock", "-c", "rules.yaml", "--trust", "trust.yaml"],
    );
    let locked = [&eval[..], &["--locked"]].concat();
    assert_eq!(code(&locked).0, Some(1));
    // The registry offers something else under the same version; the lock holds.
    world.does(
        STRIDEGATE,
        &[
            "push",
            &target,
            &component("root-user"),
            "--force",
            "--annotation",
            "a=b",
        ],
    );
    world.forget();
    assert_eq!(code(&eval).0, Some(2), "nobody signed the new one");
    assert_eq!(
        code(&locked).0,
        Some(1),
        "the locked one is still there, by its digest"
    );
}

#[test]
fn what_oras_pushed_is_pulled() {
    if !is_installed("oras") {
        eprintln!("oras is not installed, so that nothing of it was pulled");
        return;
    }
    let world = World::start(Kind::Plain);
    let bytes = fs::read(component("root-user")).expect("it is there");
    fs::write(world.path("root-user.wasm"), &bytes).expect("the folder can be written");
    let config = serde_json::json!({
        "created": "2026-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2",
        "layerDigests": [stridegate::registry::Digest::of(&bytes).to_string()],
        "component": {"exports": ["stridegate:policy/mitigation@0.1.0"], "imports": []},
    });
    fs::write(world.path("config.json"), config.to_string()).expect("the folder can be written");
    let image = format!("{}/oras/root-user:0.1.0", world.address);
    world.does(
        "oras",
        &[
            "push",
            "--plain-http",
            &image,
            "--config",
            "config.json:application/vnd.wasm.config.v0+json",
            "root-user.wasm:application/wasm",
        ],
    );
    world.does(
        STRIDEGATE,
        &["pull", &format!("oci://{image}"), "-d", "out"],
    );
    assert_eq!(
        fs::read(world.path("out/root-user.wasm")).expect("it was written"),
        bytes
    );
}

#[test]
fn cosign_and_this_program_read_the_signatures_of_each_other() {
    if !is_installed("cosign") {
        eprintln!("cosign is not installed, so that no signature of it was checked here");
        return;
    }
    let world = World::start(Kind::Plain);
    let (ours, theirs) = (world.reference("a/ours"), world.reference("a/theirs"));
    for target in [&ours, &theirs] {
        world.does(STRIDEGATE, &["push", target, &component("root-user")]);
    }
    world.does(STRIDEGATE, &["keygen", "team"]);
    world.does(
        "cosign",
        &["generate-key-pair", "--output-key-prefix", "cosign"],
    );
    let image = |target: &str| format!("{}:0.1.0", target.trim_start_matches("oci://"));
    let (ours_image, theirs_image) = (image(&ours), image(&theirs));
    // A key of each signs with the other, so that each reads the other's key too.
    let sign = [
        "sign",
        "--yes",
        "--tlog-upload=false",
        "--use-signing-config=false",
        "--allow-http-registry",
        "--key",
        "team.key",
        &theirs_image,
    ];
    world.does("cosign", &sign);
    world.does(
        STRIDEGATE,
        &["sign", &format!("{ours}:0.1.0"), "--key", "cosign.key"],
    );
    world.forget();
    world.does(
        STRIDEGATE,
        &["verify", &format!("{theirs}:0.1.0"), "--key", "team.pub"],
    );
    world.refuses(
        &["verify", &format!("{theirs}:0.1.0"), "--key", "cosign.pub"],
        "0 of 1",
    );
    let verify = |key, layout: &[&str]| {
        let arguments = [
            "verify",
            "--insecure-ignore-tlog=true",
            "--allow-http-registry",
            "--key",
            key,
            &ours_image,
        ];
        world.run("cosign", &[&arguments[..], layout].concat())
    };
    for layout in [
        &["--new-bundle-format=true"][..],
        &["--new-bundle-format=false"],
    ] {
        let (succeeded, _, stderr) = verify("cosign.pub", layout);
        assert!(succeeded, "{layout:?}: {stderr}");
        let (succeeded, ..) = verify("team.pub", layout);
        assert!(!succeeded, "{layout:?}: another key");
    }
}
