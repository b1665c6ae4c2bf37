//! Keeps secrets out of everything that is shown.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, MatchKind};
use stridegate_shapes::encryption;

use crate::object::{Content, Node, Object, Place, Text};

/// A secret that was found.
pub(super) struct Secret {
    pub(super) place: Place,
    /// The value in the document.
    pub(super) value: String,
}

impl Secret {
    /// What an object holds that is secret whatever a policy says of it: with the keys of an
    /// `EncryptionConfiguration` everybody reads what they encrypt, and they are no mistake.
    pub(super) fn of(object: &Object) -> Vec<Self> {
        if object.kind != encryption::KIND && object.kind != encryption::LEGACY_KIND {
            return Vec::new();
        }
        let keys = encryption::keys(&object.document).into_iter();
        keys.filter_map(|pointer| {
            let value = object.document.at(&pointer)?.node.as_str();
            Some(Self {
                place: object.place(&pointer)?,
                value: value.unwrap_or_default().to_owned(),
            })
        })
        .collect()
    }
}

/// The secrets of one input, collected from all policies before anything of it is shown.
#[derive(Debug, Default)]
pub struct Secrets {
    places: Vec<(Arc<Text>, Range<usize>)>,
    /// Their lines, or how those begin, which are masked wherever they stand.
    values: BTreeSet<String>,
    /// How many bytes these have.
    bytes: usize,
    /// Whether there are more than are looked for: then nothing of a document is shown.
    too_many: bool,
    /// Finds the values, once all of them are known.
    values_in: OnceLock<Option<AhoCorasick>>,
}

/// So many bytes of a secret are looked for; what begins so is masked to the end of its line.
const BEGINNING: usize = 64;

/// How many places are masked one by one.
const PLACES: usize = 1024;

/// How many bytes are looked for in all. To find more takes time that nothing limits.
const SOUGHT: usize = 64 << 10;

/// The fewest characters that are masked wherever they appear, and not only where they were
/// found: a shorter secret is a common word too often.
const DISTINCT: usize = 6;

impl Secrets {
    /// Adds the secret at a place, and its value, which need not be written there: a variable may
    /// stand for it.
    pub(super) fn add(&mut self, secret: &Secret) {
        let mut range = secret.place.value.range();
        let Some(written) = secret.place.text.content.get(range.clone()) else {
            return;
        };
        // The sign of a block of text is no part of it.
        if let Some(newline) = written
            .find('\n')
            .filter(|_| written.starts_with(['|', '>']))
        {
            range.start += newline;
        }
        for line in written.lines().chain(secret.value.lines()) {
            let line = line.trim().trim_matches(['"', '\'']);
            if line.chars().take(DISTINCT).count() == DISTINCT {
                self.seek(line);
            }
        }
        if self.places.len() < PLACES {
            self.places.push((Arc::clone(&secret.place.text), range));
        } else {
            self.too_many = true;
        }
        self.values_in = OnceLock::new();
    }

    fn seek(&mut self, line: &str) {
        let beginning = &line[..line.floor_char_boundary(BEGINNING)];
        if self.values.contains(beginning) {
            return;
        }
        if self.bytes + beginning.len() > SOUGHT {
            self.too_many = true;
            return;
        }
        self.bytes += beginning.len();
        self.values.insert(beginning.to_owned());
    }

