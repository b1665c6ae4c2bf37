//! `docker/Container`, version `v1`: a container as `docker inspect` shows it.
//!
//! What the engine shows of a container that exists is taken as it is; it has an `Id`, and its
//! `Config` is merged with that of its image, so that an empty `User` there means that the image
//! has none either. What is still to be created (the body of `POST /containers/create`, a compose
//! service, the task template of a swarm service) has no `Id`, and a field that is absent is what
//! the image or the daemon says.
//!
//! Units are the engine's: bytes (`HostConfig.Memory`), nanoseconds (`Config.Healthcheck`),
//! billionths of a processor (`HostConfig.NanoCpus`); 0, `""` and `null` all mean "not set".
//! `Config.Cmd` and `Config.Entrypoint` are lists. `Mounts` holds what `HostConfig.Binds` and
//! `HostConfig.Mounts` ask for.
//!
//! Source: `api/types/container` of moby, and the recordings of engines 20.10 and 28.5.

use crate::fields::{Doubled, Holds, Struct, canonical};
use crate::{Content, Entry, Kind, Node};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "Container");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of what policies rely on in a container.
pub const SCHEMA: &str = include_str!("../schema/docker-Container.json");

/// Where the parts of a container stand in the body of `POST /containers/create`: pointers into
/// the shape and into the body; the first that fits counts.
pub const MOVES: &[(&str, &str)] = &[
    ("/HostConfig", "/HostConfig"),
    (
        "/NetworkSettings/Networks",
        "/NetworkingConfig/EndpointsConfig",
    ),
    ("/Mounts", "/HostConfig"),
    ("/Config", ""),
];

pub(crate) const fn flat(plain: &'static [&'static str]) -> Struct {
    Struct { plain, nested: &[] }
}

/// Moby's `Config`: what of a container does not depend on its host.
pub const CONFIG: Struct = Struct {
    plain: &[
        "Hostname",
        "Domainname",
        "User",
        "AttachStdin",
        "AttachStdout",
        "AttachStderr",
        "ExposedPorts",
        "Tty",
        "OpenStdin",
        "StdinOnce",
        "Env",
        "Cmd",
        "ArgsEscaped",
        "Image",
        "Volumes",
        "WorkingDir",
        "Entrypoint",
        "NetworkDisabled",
        "MacAddress",
        "OnBuild",
        "Labels",
        "StopSignal",
        "StopTimeout",
        "Shell",
    ],
    nested: &[("Healthcheck", Holds::One(&HEALTH))],
};

pub(crate) const HEALTH: Struct = flat(&[
    "Test",
    "Interval",
    "Timeout",
    "StartPeriod",
    "StartInterval",
    "Retries",
]);

/// Moby's `HostConfig`: what of a container depends on its host.
pub const HOST_CONFIG: Struct = Struct {
    plain: &[
        "Binds",
        "ContainerIDFile",
        "NetworkMode",
        "AutoRemove",
        "VolumeDriver",
        "VolumesFrom",
        "ConsoleSize",
        "Annotations",
        "CapAdd",
        "CapDrop",
        "CgroupnsMode",
        "Dns",
        "DnsOptions",
        "DnsSearch",
        "ExtraHosts",
        "GroupAdd",
        "IpcMode",
        "Cgroup",
        "Links",
        "OomScoreAdj",
        "PidMode",
        "Privileged",
        "PublishAllPorts",
        "ReadonlyRootfs",
        "SecurityOpt",
        "StorageOpt",
        "Tmpfs",
        "UTSMode",
        "UsernsMode",
        "ShmSize",
        "Sysctls",
        "Runtime",
        "Isolation",
        "MaskedPaths",
        "ReadonlyPaths",
        "Init",
        "CpuShares",
        "Memory",
        "NanoCpus",
        "CgroupParent",
        "BlkioWeight",
        "CpuPeriod",
        "CpuQuota",
        "CpuRealtimePeriod",
        "CpuRealtimeRuntime",
        "CpusetCpus",
        "CpusetMems",
        "DeviceCgroupRules",
        "KernelMemory",
        "KernelMemoryTCP",
        "MemoryReservation",
        "MemorySwap",
        "MemorySwappiness",
        "OomKillDisable",
        "PidsLimit",
        "CpuCount",
        "CpuPercent",
        "IOMaximumIOps",
        "IOMaximumBandwidth",
    ],
    nested: &[
        ("LogConfig", Holds::One(&LOG_CONFIG)),
        ("PortBindings", Holds::MapOfLists(&PORT_BINDING)),
        ("RestartPolicy", Holds::One(&RESTART_POLICY)),
        ("Mounts", Holds::List(&MOUNT)),
        ("BlkioWeightDevice", Holds::List(&WEIGHT_DEVICE)),
        ("BlkioDeviceReadBps", Holds::List(&THROTTLE_DEVICE)),
        ("BlkioDeviceWriteBps", Holds::List(&THROTTLE_DEVICE)),
        ("BlkioDeviceReadIOps", Holds::List(&THROTTLE_DEVICE)),
        ("BlkioDeviceWriteIOps", Holds::List(&THROTTLE_DEVICE)),
        ("Devices", Holds::List(&DEVICE)),
        ("DeviceRequests", Holds::List(&DEVICE_REQUEST)),
        ("Ulimits", Holds::List(&ULIMIT)),
    ],
};

