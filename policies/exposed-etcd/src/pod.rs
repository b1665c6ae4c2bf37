//! What a Pod mounts of etcd.

use stridegate_policy::path::{is_within, normal};
use stridegate_policy::prelude::*;

use crate::Parameters;

pub(crate) const MOUNTED_ETCD: Rule = Rule {
    id: "mounted-etcd",
    title: "No Pod but those of the control plane mounts the data or the keys of etcd",
    severity: Severity::High,
    controls: &[],
    remediation: "Remove the volume; make backups with etcdctl and a certificate that may only read.",
};

/// The programs of a control plane that need the keys of etcd, or the folder that they lie in.
const CONTROL_PLANE: [&str; 3] = ["etcd", "kube-apiserver", "kube-controller-manager"];

pub(crate) fn check(pod: &At, is_system: bool, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&MOUNTED_ETCD);
    let is_meant = |container: &Container| {
        let program = container.program();
        is_system && program.is_some_and(|program| CONTROL_PLANE.contains(&program))
    };
    for volume in pod.get("spec").get("volumes").items() {
        let strangers = containers(pod).filter(|container| !is_meant(container));
        let mounted = strangers.flat_map(|container| mounted(&volume, &container, parameters));
        // What lies in a larger folder is there for root alone.
        let reached = |mounted: &Mounted| mounted.is_within || mounted.container.may_be_root();
        let worst = mounted
            .filter(reached)
            .min_by_key(|mounted| !mounted.is_within);
        if let Some(worst) = worst {
            worst.report(&volume, checks);
        }
    }
}

/// A folder of the node that a container mounts, and that has to do with etcd.
struct Mounted<'a> {
    container: Container<'a>,
    /// The place where it is mounted.
    mount: At<'a>,
    /// The path on the node.
    path: String,
    /// The folder of etcd that it lies in, or holds.
    of_etcd: &'a str,
    is_within: bool,
}

impl Mounted<'_> {
    fn report(&self, volume: &At, checks: &mut Checks) {
        let (name, path) = (self.container.name(), &self.path);
        let message = if self.is_within {
            format!("container {name} mounts {path} of its node, which belongs to etcd")
        } else {
            let of_etcd = self.of_etcd;
            format!("container {name} mounts {path} of its node, and with it {of_etcd}")
        };
        let at = volume.get("hostPath").get("path");
        let finding = checks.fail(&MOUNTED_ETCD, &at, message);
        finding.related(&self.mount.get("mountPath"), "where it is mounted");
        if !self.is_within {
            finding.severity(Severity::Medium);
        }
    }
}

/// What a container mounts of a volume and that has to do with etcd.
fn mounted<'a>(
    volume: &At<'a>,
    container: &Container<'a>,
    parameters: &'a Parameters,
) -> Vec<Mounted<'a>> {
    let folder = volume.get("hostPath").get("path").text();
    let (Some(folder), Some(name)) = (folder, volume.get("name").text()) else {
        return Vec::new();
    };
    let mounts = container.at.get("volumeMounts").items();
    let mounts = mounts.filter(|mount| mount.get("name").text() == Some(name));
    let mounted = mounts.filter_map(|mount| {
        let below = mount.get("subPath").text().unwrap_or_default();
        let path = normal(&format!("{folder}/{below}"));
        let (of_etcd, is_within) = related(&path, parameters)?;
        Some(Mounted {
            container: container.clone(),
            mount,
            path,
            of_etcd,
            is_within,
        })
    });
    mounted.collect()
}

/// The folder of etcd that a path lies in, or holds; and whether it lies in it. A certificate alone
/// is no secret.
fn related<'a>(path: &str, parameters: &'a Parameters) -> Option<(&'a str, bool)> {
    if path.rsplit_once('.').is_some_and(|(_, end)| end == "crt") {
        return None;
    }
    let find = |fits: &dyn Fn(&str) -> bool| {
        let mut folders = parameters.paths.iter().map(String::as_str);
        folders.find(|folder| fits(folder))
    };
    let around = find(&|folder| is_within(path, folder)).map(|folder| (folder, true));
    around.or_else(|| Some((find(&|folder| is_within(folder, path))?, false)))
}
