//! Captures the facts about this machine that policies need: who may write to the files of Docker
//! and Kubernetes, how their programs were started, and what their configuration says.
//!
//! Private keys, kubeconfigs and logins are never read; of the texts and arguments that are kept,
//! the values of secrets are masked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};
use stridegate_shapes::file::ROLES;

use crate::object::Node;
use crate::source::yaml;

/// The roles of files whose content is kept: what is set there, and no secrets by design.
const KEPT: [&str; 14] = [
    "docker-daemon-config",
    "docker-service",
    "docker-service-drop-in",
    "docker-environment",
    "kubelet-config",
    "kubelet-config-drop-in",
    "kubelet-flags",
    "kubelet-service",
    "kubelet-service-drop-in",
    "etcd-config",
    "etcd-service",
    "authorization-config",
    "authentication-config",
    MANIFEST,
];

/// The role of a manifest that the kubelet reads.
const MANIFEST: &str = "static-pod";

const PROGRAMS: [&str; 8] = [
    "dockerd",
    "containerd",
    "kubelet",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "etcd",
];

/// The largest content that is kept; none of these files comes near it.
const MAX_CONTENT: u64 = 1 << 20;

/// How many links are followed on the way to one file, as the kernel does.
const MAX_LINKS: usize = 40;

const MASK: &str = "********";

/// The facts about the machine whose file system begins at `root`, as `stridegate.dev/v1`
/// `HostFacts`. What is not there, or may not be read, is left out.
#[must_use]
pub fn capture(root: &Path) -> Value {
    let mut host = Host {
        root,
        files: Vec::new(),
        contents: Map::new(),
        seen: BTreeSet::new(),
    };
    let processes = host.processes();
    let mut named: Vec<(String, String)> = Vec::new();
    for (role, pattern) in ROLES {
        named.extend(
            host.matching(pattern)
                .into_iter()
                .map(|path| ((*role).to_owned(), path)),
        );
    }
    named.extend(named_by(&processes));
    host.files_once(named);
    let named = host.named_by_contents();
    host.files_once(named);
    json!({
        "apiVersion": "stridegate.dev/v1",
        "kind": "HostFacts",
        "metadata": {"name": host.name()},
        "files": host.files,
        "processes": processes,
        "environment": host.environment(),
        "contents": host.contents,
    })
}

struct Host<'a> {
    root: &'a Path,
    files: Vec<Value>,
    contents: Map<String, Value>,
    /// The places of the files that were taken.
    seen: BTreeSet<(String, String)>,
}

