//! See the documentation of [`AlwaysAllowAuthorization`].

use stridegate_policy::Effective;
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{api_server, kubelet};

policy! {
    /// A component that lets every request pass
    ///
    /// Judges the effective authorization of the kubelet and the API server: the kubelet's
    /// configuration file, drop-ins and flags, the API server's `--authorization-mode`, and the
    /// `AuthorizationConfiguration` that takes its place, alone or with the API server that names
    /// it.
    ///
    /// With `AlwaysAllow` everyone who may connect may do everything. On a kubelet that is running
    /// commands in any container of the node, and with them the identity of each; on an API server
    /// it is the whole cluster. Both programs choose it by default when nothing is set: the
    /// kubelet where it is started without a configuration file, the API server wherever
    /// neither modes nor a configuration are given. In a chain, `AlwaysAllow` undoes everything
    /// that stands beside it.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// authorization:
    ///   mode: AlwaysAllow
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// authorization:
    ///   mode: Webhook
    /// ```
    ///
    /// ## References
    ///
    /// - <https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/>
    /// - <https://kubernetes.io/docs/reference/access-authn-authz/authorization/>
    AlwaysAllowAuthorization {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::ElevationOfPrivilege)],
        kinds: [kubelet::KIND, api_server::KIND, CONFIGURATION],
        context: [],
        rules: [ALWAYS_ALLOW, UNKNOWN_MODE, MISSING_AUTHORIZER, CONFLICT],
        check: check,
    }
}

parameters! {
    /// What can be set for `always-allow-authorization`.
    pub struct Parameters {
        /// The modes that the chain of an API server has to hold.
        pub required_modes: Vec<String> = ["Node", "RBAC"].map(String::from).to_vec(),
    }
}

const CONFIGURATION: Kind = Kind::known("apiserver.config.k8s.io", "AuthorizationConfiguration");

const OF_KUBELET: [&str; 2] = ["AlwaysAllow", "Webhook"];
const OF_API_SERVER: [&str; 6] = [
    "AlwaysAllow",
    "AlwaysDeny",
    "ABAC",
    "Webhook",
    "RBAC",
    "Node",
];
const OPEN: &str = "AlwaysAllow";

const ALWAYS_ALLOW: Rule = Rule {
    id: "always-allow",
    title: "Requests are authorized, not let through",
    severity: Severity::Critical,
    controls: &[
        ("cis-kubernetes-1.12", "4.2.2"),
        ("cis-kubernetes-1.12", "1.2.6"),
    ],
    remediation: "Set authorization.mode: Webhook for a kubelet, --authorization-mode=Node,RBAC for an API server.",
};

const UNKNOWN_MODE: Rule = Rule {
    id: "unknown-mode",
    title: "Each authorization mode is one that the program accepts",
    severity: Severity::High,
    controls: &[],
    remediation: "Write the mode as the program knows it, upper and lower case included; each once.",
};

const MISSING_AUTHORIZER: Rule = Rule {
    id: "missing-authorizer",
    title: "The API server limits nodes to what is theirs and users to their roles",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.7"),
        ("cis-kubernetes-1.12", "1.2.8"),
    ],
    remediation: "Have both Node and RBAC in the chain of authorizers.",
};

const CONFLICT: Rule = Rule {
    id: "conflict",
    title: "The authorization of the API server is set in one way",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Give either --authorization-config or the other --authorization flags; the API server refuses both.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    checks.pass(&ALWAYS_ALLOW);
    if object.is(&kubelet::KIND) {
        check_kubelet(&root, Effective::new(&document), checks);
    } else if object.is(&api_server::KIND) {
        check_api_server(&root, Effective::new(&document), parameters, checks);
    } else {
        let why = "the file does not tell the flags of the API server";
        checks.not_applicable(&CONFLICT, why);
        check_authorizers(&root, parameters, checks);
    }
    Ok(())
}

