use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use serde_json::Value;

use super::{PolicyArgs, policies};
use crate::catalog::Bundled;
use crate::policy::Policy;
use crate::review::{Decision, severity};

/// Explain a policy: what it finds and why, its rules, controls and parameters
#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The name of the policy
    policy: String,

    #[command(flatten)]
    policies: PolicyArgs,
}

impl Explain {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let loaded = self.policies.load(pack)?;
        let text = explain(loaded.policy(&self.policy)?);
        anstream::stdout().write_all(text.as_bytes())?;
        Ok(loaded.say_errors())
    }
}

fn explain(policy: &Policy) -> String {
    let description = &policy.description;
    let kinds: Vec<String> = description.kinds.iter().map(policies::kind).collect();
    let mut text = format!(
        "# {} {}: {}\n\n",
        description.id, description.version, description.title
    );
    let _ = writeln!(text, "{}\n", description.documentation.trim());
    let _ = writeln!(text, "## Judges\n\n{}\n", kinds.join(", "));
    let _ = writeln!(
        text,
        "## Threats\n\n{}\n\n## Rules\n",
        policies::threats(policy).join("\n")
    );
    for rule in &description.rules {
        let controls: Vec<String> = rule
            .controls
            .iter()
            .map(|control| format!("{} {}", control.benchmark, control.id))
            .collect();
        let _ = writeln!(
            text,
            "{} ({}): {}",
            rule.id,
            severity(rule.severity),
            rule.title
        );
        let _ = writeln!(text, "    instead: {}", rule.remediation);
        if !controls.is_empty() {
            let _ = writeln!(text, "    controls: {}", controls.join(", "));
        }
    }
    let schema: Value = serde_json::from_str(&description.parameters).unwrap_or_default();
    text += "\n## Parameters\n\n";
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let about = property
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let default = property.get("default").unwrap_or(&Value::Null);
        let _ = writeln!(text, "{name}: {about}\n    default: {default}");
    }
    if properties.is_none_or(serde_json::Map::is_empty) {
        text += "none\n";
    }
    text
}