impl Host<'_> {
    /// Where a path of the machine is found from here.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn name(&self) -> String {
        let name = fs::read_to_string(self.at("/etc/hostname")).unwrap_or_default();
        let name = name.trim();
        if name.is_empty() {
            "host".to_owned()
        } else {
            name.to_owned()
        }
    }

    /// The paths that are there, for a pattern in which `*` stands for any part of a name.
    fn matching(&self, pattern: &str) -> Vec<String> {
        let mut paths = vec![String::new()];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            let next = |folder: String| match part.split_once('*') {
                None => vec![format!("{folder}/{part}")],
                Some((before, after)) => {
                    let names = names(&self.at(&folder)).into_iter();
                    let fits = |name: &String| {
                        name.len() >= before.len() + after.len()
                            && name.starts_with(before)
                            && name.ends_with(after)
                    };
                    names
                        .filter(fits)
                        .map(|name| format!("{folder}/{name}"))
                        .collect()
                }
            };
            paths = paths.into_iter().flat_map(next).collect();
        }
        paths.retain(|path| fs::symlink_metadata(self.at(path)).is_ok());
        paths
    }

    /// The folder that a path lies in without links on the way, and its name there: what two paths
    /// have in common where `/lib` leads to `/usr/lib`.
    fn place(&self, path: &str) -> (String, String) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.resolve(folder).0, name.to_owned())
    }

    /// Takes files that were not taken yet, by role and path; of a folder of static Pods also what
    /// is in it.
    fn files_once(&mut self, named: Vec<(String, String)>) {
        for (role, path) in named {
            let within = if role == "static-pod-dir" {
                self.matching(&format!("{path}/*"))
            } else {
                Vec::new()
            };
            let within = within.into_iter().map(|path| ("static-pod".into(), path));
            for (role, path) in std::iter::once((role, path)).chain(within) {
                if self.seen.insert(self.place(&path)) {
                    self.file(&role, &path);
                }
            }
        }
    }

    /// The files that the configurations taken so far name.
    fn named_by_contents(&self) -> Vec<(String, String)> {
        const KEYS: [(&str, &str); 4] = [
            ("/staticPodPath", "static-pod-dir"),
            ("/authentication/x509/clientCAFile", "kubernetes-pki-cert"),
            ("/data-dir", "etcd-data-dir"),
            ("/wal-dir", "etcd-wal-dir"),
        ];
        let mut named = Vec::new();
        for content in self.contents.values().filter_map(Value::as_str) {
            for document in yaml::read(content).documents {
                let paths = KEYS.iter().filter_map(|(key, role)| {
                    let path = document.at(key)?.node.as_str()?;
                    let path = path.trim_end_matches('/');
                    path.starts_with('/')
                        .then(|| ((*role).to_owned(), path.to_owned()))
                });
                named.extend(paths);
            }
        }
        named
    }

    fn file(&mut self, role: &str, path: &str) {
        let (target, folders) = self.resolve(path);
        let Some(mut file) = self.stat(&target) else {
            return;
        };
        let parents: Vec<Value> = folders
            .iter()
            .filter_map(|folder| self.stat(folder))
            .collect();
        file["path"] = path.into();
        file["role"] = role.into();
        file["target"] = if target == path {
            Value::Null
        } else {
            target.as_str().into()
        };
        file["parents"] = parents.into();
        let is_text = KEPT.contains(&role) && file["type"] == "file";
        self.files.push(file);
        let text = is_text.then(|| self.text(&target)).flatten();
        let text = match role {
            MANIFEST => text.and_then(|text| masked_manifest(&text)),
            _ => text,
        };
        if let Some(text) = text {
            let text = masked_text(&text);
            self.contents.insert(path.to_owned(), text.into());
        }
    }

    /// Where a path leads in the end, and every folder on the way, the root first. Links are
    /// followed within the machine's own root.
    fn resolve(&self, path: &str) -> (String, Vec<String>) {
        let mut folders = vec!["/".to_owned()];
        let mut here = PathBuf::from("/");
        let mut rest: Vec<PathBuf> = components(Path::new(path));
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == Path::new("..") {
                here.pop();
                continue;
            }
            let next = here.join(&part);
            let link = fs::read_link(self.at(&next.to_string_lossy()))
                .ok()
                .filter(|_| links < MAX_LINKS);
            if let Some(link) = link {
                links += 1;
                if link.is_absolute() {
                    here = PathBuf::from("/");
                }
                rest.extend(components(&link));
                continue;
            }
            here = next;
            let folder = here.to_string_lossy().into_owned();
            if !rest.is_empty() && !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        let target = here.to_string_lossy().into_owned();
        folders.retain(|folder| *folder != target);
        (target, folders)
    }

    /// Type, mode and owner of a path that is no link any more.
    fn stat(&self, path: &str) -> Option<Value> {
        let facts = fs::symlink_metadata(self.at(path)).ok()?;
        let kind = facts.file_type();
        let kind = if kind.is_file() {
            "file"
        } else if kind.is_dir() {
            "directory"
        } else if kind.is_socket() {
            "socket"
        } else if kind.is_symlink() {
            "link"
        } else {
            "other"
        };
        Some(json!({
            "path": path,
            "type": kind,
            "mode": format!("{:04o}", facts.mode() & 0o7777),
            "uid": facts.uid(),
            "gid": facts.gid(),
            "target": null,
        }))
    }

    fn text(&self, path: &str) -> Option<String> {
        let path = self.at(path);
        let fits =
            fs::metadata(&path).is_ok_and(|facts| facts.is_file() && facts.len() <= MAX_CONTENT);
        fits.then(|| fs::read_to_string(path).ok()).flatten()
    }

    /// The programs of Docker and Kubernetes that run, by the order of their ids.
    fn processes(&self) -> Vec<Value> {
        let mut ids: Vec<u32> = names(&self.at("/proc"))
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| self.process(id)).collect()
    }

    fn process(&self, id: u32) -> Option<Value> {
        let read =
            |name: &str| fs::read(self.at(&format!("/proc/{id}/{name}"))).unwrap_or_default();
        let words = strings(&read("cmdline"));
        let (program, arguments) = words.split_first()?;
        let name = program.rsplit('/').next().unwrap_or_default();
        PROGRAMS.contains(&name).then(|| {
            let variables = strings(&read("environ"));
            let variables: BTreeMap<&str, String> = variables
                .iter()
                .filter_map(|variable| variable.split_once('='))
                .filter(|(name, _)| is_ours(name))
                .map(|(name, value)| (name, masked_value(name, value)))
                .collect();
            json!({"program": program, "argv": masked_arguments(arguments), "env": variables})
        })
    }

    /// The variables of Docker that every login gets.
    fn environment(&self) -> BTreeMap<String, String> {
        let text = self.text("/etc/environment").unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
        pairs
            .filter(|(name, _)| name.starts_with("DOCKER_"))
            .map(|(name, value)| {
                (
                    name.to_owned(),
                    masked_value(name, value.trim().trim_matches(['"', '\''])),
                )
            })
            .collect()
    }
}

