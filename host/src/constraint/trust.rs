//! Reads the file that says whose signatures an artifact needs.

use std::path::Path;

use super::API_VERSION;
use super::fields::Fields;
use super::read::{Problem, Source};
use crate::object::{Content, Node, Span};
use crate::registry::{PublicKey, Trust, TrustRule};
use crate::source::yaml;

/// Reads a trust file; the error lists everything that is wrong with it. A file in which anything
/// is wrong trusts nobody.
pub fn read_trust(path: &Path) -> Result<Trust, Vec<Problem>> {
    let source = Source::open(path, true, true).map_err(|problem| vec![problem])?;
    let documents = yaml::read(&source.text.content);
    let mut problems = Vec::new();
    if let Some(fault) = documents.fault {
        problems.push(source.problem(Span::new(fault.at, fault.at), fault.message));
    }
    let mut trust = Trust {
        file: source.text.name.clone(),
        rules: Vec::new(),
    };
    for document in &documents.documents {
        let known = ["apiVersion", "kind", "metadata", "spec"];
        let fields = Fields::new(document, &source, &known, &mut problems);
        if document.text("apiVersion") != Some(API_VERSION)
            || document.text("kind") != Some("Trust")
        {
            let message = format!("a trust file has apiVersion {API_VERSION} and kind Trust");
            problems.push(source.problem(fields.place("kind"), message));
            continue;
        }
        let Some(spec) = fields.get("spec") else {
            problems.push(source.problem(fields.place("kind"), "spec is missing".into()));
            continue;
        };
        let spec = Fields::new(spec, &source, &["rules"], &mut problems);
        let rules = spec.get("rules").map(Node::items).unwrap_or_default();
        for rule in rules {
            trust.rules.extend(read_rule(rule, &source, &mut problems));
        }
    }
    if trust.rules.is_empty() && problems.is_empty() {
        let message = "has no rule, so that it would refuse everything; spec.rules lists them";
        problems.push(source.problem(Span::new(0, 0), message.into()));
    }
    if let Some(rule) = trust.repeated() {
        let message = format!(
            "there are two rules for {}; put what they ask for into one",
            rule.prefix
        );
        problems.push(source.problem(Span::new(0, 0), message));
    }
    if problems.is_empty() {
        Ok(trust)
    } else {
        Err(problems)
    }
}

fn read_rule(node: &Node, source: &Source, problems: &mut Vec<Problem>) -> Option<TrustRule> {
    let before = problems.len();
    let known = ["prefix", "keys", "threshold", "signedIdentity"];
    let fields = Fields::new(node, source, &known, problems);
    let (prefix, place) = fields.required("prefix", problems)?;
    if prefix.contains("://") {
        let message =
            "prefix is a registry, or a registry and the beginning of a path, without oci://";
        problems.push(source.problem(place, message.into()));
    }
    let mut keys: Vec<(String, PublicKey)> = Vec::new();
    for (text, span) in fields.texts("keys", problems) {
        match read_key(&text, source) {
            Ok(key) => keys.push(key),
            Err(error) => problems.push(source.problem(span, format!("the key {error:#}"))),
        }
    }
    let mut distinct: Vec<_> = keys.iter().map(|(_, key)| key.fingerprint()).collect();
    distinct.sort();
    distinct.dedup();
    let threshold = match fields.get("threshold") {
        None => Some(1),
        Some(node) => match &node.content {
            Content::Number(number) => number
                .as_u64()
                .and_then(|number| usize::try_from(number).ok()),
            _ => None,
        },
    };
    let Some(threshold) = threshold else {
        let message = "threshold is the number of keys that have to have signed";
        problems.push(source.problem(fields.place("threshold"), message.into()));
        return None;
    };
    // A key that cannot be read is named all the same.
    if problems.len() == before && threshold > distinct.len() {
        let message = format!(
            "{threshold} keys have to have signed, and {} are named; name more in keys, or set threshold: 0 for what needs no signature",
            distinct.len()
        );
        problems.push(source.problem(node.span, message));
    }
    let identities = [("matchRepository", true)];
    let match_repository = fields.choice("signedIdentity", &identities, problems);
    (problems.len() == before).then(|| TrustRule {
        prefix: prefix.to_owned(),
        keys,
        threshold,
        match_repository: match_repository.unwrap_or(false),
    })
}

/// A key that is written down, or in a file that is named from the folder of the trust file.
fn read_key(text: &str, source: &Source) -> anyhow::Result<(String, PublicKey)> {
    if text.contains("-----BEGIN") {
        let key = PublicKey::from_pem(text)?;
        return Ok((format!("{:.19}", key.fingerprint().to_string()), key));
    }
    let folder = source.path.parent().unwrap_or(Path::new(""));
    Ok((text.to_owned(), PublicKey::open(&folder.join(text))?))
}
