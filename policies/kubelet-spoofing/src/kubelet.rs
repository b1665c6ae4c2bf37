//! What a kubelet shows the API server, and how it knows that.

use stridegate_policy::prelude::*;

use crate::{GATE, NO_CLIENT_AUTHORITY, NO_SERVING_CERTIFICATE};

pub(crate) fn check(effective: Effective, checks: &mut Checks) {
    check_serving_certificate(effective, checks);
    check_client_authority(effective, checks);
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