/// Which of a program's flags name a file, and its role.
const FLAGS: &[(&str, &str, &str)] = &[
    ("dockerd", "config-file", "docker-daemon-config"),
    ("dockerd", "data-root", "docker-data-dir"),
    ("dockerd", "tlscacert", "docker-tls-ca"),
    ("dockerd", "tlscert", "docker-tls-cert"),
    ("dockerd", "tlskey", "docker-tls-key"),
    ("kubelet", "config", "kubelet-config"),
    ("kubelet", "kubeconfig", "kubelet-kubeconfig"),
    ("kubelet", "pod-manifest-path", "static-pod-dir"),
    ("kubelet", "client-ca-file", "kubernetes-pki-cert"),
    ("kubelet", "tls-cert-file", "kubelet-pki-cert"),
    ("kubelet", "tls-private-key-file", "kubelet-pki-key"),
    ("etcd", "data-dir", "etcd-data-dir"),
    ("etcd", "wal-dir", "etcd-wal-dir"),
    ("etcd", "config-file", "etcd-config"),
    ("etcd", "cert-file", "etcd-pki-cert"),
    ("etcd", "key-file", "etcd-pki-key"),
    ("etcd", "trusted-ca-file", "etcd-pki-cert"),
    ("etcd", "peer-cert-file", "etcd-pki-cert"),
    ("etcd", "peer-key-file", "etcd-pki-key"),
    ("etcd", "peer-trusted-ca-file", "etcd-pki-cert"),
    (
        "kube-apiserver",
        "encryption-provider-config",
        "encryption-config",
    ),
    (
        "kube-apiserver",
        "authorization-config",
        "authorization-config",
    ),
    (
        "kube-apiserver",
        "authentication-config",
        "authentication-config",
    ),
    ("kube-apiserver", "etcd-cafile", "etcd-pki-cert"),
    ("kube-apiserver", "etcd-certfile", "etcd-pki-cert"),
    ("kube-apiserver", "etcd-keyfile", "etcd-pki-key"),
    ("kube-apiserver", "client-ca-file", "kubernetes-pki-cert"),
    ("kube-apiserver", "tls-cert-file", "kubernetes-pki-cert"),
    (
        "kube-apiserver",
        "tls-private-key-file",
        "kubernetes-pki-key",
    ),
    ("kube-apiserver", "kubelet-client-key", "kubernetes-pki-key"),
    (
        "kube-apiserver",
        "service-account-signing-key-file",
        "kubernetes-pki-key",
    ),
    ("kube-controller-manager", "kubeconfig", "kubeconfig"),
    (
        "kube-controller-manager",
        "cluster-signing-key-file",
        "kubernetes-pki-key",
    ),
    (
        "kube-controller-manager",
        "service-account-private-key-file",
        "kubernetes-pki-key",
    ),
    ("kube-scheduler", "kubeconfig", "kubeconfig"),
];

