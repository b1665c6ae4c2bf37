//! Images: from and to a registry, and built by either builder.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use super::{CONSTRAINTS, Server, World};

/// Debian's registry, on a port of its own.
fn registry(world: &World) -> (Server, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    drop(listener);
    let config = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n",
        world.path("registry").display()
    );
    fs::write(world.path("registry.yml"), config).expect("the folder can be written");
    let server = Server::start(
        Command::new("docker-registry")
            .arg("serve")
            .arg(world.path("registry.yml")),
        "listening on",
    );
    (server, address)
}

/// Only one registry is trusted: what is pulled from it runs, and from elsewhere nothing comes.
pub(super) fn pushed_and_pulled(world: &mut World) {
    let (_registry, address) = registry(world);
    let trusted = format!(
        "{CONSTRAINTS}---
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {{name: one-registry}}
spec:
  policy: untrusted-registry
  rules: [unlisted-registry]
  enforcementAction: deny
  match: {{kinds: [{{apiGroups: [docker], kinds: [Request, Service]}}]}}
  parameters: {{registries: ['{address}']}}
"
    );
    world.constraints(&trusted);
    let image = format!("{address}/shop/bb:1");
    world.allows(&["tag", "bb:built", &image]);
    let said = world.allows(&["push", &image]);
    let digest = said
        .split_whitespace()
        .find(|word| word.starts_with("sha256:"))
        .expect("a push tells the digest");
    world.allows(&["rmi", &image]);
    world.allows(&["pull", &image]);
    world.allows(&["run", "--rm", &image, "/bin/true"]);
    let pinned = format!("{address}/shop/bb@{digest}");
    world.allows(&["pull", &pinned]);
    world.allows(&["run", "--rm", &pinned, "/bin/true"]);
    let rule = "untrusted-registry/unlisted-registry";
    world.denies(rule, &["pull", "registry.example.com/shop/bb:1"]);
    world.denies(rule, &["pull", "nginx:1.27"]);
    world.denies(
        rule,
        &[
            "plugin",
            "install",
            "--grant-all-permissions",
            "vieux/sshfs",
        ],
    );
    let plugin = r#"{"Name":"p","Mode":{"Global":{}},"TaskTemplate":{"Runtime":"plugin","PluginSpec":{"Name":"p","Remote":"docker.io/vieux/sshfs:latest"}}}"#;
    let (status, answer) = world.post("/v1.41/services/create", "application/json", plugin);
    assert!(status == 403 && answer.contains(rule), "{answer}");
    world.constraints(CONSTRAINTS);
}

/// The classic builder is seen, and what it makes is judged when it runs.
pub(super) fn built(world: &World) {
    let write = |name: &str, text: &str| {
        fs::create_dir_all(world.path(name)).expect("the folder can be written");
        fs::write(world.path(&format!("{name}/Dockerfile")), text)
            .expect("the folder can be written");
    };
    write(
        "built",
        "FROM bb:imported\nRUN true\nUSER 1000\nCMD [\"/bin/sleep\", \"1000\"]\n",
    );
    write("as-root", "FROM bb:imported\nUSER 0\n");
    world.allows(&["build", "-t", "bb:built", "built"]);
    world.allows(&["run", "--rm", "bb:built", "/bin/true"]);
    world.allows(&["tag", "bb:built", "bb:tagged"]);
    world.allows(&["build", "-t", "bb:root", "as-root"]);
    world.denies("root-user", &["run", "--rm", "bb:root", "/bin/true"]);
    world.allows(&["commit", "c1", "bb:committed"]);
    world.allows(&["commit", "--change", "USER 0", "c1", "bb:committed-root"]);
    world.denies("root-user", &["create", "bb:committed-root"]);
}

/// `BuildKit`, which nobody sees into, is there or not as the gate was told.
pub(super) fn built_unseen(world: &mut World) {
    let build = |world: &World, arguments: &[&str]| {
        super::docker_in(world.folder.path(), arguments, &[("DOCKER_BUILDKIT", "1")])
    };
    let arguments = ["build", "-t", "bb:unseen", "built"];
    // The client does not show why.
    let (succeeded, said) = build(world, &arguments);
    assert!(!succeeded && said.contains("received 403"), "{said}");
    let (status, answer) = world.raw(&super::post("/v1.41/build?version=2&remote=x", &[], ""));
    assert!(
        status == 403 && answer.contains("BuildKit builds unseen"),
        "{answer}"
    );
    world.gate_again(&["--buildkit", "allow"]);
    let (succeeded, said) = build(world, &arguments);
    assert!(succeeded, "{said}");
    world.allows(&["run", "--rm", "bb:unseen", "/bin/true"]);
    world.gate_again(&[]);
}
