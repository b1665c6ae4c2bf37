//! `docker/Service`, version `v1`: a swarm service as `docker inspect` shows it, and the containers
//! that its tasks start.
//!
//! Restarts are the service's own: `Spec.TaskTemplate.RestartPolicy` (`Condition`, `MaxAttempts`,
//! where 0 and absent mean without end). Swarm answers a failure with a new container, so that
//! `HostConfig.RestartPolicy` of the containers stays unset.
//!
//! Source: `api/types/swarm` of moby and `daemon/cluster/executor/container` there.

use crate::container::{DRIVER, HEALTH, MOUNT, ULIMIT, as_config, flat};
use crate::fields::{Doubled, Holds, Struct, canonical};
use crate::{Content, Kind, Located, Node, Span, plugin};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "Service");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of what policies rely on in a service.
pub const SCHEMA: &str = include_str!("../schema/docker-Service.json");

/// Where the parts of a shape stand in what was written: pointers into both; the first that fits
/// counts.
pub type Moves = &'static [(&'static str, &'static str)];

/// Where the parts of its containers stand in a service: pointers into `docker/Container` and
/// into the service; the first that fits counts.
pub const MOVES: Moves = &[
    ("/Config/Image", "/Spec/TaskTemplate/ContainerSpec/Image"),
    ("/Config/Labels", "/Spec/TaskTemplate/ContainerSpec/Labels"),
    (
        "/Config/Entrypoint",
        "/Spec/TaskTemplate/ContainerSpec/Command",
    ),
    ("/Config/Cmd", "/Spec/TaskTemplate/ContainerSpec/Args"),
    (
        "/Config/Hostname",
        "/Spec/TaskTemplate/ContainerSpec/Hostname",
    ),
    ("/Config/Env", "/Spec/TaskTemplate/ContainerSpec/Env"),
    ("/Config/WorkingDir", "/Spec/TaskTemplate/ContainerSpec/Dir"),
    ("/Config/User", "/Spec/TaskTemplate/ContainerSpec/User"),
    (
        "/Config/StopSignal",
        "/Spec/TaskTemplate/ContainerSpec/StopSignal",
    ),
    ("/Config/Tty", "/Spec/TaskTemplate/ContainerSpec/TTY"),
    (
        "/Config/OpenStdin",
        "/Spec/TaskTemplate/ContainerSpec/OpenStdin",
    ),
    (
        "/Config/Healthcheck",
        "/Spec/TaskTemplate/ContainerSpec/Healthcheck",
    ),
    ("/Config", "/Spec/TaskTemplate/ContainerSpec"),
    (
        "/HostConfig/GroupAdd",
        "/Spec/TaskTemplate/ContainerSpec/Groups",
    ),
    ("/HostConfig/Init", "/Spec/TaskTemplate/ContainerSpec/Init"),
    (
        "/HostConfig/ReadonlyRootfs",
        "/Spec/TaskTemplate/ContainerSpec/ReadOnly",
    ),
    (
        "/HostConfig/Mounts",
        "/Spec/TaskTemplate/ContainerSpec/Mounts",
    ),
    ("/Mounts", "/Spec/TaskTemplate/ContainerSpec/Mounts"),
    (
        "/HostConfig/ExtraHosts",
        "/Spec/TaskTemplate/ContainerSpec/Hosts",
    ),
    (
        "/HostConfig/Isolation",
        "/Spec/TaskTemplate/ContainerSpec/Isolation",
    ),
    (
        "/HostConfig/Sysctls",
        "/Spec/TaskTemplate/ContainerSpec/Sysctls",
    ),
    (
        "/HostConfig/CapAdd",
        "/Spec/TaskTemplate/ContainerSpec/CapabilityAdd",
    ),
    (
        "/HostConfig/CapDrop",
        "/Spec/TaskTemplate/ContainerSpec/CapabilityDrop",
    ),
    (
        "/HostConfig/Ulimits",
        "/Spec/TaskTemplate/ContainerSpec/Ulimits",
    ),
    (
        "/HostConfig/OomScoreAdj",
        "/Spec/TaskTemplate/ContainerSpec/OomScoreAdj",
    ),
    (
        "/HostConfig/Memory",
        "/Spec/TaskTemplate/Resources/Limits/MemoryBytes",
    ),
    (
        "/HostConfig/NanoCpus",
        "/Spec/TaskTemplate/Resources/Limits/NanoCPUs",
    ),
    (
        "/HostConfig/PidsLimit",
        "/Spec/TaskTemplate/Resources/Limits/Pids",
    ),
    (
        "/HostConfig/MemoryReservation",
        "/Spec/TaskTemplate/Resources/Reservations/MemoryBytes",
    ),
    (
        "/HostConfig/LogConfig/Type",
        "/Spec/TaskTemplate/LogDriver/Name",
    ),
    (
        "/HostConfig/LogConfig/Config",
        "/Spec/TaskTemplate/LogDriver/Options",
    ),
    ("/HostConfig/LogConfig", "/Spec/TaskTemplate/LogDriver"),
    (
        "/HostConfig/SecurityOpt",
        "/Spec/TaskTemplate/ContainerSpec/Privileges",
    ),
    ("/HostConfig", "/Spec/TaskTemplate"),
];

