//! The memory of the containers of a Pod.

use stridegate_policy::prelude::*;
use stridegate_policy::quantity;

use crate::{NO_LIMIT, Parameters, bytes, check_size, proposed};

/// No process starts with less.
const SMALLEST: i64 = 1 << 20;

pub(crate) fn check(pod: &At, ranges: &At, parameters: &Parameters, checks: &mut Checks) {
    let whole = pod.get("spec").get("resources").get("limits").get("memory");
    check_limit(&whole, "the Pod", parameters, checks);
    for container in containers(pod) {
        let of = format!("container {}", container.name());
        check_limit(&own_limit(&container), &of, parameters, checks);
    }
    if bytes(&whole) > Some(0) {
        return;
    }
    let by_default = gives_limit(ranges);
    let is_limited = |container: &Container| {
        let own = own_limit(container);
        if own.exists() {
            bytes(&own) > Some(0)
        } else {
            by_default && !is_ephemeral(container)
        }
    };
    // The kubelet limits the whole Pod where each container that it starts with has a limit.
    let all = containers(pod)
        .filter(|container| !is_ephemeral(container))
        .all(|container| is_limited(&container));
    for container in containers(pod) {
        let by_pod = all && is_ephemeral(&container);
        if !by_pod && !is_limited(&container) {
            report_no_limit(&container, parameters, checks);
        }
    }
}

fn check_limit(limit: &At, of: &str, parameters: &Parameters, checks: &mut Checks) {
    if bytes(limit) > Some(0) {
        check_size(limit, of, SMALLEST..i64::MAX, parameters, checks);
    }
}

fn report_no_limit(container: &Container, parameters: &Parameters, checks: &mut Checks) {
    let own = own_limit(container);
    let requested = container.at.get("resources").get("requests").get("memory");
    let because = if is_ephemeral(container) {
        "it can have no limit of its own, and another container keeps its Pod from having one"
    } else if own.exists() {
        "its limit is 0 or no quantity"
    } else if requested.exists() {
        "a request is no limit"
    } else {
        "no limit is set"
    };
    let name = container.name();
    let message = format!("container {name} may take all memory of the node: {because}");
    let finding = checks.fail(&NO_LIMIT, &own, message);
    finding.severity(Severity::Medium);
    if !is_ephemeral(container) {
        let needed = requested.value().filter(|_| bytes(&requested) > Some(0));
        let proposed = || quantity::binary(proposed(parameters)).into();
        let limit = needed.cloned().unwrap_or_else(proposed);
        let title = format!("Limit the memory of {name}");
        finding.fix(title, false, &limit_memory(&container.at, &limit));
    }
}

fn is_ephemeral(container: &Container) -> bool {
    container.list == ContainerList::Ephemeral
}

fn own_limit<'a>(container: &Container<'a>) -> At<'a> {
    let limits = container.at.get("resources").get("limits");
    limits.get("memory")
}

fn limit_memory(container: &At, limit: &Value) -> Value {
    let resources = container.get("resources");
    let limits = resources.get("limits");
    let (path, value) = if limits.exists() {
        (format!("{}/memory", limits.path()), json!(limit))
    } else if resources.exists() {
        let path = format!("{}/limits", resources.path());
        (path, json!({"memory": limit}))
    } else {
        let path = format!("{}/resources", container.path());
        (path, json!({"limits": {"memory": limit}}))
    };
    json!([{"op": "add", "path": path, "value": value}])
}

/// Whether a list of `LimitRange` objects gives a limit to a container that has none. The largest
/// that is allowed is also the default where there is no other.
fn gives_limit(ranges: &At) -> bool {
    let all = ranges.items();
    let mut limits = all.flat_map(|range| range.get("spec").get("limits").items());
    limits.any(|limit| {
        let given = ["default", "max"].map(|key| bytes(&limit.get(key).get("memory")));
        limit.get("type").text() == Some("Container") && given.into_iter().max() > Some(Some(0))
    })
}
