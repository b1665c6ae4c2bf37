//! What `tamperable-config` finds how bad, and which approved configurations it takes.

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{Node, Span, daemon, file};
use tamperable_config::TamperableConfig;

fn severity(role: &str, mode: u32) -> Vec<Severity> {
    let document = json!({
        "host": "x", "role": role, "path": "/x", "type": "file", "mode": mode, "uid": 0, "gid": 0,
        "target": null, "parents": [],
    });
    let object = Object::at_rest(file::KIND, "/x", &document.to_string());
    let checks = TamperableConfig::judge(&object, "{}").expect("the object is in its shape");
    let found = checks.into_iter().filter_map(|check| match check.outcome {
        Outcome::Found(findings) => Some(findings),
        _ => None,
    });
    found.flatten().map(|finding| finding.severity).collect()
}

#[test]
fn who_gains_what_makes_the_severity() {
    for (role, mode, expected) in [
        ("docker-socket", 0o666, Some(Severity::Critical)),
        ("docker-daemon-config", 0o646, Some(Severity::High)),
        ("docker-tls-key", 0o440, Some(Severity::High)),
        ("docker-client-config", 0o644, Some(Severity::Medium)),
        ("docker-tls-key", 0o600, Some(Severity::Low)),
        ("docker-tls-ca", 0o644, Some(Severity::Low)),
        ("docker-tls-key", 0o400, None),
        ("other", 0o777, None),
    ] {
        assert_eq!(
            severity(role, mode),
            Vec::from_iter(expected),
            "{role} {mode:o}"
        );
    }
}

#[test]
fn an_approved_configuration_is_one_that_dockerd_reads() {
    let document = daemon::effective(&daemon::flags(&[]), None, Span::default());
    let document = document.expect("nothing is a configuration");
    let object = Object::at_rest(daemon::KIND, "x", &json!(document).to_string());
    for (parameters, wrong) in [
        (json!({"daemonBaseline": {"icc": true}}), false),
        (json!({"daemonBaseline": {"icc": "yes"}}), true),
        (json!({"daemonBaseline": {"iccc": true}}), true),
        (json!({"requiredSettings": {"live-restore": 1}}), true),
    ] {
        let judged = TamperableConfig::judge(&object, &parameters.to_string());
        let refused = matches!(judged, Err(Refusal::Parameters(_)));
        assert_eq!(refused, wrong, "{parameters}");
    }
}

#[test]
fn what_was_approved_differs_in_nothing_from_itself() {
    let approved = json!({
        "log-level": "warn", "hosts": ["fd://"], "dns": ["10.0.0.2", "10.0.0.3"], "tlsverify": true,
        "log-opts": {"max-size": "10m"}, "default-ulimits": {"nofile": {"Name": "nofile", "Hard": 1, "Soft": 1}},
    });
    let document = daemon::effective(
        &daemon::flags(&[]),
        Some(&Node::from(&approved)),
        Span::default(),
    );
    let document = document.expect("dockerd reads it");
    let object = Object::at_rest(daemon::KIND, "x", &json!(document).to_string());
    let parameters = json!({"daemonBaseline": approved}).to_string();
    let checks = TamperableConfig::judge(&object, &parameters).expect("dockerd reads it");
    let answer = checks
        .into_iter()
        .find(|check| check.rule == "not-approved");
    assert!(answer.is_some_and(|check| matches!(check.outcome, Outcome::Pass)));
}
