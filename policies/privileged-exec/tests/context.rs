//! What `privileged-exec` makes of facts from outside the object.

use privileged_exec::PrivilegedExec;
use stridegate_policy::prelude::*;
use stridegate_policy::{Check, Verdict};

fn judged(kind: Kind, document: &Value, context: &Value) -> Vec<Check> {
    let mut object = Object::at_rest(kind, "x", &document.to_string());
    object.0.context = context.to_string();
    PrivilegedExec::judge(&object, "{}").expect("the object is in its shape")
}

/// What the rule `privileged` finds.
fn verdicts(kind: Kind, document: &Value, context: &Value) -> Vec<Verdict> {
    let checks = judged(kind, document, context);
    match &checks[0].outcome {
        Outcome::Found(findings) => findings.iter().map(|finding| finding.verdict).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_command_has_the_privileges_of_its_container() {
    let plain = json!({"Cmd": ["sh"], "Privileged": false});
    let container = |privileged| json!({"target": {"HostConfig": {"Privileged": privileged}}});
    for (context, expected) in [
        (json!({}), vec![]),
        (container(false), vec![]),
        (container(true), vec![Verdict::Fail]),
    ] {
        assert_eq!(
            verdicts(exec::KIND, &plain, &context),
            expected,
            "{context}"
        );
    }
}

#[test]
fn kubectl_exec_has_the_privileges_of_the_container_that_it_names() {
    let kind = || Kind::known("", "PodExecOptions");
    let privileged = json!({"privileged": true});
    let pod = json!({"target": {"spec": {
        "containers": [{"name": "web"}, {"name": "agent", "securityContext": privileged}],
        "initContainers": [{"name": "setup", "securityContext": privileged}],
        "ephemeralContainers": [{"name": "debugger", "securityContext": privileged}],
    }}});
    for (name, context, expected) in [
        (json!("web"), &pod, vec![]),
        (json!("agent"), &pod, vec![Verdict::Fail]),
        (json!("debugger"), &pod, vec![Verdict::Fail]),
        (json!(null), &pod, vec![Verdict::Fail]),
        (json!("web"), &json!({}), vec![Verdict::Unknown]),
    ] {
        let options = json!({"container": name, "command": ["sh"]});
        assert_eq!(verdicts(kind(), &options, context), expected, "{name}");
    }
    let checks = judged(kind(), &json!({"command": ["sh"]}), &pod);
    assert!(matches!(checks[1].outcome, Outcome::NotApplicable(_)));
}
