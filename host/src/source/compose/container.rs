//! A service as the container that Compose makes of it.

use std::collections::HashSet;

use serde_json::Number;
use stridegate_shapes::escape_token;

use super::interpolate::Variables;
use super::merge::{scalar, sequence};
use super::project::Loader;
use super::units;
use crate::object::{Content, Entry, Map, Node, Span};
use crate::source::documents::Members;

/// What a service needs to know of its project.
pub(super) struct Context<'a> {
    /// The project's name; empty if it cannot be told.
    pub(super) name: &'a str,
    /// The project with all its files.
    pub(super) root: &'a Node,
    /// The project's variables.
    pub(super) variables: &'a Variables,
}

/// The two halves of a container.
#[derive(Clone, Copy)]
pub(super) enum Half {
    Config,
    Host,
}

impl Half {
    fn pointer(self) -> &'static str {
        match self {
            Self::Config => "/Config",
            Self::Host => "/HostConfig",
        }
    }
}

/// Writes the container of one service.
pub(super) struct Writer<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) loader: &'a mut Loader,
    pub(super) service: &'a Node,
    /// Where the service's name stands, and all that is not written.
    pub(super) here: Span,
    name: &'a str,
    config: Vec<Entry>,
    host: Vec<Entry>,
    /// Further members of the document.
    pub(super) more: Vec<Entry>,
    /// What is there as a default.
    defaults: Vec<String>,
    /// What is absent because its value is not known.
    pub(super) unresolved: Vec<String>,
}

/// Members whose value is taken as text.
const TEXTS: [(&str, Half, &str); 18] = [
    ("user", Half::Config, "User"),
    ("image", Half::Config, "Image"),
    ("hostname", Half::Config, "Hostname"),
    ("domainname", Half::Config, "Domainname"),
    ("working_dir", Half::Config, "WorkingDir"),
    ("stop_signal", Half::Config, "StopSignal"),
    ("mac_address", Half::Config, "MacAddress"),
    ("pid", Half::Host, "PidMode"),
    ("ipc", Half::Host, "IpcMode"),
    ("uts", Half::Host, "UTSMode"),
    ("userns_mode", Half::Host, "UsernsMode"),
    ("cgroup", Half::Host, "CgroupnsMode"),
    ("cgroup_parent", Half::Host, "CgroupParent"),
    ("runtime", Half::Host, "Runtime"),
    ("isolation", Half::Host, "Isolation"),
    ("cpuset", Half::Host, "CpusetCpus"),
    ("volume_driver", Half::Host, "VolumeDriver"),
    ("network_mode", Half::Host, "NetworkMode"),
];

const FLAGS: [(&str, Half, &str); 6] = [
    ("privileged", Half::Host, "Privileged"),
    ("read_only", Half::Host, "ReadonlyRootfs"),
    ("init", Half::Host, "Init"),
    ("oom_kill_disable", Half::Host, "OomKillDisable"),
    ("tty", Half::Config, "Tty"),
    ("stdin_open", Half::Config, "OpenStdin"),
];

/// What a number counts.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    One,
    Byte,
    /// A part of a processor, counted in billionths.
    Cpu,
    Nanosecond,
    Second,
}

const NUMBERS: [(&str, Half, &str, Unit); 16] = [
    ("mem_limit", Half::Host, "Memory", Unit::Byte),
    ("memswap_limit", Half::Host, "MemorySwap", Unit::Byte),
    (
        "mem_reservation",
        Half::Host,
        "MemoryReservation",
        Unit::Byte,
    ),
    ("mem_swappiness", Half::Host, "MemorySwappiness", Unit::One),
    ("shm_size", Half::Host, "ShmSize", Unit::Byte),
    ("cpus", Half::Host, "NanoCpus", Unit::Cpu),
    ("cpu_shares", Half::Host, "CpuShares", Unit::One),
    ("cpu_quota", Half::Host, "CpuQuota", Unit::One),
    ("pids_limit", Half::Host, "PidsLimit", Unit::One),
    ("oom_score_adj", Half::Host, "OomScoreAdj", Unit::One),
    (
        "stop_grace_period",
        Half::Config,
        "StopTimeout",
        Unit::Second,
    ),
    (
        "deploy/resources/limits/memory",
        Half::Host,
        "Memory",
        Unit::Byte,
    ),
    (
        "deploy/resources/limits/cpus",
        Half::Host,
        "NanoCpus",
        Unit::Cpu,
    ),
    (
        "deploy/resources/limits/pids",
        Half::Host,
        "PidsLimit",
        Unit::One,
    ),
    (
        "deploy/resources/reservations/memory",
        Half::Host,
        "MemoryReservation",
        Unit::Byte,
    ),
    ("cpu_count", Half::Host, "CpuCount", Unit::One),
];

