//! What careful teams write, in `testdata/silent`: no policy finds anything in it with its defaults.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use stridegate::engine::contract::Verdict;
use stridegate::review::Answer;
use stridegate::source;

use super::{World, cases, root, trial};

/// Questions that no object of their kind answers by itself, however it is written: who signed an
/// image, what stands in the file that a flag names, and what rights the container has that a
/// command goes into.
const NOT_TOLD: [&str; 3] = [
    "unverified-image/unverified",
    "unencrypted-etcd/plaintext",
    "privileged-exec/privileged",
];

pub(crate) fn trials(world: &'static World) -> Vec<Trial> {
    let mut trials: Vec<Trial> = paths()
        .into_iter()
        .map(|path| {
            let shown = path.strip_prefix(folder()).unwrap_or(&path).display();
            trial(format!("silent/{shown}"), move || judge(world, &path))
        })
        .collect();
    trials.push(trial("silent/every-kind-is-there".into(), || {
        every_kind_is_there(world)
    }));
    trials
}

fn folder() -> PathBuf {
    root().join("testdata/silent")
}

/// The files and projects, each in a folder that says what it is of.
fn paths() -> Vec<PathBuf> {
    let within = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("testdata can be read");
        let paths = entries.map(|entry| entry.expect("testdata can be read").path());
        paths.collect::<Vec<_>>()
    };
    let mut paths: Vec<PathBuf> = within(&folder())
        .iter()
        .flat_map(|folder| within(folder))
        .collect();
    paths.sort();
    paths
}

fn judge(world: &World, path: &Path) -> Result<(), String> {
    let review = cases::review(world, "", path, "{}");
    if let Some(error) = review.errors().next() {
        return Err(format!("error: {error:?}"));
    }
    if review.files.iter().all(|file| file.objects == 0) {
        return Err("nothing in it is judged".into());
    }
    let mut found = Vec::new();
    for file in &review.files {
        for result in &file.results {
            let Answer::Found(offence) = &result.answer else {
                continue;
            };
            let rule = format!("{}/{}", result.constraint.policy.id(), result.rule().id);
            let unknown = offence.verdict == Verdict::Unknown;
            if !(unknown && NOT_TOLD.contains(&rule.as_str())) {
                let line = offence.position().line;
                let name = &file.name;
                found.push(format!("{name}:{line}: {rule}: {}", offence.message));
            }
        }
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(found.join("\n"))
    }
}

/// A kind without a file here could be one that a policy always accuses.
fn every_kind_is_there(world: &World) -> Result<(), String> {
    let mut there = BTreeSet::new();
    for input in source::walk(&folder().to_string_lossy())
        .into_iter()
        .flatten()
    {
        let objects = source::read(&input, None).objects;
        there.extend(objects.iter().map(|object| object.kind.to_string()));
    }
    let kinds = world
        .catalog
        .policies()
        .flat_map(|policy| &policy.description.kinds);
    let missing: BTreeSet<String> = kinds
        .map(|kind| stridegate_shapes::Kind::new(&*kind.group, &*kind.name).to_string())
        .filter(|kind| !there.contains(kind))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("no file of {missing:?}"))
    }
}
