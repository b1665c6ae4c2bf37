//! See the documentation of [`KubeletSpoofing`].

mod api_server;
mod kubelet;
mod rotation;

use api_server::{
    EXTERNAL_IPS, INSECURE_PORT, NO_CLIENT_CERTIFICATE, PLAIN_CONNECTION, UNVERIFIED_KUBELET,
};
use rotation::{NO_CLIENT_ROTATION, NO_SERVER_ROTATION};
use stridegate_policy::prelude::*;
use stridegate_policy::shapes;

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
        kinds: [shapes::api_server::KIND, shapes::kubelet::KIND, shapes::controller_manager::KIND],
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

/// The gate that lets kubelets ask for serving certificates; it is open by default.
const GATE: &str = "RotateKubeletServerCertificate";

fn check(object: &Object, _: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let effective = Effective::new(&document);
    let others = if object.is(&shapes::api_server::KIND) {
        api_server::check(effective, checks);
        "the API server renews no certificates of a kubelet"
    } else if object.is(&shapes::kubelet::KIND) {
        kubelet::check(effective, checks);
        rotation::check(effective, checks);
        "it is about the API server"
    } else {
        rotation::check_signer(effective, checks);
        for rule in [
            &NO_SERVING_CERTIFICATE,
            &NO_CLIENT_AUTHORITY,
            &NO_CLIENT_ROTATION,
        ] {
            checks.not_applicable(rule, "no kubelet connects to the controller manager");
        }
        "it is about the API server"
    };
    for rule in KubeletSpoofing::FACTS.rules {
        checks.not_applicable(rule, others);
    }
    Ok(())
}