/// The files that running programs were told to use, beside those at the usual paths.
fn named_by(processes: &[Value]) -> Vec<(String, String)> {
    let mut named = Vec::new();
    for process in processes {
        let program = process["program"].as_str().unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default();
        let words: Vec<&str> = process["argv"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (_, flag, role) in FLAGS.iter().filter(|(of, ..)| *of == program) {
            let variable = flag.replace('-', "_").to_uppercase();
            let by_variable = (program == "etcd")
                .then(|| process["env"][format!("ETCD_{variable}")].as_str())
                .flatten();
            for (index, word) in words.iter().enumerate() {
                // Go's own flags take one dash as well.
                let name = word.trim_start_matches('-');
                let rest = (name.len() < word.len())
                    .then(|| name.strip_prefix(flag))
                    .flatten();
                let path = match rest {
                    Some("") => words.get(index + 1).copied(),
                    rest => rest.and_then(|rest| rest.strip_prefix('=')),
                };
                named.extend(path.map(|path| (*role, path)));
            }
            named.extend(by_variable.map(|path| (*role, path)));
        }
    }
    let absolute = named.into_iter().filter_map(|(role, path)| {
        let path = path.trim_end_matches('/');
        path.starts_with('/')
            .then(|| (role.to_owned(), path.to_owned()))
    });
    absolute.collect()
}

fn components(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    });
    parts.collect()
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// The strings of a list in which each ends with a zero byte.
fn strings(bytes: &[u8]) -> Vec<String> {
    let parts = bytes
        .split(|byte| *byte == 0)
        .map(|part| String::from_utf8_lossy(part).into_owned());
    let mut strings: Vec<String> = parts.collect();
    while strings.last().is_some_and(String::is_empty) {
        strings.pop();
    }
    strings
}

fn is_ours(name: &str) -> bool {
    name.starts_with("DOCKER_") || name.starts_with("ETCD_")
}

/// Whether a name says that its value is a secret, and not where one is kept or how one is made:
/// `splunk-token`, but neither `token-auth-file` nor `authentication-token-webhook`.
fn says_secret(name: &str) -> bool {
    const ENDS: [&str; 11] = [
        "password",
        "passwd",
        "token",
        "secret",
        "credential",
        "credentials",
        "auth_config",
        "apikey",
        "api-key",
        "access-key",
        "secret-key",
    ];
    let name = name.to_ascii_lowercase();
    // The kind of token that etcd makes.
    let kind = name == "etcd_auth_token" || name == "--auth-token";
    !kind && ENDS.iter().any(|end| name.ends_with(end))
}

fn masked_value(name: &str, value: &str) -> String {
    if says_secret(name) && !value.is_empty() {
        MASK.to_owned()
    } else {
        masked_urls(value)
    }
}

/// Arguments without the values of secrets: `--log-opt splunk-token=…`, `--token …`.
fn masked_arguments(arguments: &[String]) -> Vec<String> {
    let mut hidden = false;
    let mask = |argument: &String| {
        let hide = std::mem::take(&mut hidden);
        let mut assignments = argument.match_indices('=');
        let secret = assignments.find_map(|(at, _)| {
            let name = argument.get(..at)?;
            says_secret(name).then_some(name)
        });
        if hide && !argument.starts_with('-') {
            MASK.to_owned()
        } else if let Some(name) = secret {
            format!("{name}={MASK}")
        } else {
            hidden = argument.starts_with('-') && says_secret(argument);
            masked_urls(argument)
        }
    };
    arguments.iter().map(mask).collect()
}

