//! Whether certificates are renewed before they end.

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::flags;

use crate::GATE;

pub(crate) const NO_CLIENT_ROTATION: Rule = Rule {
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

pub(crate) const NO_SERVER_ROTATION: Rule = Rule {
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

pub(crate) fn check(effective: Effective, checks: &mut Checks) {
    let client = effective.get("/rotateCertificates");
    let server = effective.get(&format!("/featureGates/{GATE}"));
    let of_client = "its client certificate: rotateCertificates is false".to_owned();
    let of_server = format!("its serving certificate: the gate {GATE} is shut");
    for (rule, setting, what) in [
        (&NO_CLIENT_ROTATION, &client, of_client),
        (&NO_SERVER_ROTATION, &server, of_server),
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
pub(crate) fn check_signer(effective: Effective, checks: &mut Checks) {
    checks.pass(&NO_SERVER_ROTATION);
    let gates = effective.flag("feature-gates");
    let what = "whether kubelets may renew their serving certificates";
    if gates.is_unknown(&NO_SERVER_ROTATION, checks, what) {
        return;
    }
    let Some(gate) = gates.last(|gate| value_of_gate(gate).is_some()) else {
        return;
    };
    let value = gate.text().and_then(value_of_gate);
    if value.and_then(flags::boolean) == Some(false) {
        let message =
            format!("kubelets cannot renew their serving certificates: the gate {GATE} is shut");
        checks.fail(&NO_SERVER_ROTATION, &gate, message);
    }
}

/// The value of the gate where `NAME=VALUE` is about it.
fn value_of_gate(gate: &str) -> Option<&str> {
    let (name, value) = gate.split_once('=')?;
    (name.trim() == GATE).then_some(value.trim())
}
