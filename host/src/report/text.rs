//! The report for people: each finding in its source, then what became of each threat.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{count, line, plain};
use crate::constraint::{self, Enforcement};
use crate::engine::contract::Verdict;
use crate::object::{Place, Text};
use crate::review::{Answer, FileReview, Offence, Review, ReviewError, RuleResult, severity};
use crate::threat::{Standing, Status};

/// The longest part of a line that is shown before and after an offending place, in bytes: what
/// stands further away says nothing about it.
const CONTEXT: usize = 120;

/// A review as text, with the escape sequences of colours.
#[must_use]
pub fn render(review: &Review, standings: &[Standing]) -> String {
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for file in &review.files {
        for (result, offence) in by_position(file) {
            text += &renderer.render(&[finding(result, offence, file)]);
            text += "\n\n";
        }
    }
    for error in review.errors() {
        text += &renderer.render(&[failure(error)]);
        text += "\n\n";
    }
    exceptions(review, &mut text);
    skipped(review, &mut text);
    threats(standings, &mut text);
    summary(review, &mut text);
    text
}

/// The findings of a file as a reader of the file comes upon them.
fn by_position(file: &FileReview) -> Vec<(&RuleResult, &Offence)> {
    let mut findings: Vec<_> = file
        .results
        .iter()
        .filter_map(|result| match &result.answer {
            Answer::Found(offence) if result.exception.is_none() => Some((result, &**offence)),
            Answer::Found(_) | Answer::Pass | Answer::NotApplicable(_) => None,
        })
        .collect();
    findings.sort_by_cached_key(|(_, offence)| offence.position());
    findings
}

fn finding<'a>(result: &'a RuleResult, offence: &'a Offence, file: &FileReview) -> Group<'a> {
    let level = match (result.enforcement, offence.verdict) {
        (Enforcement::Deny, _) => Level::ERROR,
        (Enforcement::Warn, _) => Level::WARNING,
        (Enforcement::Dryrun, Verdict::Unknown) => Level::NOTE.with_name("unknown"),
        (Enforcement::Dryrun, Verdict::Fail) => Level::NOTE,
    };
    let rule = result.rule();
    let message = line(&file.secrets.mask(&offence.message));
    let mut group = level
        .primary_title(message)
        .id(format!("{}/{}", result.constraint.policy.id(), rule.id))
        .elements(origin(&offence.place))
        .element(snippet(
            &offence.place,
            AnnotationKind::Primary,
            about(result, offence),
            file,
        ));
    for (place, note) in &offence.related {
        group = group.elements(origin(place)).element(snippet(
            place,
            AnnotationKind::Context,
            line(&file.secrets.mask(note)),
            file,
        ));
    }
    group.element(
        Level::HELP
            .with_name("instead")
            .message(rule.remediation.as_str()),
    )
}

fn about(result: &RuleResult, offence: &Offence) -> String {
    let identity = result.identity.to_string();
    let before = if result.existing {
        ", as before the update"
    } else {
        ""
    };
    format!(
        "{} ({}{before})",
        line(&identity),
        severity(offence.severity)
    )
}

/// What of the line of a place is shown: the place, with some of the line around it.
struct Shown {
    place: Range<usize>,
    /// The whole line, or lines.
    whole: Range<usize>,
    part: Range<usize>,
}

impl Shown {
    fn of(place: &Place) -> Self {
        let content = &place.text.content;
        let shown = first_line(content, place.shown.range());
        let whole = place.text.lines_around(&shown);
        let start = shown.start.saturating_sub(CONTEXT).max(whole.start);
        let end = (shown.end + CONTEXT).min(whole.end);
        Self {
            part: boundary(content, start)..boundary(content, end),
            place: shown,
            whole,
        }
    }
}

/// Where a place stands, if its snippet cannot tell because the line does not begin there.
fn origin<'a>(place: &Place) -> Option<Origin<'a>> {
    let shown = Shown::of(place);
    let position = place.text.position(shown.place.start);
    (shown.part.start > shown.whole.start).then(|| {
        Origin::path(line(&place.text.name))
            .line(position.line)
            .char_column(position.column)
    })
}

/// The lines of a place, without the secrets that stand in them.
fn snippet<'a>(
    place: &Place,
    kind: AnnotationKind,
    label: String,
    file: &FileReview,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = &place.text;
    let Shown {
        place: shown,
        whole,
        part: lines,
    } = Shown::of(place);
    let first = text.position(shown.start).line;
    let source = excerpt(text, &whole, &lines, file);
    // A mask has as many characters as what it hides, but not as many bytes.
    let offset = |at: usize| {
        let characters = text
            .content
            .get(lines.start..at)
            .unwrap_or_default()
            .chars()
            .count();
        source
            .char_indices()
            .nth(characters)
            .map_or(source.len(), |(index, _)| index)
    };
    let span = offset(shown.start)..offset(shown.end);
    let path = (lines.start == whole.start).then(|| line(&text.name));
    Snippet::source(source)
        .line_start(first)
        .path(path)
        .annotation(kind.span(span).label(label))
}

