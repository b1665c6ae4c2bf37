//! A Docker engine with Stridegate at its gate.

mod evasions;
mod images;
mod remote;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PATIENCE, STRIDEGATE, Server};

/// The name of the plugin, which no other on this machine has.
const PLUGIN: &str = "stridegate-e2e";

/// What an engine of Debian's package looks for plugins in.
const PLUGINS: &str = "/run/docker/plugins";

const CONSTRAINTS: &str = include_str!("docker.yaml");

/// What makes images, or names them, is the matter of committers.
const COMMITTERS: &str = "---
apiVersion: stridegate.dev/v1
kind: Constraint
metadata: {name: committers}
spec:
  policy: image-commit
  enforcementAction: deny
  match: {kinds: [{apiGroups: [docker], kinds: [Request]}]}
  parameters: {committers: [alice]}
";

/// An engine and its gate.
struct World {
    // Dropped in this order: the engine asks its gate until it ends.
    engine: Server,
    gate: Option<Server>,
    folder: TempDir,
    /// Where the engine listens with TLS.
    port: u16,
}

impl World {
    /// Starts an engine, and turns its gate on as the instructions say.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("constraints")).expect("the folder can be written");
        fs::write(path("constraints/docker.yaml"), CONSTRAINTS).expect("the folder can be written");
        fs::write(path("daemon.json"), "{}").expect("the folder can be written");
        remote::certificates(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        let mut engine = Server::start(
            Command::new("dockerd")
                .arg("--data-root")
                .arg(path("data"))
                .arg("--exec-root")
                .arg(path("exec"))
                .arg("--pidfile")
                .arg(path("docker.pid"))
                .arg("--config-file")
                .arg(path("daemon.json"))
                // The machine's own rules are left alone, and the gate is to know of it.
                .arg("--iptables=false")
                .arg("--tlsverify")
                .arg("--tlscacert")
                .arg(path("tls/engine/ca.pem"))
                .arg("--tlscert")
                .arg(path("tls/engine/cert.pem"))
                .arg("--tlskey")
                .arg(path("tls/engine/key.pem"))
                .arg("-H")
                .arg(format!("tcp://127.0.0.1:{port}"))
                .arg("-H")
                .arg(format!("unix://{}", path("docker.sock").display())),
            "docker.sock",
        );
        let gate = gate(folder.path(), &[]);
        let config = json!({"authorization-plugins": [PLUGIN]}).to_string();
        fs::write(path("daemon.json"), config).expect("the folder can be written");
        engine.signal(Signal::HUP);
        engine.wait_for("Got signal to reload configuration");
        engine.wait_for("Reloaded configuration");
        Self {
            engine,
            gate: Some(gate),
            folder,
            port,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn unix(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    fn tcp(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Runs a docker command: whether it succeeded, and what it said.
    fn docker(&self, arguments: &[&str]) -> (bool, String) {
        docker_in(self.folder.path(), arguments, &[])
    }

    /// Starts the gate anew, with other arguments.
    fn gate_again(&mut self, arguments: &[&str]) {
        drop(self.gate.take());
        self.gate = Some(gate(self.folder.path(), arguments));
    }

    fn allows(&self, arguments: &[&str]) -> String {
        let (succeeded, said) = self.docker(arguments);
        assert!(succeeded, "docker {}: {said}", arguments.join(" "));
        said
    }

    /// That a docker command is denied, by a rule.
    fn denies(&self, rule: &str, arguments: &[&str]) {
        let (succeeded, said) = self.docker(arguments);
        let by = format!("authorization denied by plugin {PLUGIN}: ");
        assert!(
            !succeeded && said.contains(&by) && said.contains(rule),
            "docker {}: {said}",
            arguments.join(" ")
        );
    }

    /// Sends the bytes of a request: the status and the body of the answer.
    fn raw(&self, request: &[u8]) -> (u16, String) {
        raw(&self.path("docker.sock"), request)
    }

    fn post(&self, uri: &str, kind: &str, body: &str) -> (u16, String) {
        self.raw(&post(uri, &[("Content-Type", kind)], body))
    }

    /// Puts constraints in force.
    fn constraints(&mut self, constraints: &str) {
        fs::write(self.path("constraints/docker.yaml"), constraints)
            .expect("the folder can be written");
        let gate = self.gate.as_mut().expect("it runs");
        gate.signal(Signal::HUP);
        gate.wait_for("are in force");
    }

    fn decisions(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.path("decisions.jsonl")).expect("there is a log");
        log.lines()
            .map(|line| serde_json::from_str(line).expect("a decision is JSON"))
            .collect()
    }
}

/// Runs a docker command, with variables that count more than those that it gets anyway.
fn docker_in(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let client = if Path::new("/usr/bin/docker").exists() {
        "/usr/bin/docker"
    } else {
        "docker"
    };
    let output = Command::new(client)
        .env(
            "DOCKER_HOST",
            format!("unix://{}", folder.join("docker.sock").display()),
        )
        .env("DOCKER_CONFIG", folder.join("client"))
        .env("DOCKER_BUILDKIT", "0")
        .envs(variables.iter().copied())
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("the docker command is installed; make e2e does it");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn gate(folder: &Path, arguments: &[&str]) -> Server {
    Server::start(
        Command::new(STRIDEGATE)
            .current_dir(folder)
            .args([
                "serve",
                "docker",
                "-c",
                "constraints",
                "--log",
                "decisions.jsonl",
            ])
            .arg("--socket")
            .arg(format!("{PLUGINS}/{PLUGIN}.sock"))
            .arg("--engine")
            .arg(format!("unix://{}", folder.join("docker.sock").display()))
            .args(arguments),
        "listening on",
    )
}

fn post(uri: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut request = format!("POST {uri} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    format!("{request}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn raw(socket: &Path, request: &[u8]) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).expect("the engine listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("the time is not zero");
    // It may answer before it has read all.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    (
        status.unwrap_or_else(|| panic!("no status: {answer}")),
        answer,
    )
}

/// A base image of Debian's busybox, as no registry is at hand.
fn base_image(world: &World) {
    let bin = world.path("rootfs/bin");
    fs::create_dir_all(&bin).expect("the folder can be written");
    fs::copy("/bin/busybox", bin.join("busybox"))
        .expect("busybox-static is installed; make e2e does it");
    for applet in ["sh", "sleep", "true", "cat", "id"] {
        fs::hard_link(bin.join("busybox"), bin.join(applet)).expect("the folder can be written");
    }
    let packed = Command::new("tar")
        .arg("-C")
        .arg(world.path("rootfs"))
        .arg("-cf")
        .arg(world.path("rootfs.tar"))
        .arg(".")
        .status();
    assert!(packed.expect("tar is there").success());
}

#[test]
fn docker() {
    let mut world = World::start();
    base_image(&world);
    let say = |what: &str| eprintln!("docker: {what}");

    say("what is allowed goes on as without a gate");
    world.allows(&[
        "import",
        "--change",
        "CMD [\"/bin/sh\"]",
        "rootfs.tar",
        "bb:imported",
    ]);
    world.allows(&["info"]);
    world.allows(&["run", "--rm", "--user", "1000", "bb:imported", "/bin/true"]);
    world.allows(&["volume", "create", "v1"]);
    world.allows(&["network", "create", "n1"]);

    say("a container that runs as root is denied");
    let (_, said) = world.docker(&["run", "--rm", "bb:imported", "/bin/true"]);
    assert!(
        said.contains("root-user/no-user") && said.contains("Instead: "),
        "{said}"
    );
    world.denies(
        "root-user/uid-zero",
        &["create", "--user", "0:0", "bb:imported"],
    );
    world.denies(
        "root-user/uid-zero",
        &[
            "run",
            "-d",
            "--user",
            "root",
            "bb:imported",
            "/bin/sleep",
            "1000",
        ],
    );

    say("an image that is not there is pulled, which is no matter of the gate");
    let (succeeded, said) = world.docker(&["run", "--user", "1000", "127.0.0.1:1/none:1"]);
    assert!(
        !succeeded && !said.contains("authorization denied"),
        "{said}"
    );

    say("exec, update, start");
    world.allows(&[
        "run",
        "-d",
        "--name",
        "c1",
        "--user",
        "1000",
        "bb:imported",
        "/bin/sleep",
        "1000",
    ]);
    world.allows(&["exec", "c1", "/bin/true"]);
    world.denies(
        "privileged-exec/privileged",
        &["exec", "--privileged", "c1", "/bin/true"],
    );
    world.denies(
        "privileged-exec/user-root",
        &["exec", "--user", "0", "c1", "/bin/true"],
    );
    world.allows(&["update", "--memory", "64m", "--memory-swap", "128m", "c1"]);
    world.denies(
        "unlimited-restart/unlimited",
        &["update", "--restart", "always", "c1"],
    );
    world.allows(&["restart", "-t", "0", "c1"]);
    world.denies(
        "unlimited-memory/no-limit",
        &[
            "create",
            "--name",
            "limited1",
            "--user",
            "1000",
            "bb:imported",
        ],
    );
    world.allows(&[
        "create",
        "--name",
        "limited2",
        "--user",
        "1000",
        "--memory",
        "64m",
        "bb:imported",
    ]);
    world.denies("No such container: gone", &["start", "gone"]);
    let secret = "o=username=shop,password=Xk9#mQ2vLp7z";
    let (succeeded, said) = world.docker(&[
        "volume",
        "create",
        "--opt",
        "type=cifs",
        "--opt",
        secret,
        "v2",
    ]);
    assert!(
        !succeeded && said.contains("hardcoded-secret/") && !said.contains("Xk9#mQ2vLp7z"),
        "{said}"
    );
    world.denies(
        "hardcoded-secret/",
        &[
            "create",
            "--user",
            "1000",
            "--env",
            "DB_PASSWORD=Xk9#mQ2vLp7z",
            "bb:imported",
        ],
    );

    say("images are built, and what is unseen is as the gate was told");
    images::built(&world);
    images::built_unseen(&mut world);

    say("images go to a registry and come from it, and from no other");
    images::pushed_and_pulled(&mut world);

    say("a scan sees what was started");
    let before = histories(&world.decisions());
    assert_eq!(before, 0, "the gate's own questions are no decisions");
    scan(&world);

    say("a scan finds the engine by variables and contexts, over TLS and on its socket");
    remote::scans(&world);

    say("who asks is known by a certificate");
    remote::committers(&mut world);

    say("only committers make images, and on a Unix socket nobody is known to be one");
    world.constraints(&format!("{CONSTRAINTS}{COMMITTERS}"));
    world.denies("image-commit/", &["commit", "c1", "evil:1"]);
    world.denies("image-commit/", &["import", "rootfs.tar", "evil:2"]);
    world.denies("image-commit/", &["build", "-t", "evil:3", "built"]);
    world.denies("image-commit/", &["tag", "bb:built", "evil:4"]);
    world.denies("image-commit/", &["push", "bb:built"]);
    world.denies("image-commit/", &["load", "--input", "rootfs.tar"]);
    world.constraints(CONSTRAINTS);

    say("services are judged as the containers that they make");
    world.allows(&["swarm", "init", "--advertise-addr", "127.0.0.1"]);
    world.denies(
        "root-user",
        &[
            "service",
            "create",
            "--detach",
            "--no-resolve-image",
            "--name",
            "s1",
            "--user",
            "0",
            "bb:imported",
            "/bin/sleep",
            "1000",
        ],
    );
    world.allows(&[
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--name",
        "s2",
        "--user",
        "1000",
        "bb:imported",
        "/bin/sleep",
        "1000",
    ]);
    world.denies(
        "root-user",
        &[
            "service",
            "update",
            "--detach",
            "--no-resolve-image",
            "--user",
            "0",
            "s2",
        ],
    );
    // The engine takes the body, whatever stands there instead of nothing.
    let root =
        r#"{"Name":"s2","TaskTemplate":{"ContainerSpec":{"Image":"bb:imported","User":"0"}}}"#;
    for rollback in ["none", "", "Previous"] {
        let uri = format!("/v1.41/services/s2/update?version=1&rollback={rollback}");
        let (status, answer) = world.post(&uri, "application/json", root);
        assert!(status == 403 && answer.contains("root-user"), "{answer}");
    }
    world.allows(&[
        "service",
        "update",
        "--detach",
        "--no-resolve-image",
        "--user",
        "1001",
        "s2",
    ]);
    world.allows(&["service", "rollback", "--detach", "s2"]);
    scan_of_services(&world);
    world.allows(&["service", "rm", "s2"]);
    world.allows(&["swarm", "leave", "--force"]);

    // No scan follows.
    let by_scan = histories(&world.decisions());

    say("how the daemon was started counts, too");
    let options = r#"{"Name":"apart","Driver":"bridge","Options":{"com.docker.network.bridge.default_bridge":"true","com.docker.network.bridge.enable_icc":"false"}}"#;
    let (status, answer) = world.post("/v1.41/networks/create", "application/json", options);
    assert!(
        status == 403 && answer.contains("inter-container-traffic/not-enforced"),
        "{answer}"
    );

    say("a plugin of the engine is a container of root's, and copied files can make one");
    plugin(&world);
    world.denies("root-user/copied-files", &["cp", "rootfs.tar", "c1:/tmp"]);
    world.allows(&["cp", "c1:/bin/true", "copied"]);

    say("nothing walks around the gate");
    evasions::denied(&world);

    say("without its gate the engine does nothing");
    world.gate.take().expect("it runs").kill();
    let (status, answer) = world.post(
        "/v1.41/containers/create?name=ungated",
        "application/json",
        r#"{"Image":"bb:imported","User":"1000"}"#,
    );
    assert!(status >= 400, "{answer}");
    world.gate_again(&[]);
    let names = world.allows(&["ps", "--all", "--format", "{{.Names}}"]);
    assert!(!names.contains("ungated"), "{names}");

    say("a gate that was killed and comes back loses no request");
    let gate = world.gate.take().expect("it runs");
    gate.kill();
    let again = std::thread::scope(|scope| {
        let (send, started) = std::sync::mpsc::channel();
        let folder = world.folder.path();
        let asked = scope.spawn(move || {
            send.send(()).expect("the test waits");
            docker_in(folder, &["ps"], &[])
        });
        started.recv().expect("it has begun");
        let again = self::gate(folder, &[]);
        let (succeeded, said) = asked.join().expect("the command ends");
        assert!(succeeded, "{said}");
        again
    });
    world.gate = Some(again);

    say("a change of constraints under load loses no request");
    reload(&mut world);

    say("the log tells of each");
    let decisions = world.decisions();
    let denied = decisions
        .iter()
        .filter(|decision| decision["decision"] == "deny")
        .count();
    assert!(
        denied > 20 && decisions.len() > denied,
        "{denied} of {}",
        decisions.len()
    );
    assert_eq!(
        histories(&decisions),
        by_scan,
        "the gate's own questions are no decisions"
    );
    world.allows(&["rm", "-f", "c1"]);
    assert!(matches!(world.engine.child.try_wait(), Ok(None)));
}

/// That a plugin that was made here is not enabled.
fn plugin(world: &World) {
    let folder = world.path("plugin");
    fs::create_dir_all(folder.join("rootfs/bin")).expect("the folder can be written");
    fs::copy("/bin/busybox", folder.join("rootfs/bin/busybox")).expect("busybox is there");
    let config = json!({
        "Description": "", "Documentation": "", "WorkDir": "/", "PidHost": true,
        "Entrypoint": ["/bin/busybox", "sleep", "1000"],
        "Interface": {"Types": ["docker.dummy/1.0"], "Socket": "evil.sock"},
        "Linux": {"Capabilities": ["CAP_SYS_ADMIN"], "AllowAllDevices": true, "Devices": null},
        "Mounts": [], "Network": {"Type": "host"}, "User": {"UID": 1000},
    });
    fs::write(folder.join("config.json"), config.to_string()).expect("the folder can be written");
    world.allows(&["plugin", "create", "evil/plugin", "plugin"]);
    world.denies("root-user/uid-zero", &["plugin", "enable", "evil/plugin"]);
    world.allows(&["plugin", "rm", "evil/plugin"]);
}

/// That a scan of a manager judges its services.
fn scan_of_services(world: &World) {
    let output = Command::new(STRIDEGATE)
        .current_dir(world.folder.path())
        .args(["scan", "docker", "-o", "json", "--host", &world.unix()])
        .output()
        .expect("the program can be started");
    let report: Value = serde_json::from_slice(&output.stdout).expect("it writes JSON");
    assert_eq!(report["summary"]["errors"], 0, "{}", report["errors"]);
    let mut results = report["results"].as_array().into_iter().flatten();
    assert!(results.any(|result| result["file"] == "service/s2"));
}

/// How many of the decisions are about the history of an image, which no command here asks for.
fn histories(decisions: &[Value]) -> usize {
    let histories = decisions
        .iter()
        .filter(|decision| decision["endpoint"] == "image.history");
    histories.count()
}

/// That a scan judges everything that the `docker` command lists, and how the daemon was started.
fn scan(world: &World) {
    let output = Command::new(STRIDEGATE)
        .current_dir(world.folder.path())
        .args(["scan", "docker", "-o", "json", "--host"])
        .arg(format!("unix://{}", world.path("docker.sock").display()))
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(report["summary"]["errors"], 0, "{}", report["errors"]);
    let results = report["results"].as_array().expect("a report has results");
    let judged = |file: &str| results.iter().any(|result| result["file"] == file);
    for (kind, list) in [
        ("container", &["ps", "-a", "--format", "{{.Names}}"][..]),
        ("network", &["network", "ls", "--format", "{{.Name}}"]),
        ("volume", &["volume", "ls", "--format", "{{.Name}}"]),
    ] {
        let (success, names) = world.docker(list);
        assert!(success && !names.trim().is_empty(), "{kind}: {names}");
        for name in names.lines() {
            let judged = judged(&format!("{kind}/{name}"));
            assert!(judged, "{kind}/{name} was not judged: {said}");
        }
    }
    let (_, ids) = world.docker(&["images", "-q"]);
    let ids: BTreeSet<&str> = ids.lines().collect();
    let files = results.iter().filter_map(|result| result["file"].as_str());
    let images: BTreeSet<&str> = files.filter(|file| file.starts_with("image/")).collect();
    assert_eq!(images.len(), ids.len(), "{images:?}");
    assert!(judged("image/bb:imported"), "{said}");
    let daemon = results
        .iter()
        .any(|result| result["object"]["kind"] == "DaemonConfig");
    assert!(daemon, "how the daemon was started was not judged: {said}");
}

/// Changes the constraints while containers are made.
fn reload(world: &mut World) {
    let done = AtomicBool::new(false);
    let socket = world.path("docker.sock");
    let mut gate = world.gate.take().expect("it runs");
    let milder = CONSTRAINTS.replace("enforcementAction: deny", "enforcementAction: warn");
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..2)
            .map(|asker| {
                let (done, socket) = (&done, &socket);
                scope.spawn(move || {
                    let mut made = 0;
                    while !done.load(Ordering::Relaxed) {
                        let body = r#"{"Image":"bb:imported","User":"1000"}"#;
                        let uri = format!("/v1.41/containers/create?name=load{asker}");
                        let (status, answer) = raw(socket, &post(&uri, &[("Content-Type", "application/json")], body));
                        assert_eq!(status, 201, "{answer}");
                        let delete = format!("DELETE /v1.41/containers/load{asker} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
                        let (status, answer) = raw(socket, delete.as_bytes());
                        assert_eq!(status, 204, "{answer}");
                        made += 1;
                    }
                    made
                })
            })
            .collect();
        for number in 0..6 {
            let constraints = if number % 2 == 0 {
                &*milder
            } else {
                CONSTRAINTS
            };
            fs::write(world.path("constraints/docker.yaml"), constraints)
                .expect("the folder can be written");
            gate.signal(Signal::HUP);
            gate.wait_for("are in force");
        }
        done.store(true, Ordering::Relaxed);
        let made: usize = askers
            .into_iter()
            .map(|asker| asker.join().expect("no request was lost"))
            .sum();
        assert!(made > 0);
    });
    world.gate = Some(gate);
    world.denies("root-user", &["create", "--user", "0", "bb:imported"]);
}