/// Moby's `ServiceSpec`: the body of `POST /services/create` and `POST /services/{id}/update`.
const SPEC: Struct = Struct {
    plain: &["Name", "Labels"],
    nested: &[
        ("TaskTemplate", Holds::One(&TASK)),
        ("Mode", Holds::One(&MODE)),
        ("UpdateConfig", Holds::One(&UPDATE)),
        ("RollbackConfig", Holds::One(&UPDATE)),
        ("Networks", Holds::List(&ATTACHMENT)),
        ("EndpointSpec", Holds::One(&ENDPOINT)),
    ],
};

const TASK: Struct = Struct {
    plain: &["ForceUpdate", "Runtime"],
    nested: &[
        ("ContainerSpec", Holds::One(&CONTAINER)),
        ("PluginSpec", Holds::One(&PLUGIN)),
        ("NetworkAttachmentSpec", Holds::One(&ATTACHED)),
        ("Resources", Holds::One(&RESOURCES)),
        ("RestartPolicy", Holds::One(&RESTART)),
        ("Placement", Holds::One(&PLACEMENT)),
        ("Networks", Holds::List(&ATTACHMENT)),
        ("LogDriver", Holds::One(&DRIVER)),
    ],
};

const CONTAINER: Struct = Struct {
    plain: &[
        "Image",
        "Labels",
        "Command",
        "Args",
        "Hostname",
        "Env",
        "Dir",
        "User",
        "Groups",
        "Init",
        "StopSignal",
        "TTY",
        "OpenStdin",
        "ReadOnly",
        "StopGracePeriod",
        "Hosts",
        "Isolation",
        "Sysctls",
        "CapabilityAdd",
        "CapabilityDrop",
        "OomScoreAdj",
    ],
    nested: &[
        ("Privileges", Holds::One(&PRIVILEGES)),
        ("Mounts", Holds::List(&MOUNT)),
        ("Healthcheck", Holds::One(&HEALTH)),
        ("DNSConfig", Holds::One(&DNS)),
        ("Secrets", Holds::List(&SECRET)),
        ("Configs", Holds::List(&CONFIG)),
        ("Ulimits", Holds::List(&ULIMIT)),
    ],
};

const PRIVILEGES: Struct = Struct {
    plain: &["NoNewPrivileges"],
    nested: &[
        ("CredentialSpec", Holds::One(&CREDENTIAL)),
        ("SELinuxContext", Holds::One(&SELINUX)),
        ("Seccomp", Holds::One(&SECCOMP)),
        ("AppArmor", Holds::One(&APPARMOR)),
    ],
};
const CREDENTIAL: Struct = flat(&["Config", "File", "Registry"]);
const SELINUX: Struct = flat(&["Disable", "User", "Role", "Type", "Level"]);
const SECCOMP: Struct = flat(&["Mode", "Profile"]);
const APPARMOR: Struct = flat(&["Mode"]);
const DNS: Struct = flat(&["Nameservers", "Search", "Options"]);
const TARGET: Struct = flat(&["Name", "UID", "GID", "Mode"]);
const SECRET: Struct = Struct {
    plain: &["SecretID", "SecretName"],
    nested: &[("File", Holds::One(&TARGET))],
};
const CONFIG: Struct = Struct {
    plain: &["ConfigID", "ConfigName", "Runtime"],
    nested: &[("File", Holds::One(&TARGET))],
};
const PLUGIN: Struct = Struct {
    plain: &["name", "remote", "disabled", "env"],
    nested: &[("privileges", Holds::List(&PRIVILEGE))],
};
const PRIVILEGE: Struct = flat(&["name", "description", "value"]);
const ATTACHED: Struct = flat(&["ContainerID"]);
const RESOURCES: Struct = Struct {
    plain: &["SwapBytes", "MemorySwappiness"],
    nested: &[
        ("Limits", Holds::One(&LIMITS)),
        ("Reservations", Holds::One(&LIMITS)),
    ],
};
const LIMITS: Struct = flat(&["NanoCPUs", "MemoryBytes", "Pids", "GenericResources"]);
const RESTART: Struct = flat(&["Condition", "Delay", "MaxAttempts", "Window"]);
const PLACEMENT: Struct = flat(&["Constraints", "Preferences", "MaxReplicas", "Platforms"]);
const ATTACHMENT: Struct = flat(&["Target", "Aliases", "DriverOpts"]);
const MODE: Struct = flat(&["Replicated", "Global", "ReplicatedJob", "GlobalJob"]);
const UPDATE: Struct = flat(&[
    "Parallelism",
    "Delay",
    "FailureAction",
    "Monitor",
    "MaxFailureRatio",
    "Order",
]);
const PORT: Struct = flat(&[
    "Name",
    "Protocol",
    "TargetPort",
    "PublishedPort",
    "PublishMode",
]);
const ENDPOINT: Struct = Struct {
    plain: &["Mode"],
    nested: &[("Ports", Holds::List(&PORT))],
};

