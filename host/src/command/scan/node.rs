use clap::Args;

use super::super::desk::Beside;
use super::super::output::Output;
use super::super::{ConstraintArgs, Desk, PolicyArgs};
use crate::catalog::Bundled;
use crate::collect::host::this_host;
use crate::review::{Decision, Review};
use crate::source::Images;

/// Judge this node: the files and the processes of Kubernetes and Docker on it
///
/// What is judged is what stridegate facts captures. What may not be read is not judged: run it as
/// root.
#[derive(Args, Debug)]
pub(super) struct ScanNode {
    /// How to write what was found
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    constraints: ConstraintArgs,

    #[command(flatten)]
    policies: PolicyArgs,
}

impl ScanNode {
    pub(in super::super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let Desk {
            loaded,
            rulebook,
            errors,
        } = self
            .constraints
            .load(&self.policies, pack, Beside::default())?;
        let images = Images::default();
        let court = loaded.court(&rulebook, &images);
        let (name, reading) = this_host()?;
        let mut review = Review::default();
        review.files.push(court.judge(&name, reading));
        review.exceptions = court.exceptions();
        review.errors.extend(errors);
        self.output.write(&review, &loaded.catalog)?;
        Ok(review.decision())
    }
}