const LOG_CONFIG: Struct = flat(&["Type", "Config"]);
const PORT_BINDING: Struct = flat(&["HostIp", "HostPort"]);
const RESTART_POLICY: Struct = flat(&["Name", "MaximumRetryCount"]);
const WEIGHT_DEVICE: Struct = flat(&["Path", "Weight"]);
const THROTTLE_DEVICE: Struct = flat(&["Path", "Rate"]);
const DEVICE: Struct = flat(&["PathOnHost", "PathInContainer", "CgroupPermissions"]);
const DEVICE_REQUEST: Struct = flat(&["Driver", "Count", "DeviceIDs", "Capabilities", "Options"]);
pub(crate) const ULIMIT: Struct = flat(&["Name", "Hard", "Soft"]);

pub(crate) const MOUNT: Struct = Struct {
    plain: &["Type", "Source", "Target", "ReadOnly", "Consistency"],
    nested: &[
        ("BindOptions", Holds::One(&BIND_OPTIONS)),
        ("VolumeOptions", Holds::One(&VOLUME_OPTIONS)),
        ("ImageOptions", Holds::One(&IMAGE_OPTIONS)),
        ("TmpfsOptions", Holds::One(&TMPFS_OPTIONS)),
    ],
};
const BIND_OPTIONS: Struct = flat(&[
    "Propagation",
    "NonRecursive",
    "CreateMountpoint",
    "ReadOnlyNonRecursive",
    "ReadOnlyForceRecursive",
]);
const VOLUME_OPTIONS: Struct = Struct {
    plain: &["NoCopy", "Labels", "Subpath"],
    nested: &[("DriverConfig", Holds::One(&DRIVER))],
};
pub(crate) const DRIVER: Struct = flat(&["Name", "Options"]);
const IMAGE_OPTIONS: Struct = flat(&["Subpath"]);
const TMPFS_OPTIONS: Struct = flat(&["SizeBytes", "Mode", "Options"]);

const NETWORKING: Struct = Struct {
    plain: &[],
    nested: &[("EndpointsConfig", Holds::Map(&ENDPOINT))],
};
pub(crate) const ENDPOINT: Struct = Struct {
    plain: &[
        "Links",
        "Aliases",
        "MacAddress",
        "DriverOpts",
        "GwPriority",
        "NetworkID",
        "EndpointID",
        "Gateway",
        "IPAddress",
        "IPPrefixLen",
        "IPv6Gateway",
        "GlobalIPv6Address",
        "GlobalIPv6PrefixLen",
        "DNSNames",
    ],
    nested: &[("IPAMConfig", Holds::One(&ENDPOINT_IPAM))],
};
const ENDPOINT_IPAM: Struct = flat(&["IPv4Address", "IPv6Address", "LinkLocalIPs"]);

