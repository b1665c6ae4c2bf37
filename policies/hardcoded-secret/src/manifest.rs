//! What the manifest of a Kubernetes object holds.

use std::collections::BTreeSet;

use stridegate_policy::prelude::*;
use stridegate_policy::secret::{self, Form, LAST_APPLIED};

use crate::SECRET_MANIFEST;
use crate::review::Review;

impl Review<'_> {
    /// What kubectl was told last may hold what was since taken out of the object; what is still
    /// in the object goes from both at once.
    pub(crate) fn last_applied(&mut self, root: &At) {
        let annotation = root.get("metadata").get("annotations").get(LAST_APPLIED);
        let Some(document) = annotation
            .text()
            .and_then(|text| text.parse::<Value>().ok())
        else {
            return;
        };
        let mut before = Review::new(self.search);
        before.look(&secret::written_in_manifest(&At::root(&document)));
        let secrets = self.found.iter().map(|found| found.secret.clone());
        let known: BTreeSet<String> = secrets.collect();
        let mut gone = before.found;
        gone.retain(|found| !known.contains(&found.secret));
        for found in gone {
            let said = found.message;
            let message = format!("the last applied configuration still says: {said}");
            let path = annotation.path().to_owned();
            self.add(found.rule, path, Form::Literal, &found.secret, message);
        }
    }

    /// Reads the values of a Secret.
    pub(crate) fn secret(&mut self, root: &At) {
        // Who logs in where is no secret in itself.
        const OTHERS: [&str; 9] = [
            "username", "user", "email", "host", "hostname", "port", "database", "dbname", "ca.crt",
        ];
        for (list, is_encoded) in [("data", true), ("stringData", false)] {
            for (key, value) in root.get(list).members() {
                let text = value.text().unwrap_or_default();
                let bytes = is_encoded.then(|| secret::decode_base64(text)).flatten();
                let text = bytes
                    .as_deref()
                    .map_or(text, |bytes| secret::printable(bytes).unwrap_or("(binary)"));
                let sightings = self.search.value("", key, text);
                let is_seen = sightings.iter().any(|seen| seen.form == Form::Literal);
                let is_literal = secret::form(text) == Form::Literal && !OTHERS.contains(&key);
                if !(is_seen || is_literal)
                    || self.search.allows(key)
                    || self.search.allows_value(text)
                {
                    continue;
                }
                let (key, length) = (secret::shown(key), text.trim().chars().count());
                let message = format!(
                    "the Secret's key {key} has a value of {length} characters in this file"
                );
                let path = value.path().to_owned();
                self.add(&SECRET_MANIFEST, path, Form::Literal, text, message);
            }
        }
    }
}
