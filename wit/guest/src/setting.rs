use std::ops::Deref;

use crate::{At, Checks, Effective, IntoPath, Rule};

/// A value of an effective shape, with what the shape says of it.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    at: At<'a>,
    is_default: bool,
    unknown: Option<&'a str>,
}

impl<'a> Effective<'a> {
    /// The value at a JSON Pointer whose tokens hold neither `/` nor `~`.
    #[must_use]
    pub fn get(self, pointer: &str) -> Setting<'a> {
        let tokens = pointer.split('/').skip(1);
        Setting {
            at: tokens.fold(At::root(self.document()), |at, token| at.get(token)),
            is_default: self.is_default(pointer),
            unknown: self.unknown(pointer),
        }
    }

    /// The value of a flag, which is named without its dashes.
    #[must_use]
    pub fn flag(self, name: &str) -> Setting<'a> {
        self.get(&format!("/flags/{name}"))
    }
}

impl<'a> Setting<'a> {
    /// Whether nobody set it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.is_default
    }

    /// What a message says behind a value that nobody set.
    #[must_use]
    pub fn by_default(&self) -> &'static str {
        if self.is_default { " by default" } else { "" }
    }

    /// Why it cannot be known; none if it is known.
    #[must_use]
    pub fn unknown(&self) -> Option<&'a str> {
        self.unknown
    }

    /// The text that it is set to. An empty one is as good as none: `--client-ca-file=` names no
    /// file.
    #[must_use]
    pub fn given(&self) -> Option<&'a str> {
        self.text().filter(|text| !text.is_empty())
    }

    /// The last item of the list that it is set to which fits.
    pub fn last(&self, fits: impl Fn(&str) -> bool) -> Option<At<'a>> {
        let items = self.items().filter(|item| item.text().is_some_and(&fits));
        items.last()
    }

    /// Says of a value that cannot be known that the rule cannot be answered; whether it is so.
    /// `what` is what is then not known, as the subject of a sentence.
    pub fn is_unknown(&self, rule: &'static Rule, checks: &mut Checks, what: &str) -> bool {
        if let Some(reason) = self.unknown {
            checks.unknown(rule, self, format!("{what} is not known: {reason}"));
        }
        self.unknown.is_some()
    }
}

impl<'a> Deref for Setting<'a> {
    type Target = At<'a>;

    fn deref(&self) -> &At<'a> {
        &self.at
    }
}

impl IntoPath for &Setting<'_> {
    fn into_path(self) -> String {
        self.path().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn what_is_absent_is_asked_for_by_its_own_name() {
        let document = json!({
            "flags": {"a": "", "b": "x"},
            "defaults": ["/flags/a"],
            "unknown": [{"path": "/flags/a", "reason": "why"}, {"path": "/gates", "reason": "who knows"}],
        });
        let effective = Effective::new(&document);
        let a = effective.get("/flags/a");
        assert_eq!(
            (a.by_default(), a.unknown(), a.given()),
            (" by default", Some("why"), None)
        );
        let b = effective.get("/flags/b");
        assert_eq!(
            (b.is_default(), b.unknown(), b.given()),
            (false, None, Some("x"))
        );
        assert_eq!(effective.flag("b").path(), b.path());
        let gate = effective.get("/gates/c");
        assert_eq!((gate.path(), gate.unknown()), ("", Some("who knows")));
    }
}