const LISTS: [(&str, Half, &str); 11] = [
    ("cap_add", Half::Host, "CapAdd"),
    ("cap_drop", Half::Host, "CapDrop"),
    ("security_opt", Half::Host, "SecurityOpt"),
    ("group_add", Half::Host, "GroupAdd"),
    ("dns", Half::Host, "Dns"),
    ("dns_search", Half::Host, "DnsSearch"),
    ("dns_opt", Half::Host, "DnsOptions"),
    ("device_cgroup_rules", Half::Host, "DeviceCgroupRules"),
    ("volumes_from", Half::Host, "VolumesFrom"),
    ("links", Half::Host, "Links"),
    ("extra_hosts", Half::Host, "ExtraHosts"),
];

const MAPS: [(&str, Half, &str); 4] = [
    ("labels", Half::Config, "Labels"),
    ("annotations", Half::Host, "Annotations"),
    ("sysctls", Half::Host, "Sysctls"),
    ("storage_opt", Half::Host, "StorageOpt"),
];

impl<'a> Writer<'a> {
    pub(super) fn new(context: &'a Context<'a>, loader: &'a mut Loader, entry: &'a Entry) -> Self {
        Self {
            context,
            loader,
            service: &entry.value,
            here: entry.key_span,
            name: &entry.key,
            config: Vec::new(),
            host: Vec::new(),
            more: Vec::new(),
            defaults: Vec::new(),
            unresolved: Vec::new(),
        }
    }

    /// The container.
    pub(super) fn write(mut self) -> Node {
        for (key, half, field) in TEXTS {
            self.text(key, half, field);
        }
        for (key, half, field) in FLAGS {
            self.flag(key, half, field);
        }
        for (key, half, field, unit) in NUMBERS {
            self.number(key, half, field, unit);
        }
        for (key, half, field) in LISTS {
            self.list(key, half, field);
        }
        for (key, half, field) in MAPS {
            self.map(key, half, field);
        }
        self.command("command", "Cmd");
        self.command("entrypoint", "Entrypoint");
        self.environment();
        self.restart();
        self.logging();
        self.healthcheck();
        self.ulimits();
        self.devices();
        self.device_requests();
        self.tmpfs();
        self.volumes();
        self.api_socket();
        self.ports();
        self.networks();
        self.build();
        self.files();
        self.modes();
        self.set_defaults();
        self.document()
    }

    fn document(self) -> Node {
        let here = self.here;
        let map = |entries: Vec<Entry>| Node {
            span: here,
            content: Content::Map(entries.into()),
        };
        let member = |key: &str, value: Node| Entry {
            key: key.to_owned(),
            key_span: here,
            value,
        };
        let written = self.service.entry("container_name");
        let (name_span, name) = match written.and_then(|entry| Some((entry, scalar(&entry.value)?)))
        {
            Some((entry, name)) => (entry.value.span, name),
            None => (here, self.context.qualified(self.name, '-') + "-1"),
        };
        let mut members = vec![
            member("Name", Node::string(name_span, format!("/{name}"))),
            member("Config", map(self.config)),
            member("HostConfig", map(self.host)),
        ];
        members.extend(self.more);
        let document = map(members);
        complete(
            document,
            here,
            &self.loader.unknown,
            self.unresolved,
            self.defaults,
        )
    }

