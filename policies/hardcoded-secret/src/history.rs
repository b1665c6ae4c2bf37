//! What the history of an image tells of how it was built.

use std::collections::BTreeSet;

use stridegate_policy::history as steps;
use stridegate_policy::prelude::*;
use stridegate_policy::secret;

use crate::BUILD_ARGUMENT;
use crate::instruction::secret_files;
use crate::review::Review;

impl Review<'_> {
    /// What the history of an image holds and its config does not say any more.
    pub(crate) fn history(&mut self, root: &At) {
        for step in steps(root) {
            let mut here = Review::new(self.search);
            here.look(&secret::written_in_step(&step));
            here.unset_arguments(&step);
            if let "COPY" | "ADD" = step.keyword {
                here.history_files(&step);
            }
            let secrets = self.found.iter().map(|found| found.secret.clone());
            let known: BTreeSet<String> = secrets.filter(|secret| !secret.is_empty()).collect();
            let mut news = here.found;
            news.retain(|found| !known.contains(&found.secret));
            self.found.extend(news);
        }
    }

    /// A build argument in a history that has no default and takes a secret.
    fn unset_arguments(&mut self, step: &Step) {
        for (name, value) in step.pairs() {
            let is_unset = value.is_none_or(|value| value.is_empty());
            if step.keyword == "ARG" && is_unset && self.is_secret(name) {
                let name = secret::shown(name);
                let message =
                    format!("the image was built with the argument {name}, which takes a secret");
                self.add_place(&BUILD_ARGUMENT, step.at.path().to_owned(), message);
            }
        }
    }

    /// The files that a COPY or ADD of a history took, as far as their names are kept.
    fn history_files(&mut self, step: &Step) {
        let words: Vec<&str> = step
            .text
            .split_ascii_whitespace()
            .filter(|word| !word.starts_with("--") && *word != "in")
            .collect();
        let Some((target, sources)) = words.split_last() else {
            return;
        };
        for (_, holds) in secret_files(sources, target) {
            self.secret_file(step.keyword, holds, step.at.path().to_owned());
        }
    }
}
