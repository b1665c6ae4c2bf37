//! Whom a `NetworkPolicy` lets in to etcd.

use stridegate_policy::prelude::*;

use crate::Parameters;

pub(crate) const OPEN_NETWORK_POLICY: Rule = Rule {
    id: "open-network-policy",
    title: "A NetworkPolicy for etcd names who may reach it, and at which ports",
    severity: Severity::High,
    controls: &[],
    remediation: "Let in the API server and the other members by their labels, at 2379 and 2380 alone.",
};

pub(crate) fn check(spec: &At, parameters: &Parameters, checks: &mut Checks) {
    if !selects_etcd(&spec.get("podSelector"), parameters) {
        checks.not_applicable(&OPEN_NETWORK_POLICY, "it does not select etcd");
        return;
    }
    let (types, rules) = (spec.get("policyTypes"), spec.get("ingress"));
    if types.exists() && !types.items().any(|kind| kind.text() == Some("Ingress")) {
        if rules.items().next().is_some() {
            let message = "what the rules for etcd say has no effect: policyTypes lacks Ingress";
            checks.fail(&OPEN_NETWORK_POLICY, &types, message);
        }
        checks.not_applicable(
            &OPEN_NETWORK_POLICY,
            "it limits nobody who connects to etcd",
        );
        return;
    }
    checks.pass(&OPEN_NETWORK_POLICY);
    for rule in rules.items().filter(|rule| opens(rule, parameters)) {
        let from = rule.get("from");
        let mut open = Vec::new();
        if from.items().next().is_none() {
            let at = if from.exists() { &from } else { &rule };
            open.push((at.clone(), "everybody"));
        }
        open.extend(from.items().filter_map(|peer| whom(&peer)));
        let has_ports = rule.get("ports").items().next().is_some();
        if open.is_empty() && !has_ports {
            let message = "a rule without ports opens every port of etcd to whom it lets in";
            checks
                .fail(&OPEN_NETWORK_POLICY, &rule, message)
                .severity(Severity::Low);
        }
        for (at, whom) in open {
            checks.fail(&OPEN_NETWORK_POLICY, &at, format!("{whom} may reach etcd"));
        }
    }
}

/// Whether a selector asks for a label that marks etcd.
fn selects_etcd(selector: &At, parameters: &Parameters) -> bool {
    let labels = selector
        .get("matchLabels")
        .members()
        .map(|(_, value)| value);
    let expressions = selector.get("matchExpressions").items();
    let listed = expressions
        .filter(|expression| expression.get("operator").text() == Some("In"))
        .flat_map(|expression| expression.get("values").items().collect::<Vec<_>>());
    labels.chain(listed).any(|value| {
        let value = value.text().unwrap_or_default();
        matches_any(&parameters.labels, value)
    })
}

/// Whether a rule opens a port of etcd. Which port a name stands for is not known, but what is
/// named for metrics is none of them.
fn opens(rule: &At, parameters: &Parameters) -> bool {
    let ports: Vec<At> = rule.get("ports").items().collect();
    ports.is_empty()
        || ports.iter().any(|entry| {
            let (port, end) = (entry.get("port"), entry.get("endPort").integer());
            let is_tcp = entry.get("protocol").text().unwrap_or("TCP") == "TCP";
            let fits = match (port.integer(), port.text()) {
                (Some(first), _) => parameters.ports.iter().any(|port| {
                    i64::try_from(*port)
                        .is_ok_and(|port| (first..=end.unwrap_or(first)).contains(&port))
                }),
                (None, Some(name)) => !name.contains("metrics"),
                (None, None) => true,
            };
            is_tcp && fits
        })
}

/// Whom a peer of a rule stands for, if that is everybody.
fn whom<'a>(peer: &At<'a>) -> Option<(At<'a>, &'static str)> {
    let cidr = peer.get("ipBlock").get("cidr");
    if cidr.text().is_some_and(|cidr| cidr.ends_with("/0")) {
        return Some((cidr, "every address"));
    }
    let (pods, namespaces) = (peer.get("podSelector"), peer.get("namespaceSelector"));
    let is_all = |selector: &At| {
        selector.get("matchLabels").members().next().is_none()
            && selector.get("matchExpressions").items().next().is_none()
    };
    let all = namespaces.exists() && is_all(&namespaces) && is_all(&pods);
    all.then_some((namespaces, "every Pod of every namespace"))
}