    /// A member of the service, by a path whose steps are separated by slashes.
    pub(super) fn written(&self, path: &str) -> Option<&'a Entry> {
        let mut steps = path.split('/');
        let mut entry = self.service.entry(steps.next()?)?;
        for step in steps {
            entry = entry.value.entry(step)?;
        }
        Some(entry).filter(|entry| entry.value.content != Content::Null)
    }

    pub(super) fn set(&mut self, half: Half, field: &str, key_span: Span, value: Node) {
        let entries = match half {
            Half::Config => &mut self.config,
            Half::Host => &mut self.host,
        };
        entries.retain(|entry| entry.key != field);
        entries.push(Entry {
            key: field.to_owned(),
            key_span,
            value,
        });
    }

    pub(super) fn get(&self, half: Half, field: &str) -> Option<&Node> {
        let entries = match half {
            Half::Config => &self.config,
            Half::Host => &self.host,
        };
        let entry = entries.iter().find(|entry| entry.key == field);
        entry.map(|entry| &entry.value)
    }

    pub(super) fn refuse(&mut self, node: &Node, wanted: &str) {
        let message = format!("is no {wanted}, and Compose refuses that; correct the value");
        self.loader.fault(node.span, message);
    }

    /// The text of a scalar with its place.
    pub(super) fn string(&mut self, node: &Node) -> Option<Node> {
        let text = scalar(node);
        if text.is_none() && node.content != Content::Null {
            self.refuse(node, "text");
        }
        text.map(|text| Node::string(node.span, text))
    }

    fn text(&mut self, key: &str, half: Half, field: &str) {
        if let Some(entry) = self.written(key)
            && let Some(value) = self.string(&entry.value)
        {
            self.set(half, field, entry.key_span, value);
        }
    }

    fn flag(&mut self, key: &str, half: Half, field: &str) {
        let Some(entry) = self.written(key) else {
            return;
        };
        if self.loader.unknown.contains(&entry.value.span) {
            self.unresolved.push(format!("{}/{field}", half.pointer()));
            return;
        }
        match boolean(&entry.value) {
            Some(value) => {
                let node = Node {
                    span: entry.value.span,
                    content: Content::Bool(value),
                };
                self.set(half, field, entry.key_span, node);
            }
            None => self.refuse(&entry.value, "boolean"),
        }
    }

    fn number(&mut self, key: &str, half: Half, field: &str, unit: Unit) {
        let Some(entry) = self.written(key) else {
            return;
        };
        let pointer = format!("{}/{field}", half.pointer());
        if let Some(number) = self.measured(&entry.value, unit, &pointer) {
            self.set(half, field, entry.key_span, number);
        }
    }

    /// A number; none if it is not known, which is noted, or is none, which is a fault.
    pub(super) fn measured(&mut self, node: &Node, unit: Unit, pointer: &str) -> Option<Node> {
        if self.loader.unknown.contains(&node.span) {
            self.unresolved.push(pointer.to_owned());
            return None;
        }
        let number = measure(node, unit);
        if number.is_none() {
            self.refuse(node, unit.name());
        }
        number.map(|number| integer(node.span, number))
    }

    fn list(&mut self, key: &str, half: Half, field: &str) {
        let Some(entry) = self.written(key) else {
            return;
        };
        let mut seen = HashSet::new();
        let mut items = Vec::new();
        for item in sequence(entry.value.clone()) {
            let Some(mut item) = self.string(&item) else {
                continue;
            };
            if let Content::String(text) = &mut item.content {
                if key == "extra_hosts" && !self.loader.unknown.contains(&item.span) {
                    *text = text.replacen('=', ":", 1);
                }
                if !seen.insert(text.clone()) {
                    continue;
                }
            }
            items.push(item);
        }
        self.set(
            half,
            field,
            entry.key_span,
            Node::list(entry.value.span, items),
        );
    }

    fn map(&mut self, key: &str, half: Half, field: &str) {
        if let Some(entry) = self.written(key) {
            let map = pairs(&entry.value);
            self.set(half, field, entry.key_span, map);
        }
    }

    fn command(&mut self, key: &str, field: &str) {
        let Some(entry) = self.written(key) else {
            return;
        };
        let node = &entry.value;
        let items = match &node.content {
            Content::String(text) if self.loader.unknown.contains(&node.span) => {
                Some(vec![text.clone()])
            }
            Content::String(text) => units::words(text),
            Content::List(items) => {
                let items = items.iter().filter_map(|item| self.string(item)).collect();
                let list = Node::list(node.span, items);
                return self.set(Half::Config, field, entry.key_span, list);
            }
            _ => None,
        };
        let Some(items) = items else {
            return self.refuse(node, "command line");
        };
        let items = items.into_iter().map(|word| Node::string(node.span, word));
        let list = Node::list(node.span, items.collect());
        self.set(Half::Config, field, entry.key_span, list);
    }

    fn restart(&mut self) {
        let policy = |writer: &mut Self, key: Span, name: Node, count: Node| {
            let policy = Node::map(name.span, [("Name", name), ("MaximumRetryCount", count)]);
            writer.set(Half::Host, "RestartPolicy", key, policy);
        };
        if let Some(entry) = self.written("deploy/restart_policy") {
            let here = entry.key_span;
            let condition = self.written("deploy/restart_policy/condition");
            let name = condition.and_then(|entry| self.string(&entry.value));
            let name = name.unwrap_or_else(|| Node::string(here, "no"));
            let attempts = self
                .written("deploy/restart_policy/max_attempts")
                .and_then(|entry| {
                    let pointer = "/HostConfig/RestartPolicy/MaximumRetryCount";
                    self.measured(&entry.value, Unit::One, pointer)
                });
            policy(
                self,
                here,
                restart_name(name),
                attempts.unwrap_or_else(|| integer(here, 0)),
            );
        } else if let Some(entry) = self.written("restart")
            && let Some(value) = self.string(&entry.value)
        {
            let text = value.as_str().unwrap_or_default();
            let unknown = self.loader.unknown.contains(&value.span);
            let (name, count) = text
                .split_once(':')
                .filter(|_| !unknown)
                .unwrap_or((text, ""));
            let count = integer(value.span, count.trim().parse().unwrap_or(0));
            let name = restart_name(Node::string(value.span, name));
            policy(self, entry.key_span, name, count);
        }
    }

    fn logging(&mut self) {
        let Some(entry) = self.written("logging") else {
            return;
        };
        let driver = entry
            .value
            .get("driver")
            .and_then(|driver| self.string(driver));
        let driver = driver.unwrap_or_else(|| Node::string(entry.key_span, ""));
        let options = entry.value.get("options").map(pairs);
        let options = options.unwrap_or_else(|| Node::map(entry.key_span, []));
        let log = Node::map(entry.value.span, [("Type", driver), ("Config", options)]);
        self.set(Half::Host, "LogConfig", entry.key_span, log);
    }

    fn healthcheck(&mut self) {
        let Some(entry) = self.written("healthcheck") else {
            return;
        };
        let node = &entry.value;
        let mut check = Node::map(node.span, []);
        let disabled = node.get("disable").and_then(boolean) == Some(true);
        let test = match node.get("test") {
            Some(test) if disabled => {
                Some(Node::list(test.span, vec![Node::string(test.span, "NONE")]))
            }
            None if disabled => Some(Node::list(node.span, vec![Node::string(node.span, "NONE")])),
            Some(test) => Some(self.test(test)),
            None => None,
        };
        if let Some(test) = test {
            check.set("Test", test.span, test);
        }
        for (key, field, unit) in [
            ("interval", "Interval", Unit::Nanosecond),
            ("timeout", "Timeout", Unit::Nanosecond),
            ("start_period", "StartPeriod", Unit::Nanosecond),
            ("start_interval", "StartInterval", Unit::Nanosecond),
            ("retries", "Retries", Unit::One),
        ] {
            let Some(entry) = node.entry(key) else {
                continue;
            };
            let pointer = format!("/Config/Healthcheck/{field}");
            if let Some(number) = self.measured(&entry.value, unit, &pointer) {
                check.set(field, entry.key_span, number);
            }
        }
        self.set(Half::Config, "Healthcheck", entry.key_span, check);
    }

    /// The command of a health check; a text is one for the shell.
    fn test(&mut self, test: &Node) -> Node {
        let words = if let Content::List(items) = &test.content {
            items.iter().filter_map(|item| self.string(item)).collect()
        } else {
            let command = scalar(test).unwrap_or_default();
            ["CMD-SHELL", &command]
                .map(|word| Node::string(test.span, word))
                .to_vec()
        };
        Node::list(test.span, words)
    }

    fn ulimits(&mut self) {
        let Some(entry) = self.written("ulimits") else {
            return;
        };
        let mut items = Vec::new();
        for limit in entry.value.entries() {
            let mut item = Node::map(
                limit.value.span,
                [("Name", Node::string(limit.key_span, &*limit.key))],
            );
            for (key, field) in [("soft", "Soft"), ("hard", "Hard")] {
                let value = limit.value.get(key).unwrap_or(&limit.value);
                let pointer = format!("/HostConfig/Ulimits/{}/{field}", items.len());
                if matches!(value.content, Content::Map(_)) {
                    item.set(field, value.span, integer(value.span, 0));
                } else if let Some(number) = self.measured(value, Unit::One, &pointer) {
                    item.set(field, value.span, number);
                }
            }
            items.push(item);
        }
        self.set(
            Half::Host,
            "Ulimits",
            entry.key_span,
            Node::list(entry.value.span, items),
        );
    }

    fn devices(&mut self) {
        let Some(entry) = self.written("devices") else {
            return;
        };
        let mut items = Vec::new();
        for device in entry.value.items() {
            let parts = if let Content::String(text) = &device.content {
                let mut parts = super::mounts::sections(text, false).into_iter();
                let source = parts.next().unwrap_or_default();
                let target = parts.next().unwrap_or(source);
                let permissions = parts.next().unwrap_or("rwm");
                [source, target, permissions].map(|part| Node::string(device.span, part))
            } else {
                let mut part = |key| device.get(key).and_then(|part| self.string(part));
                let source = part("source").unwrap_or_else(|| Node::string(device.span, ""));
                let target = part("target").unwrap_or_else(|| source.clone());
                let permissions =
                    part("permissions").unwrap_or_else(|| Node::string(device.span, "rwm"));
                [source, target, permissions]
            };
            let names = ["PathOnHost", "PathInContainer", "CgroupPermissions"];
            items.push(Node::map(device.span, names.into_iter().zip(parts)));
        }
        self.set(
            Half::Host,
            "Devices",
            entry.key_span,
            Node::list(entry.value.span, items),
        );
    }

    /// Devices that a driver picks, such as GPUs.
    fn device_requests(&mut self) {
        let mut requests = Vec::new();
        let mut key = None;
        for path in ["gpus", "deploy/resources/reservations/devices"] {
            let Some(entry) = self.written(path) else {
                continue;
            };
            key.get_or_insert((entry.key_span, entry.value.span));
            for item in sequence(entry.value.clone()) {
                requests.push(self.device_request(&item, path == "gpus"));
            }
        }
        if let Some((key, span)) = key {
            let requests = Node::list(span, requests);
            self.set(Half::Host, "DeviceRequests", key, requests);
        }
    }

    fn device_request(&mut self, item: &Node, is_gpu: bool) -> Node {
        let here = item.span;
        let text = |key: &str| item.get(key).and_then(scalar).unwrap_or_default();
        let list = |key: &str| {
            let items = item.get(key).map(Node::items).unwrap_or_default();
            let texts = items
                .iter()
                .filter_map(|item| Some(Node::string(item.span, scalar(item)?)));
            texts.collect::<Vec<_>>()
        };
        let ids = list("device_ids");
        let mut capabilities = list("capabilities");
        if is_gpu && !capabilities.iter().any(|one| one.as_str() == Some("gpu")) {
            capabilities.push(Node::string(here, "gpu"));
        }
        // `gpus: all`; without a number or names, a driver gives all that it has.
        let count = match item.get("count").map(|count| (count, scalar(count))) {
            None if ids.is_empty() => Some(integer(here, -1)),
            None => Some(integer(here, 0)),
            Some((count, Some(all))) if all == "all" => Some(integer(count.span, -1)),
            Some((count, _)) => self.measured(count, Unit::One, "/HostConfig/DeviceRequests"),
        };
        let mut request = Node::map(
            here,
            [
                ("Driver", Node::string(here, text("driver"))),
                ("DeviceIDs", Node::list(here, ids)),
                (
                    "Capabilities",
                    Node::list(here, vec![Node::list(here, capabilities)]),
                ),
            ],
        );
        if let Some(count) = count {
            request.set("Count", count.span, count);
        }
        request
    }

    /// Compose mounts the socket of the daemon for `use_api_socket`.
    fn api_socket(&mut self) {
        const SOCKET: &str = "/var/run/docker.sock:/var/run/docker.sock:rw";
        let Some(entry) = self.written("use_api_socket") else {
            return;
        };
        let node = &entry.value;
        if self.loader.unknown.contains(&node.span) {
            self.unresolved.push("/HostConfig/Binds".into());
        }
        if boolean(node) == Some(true) {
            let mut binds = self.get(Half::Host, "Binds").cloned();
            let binds = binds.get_or_insert_with(|| Node::list(node.span, Vec::new()));
            if let Content::List(items) = &mut binds.content {
                items.push(Node::string(node.span, SOCKET));
            }
            let binds = binds.clone();
            self.set(Half::Host, "Binds", entry.key_span, binds);
        }
    }

    fn tmpfs(&mut self) {
        let Some(entry) = self.written("tmpfs") else {
            return;
        };
        let mut members = Members::default();
        for item in sequence(entry.value.clone()) {
            let Some(item) = self.string(&item) else {
                continue;
            };
            let text = item.as_str().unwrap_or_default();
            let (path, options) = text.split_once(':').unwrap_or((text, ""));
            members.insert(member(path, item.span, Node::string(item.span, options)));
        }
        let tmpfs = map(entry.value.span, members);
        self.set(Half::Host, "Tmpfs", entry.key_span, tmpfs);
    }

    /// The section `build`, for whoever can read the Dockerfile that it names.
    fn build(&mut self) {
        let Some(entry) = self.written("build") else {
            return;
        };
        let node = &entry.value;
        let text =
            |writer: &mut Self, key: &str| node.get(key).and_then(|value| writer.string(value));
        let context = if matches!(node.content, Content::Map(_)) {
            text(self, "context")
        } else {
            self.string(node)
        };
        let context = context.unwrap_or_else(|| Node::string(entry.key_span, "."));
        let mut build = Node::map(node.span, [("context", context)]);
        for (key, default) in [
            ("dockerfile", Some("Dockerfile")),
            ("target", None),
            ("dockerfile_inline", None),
        ] {
            let default = || default.map(|text| Node::string(entry.key_span, text));
            if let Some(value) = text(self, key).or_else(default) {
                build.set(key, value.span, value);
            }
        }
        let mut args = Members::default();
        for item in node.get("args").cloned().map(sequence).unwrap_or_default() {
            if let Some((name, value)) = self.assigned(&item) {
                args.insert(member(&name, value.span, value));
            }
        }
        build.set("args", entry.key_span, map(entry.key_span, args));
        self.more.push(Entry {
            key: "Build".into(),
            key_span: entry.key_span,
            value: build,
        });
    }

    fn networks(&mut self) {
        let here = self.here;
        if self.written("network_mode").is_some() {
            return;
        }
        let written = self.written("networks");
        let names: Vec<(String, Span)> = match written.map(|entry| &entry.value) {
            Some(Node {
                content: Content::Map(entries),
                ..
            }) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.key_span))
                .collect(),
            Some(node) => {
                let names = node
                    .items()
                    .iter()
                    .filter_map(|item| Some((scalar(item)?, item.span)));
                names.collect()
            }
            None => Vec::new(),
        };
        let mut joined = Members::default();
        let default = [("default".to_owned(), here)];
        let names = if names.is_empty() {
            &default[..]
        } else {
            &names
        };
        for (name, span) in names {
            let network = self.context.resource("networks", name);
            joined.insert(member(&network, *span, Node::map(*span, [])));
        }
        let joined = map(written.map_or(here, |entry| entry.value.span), joined);
        if let Some(first) = joined.entries().first() {
            let mode = Node::string(first.key_span, first.key.clone());
            let key = written.map_or(here, |entry| entry.key_span);
            if written.is_none() {
                self.defaults.push("/HostConfig/NetworkMode".into());
            }
            self.set(Half::Host, "NetworkMode", key, mode);
        }
        let networks = Node::map(joined.span, [("Networks", joined)]);
        self.more.push(Entry {
            key: "NetworkSettings".into(),
            key_span: written.map_or(here, |entry| entry.key_span),
            value: networks,
        });
    }

    /// A namespace shared with a service is one shared with that service's container.
    fn modes(&mut self) {
        for field in ["NetworkMode", "PidMode", "IpcMode"] {
            if let Some(mode) = self.get(Half::Host, field)
                && let Some(service) = mode.as_str().and_then(|mode| mode.strip_prefix("service:"))
            {
                let mode = Node::string(mode.span, format!("container:{service}"));
                self.set(Half::Host, field, mode.span, mode);
            }
        }
    }

    fn set_defaults(&mut self) {
        if self.get(Half::Config, "Image").is_none() {
            let image = self.context.qualified(self.name, '-');
            self.default(Half::Config, "Image", Content::String(image));
        }
        for field in ["User", "WorkingDir", "Hostname"] {
            self.default(Half::Config, field, Content::String(String::new()));
        }
        for field in ["Cmd", "Entrypoint"] {
            self.default(Half::Config, field, Content::Null);
        }
        self.default(Half::Config, "Env", Content::List(Vec::new()));
        for field in ["Labels", "ExposedPorts"] {
            self.default(Half::Config, field, Content::Map(Map::default()));
        }
        for field in ["Memory", "MemorySwap", "MemoryReservation", "NanoCpus"] {
            self.default(Half::Host, field, Content::Number(0.into()));
        }
        self.default(Half::Host, "PidsLimit", Content::Null);
        self.default(Half::Host, "Init", Content::Null);
        for field in ["Privileged", "ReadonlyRootfs"] {
            self.default(Half::Host, field, Content::Bool(false));
        }
        for field in ["PidMode", "IpcMode", "UsernsMode", "UTSMode"] {
            self.default(Half::Host, field, Content::String(String::new()));
        }
        for field in [
            "CapAdd",
            "CapDrop",
            "SecurityOpt",
            "GroupAdd",
            "Binds",
            "Mounts",
            "Devices",
            "Ulimits",
            "ExtraHosts",
        ] {
            self.default(Half::Host, field, Content::List(Vec::new()));
        }
        for field in ["PortBindings", "Sysctls", "Tmpfs"] {
            self.default(Half::Host, field, Content::Map(Map::default()));
        }
        let here = self.here;
        let restart = [
            ("Name", Node::string(here, "no")),
            ("MaximumRetryCount", integer(here, 0)),
        ];
        self.default(
            Half::Host,
            "RestartPolicy",
            Node::map(here, restart).content,
        );
        let log = [
            ("Type", Node::string(here, "")),
            ("Config", Node::map(here, [])),
        ];
        self.default(Half::Host, "LogConfig", Node::map(here, log).content);
    }

    fn default(&mut self, half: Half, field: &str, content: Content) {
        let pointer = format!("{}/{field}", half.pointer());
        if self.get(half, field).is_some() || self.unresolved.contains(&pointer) {
            return;
        }
        let here = self.here;
        self.set(
            half,
            field,
            here,
            Node {
                span: here,
                content,
            },
        );
        self.defaults.push(pointer);
    }
}

