use std::fmt::Write as _;
use std::io::Write as _;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::PolicyArgs;
use crate::catalog::{Bundled, Catalog};
use crate::engine::contract::Kind;
use crate::policy::Policy;
use crate::review::{Decision, category};

/// List the policies that are loaded
#[derive(Args, Debug)]
pub(super) struct Policies {
    /// How to write the list
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    policies: PolicyArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// A line for each policy
    Text,
    /// A JSON array with everything that the policies say of themselves
    Json,
    /// The table of the README
    Markdown,
}

impl Policies {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let loaded = self.policies.load(pack)?;
        let text = match self.output {
            Output::Text => lines(&loaded.catalog),
            Output::Json => serde_json::to_string_pretty(&everything(&loaded.catalog))? + "\n",
            Output::Markdown => markdown(&loaded.catalog),
        };
        anstream::stdout().write_all(text.as_bytes())?;
        Ok(loaded.say_errors())
    }
}

fn lines(catalog: &Catalog) -> String {
    catalog.policies().fold(String::new(), |mut text, policy| {
        let description = &policy.description;
        let _ = writeln!(
            text,
            "{:<28} {:<8} {:<10} {}",
            description.id, description.version, policy.origin, description.title
        );
        text
    })
}

fn everything(catalog: &Catalog) -> serde_json::Value {
    let entries = catalog.policies().map(|policy| {
        json!({"origin": policy.origin, "digest": format!("sha256:{}", policy.digest), "description": policy.description})
    });
    entries.collect()
}

/// The policies as the README lists them.
pub(super) fn markdown(catalog: &Catalog) -> String {
    let head = "| policy | what it finds | threats | judges | rules |\n|---|---|---|---|---|\n";
    catalog
        .policies()
        .fold(head.to_owned(), |mut text, policy| {
            let description = &policy.description;
            let rules: Vec<String> = description
                .rules
                .iter()
                .map(|rule| format!("`{}`", rule.id))
                .collect();
            let kinds: Vec<String> = description.kinds.iter().map(kind).collect();
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {} |",
                description.id,
                description.title,
                threats(policy).join(", "),
                kinds.join(", "),
                rules.join(", ")
            );
            text
        })
}

/// The threats that a policy answers, as "platform: category".
pub(super) fn threats(policy: &Policy) -> Vec<String> {
    let threats = policy.description.threats.iter();
    threats
        .map(|threat| {
            format!(
                "{}: {}",
                threat.platform,
                category(threat.category).replace('-', " ")
            )
        })
        .collect()
}

/// A kind as a user knows it.
pub(super) fn kind(kind: &Kind) -> String {
    stridegate_shapes::Kind::new(kind.group.as_str(), kind.name.as_str()).to_string()
}
