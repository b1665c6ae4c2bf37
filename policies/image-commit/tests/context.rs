//! What `image-commit` makes of facts from outside the object.

use image_commit::ImageCommit;
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::request;
use stridegate_policy::{Finding, mitigation};

fn findings(object: &Object, parameters: &str) -> Vec<(String, Finding)> {
    let checks = ImageCommit::judge(object, parameters).expect("the object is in its shape");
    let found = checks.into_iter().map(|check| match check.outcome {
        Outcome::Found(findings) => (check.rule, findings),
        _ => (check.rule, Vec::new()),
    });
    found
        .flat_map(|(rule, findings)| {
            findings
                .into_iter()
                .map(move |finding| (rule.clone(), finding))
        })
        .collect()
}

#[test]
fn a_container_is_judged_by_the_history_of_its_image() {
    let entry = |text: &str, comment: &str| json!({"created_by": text, "comment": comment, "empty_layer": false, "truncated": false});
    let base = entry("# debian.sh", "debuerreotype 0.16");
    let committed = json!({"Config": {"Cmd": ["bash"]}, "History": [base, entry("bash", "")]});
    let built = json!({"Config": {"Cmd": ["bash"]}, "History": [base]});
    for (image, count) in [(committed, 1), (built, 0), (json!({"Config": {}}), 0)] {
        let document = json!({"Config": {"Image": "shop:1"}, "HostConfig": {}});
        let mut object = Object::at_rest(container::KIND, "x", &document.to_string());
        object.0.context = json!({"images": {"shop:1": image}}).to_string();
        let found = findings(&object, "{}");
        assert_eq!(found.len(), count, "{image}");
        assert!(found.iter().all(|(rule, finding)| rule == "committed-layer" && finding.path == "/Config/Image"));
    }
}

#[test]
fn who_asks_decides() {
    let outcome = |endpoint: &str, user: Option<&str>| {
        let document = json!({"endpoint": endpoint, "method": "POST", "path": "/x", "query": {}});
        let mut object = Object::at_rest(request::KIND, "x", &document.to_string());
        object.0.request = Some(mitigation::Request {
            operation: endpoint.into(),
            subresource: String::new(),
            user: user.map(str::to_owned),
            groups: Vec::new(),
            dry_run: false,
            previous: None,
            attributes: "{}".into(),
        });
        let found = findings(&object, r#"{"committers": ["ci"]}"#);
        found.into_iter().map(|(rule, _)| rule).next()
    };
    for endpoint in [
        "image.commit",
        "image.import",
        "image.load",
        "image.tag",
        "image.push",
        "image.build",
        "session",
        "grpc",
    ] {
        assert_eq!(outcome(endpoint, Some("ci")), None, "{endpoint}");
        assert_eq!(
            outcome(endpoint, Some("mallory")).as_deref(),
            Some("unauthorized"),
            "{endpoint}"
        );
        assert_eq!(
            outcome(endpoint, None).as_deref(),
            Some("unattributable"),
            "{endpoint}"
        );
        assert_eq!(
            outcome(endpoint, Some("")).as_deref(),
            Some("unattributable"),
            "{endpoint}"
        );
    }
    for endpoint in ["image.pull", "image.list", "container.start", "unknown"] {
        assert_eq!(outcome(endpoint, None), None, "{endpoint}");
    }
}
