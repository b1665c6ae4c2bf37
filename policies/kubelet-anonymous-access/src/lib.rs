//! See the documentation of [`KubeletAnonymousAccess`].

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::kubelet;

policy! {
    /// A kubelet that answers whoever asks
    ///
    /// Judges what a kubelet runs with in the end: its flags over its drop-ins over its
    /// configuration file over the defaults. Who reaches the port of such a kubelet can read the
    /// logs of every Pod of the node and, as its authorization allows, run commands in them, and
    /// the audit log names nobody.
    ///
    /// The defaults depend on where the configuration comes from. Beneath a configuration file
    /// anonymous requests are refused and the read-only port is closed; a kubelet that is set by
    /// flags alone lets anonymous requests in and opens port 10255. With anonymous requests
    /// refused, the kubelet still needs a way to tell who asks: the API server's review of tokens,
    /// or an authority for client certificates.
    ///
    /// Who may write the files that configure the kubelet is not told by them. What its client
    /// authority has signed is not seen either.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// authentication:
    ///   anonymous: {enabled: true}
    /// readOnlyPort: 10255
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// authentication:
    ///   anonymous: {enabled: false}
    ///   webhook: {enabled: true}
    ///   x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
    /// readOnlyPort: 0
    /// ```
    ///
    /// ## References
    ///
    /// - <https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/>
    /// - <https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/>
    KubeletAnonymousAccess {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::Repudiation)],
        kinds: [kubelet::KIND],
        context: [],
        rules: [ANONYMOUS, NO_AUTHENTICATOR, READ_ONLY_PORT, DYNAMIC_CONFIG, HOSTNAME_OVERRIDE],
        check: check,
    }
}

parameters! {
    /// What can be set for `kubelet-anonymous-access`.
    pub struct Parameters {
        /// Whether the name of the node may be given by `--hostname-override`.
        pub allow_hostname_override: bool = false,
    }
}

const ANONYMOUS: Rule = Rule {
    id: "anonymous",
    title: "The kubelet refuses requests that say nobody's name",
    severity: Severity::Critical,
    controls: &[("cis-kubernetes-1.12", "4.2.1")],
    remediation: "Set authentication.anonymous.enabled: false in the kubelet's configuration file, and remove --anonymous-auth from its flags.",
};

const NO_AUTHENTICATOR: Rule = Rule {
    id: "no-authenticator",
    title: "The kubelet has a way to tell who asks",
    severity: Severity::High,
    controls: &[],
    remediation: "Set authentication.webhook.enabled: true, and authentication.x509.clientCAFile to the authority of the cluster.",
};

const READ_ONLY_PORT: Rule = Rule {
    id: "read-only-port",
    title: "The port that asks nobody who he is is closed",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "4.2.4")],
    remediation: "Set readOnlyPort: 0, and take metrics from the port that authenticates.",
};

const DYNAMIC_CONFIG: Rule = Rule {
    id: "dynamic-config",
    title: "Nobody changes the kubelet's configuration through the API",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Remove --dynamic-config-dir and the gate DynamicKubeletConfig, and write the configuration on the node.",
};

const HOSTNAME_OVERRIDE: Rule = Rule {
    id: "hostname-override",
    title: "The node acts under the name of its host",
    severity: Severity::Low,
    controls: &[
        ("cis-kubernetes-1.12", "4.2.7"),
        ("cis-kubernetes-1.6", "4.2.8"),
        ("cis-kubernetes-1.5", "4.2.8"),
    ],
    remediation: "Remove --hostname-override, or allow it where the cloud provider needs it.",
};

const OPEN: &str = "AlwaysAllow";

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let effective = Effective::new(&document);
    if effective.get("/enableServer").boolean() == Some(false) {
        for rule in [&ANONYMOUS, &NO_AUTHENTICATOR] {
            checks.not_applicable(rule, "the kubelet serves nothing: enableServer is false");
        }
    } else {
        check_anonymous(effective, checks);
        check_authenticators(effective, checks);
    }
    check_read_only_port(effective, checks);
    check_dynamic_config(effective, checks);
    checks.pass(&HOSTNAME_OVERRIDE);
    let name = effective.flag("hostname-override");
    let is_given = name.given().is_some() || name.unknown().is_some();
    if is_given && !parameters.allow_hostname_override {
        let message = "--hostname-override has the node act under another name than its host's";
        checks.fail(&HOSTNAME_OVERRIDE, &name, message);
    }
    Ok(())
}

