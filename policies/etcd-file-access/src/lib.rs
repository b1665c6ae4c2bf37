//! See the documentation of [`EtcdFileAccess`].

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{etcd, file};
use stridegate_policy::{Allowed, Breach, Offence};

policy! {
    /// A file of etcd or of the control plane that others may change or read
    ///
    /// Judges the files of a node by their roles: the manifests of static Pods, the data, the
    /// configuration, the unit and the keys of etcd, kubeconfigs, the keys and certificates of the
    /// cluster, the configuration of encryption, of the kubelet and of the container network. Of an
    /// etcd and its static Pod it judges what only somebody who could write there would add.
    ///
    /// The kubelet starts whatever lies in the folder of static Pods, with any right that it asks
    /// for, and no admission stands between. Whoever may write there, or to the data of etcd, owns
    /// the node and the cluster; whoever reads a key of the authority makes an administrator.
    ///
    /// A mode is judged by what it comes to: 0644 in a folder of 0700 is 0600, and 0600 in a
    /// folder that others may write to is nothing. Of a link, what it leads to counts. Owners are
    /// numbers: etcd runs as root where it is a static Pod, and elsewhere as a user that only the
    /// host knows, so that a system user is `unknown` until `etcdUsers` names it. What is not
    /// among the facts is not there, or was not captured: nothing is said of it. Access lists and
    /// the members of groups are not judged.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: stridegate.dev/v1
    /// kind: HostFacts
    /// metadata: {name: node-1}
    /// files:
    /// - {path: /etc/kubernetes/manifests/etcd.yaml, mode: "0664", uid: 0, gid: 0}
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: stridegate.dev/v1
    /// kind: HostFacts
    /// metadata: {name: node-1}
    /// files:
    /// - {path: /etc/kubernetes/manifests/etcd.yaml, mode: "0600", uid: 0, gid: 0}
    /// ```
    ///
    /// ## References
    ///
    /// - <https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/>
    /// - <https://kubernetes.io/docs/setup/best-practices/certificates/>
    EtcdFileAccess {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::Tampering)],
        kinds: [file::KIND, etcd::KIND, pod::KIND],
        context: [],
        rules: [
            STATIC_POD_MODE, STATIC_POD_OWNER, ETCD_DATA_MODE, ETCD_DATA_OWNER, KUBECONFIG_MODE,
            KUBECONFIG_OWNER, CERTIFICATE_MODE, KEY_MODE, PKI_OWNER, CONFIG_MODE, CONFIG_OWNER,
            WRITABLE_FOLDER, EXTRA_MANIFEST, ALTERED_ETCD_POD, FORCED_NEW_CLUSTER,
        ],
        check: check,
    }
}

parameters! {
    /// What can be set for `etcd-file-access`.
    pub struct Parameters {
        /// The benchmark whose modes count.
        pub benchmark: Benchmark = Benchmark::Cis1_12,
        /// The user ids that etcd runs as, beside root.
        pub etcd_users: Vec<u64> = Vec::new(),
        /// The ids of groups that files of etcd may belong to, beside root's.
        pub etcd_groups: Vec<u64> = Vec::new(),
        /// The images that etcd's static Pod may run; `*` stands for anything. None: any.
        pub etcd_images: Vec<String> = Vec::new(),
        /// The folders of the node that etcd's static Pod may mount.
        pub etcd_folders: Vec<String> = [
            "/var/lib/etcd", "/var/log/etcd", "/etc/etcd", "/etc/kubernetes/pki/etcd", "/etc/ssl", "/etc/pki",
            "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
            "/var/lib/rancher/rke2/server/db/etcd", "/var/lib/rancher/rke2/server/tls/etcd",
        ].map(String::from).to_vec(),
    }
}

kubernetes_benchmark! {
    /// A benchmark that names the modes of files.
    pub enum Benchmark {}
}

const STATIC_POD_MODE: Rule = Rule {
    id: "static-pod-mode",
    title: "Nobody but root writes or reads the manifests of static Pods",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.1"),
        ("cis-kubernetes-1.12", "1.1.3"),
        ("cis-kubernetes-1.12", "1.1.5"),
        ("cis-kubernetes-1.12", "1.1.7"),
    ],
    remediation: "chmod 600 FILE",
};

const STATIC_POD_OWNER: Rule = Rule {
    id: "static-pod-owner",
    title: "The manifests of static Pods belong to root",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.2"),
        ("cis-kubernetes-1.12", "1.1.4"),
        ("cis-kubernetes-1.12", "1.1.6"),
        ("cis-kubernetes-1.12", "1.1.8"),
    ],
    remediation: "chown root:root FILE",
};

const ETCD_DATA_MODE: Rule = Rule {
    id: "etcd-data-mode",
    title: "Nobody but etcd enters its data",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "1.1.11")],
    remediation: "chmod 700 FOLDER",
};

