//! The cipher suites that are accepted.

use stridegate_policy::prelude::*;
use stridegate_policy::secret::shown;

use crate::list::{CHACHA20, GCM, KNOWN};

pub(crate) const WEAK_CIPHER: Rule = Rule {
    id: "weak-cipher",
    title: "Every cipher suite that is accepted is a strong one",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.29"),
        ("cis-kubernetes-1.12", "4.2.12"),
        ("cis-kubernetes-1.8", "1.2.30"),
        ("cis-kubernetes-1.6", "1.2.35"),
        ("cis-kubernetes-1.6", "4.2.13"),
        ("cis-kubernetes-1.5", "1.2.35"),
        ("cis-kubernetes-1.5", "4.2.13"),
        ("disa-stig-kubernetes", "CNTR-K8-001400"),
    ],
    remediation: "List ECDHE suites with AES-GCM or CHACHA20 only, or set the oldest version to TLS 1.3.",
};

pub(crate) const UNKNOWN_CIPHER: Rule = Rule {
    id: "unknown-cipher",
    title: "Each cipher suite is one that the program knows",
    severity: Severity::Medium,
    controls: &[],
    remediation: "Write the suite as Go names it, in upper case and without blanks: with any other name the program refuses to start.",
};

pub(crate) const NO_LIST: Rule = Rule {
    id: "no-list",
    title: "The cipher suites are listed, where that is required",
    severity: Severity::Low,
    controls: WEAK_CIPHER.controls,
    remediation: "List the suites, or set the oldest version to TLS 1.3.",
};

pub(crate) fn check(suites: &Setting, lists: &[&[&str]], checks: &mut Checks) {
    checks.pass(&WEAK_CIPHER);
    checks.pass(&UNKNOWN_CIPHER);
    let what = "which cipher suites are accepted";
    if suites.is_unknown(&WEAK_CIPHER, checks, what) {
        checks.unknown(&UNKNOWN_CIPHER, suites, format!("{what} is not known"));
        return;
    }
    let is_listed = |name: &&str| lists.iter().any(|list| list.contains(name));
    let names = suites.items().filter_map(|item| item.text());
    let mut strong: Vec<&str> = names.filter(is_listed).collect();
    if strong.is_empty() {
        strong = GCM.to_vec();
    }
    for suite in suites.items() {
        let name = suite.text().unwrap_or_default();
        if is_listed(&name) {
            continue;
        }
        if KNOWN.iter().any(|list| list.contains(&name)) {
            let (why, severity) = weakness(name);
            let patch = json!([{"op": "replace", "path": suites.path(), "value": strong}]);
            checks
                .fail(&WEAK_CIPHER, &suite, format!("{name} is accepted: {why}"))
                .severity(severity)
                .fix("Keep the strong ones", false, &patch);
        } else {
            report_unknown(&suite, name, checks);
        }
    }
}

/// Reports a suite that the program does not know, and offers the one that was meant.
fn report_unknown(suite: &At, name: &str, checks: &mut Checks) {
    let upper = name.trim().to_ascii_uppercase();
    let mut known = KNOWN.iter().copied().flatten();
    let Some(meant) = known.find(|known| **known == upper) else {
        let name = shown(name);
        let message = format!("the program refuses to start: it knows no cipher suite {name}");
        checks.fail(&UNKNOWN_CIPHER, suite, message);
        return;
    };
    let message = format!(
        "the program refuses to start: it knows {meant} only as it is written here, upper case and without blanks"
    );
    let patch = json!([{"op": "replace", "path": suite.path(), "value": meant}]);
    checks
        .fail(&UNKNOWN_CIPHER, suite, message)
        .fix(format!("Write {meant}"), true, &patch);
}

/// Whether suites are listed at all, where they have to be.
pub(crate) fn check_presence(suites: &Setting, is_required: bool, checks: &mut Checks) {
    checks.pass(&NO_LIST);
    let what = "whether the cipher suites are listed";
    if is_required && suites.items().next().is_none() && !suites.is_unknown(&NO_LIST, checks, what)
    {
        let strong = [GCM, CHACHA20].concat();
        let patch = json!([{"op": "replace", "path": suites.path(), "value": strong}]);
        checks
            .fail(&NO_LIST, suites, "no cipher suites are listed")
            .fix("List the strong ones", false, &patch);
    }
}

/// Why a suite is not on the list.
fn weakness(name: &str) -> (&'static str, Severity) {
    if name.contains("_RC4_") {
        ("RC4 is broken", Severity::High)
    } else if name.contains("_3DES_") {
        ("3DES is broken by long connections", Severity::High)
    } else if name.starts_with("TLS_RSA_") {
        (
            "who gets the key later can read what was said before",
            Severity::Medium,
        )
    } else if name.contains("_CBC_") {
        (
            "CBC has been broken by its padding again and again",
            Severity::Medium,
        )
    } else {
        ("the benchmark does not list it", Severity::Low)
    }
}
