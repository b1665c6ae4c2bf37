//! See the documentation of [`LogLevel`].

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::daemon;

policy! {
    /// A Docker daemon that logs too little, or too much
    ///
    /// Judges the level that dockerd logs at, whether a flag, daemon.json or nobody sets it; nobody
    /// means `info`. Not judged are what containers log (`log-driver`, `log-opts`) and the level
    /// of containerd.
    ///
    /// Above `info` the daemon no longer says what it was asked to do, and who pulled, ran or
    /// removed something can deny it. Below, its log holds the bodies of requests, and debug mode
    /// also opens its profiler to everyone who may speak to it.
    ///
    /// ## Example
    ///
    /// ```json daemon.json
    /// {
    ///   "log-level": "error"
    /// }
    /// ```
    ///
    /// ## Instead
    ///
    /// ```json daemon.json
    /// {
    ///   "log-level": "info"
    /// }
    /// ```
    ///
    /// ## References
    ///
    /// - <https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file>
    /// - <https://docs.docker.com/engine/daemon/logs/>
    LogLevel {
        parameters: Parameters,
        threats: [(DOCKER, Category::Repudiation)],
        kinds: [daemon::KIND],
        context: [],
        rules: [NOT_INFO, DEBUG, CONFLICT, INVALID_LEVEL],
        check: check,
    }
}

parameters! {
    /// What can be set for `log-level`.
    pub struct Parameters {
        /// The levels that are accepted: panic, fatal, error, warn, info, debug or trace.
        pub levels: Vec<String> = vec!["info".into()],
    }
}

const CONTROLS: &[(&str, &str)] = &[("cis-docker-1.2", "2.2"), ("cis-docker-1.6", "2.3")];

const NOT_INFO: Rule = Rule {
    id: "not-info",
    title: "The daemon logs at the level info",
    severity: Severity::Medium,
    controls: CONTROLS,
    remediation: "Set \"log-level\": \"info\" in daemon.json, or leave the level out everywhere.",
};

const DEBUG: Rule = Rule {
    id: "debug",
    title: "The daemon is not in debug mode",
    severity: Severity::Medium,
    controls: CONTROLS,
    remediation: "Remove \"debug\" from daemon.json and -D from the flags; debug mode outweighs the level.",
};

const CONFLICT: Rule = Rule {
    id: "conflict",
    title: "Level and debug mode are set in one place only",
    severity: Severity::Medium,
    controls: CONTROLS,
    remediation: "Remove either the flag or the key of daemon.json: with both, dockerd refuses to start.",
};

const INVALID_LEVEL: Rule = Rule {
    id: "invalid-level",
    title: "The level is one that dockerd knows",
    severity: Severity::Medium,
    controls: CONTROLS,
    remediation: "Write panic, fatal, error, warn, info, debug or trace: with any other, dockerd refuses to start.",
};

const LEVELS: [&str; 7] = ["panic", "fatal", "error", "warn", "info", "debug", "trace"];

fn check(object: &Object, parameters: &Parameters, checks: &mut Checks) -> Result<(), Refusal> {
    for rule in [&NOT_INFO, &DEBUG, &CONFLICT, &INVALID_LEVEL] {
        checks.pass(rule);
    }
    let document = object.document()?;
    let root = At::root(&document);
    let effective = Effective::new(&document);
    check_level(effective, parameters, checks);
    check_debug(effective, parameters, checks);
    for conflict in root.get("conflicts").items() {
        if let Some(key @ ("log-level" | "debug")) = conflict.get("key").text() {
            let message =
                format!("{key} is set by a flag and in daemon.json, and dockerd refuses to start");
            checks
                .fail(&CONFLICT, &conflict, message)
                .related(format!("/{key}"), "in daemon.json");
        }
    }
    Ok(())
}

fn check_level(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    let at = effective.get("/log-level");
    let written = at.text().unwrap_or_default();
    // The daemon does not look at the case.
    let level = written.to_ascii_lowercase();
    let accepted = parameters
        .levels
        .iter()
        .any(|accepted| accepted.eq_ignore_ascii_case(&level));
    if !LEVELS.contains(&level.as_str()) {
        let message = format!(
            "dockerd knows no level {} and refuses to start",
            shown(written)
        );
        checks.fail(&INVALID_LEVEL, &at, message);
    } else if !accepted {
        let message = match level.as_str() {
            "info" => "the daemon logs at info, which is not among the accepted levels".to_owned(),
            "debug" | "trace" => {
                format!("the daemon logs at {level}, and with it what requests hold")
            }
            _ => format!(
                "the daemon logs at {level}, so that what it was asked to do leaves no trace"
            ),
        };
        let severity = if level == "warn" {
            Severity::Low
        } else {
            Severity::Medium
        };
        checks.fail(&NOT_INFO, &at, message).severity(severity);
    } else if let Some(variable) = effective.may_be_set_by("/log-level") {
        let message = format!(
            "{} may set the level, and its value is not at hand",
            shown(variable.text().unwrap_or_default())
        );
        checks.unknown(&NOT_INFO, &variable, message);
    }
}

fn check_debug(effective: Effective, parameters: &Parameters, checks: &mut Checks) {
    let at = effective.get("/debug");
    let accepted = parameters
        .levels
        .iter()
        .any(|level| level.eq_ignore_ascii_case("debug"));
    if at.boolean() == Some(true) && !accepted {
        let message = "debug mode is on, whatever the level: the log holds what requests hold, and the profiler is open";
        checks.fail(&DEBUG, &at, message);
    } else if let Some(variable) = effective.may_be_set_by("/debug").filter(|_| !accepted) {
        let message = format!(
            "{} may turn debug mode on, and its value is not at hand",
            shown(variable.text().unwrap_or_default())
        );
        checks.unknown(&DEBUG, &variable, message);
    }
}

/// A word as a message may show it: what is long or odd is not repeated.
fn shown(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    if !word.is_empty() && word.len() <= 40 && word.chars().all(plain) {
        word.to_owned()
    } else {
        "(not shown)".to_owned()
    }
}
