//! Compose projects: one container for each service.
//!
//! A project is read as `docker compose config` reads it, with its override or what `COMPOSE_FILE`
//! in its `.env` names, what it includes and extends, and the variables of its `.env`. The environment of the process that reads is never
//! asked: a variable that no file gives a value stays unknown. Its value in the document is the
//! `${NAME}` as written, or absent where a number or boolean belongs, and its JSON Pointer stands
//! in the document's `unresolved`.

mod container;
mod dotenv;
mod environment;
mod inline;
mod interpolate;
mod merge;
mod mounts;
mod paths;
mod ports;
mod project;
mod selection;
#[cfg(test)]
mod tests;
mod units;

use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::{Kind, dockerfile};

use self::container::{Context, Writer, boolean, pairs};
use self::merge::scalar;
use self::project::Loader;
use self::selection::Layers;
use super::{Reading, yaml};
use crate::object::{Content, Entry, Identity, Move, Node, Object, Origin, Text, Written};

const CONTAINER: Kind = Kind::known("docker", "Container");
const VOLUME: Kind = Kind::known("docker", "Volume");
const NETWORK: Kind = Kind::known("docker", "Network");

/// The version of the three shapes.
const VERSION: &str = "v1";

/// Whether a file's name promises a Compose project.
pub(super) fn is_promised(name: &Path) -> bool {
    let Some(name) = name.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let stem = name.strip_suffix(".yaml").or(name.strip_suffix(".yml"));
    stem.is_some_and(|stem| {
        let rest = stem
            .strip_prefix("docker-compose")
            .or(stem.strip_prefix("compose"));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
            || stem.ends_with(".compose")
            || stem.ends_with(".docker-compose")
    })
}

/// Whether a text can be a Compose project at all, which spares parsing what cannot.
pub(super) fn is_plausible(content: &str) -> bool {
    content.contains("services")
}

/// Whether a text is a Compose project by its content: its services have an image, are built or
/// extend others.
pub(super) fn recognises(text: &Text) -> bool {
    let documents = || yaml::read_as(&text.content, yaml::Dialect::Compose).documents;
    is_plausible(&text.content) && documents().first().is_some_and(is_project)
}

fn is_project(document: &Node) -> bool {
    let foreign = [
        "apiVersion",
        "kind",
        "jobs",
        "pipeline",
        "stages",
        "swagger",
        "openapi",
    ];
    if foreign.iter().any(|key| document.get(key).is_some()) {
        return false;
    }
    let services = document.get("services").map_or(&[][..], Node::entries);
    let is_service = |entry: &Entry| {
        let mut keys = ["image", "build", "extends"].iter();
        keys.any(|key| entry.value.get(key).is_some())
    };
    let is_map = |entry: &Entry| matches!(entry.value.content, Content::Map(_));
    !services.is_empty() && services.iter().all(is_map) && services.iter().any(is_service)
}

/// Reads a project, with the files that it names and the override that lies beside it.
pub(super) fn read(text: &Arc<Text>) -> Reading {
    let mut reading = Reading::default();
    let path = Path::new(&text.name);
    let layers = match selection::of(path) {
        Layers::Over(base) => {
            reading.skipped = Some(format!("is laid over {base}, and judged there"));
            return reading;
        }
        Layers::Under(layers) => layers,
    };
    let mut loader = Loader::new(text);
    let project = loader.project(&layers);
    if let Some((root, variables)) = project {
        let folder = project_name(path, &root, &loader);
        let context = Context {
            name: &folder,
            root: &root,
            variables: &variables,
        };
        let documents = documents(&context, &mut loader);
        if documents.is_empty() && loader.faults.is_empty() {
            loader.fault(
                root.span,
                "is named like a Compose project, but has no services; add them or rename the file",
            );
        }
        for made in documents {
            reading.written += 1;
            reading.objects.push(Object {
                kind: made.kind,
                version: VERSION.into(),
                identity: Arc::new(made.identity),
                written: Written {
                    labels: made
                        .document
                        .at("/Config/Labels")
                        .map(|labels| labels.node.clone()),
                    ..Written::default()
                },
                document: made.document,
                moves: made.moves,
                origin: made.origin,
                texts: loader.texts.clone(),
            });
        }
    }
    reading.faults.append(&mut loader.faults);
    reading
}

/// What is made of a part of a project.
struct Made {
    kind: Kind,
    identity: Identity,
    document: Node,
    moves: Vec<Move>,
    origin: Option<Origin>,
}

