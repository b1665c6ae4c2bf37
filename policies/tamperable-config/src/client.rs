//! Settings of the client that a tamperer would use.

use stridegate_policy::path::{climbs, is_within, normal};
use stridegate_policy::prelude::*;
use stridegate_policy::secret;

use crate::{DIVERTED_TRAFFIC, FOREIGN_CODE, Parameters};

/// Where every user of a machine may write.
const SHARED_FOLDERS: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/private/tmp"];

pub(crate) fn check(root: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&FOREIGN_CODE);
    checks.pass(&DIVERTED_TRAFFIC);
    let helpers = root.get("credHelpers").members().map(|(_, helper)| helper);
    for helper in std::iter::once(root.get("credsStore")).chain(helpers) {
        check_helper(&helper, parameters, checks);
    }
    for folder in root.get("cliPluginsExtraDirs").items() {
        let path = folder.text().unwrap_or_default();
        if climbs(path) || !matches_any(&parameters.plugin_folders, path) {
            let message = "the client runs plugins from a folder that is not accepted";
            checks.fail(&FOREIGN_CODE, &folder, message);
        }
    }
    for (name, plugin) in root.get("plugins").members() {
        let hooks = ["hooks", "error-hooks"].map(|key| plugin.get(key));
        let foreign = !matches_any(&parameters.hook_plugins, name);
        for hook in hooks.iter().filter(|hook| foreign && hook.exists()) {
            let message = format!(
                "the client runs the plugin {} after other commands",
                secret::shown(name)
            );
            checks.fail(&FOREIGN_CODE, hook, message);
        }
    }
    for (name, alias) in root.get("aliases").members() {
        if (name, alias.text()) != ("builder", Some("buildx")) {
            let message = format!(
                "docker {} runs a plugin of another name",
                secret::shown(name)
            );
            checks
                .fail(&FOREIGN_CODE, &alias, message)
                .severity(Severity::Medium);
        }
    }
    let elsewhere = root.get("environment").get("DOCKER_CONFIG");
    let is_shared = |path: &str| {
        let path = normal(path);
        SHARED_FOLDERS.iter().any(|folder| is_within(&path, folder))
    };
    if elsewhere.text().is_some_and(is_shared) {
        let message = "the client takes its configuration, and with it what it runs, from a folder where everybody may write";
        checks.fail(&FOREIGN_CODE, &elsewhere, message);
    }
    check_traffic(root, parameters, checks);
}

/// A helper is run as `docker-credential-NAME` with every login.
fn check_helper(helper: &At, parameters: &Parameters, checks: &mut Checks) {
    let name = helper.text().unwrap_or_default();
    if name.is_empty() || matches_any(&parameters.credential_helpers, name) {
        return;
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.bytes().all(plain) {
        let name = secret::shown(name);
        let message = format!(
            "the client hands its logins to docker-credential-{name}, which is none of the known helpers"
        );
        checks
            .fail(&FOREIGN_CODE, helper, message)
            .severity(Severity::Medium);
    } else {
        let message = "the client hands its logins to a program whose name is none of a helper";
        checks.fail(&FOREIGN_CODE, helper, message);
    }
}

fn check_traffic(root: &At, parameters: &Parameters, checks: &mut Checks) {
    for (name, header) in root.get("HttpHeaders").members() {
        let known = parameters.headers.iter();
        if !known
            .into_iter()
            .any(|known| matches_glob(&known.to_ascii_lowercase(), &name.to_ascii_lowercase()))
        {
            let message = format!(
                "every request to the daemon carries the header {}",
                secret::shown(name)
            );
            let finding = checks.fail(&DIVERTED_TRAFFIC, &header, message);
            finding.severity(Severity::Low).sensitive();
        }
    }
    for (daemon, proxies) in root.get("proxies").members() {
        for (key, proxy) in proxies.members().filter(|(key, _)| *key != "noProxy") {
            let url = proxy.text().unwrap_or_default();
            if !url.is_empty() && !matches_any(&parameters.proxies, url) {
                let daemon = secret::shown(daemon);
                let message = format!(
                    "{key} for {daemon} gives every container a proxy that is not accepted"
                );
                let finding = checks.fail(&DIVERTED_TRAFFIC, &proxy, message);
                if url.contains('@') {
                    finding.sensitive();
                }
            }
        }
    }
}
