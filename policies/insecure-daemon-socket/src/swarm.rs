//! A request that lets the managers of a swarm give a daemon orders.

use stridegate_policy::prelude::*;

use crate::{Parameters, is_loopback};

pub(crate) const FOREIGN_MANAGER: Rule = Rule {
    id: "foreign-manager",
    title: "Nobody elsewhere starts containers here",
    severity: Severity::High,
    controls: &[],
    remediation: "Name the managers of your swarm in the parameter managers; for a swarm of this machine alone, docker swarm init --listen-addr 127.0.0.1.",
};

pub(crate) fn check(root: &At, parameters: &Parameters, checks: &mut Checks) {
    let endpoint = root.get("endpoint");
    let body = root.get("body");
    match endpoint.text().unwrap_or_default() {
        "swarm.join" => {
            checks.pass(&FOREIGN_MANAGER);
            let addresses = field(&body, "RemoteAddrs");
            let addresses: Vec<_> = addresses.iter().flat_map(At::items).collect();
            let known = |address: &At| {
                let address = address.text().unwrap_or_default();
                matches_any(&parameters.managers, address)
            };
            if addresses.is_empty() || !addresses.iter().all(known) {
                let message = "the daemon joins a swarm, whose managers start containers here that no gate of this machine sees";
                checks.fail(&FOREIGN_MANAGER, &endpoint, message);
            }
        }
        "swarm.init" => {
            checks.pass(&FOREIGN_MANAGER);
            let address = field(&body, "ListenAddr");
            let address = address
                .and_then(|address| address.text())
                .unwrap_or_default();
            if address.is_empty() || !is_loopback(address) {
                let message = "the daemon begins a swarm in which others can become managers, and start containers here that no gate of this machine sees";
                let finding = checks.fail(&FOREIGN_MANAGER, &endpoint, message);
                finding.severity(Severity::Medium);
            }
        }
        "node.update" => {
            checks.pass(&FOREIGN_MANAGER);
            let role = field(&body, "Role").filter(|role| {
                let role = role.text().unwrap_or_default();
                !role.eq_ignore_ascii_case("worker")
            });
            if let Some(role) = role {
                let message = "another node becomes a manager, and starts containers here that no gate of this machine sees";
                checks.fail(&FOREIGN_MANAGER, &role, message);
            }
        }
        _ => checks.not_applicable(
            &FOREIGN_MANAGER,
            "the request is about no manager of a swarm",
        ),
    }
}

/// A field of a body. One in letters that only Go takes for these is missed, which reads as absent:
/// what is absent is never what is accepted.
fn field<'a>(body: &At<'a>, name: &str) -> Option<At<'a>> {
    let mut members = body.members();
    let found = members.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}
