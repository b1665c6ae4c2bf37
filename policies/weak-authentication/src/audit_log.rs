//! Whether the API server writes down what it is asked, and how long that is kept.

use stridegate_policy::prelude::*;

use crate::Parameters;

pub(crate) const NO_AUDIT_LOG: Rule = Rule {
    id: "no-audit-log",
    title: "The audit log is written somewhere",
    severity: Severity::High,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.16"),
        ("cis-kubernetes-1.8", "1.2.17"),
        ("cis-kubernetes-1.6", "1.2.22"),
        ("cis-kubernetes-1.5", "1.2.22"),
    ],
    remediation: "Set --audit-log-path or --audit-webhook-config-file.",
};

pub(crate) const NO_AUDIT_POLICY: Rule = Rule {
    id: "no-audit-policy",
    title: "A policy says what the audit log holds",
    severity: Severity::High,
    controls: &[("cis-kubernetes-1.12", "3.2.1")],
    remediation: "Set --audit-policy-file: without one the API server logs nothing.",
};

pub(crate) const AUDIT_RETENTION: Rule = Rule {
    id: "audit-retention",
    title: "The audit log is kept for long enough, and does not fill the disk",
    severity: Severity::Medium,
    controls: &[
        ("cis-kubernetes-1.12", "1.2.17"),
        ("cis-kubernetes-1.12", "1.2.18"),
        ("cis-kubernetes-1.12", "1.2.19"),
        ("cis-kubernetes-1.8", "1.2.18"),
        ("cis-kubernetes-1.8", "1.2.19"),
        ("cis-kubernetes-1.8", "1.2.20"),
        ("cis-kubernetes-1.6", "1.2.23"),
        ("cis-kubernetes-1.6", "1.2.24"),
        ("cis-kubernetes-1.6", "1.2.25"),
        ("cis-kubernetes-1.5", "1.2.23"),
        ("cis-kubernetes-1.5", "1.2.24"),
        ("cis-kubernetes-1.5", "1.2.25"),
    ],
    remediation: "Set --audit-log-maxage=30, --audit-log-maxbackup=10 and --audit-log-maxsize=100, or more.",
};

pub(crate) fn check(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    check_audit(effective, checks);
    check_retention(effective, parameters, checks);
}

fn check_audit(effective: Effective, checks: &mut Checks) {
    checks.pass(&NO_AUDIT_LOG);
    let path = effective.flag("audit-log-path");
    let webhook = effective.flag("audit-webhook-config-file");
    let is_set = |setting: &Setting| setting.given().is_some() && setting.unknown().is_none();
    if !is_set(&path) && !is_set(&webhook) {
        let what = "whether an audit log is written";
        if !path.is_unknown(&NO_AUDIT_LOG, checks, what)
            && !webhook.is_unknown(&NO_AUDIT_LOG, checks, what)
        {
            let message = "no audit log is written, neither to a file nor to a webhook";
            checks.fail(&NO_AUDIT_LOG, &path, message);
        }
    }
    checks.pass(&NO_AUDIT_POLICY);
    let policy = effective.flag("audit-policy-file");
    let what = "whether a policy says what is logged";
    if !policy.is_unknown(&NO_AUDIT_POLICY, checks, what) && policy.given().is_none() {
        let message = "nothing is logged: --audit-policy-file is not set";
        checks.fail(&NO_AUDIT_POLICY, &policy, message);
    }
}

fn check_retention(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    let log = effective.flag("audit-log-path");
    if log.unknown().is_none() && log.given().is_none_or(|file| file == "-") {
        checks.not_applicable(&AUDIT_RETENTION, "the API server keeps no file of its own");
        return;
    }
    checks.pass(&AUDIT_RETENTION);
    for (name, unit, least) in [
        ("audit-log-maxage", "days", parameters.min_age),
        ("audit-log-maxbackup", "old files", parameters.min_backups),
        ("audit-log-maxsize", "megabytes", parameters.min_size),
    ] {
        let setting = effective.flag(name);
        let what = "how long the audit log is kept";
        if setting.is_unknown(&AUDIT_RETENTION, checks, what) {
            continue;
        }
        let size = |number| {
            if number == 0 && unit == "megabytes" {
                100
            } else {
                number
            }
        };
        let (message, severity) = match setting.integer().map(size) {
            None => (
                format!("the API server refuses to start: {name} is no number"),
                Severity::Medium,
            ),
            Some(0) => (
                format!("the audit log grows until the disk is full: {name} sets no limit"),
                Severity::Low,
            ),
            Some(number) if u64::try_from(number).unwrap_or_default() < least => (
                format!("{name} is {number} {unit}, fewer than {least}"),
                Severity::Medium,
            ),
            Some(_) => continue,
        };
        let patch = json!([{"op": "replace", "path": setting.path(), "value": least}]);
        checks
            .fail(&AUDIT_RETENTION, &setting, message)
            .severity(severity)
            .fix(format!("Keep {least} {unit}"), true, &patch);
    }
}
