//! The memory of a container of Docker's.

use stridegate_policy::prelude::*;
use stridegate_policy::quantity;

use crate::{NO_LIMIT, Parameters, UNLIMITED_SWAP, bytes, check_size, proposed};

/// The engine starts no container with less.
const SMALLEST: i64 = 6 << 20;

pub(crate) fn check(
    root: &At,
    host_memory: Option<i64>,
    parameters: &Parameters,
    checks: &mut Checks,
) {
    let host = root.get("HostConfig");
    let memory = host.get("Memory");
    if bytes(&memory) > Some(0) {
        let known = host_memory.filter(|memory| *memory > 0);
        let sizes = SMALLEST..known.unwrap_or(i64::MAX);
        check_size(&memory, "the container", sizes, parameters, checks);
        check_swap(&host.get("MemorySwap"), checks);
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
    report_no_limit(root, parameters, checks);
}

fn check_swap(swap: &At, checks: &mut Checks) {
    if bytes(swap) == Some(-1) {
        let message = "the memory is limited and the swap is not: what exceeds the limit fills the disk of the host";
        checks.fail(&UNLIMITED_SWAP, swap, message);
    }
}

fn report_no_limit(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let host = root.get("HostConfig");
    let memory = host.get("Memory");
    let reserved = bytes(&host.get("MemoryReservation")).filter(|reserved| *reserved > 0);
    let because = if bytes(&memory).is_some_and(|bytes| bytes < 0) {
        "a negative limit is none"
    } else if reserved.is_some() {
        "a reservation is no limit"
    } else {
        "no limit is set"
    };
    let message = format!("the container may take all memory of the host: {because}");
    let finding = checks.fail(&NO_LIMIT, &memory, message);
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
