//! What `unverified-image` makes of facts from outside the object.

use stridegate_policy::Verdict;
use stridegate_policy::prelude::*;
use unverified_image::UnverifiedImage;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn verdicts(image: &str, verification: &Value, parameters: &str) -> Vec<(Verdict, Severity)> {
    let document = json!({"spec": {"containers": [{"name": "a", "image": image}]}});
    let mut object = Object::at_rest(pod::KIND, "x", &document.to_string());
    object.0.context = json!({"verification": verification}).to_string();
    let checks = UnverifiedImage::judge(&object, parameters).expect("the object is in its shape");
    let found = checks.into_iter().filter_map(|check| match check.outcome {
        Outcome::Found(findings) => Some(findings),
        _ => None,
    });
    let found = found.flatten();
    found
        .map(|finding| (finding.verdict, finding.severity))
        .collect()
}

#[test]
fn evidence_counts_for_what_it_names() {
    let pinned = format!("ghcr.io/shop/api@{DIGEST}");
    let says = |image: &str, verified: bool| json!({image: {"verified": verified, "by": "cosign"}});
    for (image, verification, expected) in [
        (&*pinned, says(&pinned, true), None),
        (
            &pinned,
            says(&pinned, false),
            Some((Verdict::Fail, Severity::High)),
        ),
        (
            &pinned,
            says("ghcr.io/shop/web", true),
            Some((Verdict::Unknown, Severity::Low)),
        ),
        (&pinned, json!({}), Some((Verdict::Unknown, Severity::Low))),
        (&pinned, json!(7), Some((Verdict::Unknown, Severity::Low))),
        (
            "ghcr.io/shop/api:1",
            says("ghcr.io/shop/api:1", true),
            Some((Verdict::Fail, Severity::Low)),
        ),
    ] {
        let found = verdicts(image, &verification, "{}");
        assert_eq!(found, Vec::from_iter(expected), "{image} {verification}");
    }
    let by_us = r#"{"verified": ["ghcr.io/shop/*"]}"#;
    assert_eq!(verdicts(&pinned, &json!({}), by_us), []);
    let refused = verdicts(&pinned, &says(&pinned, false), by_us);
    assert_eq!(refused, [(Verdict::Fail, Severity::High)]);
}
