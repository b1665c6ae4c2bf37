//! See the documentation of [`KubeletSpoofing`].

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{api_server, controller_manager, kubelet};

policy! {
    /// An API server and a kubelet that do not verify each other
    ///
    /// Each has to prove to the other who it is. The API server sends credentials and commands to
    /// the kubelets; without `--kubelet-certificate-authority` it takes whoever answers at a
    /// node's address for the kubelet. That is the default, and kubeadm leaves it so. The kubelet
    /// has to show a certificate that the cluster's authority signed, its own or one that it asks
    /// for with `serverTLSBootstrap`, and to know the authority that signs the API server's.
    ///
    /// Values that are set to nothing count as absent, as they do to the programs. A kubelet that
    /// does not say `rotateCertificates` renews nothing either, but only its kubeconfig tells
    /// whether it has a certificate to renew: only `false` is a finding. Of an API server before
    /// 1.20, which opened port 8080 where nothing was said, the version is not seen. Neither are
    /// the certificates themselves, their names and who signed them.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// serverTLSBootstrap: false
    /// rotateCertificates: false
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// apiVersion: kubelet.config.k8s.io/v1beta1
    /// kind: KubeletConfiguration
    /// authentication: {x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}}
    /// serverTLSBootstrap: true
    /// rotateCertificates: true
    /// ```
    ///
    /// ## References
    ///
    /// - <https://kubernetes.io/docs/concepts/architecture/control-plane-node-communication/>
    /// - <https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/>
    KubeletSpoofing {
        parameters: Parameters,
        threats: [(KUBERNETES, Category::Spoofing)],
        kinds: [api_server::KIND, kubelet::KIND, controller_manager::KIND],
        context: [],
        rules: [
            UNVERIFIED_KUBELET,
            PLAIN_CONNECTION,
            NO_CLIENT_CERTIFICATE,
            NO_SERVING_CERTIFICATE,
            NO_CLIENT_AUTHORITY,
            INSECURE_PORT,
            NO_CLIENT_ROTATION,
            NO_SERVER_ROTATION,
            EXTERNAL_IPS,
        ],
        check: check,
    }
}

parameters! {
    /// What can be set for `kubelet-spoofing`.
    pub struct Parameters {}
}

const UNVERIFIED_KUBELET: Rule = Rule {
    id: "unverified-kubelet",
    title: "The API server verifies who answers as a kubelet",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.5"),
        ("cis-kubernetes-1.6", "1.2.6"),
        ("cis-kubernetes-1.5", "1.2.6"),
    ],
    remediation: "Have the kubelets' serving certificates signed by an authority, and name it in --kubelet-certificate-authority.",
};

const PLAIN_CONNECTION: Rule = Rule {
    id: "plain-connection",
    title: "The API server speaks TLS with kubelets",
    severity: Severity::Critical,
    controls: &[
        ("cis-kubernetes-1.6", "1.2.4"),
        ("cis-kubernetes-1.5", "1.2.4"),
    ],
    remediation: "Remove --kubelet-https=false.",
};

const NO_CLIENT_CERTIFICATE: Rule = Rule {
    id: "no-client-certificate",
    title: "The API server proves to kubelets who it is",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.4"),
        ("cis-kubernetes-1.6", "1.2.5"),
        ("cis-kubernetes-1.5", "1.2.5"),
    ],
    remediation: "Set --kubelet-client-certificate and --kubelet-client-key.",
};

const NO_SERVING_CERTIFICATE: Rule = Rule {
    id: "no-serving-certificate",
    title: "The program shows a certificate that others can verify",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.24"),
        ("cis-kubernetes-1.12", "4.2.9"),
        ("cis-kubernetes-1.8", "1.2.25"),
        ("cis-kubernetes-1.6", "1.2.30"),
        ("cis-kubernetes-1.6", "4.2.10"),
        ("cis-kubernetes-1.5", "1.2.30"),
        ("cis-kubernetes-1.5", "4.2.10"),
    ],
    remediation: "Give the API server --tls-cert-file and --tls-private-key-file, the kubelet serverTLSBootstrap: true (and approve its requests), or tlsCertFile and tlsPrivateKeyFile.",
};