fn documents(context: &Context<'_>, loader: &mut Loader) -> Vec<Made> {
    let mut found = Vec::new();
    let section = |key: &str| context.root.get(key).map_or(&[][..], Node::entries);
    if let Some(services) = context.root.get("services")
        && !matches!(services.content, Content::Map(_))
    {
        loader.fault(
            services.span,
            "services is no map; write each service under its name",
        );
    }
    for entry in section("services")
        .iter()
        .filter(|entry| !entry.key.starts_with("x-"))
    {
        if !matches!(entry.value.content, Content::Map(_)) {
            loader.fault(
                entry.key_span,
                "this service is no map; write its members under its name",
            );
            continue;
        }
        refuse_unknown(&entry.value, loader);
        let document = Writer::new(context, loader, entry).write();
        found.push(Made {
            kind: CONTAINER,
            identity: identity("Service", &entry.key),
            document,
            moves: moves(&entry.value),
            origin: None,
        });
        found.extend(inline_dockerfile(entry, loader));
    }
    for (key, kind, name) in [
        ("volumes", VOLUME, "Volume"),
        ("networks", NETWORK, "Network"),
    ] {
        for entry in section(key) {
            let external = entry.value.get("external");
            if entry.key.starts_with("x-") || external.is_some_and(is_external) {
                continue;
            }
            let document = resource(context, loader, key, entry);
            found.push(Made {
                kind: kind.clone(),
                identity: identity(name, &entry.key),
                document,
                moves: Vec::new(),
                origin: None,
            });
        }
    }
    found
}

/// The Dockerfile that a service has in its own text, judged as one.
fn inline_dockerfile(service: &Entry, loader: &mut Loader) -> Option<Made> {
    let inline = service.value.get("build")?.get("dockerfile_inline")?;
    Some(Made {
        kind: dockerfile::KIND,
        identity: identity("Service", &service.key),
        document: inline::read(inline, loader)?,
        moves: Vec::new(),
        origin: Some(Origin {
            document: Arc::new(service.value.clone()),
            rewrite: |_, _, _| None,
        }),
    })
}

/// The members of a service that Compose knows; those that start with `x-` are notes.
const MEMBERS: [&str; 93] = [
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volume_driver",
    "volumes",
    "volumes_from",
    "working_dir",
];

fn refuse_unknown(service: &Node, loader: &mut Loader) {
    let is_unknown =
        |entry: &&Entry| !entry.key.starts_with("x-") && !MEMBERS.contains(&entry.key.as_str());
    for entry in service.entries().iter().filter(is_unknown) {
        let meant = super::nearest(&entry.key, &MEMBERS)
            .map_or(String::new(), |meant| format!(" (did you mean {meant}?)"));
        let message = format!(
            "is no member of a service, and Compose refuses it{meant}; correct it, or begin it with x- if it is a note"
        );
        loader.fault(entry.key_span, message);
    }
}

fn is_external(node: &Node) -> bool {
    boolean(node) == Some(true) || matches!(node.content, Content::Map(_))
}

fn identity(kind: &str, name: &str) -> Identity {
    Identity {
        group: "compose".into(),
        kind: kind.into(),
        name: name.into(),
        namespace: String::new(),
    }
}

/// A volume or network as the engine shows it.
fn resource(context: &Context<'_>, loader: &Loader, section: &str, entry: &Entry) -> Node {
    let here = entry.key_span;
    let written = &entry.value;
    let text = |key: &str, default: String| {
        let found = written
            .get(key)
            .and_then(|node| Some((node.span, scalar(node)?)));
        let (span, text) = found.unwrap_or((here, default));
        Node::string(span, text)
    };
    let map = |key: &str| written.get(key).map_or_else(|| Node::map(here, []), pairs);
    let driver = if section == "volumes" {
        "local"
    } else {
        "bridge"
    };
    let mut document = Node::map(
        here,
        [
            ("Name", text("name", context.resource(section, &entry.key))),
            ("Driver", text("driver", driver.to_owned())),
            ("Options", map("driver_opts")),
            ("Labels", map("labels")),
        ],
    );
    let mut defaults = Vec::new();
    let mut unresolved = Vec::new();
    let members = [
        ("driver", "Driver"),
        ("driver_opts", "Options"),
        ("labels", "Labels"),
    ];
    for (key, field) in members {
        if written.get(key).is_none() {
            defaults.push(format!("/{field}"));
        }
    }
    if section == "networks" {
        for (key, field) in [
            ("internal", "Internal"),
            ("attachable", "Attachable"),
            ("enable_ipv6", "EnableIPv6"),
        ] {
            let node = written.get(key);
            if node.is_some_and(|node| loader.unknown.contains(&node.span)) {
                unresolved.push(format!("/{field}"));
                continue;
            }
            if node.is_none() {
                defaults.push(format!("/{field}"));
            }
            let value = Node {
                span: node.map_or(here, |node| node.span),
                content: Content::Bool(node.and_then(boolean) == Some(true)),
            };
            document.set(field, value.span, value);
        }
    }
    container::complete(document, here, &loader.unknown, unresolved, defaults)
}

