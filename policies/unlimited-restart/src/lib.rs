//! See the documentation of [`UnlimitedRestart`].

use stridegate_policy::Finding;
use stridegate_policy::prelude::*;
use stridegate_policy::shapes::service;

policy! {
    /// A container that is restarted without end
    ///
    /// Judges how often the engine starts a container again that has ended: by the name of its
    /// restart policy and its count together, for `on-failure` with a count of 0 has no end
    /// either. Of a swarm service the restarts are its own; a count that its tasks carry as
    /// containers means nothing.
    ///
    /// A container that crashes as soon as it starts takes processor time, memory and disk each
    /// time, fills the logs, and hides that it does not work. One that an attacker made crash is
    /// brought back for the next try, as often as they like.
    ///
    /// Kubernetes knows no bound, and lengthens the pause instead: Pods are not judged. A Job's
    /// `backoffLimit`, which has one by default, is no part of the Pod that a Job becomes here.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// services:
    ///   web:
    ///     image: nginx:1.29
    ///     restart: always
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// services:
    ///   web:
    ///     image: nginx:1.29
    ///     restart: on-failure:5
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/engine/containers/start-containers-automatically/>
    /// - <https://docs.docker.com/reference/cli/docker/service/create/#restart-policy>
    UnlimitedRestart {
        parameters: Parameters,
        threats: [(DOCKER, Category::DenialOfService)],
        kinds: [container::KIND, service::KIND],
        context: [],
        rules: [UNLIMITED, TOO_MANY, INVALID_POLICY],
        check: check,
    }
}

parameters! {
    /// What can be set for `unlimited-restart`.
    pub struct Parameters {
        /// How often a container may be restarted.
        pub max_retries: u64 = 5,
    }
}

const CONTROLS: &[(&str, &str)] = &[("cis-docker-1.2", "5.14"), ("cis-docker-1.6", "5.15")];

const REMEDIATION: &str = "Restart on failure and at most 5 times: --restart on-failure:5, restart: on-failure:5 in Compose, --restart-condition on-failure --restart-max-attempts 5 for a service.";

const UNLIMITED: Rule = Rule {
    id: "unlimited",
    title: "There is an end to the restarts of a container that fails",
    severity: Severity::Medium,
    controls: CONTROLS,
    remediation: REMEDIATION,
};

const TOO_MANY: Rule = Rule {
    id: "too-many",
    title: "A container that fails is restarted a few times only",
    severity: Severity::Low,
    controls: CONTROLS,
    remediation: REMEDIATION,
};

const INVALID_POLICY: Rule = Rule {
    id: "invalid-policy",
    title: "The restart policy is one that the engine takes",
    severity: Severity::Low,
    controls: &[],
    remediation: "Name no, always, unless-stopped or on-failure, give a count to on-failure alone, and do not remove a container that is to be restarted.",
};

const FIX: &str = "Restart on failure only, and no more often than is accepted";

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&service::KIND) {
        checks.not_applicable(&INVALID_POLICY, "swarm refuses what it does not know");
        check_service(&root, parameters, checks);
        return Ok(());
    }
    // Anybody may write the label of a task; a container that the engine itself restarts is none.
    let labels = root.get("Config").get("Labels");
    let is_task = root.get("Id").exists() && labels.get("com.docker.swarm.task.id").exists();
    if is_task && !restarts(&root.get("HostConfig").get("RestartPolicy")) {
        for rule in [&UNLIMITED, &TOO_MANY, &INVALID_POLICY] {
            checks.not_applicable(rule, "it is a task of swarm, whose service says how often");
        }
        return Ok(());
    }
    for rule in [&UNLIMITED, &TOO_MANY, &INVALID_POLICY] {
        checks.pass(rule);
    }
    check_container(&root, parameters, checks);
    Ok(())
}

/// Whether the engine restarts a container at all.
fn restarts(policy: &At) -> bool {
    !matches!(policy.get("Name").text(), None | Some("" | "no"))
}