const ETCD_DATA_OWNER: Rule = Rule {
    id: "etcd-data-owner",
    title: "The data of etcd belong to the user that it runs as",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "1.1.12")],
    remediation: "chown the folder to the user of etcd: root where etcd is a static Pod, etcd:etcd where it is a service.",
};

const KUBECONFIG_MODE: Rule = Rule {
    id: "kubeconfig-mode",
    title: "Nobody but root reads the credentials of the components",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.13"),
        ("cis-kubernetes-1.12", "1.1.15"),
        ("cis-kubernetes-1.12", "1.1.17"),
        ("cis-kubernetes-1.12", "4.1.3"),
        ("cis-kubernetes-1.12", "4.1.5"),
    ],
    remediation: "chmod 600 FILE",
};

const KUBECONFIG_OWNER: Rule = Rule {
    id: "kubeconfig-owner",
    title: "The credentials of the components belong to root",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.14"),
        ("cis-kubernetes-1.12", "1.1.16"),
        ("cis-kubernetes-1.12", "1.1.18"),
        ("cis-kubernetes-1.12", "4.1.4"),
        ("cis-kubernetes-1.12", "4.1.6"),
    ],
    remediation: "chown root:root FILE",
};

const CERTIFICATE_MODE: Rule = Rule {
    id: "certificate-mode",
    title: "Nobody but root writes certificates",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.20"),
        ("cis-kubernetes-1.12", "4.1.7"),
    ],
    remediation: "chmod 644 FILE",
};

const KEY_MODE: Rule = Rule {
    id: "key-mode",
    title: "Nobody but its owner reads a key",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "1.1.21")],
    remediation: "chmod 600 FILE; if others could read it, make a new key.",
};

const PKI_OWNER: Rule = Rule {
    id: "pki-owner",
    title: "Keys and certificates belong to root, those of etcd to its user",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.19"),
        ("cis-kubernetes-1.12", "4.1.8"),
    ],
    remediation: "chown root:root FILE",
};

const CONFIG_MODE: Rule = Rule {
    id: "config-mode",
    title: "Nobody but root writes or reads what configures etcd, the kubelet and the network",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.9"),
        ("cis-kubernetes-1.12", "4.1.1"),
        ("cis-kubernetes-1.12", "4.1.9"),
        ("cis-kubernetes-2.1", "4.1.11"),
    ],
    remediation: "chmod 600 FILE",
};

const CONFIG_OWNER: Rule = Rule {
    id: "config-owner",
    title: "What configures etcd, the kubelet and the network belongs to root",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.10"),
        ("cis-kubernetes-1.12", "4.1.2"),
        ("cis-kubernetes-1.12", "4.1.10"),
        ("cis-kubernetes-2.1", "4.1.11"),
    ],
    remediation: "chown root:root FILE",
};

const WRITABLE_FOLDER: Rule = Rule {
    id: "writable-folder",
    title: "Nobody else can put another file in the place of this one",
    severity: Severity::High,
    controls: &[],
    remediation: "chmod go-w FOLDER; chown root:root FOLDER",
};

const EXTRA_MANIFEST: Rule = Rule {
    id: "extra-manifest",
    title: "The folder of static Pods holds manifests alone",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Move copies to another folder: the kubelet starts a Pod from each file whose name begins with no dot.",
};

const ALTERED_ETCD_POD: Rule = Rule {
    id: "altered-etcd-pod",
    title: "The static Pod of etcd runs etcd, and nothing else",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Compare the manifest with what kubeadm init phase etcd local writes, and take out what was added.",
};

const FORCED_NEW_CLUSTER: Rule = Rule {
    id: "forced-new-cluster",
    title: "etcd keeps its cluster when it starts",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Remove --force-new-cluster once the cluster was recovered: each start throws the other members out.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let limits = parameters.benchmark.limits();
    let document = object.document()?;
    let root = At::root(&document);
    let rest = if object.is(&file::KIND) {
        check_file(&root, &limits, parameters, checks);
        "the file has another role"
    } else if object.is(&etcd::KIND) {
        check_etcd(Effective::new(&document), checks);
        "it is a question to the files"
    } else {
        check_pod(&root, object.namespace == "kube-system", parameters, checks);
        "it is a question to the files"
    };
    for rule in EtcdFileAccess::FACTS.rules {
        checks.not_applicable(rule, rest);
    }
    Ok(())
}

/// The modes of a version of the benchmark.
struct Limits {
    /// Manifests, kubeconfigs and configurations.
    file: u32,
    /// The credentials of administrators.
    admin: u32,
    certificate: u32,
}

