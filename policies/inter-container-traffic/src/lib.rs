//! See the documentation of [`InterContainerTraffic`].

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::{daemon, flags, network};

policy! {
    /// A default bridge on which every container reaches every other
    ///
    /// Judges whether containers on the network that they get if nobody names one can speak to
    /// each other: by what the daemon runs with, and by the network itself, which is the truth of
    /// a running engine. `icc: false` is enforced by rules of the firewall, so that it means
    /// nothing where the daemon may not write them.
    ///
    /// Whoever takes over one container on the default bridge sees the ports of all others, with
    /// databases and dashboards that were never published, and can listen in on what they say.
    ///
    /// On networks that users make, containers are together because somebody put them together;
    /// the daemon's `icc` does not hold there. `userDefinedBridges` judges these as well. Not
    /// judged are the exceptions that `--link` makes between two containers, overlay networks,
    /// and rules of the firewall that others wrote.
    ///
    /// From outside is used `context.daemon`: the `docker/DaemonConfig` of a network's engine.
    ///
    /// ## Example
    ///
    /// ```json daemon.json
    /// {
    ///   "log-level": "info"
    /// }
    /// ```
    ///
    /// ## Instead
    ///
    /// ```json daemon.json
    /// {
    ///   "icc": false
    /// }
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/engine/network/drivers/bridge/>
    /// - <https://docs.docker.com/engine/network/packet-filtering-firewalls/>
    InterContainerTraffic {
        parameters: Parameters,
        threats: [(DOCKER, Category::InformationDisclosure)],
        kinds: [daemon::KIND, network::KIND],
        context: ["daemon"],
        rules: [DEFAULT_BRIDGE, NOT_ENFORCED, USER_DEFINED_BRIDGE],
        check: check,
    }
}

parameters! {
    /// What can be set for `inter-container-traffic`.
    pub struct Parameters {
        /// Whether bridges that users made are judged, too, as soon as two containers are on one.
        pub user_defined_bridges: bool = false,
    }
}

const CONTROLS: &[(&str, &str)] = &[("cis-docker-1.2", "2.1"), ("cis-docker-1.6", "2.2")];

const DEFAULT_BRIDGE: Rule = Rule {
    id: "default-bridge",
    title: "Containers on the default bridge do not reach each other",
    severity: Severity::Medium,
    controls: CONTROLS,
    remediation: "Set \"icc\": false in daemon.json and restart the daemon; put containers that need each other on a network of their own.",
};

const NOT_ENFORCED: Rule = Rule {
    id: "not-enforced",
    title: "The daemon may write the rules of the firewall that keep containers apart",
    severity: Severity::Medium,
    controls: &[
        ("cis-docker-1.2", "2.1"),
        ("cis-docker-1.2", "2.3"),
        ("cis-docker-1.6", "2.2"),
        ("cis-docker-1.6", "2.4"),
    ],
    remediation: "Leave iptables and ip6tables on: without them \"icc\": false does nothing.",
};

const USER_DEFINED_BRIDGE: Rule = Rule {
    id: "user-defined-bridge",
    title: "Containers on a bridge that a user made do not reach each other",
    severity: Severity::Info,
    controls: &[],
    remediation: "Make the network with --opt com.docker.network.bridge.enable_icc=false, or give each pair of containers that belong together a network of its own.",
};

const ENABLE_ICC: &str = "com.docker.network.bridge.enable_icc";

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    let document = object.document()?;
    let root = At::root(&document);
    if object.is(&network::KIND) {
        let daemon = object.context("daemon")?.unwrap_or_default();
        check_network(&root, &At::root(&daemon), parameters, checks);
    } else {
        checks.not_applicable(&USER_DEFINED_BRIDGE, "the daemon does not decide over it");
        check_daemon(&root, Effective::new(&document), checks);
    }
    Ok(())
}

