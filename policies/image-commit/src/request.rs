//! A request to an engine that makes an image or names one.

use stridegate_policy::prelude::*;

use crate::Parameters;

const REQUESTS: &[(&str, &str)] = &[("cis-docker-1.2", "2.11"), ("cis-docker-1.6", "2.12")];

pub(crate) const UNAUTHORIZED: Rule = Rule {
    id: "unauthorized",
    title: "Only committers make images and name them",
    severity: Severity::High,
    controls: REQUESTS,
    remediation: "Let the build system make the image, or add the user to the parameter committers.",
};

pub(crate) const UNATTRIBUTABLE: Rule = Rule {
    id: "unattributable",
    title: "Who makes an image is known",
    severity: Severity::High,
    controls: REQUESTS,
    remediation: "Serve the engine over TLS with client certificates, so that each user has a name, and keep people off its socket.",
};

/// What a request does to images; none if it does nothing.
fn deed(endpoint: &str) -> Option<&'static str> {
    Some(match endpoint {
        "image.commit" => "makes an image of a container",
        "image.import" => "makes an image of a file system",
        "image.load" => "loads images from an archive",
        "image.tag" => "gives an image another name",
        "image.push" => "publishes an image",
        "image.build" => "builds an image",
        "session" | "grpc" => {
            "speaks with BuildKit, which builds images, and of which no more is seen"
        }
        _ => return None,
    })
}

pub(crate) fn check(object: &Object, root: &At, parameters: &Parameters, checks: &mut Checks) {
    let endpoint = root.get("endpoint");
    let Some(deed) = deed(endpoint.text().unwrap_or_default()) else {
        for rule in [&UNAUTHORIZED, &UNATTRIBUTABLE] {
            checks.not_applicable(rule, "the request makes and names no image");
        }
        return;
    };
    let image = root.get("image");
    let what = image
        .text()
        .map(|name| format!(": {name}"))
        .unwrap_or_default();
    let user = object
        .request()
        .and_then(|request| request.user.as_deref())
        .unwrap_or_default();
    checks.pass(&UNATTRIBUTABLE);
    if user.is_empty() {
        checks.not_applicable(&UNAUTHORIZED, "who asks is not known");
        let message = format!("somebody without a name {deed}{what}");
        checks.fail(&UNATTRIBUTABLE, &endpoint, message);
        return;
    }
    checks.pass(&UNAUTHORIZED);
    if !parameters.committers.iter().any(|known| known == user) {
        let message = format!("{user} {deed}{what}, and is none of the committers");
        checks.fail(&UNAUTHORIZED, &endpoint, message);
    }
}