/// Where the parts of a container stand in its service.
fn moves(service: &Node) -> Vec<Move> {
    let is_there = |written: &&Move| {
        let mut node = service;
        written.written.split('/').skip(1).all(|step| {
            let found = node.get(step);
            node = found.unwrap_or(node);
            found.is_some()
        })
    };
    let mut moves: Vec<Move> = MOVES.iter().filter(is_there).copied().collect();
    // What is not written stands where the service does.
    moves.push(Move {
        judged: "",
        written: "",
    });
    moves
}

const fn moved(judged: &'static str, written: &'static str) -> Move {
    Move { judged, written }
}

const MOVES: [Move; 36] = [
    moved("/HostConfig/Memory", "/deploy/resources/limits/memory"),
    moved("/HostConfig/Memory", "/mem_limit"),
    moved("/HostConfig/MemorySwap", "/memswap_limit"),
    moved(
        "/HostConfig/MemoryReservation",
        "/deploy/resources/reservations/memory",
    ),
    moved("/HostConfig/MemoryReservation", "/mem_reservation"),
    moved("/HostConfig/NanoCpus", "/deploy/resources/limits/cpus"),
    moved("/HostConfig/NanoCpus", "/cpus"),
    moved("/HostConfig/PidsLimit", "/deploy/resources/limits/pids"),
    moved("/HostConfig/PidsLimit", "/pids_limit"),
    moved(
        "/HostConfig/RestartPolicy/Name",
        "/deploy/restart_policy/condition",
    ),
    moved(
        "/HostConfig/RestartPolicy/MaximumRetryCount",
        "/deploy/restart_policy/max_attempts",
    ),
    moved("/HostConfig/RestartPolicy", "/deploy/restart_policy"),
    moved("/HostConfig/RestartPolicy/Name", "/restart"),
    moved("/HostConfig/RestartPolicy", "/restart"),
    moved("/HostConfig/Privileged", "/privileged"),
    moved("/HostConfig/ReadonlyRootfs", "/read_only"),
    moved("/HostConfig/CapAdd", "/cap_add"),
    moved("/HostConfig/CapDrop", "/cap_drop"),
    moved("/HostConfig/SecurityOpt", "/security_opt"),
    moved("/HostConfig/NetworkMode", "/network_mode"),
    moved("/HostConfig/PidMode", "/pid"),
    moved("/HostConfig/IpcMode", "/ipc"),
    moved("/HostConfig/UsernsMode", "/userns_mode"),
    moved("/HostConfig/LogConfig/Type", "/logging/driver"),
    moved("/HostConfig/LogConfig/Config", "/logging/options"),
    moved("/HostConfig/Devices", "/devices"),
    moved("/HostConfig/Sysctls", "/sysctls"),
    moved("/HostConfig/ExtraHosts", "/extra_hosts"),
    moved("/HostConfig/Init", "/init"),
    moved("/HostConfig/GroupAdd", "/group_add"),
    moved("/Config/User", "/user"),
    moved("/Config/Image", "/image"),
    moved("/Config/WorkingDir", "/working_dir"),
    moved("/Config/Hostname", "/hostname"),
    moved("/Config/Labels", "/labels"),
    moved("/Build", "/build"),
];

/// The name of the project: as it says, or that of its folder as Compose spells it.
fn project_name(path: &Path, root: &Node, loader: &Loader) -> String {
    if let Some(name) = root.get("name")
        && !loader.unknown.contains(&name.span)
        && let Some(name) = scalar(name)
    {
        return name;
    }
    if path == Path::new("-") {
        return String::new();
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let real = folder.canonicalize().unwrap_or_default();
    let name = real
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase());
    let known = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let name: String = name.unwrap_or_default().chars().filter(known).collect();
    name.trim_start_matches(['_', '-']).to_owned()
}
