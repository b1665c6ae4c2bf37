//! What a case says that a policy should say of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A line and what a policy should say there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expectation {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The rule.
    pub(crate) rule: String,
    /// `fail`, `unknown` or `pass`.
    pub(crate) verdict: String,
}

const VERDICTS: [&str; 3] = ["fail", "unknown", "pass"];

/// The expectations of a file: from its comments, or from the file `NAME.expect` beside it.
pub(crate) fn of(path: &Path) -> Result<BTreeSet<Expectation>, String> {
    let beside = beside(path, "expect");
    if let Ok(text) = fs::read_to_string(&beside) {
        return text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(from_line)
            .collect();
    }
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(from_comments(&text))
}

/// The parameters of a case as JSON text: from its first comments, or from the file
/// `NAME.parameters.json` beside it.
pub(crate) fn parameters(path: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(beside(path, "parameters.json")) {
        return Some(text);
    }
    let text = fs::read_to_string(path).ok()?;
    let comments = text.lines().take_while(|line| line.starts_with('#'));
    comments
        .filter_map(|line| line.strip_prefix("# parameters: "))
        .map(str::to_owned)
        .next()
}

fn beside(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// `line rule verdict`.
fn from_line(text: &str) -> Result<Expectation, String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words[..] {
        [line, rule, verdict] if VERDICTS.contains(&verdict) => Ok(Expectation {
            line: line
                .parse()
                .map_err(|_| format!("{text:?} does not begin with a line"))?,
            rule: rule.into(),
            verdict: verdict.into(),
        }),
        _ => Err(format!("{text:?} is not: line rule verdict")),
    }
}

/// `# fail: rule, rule` speaks of its line, or of the next line with something else on it if it
/// stands alone.
fn from_comments(text: &str) -> BTreeSet<Expectation> {
    let mut expectations = BTreeSet::new();
    let mut waiting: Vec<(String, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let said = said(line);
        let alone = line.trim_start().starts_with('#');
        if alone {
            waiting.extend(said);
            continue;
        }
        let here = said.into_iter().chain(if line.trim().is_empty() {
            Vec::new()
        } else {
            std::mem::take(&mut waiting)
        });
        expectations.extend(here.map(|(verdict, rule)| Expectation {
            line: index + 1,
            rule,
            verdict,
        }));
    }
    expectations
}

fn said(line: &str) -> Vec<(String, String)> {
    let mut said = Vec::new();
    for comment in line.split("# ").skip(1) {
        let Some((verdict, rules)) = comment.split_once(": ") else {
            continue;
        };
        if VERDICTS.contains(&verdict) {
            said.extend(
                rules
                    .split(',')
                    .map(|rule| (verdict.to_owned(), rule.trim().to_owned())),
            );
        }
    }
    said
}
