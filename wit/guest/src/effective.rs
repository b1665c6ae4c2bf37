use serde_json::Value;

use crate::At;

/// What an effective shape says of its own values: which nobody set, and which its source cannot
/// tell.
#[derive(Clone, Copy, Debug)]
pub struct Effective<'a>(&'a Value);

impl<'a> Effective<'a> {
    /// Of a document with `defaults` and `unknown`.
    #[must_use]
    pub fn new(document: &'a Value) -> Self {
        Self(document)
    }

    /// Whether nobody set the value at a JSON Pointer.
    #[must_use]
    pub fn is_default(self, path: &str) -> bool {
        self.list("defaults")
            .any(|default| default.as_str() == Some(path))
    }

    /// Why it cannot be known what stands at a JSON Pointer; none if it is known.
    #[must_use]
    pub fn unknown(self, path: &str) -> Option<&'a str> {
        let unset = self.is_default(path) || self.0.pointer(path).is_none();
        self.list("unknown").find_map(|item| {
            let of = item.get("path")?.as_str()?;
            let above = path
                .strip_prefix(of)
                .is_some_and(|rest| rest.starts_with('/'));
            (of == path || (above && unset))
                .then(|| item.get("reason")?.as_str())
                .flatten()
        })
    }

    /// Whether what stands at a JSON Pointer needs a variable that has no value here.
    #[must_use]
    pub fn is_unresolved(self, path: &str) -> bool {
        self.list("unresolved")
            .any(|unresolved| unresolved.as_str() == Some(path))
    }

    /// A variable of a command line that has no value here, where it may set what nobody is seen
    /// to set at a JSON Pointer.
    #[must_use]
    pub fn may_be_set_by(self, path: &str) -> Option<At<'a>> {
        let mut variables = At::root(self.0).get("unresolved").items();
        variables.next().filter(|_| self.is_default(path))
    }

    /// The whole document.
    pub(crate) fn document(self) -> &'a Value {
        self.0
    }

    fn list(self, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let items = self.0.get(key).and_then(Value::as_array);
        items.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_set_is_known_beneath_what_is_not() {
        let document = json!({
            "flags": {"a": 1, "b": 2},
            "defaults": ["/flags/b"],
            "unknown": [{"path": "/flags", "reason": "why"}],
        });
        let effective = Effective::new(&document);
        assert_eq!(effective.unknown("/flags/a"), None);
        assert_eq!(effective.unknown("/flags/b"), Some("why"));
        assert_eq!(effective.unknown("/flags/c"), Some("why"));
        assert!(effective.is_default("/flags/b") && !effective.is_default("/flags/a"));
    }

    #[test]
    fn a_variable_sets_only_what_nobody_is_seen_to_set() {
        let document = json!({"a": 1, "b": 2, "defaults": ["/b"], "unresolved": ["$OPTIONS"]});
        let effective = Effective::new(&document);
        let by = |path| Some(effective.may_be_set_by(path)?.path().to_owned());
        assert_eq!((by("/a"), by("/b")), (None, Some("/unresolved/0".into())));
    }
}
