//! JUnit XML, which build servers show as tests: one for each rule and object.

use std::fmt::Write;

use crate::engine::contract::Verdict;
use crate::review::{Answer, FileReview, Review, ReviewError, RuleResult};

/// A review as JUnit XML.
#[must_use]
pub fn render(review: &Review) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"stridegate\">\n",
    );
    for file in review.files.iter().filter(|file| file.skipped.is_none()) {
        suite(&file.name, &file.results, &file.errors, file, &mut text);
    }
    if !review.errors.is_empty() {
        suite(
            "stridegate",
            &[],
            &review.errors,
            &FileReview::default(),
            &mut text,
        );
    }
    text += "</testsuites>\n";
    text
}

fn suite(
    name: &str,
    results: &[RuleResult],
    errors: &[ReviewError],
    file: &FileReview,
    text: &mut String,
) {
    let failures = results.iter().filter(|result| result.denies()).count();
    let (tests, errors_count) = (results.len() + errors.len(), errors.len());
    let name = escape(name);
    let _ = writeln!(
        text,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors_count}\">"
    );
    for result in results {
        let case = escape(&format!(
            "{}/{} {}",
            result.constraint.policy.id(),
            result.rule().id,
            result.identity
        ));
        let _ = write!(text, "    <testcase classname=\"{name}\" name=\"{case}\"");
        match outcome(result, file) {
            Some(outcome) => {
                let _ = writeln!(text, ">\n      {outcome}\n    </testcase>");
            }
            None => text.push_str("/>\n"),
        }
    }
    for error in errors {
        let message = escape(&error.message);
        let _ = writeln!(
            text,
            "    <testcase classname=\"{name}\" name=\"read\">\n      <error message=\"{message}\"/>\n    </testcase>"
        );
    }
    text.push_str("  </testsuite>\n");
}

/// What became of a test that did not just pass.
fn outcome(result: &RuleResult, file: &FileReview) -> Option<String> {
    let offence = match &result.answer {
        Answer::Pass => return None,
        Answer::NotApplicable(why) => {
            return Some(format!(
                "<skipped message=\"{}\"/>",
                escape(&file.secrets.mask(why))
            ));
        }
        Answer::Found(offence) => offence,
    };
    let position = offence.position();
    let message = escape(&file.secrets.mask(&offence.message));
    let place = escape(&format!(
        "{}:{}:{}",
        offence.place.text.name, position.line, position.column
    ));
    let remediation = escape(&result.rule().remediation);
    if result.denies() {
        return Some(format!(
            "<failure message=\"{message}\">{place}\n{remediation}</failure>"
        ));
    }
    let why = match &result.exception {
        Some(grant) => format!("excepted until {}: {}", grant.expires, grant.reason),
        None if offence.verdict == Verdict::Unknown => "unknown".into(),
        None => "not enforced".into(),
    };
    Some(format!(
        "<skipped message=\"{} ({message} at {place})\"/>",
        escape(&why)
    ))
}

/// A text as XML; characters that XML cannot hold are replaced.
fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut escaped, c| {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\n' => escaped.push_str("&#10;"),
                '\t' => escaped.push('\t'),
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                    escaped.push('\u{fffd}');
                }
                c => escaped.push(c),
            }
            escaped
        })
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn no_text_can_break_out() {
        assert_eq!(
            escape("<a b=\"c\">&\u{1}\n"),
            "&lt;a b=&quot;c&quot;&gt;&amp;\u{fffd}&#10;"
        );
    }
}