impl Benchmark {
    fn limits(self) -> Limits {
        let (file, admin, certificate) = match self {
            Self::Cis1_5 | Self::Cis1_6 | Self::Cis1_20 => (0o644, 0o644, 0o644),
            Self::Cis1_23 => (0o644, 0o600, 0o644),
            Self::Cis1_11 | Self::Cis1_12 | Self::Cis2_0 => (0o600, 0o600, 0o644),
            _ => (0o600, 0o600, 0o600),
        };
        Limits {
            file,
            admin,
            certificate,
        }
    }
}

/// What a role asks of a file.
struct Demand {
    mode: u32,
    of_mode: &'static Rule,
    of_owner: &'static Rule,
    /// Whoever reads it can do what its owner can.
    is_secret: bool,
    /// It may belong to the user of etcd.
    of_etcd: bool,
}

fn demand(role: &str, path: &str, limits: &Limits) -> Option<Demand> {
    let demand = |mode, of_mode, of_owner| {
        Some(Demand {
            mode,
            of_mode,
            of_owner,
            is_secret: false,
            of_etcd: false,
        })
    };
    let secret = |mode, of_mode, of_owner| {
        Some(Demand {
            mode,
            of_mode,
            of_owner,
            is_secret: true,
            of_etcd: false,
        })
    };
    let of_etcd = |demand: Option<Demand>| {
        demand.map(|demand| Demand {
            of_etcd: true,
            ..demand
        })
    };
    match role {
        "static-pod" | "deployed-manifest" => {
            demand(limits.file, &STATIC_POD_MODE, &STATIC_POD_OWNER)
        }
        "etcd-data-dir" | "etcd-wal-dir" => {
            of_etcd(secret(0o700, &ETCD_DATA_MODE, &ETCD_DATA_OWNER))
        }
        "kubeconfig" | "kubelet-kubeconfig" => {
            let is_admin = path.ends_with("admin.conf");
            let mode = if is_admin { limits.admin } else { limits.file };
            secret(mode, &KUBECONFIG_MODE, &KUBECONFIG_OWNER)
        }
        "kubernetes-pki-cert" | "kubelet-pki-cert" => {
            demand(limits.certificate, &CERTIFICATE_MODE, &PKI_OWNER)
        }
        "etcd-pki-cert" => of_etcd(demand(limits.certificate, &CERTIFICATE_MODE, &PKI_OWNER)),
        "kubernetes-pki-key" | "kubelet-pki-key" | "encryption-config" => {
            secret(0o600, &KEY_MODE, &PKI_OWNER)
        }
        "etcd-pki-key" => of_etcd(secret(0o600, &KEY_MODE, &PKI_OWNER)),
        // kubeadm writes its flags for everybody to read, and no benchmark asks for less.
        "kubelet-flags" | "kubelet-config-drop-in" => demand(0o644, &CONFIG_MODE, &CONFIG_OWNER),
        "etcd-config"
        | "etcd-service"
        | "etcd-service-drop-in"
        | "component-flags"
        | "cni-config"
        | "kubelet-config"
        | "kubelet-service"
        | "kubelet-service-drop-in" => demand(limits.file, &CONFIG_MODE, &CONFIG_OWNER),
        // Packages make some of these folders writable for the group of root.
        "kubernetes-pki-dir" => demand(0o775, &WRITABLE_FOLDER, &PKI_OWNER),
        "etcd-pki-dir" => of_etcd(demand(0o775, &WRITABLE_FOLDER, &PKI_OWNER)),
        "static-pod-dir"
        | "deployed-manifest-dir"
        | "cni-config-dir"
        | "kubelet-data-dir"
        | "kubelet-pki-dir" => demand(0o775, &WRITABLE_FOLDER, &WRITABLE_FOLDER),
        _ => None,
    }
}