    /// A text that is about the input, without its secrets.
    #[must_use]
    pub fn mask<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        let Some(values) = self.values_in.get_or_init(|| self.matcher()) else {
            return text.into();
        };
        let mut masked = String::new();
        let mut from = 0;
        for found in values.find_iter(text) {
            if found.start() < from {
                continue;
            }
            // Of what is longer only the beginning was looked for.
            let rest = &text[found.end()..];
            let is_cut = found.len() + 4 > BEGINNING;
            let rest = if is_cut {
                rest.find('\n').unwrap_or(rest.len())
            } else {
                0
            };
            let end = found.end() + rest;
            masked += &text[from..found.start()];
            masked += &stars(&text[found.start()..end]);
            from = end;
        }
        if from == 0 {
            text.into()
        } else {
            (masked + &text[from..]).into()
        }
    }

    /// A part of an object's document, with stars for its secrets.
    pub fn hide(&self, node: &mut Node, texts: &[Arc<Text>]) {
        let span = node.span;
        match &mut node.content {
            Content::String(text) => {
                let within = |(of, place): &(Arc<Text>, Range<usize>)| {
                    let here = texts.get(span.text as usize);
                    here.is_some_and(|here| Arc::ptr_eq(here, of))
                        && place.start <= span.range().start
                        && span.range().end <= place.end
                };
                if self.too_many || self.places.iter().any(within) {
                    *text = stars(text);
                } else if let std::borrow::Cow::Owned(masked) = self.mask(text) {
                    *text = masked;
                }
            }
            Content::List(items) => items.iter_mut().for_each(|item| self.hide(item, texts)),
            Content::Map(entries) => {
                for entry in entries {
                    self.hide(&mut entry.value, texts);
                    if let std::borrow::Cow::Owned(masked) = self.mask(&entry.key) {
                        entry.key = masked;
                    }
                }
            }
            Content::Null | Content::Bool(_) | Content::Number(_) => {}
        }
    }

    /// Of two secrets that begin at one place the longer is found: its rest would stay.
    fn matcher(&self) -> Option<AhoCorasick> {
        let builder = || {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&self.values)
        };
        if self.values.is_empty() {
            None
        } else {
            builder().ok()
        }
    }

    /// A part of a text of the input, without its secrets; every character keeps its column.
    #[must_use]
    pub fn excerpt(&self, text: &Arc<Text>, range: Range<usize>) -> String {
        let content = |range: Range<usize>| text.content.get(range).unwrap_or_default();
        if self.too_many {
            return stars(content(range));
        }
        let here = self.places.iter().filter(|(other, place)| {
            Arc::ptr_eq(other, text) && place.start < range.end && range.start < place.end
        });
        let mut places: Vec<&Range<usize>> = here.map(|(_, place)| place).collect();
        places.sort_by_key(|place| place.start);
        let mut masked = String::new();
        let mut from = range.start;
        for place in places {
            let (start, end) = (
                place.start.clamp(from, range.end),
                place.end.clamp(from, range.end),
            );
            masked += content(from..start);
            masked += &stars(content(start..end));
            from = end.max(from);
        }
        masked += content(from..range.end);
        self.mask(&masked).into_owned()
    }
}

/// As many stars as characters; the ends of lines stay.
fn stars(secret: &str) -> String {
    secret
        .chars()
        .map(|c| if c == '\n' || c == '\r' { c } else { '*' })
        .collect()
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Span;

    fn secrets(content: &str, secret: &str) -> (Arc<Text>, Secrets) {
        let start = content
            .find(secret)
            .expect("the secret is part of the sample");
        let span = Span::new(start, start + secret.len());
        let text = Arc::new(Text::new("x", content));
        let place = Place {
            text: Arc::clone(&text),
            shown: span,
            value: span,
        };
        let mut secrets = Secrets::default();
        secrets.add(&Secret {
            place,
            value: "the value of a variable".into(),
        });
        (text, secrets)
    }

    #[test]
    fn a_secret_is_masked_wherever_it_stands() {
        let content = "A=\"hunter22\"\nB=hunter22 c";
        let (text, secrets) = secrets(content, "\"hunter22\"");
        assert_eq!(
            secrets.excerpt(&text, 0..content.len()),
            "A=**********\nB=******** c"
        );
        assert_eq!(
            secrets.mask("is the value of a variable"),
            "is ***********************"
        );
    }

    #[test]
    fn a_long_secret_is_masked_to_the_end_of_its_line() {
        let long = "x1".repeat(100);
        let (_, secrets) = secrets(&format!("A={long}"), &long);
        let masked = secrets.mask(&format!("a {long}\nb")).into_owned();
        assert_eq!(masked, format!("a {}\nb", "*".repeat(200)));
    }

    #[test]
    fn of_too_many_secrets_nothing_is_shown() {
        let lines: Vec<String> = (0..10_000).map(|number| format!("line {number}")).collect();
        let content = lines.join("\n");
        let (text, secrets) = secrets(&format!("{content}\nB=plain"), &content);
        assert!(secrets.too_many && secrets.bytes <= SOUGHT);
        let end = text.content.len();
        assert_eq!(secrets.excerpt(&text, end - 5..end), "*****");
        let mut node = Node::string(Span::new(end - 5, end), "plain");
        secrets.hide(&mut node, &[text]);
        assert_eq!(node.as_str(), Some("*****"));
    }

    #[test]
    fn a_short_secret_is_masked_where_it_was_found() {
        let content = "a: app\nb: app";
        let (text, secrets) = secrets(content, "app");
        assert_eq!(secrets.excerpt(&text, 0..content.len()), "a: ***\nb: app");
        let other = Arc::new(Text::new("y", content));
        assert_eq!(
            secrets.excerpt(&other, 0..content.len()),
            content,
            "the place is in another text"
        );
    }

    #[test]
    fn an_excerpt_can_begin_within_a_secret() {
        let content = "key: |\n  first line\n  second line\n";
        let (text, secrets) = secrets(content, "|\n  first line\n  second line");
        assert_eq!(secrets.excerpt(&text, 0..7), "key: |\n");
        assert_eq!(secrets.excerpt(&text, 7..19), "************");
    }
}
