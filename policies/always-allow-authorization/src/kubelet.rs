//! Whether a kubelet lets every request pass.

use stridegate_policy::prelude::*;

use crate::{ALWAYS_ALLOW, OPEN, report_unknown};

const MODES: [&str; 2] = [OPEN, "Webhook"];

pub(crate) fn check(mode: &Setting, checks: &mut Checks) {
    let what = "whether the kubelet lets every request pass";
    if mode.is_unknown(&ALWAYS_ALLOW, checks, what) {
        return;
    }
    let text = mode.text().unwrap_or_default();
    if text == OPEN {
        let by = mode.by_default();
        let message =
            format!("the kubelet lets every request pass: its authorization mode is {OPEN}{by}");
        let patch = json!([{"op": "replace", "path": mode.path(), "value": "Webhook"}]);
        checks.fail(&ALWAYS_ALLOW, mode, message).fix(
            "Ask the API server about each request",
            false,
            &patch,
        );
    } else if !MODES.contains(&text) {
        report_unknown(mode, text, &MODES, checks);
    }
}
