//! See the documentation of [`TamperableConfig`].

mod approved;
mod client;
mod daemon;
mod file;

use std::collections::BTreeMap;

use stridegate_policy::prelude::*;
use stridegate_policy::shapes;

policy! {
    /// A configuration of Docker that others may change, or that was changed
    ///
    /// Judges who may write to the files of Docker on a host: by mode, owner and the folders above,
    /// through links; the settings of the daemon and of the client that a tamperer would use: those
    /// that run other programs, take protections away, or send traffic elsewhere; and, where one is
    /// given, any difference from a configuration that was approved.
    ///
    /// The daemon runs as root, and so does whatever its configuration tells it to run. Who may
    /// write to `daemon.json`, to the unit that starts it, or to a folder above them, is root after
    /// the next start. The client runs helpers and plugins by name with all rights of its user.
    ///
    /// Three files of this policy's source hold what is judged: `file.rs`, `daemon.rs` and
    /// `client.rs`. Judged by policies of their own are addresses and TLS
    /// (`insecure-daemon-socket`), `icc`, the log level, registries, and secrets. What nobody wrote
    /// is not held against a configuration, unless `requiredSettings` asks for it. Access lists,
    /// members of groups, and a default that another release has are not seen.
    ///
    /// ## Example
    ///
    /// ```json daemon.json
    /// {
    ///   "runtimes": {"fast": {"path": "/tmp/fast-runc"}}
    /// }
    /// ```
    ///
    /// ## Instead
    ///
    /// ```json daemon.json
    /// {
    ///   "runtimes": {"fast": {"path": "/usr/bin/crun"}}
    /// }
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/engine/security/#docker-daemon-attack-surface>
    /// - <https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file>
    /// - <https://docs.docker.com/reference/cli/docker/#docker-cli-configuration-file-configjson-properties>
    TamperableConfig {
        parameters: Parameters,
        threats: [(DOCKER, Category::Tampering)],
        kinds: [shapes::file::KIND, shapes::daemon::KIND, shapes::client::KIND],
        context: [],
        rules: [FILE_MODE, FILE_OWNER, UNSAFE_FOLDER, FOREIGN_CODE, WEAKENED_PROTECTION, DIVERTED_TRAFFIC, NOT_IN_EFFECT, NOT_APPROVED],
        check: check,
    }
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

parameters! {
    /// What can be set for `tamperable-config`. In names and paths, `*` stands for any characters.
    pub struct Parameters {
        /// The groups, by number, that the daemon's socket may belong to; none: any, for the number
        /// of the group `docker` differs from host to host.
        pub socket_gids: Vec<u64> = Vec::new(),
        /// The groups, by name, that the daemon may give its socket to.
        pub socket_groups: Vec<String> = list(&["docker", "root"]),
        /// The programs that the daemon may run, by their names; they have to lie where only root
        /// writes.
        pub programs: Vec<String> = list(&[
            "runc", "crun", "youki", "runsc", "kata-runtime", "sysbox-runc", "nvidia-container-runtime*",
            "containerd-shim-*", "io.containerd.*", "docker-init", "tini*", "catatonit", "docker-proxy",
            "rootlesskit-docker-proxy",
        ]),
        /// The helpers that may keep the client's logins: NAME of `docker-credential-NAME`.
        pub credential_helpers: Vec<String> = list(&[
            "osxkeychain", "desktop", "desktop.exe", "wincred", "wincred.exe", "secretservice", "pass",
            "ecr-login", "gcr", "gcloud", "acr-env", "ghcr-login", "dev-containers-*",
        ]),
        /// The plugins of the client that may be run after other commands.
        pub hook_plugins: Vec<String> = list(&["debug", "scout", "ai", "buildx", "compose", "model", "mcp", "offload"]),
        /// The folders that the client may look for plugins in.
        pub plugin_folders: Vec<String> = list(&[
            "/usr/*", "/opt/*", "/Applications/Docker.app/*", "/home/linuxbrew/*", "/nix/store/*", "C:\\Program Files\\*",
        ]),
        /// The proxies that the daemon and the client may use, as URLs.
        pub proxies: Vec<String> = list(&["*"]),
        /// The headers that the client may add to its requests.
        pub headers: Vec<String> = list(&["User-Agent"]),
        /// An approved daemon.json: every difference from it in meaning is found. Empty: none.
        pub daemon_baseline: BTreeMap<String, Value> = BTreeMap::new(),
        /// Keys of daemon.json that have to have these values.
        pub required_settings: BTreeMap<String, Value> = BTreeMap::new(),
        /// An approved config.json of the client: every difference from it in meaning is found, of
        /// logins only for which registries there are. Empty: none.
        pub client_baseline: BTreeMap<String, Value> = BTreeMap::new(),
    }
}

const FILE_MODE: Rule = Rule {
    id: "file-mode",
    title: "The modes of Docker's files let nobody else write, and nobody else read keys and logins",
    severity: Severity::Critical,
    controls: &[
        ("cis-docker-1.2", "3.2"),
        ("cis-docker-1.2", "3.4"),
        ("cis-docker-1.2", "3.6"),
        ("cis-docker-1.2", "3.8"),
        ("cis-docker-1.2", "3.10"),
        ("cis-docker-1.2", "3.12"),
        ("cis-docker-1.2", "3.14"),
        ("cis-docker-1.2", "3.16"),
        ("cis-docker-1.2", "3.18"),
        ("cis-docker-1.2", "3.21"),
        ("cis-docker-1.2", "3.22"),
        ("cis-docker-1.6", "3.2"),
        ("cis-docker-1.6", "3.4"),
        ("cis-docker-1.6", "3.6"),
        ("cis-docker-1.6", "3.8"),
        ("cis-docker-1.6", "3.10"),
        ("cis-docker-1.6", "3.12"),
        ("cis-docker-1.6", "3.14"),
        ("cis-docker-1.6", "3.16"),
        ("cis-docker-1.6", "3.18"),
        ("cis-docker-1.6", "3.20"),
        ("cis-docker-1.6", "3.21"),
        ("cis-docker-1.6", "3.24"),
    ],
    remediation: "chmod the file: 0644 for configuration and units, 0755 for /etc/docker, 0444 for certificates, 0400 for keys, 0660 for sockets, 0600 for files of the client.",
};

const FILE_OWNER: Rule = Rule {
    id: "file-owner",
    title: "Docker's files belong to root, and the client's to their user",
    severity: Severity::High,
    controls: &[
        ("cis-docker-1.2", "3.1"),
        ("cis-docker-1.2", "3.3"),
        ("cis-docker-1.2", "3.5"),
        ("cis-docker-1.2", "3.7"),
        ("cis-docker-1.2", "3.9"),
        ("cis-docker-1.2", "3.11"),
        ("cis-docker-1.2", "3.13"),
        ("cis-docker-1.2", "3.15"),
        ("cis-docker-1.2", "3.17"),
        ("cis-docker-1.2", "3.19"),
        ("cis-docker-1.2", "3.20"),
        ("cis-docker-1.6", "3.1"),
        ("cis-docker-1.6", "3.3"),
        ("cis-docker-1.6", "3.5"),
        ("cis-docker-1.6", "3.7"),
        ("cis-docker-1.6", "3.9"),
        ("cis-docker-1.6", "3.11"),
        ("cis-docker-1.6", "3.13"),
        ("cis-docker-1.6", "3.15"),
        ("cis-docker-1.6", "3.17"),
        ("cis-docker-1.6", "3.19"),
        ("cis-docker-1.6", "3.22"),
        ("cis-docker-1.6", "3.23"),
    ],
    remediation: "chown root:root the file, root:docker for /run/docker.sock, and the user itself in a home.",
};

const UNSAFE_FOLDER: Rule = Rule {
    id: "unsafe-folder",
    title: "Nobody else may put another file in the place of one of Docker's",
    severity: Severity::High,
    controls: &[],
    remediation: "Take the right to write away from others on every folder above the file and above what it links to.",
};

const FOREIGN_CODE: Rule = Rule {
    id: "foreign-code",
    title: "The configuration runs only programs that are known",
    severity: Severity::High,
    controls: &[],
    remediation: "Remove the entry, or name a program that the system's packages installed; add it to the parameter if it is meant to be there.",
};

const WEAKENED_PROTECTION: Rule = Rule {
    id: "weakened-protection",
    title: "No protection of the daemon is switched off",
    severity: Severity::High,
    controls: &[
        ("cis-docker-1.2", "2.3"),
        ("cis-docker-1.2", "2.12"),
        ("cis-docker-1.2", "2.15"),
        ("cis-docker-1.2", "2.17"),
        ("cis-docker-1.6", "2.4"),
        ("cis-docker-1.6", "2.13"),
        ("cis-docker-1.6", "2.14"),
        ("cis-docker-1.6", "2.17"),
    ],
    remediation: "Remove the key from daemon.json, or the flag: the default protects.",
};

const DIVERTED_TRAFFIC: Rule = Rule {
    id: "diverted-traffic",
    title: "Requests go where they should, as they should",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Remove the proxy or the header, or add it to the parameter if it is meant to be there.",
};

const NOT_IN_EFFECT: Rule = Rule {
    id: "not-in-effect",
    title: "Every key of the configuration does what it says",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Spell the key as dockerd does, and set it either by a flag or in daemon.json.",
};

const NOT_APPROVED: Rule = Rule {
    id: "not-approved",
    title: "The configuration means what was approved",
    severity: Severity::High,
    controls: &[("cis-docker-1.2", "2.11"), ("cis-docker-1.6", "2.12")],
    remediation: "Find out who changed it; then restore what was approved, or have the change approved.",
};

const RULES: [&Rule; 8] = [
    &FILE_MODE,
    &FILE_OWNER,
    &UNSAFE_FOLDER,
    &FOREIGN_CODE,
    &WEAKENED_PROTECTION,
    &DIVERTED_TRAFFIC,
    &NOT_IN_EFFECT,
    &NOT_APPROVED,
];

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&shapes::file::KIND) {
        file::check(&root, parameters, checks);
    } else if object.is(&shapes::daemon::KIND) {
        daemon::check(&root, parameters, checks);
        approved::check_daemon(&root, parameters, checks)?;
    } else {
        client::check(&root, parameters, checks);
        approved::check_client(&root, parameters, checks)?;
    }
    for rule in RULES {
        checks.not_applicable(rule, "it is about other files and settings");
    }
    Ok(())
}