fn check_file(file: &At, limits: &Limits, parameters: &Parameters, checks: &mut Checks) {
    let text = |key| file.get(key).text().unwrap_or_default();
    let (role, path) = (text("role"), text("path"));
    let is_folder = text("type") == "directory";
    let Some(demand) = demand(role, path, limits) else {
        return;
    };
    // The kubelet does not look into folders beside the manifests.
    if role == "static-pod" && is_folder {
        return;
    }
    for rule in [demand.of_mode, demand.of_owner, &WRITABLE_FOLDER] {
        checks.pass(rule);
    }
    let mut allowed = Allowed::root(demand.mode);
    if demand.of_etcd {
        let ids = |ids: &[u64]| {
            ids.iter()
                .filter_map(|id| i64::try_from(*id).ok())
                .collect::<Vec<_>>()
        };
        allowed.uids.extend(ids(&parameters.etcd_users));
        allowed.gids.extend(ids(&parameters.etcd_groups));
    }
    for offence in allowed.offences(file) {
        report(file, &offence, &demand, parameters, checks);
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    if role == "static-pod" {
        checks.pass(&EXTRA_MANIFEST);
        let is_manifest = [".yaml", ".yml", ".json", ".manifest"]
            .iter()
            .any(|end| name.ends_with(end));
        if !is_manifest && !name.starts_with('.') {
            let message =
                format!("the kubelet starts a Pod from {path} as well, whatever it is kept for");
            checks.fail(&EXTRA_MANIFEST, &file.get("path"), message);
        }
    }
}

fn report(
    file: &At,
    offence: &Offence,
    demand: &Demand,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    let rule = match offence.breach {
        Breach::Mode(_) => demand.of_mode,
        Breach::User | Breach::Group => demand.of_owner,
        Breach::Folder => &WRITABLE_FOLDER,
    };
    if demand.of_etcd && may_be_etcd(file, offence, parameters) {
        let message = format!(
            "{}: is that etcd? name its id with etcdUsers and etcdGroups",
            offence.message
        );
        checks.unknown(rule, offence, message);
        return;
    }
    let finding = checks.fail(rule, offence, offence.message.as_str());
    // Who may read what is no secret, or run what is no program, changes nothing.
    if let Breach::Mode(bits) = offence.breach
        && bits & 0o6022 == 0
        && !(demand.is_secret && bits & 0o055 != 0)
    {
        finding.severity(Severity::Low);
    }
}

/// Whether an owner is a system user or group that nobody named, which etcd may run as.
fn may_be_etcd(file: &At, offence: &Offence, parameters: &Parameters) -> bool {
    let named = if offence.path.ends_with("/gid") {
        &parameters.etcd_groups
    } else {
        &parameters.etcd_users
    };
    let is_owner = offence.path.ends_with("/uid") || offence.path.ends_with("/gid");
    let id = file
        .value()
        .and_then(|file| file.pointer(&offence.path)?.as_i64());
    is_owner && named.is_empty() && id.is_some_and(|id| (1..1000).contains(&id))
}

fn check_etcd(effective: Effective, checks: &mut Checks) {
    let flag = effective.get("/flags/force-new-cluster");
    checks.pass(&FORCED_NEW_CLUSTER);
    if flag.is_unknown(
        &FORCED_NEW_CLUSTER,
        checks,
        "whether etcd starts a new cluster",
    ) {
        return;
    }
    if flag.boolean() == Some(true) {
        let patch = json!([{"op": "replace", "path": flag.path(), "value": false}]);
        let message = "each start of etcd makes a cluster of this member alone";
        checks
            .fail(&FORCED_NEW_CLUSTER, &flag, message)
            .fix("Keep the cluster", false, &patch);
    }
}

/// What does not belong into the static Pod of etcd, which has the network of its host.
fn check_pod(root: &At, is_system: bool, parameters: &Parameters, checks: &mut Checks) {
    let spec = root.get("spec");
    let runs_etcd = |container: &Container| {
        let words = ["command", "args"].map(|key| container.at.get(key));
        let first = words.iter().find_map(|words| words.items().next());
        first.is_some_and(|word| {
            word.text()
                .is_some_and(|word| word.rsplit('/').next() == Some("etcd"))
        })
    };
    let is_static = is_system && spec.get("hostNetwork").boolean() == Some(true);
    if !is_static || !containers(root).any(|container| runs_etcd(&container)) {
        checks.not_applicable(&ALTERED_ETCD_POD, "it is no static Pod of etcd");
        return;
    }
    checks.pass(&ALTERED_ETCD_POD);
    for container in containers(root) {
        let name = container.name();
        if !runs_etcd(&container) {
            let message =
                format!("container {name} runs beside etcd, with the network of the host");
            checks.fail(&ALTERED_ETCD_POD, &container.at, message);
        }
        let privileged = container.at.get("securityContext").get("privileged");
        if privileged.boolean() == Some(true) {
            let patch = json!([{"op": "replace", "path": privileged.path(), "value": false}]);
            checks
                .fail(
                    &ALTERED_ETCD_POD,
                    &privileged,
                    format!("container {name} is privileged"),
                )
                .fix("Take the privileges away", true, &patch);
        }
        let image = container.at.get("image");
        let fits = |pattern: &String| matches_glob(pattern, image.text().unwrap_or_default());
        if !parameters.etcd_images.is_empty() && !parameters.etcd_images.iter().any(fits) {
            let message = format!("container {name} runs an image that is not among etcd's");
            checks.fail(&ALTERED_ETCD_POD, &image, message);
        }
    }
    for volume in spec.get("volumes").items() {
        let path = volume.get("hostPath").get("path");
        let Some(folder) = path.text() else { continue };
        let within = |allowed: &String| {
            let rest = folder.strip_prefix(allowed.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                && !folder.contains("..")
        };
        if !parameters.etcd_folders.iter().any(within) {
            checks.fail(
                &ALTERED_ETCD_POD,
                &path,
                format!("etcd mounts {folder} of its node"),
            );
        }
    }
}
