use Form::{List, Map, Number, Switch, Text, Tree};

/// What dockerd knows by a name: a flag, a key of daemon.json, or mostly both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The key in daemon.json and in the shape; none for what only the command line has.
    pub(super) key: Option<&'static str>,
    /// The flag without dashes; none for what only the file has.
    pub(super) flag: Option<&'static str>,
    /// The letter of the flag.
    pub(super) letter: Option<char>,
    /// What values it has.
    pub(super) form: Form,
}

/// What values an option has, and the one that it has if nobody sets it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Switch(bool),
    Text(&'static str),
    Number(i64),
    /// A list of texts; a flag adds one.
    List,
    /// Names and texts; a flag adds one as `name=text`.
    Map,
    /// What has a structure of its own; the default is an empty map.
    Tree,
    /// A list with a structure of its own.
    TreeList,
}

const fn both(key: &'static str, form: Form) -> Known {
    named(key, key, form)
}

const fn named(key: &'static str, flag: &'static str, form: Form) -> Known {
    Known {
        key: Some(key),
        flag: Some(flag),
        letter: None,
        form,
    }
}

const fn short(key: &'static str, flag: &'static str, letter: char, form: Form) -> Known {
    Known {
        letter: Some(letter),
        ..named(key, flag, form)
    }
}

const fn only_flag(flag: &'static str, letter: Option<char>, form: Form) -> Known {
    Known {
        key: None,
        flag: Some(flag),
        letter,
        form,
    }
}

const fn only_key(key: &'static str, form: Form) -> Known {
    Known {
        key: Some(key),
        flag: None,
        letter: None,
        form,
    }
}

/// The options of dockerd on Linux, with the defaults of Engine 28 (moby `cmd/dockerd/config*.go`,
/// `options.go` and `daemon/config/config_linux.go`).
pub(super) const OPTIONS: &[Known] = &[
    short("hosts", "host", 'H', List),
    both("tls", Switch(false)),
    both("tlsverify", Switch(false)),
    both("tlscacert", Text("")),
    both("tlscert", Text("")),
    both("tlskey", Text("")),
    short("log-level", "log-level", 'l', Text("info")),
    short("debug", "debug", 'D', Switch(false)),
    both("log-format", Text("text")),
    both("raw-logs", Switch(false)),
    both("log-driver", Text("json-file")),
    named("log-opts", "log-opt", Map),
    both("icc", Switch(true)),
    both("iptables", Switch(true)),
    both("ip6tables", Switch(true)),
    both("ip-forward", Switch(true)),
    both("ip-forward-no-drop", Switch(false)),
    both("ip-masq", Switch(true)),
    both("ipv6", Switch(false)),
    both("firewall-backend", Text("")),
    both("allow-direct-routing", Switch(false)),
    both("bridge-accept-fwmark", Text("")),
    short("bridge", "bridge", 'b', Text("")),
    both("bip", Text("")),
    both("bip6", Text("")),
    both("fixed-cidr", Text("")),
    both("fixed-cidr-v6", Text("")),
    both("default-gateway", Text("")),
    both("default-gateway-v6", Text("")),
    both("ip", Text("0.0.0.0")),
    both("mtu", Number(1500)),
    both("network-control-plane-mtu", Number(1500)),
    both("network-diagnostic-port", Number(0)),
    named("default-network-opts", "default-network-opt", Tree),
    named(
        "default-address-pools",
        "default-address-pool",
        Form::TreeList,
    ),
    both("userland-proxy", Switch(true)),
    both("userland-proxy-path", Text("")),
    both("dns", List),
    named("dns-opts", "dns-opt", List),
    both("dns-search", List),
    both("host-gateway-ip", Text("")),
    named("host-gateway-ips", "host-gateway-ip", List),
    named("insecure-registries", "insecure-registry", List),
    named("registry-mirrors", "registry-mirror", List),
    both("allow-nondistributable-artifacts", List),
    named("authorization-plugins", "authorization-plugin", List),
    both("userns-remap", Text("")),
    both("no-new-privileges", Switch(false)),
    both("seccomp-profile", Text("builtin")),
    both("selinux-enabled", Switch(false)),
    both("live-restore", Switch(false)),
    both("default-runtime", Text("runc")),
    named("runtimes", "add-runtime", Tree),
    both("init", Switch(false)),
    both("init-path", Text("")),
    named("exec-opts", "exec-opt", List),
    both("exec-root", Text("/var/run/docker")),
    both("data-root", Text("/var/lib/docker")),
    short("pidfile", "pidfile", 'p', Text("/var/run/docker.pid")),
    short("group", "group", 'G', Text("docker")),
    short("storage-driver", "storage-driver", 's', Text("")),
    named("storage-opts", "storage-opt", List),
    both("cgroup-parent", Text("")),
    both("default-cgroupns-mode", Text("private")),
    both("default-ipc-mode", Text("private")),
    named("default-ulimits", "default-ulimit", Tree),
    // A number of bytes, or a text such as 64M.
    both("default-shm-size", Text("67108864")),
    both("cpu-rt-period", Number(0)),
    both("cpu-rt-runtime", Number(0)),
    both("experimental", Switch(false)),
    both("rootless", Switch(false)),
    named("features", "feature", Tree),
    only_key("builder", Tree),
    only_key("proxies", Tree),
    named("labels", "label", List),
    named("cdi-spec-dirs", "cdi-spec-dir", List),
    both("metrics-addr", Text("")),
    both("max-concurrent-downloads", Number(3)),
    both("max-concurrent-uploads", Number(5)),
    both("max-download-attempts", Number(5)),
    both("shutdown-timeout", Number(15)),
    both("swarm-default-advertise-addr", Text("")),
    named("node-generic-resources", "node-generic-resource", List),
    both("containerd", Text("")),
    both("containerd-namespace", Text("moby")),
    both("cri-containerd", Switch(false)),
    only_flag("containerd-plugins-namespace", None, Text("plugins.moby")),
    only_flag("http-proxy", None, Text("")),
    only_flag("https-proxy", None, Text("")),
    only_flag("no-proxy", None, Text("")),
    only_flag("config-file", None, Text("/etc/docker/daemon.json")),
    only_flag("validate", None, Switch(false)),
    only_flag("api-cors-header", None, Text("")),
    only_flag("oom-score-adjust", None, Number(0)),
    only_flag("restart", Some('r'), Switch(true)),
    only_flag("version", Some('v'), Switch(false)),
    only_flag("help", Some('h'), Switch(false)),
];

/// The option of a key of daemon.json.
pub(super) fn by_key(key: &str) -> Option<&'static Known> {
    OPTIONS.iter().find(|known| known.key == Some(key))
}

/// The option of a flag.
pub(super) fn by_flag(flag: &str) -> Option<&'static Known> {
    // The flag is that of the list; the key of the same name is an older way to write one of it.
    if flag == "host-gateway-ip" {
        return by_key("host-gateway-ips");
    }
    OPTIONS.iter().find(|known| known.flag == Some(flag))
}

/// The option of a flag's letter.
pub(super) fn by_letter(letter: char) -> Option<&'static Known> {
    OPTIONS.iter().find(|known| known.letter == Some(letter))
}
