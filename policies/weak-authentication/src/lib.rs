//! See the documentation of [`WeakAuthentication`].

mod api_server;
mod audit;
mod rbac;

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{
    api_server as server, controller_manager as manager, scheduler as planner,
};

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
            server::KIND,
            manager::KIND,
            planner::KIND,
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

const STATIC_CREDENTIALS: Rule = Rule {
    id: "static-credentials",
    title: "No tokens or passwords stand in a file of the API server",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.2"),
        ("cis-kubernetes-1.6", "1.2.2"),
        ("cis-kubernetes-1.6", "1.2.3"),
        ("cis-kubernetes-1.5", "1.2.2"),
        ("cis-kubernetes-1.5", "1.2.3"),
    ],
    remediation: "Remove the flag, and have users log in with an OpenID Connect provider and programs with tokens of their service account.",
};

const ANONYMOUS: Rule = Rule {
    id: "anonymous",
    title: "Anonymous requests are refused, or may ask for health only",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "1.2.1")],
    remediation: "Set --anonymous-auth=false, or list the paths of health checks in anonymous.conditions of an AuthenticationConfiguration.",
};

const RESERVED_NAMES: Rule = Rule {
    id: "reserved-names",
    title: "No token of an issuer can name a user or a group of the system",
    severity: Severity::High,
    controls: &[],
    remediation: "Give the names of the issuer a prefix, or refuse those that begin with system: in userValidationRules.",
};

const NODE_RESTRICTION: Rule = Rule {
    id: "node-restriction",
    title: "A kubelet can change only what belongs to its node",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.14"),
        ("cis-kubernetes-1.12", "1.2.7"),
        ("cis-kubernetes-1.8", "1.2.15"),
        ("cis-kubernetes-1.6", "1.2.17"),
        ("cis-kubernetes-1.6", "1.2.8"),
        ("cis-kubernetes-1.5", "1.2.17"),
        ("cis-kubernetes-1.5", "1.2.8"),
    ],
    remediation: "Add NodeRestriction to --enable-admission-plugins and Node to the authorizers.",
};

const NO_AUDIT_LOG: Rule = Rule {
    id: "no-audit-log",
    title: "The audit log is written somewhere",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.16"),
        ("cis-kubernetes-1.8", "1.2.17"),
        ("cis-kubernetes-1.6", "1.2.22"),
        ("cis-kubernetes-1.5", "1.2.22"),
    ],
    remediation: "Set --audit-log-path or --audit-webhook-config-file.",
};

const NO_AUDIT_POLICY: Rule = Rule {
    id: "no-audit-policy",
    title: "A policy says what the audit log holds",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "3.2.1")],
    remediation: "Set --audit-policy-file: without one the API server logs nothing.",
};

const AUDIT_RETENTION: Rule = Rule {
    id: "audit-retention",
    title: "The audit log is kept for long enough, and does not fill the disk",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.17"),
        ("cis-kubernetes-1.12", "1.2.18"),
        ("cis-kubernetes-1.12", "1.2.19"),
        ("cis-kubernetes-1.8", "1.2.18"),
        ("cis-kubernetes-1.8", "1.2.19"),
        ("cis-kubernetes-1.8", "1.2.20"),
        ("cis-kubernetes-1.6", "1.2.23"),
        ("cis-kubernetes-1.6", "1.2.24"),
        ("cis-kubernetes-1.6", "1.2.25"),
        ("cis-kubernetes-1.5", "1.2.23"),
        ("cis-kubernetes-1.5", "1.2.24"),
        ("cis-kubernetes-1.5", "1.2.25"),
    ],
    remediation: "Set --audit-log-maxage=30, --audit-log-maxbackup=10 and --audit-log-maxsize=100, or more.",
};

const AUDIT_GAP: Rule = Rule {
    id: "audit-gap",
    title: "The audit log holds what is done to Secrets, roles and nodes",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "3.2.2")],
    remediation: "Log them at level Metadata before any rule of level None that fits them, or let that rule name the components that it is about.",
};

const PROFILING: Rule = Rule {
    id: "profiling",
    title: "The program serves no profiles",
    severity: Severity::Low,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.15"),
        ("cis-kubernetes-1.12", "1.3.2"),
        ("cis-kubernetes-1.12", "1.4.1"),
        ("cis-kubernetes-1.8", "1.2.16"),
        ("cis-kubernetes-1.6", "1.2.21"),
        ("cis-kubernetes-1.5", "1.2.21"),
    ],
    remediation: "Set --profiling=false.",
};

const ENDLESS_TOKEN: Rule = Rule {
    id: "endless-token",
    title: "The tokens with which nodes join expire",
    severity: Severity::Medium,
    controls: &[("cis-kubernetes-1.12", "3.1.3")],
    remediation: "Set expiration, or make the token with kubeadm token create --ttl.",
};

const ANONYMOUS_GRANT: Rule = Rule {
    id: "anonymous-grant",
    title: "Nobody without a name is given a role",
    severity: Severity::Critical,
    controls: &[],
    remediation: "Remove system:anonymous and system:unauthenticated from the subjects.",
};

const MASTERS_GRANT: Rule = Rule {
    id: "masters-grant",
    title: "Nobody is reached through system:masters",
    severity: Severity::Low,
    controls: &[("cis-kubernetes-1.12", "5.1.7")],
    remediation: "Bind a group of your own: who is in system:masters can do everything, and no binding can be taken away.",
};

const KUBELET_GRANT: Rule = Rule {
    id: "kubelet-grant",
    title: "Nobody is let through to kubelets or approves certificates",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "5.1.10"),
        ("cis-kubernetes-1.12", "5.1.11"),
    ],
    remediation: "Name what is needed: nodes/metrics and nodes/stats instead of nodes/proxy; leave approval to the controller manager.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    let judged: &[&Rule] = if object.is(&server::KIND) {
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
    } else if object.is(&manager::KIND) || object.is(&planner::KIND) {
        api_server::check_profiling(Effective::new(&document), checks);
        &[&PROFILING]
    } else if object.is(&AUTHENTICATION) {
        api_server::check_authentication(&root, parameters, checks);
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