const NO_CLIENT_AUTHORITY: Rule = Rule {
    id: "no-client-authority",
    title: "The program knows the authority that signs the certificates of its clients",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.25"),
        ("cis-kubernetes-1.12", "4.2.3"),
        ("cis-kubernetes-1.8", "1.2.26"),
        ("cis-kubernetes-1.6", "1.2.31"),
        ("cis-kubernetes-1.5", "1.2.31"),
    ],
    remediation: "Set --client-ca-file for the API server, authentication.x509.clientCAFile for a kubelet.",
};

const INSECURE_PORT: Rule = Rule {
    id: "insecure-port",
    title: "The API server has no port without TLS and authentication",
    severity: Severity::Critical,
    controls: &[
        ("cis-kubernetes-1.6", "1.2.18"),
        ("cis-kubernetes-1.6", "1.2.19"),
        ("cis-kubernetes-1.5", "1.2.18"),
        ("cis-kubernetes-1.5", "1.2.19"),
    ],
    remediation: "Set --insecure-port=0 and remove --insecure-bind-address; from 1.24 on, remove both.",
};

const NO_CLIENT_ROTATION: Rule = Rule {
    id: "no-client-rotation",
    title: "The kubelet may renew its client certificate",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "4.2.10"),
        ("cis-kubernetes-1.6", "4.2.11"),
        ("cis-kubernetes-1.5", "4.2.11"),
    ],
    remediation: "Set rotateCertificates: true.",
};

const NO_SERVER_ROTATION: Rule = Rule {
    id: "no-server-rotation",
    title: "The gate that lets kubelets renew their serving certificates is open",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "4.2.11"),
        ("cis-kubernetes-1.12", "1.3.6"),
        ("cis-kubernetes-1.6", "4.2.12"),
        ("cis-kubernetes-1.5", "4.2.12"),
    ],
    remediation: "Remove RotateKubeletServerCertificate=false; the gate is open by default.",
};

const EXTERNAL_IPS: Rule = Rule {
    id: "external-ips",
    title: "No Service takes over the traffic to an address that is not its own",
    severity: Severity::Low,
    controls: &[("cis-kubernetes-1.12", "1.2.3")],
    remediation: "Add DenyServiceExternalIPs to --enable-admission-plugins.",
};

const GATE: &str = "RotateKubeletServerCertificate";
const PLUGIN: &str = "DenyServiceExternalIPs";

fn check(object: &Object, _: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let effective = Effective::new(&document);
    if object.is(&api_server::KIND) {
        check_files(effective, checks);
        check_ways_around(effective, checks);
        check_external_ips(effective, checks);
        for rule in [&NO_CLIENT_ROTATION, &NO_SERVER_ROTATION] {
            checks.not_applicable(rule, "the API server renews no certificates of a kubelet");
        }
        return Ok(());
    }
    for rule in [
        &UNVERIFIED_KUBELET,
        &PLAIN_CONNECTION,
        &NO_CLIENT_CERTIFICATE,
        &INSECURE_PORT,
        &EXTERNAL_IPS,
    ] {
        checks.not_applicable(rule, "it is about the API server");
    }
    if object.is(&kubelet::KIND) {
        check_serving_certificate(effective, checks);
        check_client_authority(effective, checks);
        check_rotation(effective, checks);
    } else {
        for rule in [
            &NO_SERVING_CERTIFICATE,
            &NO_CLIENT_AUTHORITY,
            &NO_CLIENT_ROTATION,
        ] {
            checks.not_applicable(rule, "no kubelet connects to the controller manager");
        }
        check_gate_of_signer(effective, checks);
    }
    Ok(())
}