fn check_container(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let host = root.get("HostConfig");
    let policy = host.get("RestartPolicy");
    let name = policy.get("Name");
    let count = policy.get("MaximumRetryCount");
    let retries = count.integer().unwrap_or(0);
    let effective = root.value().map(Effective::new);
    if effective.is_some_and(|effective| {
        ["", "/Name", "/MaximumRetryCount"]
            .iter()
            .any(|field| effective.is_unresolved(&format!("/HostConfig/RestartPolicy{field}")))
    }) {
        let message = "the restart policy is a variable that has no value here";
        checks.unknown(&UNLIMITED, &name, message);
        return;
    }
    let found = match name.text().unwrap_or_default() {
        "" | "no" => None,
        word @ ("always" | "unless-stopped") if retries == 0 => {
            let message = format!("the container is restarted for ever: its policy is {word}");
            Some(checks.fail(&UNLIMITED, &name, message))
        }
        word @ ("always" | "unless-stopped") => {
            let message =
                format!("the engine refuses {word} with a count of restarts; only swarm takes it");
            Some(checks.fail(&INVALID_POLICY, &count, message))
        }
        "on-failure" => too_often(&count, &name, parameters, checks),
        _ => {
            let message = "the engine knows no such restart policy and refuses it";
            Some(checks.fail(&INVALID_POLICY, &name, message))
        }
    };
    // What exists is changed on the engine, not in what the engine says of it.
    if let Some(finding) = found.filter(|_| !root.get("Id").exists()) {
        let bounded = match parameters.max_retries {
            0 => json!({"Name": "no"}),
            most => json!({"Name": "on-failure", "MaximumRetryCount": most}),
        };
        let patch = json!([{"op": "add", "path": "/HostConfig/RestartPolicy", "value": bounded}]);
        finding.fix(FIX, false, &patch);
    }
    let remove = host.get("AutoRemove");
    if restarts(&policy) && remove.boolean() == Some(true) {
        let message = "the engine refuses to restart a container that it is to remove at its end";
        checks.fail(&INVALID_POLICY, &remove, message);
    }
}

fn check_service(root: &At, parameters: &Parameters, checks: &mut Checks) {
    checks.pass(&UNLIMITED);
    checks.pass(&TOO_MANY);
    let template = root.get("Spec").get("TaskTemplate");
    let policy = template.get("RestartPolicy");
    let condition = policy.get("Condition");
    if condition.text() == Some("none") {
        return;
    }
    let found = too_often(&policy.get("MaxAttempts"), &condition, parameters, checks);
    if let Some(finding) = found {
        let mut bounded = policy.value().cloned().unwrap_or(json!({}));
        bounded["Condition"] = match parameters.max_retries {
            0 => "none".into(),
            _ => "on-failure".into(),
        };
        bounded["MaxAttempts"] = parameters.max_retries.into();
        let place = "/Spec/TaskTemplate/RestartPolicy";
        let patch = json!([{"op": "add", "path": place, "value": bounded}]);
        finding.fix(FIX, false, &patch);
    }
}

/// Judges the count of a policy that has one; 0 is without end.
fn too_often<'c>(
    count: &At,
    policy: &At,
    parameters: &Parameters,
    checks: &'c mut Checks,
) -> Option<&'c mut Finding> {
    match count.integer().map(u64::try_from) {
        None | Some(Ok(0)) => {
            let place = if count.exists() { count } else { policy };
            let message = "it is restarted for ever: no count of restarts is set, or it is 0";
            Some(checks.fail(&UNLIMITED, place, message))
        }
        Some(Ok(retries)) if retries <= parameters.max_retries => None,
        Some(Ok(retries)) => {
            let most = parameters.max_retries;
            let message = format!("it is restarted {retries} times, where {most} are enough");
            Some(checks.fail(&TOO_MANY, count, message))
        }
        Some(Err(_)) => {
            let message = "the engine refuses a negative count of restarts";
            Some(checks.fail(&INVALID_POLICY, count, message))
        }
    }
}