fn check_kubelet(root: &At, effective: Effective, checks: &mut Checks) {
    checks.pass(&UNKNOWN_MODE);
    checks.not_applicable(&MISSING_AUTHORIZER, "a kubelet has one authorizer");
    checks.not_applicable(&CONFLICT, "a flag of the kubelet overrules its file");
    let mode = root.get("authorization").get("mode");
    if let Some(reason) = effective.unknown(mode.path()) {
        let message = format!("whether the kubelet lets every request pass is not known: {reason}");
        checks.unknown(&ALWAYS_ALLOW, &mode, message);
        return;
    }
    let text = mode.text().unwrap_or_default();
    if text == OPEN {
        let by = by_default(effective, &mode);
        let message =
            format!("the kubelet lets every request pass: its authorization mode is {OPEN}{by}");
        let patch = json!([{"op": "replace", "path": mode.path(), "value": "Webhook"}]);
        checks.fail(&ALWAYS_ALLOW, &mode, message).fix(
            "Ask the API server about each request",
            false,
            &patch,
        );
    } else if !OF_KUBELET.contains(&text) {
        let message = unknown_message(text, &OF_KUBELET);
        let finding = checks.fail(&UNKNOWN_MODE, &mode, message);
        offer_spelling(finding, &mode, text, &OF_KUBELET);
    }
}

fn by_default(effective: Effective, at: &At) -> &'static str {
    if effective.is_default(at.path()) {
        " by default"
    } else {
        ""
    }
}

fn check_api_server(root: &At, effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    let flags = root.get("flags");
    let modes = flags.get("authorization-mode");
    let config = flags.get("authorization-config");
    let has_config = config.text().is_some_and(|file| !file.is_empty());
    check_conflict(&flags, effective, has_config, checks);
    let is_default = effective.is_default(modes.path());
    let file = root.get("authorizationConfiguration");
    if is_default && file.exists() {
        check_authorizers(&file, parameters, checks);
        return;
    }
    let unknown = effective.unknown(modes.path());
    checks.pass(&UNKNOWN_MODE);
    let chain: Vec<(At, &str)> = modes
        .items()
        .map(|mode| (mode.clone(), mode.text().unwrap_or_default()))
        .collect();
    if let Some(reason) = unknown {
        let at = if has_config && is_default {
            &config
        } else {
            &modes
        };
        let message = format!("the authorizers are not known: {reason}");
        checks.unknown(&ALWAYS_ALLOW, at, message.clone());
        checks.unknown(&MISSING_AUTHORIZER, at, message);
        return;
    }
    if is_default && chain.iter().any(|(_, mode)| *mode == OPEN) {
        let message = format!(
            "the API server lets every request pass: no --authorization-mode is given, and the default is {OPEN}"
        );
        let patch =
            json!([{"op": "replace", "path": modes.path(), "value": parameters.required_modes}]);
        checks
            .fail(&ALWAYS_ALLOW, &modes, message)
            .fix("Name the authorizers", false, &patch);
        checks.not_applicable(&MISSING_AUTHORIZER, "no authorizer is named at all");
        return;
    }
    if chain.is_empty() {
        checks.fail(
            &UNKNOWN_MODE,
            &modes,
            "no authorization mode is named, which the API server refuses",
        );
    }
    for (mode, text) in &chain {
        if *text == OPEN {
            let message =
                format!("the API server lets every request pass: {OPEN} is one of its modes");
            let patch = json!([{"op": "replace", "path": modes.path(), "value": repaired(&chain, parameters)}]);
            checks.fail(&ALWAYS_ALLOW, mode, message).fix(
                "Take it out of the chain",
                false,
                &patch,
            );
        }
    }
    check_names(&chain, checks);
    check_missing(&chain, &modes, parameters, checks);
}

/// The chain without its open end, and with what it has to hold.
fn repaired<'a>(chain: &[(At, &'a str)], parameters: &'a Parameters) -> Vec<&'a str> {
    let kept = chain
        .iter()
        .map(|(_, mode)| *mode)
        .filter(|mode| *mode != OPEN);
    let mut modes: Vec<&str> = kept.collect();
    for required in &parameters.required_modes {
        if !modes.contains(&required.as_str()) {
            modes.push(required);
        }
    }
    modes
}

