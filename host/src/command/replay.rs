use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::{ConstraintPaths, PolicyPaths, say};
use crate::catalog::Bundled;
use crate::engine::{Engine, Limits};
use crate::gateway::replay::{Replayed, replay};
use crate::gateway::{Recipe, Record};
use crate::report::line;
use crate::review::Decision;

/// Say which past decisions of a gate other constraints would change
///
/// The exit code is 1 if there is one.
#[derive(Args, Debug)]
pub(super) struct Replay {
    /// The log of decisions of stridegate serve; - is standard input
    #[arg(value_name = "FILE")]
    log: PathBuf,

    #[command(flatten)]
    constraints: ConstraintPaths,

    #[command(flatten)]
    policies: PolicyPaths,

    /// How to write what would change
    #[arg(short, long, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// A line for each decision that would change, for people
    Text,
    /// A JSON object for each, for programs
    Json,
}

impl Replay {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let engine = Engine::new(1, Limits::default())?;
        let recipe = self
            .policies
            .recipe(pack, &self.constraints, Recipe::default());
        let set = match recipe.make(&engine, None) {
            Ok(set) => set,
            Err(wrong) => {
                for wrong in wrong {
                    say(&format!("error: {wrong}"));
                }
                return Ok(Decision::Failed);
            }
        };
        let shown = self.log.display().to_string();
        let input: Box<dyn BufRead> = if shown == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            let file = std::fs::File::open(&self.log)
                .with_context(|| format!("{shown} cannot be read"))?;
            Box::new(BufReader::new(file))
        };
        let mut output = BufWriter::new(anstream::stdout().lock());
        let (mut number, mut changed, mut untold) = (0, 0, 0);
        for (index, text) in input.lines().enumerate() {
            let text = text.with_context(|| format!("{shown} cannot be read"))?;
            if text.trim().is_empty() {
                continue;
            }
            let record: Record = serde_json::from_str(&text).with_context(|| {
                format!(
                    "{shown}:{}: is no decision; it is a line that stridegate serve wrote",
                    index + 1
                )
            })?;
            number += 1;
            let replayed = replay(&record, &set, &engine);
            match replayed {
                Replayed::Same => {}
                Replayed::Other(..) => changed += 1,
                Replayed::Untold(_) => untold += 1,
            }
            write_one(&mut output, self.output, &record, &replayed)?;
        }
        output.flush()?;
        ensure!(number > 0, "{shown} holds no decision");
        say(&format!(
            "{number} decisions: {changed} would change, {untold} cannot be told"
        ));
        Ok(if changed > 0 {
            Decision::Denied
        } else {
            Decision::Clean
        })
    }
}

fn write_one(
    output: &mut impl Write,
    kind: Output,
    record: &Record,
    replayed: &Replayed,
) -> anyhow::Result<()> {
    let (decision, reason) = match replayed {
        Replayed::Same => return Ok(()),
        Replayed::Other(decision, reason) => (*decision, reason.clone()),
        Replayed::Untold(why) => ("unknown", Some((*why).to_owned())),
    };
    let written = match kind {
        Output::Json => writeln!(
            output,
            "{}",
            json!({
                "time": record.time,
                "id": record.id,
                "user": record.user,
                "endpoint": record.endpoint,
                "object": record.object,
                "decision": record.decision,
                "replayed": decision,
                "reason": reason,
            })
        ),
        Output::Text => {
            let object = record
                .object
                .as_ref()
                .map(|object| format!(" {} {}", object.kind, object.name));
            let user = record.user.as_ref().map(|user| format!(" by {user}"));
            let said = format!(
                "{} {}{}{}: {} -> {decision}{}",
                record.time,
                record.endpoint,
                object.unwrap_or_default(),
                user.unwrap_or_default(),
                record.decision,
                reason
                    .map(|reason| format!(": {reason}"))
                    .unwrap_or_default()
            );
            writeln!(output, "{}", line(&said))
        }
    };
    written.context("what would change cannot be written")
}
