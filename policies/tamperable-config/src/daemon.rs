//! Settings of the daemon that a tamperer would use.

use stridegate_policy::path::climbs;
use stridegate_policy::prelude::*;
use stridegate_policy::secret;

use crate::{DIVERTED_TRAFFIC, FOREIGN_CODE, NOT_IN_EFFECT, Parameters, WEAKENED_PROTECTION};

/// Where only root writes.
const SYSTEM_FOLDERS: [&str; 6] = ["/usr/", "/bin/", "/sbin/", "/opt/", "/snap/", "/nix/store/"];

pub(crate) fn check(root: &At, parameters: &Parameters, checks: &mut Checks) {
    for rule in [
        &FOREIGN_CODE,
        &WEAKENED_PROTECTION,
        &DIVERTED_TRAFFIC,
        &NOT_IN_EFFECT,
    ] {
        checks.pass(rule);
    }
    check_programs(root, parameters, checks);
    check_protections(root, parameters, checks);
    check_proxies(&root.get("proxies"), parameters, checks);
    check_effect(root, checks);
}

/// What the daemon runs as root.
fn check_programs(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let mut programs: Vec<At> = ["default-runtime", "init-path", "userland-proxy-path"]
        .map(|key| root.get(key))
        .into_iter()
        // A name without a path is one of the runtimes.
        .filter(|at| at.text().is_some_and(|text| text.contains('/')))
        .collect();
    for (_, runtime) in root.get("runtimes").members() {
        programs.push(runtime.get("path"));
        programs.push(runtime.get("runtimeType"));
        programs.push(runtime.get("options").get("BinaryName"));
    }
    for program in programs {
        let Some(path) = program.text().filter(|path| !path.is_empty()) else {
            continue;
        };
        let (folder, name) = path
            .rsplit_once('/')
            .map_or(("", path), |(_, name)| (path, name));
        let is_safe =
            folder.is_empty() || SYSTEM_FOLDERS.iter().any(|safe| folder.starts_with(safe));
        if !is_safe || climbs(path) {
            let message = format!(
                "the daemon runs {} as root, from where others than root may write",
                secret::shown(path)
            );
            checks.fail(&FOREIGN_CODE, &program, message);
        } else if !matches_any(&parameters.programs, name) {
            let message = format!(
                "the daemon runs {} as root, which is none of the known programs",
                secret::shown(path)
            );
            checks
                .fail(&FOREIGN_CODE, &program, message)
                .severity(Severity::Medium);
        }
    }
    for folder in root.get("cdi-spec-dirs").items() {
        let path = folder.text().unwrap_or_default();
        let safe = ["/etc/", "/run/", "/var/run/"]
            .into_iter()
            .chain(SYSTEM_FOLDERS);
        let is_safe = safe.into_iter().any(|safe| path.starts_with(safe)) && !climbs(path);
        if !path.is_empty() && !is_safe {
            let message = "the daemon takes devices, and hooks that it runs as root, from a folder where others than root may write";
            checks.fail(&FOREIGN_CODE, &folder, message);
        }
    }
}

fn check_protections(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let is = |key: &str, value: bool| root.get(key).boolean() == Some(value);
    let is_written = |key: &str| {
        let path = format!("/{key}");
        root.value()
            .is_some_and(|root| !Effective::new(root).is_default(&path))
    };
    let profile = root.get("seccomp-profile").text().unwrap_or_default();
    let profile_is_safe = ["/etc/", "/usr/"]
        .iter()
        .any(|safe| profile.starts_with(safe));
    let profile_is_foreign = profile.contains('/') && (!profile_is_safe || climbs(profile));
    let group = root.get("group").text().unwrap_or_default();
    for (key, is_off, severity, message) in [
        (
            "seccomp-profile",
            profile == "unconfined",
            Severity::High,
            "containers may use every call of the kernel: the seccomp profile is unconfined",
        ),
        (
            "seccomp-profile",
            profile_is_foreign,
            Severity::Medium,
            "the seccomp profile of all containers lies where others than root may write",
        ),
        (
            "no-new-privileges",
            is("no-new-privileges", false) && is_written("no-new-privileges"),
            Severity::Low,
            "somebody wrote that containers may gain privileges",
        ),
        (
            "iptables",
            is("iptables", false),
            Severity::Medium,
            "the daemon writes no rules of the firewall, so that nothing keeps networks apart",
        ),
        (
            "ip6tables",
            is("ip6tables", false) && is("ipv6", true),
            Severity::Medium,
            "the daemon writes no rules of the firewall for IPv6, so that nothing keeps networks apart",
        ),
        (
            "log-driver",
            root.get("log-driver").text() == Some("none"),
            Severity::Medium,
            "what containers say is kept nowhere",
        ),
        (
            "group",
            !group.is_empty() && !matches_any(&parameters.socket_groups, group),
            Severity::High,
            "the daemon gives its socket to another group, whose members are root with it",
        ),
        (
            "allow-nondistributable-artifacts",
            root.get("allow-nondistributable-artifacts")
                .items()
                .next()
                .is_some(),
            Severity::Low,
            "layers that may not be passed on are pushed to other registries",
        ),
    ] {
        if is_off {
            let at = root.get(key);
            let remove = json!([{"op": "remove", "path": at.path()}]);
            let finding = checks.fail(&WEAKENED_PROTECTION, &at, message);
            finding
                .severity(severity)
                .fix("Leave it to the default", false, &remove);
        }
    }
    check_options(root, checks);
}

fn check_options(root: &At, checks: &mut Checks) {
    for option in root.get("exec-opts").items() {
        let known = ["native.cgroupdriver=", "isolation="];
        let text = option.text().unwrap_or_default();
        if !known.iter().any(|known| text.starts_with(known)) {
            let message = "an option for how containers are run that is not known";
            checks
                .fail(&WEAKENED_PROTECTION, &option, message)
                .severity(Severity::Low);
        }
    }
}

fn check_proxies(proxies: &At, parameters: &Parameters, checks: &mut Checks) {
    for (name, proxy) in proxies.members().filter(|(name, _)| *name != "no-proxy") {
        let url = proxy.text().unwrap_or_default();
        if !url.is_empty() && !matches_any(&parameters.proxies, url) {
            let message = format!(
                "{name} sends what the daemon pulls and pushes through a proxy that is not accepted"
            );
            let finding = checks.fail(&DIVERTED_TRAFFIC, &proxy, message);
            if url.contains('@') {
                finding.sensitive();
            }
        }
    }
}

/// Keys that look as if they did something.
fn check_effect(root: &At, checks: &mut Checks) {
    for (list, why) in [
        (
            "unknownKeys",
            "dockerd knows no such key and refuses to start",
        ),
        (
            "ignoredKeys",
            "dockerd takes this key and does nothing with it: only the flag has this name",
        ),
    ] {
        for key in root.get(list).items() {
            checks.fail(&NOT_IN_EFFECT, &key, why);
        }
    }
    for conflict in root.get("conflicts").items() {
        let key = conflict.get("key").text().unwrap_or_default();
        let message =
            format!("{key} is set by a flag and in daemon.json, and dockerd refuses to start");
        checks.fail(&NOT_IN_EFFECT, &conflict, message);
    }
}
