//! What has to hold of every policy, whatever it judges.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::Value;
use stridegate::constraint::{Constraint, Enforcement, Match, Rulebook, Today};
use stridegate::object::Text;
use stridegate::policy::Policy;
use stridegate::review::{Answer, Court};
use stridegate::source::{self, Format, Images};

use super::{World, cases, components, expectations, root, trial};

pub(crate) fn trials(world: &'static World) -> Vec<Trial> {
    let mut trials = vec![
        trial("meta/every-policy-is-built".into(), || {
            every_policy_is_built(world)
        }),
        trial("meta/ids".into(), || {
            golden(&root().join("testdata/ids.txt"), &ids(world))
        }),
        trial("meta/readme-table".into(), || readme_table(world)),
        trial("meta/testdata-belongs-to-a-policy".into(), || {
            testdata_belongs(world)
        }),
    ];
    for policy in world.catalog.policies() {
        let id = policy.id().to_owned();
        trials.push(trial(
            format!("meta/{id}/every-rule-has-a-pass-and-a-fail"),
            || every_rule_has_cases(policy),
        ));
        trials.push(trial(format!("meta/{id}/every-parameter-is-used"), || {
            every_parameter_is_used(policy)
        }));
        trials.push(trial(format!("meta/{id}/the-example-fails"), || {
            example(world, policy, "Example", true)
        }));
        trials.push(trial(format!("meta/{id}/the-instead-passes"), || {
            example(world, policy, "Instead", false)
        }));
        trials.push(trial(
            format!("meta/{id}/schema-and-validate-agree"),
            || schema_and_validate_agree(world, policy),
        ));
    }
    trials
}

fn every_policy_is_built(world: &World) -> Result<(), String> {
    let built: Vec<String> = world
        .catalog
        .policies()
        .map(|policy| policy.id().to_owned())
        .collect();
    let source = components::policies();
    if built == source {
        Ok(())
    } else {
        Err(format!("in the source {source:?}, built {built:?}"))
    }
}

/// Every name that users write into constraints and comments; a name that goes is a break.
fn ids(world: &World) -> String {
    let ids = world.catalog.policies().flat_map(|policy| {
        policy
            .description
            .rules
            .iter()
            .map(|rule| format!("{}/{}\n", policy.id(), rule.id))
            .collect::<Vec<_>>()
    });
    ids.collect()
}

/// Compares a text with a file, or writes the file where `BLESS` is set.
fn golden(path: &std::path::Path, text: &str) -> Result<(), String> {
    if std::env::var_os("BLESS").is_some() {
        return fs::write(path, text).map_err(|error| error.to_string());
    }
    let known = fs::read_to_string(path).unwrap_or_default();
    if known == text {
        Ok(())
    } else {
        Err(format!(
            "{} is out of date: look at the change, then run make bless",
            path.display()
        ))
    }
}

fn readme_table(world: &World) -> Result<(), String> {
    const BEGIN: &str = "<!-- policies -->\n";
    const END: &str = "<!-- end of policies -->";
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let (head, rest) = readme
        .split_once(BEGIN)
        .ok_or("the README has no place for the table")?;
    let (_, tail) = rest
        .split_once(END)
        .ok_or("the README's table has no end")?;
    let table = stridegate::command::policy_table(&world.catalog);
    golden(&path, &format!("{head}{BEGIN}{table}{END}{tail}"))
}

fn testdata_belongs(world: &World) -> Result<(), String> {
    let shared = [
        "admission",
        "demo",
        "docker-authz",
        "docker-engine",
        "signatures",
        "silent",
    ];
    for entry in fs::read_dir(root().join("testdata"))
        .map_err(|error| error.to_string())?
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir()
            && !shared.contains(&name.as_str())
            && world.catalog.get(&name).is_none()
        {
            return Err(format!("testdata/{name} belongs to no policy"));
        }
    }
    Ok(())
}

fn every_rule_has_cases(policy: &Policy) -> Result<(), String> {
    let files = cases::cases(policy.id())
        .into_iter()
        .flat_map(|case| cases::files(&case));
    let mut said = BTreeSet::new();
    for file in files {
        said.extend(
            expectations::of(&file)?
                .into_iter()
                .map(|item| (item.rule, item.verdict)),
        );
    }
    let known: BTreeSet<&str> = policy
        .description
        .rules
        .iter()
        .map(|rule| rule.id.as_str())
        .collect();
    if let Some((rule, _)) = said.iter().find(|(rule, _)| !known.contains(rule.as_str())) {
        return Err(format!("a case names the rule {rule}, which there is not"));
    }
    let missing = known
        .into_iter()
        .flat_map(|rule| [(rule, "fail"), (rule, "pass")]);
    let missing: Vec<_> = missing
        .filter(|(rule, verdict)| !said.contains(&((*rule).into(), (*verdict).into())))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("no case says: {missing:?}"))
    }
}

