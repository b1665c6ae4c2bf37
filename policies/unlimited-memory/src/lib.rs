//! See the documentation of [`UnlimitedMemory`].

use std::ops::Range;

use stridegate_policy::prelude::*;
use stridegate_policy::quantity;

policy! {
    /// A container whose memory nothing limits
    ///
    /// Judges the memory limit of a container, of the tasks of a swarm service, and of every
    /// container of a Pod, init and ephemeral containers included. A reservation or a request is
    /// no limit. In a Pod the limit may also be that of the whole Pod, or come from a LimitRange.
    ///
    /// A container without a limit takes what the host has. When that is used up, the kernel kills
    /// whatever it likes, and one leak or one flood of requests takes down the neighbours, the
    /// engine, or the node.
    ///
    /// Swap that nobody set is not judged: the engine then allows as much of it as memory. An
    /// ephemeral container cannot have a limit of its own; that of its Pod holds for it, which the
    /// kubelet sets where every other container has one. From outside are used `context.info`, the
    /// engine's answer to `GET /info`, for the memory of the host, and `context.limitRanges`, the
    /// list of LimitRange objects of a Pod's namespace.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// services:
    ///   web:
    ///     image: nginx:1.29
    ///     mem_reservation: 256m
    /// ```
    ///
    /// ## Instead
    ///
    /// ```yaml
    /// services:
    ///   web:
    ///     image: nginx:1.29
    ///     mem_limit: 512m
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/engine/containers/resource_constraints/>
    /// - <https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/>
    UnlimitedMemory {
        parameters: Parameters,
        threats: [(DOCKER, Category::DenialOfService), (KUBERNETES, Category::DenialOfService)],
        kinds: [container::KIND, pod::KIND],
        context: ["info", "limitRanges"],
        rules: [NO_LIMIT, LIMIT_TOO_LARGE, LIMIT_TOO_SMALL, UNLIMITED_SWAP],
        check: check,
    }
}

parameters! {
    /// What can be set for `unlimited-memory`.
    pub struct Parameters {
        /// A limit of this many bytes or more limits nothing. The memory of the host counts where
        /// it is known and less.
        pub largest_limit: u64 = 1 << 46,
        /// The limit, in bytes, that a fix proposes where the object says nothing of its needs.
        pub proposed_limit: u64 = 512 << 20,
    }
}

const CONTROLS: &[(&str, &str)] = &[("cis-docker-1.2", "5.10"), ("cis-docker-1.6", "5.11")];

const NO_LIMIT: Rule = Rule {
    id: "no-limit",
    title: "The memory of every container is limited",
    severity: Severity::High,
    controls: CONTROLS,
    remediation: "Set what the container needs at most: docker run --memory 512m, mem_limit in Compose, docker service create --limit-memory, resources.limits.memory in a Pod.",
};

const LIMIT_TOO_LARGE: Rule = Rule {
    id: "limit-too-large",
    title: "The limit is smaller than the memory of the host",
    severity: Severity::Low,
    controls: CONTROLS,
    remediation: "Set a limit that leaves memory to the others: what the container needs at most.",
};

const LIMIT_TOO_SMALL: Rule = Rule {
    id: "limit-too-small",
    title: "The limit is one that a container can start with",
    severity: Severity::Low,
    controls: &[],
    remediation: "Set at least 6m; in Kubernetes m means thousandths of a byte, and mebibytes are Mi.",
};

const UNLIMITED_SWAP: Rule = Rule {
    id: "unlimited-swap",
    title: "The swap of a container is limited",
    severity: Severity::Low,
    controls: &[],
    remediation: "Leave --memory-swap out, or set it to the memory limit, which allows no swap.",
};

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    for rule in [&NO_LIMIT, &LIMIT_TOO_LARGE, &LIMIT_TOO_SMALL] {
        checks.pass(rule);
    }
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&pod::KIND) {
        checks.not_applicable(&UNLIMITED_SWAP, "swap is a matter of the node");
        let ranges = object.context("limitRanges")?.unwrap_or_default();
        check_pod(&root, gives_limit(&At::root(&ranges)), parameters, checks);
    } else {
        checks.pass(&UNLIMITED_SWAP);
        let info = object.context("info")?.unwrap_or_default();
        let memory = bytes(&At::root(&info).get("MemTotal"));
        check_container(&root, memory, parameters, checks);
    }
    Ok(())
}

/// The bytes at a place; none where nothing is written or it is no quantity.
fn bytes(at: &At) -> Option<i64> {
    quantity::whole(at.value()?)
}