fn check_daemon(root: &At, effective: Effective, checks: &mut Checks) {
    let bridge = root.get("bridge");
    if bridge.text() == Some("none") {
        for rule in [&DEFAULT_BRIDGE, &NOT_ENFORCED] {
            checks.not_applicable(rule, "there is no default bridge");
        }
        return;
    }
    checks.pass(&DEFAULT_BRIDGE);
    let icc = root.get("icc");
    if icc.boolean() != Some(false) {
        checks.not_applicable(&NOT_ENFORCED, "nothing is to be enforced");
        if let Some(variable) = effective.may_be_set_by("/icc") {
            let message =
                "a variable on the command line may set icc, and its value is not at hand";
            checks.unknown(&DEFAULT_BRIDGE, &variable, message);
            return;
        }
        let by_default = if effective.is_default("/icc") {
            ", which is the default"
        } else {
            ""
        };
        let message = format!(
            "every container on the default bridge reaches every other: icc is true{by_default}"
        );
        let patch = json!([{"op": "add", "path": "/icc", "value": false}]);
        let finding = checks.fail(&DEFAULT_BRIDGE, &icc, message);
        finding.fix("Keep containers on the default bridge apart", false, &patch);
        return;
    }
    checks.pass(&NOT_ENFORCED);
    for firewall in unenforced(root) {
        let message =
            "icc is false, but the daemon may not write the rules that keep containers apart";
        let patch = json!([{"op": "add", "path": firewall.path(), "value": true}]);
        let finding = checks.fail(&NOT_ENFORCED, &firewall, message);
        finding.fix("Let the daemon write the rules", false, &patch);
    }
}

/// What keeps a daemon from enforcing that containers are apart.
fn unenforced<'a>(daemon: &At<'a>) -> impl Iterator<Item = At<'a>> + use<'a> {
    let is_off = |key: &str| daemon.get(key).boolean() == Some(false);
    let by_v6 = is_off("ip6tables") && daemon.get("ipv6").boolean() == Some(true);
    let off = [("iptables", is_off("iptables")), ("ip6tables", by_v6)];
    let daemon = daemon.clone();
    let off = off.into_iter().filter(|(_, off)| *off);
    off.map(move |(key, _)| daemon.get(key))
}

fn check_network(root: &At, daemon: &At, parameters: &Parameters, checks: &mut Checks) {
    let options = root.get("Options");
    let enable = options.get(ENABLE_ICC);
    let is_bridge = root.get("Driver").text() == Some("bridge");
    let is_default = option(&options, "com.docker.network.bridge.default_bridge") == Some(true)
        || root.get("Name").text() == Some("bridge");
    let containers = root.get("Containers").members().count();
    // The driver takes what it cannot read for its default.
    let apart = option(&options, ENABLE_ICC) == Some(false);
    if !is_bridge || !is_default {
        for rule in [&DEFAULT_BRIDGE, &NOT_ENFORCED] {
            checks.not_applicable(rule, "it is not the default bridge");
        }
        if !is_bridge || !parameters.user_defined_bridges {
            let reason = "what users put on a network of their own belongs together";
            checks.not_applicable(&USER_DEFINED_BRIDGE, reason);
            return;
        }
        checks.pass(&USER_DEFINED_BRIDGE);
        if !apart && containers > 1 {
            let message = format!("{containers} containers on this network reach each other");
            checks.fail(&USER_DEFINED_BRIDGE, &enable, message);
        }
        return;
    }
    checks.not_applicable(&USER_DEFINED_BRIDGE, "it is the default bridge");
    checks.pass(&DEFAULT_BRIDGE);
    if !apart {
        checks.not_applicable(&NOT_ENFORCED, "nothing is to be enforced");
        let is_empty = root.get("Containers").exists() && containers == 0;
        let message = "every container on the default bridge reaches every other";
        let severity = if is_empty {
            Severity::Low
        } else {
            Severity::Medium
        };
        checks
            .fail(&DEFAULT_BRIDGE, &enable, message)
            .severity(severity);
        return;
    }
    checks.pass(&NOT_ENFORCED);
    if unenforced(daemon).next().is_some() {
        let message = "containers are to be apart, but the daemon may not write the rules for it";
        checks.fail(&NOT_ENFORCED, &enable, message);
    }
}

/// The value of a driver's option, which is written as text; none if it is no boolean.
fn option(options: &At, key: &str) -> Option<bool> {
    flags::boolean(options.get(key).text()?)
}