/// The two members of the body beside those of [`CONFIG`].
const BODY: Struct = Struct {
    plain: &[],
    nested: &[
        ("HostConfig", Holds::One(&HOST_CONFIG)),
        ("NetworkingConfig", Holds::One(&NETWORKING)),
    ],
};

/// The body of `POST /containers/{id}/start`, which engines before 23.0 read below API 1.24.
pub(crate) const START: Struct = Struct {
    plain: &[],
    nested: &[("HostConfig", Holds::One(&HOST_CONFIG))],
};

/// What `POST /containers/{id}/update` changes, apart from the restart policy.
const UPDATED: [&str; 14] = [
    "BlkioWeight",
    "CpuShares",
    "NanoCpus",
    "CpuPeriod",
    "CpuQuota",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "CpusetCpus",
    "CpusetMems",
    "Memory",
    "MemorySwap",
    "MemoryReservation",
    "KernelMemory",
    "PidsLimit",
];

/// A container as it is after a `POST /containers/{id}/update` with this body, which is in its
/// canonical spelling: what is zero or absent there stays.
pub fn update(container: &mut Node, body: &Node) {
    let Some(host) = container.get_mut("HostConfig") else {
        return;
    };
    let changed = body.entries().iter().filter(|entry| {
        // Without a limit is what 0 asks for here.
        let limit = entry.key == "PidsLimit" && entry.value.content != Content::Null;
        UPDATED.contains(&entry.key.as_str()) && (limit || !is_zero(&entry.value))
    });
    for entry in changed {
        host.set(&entry.key, entry.key_span, entry.value.clone());
    }
    if let Some(policy) = body.entry("RestartPolicy")
        && policy
            .value
            .text("Name")
            .is_some_and(|name| !name.is_empty())
    {
        host.set("RestartPolicy", policy.key_span, policy.value.clone());
    }
}

/// A container as it is after a start with this body, below API 1.24: its `HostConfig` takes the
/// place of what was there. Fields get their canonical spelling, and `doubled` those that have two.
pub fn start(container: &mut Node, body: Node, doubled: &mut Vec<Doubled>) {
    let mut asked = from_create(body, doubled);
    for key in ["HostConfig", "Mounts"] {
        if let Some(entry) = take(&mut asked, key) {
            container.set(key, entry.key_span, entry.value);
        }
    }
}

fn is_zero(value: &Node) -> bool {
    match &value.content {
        Content::Null => true,
        Content::Number(number) => number.as_f64() == Some(0.0),
        Content::String(text) => text.is_empty(),
        _ => false,
    }
}

/// The container that a body of `POST /containers/create` asks for. Fields get their canonical
/// spelling, and `doubled` those that have two. The name, which is in the query, is left out.
///
/// Engines before 23.0 take the fields of `HostConfig` from the top of a body that has none, so
/// that they are read there, too.
#[must_use]
pub fn from_create(body: Node, doubled: &mut Vec<Doubled>) -> Node {
    let span = body.span;
    let body = canonical(body, &BODY, doubled);
    let mut body = canonical(body, &CONFIG, doubled);
    let networks = body
        .get("NetworkingConfig")
        .and_then(|networking| networking.entry("EndpointsConfig"))
        .cloned();
    let mut host = take(&mut body, "HostConfig").filter(|entry| is_map(&entry.value));
    take(&mut body, "NetworkingConfig");
    if host.is_none() {
        host = host_config_at_top(&mut body, doubled);
    }
    let mut container = Node::map(span, [("Config", as_config(body))]);
    if let Some(Entry {
        key_span, value, ..
    }) = host
    {
        let mounts = mounts(&value);
        container.set("HostConfig", key_span, value);
        if let Some(mounts) = mounts {
            container.set("Mounts", mounts.span, mounts);
        }
    }
    if let Some(Entry {
        key_span, value, ..
    }) = networks
    {
        let mut settings = Node::map(value.span, []);
        settings.set("Networks", key_span, value);
        container.set("NetworkSettings", key_span, settings);
    }
    container
}

