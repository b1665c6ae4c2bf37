//! What `root-user` makes of facts from outside the object.

use root_user::RootUser;
use stridegate_policy::prelude::*;
use stridegate_policy::{Finding, Verdict};

fn findings(kind: Kind, document: &Value, context: &Value) -> Vec<Finding> {
    let mut object = Object::at_rest(kind, "x", &document.to_string());
    object.0.context = context.to_string();
    let checks = RootUser::judge(&object, "{}").expect("the object is in its shape");
    let found = checks.into_iter().filter_map(|check| match check.outcome {
        Outcome::Found(findings) => Some(findings),
        _ => None,
    });
    found.flatten().collect()
}

fn container(user: &str, image: &str) -> Value {
    json!({"Config": {"Image": image, "User": user}, "HostConfig": {}})
}

fn images() -> Value {
    json!({"images": {
        "safe:latest": {"Config": {"User": "1000"}},
        "root:1": {"Config": {"User": "root"}},
        "sha256:0a": {"Config": {"User": ""}},
    }})
}

#[test]
fn a_container_without_a_user_has_that_of_its_image() {
    for (image, verdict) in [
        ("safe", None),
        ("safe:latest", None),
        ("root:1", Some(Verdict::Fail)),
        ("sha256:0a", Some(Verdict::Fail)),
        ("other", Some(Verdict::Unknown)),
    ] {
        let found = findings(container::KIND, &container("", image), &images());
        let verdicts: Vec<Verdict> = found.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, Vec::from_iter(verdict), "{image}");
    }
}

#[test]
fn a_user_namespace_makes_root_less_severe() {
    let remap = json!({"daemon": {"userns-remap": "default"}});
    let none = json!({});
    for (mode, privileged, context, severity) in [
        ("", false, &none, Severity::High),
        ("", false, &remap, Severity::Medium),
        ("host", false, &remap, Severity::High),
        ("host", true, &remap, Severity::High),
        ("", true, &remap, Severity::High),
    ] {
        let mut document = container("0:0", "x");
        document["HostConfig"] = json!({"UsernsMode": mode, "Privileged": privileged});
        let found = findings(container::KIND, &document, context);
        let severities: Vec<Severity> = found.iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [severity], "{mode} {privileged}");
    }
}

#[test]
fn a_dockerfile_without_a_user_has_that_of_its_base() {
    let word = |text: &str| json!({"written": text, "value": text, "unresolved": []});
    for (base, count) in [("safe", 0), ("root:1", 1), ("other", 1)] {
        let stage = json!({"name": null, "from": word(base), "base": null, "platform": null, "instructions": []});
        let document = json!({"syntax": null, "escape": "\\", "arguments": [], "stages": [stage], "target": 0});
        let found = findings(dockerfile::KIND, &document, &images());
        assert_eq!(found.len(), count, "{base}");
    }
}
