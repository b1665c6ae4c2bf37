//! What `unlimited-memory` makes of facts from outside the object.

use stridegate_policy::Finding;
use stridegate_policy::prelude::*;
use unlimited_memory::UnlimitedMemory;

/// The rules that find something, with the places.
fn found(kind: Kind, document: &Value, context: &Value) -> Vec<(String, String)> {
    let all = findings(kind, document, context);
    all.into_iter()
        .map(|(rule, finding)| (rule, finding.path))
        .collect()
}

fn findings(kind: Kind, document: &Value, context: &Value) -> Vec<(String, Finding)> {
    let mut object = Object::at_rest(kind, "x", &document.to_string());
    object.0.context = context.to_string();
    let checks = UnlimitedMemory::judge(&object, "{}").expect("the object is in its shape");
    let mut all = Vec::new();
    for check in checks {
        if let Outcome::Found(findings) = check.outcome {
            all.extend(
                findings
                    .into_iter()
                    .map(|found| (check.rule.clone(), found)),
            );
        }
    }
    all
}

#[test]
fn a_limit_is_less_than_the_memory_of_the_host() {
    let info = json!({"info": {"MemTotal": 8_589_934_592_u64}});
    for (memory, context, offends) in [
        (8_589_934_591_u64, &info, false),
        (8_589_934_592, &info, true),
        (8_589_934_592, &json!({}), false),
        (8_589_934_592, &json!({"info": {"MemTotal": 0}}), false),
    ] {
        let container = json!({"Config": {}, "HostConfig": {"Memory": memory}});
        let expected = offends.then(|| {
            (
                "limit-too-large".to_owned(),
                "/HostConfig/Memory".to_owned(),
            )
        });
        let found = found(container::KIND, &container, context);
        assert_eq!(found, Vec::from_iter(expected), "{memory} {context}");
    }
}

#[test]
fn a_limit_range_gives_a_limit_to_those_that_have_none() {
    let pod = json!({"spec": {
        "containers": [{"name": "web"}, {"name": "zero", "resources": {"limits": {"memory": "0"}}}],
        "ephemeralContainers": [{"name": "debugger"}],
    }});
    let range = |limit: Value| json!({"limitRanges": [{"spec": {"limits": [limit]}}]});
    let zero = "/spec/containers/1/resources/limits/memory";
    let debugger = "/spec/ephemeralContainers/0";
    for (context, expected) in [
        (json!({}), vec!["/spec/containers/0", zero, debugger]),
        (
            range(json!({"type": "Container", "default": {"memory": "512Mi"}})),
            vec![zero, debugger],
        ),
        (
            range(json!({"type": "Container", "max": {"memory": "1Gi"}})),
            vec![zero, debugger],
        ),
        (
            range(json!({"type": "Container", "default": {"cpu": "1"}})),
            vec!["/spec/containers/0", zero, debugger],
        ),
        (
            range(json!({"type": "Pod", "max": {"memory": "1Gi"}})),
            vec!["/spec/containers/0", zero, debugger],
        ),
    ] {
        let found = found(pod::KIND, &pod, &context);
        let places: Vec<&str> = found.iter().map(|(_, path)| &**path).collect();
        assert_eq!(places, expected, "{context}");
    }
}

#[test]
fn a_fix_sets_what_is_reserved_or_what_is_proposed() {
    for (host, patch) in [
        (
            json!({"Memory": 0, "MemoryReservation": 1_048_576}),
            json!([{"op": "add", "path": "/HostConfig/Memory", "value": 1_048_576}]),
        ),
        (
            json!({}),
            json!([{"op": "add", "path": "/HostConfig/Memory", "value": 536_870_912}]),
        ),
        (
            json!(null),
            json!([{"op": "add", "path": "/HostConfig", "value": {"Memory": 536_870_912}}]),
        ),
    ] {
        let container = json!({"Config": {}, "HostConfig": host});
        let (_, finding) = findings(container::KIND, &container, &json!({})).remove(0);
        assert_eq!(finding.fixes[0].patch, patch.to_string());
    }
    let running = json!({"Id": "0a", "Config": {}, "HostConfig": {}});
    let (_, finding) = findings(container::KIND, &running, &json!({})).remove(0);
    assert!(
        finding.fixes.is_empty(),
        "what runs is changed on the engine"
    );
}
