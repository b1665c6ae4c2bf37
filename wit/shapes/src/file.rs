//! `host/File`, version `v1`: a file on a host, who may read and write it, and its parents.
//!
//! `role` says what the file is to Docker or Kubernetes ([`ROLES`]). `mode` is a number, the twelve
//! bits of the mode without those of the type: 420 is `0644`. `uid` and `gid` are numbers, for a
//! name means something else on another machine. Of a link, `target` is where it leads in the end,
//! and type, mode and owner are those of what is there. `parents` are the folders on the way, the
//! root first, with those on the way to the target of a link behind them: whoever may write to one
//! of them can put another file in the place of this one.

use crate::{Content, Kind, Node};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("host", "File");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of this shape.
pub const SCHEMA: &str = include_str!("../schema/host-File.json");

/// The types that a file can have.
pub const TYPES: [&str; 5] = ["file", "directory", "socket", "link", "other"];

/// The roles of files and the paths where they are by default. In a path, `*` stands for any
/// name.
pub const ROLES: &[(&str, &str)] = &[
    ("docker-config-dir", "/etc/docker"),
    ("docker-daemon-config", "/etc/docker/daemon.json"),
    ("docker-daemon-config", "/home/*/.config/docker/daemon.json"),
    ("docker-daemon-config", "/root/.config/docker/daemon.json"),
    ("docker-service", "/etc/systemd/system/docker.service"),
    ("docker-service", "/lib/systemd/system/docker.service"),
    ("docker-service", "/usr/lib/systemd/system/docker.service"),
    (
        "docker-service-drop-in",
        "/etc/systemd/system/docker.service.d/*",
    ),
    (
        "docker-service-drop-in",
        "/run/systemd/system/docker.service.d/*",
    ),
    (
        "docker-service-drop-in",
        "/usr/lib/systemd/system/docker.service.d/*",
    ),
    ("docker-socket-unit", "/etc/systemd/system/docker.socket"),
    ("docker-socket-unit", "/lib/systemd/system/docker.socket"),
    (
        "docker-socket-unit",
        "/usr/lib/systemd/system/docker.socket",
    ),
    ("docker-environment", "/etc/default/docker"),
    ("docker-environment", "/etc/sysconfig/docker"),
    ("docker-socket", "/run/docker.sock"),
    ("docker-data-dir", "/var/lib/docker"),
    ("docker-tls-ca", "/etc/docker/ca.pem"),
    ("docker-tls-cert", "/etc/docker/server-cert.pem"),
    ("docker-tls-key", "/etc/docker/server-key.pem"),
    ("docker-registry-ca", "/etc/docker/certs.d/*/*.crt"),
    ("docker-registry-cert", "/etc/docker/certs.d/*/*.cert"),
    ("docker-registry-key", "/etc/docker/certs.d/*/*.key"),
    ("docker-client-dir", "/root/.docker"),
    ("docker-client-dir", "/home/*/.docker"),
    ("docker-client-config", "/root/.docker/config.json"),
    ("docker-client-config", "/home/*/.docker/config.json"),
    (
        "docker-client-context",
        "/root/.docker/contexts/meta/*/meta.json",
    ),
    (
        "docker-client-context",
        "/home/*/.docker/contexts/meta/*/meta.json",
    ),
    ("containerd-config", "/etc/containerd/config.toml"),
    ("containerd-socket", "/run/containerd/containerd.sock"),
    ("static-pod-dir", "/etc/kubernetes/manifests"),
    ("static-pod", "/etc/kubernetes/manifests/*"),
    ("static-pod-dir", "/var/lib/rancher/*/agent/pod-manifests"),
    ("static-pod", "/var/lib/rancher/*/agent/pod-manifests/*"),
    (
        "deployed-manifest-dir",
        "/var/lib/rancher/*/server/manifests",
    ),
    ("deployed-manifest", "/var/lib/rancher/*/server/manifests/*"),
    ("etcd-data-dir", "/var/lib/etcd"),
    ("etcd-data-dir", "/var/lib/rancher/*/server/db/etcd"),
    ("etcd-data-dir", "/var/snap/etcd/current"),
    (
        "etcd-data-dir",
        "/var/snap/microk8s/current/var/kubernetes/backend",
    ),
    ("etcd-config", "/etc/etcd/etcd.conf"),
    ("etcd-config", "/etc/etcd/etcd.conf.yml"),
    ("etcd-config", "/etc/etcd/etcd.conf.yaml"),
    ("etcd-config", "/etc/default/etcd"),
    ("etcd-config", "/etc/etcd.env"),
    ("etcd-config", "/var/lib/rancher/*/server/db/etcd/config"),
    ("etcd-config", "/var/snap/etcd/common/etcd.conf.yml"),
    ("etcd-config", "/var/snap/etcd/common/etcd.conf.yaml"),
    ("etcd-config", "/var/snap/microk8s/current/args/etcd"),
    ("etcd-service", "/etc/systemd/system/etcd.service"),
    ("etcd-service", "/etc/systemd/system/snap.etcd.etcd.service"),
    ("etcd-service", "/lib/systemd/system/etcd.service"),
    ("etcd-service", "/usr/lib/systemd/system/etcd.service"),
    (
        "etcd-service-drop-in",
        "/etc/systemd/system/etcd.service.d/*",
    ),
    ("etcd-pki-dir", "/etc/kubernetes/pki/etcd"),
    ("etcd-pki-key", "/etc/kubernetes/pki/etcd/*.key"),
    ("etcd-pki-cert", "/etc/kubernetes/pki/etcd/*.crt"),
    ("etcd-pki-dir", "/etc/etcd/pki"),
    ("etcd-pki-key", "/etc/etcd/pki/*.key"),
    ("etcd-pki-key", "/etc/etcd/pki/*-key.pem"),
    ("etcd-pki-cert", "/etc/etcd/pki/*.crt"),
    ("etcd-pki-cert", "/etc/etcd/pki/*.pem"),
    ("etcd-pki-dir", "/etc/ssl/etcd/ssl"),
    ("etcd-pki-key", "/etc/ssl/etcd/ssl/*-key.pem"),
    ("etcd-pki-cert", "/etc/ssl/etcd/ssl/*.pem"),
    ("etcd-pki-dir", "/var/lib/rancher/*/server/tls/etcd"),
    ("etcd-pki-key", "/var/lib/rancher/*/server/tls/etcd/*.key"),
    ("etcd-pki-cert", "/var/lib/rancher/*/server/tls/etcd/*.crt"),
    ("kubernetes-pki-dir", "/etc/kubernetes/pki"),
    ("kubernetes-pki-key", "/etc/kubernetes/pki/*.key"),
    ("kubernetes-pki-cert", "/etc/kubernetes/pki/*.crt"),
    ("kubernetes-pki-cert", "/etc/kubernetes/pki/*.pub"),
    ("kubernetes-pki-dir", "/etc/kubernetes/ssl"),
    ("kubernetes-pki-key", "/etc/kubernetes/ssl/*.key"),
    ("kubernetes-pki-key", "/etc/kubernetes/ssl/*-key.pem"),
    ("kubernetes-pki-cert", "/etc/kubernetes/ssl/*.crt"),
    ("kubernetes-pki-cert", "/etc/kubernetes/ssl/*.pem"),
    ("kubernetes-pki-dir", "/var/lib/rancher/*/server/tls"),
    ("kubernetes-pki-key", "/var/lib/rancher/*/server/tls/*.key"),
    ("kubernetes-pki-cert", "/var/lib/rancher/*/server/tls/*.crt"),
    ("kubernetes-pki-key", "/var/lib/rancher/*/agent/*.key"),
    ("kubernetes-pki-cert", "/var/lib/rancher/*/agent/*.crt"),
    (
        "kubernetes-pki-key",
        "/var/snap/microk8s/current/certs/*.key",
    ),
    (
        "kubernetes-pki-cert",
        "/var/snap/microk8s/current/certs/*.crt",
    ),
    (
        "encryption-config",
        "/etc/kubernetes/encryption-config.yaml",
    ),
    (
        "encryption-config",
        "/etc/kubernetes/encryption-provider-config.yaml",
    ),
    ("encryption-config", "/etc/kubernetes/enc/*.yaml"),
    (
        "encryption-config",
        "/var/lib/rancher/*/server/cred/encryption-config.json",
    ),
    ("kubeconfig", "/etc/kubernetes/*.conf"),
    ("kubeconfig", "/etc/rancher/*/k3s.yaml"),
    ("kubeconfig", "/etc/rancher/*/rke2.yaml"),
    ("kubeconfig", "/var/lib/rancher/*/server/cred/*.kubeconfig"),
    ("kubeconfig", "/var/lib/kube-scheduler/kubeconfig"),
    ("kubeconfig", "/var/lib/kube-controller-manager/kubeconfig"),
    ("kubeconfig", "/var/lib/kube-proxy/kubeconfig"),
    (
        "kubeconfig",
        "/var/snap/microk8s/current/credentials/*.config",
    ),
    ("kubelet-kubeconfig", "/var/lib/kubelet/kubeconfig"),
    ("kubelet-kubeconfig", "/etc/kubernetes/kubelet-kubeconfig"),
    ("kubelet-kubeconfig", "/etc/kubernetes/kubelet/kubeconfig"),
    (
        "kubelet-kubeconfig",
        "/var/lib/rancher/*/agent/*.kubeconfig",
    ),
    ("cni-config-dir", "/etc/cni/net.d"),
    ("cni-config", "/etc/cni/net.d/*"),
    ("cni-config-dir", "/var/lib/rancher/*/agent/etc/cni/net.d"),
    ("cni-config", "/var/lib/rancher/*/agent/etc/cni/net.d/*"),
    ("kubelet-config", "/var/lib/kubelet/config.yaml"),
    ("kubelet-config", "/etc/kubernetes/kubelet-config.yaml"),
    (
        "kubelet-config",
        "/etc/kubernetes/kubelet/kubelet-config.json",
    ),
    ("kubelet-config", "/etc/kubernetes/kubelet/config.json"),
    (
        "kubelet-config-drop-in",
        "/etc/kubernetes/kubelet.conf.d/*.conf",
    ),
    (
        "kubelet-config-drop-in",
        "/var/lib/rancher/*/agent/etc/kubelet.conf.d/*.conf",
    ),
    ("kubelet-flags", "/var/lib/kubelet/kubeadm-flags.env"),
    ("kubelet-flags", "/etc/default/kubelet"),
    ("kubelet-flags", "/var/snap/kubelet/current/args"),
    ("kubelet-flags", "/var/snap/microk8s/current/args/kubelet"),
    ("kubelet-service", "/etc/systemd/system/kubelet.service"),
    (
        "kubelet-service",
        "/etc/systemd/system/snap.microk8s.daemon-kubelet.service",
    ),
    ("kubelet-service", "/lib/systemd/system/kubelet.service"),
    ("kubelet-service", "/usr/lib/systemd/system/kubelet.service"),
    (
        "kubelet-service-drop-in",
        "/etc/systemd/system/kubelet.service.d/*",
    ),
    (
        "kubelet-service-drop-in",
        "/usr/lib/systemd/system/kubelet.service.d/*",
    ),
    ("kubelet-data-dir", "/var/lib/kubelet"),
    ("kubelet-pki-dir", "/var/lib/kubelet/pki"),
    ("kubelet-pki-key", "/var/lib/kubelet/pki/*.key"),
    ("kubelet-pki-key", "/var/lib/kubelet/pki/*.pem"),
    ("kubelet-pki-cert", "/var/lib/kubelet/pki/*.crt"),
    ("component-flags", "/var/snap/kube-apiserver/current/args"),
    (
        "component-flags",
        "/var/snap/kube-controller-manager/current/args",
    ),
    ("component-flags", "/var/snap/kube-scheduler/current/args"),
    (
        "component-flags",
        "/var/snap/microk8s/current/args/kube-apiserver",
    ),
    (
        "component-flags",
        "/var/snap/microk8s/current/args/kube-controller-manager",
    ),
    (
        "component-flags",
        "/var/snap/microk8s/current/args/kube-scheduler",
    ),
];