/// A configuration without the values of secrets; every line stays where it is.
fn masked_text(text: &str) -> String {
    text.split_inclusive('\n').map(masked_line).collect()
}

/// A line whose names say secret has each value behind such a name masked.
fn masked_line(line: &str) -> String {
    let line = masked_urls(line);
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(at) = rest.find([':', '=']) {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        rest = after;
        let name = before
            .get(..at)
            .unwrap_or_default()
            .trim_end()
            .trim_end_matches(['"', '\'']);
        let name = name
            .rsplit([' ', '"', '\'', ',', '{', '\t'])
            .next()
            .unwrap_or_default();
        if !says_secret(name) {
            continue;
        }
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let (space, value) = rest.split_at(blank);
        out.push_str(space);
        let quote = value
            .chars()
            .next()
            .filter(|first| matches!(first, '"' | '\''));
        let inner = quote.map_or(value, |_| value.get(1..).unwrap_or_default());
        let end = match quote {
            Some(quote) => closing(inner, quote),
            None => inner.find(|letter: char| letter.is_whitespace() || "\"',}]".contains(letter)),
        };
        let end = end.unwrap_or(inner.trim_end().len());
        out.extend(quote);
        if end > 0 {
            out.push_str(MASK);
        }
        rest = inner.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The quote that ends a string, one behind a backslash left out.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let ends = letter == quote && !escaped;
        escaped = letter == '\\' && !escaped;
        ends.then_some(at)
    })
}

/// The manifest of a Pod without the values of its variables and of annotations that hold a
/// document; none if it cannot be told where these end.
fn masked_manifest(text: &str) -> Option<String> {
    let read = yaml::read(text);
    if read.fault.is_some() {
        return None;
    }
    let mut places = Vec::new();
    for document in &read.documents {
        variables(document, &mut places);
    }
    places.sort_unstable();
    places.dedup();
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in places {
        let value = text.get(start..end).filter(|value| !value.contains('\n'))?;
        masked.push_str(text.get(done..start)?);
        if !value.is_empty() {
            masked.extend(["\"", MASK, "\""]);
        }
        done = end;
    }
    masked.push_str(text.get(done..)?);
    Some(masked)
}

/// Where the values of variables stand, and of annotations that hold a document.
fn variables(node: &Node, places: &mut Vec<(usize, usize)>) {
    for entry in node.entries() {
        let values: Vec<&Node> = match &*entry.key {
            "env" => {
                let items = entry.value.items().iter();
                items.filter_map(|item| item.get("value")).collect()
            }
            "annotations" => {
                let values = entry.value.entries().iter().map(|entry| &entry.value);
                let documents = values.filter(|value| {
                    let text = value.as_str().unwrap_or_default();
                    text.contains(['{', '\n'])
                });
                documents.collect()
            }
            _ => Vec::new(),
        };
        let range = |node: &Node| (node.span.start as usize, node.span.end as usize);
        places.extend(values.into_iter().map(range));
        variables(&entry.value, places);
    }
    for item in node.items() {
        variables(item, places);
    }
}

