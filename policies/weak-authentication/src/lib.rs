//! See the documentation of [`WeakAuthentication`].

mod anonymous;
mod api_server;
mod audit;
mod audit_log;
mod rbac;

use anonymous::{ANONYMOUS, RESERVED_NAMES};
use api_server::{NODE_RESTRICTION, PROFILING, STATIC_CREDENTIALS};
use audit::AUDIT_GAP;
use audit_log::{AUDIT_RETENTION, NO_AUDIT_LOG, NO_AUDIT_POLICY};
use rbac::{ANONYMOUS_GRANT, KUBELET_GRANT, MASTERS_GRANT};
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{self, controller_manager, scheduler};

policy! {
    /// A cluster that cannot tell who did what
    ///
    /// Judges how the API server tells who asks and what it writes down: its flags, the
    /// `AuthenticationConfiguration` and the audit policy that they name, the tokens with which
    /// nodes join, and the grants that undo the rest.
    ///
    /// A token or a password in a file on the API server belongs to whoever read it, cannot expire
    /// and changes with a restart. Anonymous requests have no name at all; an
    /// `AuthenticationConfiguration` can keep them for the paths of health checks. Without
    /// `NodeRestriction` and the Node authorizer one kubelet can act for another. Without an audit
    /// log nothing of it is ever seen: the API server writes one only if it has both a policy and a
    /// place to write to, a file or a webhook. A size that is not given is 100 megabytes; an age or
    /// a number that is not given is no limit, which fills the disk.
    ///
    /// In an audit policy the first rule that fits counts. Reading and writing Secrets, changing
    /// roles and bindings and changing nodes has to be logged by someone; rules that leave out the
    /// cluster's own components do no harm.
    ///
    /// An API server whose chain has `AlwaysAllow` refuses anonymous requests by itself. What a
    /// token's issuer does, what a webhook says and where a log is kept is not seen.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: kube-apiserver, namespace: kube-system}
    /// spec:
    ///   containers:
    ///   - name: kube-apiserver
    ///     image: registry.k8s.io/kube-apiserver:v1.32.0
    ///     command: [kube-apiserver, --token-auth-file=/etc/kubernetes/tokens.csv]
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: v1
    /// kind: Pod
    /// metadata: {name: kube-apiserver, namespace: kube-system}
    /// spec:
    ///   containers:
    ///   - name: kube-apiserver
    ///     image: registry.k8s.io/kube-apiserver:v1.32.0
    ///     command:
    ///     - kube-apiserver
    ///     - --anonymous-auth=false
    ///     - --authorization-mode=Node,RBAC
    ///     - --enable-admission-plugins=NodeRestriction
    ///     - --audit-policy-file=/etc/kubernetes/audit-policy.yaml
    ///     - --audit-log-path=/var/log/kubernetes/audit.log
    ///     - --audit-log-maxage=30
    ///     - --audit-log-maxbackup=10
    ///     - --audit-log-maxsize=100
    ///     - --profiling=false
    /// ```
    ///
    /// ## References
    ///
    /// - <https://kubernetes.io/docs/reference/access-authn-authz/authentication/>
    /// - <https://kubernetes.io/docs/reference/access-authn-authz/node/>
    /// - <https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/>
    /// - <https://kubernetes.io/docs/concepts/security/rbac-good-practices/>
    WeakAuthentication {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::Repudiation)],
        kinds: [
            shapes::api_server::KIND,
            controller_manager::KIND,
            scheduler::KIND,
            AUTHENTICATION,
            AUDIT_POLICY,
            SECRET,
            CLUSTER_ROLE,
            CLUSTER_ROLE_BINDING,
            ROLE_BINDING,
        ],
        context: [],
        rules: [
            STATIC_CREDENTIALS,
            ANONYMOUS,
            RESERVED_NAMES,
            NODE_RESTRICTION,
            NO_AUDIT_LOG,
            NO_AUDIT_POLICY,
            AUDIT_RETENTION,
            AUDIT_GAP,
            PROFILING,
            ENDLESS_TOKEN,
            ANONYMOUS_GRANT,
            MASTERS_GRANT,
            KUBELET_GRANT,
        ],
        check: check,
    }
}