impl Context<'_> {
    /// A name of the project's own.
    pub(super) fn qualified(&self, name: &str, separator: char) -> String {
        if self.name.is_empty() {
            name.to_owned()
        } else {
            format!("{}{separator}{name}", self.name)
        }
    }

    /// The name that the engine knows a volume or network by.
    pub(super) fn resource(&self, section: &str, name: &str) -> String {
        let written = self.root.get(section).and_then(|section| section.get(name));
        let text = |key: &str| written.and_then(|node| node.get(key)).and_then(scalar);
        if let Some(name) = text("name") {
            return name;
        }
        let external = written.and_then(|node| node.get("external"));
        match external {
            Some(node) if matches!(node.content, Content::Map(_)) => node
                .get("name")
                .and_then(scalar)
                .unwrap_or_else(|| name.to_owned()),
            Some(node) if boolean(node) == Some(true) => name.to_owned(),
            _ => self.qualified(name, '_'),
        }
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::One => "whole number",
            Self::Byte => "number of bytes such as 512m",
            Self::Cpu => "number of processors such as 0.5",
            Self::Nanosecond | Self::Second => "duration such as 1m30s",
        }
    }
}

fn measure(node: &Node, unit: Unit) -> Option<i64> {
    let text = scalar(node)?;
    let text = text.trim();
    match unit {
        Unit::One => text
            .parse()
            .ok()
            .or_else(|| text.parse::<f64>().ok().and_then(units::whole)),
        Unit::Byte if text == "-1" => Some(-1),
        Unit::Byte => units::bytes(text),
        Unit::Cpu => text
            .parse::<f64>()
            .ok()
            .and_then(|cpus| units::whole(cpus * 1e9)),
        Unit::Nanosecond => units::duration(text),
        Unit::Second => units::duration(text).map(|length| length / 1_000_000_000),
    }
}