/// A text in which what stands before the `@` of a URL is masked.
fn masked_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|letter: char| letter.is_whitespace() || "/?#\"'<>`\\,".contains(letter))
            .unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let shown = user
                    .split_once(':')
                    .map_or(String::new(), |(user, _)| format!("{user}:"));
                out.push_str(&shown);
                out.push_str(MASK);
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn machine() -> tempfile::TempDir {
        let machine = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &[u8]| {
            let path = machine.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write("etc/hostname", b"node-1\n");
        write("srv/docker/daemon.json", b"{\n  \"log-opts\": {\"splunk-token\": \"abc\\\"def\", \"splunk-url\": \"https://u:pw@h:1/x\"},\n  \"debug\": true\n}\n");
        write("etc/docker/server-key.pem", b"PRIVATE");
        write("etc/kubernetes/admin.conf", b"token: hunter2");
        write(
            "etc/environment",
            b"PATH=/bin\nDOCKER_CONTENT_TRUST=\"1\"\nDOCKER_PASSWORD=hunter2\n",
        );
        write("proc/12/cmdline", b"/usr/bin/dockerd\0-H\0fd://\0--log-opt\0splunk-token=hunter2\0--log-opt=gelf-secret=hunter2=x==\0--data-root=/data\0");
        write(
            "proc/12/environ",
            b"HOME=/root\0DOCKER_HOST=tcp://a:hunter2@b\0ETCD_PASSWORD=hunter2\0",
        );
        write("proc/13/cmdline", b"/bin/bash\0");
        fs::create_dir_all(machine.path().join("data")).unwrap();
        symlink(
            "../../srv/docker/daemon.json",
            machine.path().join("etc/docker/daemon.json"),
        )
        .unwrap();
        let key = machine.path().join("etc/docker/server-key.pem");
        fs::set_permissions(key, fs::Permissions::from_mode(0o400)).unwrap();
        machine
    }

    #[test]
    fn a_machine_is_captured_with_parents_and_links() {
        let machine = machine();
        let facts = capture(machine.path());
        assert_eq!(facts["metadata"]["name"], "node-1");
        let files = facts["files"].as_array().unwrap();
        let file = |path: &str| files.iter().find(|file| file["path"] == path).unwrap();
        let daemon = file("/etc/docker/daemon.json");
        assert_eq!(daemon["target"], "/srv/docker/daemon.json");
        let parents: Vec<_> = daemon["parents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|parent| parent["path"].as_str().unwrap())
            .collect();
        assert_eq!(parents, ["/", "/etc", "/etc/docker", "/srv", "/srv/docker"]);
        assert_eq!(file("/etc/docker/server-key.pem")["mode"], "0400");
        assert_eq!(file("/data")["role"], "docker-data-dir");
        assert_eq!(facts["processes"][0]["program"], "/usr/bin/dockerd");
        assert_eq!(facts["environment"]["DOCKER_CONTENT_TRUST"], "1");
    }

    #[test]
    fn what_programs_and_configurations_name_is_captured() {
        let machine = machine();
        let write = |path: &str, content: &[u8]| {
            let path = machine.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        write(
            "proc/14/cmdline",
            b"etcd\0-data-dir\0/data/etcd/\0--wal-dir=/data/wal\0",
        );
        write("proc/14/environ", b"ETCD_KEY_FILE=/data/etcd.key\0");
        write(
            "var/lib/kubelet/config.yaml",
            b"kind: KubeletConfiguration\nstaticPodPath: /data/pods\n",
        );
        write("data/pods/etcd.yaml", b"");
        write("data/etcd.key", b"PRIVATE");
        fs::create_dir_all(machine.path().join("data/etcd")).unwrap();
        fs::create_dir_all(machine.path().join("data/wal")).unwrap();
        let facts = capture(machine.path());
        let files = facts["files"].as_array().unwrap();
        for (path, role) in [
            ("/data/etcd", "etcd-data-dir"),
            ("/data/wal", "etcd-wal-dir"),
            ("/data/etcd.key", "etcd-pki-key"),
            ("/data/pods", "static-pod-dir"),
            ("/data/pods/etcd.yaml", "static-pod"),
        ] {
            let file = files.iter().find(|file| file["path"] == path);
            assert_eq!(file.unwrap()["role"], role, "{path}");
        }
        assert!(!facts.to_string().contains("PRIVATE"));
    }

    #[test]
    fn no_secret_is_captured() {
        let facts = capture(machine().path());
        let text = facts.to_string();
        for secret in ["hunter2", "PRIVATE", "abc", "def", ":pw@"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        let content = facts["contents"]["/etc/docker/daemon.json"]
            .as_str()
            .unwrap();
        let parsed: Value = serde_json::from_str(content).unwrap();
        assert_eq!(parsed["debug"], true);
        assert_eq!(content.lines().count(), 4);
    }

    #[test]
    fn what_is_captured_can_be_read() {
        let facts = serde_json::to_string_pretty(&capture(machine().path())).unwrap();
        let text = std::sync::Arc::new(crate::object::Text::new("facts.json", facts));
        let reading = crate::source::read_text(&text, "x", None);
        assert_eq!(reading.faults, []);
        let daemon = reading
            .objects
            .iter()
            .find(|object| object.kind.name == "DaemonConfig")
            .unwrap();
        assert_eq!(daemon.document.text("data-root"), Some("/data"));
    }

    #[test]
    fn what_is_no_secret_is_kept() {
        let arguments = [
            "--authentication-token-webhook=true",
            "--token-auth-file=/x",
            "--auth-token",
            "jwt",
            "--mtu=1",
        ];
        assert_eq!(masked_arguments(&arguments.map(String::from)), arguments);
        assert_eq!(
            masked_arguments(&["--token", "hunter2"].map(String::from)),
            ["--token", MASK]
        );
        for text in [
            "enableServer: true\n",
            "{\"tokenTTL\": \"1h\"}",
            "KUBELET_EXTRA_ARGS=--a=b:c\n",
        ] {
            assert_eq!(masked_text(text), text);
        }
    }

    #[test]
    fn a_manifest_is_kept_without_its_variables() {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  annotations: {last: '{\"value\": \"hunter2\"}', seccomp: runtime/default}\nspec:\n  containers:\n  - name: a\n    env:\n    - {name: A, value: hunter2}\n    - name: B\n      value: 'hunter2 # x' # shown\n    - name: C\n      value:\n    args: [--a=b]\n";
        let masked = masked_manifest(pod).unwrap();
        assert!(!masked.contains("hunter2"), "{masked}");
        for kept in ["runtime/default", "--a=b", "# shown"] {
            assert!(masked.contains(kept), "{masked}");
        }
        assert_eq!(masked.lines().count(), pod.lines().count());
        let json = r#"{"spec": {"containers": [{"env": [{"value": "hun\"ter2", "name": "A"}]}]}}"#;
        let masked = masked_manifest(json).unwrap();
        let masked: Value = serde_json::from_str(&masked).unwrap();
        assert_eq!(masked["spec"]["containers"][0]["env"][0]["value"], MASK);
        let folded = "spec:\n  containers:\n  - env:\n    - value: |\n        hunter2\n";
        assert_eq!(masked_manifest(folded), None);
        assert_eq!(masked_manifest("a: [hunter2"), None);
    }

    #[test]
    fn a_file_that_two_paths_lead_to_is_read_once() {
        let machine = tempfile::tempdir().unwrap();
        let units = machine.path().join("usr/lib/systemd/system");
        fs::create_dir_all(&units).unwrap();
        fs::write(units.join("docker.service"), "[Service]\n").unwrap();
        symlink("usr/lib", machine.path().join("lib")).unwrap();
        let facts = capture(machine.path());
        let files = facts["files"].as_array().unwrap();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(files[0]["target"], "/usr/lib/systemd/system/docker.service");
        assert_eq!(facts["contents"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn links_that_lead_in_circles_end() {
        let machine = tempfile::tempdir().unwrap();
        fs::create_dir_all(machine.path().join("etc/docker")).unwrap();
        symlink("daemon.json", machine.path().join("etc/docker/daemon.json")).unwrap();
        let facts = capture(machine.path());
        let file = facts["files"]
            .as_array()
            .unwrap()
            .iter()
            .find(|file| file["role"] == "docker-daemon-config")
            .unwrap();
        assert_eq!(file["type"], "link");
    }

    proptest::proptest! {
        #[test]
        fn masking_keeps_lines_and_never_panics(text in "(password|token: ?|\"|'|=|://|@|é|\n| |\\\\){0,20}") {
            let masked = masked_text(&text);
            assert_eq!(masked.matches('\n').count(), text.matches('\n').count());
            masked_arguments(&[text.clone(), text]);
        }
    }
}