fn check_anonymous(effective: Effective, checks: &mut Checks) {
    checks.pass(&ANONYMOUS);
    let anonymous = effective.get("/authentication/anonymous/enabled");
    let what = "whether the kubelet answers anonymous requests";
    if anonymous.is_unknown(&ANONYMOUS, checks, what) || anonymous.boolean() == Some(false) {
        return;
    }
    let is_open = effective.get("/authorization/mode").text() == Some(OPEN);
    let (message, severity) = match anonymous.boolean() {
        None => (
            "the kubelet refuses to start: anonymous-auth is neither true nor false".into(),
            Severity::High,
        ),
        Some(_) if is_open => (
            format!(
                "the kubelet lets anonymous requests in{}, and its mode {OPEN} lets them do everything",
                anonymous.by_default()
            ),
            Severity::Critical,
        ),
        Some(_) => (
            format!(
                "the kubelet lets anonymous requests in{}",
                anonymous.by_default()
            ),
            Severity::High,
        ),
    };
    let patch = json!([{"op": "replace", "path": anonymous.path(), "value": false}]);
    checks
        .fail(&ANONYMOUS, &anonymous, message)
        .severity(severity)
        .fix("Refuse anonymous requests", false, &patch);
}

fn check_authenticators(effective: Effective, checks: &mut Checks) {
    checks.pass(&NO_AUTHENTICATOR);
    let webhook = effective.get("/authentication/webhook/enabled");
    let authority = effective.get("/authentication/x509/clientCAFile");
    let by_token = webhook.boolean() == Some(true) && webhook.unknown().is_none();
    let by_certificate = authority.given().is_some() && authority.unknown().is_none();
    if by_token || by_certificate {
        return;
    }
    let what = "whether the kubelet can tell who asks";
    if webhook.is_unknown(&NO_AUTHENTICATOR, checks, what)
        || authority.is_unknown(&NO_AUTHENTICATOR, checks, what)
    {
        return;
    }
    let message = "the kubelet can tell nobody from anybody: it has no tokens reviewed and trusts no authority";
    let patch = json!([{"op": "replace", "path": webhook.path(), "value": true}]);
    checks
        .fail(&NO_AUTHENTICATOR, &webhook, message)
        .related(&authority, "the authority for client certificates")
        .fix("Have the API server review tokens", false, &patch);
}

fn check_read_only_port(effective: Effective, checks: &mut Checks) {
    checks.pass(&READ_ONLY_PORT);
    let port = effective.get("/readOnlyPort");
    let what = "whether the kubelet opens its read-only port";
    if port.is_unknown(&READ_ONLY_PORT, checks, what) || port.integer() == Some(0) {
        return;
    }
    let message = match port.integer() {
        Some(number) => format!(
            "the kubelet answers anyone on port {number}{}, without TLS",
            port.by_default()
        ),
        None => "the kubelet refuses to start: its read-only port is no number".into(),
    };
    let patch = json!([{"op": "replace", "path": port.path(), "value": 0}]);
    checks
        .fail(&READ_ONLY_PORT, &port, message)
        .fix("Close the port", false, &patch);
}

fn check_dynamic_config(effective: Effective, checks: &mut Checks) {
    checks.pass(&DYNAMIC_CONFIG);
    let folder = effective.flag("dynamic-config-dir");
    let gate = effective.get("/featureGates/DynamicKubeletConfig");
    let message = "the kubelet takes its configuration from the API, where others can change it";
    if gate.boolean() == Some(true) {
        let patch = json!([{"op": "replace", "path": gate.path(), "value": false}]);
        checks
            .fail(&DYNAMIC_CONFIG, &gate, message)
            .fix("Shut the gate", false, &patch);
    } else if folder.given().is_some() && gate.boolean() != Some(false) {
        checks.fail(&DYNAMIC_CONFIG, &folder, message);
    }
}