/// A part of a line without its secrets. They are looked for in some more of the line, so that
/// none is cut in two and missed.
fn excerpt(
    text: &Arc<Text>,
    whole: &Range<usize>,
    part: &Range<usize>,
    file: &FileReview,
) -> String {
    const MARGIN: usize = 4096;
    let from = boundary(
        &text.content,
        part.start.saturating_sub(MARGIN).max(whole.start),
    );
    let to = boundary(&text.content, (part.end + MARGIN).min(whole.end));
    let masked = file.secrets.excerpt(text, from..to);
    let characters =
        |range: Range<usize>| text.content.get(range).unwrap_or_default().chars().count();
    let shown: String = masked
        .chars()
        .skip(characters(from..part.start))
        .take(characters(part.clone()))
        .collect();
    plain(&shown).into_owned()
}

/// The start of the character that a byte belongs to.
fn boundary(content: &str, mut at: usize) -> usize {
    while !content.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The part of a range that stands on its first line.
fn first_line(content: &str, range: Range<usize>) -> Range<usize> {
    let shown = content.get(range.clone()).unwrap_or_default();
    let end = shown
        .find(['\n', '\r'])
        .map_or(range.end, |newline| range.start + newline);
    range.start..end
}

fn failure(error: &ReviewError) -> Group<'_> {
    let mut title = String::new();
    if let Some(policy) = &error.policy {
        let _ = write!(title, "{policy}: ");
    }
    if let Some(object) = &error.object {
        let _ = write!(title, "{object}: ");
    }
    title += &error.message;
    let group = Group::with_title(Level::ERROR.primary_title(line(&title)));
    let Some(file) = &error.file else {
        return group;
    };
    let origin = Origin::path(line(file));
    group.element(match error.position {
        Some(position) => origin.line(position.line).char_column(position.column),
        None => origin,
    })
}

/// What was let through and why, and what was asked for in vain.
fn exceptions(review: &Review, text: &mut String) {
    let mut any = false;
    for exception in review.exceptions() {
        let name = exception.name.as_deref().unwrap_or("comment");
        let at = format!(
            "{}:{}:{}",
            exception.file, exception.position.line, exception.position.column
        );
        let what = match exception.status {
            constraint::Status::Used => format!(
                "excepts {} until {}",
                count(exception.hidden, "finding"),
                exception.expires
            ),
            constraint::Status::Unused => "excepts nothing; remove it".into(),
            constraint::Status::Expired => {
                format!("held until {}, and holds no more", exception.expires)
            }
            constraint::Status::NotGranted => {
                "asked for, not granted: what stands beside the judged files does not count here"
                    .into()
            }
        };
        let line = format!(
            "exception {name} ({at}) for {}: {what} ({})",
            exception.policy, exception.reason
        );
        *text += &self::line(&line);
        text.push('\n');
        any = true;
    }
    if any {
        text.push('\n');
    }
}

/// Names what was skipped for a reason that the user can do something about.
fn skipped(review: &Review, text: &mut String) {
    let notable = review
        .files
        .iter()
        .filter_map(|file| Some((file, file.skipped.as_ref()?)));
    let mut any = false;
    for (file, why) in notable.filter(|(_, why)| why.contains("judge what it")) {
        let _ = writeln!(text, "skipped {}: it {why}", line(&file.name));
        any = true;
    }
    if any {
        text.push('\n');
    }
}

/// Where the threats stand whose policies had something to check.
fn threats(standings: &[Standing], text: &mut String) {
    let told = standings
        .iter()
        .filter(|standing| standing.status > Status::NotLookedAt || standing.pass > 0)
        .filter(|standing| standing.status != Status::Unanswered);
    let mut any = false;
    for standing in told {
        if !any {
            text.push_str("threats\n");
        }
        let (platform, id) = (standing.threat.platform, &standing.threat.id);
        let _ = writeln!(
            text,
            "  {platform:<11} {id:<29} {}",
            super::threats::summary(standing)
        );
        any = true;
    }
    if any {
        text.push('\n');
    }
}

fn summary(review: &Review, text: &mut String) {
    let counts = review.counts();
    let _ = write!(
        text,
        "{}, {}, {}: {} failed, {} unknown, {} passed, {} not applicable",
        count(counts.files, "file"),
        count(counts.objects, "object"),
        count(counts.checks, "check"),
        counts.fail,
        counts.unknown,
        counts.pass,
        counts.not_applicable
    );
    if counts.excepted > 0 {
        let _ = write!(text, ", {} excepted", counts.excepted);
    }
    if counts.skipped > 0 {
        let _ = write!(text, "; {} skipped", count(counts.skipped, "file"));
    }
    if counts.errors > 0 {
        let _ = write!(text, "; {}", count(counts.errors, "error"));
    }
    text.push('\n');
}