/// Where a service stands in the body that asks for it: pointers into the shape and into the body.
pub const BODY_MOVES: Moves = &[("/Spec", "")];

/// The service that a body of `POST /services/create` or `POST /services/{id}/update` asks for.
/// Fields get their canonical spelling, and `doubled` those that have two.
#[must_use]
pub fn from_body(body: Node, doubled: &mut Vec<Doubled>) -> Node {
    let span = body.span;
    Node::map(span, [("Spec", canonical(body, &SPEC, doubled))])
}

/// The container that the tasks of a service start or that its plugin runs in, and where its parts
/// stand in the service; none for a service whose tasks are attached from outside.
#[must_use]
pub fn container(service: &Node) -> Option<(Node, Moves)> {
    let is_map = |found: &Located<'_>| matches!(found.node.content, Content::Map(_));
    let template = service.at("/Spec/TaskTemplate")?;
    let spec = service
        .at("/Spec/TaskTemplate/ContainerSpec")
        .filter(is_map);
    let plugin = service.at("/Spec/TaskTemplate/PluginSpec").filter(is_map);
    if let Some(plugin) = plugin
        && (spec.is_none() || template.node.text("Runtime") == Some("plugin"))
    {
        let here = plugin.key.unwrap_or(plugin.node.span);
        return Some((plugin::of_service(plugin.node, here), plugin::SERVICE_MOVES));
    }
    let spec = spec?;
    let here = spec.key.unwrap_or(spec.node.span);
    let mut config = Node::map(spec.node.span, []);
    let mut host = Node::map(template.node.span, []);
    let mut log = Node::map(template.node.span, []);
    for (judged, written) in MOVES {
        let Some(found) = service.at(written) else {
            continue;
        };
        let key_span = found.key.unwrap_or(found.node.span);
        let Some((parent, key)) = judged.rsplit_once('/') else {
            continue;
        };
        let map = match parent {
            "/Config" => &mut config,
            "/HostConfig/LogConfig" => &mut log,
            "/HostConfig" if !MADE.contains(&key) => &mut host,
            _ => continue,
        };
        map.set(key, key_span, found.node.clone());
    }
    if !log.entries().is_empty() {
        host.set("LogConfig", log.span, log);
    }
    if let Some(privileges) = spec.node.get("Privileges") {
        let options = security_options(privileges);
        host.set(
            "SecurityOpt",
            privileges.span,
            Node::list(privileges.span, options),
        );
    }
    let mounts = crate::container::mounts(&host);
    let mut container = Node::map(here, [("Config", as_config(config)), ("HostConfig", host)]);
    if let Some(mounts) = mounts {
        container.set("Mounts", mounts.span, mounts);
    }
    Some((container, MOVES))
}

/// What is not taken as it is.
const MADE: [&str; 2] = ["LogConfig", "SecurityOpt"];

/// What swarm makes of a service's privileges.
fn security_options(privileges: &Node) -> Vec<Node> {
    let mut options = Vec::new();
    let mut add = |span: Span, option: &str| options.push(Node::string(span, option));
    if let Some(mode) = privileges.at("/Seccomp/Mode")
        && mode.node.as_str() == Some("unconfined")
    {
        add(mode.node.span, "seccomp=unconfined");
    }
    if let Some(mode) = privileges.at("/AppArmor/Mode")
        && mode.node.as_str() == Some("disabled")
    {
        add(mode.node.span, "apparmor=unconfined");
    }
    if let Some(flag) = privileges.get("NoNewPrivileges")
        && flag.content == Content::Bool(true)
    {
        add(flag.span, "no-new-privileges=true");
    }
    if let Some(flag) = privileges.at("/SELinuxContext/Disable")
        && flag.node.content == Content::Bool(true)
    {
        add(flag.node.span, "label=disable");
    }
    options
}
