//! One test for each case: the policy of its folder says what the case expects, at the line where
//! it is expected, and no other policy fails over it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::Trial;
use stridegate::constraint::{Constraint, Enforcement, Match, Rulebook, Today};
use stridegate::engine::contract::Verdict;
use stridegate::review::{Answer, Court, Review};
use stridegate::source::{self, Images};

use super::expectations::{self, Expectation};
use super::{World, root, trial};

pub(crate) fn trials(world: &'static World) -> Vec<Trial> {
    let all = world.catalog.policies().flat_map(|policy| {
        let id = policy.id().to_owned();
        cases(&id).into_iter().map(move |path| {
            let id = id.clone();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            trial(format!("{id}/{name}"), move || judge(world, &id, &path))
        })
    });
    all.collect()
}

/// The cases of a policy: the files and folders of its folder in `testdata`.
pub(crate) fn cases(policy: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("testdata").join(policy))
        .into_iter()
        .flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("testdata can be read").path())
        .collect();
    paths.retain(|path| !is_beside(path));
    paths.sort();
    paths
}

fn is_beside(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".expect") || name.ends_with(".parameters.json")
}

/// The files of a case, which is a file or a folder.
pub(crate) fn files(case: &Path) -> Vec<PathBuf> {
    if case.is_dir() {
        let entries = fs::read_dir(case).expect("testdata can be read");
        entries
            .flat_map(|entry| files(&entry.expect("testdata can be read").path()))
            .filter(|path| !is_beside(path))
            .collect()
    } else {
        vec![case.to_owned()]
    }
}

fn judge(world: &World, policy: &str, case: &Path) -> Result<(), String> {
    let parameters = files(case)
        .iter()
        .find_map(|file| expectations::parameters(file));
    let review = review(
        world,
        policy,
        case,
        &parameters.unwrap_or_else(|| "{}".into()),
    );
    if let Some(error) = review.errors().next() {
        return Err(format!("error: {error:?}"));
    }
    if review.files.iter().all(|file| file.objects == 0) {
        return Err("the case holds no object".into());
    }
    for file in &review.files {
        check_file(policy, file, case)?;
    }
    check_shapes(case)
}

/// Judges a case by all policies; the one of its folder gets its parameters.
pub(crate) fn review(world: &World, policy: &str, case: &Path, parameters: &str) -> Review {
    let constraints: Vec<Arc<Constraint>> = world
        .catalog
        .policies()
        .map(|other| {
            Arc::new(Constraint {
                name: None,
                policy: Arc::clone(other),
                enforcement: Enforcement::Deny,
                rules: Vec::new(),
                on_unknown: None,
                only_new: false,
                matches: Match::default(),
                parameters: if other.id() == policy {
                    parameters.into()
                } else {
                    "{}".into()
                },
            })
        })
        .collect();
    let rulebook = Rulebook {
        constraints,
        ..Rulebook::default()
    };
    let court = Court {
        engine: &world.engine,
        cache: None,
        rulebook: &rulebook,
        images: &Images::default(),
        today: Today::now(),
        repairs: true,
    };
    court.review(inputs(case), None, &|| ())
}

/// The inputs of a case. The files of a folder `NAME.together` are named together.
fn inputs(case: &Path) -> Vec<source::Found> {
    if case
        .extension()
        .is_some_and(|extension| extension == "together")
    {
        let mut files = files(case);
        files.sort();
        let named = files
            .iter()
            .flat_map(|file| source::walk(&file.to_string_lossy()));
        source::group(named.collect())
    } else {
        source::walk(&case.to_string_lossy())
    }
}

fn check_file(
    policy: &str,
    file: &stridegate::review::FileReview,
    case: &Path,
) -> Result<(), String> {
    let path = if case.is_dir() {
        PathBuf::from(&file.name)
    } else {
        case.to_owned()
    };
    let expected = expectations::of(&path)?;
    let (passes, expected): (BTreeSet<_>, BTreeSet<_>) = expected
        .into_iter()
        .partition(|item| item.verdict == "pass");
    let of_policy = || {
        file.results
            .iter()
            .filter(|result| result.constraint.policy.id() == policy)
    };
    let found: BTreeSet<Expectation> = of_policy()
        .filter_map(|result| {
            let Answer::Found(offence) = &result.answer else {
                return None;
            };
            let verdict = if offence.verdict == Verdict::Fail {
                "fail"
            } else {
                "unknown"
            };
            Some(Expectation {
                line: offence.position().line,
                rule: result.rule().id.clone(),
                verdict: verdict.into(),
            })
        })
        .collect();
    let missed: Vec<_> = expected.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&expected).collect();
    if !missed.is_empty() || !surplus.is_empty() {
        return Err(format!(
            "{}\nexpected and not found: {missed:#?}\nfound and not expected: {surplus:#?}",
            file.name
        ));
    }
    let holds = |rule: &str| {
        of_policy().any(|result| result.rule().id == rule && matches!(result.answer, Answer::Pass))
    };
    match passes.into_iter().find(|pass| !holds(&pass.rule)) {
        Some(pass) => Err(format!(
            "{}: the rule {} does not pass",
            file.name, pass.rule
        )),
        None => Ok(()),
    }
}

/// Each document is what the schema of its shape says.
fn check_shapes(case: &Path) -> Result<(), String> {
    for input in inputs(case).into_iter().flatten() {
        for object in source::read(&input, None).objects {
            let Some((_, schema)) = stridegate_shapes::SCHEMAS
                .iter()
                .find(|(kind, _)| *kind == object.kind)
            else {
                continue;
            };
            let schema = serde_json::from_str(schema).map_err(|error| error.to_string())?;
            let document =
                serde_json::to_value(&object.document).map_err(|error| error.to_string())?;
            jsonschema::validate(&schema, &document)
                .map_err(|error| format!("{}: {error}", object.kind))?;
        }
    }
    Ok(())
}
