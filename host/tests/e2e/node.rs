//! A node of Kubernetes: Debian's etcd, and programs that bear the names and the arguments of a
//! kubelet and an API server, which Debian has not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{STRIDEGATE, etcd};

const KUBELET: &str = "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous:
    enabled: true
authorization:
  mode: AlwaysAllow
staticPodPath: FOLDER/manifests
";

const ETCD: &str = "apiVersion: v1
kind: Pod
metadata: {name: etcd, namespace: kube-system}
spec:
  containers:
  - name: etcd
    image: registry.k8s.io/etcd
    command: [etcd, --listen-client-urls=http://0.0.0.0:2379]
    env: [{name: A, value: hunter2hunter2}]
    securityContext: {runAsUser: 0}
";

/// A program that waits, under another name and with arguments that are not its own. It ends when
/// its input does.
struct Waiting(Child);

impl Waiting {
    fn start(name: &str, arguments: &[String]) -> Self {
        let child = Command::new("awk")
            .arg0(name)
            .arg("BEGIN{getline line < \"-\"}")
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("awk is there");
        Self(child)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn node() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, text: &str, mode: u32| {
        fs::write(path(name), text).expect("the folder can be written");
        fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).expect("it is our file");
    };
    fs::create_dir(path("manifests")).expect("the folder can be written");
    write(
        "kubelet.yaml",
        &KUBELET.replace("FOLDER", &folder.path().display().to_string()),
        0o600,
    );
    write("manifests/etcd.yaml", ETCD, 0o666);
    write("sa.key", "no key\n", 0o644);
    let (_etcd, client) = etcd(&folder.path().join("etcd"));
    let _kubelet = Waiting::start(
        "/usr/bin/kubelet",
        &[format!("--config={}", path("kubelet.yaml"))],
    );
    let _server = Waiting::start(
        "kube-apiserver",
        &[
            format!("--etcd-servers={client}"),
            "--authorization-mode=AlwaysAllow".into(),
            format!("--service-account-signing-key-file={}", path("sa.key")),
        ],
    );
    let output = Command::new(STRIDEGATE)
        .args(["scan", "node", "-o", "json"])
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(output.status.code(), Some(1), "{said}");
    let results = report["results"].as_array().expect("a report has results");
    let found = |rule: &str, kind: &str, part: &str| {
        let fits = |result: &&Value| {
            result["rule"] == rule
                && result["outcome"] == "fail"
                && result["object"]["kind"] == kind
                && result.to_string().contains(part)
        };
        assert!(
            results.iter().any(|result| fits(&result)),
            "{rule} of {kind} does not tell of {part}: {said}"
        );
    };
    found("anonymous", "Kubelet", &path("kubelet.yaml"));
    found("always-allow", "Kubelet", &path("kubelet.yaml"));
    found("always-allow", "ApiServer", "AlwaysAllow");
    found("plain-url", "Etcd", &client);
    found("uid-zero", "Pod", &path("manifests/etcd.yaml"));
    let planned = "0.0.0.0:2379";
    assert!(
        !results.iter().any(
            |result| result["object"]["kind"] == "Etcd" && result.to_string().contains(planned)
        ),
        "what runs counts more than what is to run"
    );
    found("static-pod-mode", "File", &path("manifests/etcd.yaml"));
    found("key-mode", "File", &path("sa.key"));
    let judged = |name: &str| {
        let mut objects = results.iter().map(|result| &result["object"]["name"]);
        objects.any(|object| object == name)
    };
    assert!(judged(&path("etcd")), "the folder of etcd's data is judged");
}
