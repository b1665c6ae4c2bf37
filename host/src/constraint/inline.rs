//! Comments in a judged file that except what they stand at:
//! `# stridegate: allow POLICY[/RULE] until DAY -- REASON`.

use std::sync::atomic::AtomicUsize;

use super::{Exception, Match};
use crate::object::{Position, Text};

/// The exceptions that the comments of a file ask for, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct Comments {
    /// Each with the line for which it holds.
    pub exceptions: Vec<(usize, Exception)>,
    /// Each with its place.
    pub problems: Vec<(Position, String)>,
    /// The bytes at which the exceptions and the problems stand, in their order.
    at: (Vec<usize>, Vec<usize>),
}

impl Comments {
    /// What such a comment begins with.
    pub const MARK: &str = "# stridegate:";

    /// Reads the comments of a text. One that stands alone on its line speaks of the next line
    /// that is no comment.
    #[must_use]
    pub fn of(text: &Text, granted: bool) -> Self {
        let mut comments = Self::default();
        if !text.content.contains(Self::MARK) {
            return comments;
        }
        let lines: Vec<&str> = text.content.lines().collect();
        let start = text.content.as_ptr().addr();
        for (index, line) in lines.iter().enumerate() {
            let Some((before, asked)) = line.split_once(Self::MARK) else {
                continue;
            };
            let position = Position {
                line: index + 1,
                column: before.chars().count() + 1,
            };
            let at = before.as_ptr().addr() - start + before.len();
            let alone = before.trim().is_empty();
            let is_comment =
                |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
            let comment_lines = lines[index + 1..]
                .iter()
                .take_while(|line| is_comment(line))
                .count();
            let target = if alone {
                index + 2 + comment_lines
            } else {
                index + 1
            };
            match parse(asked) {
                Ok((policy, rules, expires, reason)) => {
                    let exception = Exception {
                        name: None,
                        policy,
                        rules,
                        matches: Match::default(),
                        expires,
                        reason,
                        file: text.name.clone(),
                        position,
                        granted,
                        hidden: AtomicUsize::new(0),
                    };
                    comments.at.0.push(at);
                    comments.exceptions.push((target, exception));
                }
                Err(message) => {
                    comments.at.1.push(at);
                    comments.problems.push((position, message));
                }
            }
        }
        comments
    }

    /// Leaves out those that do not stand where a comment can, by the byte of their `#`.
    pub fn retain(&mut self, is_comment: impl Fn(usize) -> bool) {
        let (exceptions, problems) = &self.at;
        let mut places = exceptions.iter();
        self.exceptions
            .retain(|_| places.next().is_some_and(|at| is_comment(*at)));
        let mut places = problems.iter();
        self.problems
            .retain(|_| places.next().is_some_and(|at| is_comment(*at)));
    }

    /// The exception that a comment asks for at a line.
    #[must_use]
    pub fn at(&self, line: usize, policy: &str, rule: &str) -> Option<&Exception> {
        let here = self
            .exceptions
            .iter()
            .filter(|(target, _)| *target == line)
            .map(|(_, exception)| exception);
        here.into_iter().find(|exception| {
            exception.policy == policy
                && (exception.rules.is_empty() || exception.rules.iter().any(|name| name == rule))
        })
    }
}

type Asked = (String, Vec<String>, jiff::civil::Date, String);

fn parse(asked: &str) -> Result<Asked, String> {
    const FORM: &str = "write # stridegate: allow POLICY/RULE until 2027-03-31 -- REASON";
    let (head, reason) = asked
        .split_once("--")
        .ok_or(format!("an exception needs a reason; {FORM}"))?;
    if reason.trim().is_empty() {
        return Err(format!("an exception needs a reason; {FORM}"));
    }
    let words: Vec<&str> = head.split_ascii_whitespace().collect();
    let ["allow", name, "until", day] = words[..] else {
        return Err(format!("an exception needs a name and an end; {FORM}"));
    };
    let expires = day
        .parse()
        .map_err(|_| format!("{day:?} is no day; {FORM}"))?;
    let (policy, rule) = name
        .split_once('/')
        .map_or((name, None), |(policy, rule)| (policy, Some(rule)));
    Ok((
        policy.into(),
        rule.map(str::to_owned).into_iter().collect(),
        expires,
        reason.trim().into(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_speaks_of_its_line_or_the_next() {
        let text = Text::new(
            "x",
            "a # stridegate: allow p/r until 2030-01-31 -- why\n# stridegate: allow q until 2030-01-31 -- why\n# more\n\nb\n",
        );
        let comments = Comments::of(&text, true);
        assert!(comments.problems.is_empty());
        assert!(comments.at(1, "p", "r").is_some() && comments.at(1, "p", "s").is_none());
        assert!(comments.at(5, "q", "anything").is_some() && comments.at(2, "q", "r").is_none());
    }

    #[test]
    fn a_comment_without_a_reason_or_an_end_is_refused() {
        for asked in [
            "allow p until 2030-01-31",
            "allow p -- why",
            "allow p until tomorrow -- why",
            "allow p until 2030-01-31 --",
            "alow p until 2030-01-31 -- x",
        ] {
            let comments = Comments::of(&Text::new("x", format!("# stridegate: {asked}\n")), true);
            assert_eq!(
                (comments.exceptions.len(), comments.problems.len()),
                (0, 1),
                "{asked}"
            );
        }
    }
}