/// The files that an API server has to be given, and what is so where one is not.
const FILES: [(&Rule, &str, &str); 6] = [
    (
        &UNVERIFIED_KUBELET,
        "kubelet-certificate-authority",
        "the API server takes whoever answers for the kubelet",
    ),
    (
        &NO_CLIENT_CERTIFICATE,
        "kubelet-client-certificate",
        "the API server does not prove to kubelets who it is",
    ),
    (
        &NO_CLIENT_CERTIFICATE,
        "kubelet-client-key",
        "the API server does not prove to kubelets who it is",
    ),
    (
        &NO_SERVING_CERTIFICATE,
        "tls-cert-file",
        "the API server signs its own certificate, which nobody can verify",
    ),
    (
        &NO_SERVING_CERTIFICATE,
        "tls-private-key-file",
        "the API server signs its own certificate, which nobody can verify",
    ),
    (
        &NO_CLIENT_AUTHORITY,
        "client-ca-file",
        "the API server does not know who signs the certificates of kubelets",
    ),
];

fn check_files(effective: Effective, checks: &mut Checks) {
    for (rule, flag, consequence) in FILES {
        checks.pass(rule);
        let file = effective.get(&format!("/flags/{flag}"));
        let what = format!("whether --{flag} is set");
        if !file.is_unknown(rule, checks, &what) && file.given().is_none() {
            let so = if file.is_default() {
                "not set"
            } else {
                "empty"
            };
            checks.fail(rule, &file, format!("{consequence}: --{flag} is {so}"));
        }
    }
}

fn check_ways_around(effective: Effective, checks: &mut Checks) {
    checks.pass(&PLAIN_CONNECTION);
    let https = effective.get("/flags/kubelet-https");
    let what = "whether the API server speaks TLS with kubelets";
    if !https.is_unknown(&PLAIN_CONNECTION, checks, what) && https.boolean() != Some(true) {
        let patch = json!([{"op": "replace", "path": https.path(), "value": true}]);
        let message = "the API server speaks plain HTTP with kubelets";
        checks
            .fail(&PLAIN_CONNECTION, &https, message)
            .fix("Speak TLS", false, &patch);
    }
    checks.pass(&INSECURE_PORT);
    let port = effective.get("/flags/insecure-port");
    let address = effective.get("/flags/insecure-bind-address");
    let what = "whether the API server has a port without authentication";
    if port.is_unknown(&INSECURE_PORT, checks, what) {
        return;
    }
    if port.integer() != Some(0) {
        let message =
            "the API server lets everyone do everything on a port without TLS and authentication";
        let patch = json!([{"op": "replace", "path": port.path(), "value": 0}]);
        checks
            .fail(&INSECURE_PORT, &port, message)
            .fix("Close the port", false, &patch);
    } else if port.is_default() && address.given().is_some() {
        let message = "--insecure-bind-address is given and --insecure-port=0 is not: before 1.20 port 8080 is then open";
        checks.fail(&INSECURE_PORT, &address, message);
    }
}

fn check_external_ips(effective: Effective, checks: &mut Checks) {
    checks.pass(&EXTERNAL_IPS);
    let enabled = effective.get("/flags/enable-admission-plugins");
    let disabled = effective.get("/flags/disable-admission-plugins");
    let what = format!("whether {PLUGIN} is enabled");
    if enabled.is_unknown(&EXTERNAL_IPS, checks, &what) {
        return;
    }
    let message =
        "a Service may name any external address and take over the traffic to it from the nodes";
    if let Some(off) = disabled.last(|plugin| plugin == PLUGIN) {
        checks.fail(&EXTERNAL_IPS, &off, format!("{message}: {PLUGIN} is off"));
    } else if enabled.last(|plugin| plugin == PLUGIN).is_none() {
        let mut plugins: Vec<_> = enabled.items().filter_map(|item| item.text()).collect();
        plugins.push(PLUGIN);
        let patch = json!([{"op": "replace", "path": enabled.path(), "value": plugins}]);
        checks
            .fail(
                &EXTERNAL_IPS,
                &enabled,
                format!("{message}: {PLUGIN} is not enabled"),
            )
            .fix("Refuse external addresses", false, &patch);
    }
}