fn check_container(
    root: &At,
    host_memory: Option<i64>,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    // The engine starts no container with less.
    const SMALLEST: i64 = 6 << 20;
    let host = root.get("HostConfig");
    let memory = host.get("Memory");
    let swap = host.get("MemorySwap");
    let limit = bytes(&memory).unwrap_or(0);
    if limit > 0 {
        let known = host_memory.filter(|memory| *memory > 0);
        let largest = known.unwrap_or(i64::MAX);
        check_size(
            &memory,
            "the container",
            SMALLEST..largest,
            parameters,
            checks,
        );
        if bytes(&swap) == Some(-1) {
            let message = "the memory is limited and the swap is not: what exceeds the limit fills the disk of the host";
            checks.fail(&UNLIMITED_SWAP, &swap, message);
        }
        return;
    }
    let effective = root.value().map(Effective::new);
    if effective.is_some_and(|effective| effective.is_unresolved("/HostConfig/Memory")) {
        let message = "the limit is a variable that has no value here";
        checks.unknown(&NO_LIMIT, &memory, message);
        return;
    }
    let parent = host.get("CgroupParent");
    if parent.text().is_some_and(|parent| !parent.is_empty()) {
        let message = "the container has no limit of its own, and whether its parent cgroup has one only the host knows";
        checks.unknown(&NO_LIMIT, &parent, message);
        return;
    }
    let reserved = bytes(&host.get("MemoryReservation")).filter(|reserved| *reserved > 0);
    let because = match (limit, reserved) {
        (..0, _) => "a negative limit is none",
        (_, Some(_)) => "a reservation is no limit",
        _ => "no limit is set",
    };
    let finding = checks.fail(
        &NO_LIMIT,
        &memory,
        format!("the container may take all memory of the host: {because}"),
    );
    // It is worse where not even the kernel may end it.
    if host.get("OomKillDisable").boolean() != Some(true) {
        finding.severity(Severity::Medium);
    }
    // What exists is changed on the engine, not in what the engine says of it.
    if !root.get("Id").exists() {
        let limit = reserved.unwrap_or(proposed(parameters));
        let patch = if host.exists() {
            json!([{"op": "add", "path": "/HostConfig/Memory", "value": limit}])
        } else {
            json!([{"op": "add", "path": "/HostConfig", "value": {"Memory": limit}}])
        };
        let title = format!("Limit the memory to {}", quantity::binary(limit));
        finding.fix(title, false, &patch);
    }
}

fn proposed(parameters: &Parameters) -> i64 {
    i64::try_from(parameters.proposed_limit).unwrap_or(i64::MAX)
}

/// Whether a limit that is set is one in fact: large enough to start with, and small enough to
/// leave something to others.
fn check_size(
    limit: &At,
    of: &str,
    bounds: Range<i64>,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    let bytes = bytes(limit).unwrap_or(0);
    let largest = i64::try_from(parameters.largest_limit).unwrap_or(i64::MAX);
    if bytes < bounds.start {
        let message = format!("{of} cannot start: its limit is {bytes} bytes");
        checks.fail(&LIMIT_TOO_SMALL, limit, message);
    } else if bytes >= largest.min(bounds.end) {
        let what = if bytes >= bounds.end {
            "the host has"
        } else {
            "is accepted"
        };
        let message = format!("the limit of {of} is as good as none: it is no less than {what}");
        checks.fail(&LIMIT_TOO_LARGE, limit, message);
    }
}

fn check_pod(pod: &At, by_default: bool, parameters: &Parameters, checks: &mut Checks) {
    let whole = pod.get("spec").get("resources").get("limits").get("memory");
    let mut judge = |limit: &At, of: &str| {
        if bytes(limit) > Some(0) {
            // No process starts with less.
            check_size(limit, of, 1 << 20..i64::MAX, parameters, checks);
        }
    };
    judge(&whole, "the Pod");
    for container in containers(pod) {
        judge(
            &own_limit(&container),
            &format!("container {}", container.name()),
        );
    }
    if bytes(&whole) > Some(0) {
        return;
    }
    let is_limited = |container: &Container| {
        let own = own_limit(container);
        if own.exists() {
            bytes(&own) > Some(0)
        } else {
            by_default && container.list != ContainerList::Ephemeral
        }
    };
    // The kubelet limits the whole Pod where each container that it starts with has a limit.
    let all = containers(pod)
        .filter(|container| container.list != ContainerList::Ephemeral)
        .all(|container| is_limited(&container));
    for container in containers(pod) {
        let is_ephemeral = container.list == ContainerList::Ephemeral;
        if is_limited(&container) || is_ephemeral && all {
            continue;
        }
        let own = own_limit(&container);
        let requested = container.at.get("resources").get("requests").get("memory");
        let because = if is_ephemeral {
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
        if !is_ephemeral {
            let needed = requested.value().filter(|_| bytes(&requested) > Some(0));
            let proposed = || quantity::binary(proposed(parameters)).into();
            let limit = needed.cloned().unwrap_or_else(proposed);
            let title = format!("Limit the memory of {name}");
            finding.fix(title, false, &limit_memory(&container.at, &limit));
        }
    }
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