/// A mode as people write it, octal digits with or without `0o`: `0644`, `"600"`, `0o755`.
#[must_use]
pub fn mode(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = !digits.is_empty() && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = octal
        .then(|| u32::from_str_radix(digits, 8).ok())
        .flatten()?;
    (mode <= 0o7777).then_some(mode)
}

/// A member of a file as facts state it, in the form of the shape: of `mode` the number, of the
/// others themselves; none where it has another type.
#[must_use]
pub fn member(key: &str, value: &Node) -> Option<Node> {
    let fits = match (key, &value.content) {
        ("mode", Content::String(text)) => {
            let number = Content::Number(mode(text)?.into());
            return Some(Node {
                span: value.span,
                content: number,
            });
        }
        ("type", Content::String(text)) => TYPES.contains(&text.as_str()),
        ("uid" | "gid", Content::Number(number)) => {
            number.as_u64().is_some_and(|id| u32::try_from(id).is_ok())
        }
        ("path", Content::String(path)) => path.starts_with('/'),
        ("role", Content::String(_)) | ("target", Content::String(_) | Content::Null) => true,
        _ => false,
    };
    fits.then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("0644"), Some(420));
        assert_eq!(mode("644"), Some(420));
        assert_eq!(mode("0o4755"), Some(0o4755));
        for wrong in ["", "0o", "8", "-644", "+644", "100644", "rw"] {
            assert_eq!(mode(wrong), None, "{wrong}");
        }
    }
}