fn check_serving_certificate(effective: Effective, checks: &mut Checks) {
    checks.pass(&NO_SERVING_CERTIFICATE);
    let certificate = effective.get("/tlsCertFile");
    let key = effective.get("/tlsPrivateKeyFile");
    let bootstrap = effective.get("/serverTLSBootstrap");
    let gate = effective.get(&format!("/featureGates/{GATE}"));
    let known = [&certificate, &key, &bootstrap]
        .iter()
        .all(|setting| setting.unknown().is_none());
    let asks = bootstrap.boolean() == Some(true);
    let is_shut = gate.boolean() == Some(false);
    let has_both = certificate.given().is_some() && key.given().is_some();
    if known && (has_both || (asks && !is_shut)) {
        return;
    }
    for setting in [&bootstrap, &certificate, &key] {
        let what = "whether the kubelet shows a certificate that others can verify";
        if setting.is_unknown(&NO_SERVING_CERTIFICATE, checks, what) {
            return;
        }
    }
    if asks {
        let message = format!(
            "the kubelet asks for no serving certificate: serverTLSBootstrap is set, and the gate {GATE} is shut"
        );
        checks.fail(&NO_SERVING_CERTIFICATE, &gate, message);
        return;
    }
    let message = match (certificate.given(), key.given()) {
        (Some(_), None) => "the kubelet has a certificate without a key, and refuses to start",
        (None, Some(_)) => "the kubelet has a key without a certificate, and refuses to start",
        _ => "the kubelet signs its own certificate, which the API server cannot verify",
    };
    let patch = json!([{"op": "replace", "path": bootstrap.path(), "value": true}]);
    checks
        .fail(&NO_SERVING_CERTIFICATE, &bootstrap, message)
        .fix(
            "Have the cluster sign its certificate, and approve its requests",
            false,
            &patch,
        );
}

fn check_client_authority(effective: Effective, checks: &mut Checks) {
    checks.pass(&NO_CLIENT_AUTHORITY);
    let authority = effective.get("/authentication/x509/clientCAFile");
    let what = "whether the kubelet knows who signs the API server's certificate";
    if !authority.is_unknown(&NO_CLIENT_AUTHORITY, checks, what) && authority.given().is_none() {
        let message =
            "the kubelet cannot verify the API server's certificate: no client authority is set";
        checks.fail(&NO_CLIENT_AUTHORITY, &authority, message);
    }
}

fn check_rotation(effective: Effective, checks: &mut Checks) {
    let client = effective.get("/rotateCertificates");
    let server = effective.get(&format!("/featureGates/{GATE}"));
    for (rule, setting, what) in [
        (
            &NO_CLIENT_ROTATION,
            &client,
            "its client certificate: rotateCertificates is false",
        ),
        (
            &NO_SERVER_ROTATION,
            &server,
            "its serving certificate: the gate RotateKubeletServerCertificate is shut",
        ),
    ] {
        checks.pass(rule);
        let is_known = !setting.is_unknown(rule, checks, "whether the kubelet renews certificates");
        if is_known && setting.boolean() == Some(false) && !setting.is_default() {
            let patch = json!([{"op": "replace", "path": setting.path(), "value": true}]);
            checks
                .fail(rule, setting, format!("the kubelet does not renew {what}"))
                .fix("Renew it", false, &patch);
        }
    }
}

/// The controller manager signs what kubelets ask for.
fn check_gate_of_signer(effective: Effective, checks: &mut Checks) {
    checks.pass(&NO_SERVER_ROTATION);
    let gates = effective.get("/flags/feature-gates");
    let what = "whether kubelets may renew their serving certificates";
    if gates.is_unknown(&NO_SERVER_ROTATION, checks, what) {
        return;
    }
    let named = |gate: &str| {
        gate.split_once('=')
            .is_some_and(|(name, _)| name.trim() == GATE)
    };
    let Some(gate) = gates.last(named) else {
        return;
    };
    let value = gate.text().and_then(|gate| gate.split_once('='));
    let is_shut = value
        .and_then(|(_, value)| stridegate_policy::shapes::flags::boolean(value.trim()))
        == Some(false);
    if is_shut {
        let message =
            format!("kubelets cannot renew their serving certificates: the gate {GATE} is shut");
        checks.fail(&NO_SERVER_ROTATION, &gate, message);
    }
}
