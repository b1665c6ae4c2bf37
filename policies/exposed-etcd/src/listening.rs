//! Where etcd listens, and whether in plain text.

use stridegate_policy::prelude::*;

use crate::transport::is_single;
use crate::{PLAIN_URL, are_known, is_encrypted, url};

pub(crate) const ALL_ADDRESSES: Rule = Rule {
    id: "all-addresses",
    title: "etcd does not listen on all addresses of its host",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Name the address that the API server uses, and 127.0.0.1.",
};

pub(crate) const PUBLIC_METRICS: Rule = Rule {
    id: "public-metrics",
    title: "Metrics without TLS stay on the host",
    severity: Severity::Low,
    controls: &[],
    remediation: "Listen on http://127.0.0.1:2381, or on https, which asks for certificates.",
};

/// The flags that say where etcd listens for clients and peers.
const LISTENING: [&str; 3] = [
    "listen-client-urls",
    "listen-client-http-urls",
    "listen-peer-urls",
];

/// The flags that say where others are sent.
const ANNOUNCED: [&str; 2] = ["advertise-client-urls", "initial-advertise-peer-urls"];

pub(crate) fn check(effective: Effective, on_host: bool, checks: &mut Checks) {
    check_schemes(effective, checks);
    if on_host {
        check_addresses(effective, checks);
    } else {
        checks.not_applicable(&ALL_ADDRESSES, "all addresses are those of the Pod");
    }
    check_metrics(effective, checks);
}

fn check_schemes(effective: Effective, checks: &mut Checks) {
    let names = [&LISTENING[..], &ANNOUNCED].concat();
    // Of a URL that a variable completes the scheme is written.
    let untold = names.iter().copied().filter(|name| {
        let flag = effective.flag(name);
        let is_written = !flag.is_default() && flag.items().next().is_some();
        !is_written || flag.items().any(|at| !is_encrypted(&url(&at)))
    });
    let untold: Vec<&str> = untold.collect();
    if !are_known(&untold, effective, &PLAIN_URL, checks) {
        return;
    }
    let is_single = is_single(effective);
    for name in names {
        let flag = effective.flag(name);
        let is_announced = ANNOUNCED.contains(&name);
        // What it announces by default follows from where it listens by default.
        if is_announced && flag.is_default() {
            continue;
        }
        let has_other = flag.items().any(|at| is_encrypted(&url(&at)));
        for at in flag.items() {
            let url = url(&at);
            let is_for_nobody = is_single && name.contains("peer") && url.is_loopback();
            if is_encrypted(&url) || is_for_nobody {
                continue;
            }
            let message = match (is_announced, flag.is_default()) {
                (true, _) => format!("etcd sends others to {}, without TLS", url.shown),
                (false, true) => format!("etcd listens without TLS by default: {}", url.shown),
                (false, false) => format!("etcd listens without TLS at {}", url.shown),
            };
            let finding = checks.fail(&PLAIN_URL, &at, message);
            if is_announced || url.is_loopback() {
                finding.severity(Severity::Medium);
            }
            if has_other {
                let patch = json!([{"op": "remove", "path": at.path()}]);
                finding.fix("Remove this URL", false, &patch);
            }
        }
    }
}

fn check_addresses(effective: Effective, checks: &mut Checks) {
    if !are_known(&LISTENING, effective, &ALL_ADDRESSES, checks) {
        return;
    }
    for at in LISTENING
        .iter()
        .flat_map(|name| effective.flag(name).items())
    {
        let url = url(&at);
        let is_socket = url.has_scheme("unix") || url.has_scheme("unixs");
        if url.is_everywhere() && !is_socket {
            let message = format!("etcd listens on all addresses of its host: {}", url.shown);
            checks.fail(&ALL_ADDRESSES, &at, message);
        }
    }
}

fn check_metrics(effective: Effective, checks: &mut Checks) {
    const FLAG: &str = "listen-metrics-urls";
    if !are_known(&[FLAG], effective, &PUBLIC_METRICS, checks) {
        return;
    }
    for at in effective.flag(FLAG).items() {
        let url = url(&at);
        if !is_encrypted(&url) && !url.is_loopback() {
            let message = format!("everybody may read the metrics of etcd at {}", url.shown);
            checks.fail(&PUBLIC_METRICS, &at, message);
        }
    }
}
