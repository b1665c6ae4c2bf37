//! What `untrusted-registry` makes of facts from outside the object.

use stridegate_policy::prelude::*;
use stridegate_policy::{Finding, Verdict};
use untrusted_registry::UntrustedRegistry;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn findings(image: &str, known: &Value) -> Vec<Finding> {
    let document = json!({"Config": {"Image": image}, "HostConfig": {}});
    let mut object = Object::at_rest(container::KIND, "x", &document.to_string());
    object.0.context = json!({"images": {image: known}}).to_string();
    let checks = UntrustedRegistry::judge(&object, "{}").expect("the object is in its shape");
    let found = checks.into_iter().filter_map(|check| match check.outcome {
        Outcome::Found(findings) => Some(findings),
        _ => None,
    });
    found.flatten().collect()
}

#[test]
fn a_name_without_a_digest_of_its_registry_is_local() {
    let none = json!({"RepoDigests": []});
    let own = |name: &str| json!({"RepoDigests": [format!("{name}@{DIGEST}")]});
    for (image, known, verdict) in [
        ("nginx:1.29", &none, Some(Verdict::Fail)),
        ("nginx:1.29", &json!({"RepoDigests": null}), None),
        ("nginx:1.29", &json!({"Config": {"User": "1"}}), None),
        ("nginx:1.29", &own("docker.io/library/nginx"), None),
        ("nginx:1.29", &own("nginx"), None),
        ("nginx:1.29", &own("somebody/nginx"), Some(Verdict::Fail)),
        ("ghcr.io/shop/api:1", &none, Some(Verdict::Fail)),
        ("ghcr.io/shop/api:1", &own("ghcr.io/shop/api"), None),
        ("shop-api:dev", &none, Some(Verdict::Unknown)),
        ("shop/api:dev", &none, Some(Verdict::Unknown)),
        ("localhost:5000/api:dev", &none, Some(Verdict::Unknown)),
    ] {
        let found = findings(image, known);
        let verdicts: Vec<Verdict> = found.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, Vec::from_iter(verdict), "{image} {known}");
    }
}
