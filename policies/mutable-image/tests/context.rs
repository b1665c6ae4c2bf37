//! What `mutable-image` makes of facts from outside the object.

use mutable_image::MutableImage;
use stridegate_policy::Finding;
use stridegate_policy::prelude::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn findings(image: &str, context: &Value) -> Vec<Finding> {
    let document = json!({"Config": {"Image": image}, "HostConfig": {}});
    let mut object = Object::at_rest(container::KIND, "x", &document.to_string());
    object.0.context = context.to_string();
    let checks = MutableImage::judge(&object, "{}").expect("the object is in its shape");
    let found = checks.into_iter().filter_map(|check| match check.outcome {
        Outcome::Found(findings) => Some(findings),
        _ => None,
    });
    found.flatten().collect()
}

#[test]
fn the_digest_that_is_known_is_offered() {
    let digests = |name: &str| json!({"images": {"nginx:1.29": {"RepoDigests": [format!("{name}@{DIGEST}")]}}});
    let found = findings("nginx:1.29", &digests("docker.io/library/nginx"));
    let patch =
        format!(r#"[{{"op":"replace","path":"/Config/Image","value":"nginx:1.29@{DIGEST}"}}]"#);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].fixes.len(), 1);
    let known: Value = serde_json_of(&found[0].fixes[0].patch);
    assert_eq!(known, serde_json_of(&patch));
    for other in [digests("somebody/nginx"), json!({})] {
        assert!(findings("nginx:1.29", &other)[0].fixes.is_empty());
    }
}

#[test]
fn a_fix_makes_the_rule_hold() {
    assert!(findings(&format!("nginx:1.29@{DIGEST}"), &json!({})).is_empty());
}

fn serde_json_of(text: &str) -> Value {
    let object = Object::at_rest(container::KIND, "x", text);
    object.document().expect("it is JSON")
}
