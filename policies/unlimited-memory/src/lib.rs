//! See the documentation of [`UnlimitedMemory`].

mod container;
mod pod;

use std::ops::Range;

use stridegate_policy::prelude::*;
use stridegate_policy::{quantity, shapes};

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
        kinds: [shapes::container::KIND, shapes::pod::KIND],
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
    if object.is(&shapes::pod::KIND) {
        checks.not_applicable(&UNLIMITED_SWAP, "swap is a matter of the node");
        let ranges = object.context("limitRanges")?.unwrap_or_default();
        pod::check(&root, &At::root(&ranges), parameters, checks);
    } else {
        checks.pass(&UNLIMITED_SWAP);
        let info = object.context("info")?.unwrap_or_default();
        let memory = bytes(&At::root(&info).get("MemTotal"));
        container::check(&root, memory, parameters, checks);
    }
    Ok(())
}

/// The bytes at a place; none where nothing is written or it is no quantity.
fn bytes(at: &At) -> Option<i64> {
    quantity::whole(at.value()?)
}

/// The limit that a fix proposes where nothing is known of what is needed.
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
