//! What each role asks of a file.

use stridegate_policy::prelude::*;

use crate::Benchmark;

pub(crate) const STATIC_POD_MODE: Rule = Rule {
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

pub(crate) const STATIC_POD_OWNER: Rule = Rule {
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

pub(crate) const ETCD_DATA_MODE: Rule = Rule {
    id: "etcd-data-mode",
    title: "Nobody but etcd enters its data",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "1.1.11")],
    remediation: "chmod 700 FOLDER",
};

pub(crate) const ETCD_DATA_OWNER: Rule = Rule {
    id: "etcd-data-owner",
    title: "The data of etcd belong to the user that it runs as",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "1.1.12")],
    remediation: "chown the folder to the user of etcd: root where etcd is a static Pod, etcd:etcd where it is a service.",
};

pub(crate) const KUBECONFIG_MODE: Rule = Rule {
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

pub(crate) const KUBECONFIG_OWNER: Rule = Rule {
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

pub(crate) const CERTIFICATE_MODE: Rule = Rule {
    id: "certificate-mode",
    title: "Nobody but root writes certificates",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.20"),
        ("cis-kubernetes-1.12", "4.1.7"),
    ],
    remediation: "chmod 644 FILE",
};

pub(crate) const KEY_MODE: Rule = Rule {
    id: "key-mode",
    title: "Nobody but its owner reads a key",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "1.1.21")],
    remediation: "chmod 600 FILE; if others could read it, make a new key.",
};

pub(crate) const PKI_OWNER: Rule = Rule {
    id: "pki-owner",
    title: "Keys and certificates belong to root, those of etcd to its user",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.1.19"),
        ("cis-kubernetes-1.12", "4.1.8"),
    ],
    remediation: "chown root:root FILE",
};

pub(crate) const CONFIG_MODE: Rule = Rule {
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

pub(crate) const CONFIG_OWNER: Rule = Rule {
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

pub(crate) const WRITABLE_FOLDER: Rule = Rule {
    id: "writable-folder",
    title: "Nobody else can put another file in the place of this one",
    severity: Severity::High,
    controls: &[],
    remediation: "chmod go-w FOLDER; chown root:root FOLDER",
};

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
pub(crate) struct Demand {
    /// The bits that its mode may have.
    pub(crate) mode: u32,
    pub(crate) of_mode: &'static Rule,
    pub(crate) of_owner: &'static Rule,
    /// Whoever reads it can do what its owner can.
    pub(crate) is_secret: bool,
    /// It may belong to the user of etcd.
    pub(crate) is_of_etcd: bool,
}

impl Demand {
    fn new(mode: u32, of_mode: &'static Rule, of_owner: &'static Rule) -> Self {
        Self {
            mode,
            of_mode,
            of_owner,
            is_secret: false,
            is_of_etcd: false,
        }
    }

    fn secret(self) -> Self {
        Self {
            is_secret: true,
            ..self
        }
    }

    fn of_etcd(self) -> Self {
        Self {
            is_of_etcd: true,
            ..self
        }
    }

    /// That of a role; none for one that is not judged.
    pub(crate) fn of(role: &str, path: &str, benchmark: Benchmark) -> Option<Self> {
        let limits = benchmark.limits();
        let kubeconfig = if path.ends_with("admin.conf") {
            limits.admin
        } else {
            limits.file
        };
        Some(match role {
            "static-pod" | "deployed-manifest" => {
                Self::new(limits.file, &STATIC_POD_MODE, &STATIC_POD_OWNER)
            }
            "etcd-data-dir" | "etcd-wal-dir" => Self::new(0o700, &ETCD_DATA_MODE, &ETCD_DATA_OWNER)
                .secret()
                .of_etcd(),
            "kubeconfig" | "kubelet-kubeconfig" => {
                Self::new(kubeconfig, &KUBECONFIG_MODE, &KUBECONFIG_OWNER).secret()
            }
            "kubernetes-pki-cert" | "kubelet-pki-cert" => {
                Self::new(limits.certificate, &CERTIFICATE_MODE, &PKI_OWNER)
            }
            "etcd-pki-cert" => {
                Self::new(limits.certificate, &CERTIFICATE_MODE, &PKI_OWNER).of_etcd()
            }
            "kubernetes-pki-key" | "kubelet-pki-key" | "encryption-config" => {
                Self::new(0o600, &KEY_MODE, &PKI_OWNER).secret()
            }
            "etcd-pki-key" => Self::new(0o600, &KEY_MODE, &PKI_OWNER).secret().of_etcd(),
            // kubeadm writes its flags for everybody to read, and no benchmark asks for less.
            "kubelet-flags" | "kubelet-config-drop-in" => {
                Self::new(0o644, &CONFIG_MODE, &CONFIG_OWNER)
            }
            "etcd-config"
            | "etcd-service"
            | "etcd-service-drop-in"
            | "component-flags"
            | "cni-config"
            | "kubelet-config"
            | "kubelet-service"
            | "kubelet-service-drop-in" => Self::new(limits.file, &CONFIG_MODE, &CONFIG_OWNER),
            // Packages make some of these folders writable for the group of root.
            "kubernetes-pki-dir" => Self::new(0o775, &WRITABLE_FOLDER, &PKI_OWNER),
            "etcd-pki-dir" => Self::new(0o775, &WRITABLE_FOLDER, &PKI_OWNER).of_etcd(),
            "static-pod-dir"
            | "deployed-manifest-dir"
            | "cni-config-dir"
            | "kubelet-data-dir"
            | "kubelet-pki-dir" => Self::new(0o775, &WRITABLE_FOLDER, &WRITABLE_FOLDER),
            _ => return None,
        })
    }
}
