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

/// Digests by their order: what they are changes with each policy.
#[derive(Default)]
struct Digests(Vec<String>);

impl Digests {
    fn normalize(&mut self, text: &str) -> String {
        let mut parts = text.split("sha256:");
        let mut normal = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_digit = |character: &char| character.is_ascii_hexdigit();
            let hex: String = part.chars().take_while(is_digit).collect();
            let known = self.0.iter().position(|digest| *digest == hex);
            let number = known.unwrap_or_else(|| {
                self.0.push(hex.clone());
                self.0.len() - 1
            });
            normal += &format!("sha256:<{number}>{}", &part[hex.len()..]);
        }
        normal
    }
}

/// What the README shows from push to rollback is what a user sees, word for word: only digests
/// and the port of the registry are others.
#[test]
fn the_sessions_in_the_readme_are_real() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("there is a README");
    let (_, chapter) = readme
        .split_once("\n## Policies in a registry\n")
        .expect("the README has the chapter");
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let world = World::start(Kind::Plain);
    let port = world.address.rsplit_once(':').expect("it has a port").1;
    let [shown_host, host] = ["localhost:5000".to_owned(), format!("localhost:{port}")];
    fs::create_dir(world.path("bin")).expect("the folder can be written");
    std::os::unix::fs::symlink(STRIDEGATE, world.path("bin/stridegate")).expect("it can be linked");
    let others = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{others}", world.path("bin").display());
    let (mut of_readme, mut of_run) = (Digests::default(), Digests::default());
    let mut exports = String::new();
    let mut ran = 0;
    for session in super::readme::sessions(chapter) {
        if session.command.starts_with("export ") {
            exports += &format!("{}\n", session.command);
            continue;
        }
        let command = session.command.replace(&shown_host, &host);
        let shown = of_readme.normalize(&session.shown);
        // A file that is shown is one that the user has.
        if let Some(file) = command.strip_prefix("cat ") {
            let file = world.path(file);
            fs::create_dir_all(file.parent().expect("it lies in a folder"))
                .expect("the folder can be written");
            let content = session.shown.replace(&shown_host, &host);
            fs::write(file, content + "\n").expect("the folder can be written");
        }
        let script = format!("exec 2>&1\n{exports}{command}");
        let output = world
            .command("sh", &["-c", &script])
            .env("PATH", &path)
            .output()
            .expect("there is a shell");
        let real = String::from_utf8(output.stdout).expect("the program writes UTF-8");
        let real = of_run.normalize(&real.replace(&host, &shown_host));
        super::readme::check(&session.command, &shown, &real);
        ran += 1;
    }
    assert!(ran > 10, "the README shows too few sessions");
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
fn wkg_and_this_program_read_the_artifacts_of_each_other() {
    if !is_installed("wkg") {
        eprintln!("wkg is not installed, so that nothing of it was pulled");
        return;
    }
    let world = World::start(Kind::Plain);
    let file = component("root-user");
    let bytes = fs::read(&file).expect("it is there");
    let (ours, theirs) = (world.reference("a/ours"), world.reference("a/theirs:0.1.0"));
    let image = |reference: &str| reference.trim_start_matches("oci://").to_owned();
    let plain = ["--insecure", &world.address];
    let push = ["oci", "push", &image(&theirs), &file];
    world.does("wkg", &[&push[..], &plain].concat());
    world.does(STRIDEGATE, &["pull", &theirs, "-d", "out"]);
    let pulled = fs::read(world.path("out/theirs.wasm")).expect("it was written");
    assert_eq!(pulled, bytes);
    world.does(STRIDEGATE, &["push", &ours, &file]);
    let ours = image(&format!("{ours}:0.1.0"));
    let pull = ["oci", "pull", &ours, "--output", "ours.wasm"];
    world.does("wkg", &[&pull[..], &plain].concat());
    let pulled = fs::read(world.path("ours.wasm")).expect("it was written");
    assert_eq!(pulled, bytes);
}

/// Whether the cosign that is installed is one that keeps signatures as referrers.
fn cosign_makes_bundles(world: &World) -> bool {
    let (_, stdout, stderr) = world.run("cosign", &["sign", "--help"]);
    (stdout + &stderr).contains("--use-signing-config")
}

#[test]
fn cosign_and_this_program_read_the_signatures_of_each_other() {
    if !is_installed("cosign") {
        eprintln!("cosign is not installed, so that no signature of it was checked here");
        return;
    }
    let world = World::start(Kind::Plain);
    world.does(STRIDEGATE, &["keygen", "team"]);
    let pair = ["generate-key-pair", "--output-key-prefix", "cosign"];
    world.does("cosign", &pair);
    let push = |name: &str| {
        let target = world.reference(name);
        world.does(STRIDEGATE, &["push", &target, &component("root-user")]);
        let reference = format!("{target}:0.1.0");
        let image = reference.trim_start_matches("oci://").to_owned();
        (reference, image)
    };
    let makes_bundles = cosign_makes_bundles(&world);
    // A key of each signs with the other, so that each reads the other's key too.
    let theirs: &[(&str, &[&str])] = if makes_bundles {
        &[
            ("a/bundle", &["--use-signing-config=false"]),
            (
                "a/tag",
                &["--use-signing-config=false", "--new-bundle-format=false"],
            ),
        ]
    } else {
        &[("a/tag", &[])]
    };
    for (name, layout) in theirs {
        let (reference, image) = push(name);
        let sign = [
            "sign",
            "--yes",
            "--tlog-upload=false",
            "--allow-http-registry",
        ];
        let key = ["--key", "team.key", &image];
        world.does("cosign", &[&sign[..], layout, &key].concat());
        world.forget();
        world.does(STRIDEGATE, &["verify", &reference, "--key", "team.pub"]);
        let other = ["verify", &reference, "--key", "cosign.pub"];
        world.refuses(&other, "0 of 1");
    }
    let verify = |key: &str, image: &str, layout: &str| {
        let arguments = [
            "verify",
            "--insecure-ignore-tlog=true",
            "--allow-http-registry",
            layout,
            "--key",
            key,
            image,
        ];
        world.run("cosign", &arguments)
    };
    for (layout, asked) in [
        ("both", "--new-bundle-format=false"),
        ("both", "--new-bundle-format=true"),
        ("tag", "--new-bundle-format=false"),
        ("bundle", "--new-bundle-format=true"),
    ] {
        if layout == "bundle" && !makes_bundles {
            continue;
        }
        let (reference, image) = push(&format!("b/{layout}"));
        let sign = [
            "sign",
            &reference,
            "--layout",
            layout,
            "--key",
            "cosign.key",
        ];
        world.does(STRIDEGATE, &sign);
        let (succeeded, _, stderr) = verify("cosign.pub", &image, asked);
        assert!(succeeded, "{layout} {asked}: {stderr}");
        let (succeeded, ..) = verify("team.pub", &image, asked);
        assert!(!succeeded, "{layout} {asked}: another key");
    }
}