parameters! {
    /// What can be set for `weak-authentication`.
    pub struct Parameters {
        /// The paths that anonymous requests may ask for.
        pub anonymous_paths: Vec<String> = ["/healthz", "/livez", "/readyz"].map(String::from).to_vec(),
        /// How many days at least the audit log is kept.
        pub min_age: u64 = 30,
        /// How many old files at least are kept.
        pub min_backups: u64 = 10,
        /// How many megabytes a file at least holds before the next begins.
        pub min_size: u64 = 100,
        /// The roles that anonymous requests may have.
        pub public_roles: Vec<String> = ["system:public-info-viewer", "kubeadm:bootstrap-signer-clusterinfo"].map(String::from).to_vec(),
    }
}

const AUTHENTICATION: Kind = Kind::known("apiserver.config.k8s.io", "AuthenticationConfiguration");
const AUDIT_POLICY: Kind = Kind::known("audit.k8s.io", "Policy");
const SECRET: Kind = Kind::known("", "Secret");
const CLUSTER_ROLE: Kind = Kind::known("rbac.authorization.k8s.io", "ClusterRole");
const CLUSTER_ROLE_BINDING: Kind = Kind::known("rbac.authorization.k8s.io", "ClusterRoleBinding");
const ROLE_BINDING: Kind = Kind::known("rbac.authorization.k8s.io", "RoleBinding");

const ENDLESS_TOKEN: Rule = Rule {
    id: "endless-token",
    title: "The tokens with which nodes join expire",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "3.1.3")],
    remediation: "Set expiration, or make the token with kubeadm token create --ttl.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    let judged: &[&Rule] = if object.is(&shapes::api_server::KIND) {
        api_server::check(Effective::new(&document), parameters, checks);
        &[
            &STATIC_CREDENTIALS,
            &ANONYMOUS,
            &RESERVED_NAMES,
            &NODE_RESTRICTION,
            &NO_AUDIT_LOG,
            &NO_AUDIT_POLICY,
            &AUDIT_RETENTION,
            &PROFILING,
        ]
    } else if object.is(&controller_manager::KIND) || object.is(&scheduler::KIND) {
        api_server::check_profiling(Effective::new(&document), checks);
        &[&PROFILING]
    } else if object.is(&AUTHENTICATION) {
        anonymous::check_file(&root, parameters, checks);
        &[&ANONYMOUS, &RESERVED_NAMES]
    } else if object.is(&AUDIT_POLICY) {
        audit::check(&root, checks);
        &[&AUDIT_GAP]
    } else if object.is(&SECRET) {
        check_token(&root, checks);
        &[&ENDLESS_TOKEN]
    } else if object.is(&CLUSTER_ROLE) {
        rbac::check_role(&root, checks);
        &[&KUBELET_GRANT]
    } else {
        rbac::check_binding(&root, parameters, checks);
        &[&ANONYMOUS_GRANT, &MASTERS_GRANT]
    };
    let is_judged = |rule: &Rule| judged.iter().any(|judged| judged.id == rule.id);
    for rule in WeakAuthentication::FACTS.rules {
        if !is_judged(rule) {
            checks.not_applicable(rule, "an object of another kind decides it");
        }
    }
    Ok(())
}

fn check_token(secret: &At, checks: &mut Checks) {
    let kind = secret.get("type");
    if kind.text() != Some("bootstrap.kubernetes.io/token") {
        checks.not_applicable(&ENDLESS_TOKEN, "it is no token with which nodes join");
        return;
    }
    checks.pass(&ENDLESS_TOKEN);
    let expires = ["data", "stringData"].iter().any(|data| {
        let end = secret.get(data).get("expiration");
        end.text().is_some_and(|end| !end.is_empty())
    });
    if !expires {
        let message = "a token with which nodes join never expires";
        checks.fail(&ENDLESS_TOKEN, &kind, message);
    }
}