fn parameters_of(policy: &Policy) -> Vec<(String, Value)> {
    let schema: Value = serde_json::from_str(&policy.description.parameters).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, property)| (name.clone(), property.clone()))
        .collect()
}

fn every_parameter_is_used(policy: &Policy) -> Result<(), String> {
    let files = cases::cases(policy.id())
        .into_iter()
        .flat_map(|case| cases::files(&case));
    let given: Vec<Value> = files
        .filter_map(|file| expectations::parameters(&file))
        .map(|text| serde_json::from_str(&text).map_err(|error| format!("{text}: {error}")))
        .collect::<Result<_, _>>()?;
    let unused = parameters_of(policy)
        .into_iter()
        .find(|(name, _)| !given.iter().any(|value| value.get(name).is_some()));
    unused.map_or(Ok(()), |(name, _)| {
        Err(format!("no case sets the parameter {name}"))
    })
}

/// The first block of code in a section of the documentation, judged by its policy.
fn example(world: &World, policy: &Arc<Policy>, section: &str, fails: bool) -> Result<(), String> {
    let documentation = &policy.description.documentation;
    let heading = format!("## {section}\n");
    let rest = documentation
        .split_once(&heading)
        .ok_or(format!("the documentation has no section {section}"))?
        .1;
    let block = rest
        .split_once("```")
        .ok_or("the section has no block of code")?
        .1;
    let (language, code) = block.split_once('\n').ok_or("the block has no code")?;
    let code = code.split_once("```").ok_or("the block does not end")?.0;
    let format = match language {
        "dockerfile" => Some(Format::Dockerfile),
        "json daemon.json" => Some(Format::Daemon),
        _ => None,
    };
    let constraint = Arc::new(Constraint {
        name: None,
        policy: Arc::clone(policy),
        enforcement: Enforcement::Deny,
        rules: Vec::new(),
        on_unknown: None,
        only_new: false,
        matches: Match::default(),
        parameters: "{}".into(),
    });
    let rulebook = Rulebook {
        constraints: vec![constraint],
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
    let reading = source::read_text(&Arc::new(Text::new(section, code)), section, format);
    let file = court.judge(section, reading);
    if let Some(error) = file.errors.first() {
        return Err(format!("{error:?}"));
    }
    let found = file
        .results
        .iter()
        .any(|result| matches!(result.answer, Answer::Found(_)));
    let judged = file
        .results
        .iter()
        .any(|result| matches!(result.answer, Answer::Found(_) | Answer::Pass));
    if judged && found == fails {
        Ok(())
    } else {
        Err(format!(
            "judged: {judged}, found something: {found}\n{code}"
        ))
    }
}

/// The schema is for people and editors, and `validate` decides: they must not differ.
fn schema_and_validate_agree(world: &World, policy: &Policy) -> Result<(), String> {
    let schema: Value =
        serde_json::from_str(&policy.description.parameters).map_err(|error| error.to_string())?;
    let samples = ["{}", "[]", "7", "{\"noSuchParameter\": 1}"]
        .map(str::to_owned)
        .into_iter();
    let values = [
        "null",
        "true",
        "1",
        "-1",
        "1.5",
        "\"x\"",
        "[]",
        "[\"x\"]",
        "[1]",
        "{}",
        "{\"a\": \"b\"}",
        "{\"a\": 1}",
    ];
    let named = parameters_of(policy)
        .into_iter()
        .flat_map(|(name, property)| {
            let default = property
                .get("default")
                .cloned()
                .unwrap_or_default()
                .to_string();
            let values = values
                .iter()
                .map(|value| (*value).to_owned())
                .chain([default]);
            values
                .map(move |value| format!("{{{name:?}: {value}}}"))
                .collect::<Vec<_>>()
        });
    for sample in samples.chain(named) {
        let value: Value = serde_json::from_str(&sample).map_err(|error| error.to_string())?;
        let by_schema = jsonschema::is_valid(&schema, &value);
        let by_policy = policy
            .validate(&world.engine, None, &sample)
            .map_err(|error| error.to_string())?
            .is_ok();
        if by_schema != by_policy {
            return Err(format!(
                "{sample}: schema {by_schema}, validate {by_policy}"
            ));
        }
    }
    Ok(())
}