/// A boolean, or a text that Compose takes for one.
pub(super) fn boolean(node: &Node) -> Option<bool> {
    match &node.content {
        Content::Bool(value) => Some(*value),
        Content::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "y" | "yes" | "on" => Some(true),
            "false" | "f" | "0" | "n" | "no" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn integer(span: Span, value: i64) -> Node {
    Node {
        span,
        content: Content::Number(Number::from(value)),
    }
}

fn restart_name(node: Node) -> Node {
    let name = match node.as_str() {
        Some("none") => "no",
        Some("any") => "always",
        _ => return node,
    };
    Node::string(node.span, name)
}

/// The members of a map, or the `key=value` of a list, as a map of texts.
pub(super) fn pairs(node: &Node) -> Node {
    let mut members = Members::default();
    if let Content::Map(entries) = &node.content {
        for entry in entries {
            let text = scalar(&entry.value).unwrap_or_default();
            members.insert(Entry {
                value: Node::string(entry.value.span, text),
                ..entry.clone()
            });
        }
    } else {
        for item in sequence(node.clone()) {
            let text = scalar(&item).unwrap_or_default();
            let (key, value) = text.split_once('=').unwrap_or((&text, ""));
            members.insert(member(key, item.span, Node::string(item.span, value)));
        }
    }
    map(node.span, members)
}

pub(super) fn member(key: &str, key_span: Span, value: Node) -> Entry {
    Entry {
        key: key.to_owned(),
        key_span,
        value,
    }
}

fn map(span: Span, members: Members) -> Node {
    Node {
        span,
        content: Content::Map(members.into_entries().into()),
    }
}

/// Adds to a document which of its values are not known, and which are defaults.
pub(super) fn complete(
    mut document: Node,
    here: Span,
    unknown: &HashSet<Span>,
    mut unresolved: Vec<String>,
    defaults: Vec<String>,
) -> Node {
    find_unknown(&document, unknown, &mut String::new(), &mut unresolved);
    let pointers = |pointers: Vec<String>| {
        let items = pointers
            .into_iter()
            .map(|pointer| Node::string(here, pointer));
        Node::list(here, items.collect())
    };
    if !unresolved.is_empty() {
        document.set("unresolved", here, pointers(unresolved));
    }
    document.set("defaults", here, pointers(defaults));
    document
}

/// Adds the pointers of the texts that need a variable without a value.
fn find_unknown(
    node: &Node,
    unknown: &HashSet<Span>,
    pointer: &mut String,
    found: &mut Vec<String>,
) {
    if unknown.is_empty() {
        return;
    }
    let length = pointer.len();
    match &node.content {
        Content::String(_) if unknown.contains(&node.span) => found.push(pointer.clone()),
        Content::List(items) => {
            for (place, item) in items.iter().enumerate() {
                pointer.push('/');
                pointer.push_str(&place.to_string());
                find_unknown(item, unknown, pointer, found);
                pointer.truncate(length);
            }
        }
        Content::Map(entries) => {
            for entry in entries {
                pointer.push('/');
                pointer.push_str(&escape_token(&entry.key));
                find_unknown(&entry.value, unknown, pointer, found);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}
