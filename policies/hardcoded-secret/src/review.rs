//! What is found in one object.

use stridegate_policy::prelude::*;
use stridegate_policy::secret::{Form, Says, Search, Sighting, Sign, Written, shown};

use crate::{COMMAND_LINE, HIGH_ENTROPY, KNOWN_FORMAT, SECRET_NAME, URL_CREDENTIALS};

/// A secret, or a place where one is sure to be.
pub(crate) struct Found {
    pub(crate) rule: &'static Rule,
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) severity: Severity,
    /// Empty where the path itself holds no secret.
    pub(crate) secret: String,
}

pub(crate) struct Review<'a> {
    pub(crate) search: &'a Search,
    pub(crate) found: Vec<Found>,
    /// What is read now does not become part of the image.
    pub(crate) discarded: bool,
}

impl<'a> Review<'a> {
    pub(crate) fn new(search: &'a Search) -> Self {
        Self {
            search,
            found: Vec::new(),
            discarded: false,
        }
    }

    pub(crate) fn add(
        &mut self,
        rule: &'static Rule,
        path: String,
        form: Form,
        secret: &str,
        message: String,
    ) {
        let severity = match (form, self.discarded, rule.severity) {
            (Form::Placeholder, ..) => Severity::Low,
            (_, false, severity) => severity,
            // The layers of a stage that nothing is based on stay on the machine that built them.
            (_, true, Severity::Critical) => Severity::High,
            (_, true, Severity::High) => Severity::Medium,
            (_, true, _) => Severity::Low,
        };
        // A text with many lines is one place.
        let mut latest = self.found.iter().rev().take(16);
        if !latest.any(|found| found.rule.id == rule.id && found.path == path) {
            self.found.push(Found {
                rule,
                path,
                message,
                severity,
                secret: secret.to_owned(),
            });
        }
    }

    /// Adds a place that is no secret itself.
    pub(crate) fn add_place(&mut self, rule: &'static Rule, path: String, message: String) {
        self.add(rule, path, Form::Literal, "", message);
    }

    /// Reads texts with their places.
    pub(crate) fn look(&mut self, texts: &[Written]) {
        let search = self.search;
        for (path, sighting) in texts.iter().flat_map(|text| search.look(text)) {
            self.add_sighting(path, sighting);
        }
    }

    /// Reads the value that has a name.
    pub(crate) fn value(&mut self, what: &str, name: &str, value: &At) {
        let text = value.text().unwrap_or_default();
        let what = format!("{what} {}", shown(name));
        for sighting in self.search.value(&what, name, text) {
            self.add_sighting(value.path().to_owned(), sighting);
        }
    }

    fn add_sighting(&mut self, path: String, sighting: Sighting) {
        let Sighting {
            sign,
            form,
            secret,
            message,
            ..
        } = sighting;
        self.add(rule_of(sign), path, form, &secret, message);
    }

    /// Whether something of this name is sure to be a secret, and not allowed.
    pub(crate) fn is_secret(&self, name: &str) -> bool {
        self.search.names().says(name) > Says::Maybe && !self.search.allows(name)
    }
}

fn rule_of(sign: Sign) -> &'static Rule {
    match sign {
        Sign::Format => &KNOWN_FORMAT,
        Sign::Url => &URL_CREDENTIALS,
        Sign::Command => &COMMAND_LINE,
        Sign::Name => &SECRET_NAME,
        Sign::Random => &HIGH_ENTROPY,
    }
}