/// A `Config` whose `Cmd` and `Entrypoint` are lists: the engine takes a string for its only word.
#[must_use]
pub fn as_config(mut config: Node) -> Node {
    if let Content::Map(entries) = &mut config.content {
        let words = entries
            .iter_mut()
            .filter(|entry| entry.key == "Cmd" || entry.key == "Entrypoint");
        for entry in words {
            if matches!(entry.value.content, Content::String(_)) {
                entry.value = Node::list(entry.value.span, vec![entry.value.clone()]);
            }
        }
    }
    config
}

/// The mounts that a `HostConfig` asks for, in the form in which `docker inspect` lists them.
#[must_use]
pub fn mounts(host: &Node) -> Option<Node> {
    let listed = host.entry("Mounts").filter(|entry| is_list(&entry.value));
    let bound = host.entry("Binds").filter(|entry| is_list(&entry.value));
    let first = bound.or(listed)?;
    let binds = bound.map_or(&[][..], |entry| entry.value.items());
    let mounts = listed.map_or(&[][..], |entry| entry.value.items());
    let all = binds
        .iter()
        .filter_map(bind)
        .chain(mounts.iter().filter_map(mount));
    Some(Node::list(first.key_span, all.collect()))
}

/// A mount from `SOURCE:DESTINATION[:OPTIONS]`.
fn bind(node: &Node) -> Option<Node> {
    let mut parts = node.as_str()?.splitn(3, ':');
    let (source, destination) = (parts.next()?, parts.next()?);
    let mode = parts.next().unwrap_or_default();
    let text = |text: &str| Node::string(node.span, text);
    let is_path = source.starts_with(['/', '.', '~']);
    let kind = if is_path { "bind" } else { "volume" };
    let writable = Content::Bool(!mode.split(',').any(|option| option == "ro"));
    Some(Node::map(
        node.span,
        [
            ("Type", text(kind)),
            (if is_path { "Source" } else { "Name" }, text(source)),
            ("Destination", text(destination)),
            ("Mode", text(mode)),
            (
                "RW",
                Node {
                    span: node.span,
                    content: writable,
                },
            ),
        ],
    ))
}

/// A mount from an item of `HostConfig.Mounts`.
fn mount(node: &Node) -> Option<Node> {
    if !is_map(node) {
        return None;
    }
    let named = matches!(node.text("Type"), None | Some("volume" | "cluster"));
    let mut mount = Node::map(node.span, []);
    let keys = [
        ("Type", "Type"),
        ("Source", if named { "Name" } else { "Source" }),
        ("Target", "Destination"),
    ];
    for (from, to) in keys {
        if let Some(entry) = node.entry(from) {
            mount.set(to, entry.key_span, entry.value.clone());
        }
    }
    let read_only = node.entry("ReadOnly");
    let span = read_only.map_or(node.span, |entry| entry.value.span);
    let fixed = read_only.is_some_and(|entry| entry.value.content == Content::Bool(true));
    let content = Content::Bool(!fixed);
    mount.set("RW", span, Node { span, content });
    if let Some(entry) = node
        .get("BindOptions")
        .and_then(|options| options.entry("Propagation"))
    {
        mount.set("Propagation", entry.key_span, entry.value.clone());
    }
    Some(mount)
}

fn host_config_at_top(body: &mut Node, doubled: &mut Vec<Doubled>) -> Option<Entry> {
    let span = body.span;
    let Content::Map(entries) = &mut body.content else {
        return None;
    };
    let (host, config): (Vec<Entry>, Vec<Entry>) = std::mem::take(entries)
        .into_iter()
        .partition(|entry| HOST_CONFIG.has(&entry.key));
    *entries = config.into();
    let key_span = host.first()?.key_span;
    let content = Content::Map(host.into());
    let value = canonical(Node { span, content }, &HOST_CONFIG, doubled);
    Some(Entry {
        key: "HostConfig".into(),
        key_span,
        value,
    })
}

fn take(map: &mut Node, key: &str) -> Option<Entry> {
    let Content::Map(entries) = &mut map.content else {
        return None;
    };
    let index = entries.iter().position(|entry| entry.key == key)?;
    Some(entries.remove(index))
}

fn is_map(node: &Node) -> bool {
    matches!(node.content, Content::Map(_))
}

fn is_list(node: &Node) -> bool {
    matches!(node.content, Content::List(_))
}