fn check_conflict(flags: &At, effective: Effective, has_config: bool, checks: &mut Checks) {
    checks.pass(&CONFLICT);
    if !has_config {
        return;
    }
    let config = flags.get("authorization-config");
    for (name, flag) in flags.members() {
        let other = name == "authorization-mode" || name.starts_with("authorization-webhook-");
        if other && !effective.is_default(flag.path()) {
            let message = format!(
                "the API server refuses to start with both --authorization-config and --{name}"
            );
            checks
                .fail(&CONFLICT, &flag, message)
                .related(&config, "the file that is given too");
        }
    }
}

/// Names that the API server does not know, and such that stand twice.
fn check_names(chain: &[(At, &str)], checks: &mut Checks) {
    for (index, (at, mode)) in chain.iter().enumerate() {
        if !OF_API_SERVER.contains(mode) {
            let finding = checks.fail(&UNKNOWN_MODE, at, unknown_message(mode, &OF_API_SERVER));
            offer_spelling(finding, at, mode, &OF_API_SERVER);
        } else if *mode != "Webhook" && chain.iter().take(index).any(|(_, earlier)| earlier == mode)
        {
            checks.fail(
                &UNKNOWN_MODE,
                at,
                format!("{mode} stands twice, which the API server refuses"),
            );
        }
    }
}

fn check_missing(chain: &[(At, &str)], at: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&MISSING_AUTHORIZER);
    let missing: Vec<&str> = parameters
        .required_modes
        .iter()
        .map(String::as_str)
        .filter(|required| !chain.iter().any(|(_, mode)| mode == required))
        .collect();
    if !missing.is_empty() {
        let message = format!("the API server runs without {}", missing.join(" and "));
        checks.fail(&MISSING_AUTHORIZER, at, message);
    }
}

/// The chain of an `AuthorizationConfiguration`.
fn check_authorizers(configuration: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&UNKNOWN_MODE);
    let authorizers = configuration.get("authorizers");
    let chain: Vec<(At, &str)> = authorizers
        .items()
        .map(|authorizer| {
            let kind = authorizer.get("type");
            let text = kind.text().unwrap_or_default();
            (kind, text)
        })
        .collect();
    if chain.is_empty() {
        checks.fail(
            &UNKNOWN_MODE,
            &authorizers,
            "no authorizer is named, which the API server refuses",
        );
    }
    let has_other = chain.iter().any(|(_, kind)| *kind != OPEN);
    for (at, kind) in chain.iter().filter(|(_, kind)| *kind == OPEN) {
        let message =
            format!("the API server lets every request pass: {kind} is one of its authorizers");
        let finding = checks.fail(&ALWAYS_ALLOW, at, message);
        if has_other {
            let authorizer = at.path().trim_end_matches("/type");
            let patch = json!([{"op": "remove", "path": authorizer}]);
            finding.fix("Take it out of the chain", false, &patch);
        } else {
            let patch = json!([{"op": "replace", "path": at.path(), "value": "RBAC"}]);
            finding.fix("Decide by roles", false, &patch);
        }
    }
    check_names(&chain, checks);
    check_missing(&chain, &authorizers, parameters, checks);
}

fn unknown_message(mode: &str, known: &[&str]) -> String {
    let known = known.join(", ");
    if mode.is_empty() {
        format!("an authorization mode without a name is refused; known: {known}")
    } else {
        format!("{mode} is no authorization mode, and the program refuses to start; known: {known}")
    }
}

/// Offers the mode that was meant if only upper and lower case differ.
fn offer_spelling(finding: &mut stridegate_policy::Finding, at: &At, mode: &str, known: &[&str]) {
    let meant = known
        .iter()
        .find(|known| **known != OPEN && known.eq_ignore_ascii_case(mode.trim()));
    if let Some(meant) = meant {
        let patch = json!([{"op": "replace", "path": at.path(), "value": meant}]);
        finding.fix(format!("Write {meant}"), true, &patch);
    }
}
