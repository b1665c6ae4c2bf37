//! What only somebody who may write to the files of etcd adds to it.

use stridegate_policy::path::{climbs, is_within};
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::Span;
use stridegate_policy::shapes::command::{Environment, Program, of_words};
use stridegate_policy::shapes::flags::Word;

use crate::Parameters;

pub(crate) const ALTERED_ETCD_POD: Rule = Rule {
    id: "altered-etcd-pod",
    title: "The static Pod of etcd runs etcd, and nothing else",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Compare the manifest with what kubeadm init phase etcd local writes, and take out what was added.",
};

pub(crate) const FORCED_NEW_CLUSTER: Rule = Rule {
    id: "forced-new-cluster",
    title: "etcd keeps its cluster when it starts",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Remove --force-new-cluster once the cluster was recovered: each start throws the other members out.",
};

pub(crate) fn check_etcd(effective: Effective, checks: &mut Checks) {
    checks.pass(&FORCED_NEW_CLUSTER);
    let flag = effective.flag("force-new-cluster");
    let what = "whether etcd starts a new cluster";
    if !flag.is_unknown(&FORCED_NEW_CLUSTER, checks, what) && flag.boolean() == Some(true) {
        let patch = json!([{"op": "replace", "path": flag.path(), "value": false}]);
        let message = "each start of etcd makes a cluster of this member alone";
        checks
            .fail(&FORCED_NEW_CLUSTER, &flag, message)
            .fix("Keep the cluster", false, &patch);
    }
}

/// What does not belong into the static Pod of etcd, which has the network of its host.
pub(crate) fn check_pod(root: &At, is_system: bool, parameters: &Parameters, checks: &mut Checks) {
    let spec = root.get("spec");
    let is_static = is_system && spec.get("hostNetwork").boolean() == Some(true);
    if !is_static || !containers(root).any(|container| starts_etcd(&container)) {
        checks.not_applicable(&ALTERED_ETCD_POD, "it is no static Pod of etcd");
        return;
    }
    checks.pass(&ALTERED_ETCD_POD);
    for (key, what) in [("hostPID", "processes"), ("hostIPC", "shared memory")] {
        let shared = spec.get(key);
        if shared.boolean() == Some(true) {
            let patch = json!([{"op": "replace", "path": shared.path(), "value": false}]);
            let message = format!("etcd reaches the {what} of its node");
            checks
                .fail(&ALTERED_ETCD_POD, &shared, message)
                .fix("Keep them apart", true, &patch);
        }
    }
    for container in containers(root) {
        check_container(&container, parameters, checks);
    }
    for volume in spec.get("volumes").items() {
        let path = volume.get("hostPath").get("path");
        let Some(folder) = path.text() else { continue };
        let is_allowed = |allowed: &String| is_within(folder, allowed) && !climbs(folder);
        if !parameters.etcd_folders.iter().any(is_allowed) {
            let message = format!("etcd mounts {folder} of its node");
            checks.fail(&ALTERED_ETCD_POD, &path, message);
        }
    }
}

/// Whether a container starts etcd, be it through a shell or another program.
fn starts_etcd(container: &Container) -> bool {
    let lists = ["command", "args"].map(|key| container.at.get(key));
    let words = lists.iter().flat_map(At::items);
    let words: Vec<Word> = words
        .filter_map(|word| Some(Word::new(Span::default(), word.text()?)))
        .collect();
    of_words(&words, &Environment::default(), Span::default())
        .iter()
        .any(|started| started.program == Program::Etcd)
}

fn check_container(container: &Container, parameters: &Parameters, checks: &mut Checks) {
    let name = container.name();
    if !starts_etcd(container) {
        let message = format!("container {name} runs beside etcd, with the network of the host");
        checks.fail(&ALTERED_ETCD_POD, &container.at, message);
    } else if let Some(program) = container.program().filter(|program| *program != "etcd") {
        let message =
            format!("container {name} starts etcd through {program}, which may do anything else");
        let words = ["command", "args"].map(|key| container.at.get(key));
        let at = words.iter().find(|words| words.exists());
        checks.fail(&ALTERED_ETCD_POD, at.unwrap_or(&container.at), message);
    }
    let security = container.at.get("securityContext");
    for capability in security.get("capabilities").get("add").items() {
        let added = capability.text().unwrap_or_default();
        let message = format!("container {name} is given the capability {added}");
        checks.fail(&ALTERED_ETCD_POD, &capability, message);
    }
    let privileged = security.get("privileged");
    if privileged.boolean() == Some(true) {
        let patch = json!([{"op": "replace", "path": privileged.path(), "value": false}]);
        let message = format!("container {name} is privileged");
        checks.fail(&ALTERED_ETCD_POD, &privileged, message).fix(
            "Take the privileges away",
            true,
            &patch,
        );
    }
    let image = container.at.get("image");
    let is_expected = matches_any(&parameters.etcd_images, image.text().unwrap_or_default());
    if !parameters.etcd_images.is_empty() && !is_expected {
        let message = format!("container {name} runs an image that is not among etcd's");
        checks.fail(&ALTERED_ETCD_POD, &image, message);
    }
}
