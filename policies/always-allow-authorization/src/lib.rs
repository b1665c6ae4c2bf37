//! See the documentation of [`AlwaysAllowAuthorization`].

mod chain;
mod kubelet;
mod server;

use chain::MISSING_AUTHORIZER;
use server::CONFLICT;
use stridegate_policy::prelude::*;
use stridegate_policy::shapes;

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
    /// Not seen are what a webhook answers, what a file of ABAC grants and what the roles say. Who
    /// is let in without a name is judged by `kubelet-anonymous-access` and `weak-authentication`.
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
        kinds: [shapes::kubelet::KIND, shapes::api_server::KIND, CONFIGURATION],
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

/// The mode that lets every request pass.
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

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    let effective = Effective::new(&document);
    checks.pass(&ALWAYS_ALLOW);
    checks.pass(&UNKNOWN_MODE);
    if object.is(&shapes::kubelet::KIND) {
        checks.not_applicable(&MISSING_AUTHORIZER, "a kubelet has one authorizer");
        checks.not_applicable(&CONFLICT, "a flag of the kubelet overrules its file");
        kubelet::check(&effective.get("/authorization/mode"), checks);
    } else if object.is(&shapes::api_server::KIND) {
        server::check(effective, parameters, checks);
    } else {
        let why = "the file does not tell the flags of the API server";
        checks.not_applicable(&CONFLICT, why);
        chain::check_configuration(&root, parameters, checks);
    }
    Ok(())
}

/// Reports a mode that the program does not know, and offers the one that was meant if only upper
/// and lower case differ.
fn report_unknown(at: &At, mode: &str, known: &[&str], checks: &mut Checks) {
    let all = known.join(", ");
    let message = if mode.is_empty() {
        format!("an authorization mode without a name is refused; known: {all}")
    } else {
        format!("{mode} is no authorization mode, and the program refuses to start; known: {all}")
    };
    let finding = checks.fail(&UNKNOWN_MODE, at, message);
    let is_meant = |known: &&&str| **known != OPEN && known.eq_ignore_ascii_case(mode.trim());
    if let Some(meant) = known.iter().find(is_meant) {
        let patch = json!([{"op": "replace", "path": at.path(), "value": meant}]);
        finding.fix(format!("Write {meant}"), true, &patch);
    }
}
