use super::name::words;
use super::{
    Form, Names, Word, known, known_by_name, looks_random, pairs, passed, sha256_hex, shown,
    url_password,
};
use crate::matches_glob;

/// What gives a secret away, the most certain first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// It has the format of a known credential.
    Format,
    /// It stands before the `@` of a URL.
    Url,
    /// A command is given it.
    Command,
    /// Its name says so.
    Name,
    /// It looks random.
    Random,
}

/// A secret that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What gives it away.
    pub sign: Sign,
    /// A placeholder, or a secret.
    pub form: Form,
    /// The secret; empty where a command leaves one that it was not given here.
    pub secret: String,
    /// The line of the text, or the index of the word in a command line, that holds it, from 0.
    pub at: usize,
    /// What it is, without a character of it.
    pub message: String,
}

/// Looks for secrets, with what is known of their names and what is allowed.
#[derive(Clone, Debug, Default)]
pub struct Search {
    names: Names,
    allowed_names: Vec<String>,
    allowed_digests: Vec<String>,
}

/// How many secrets of one sign are told of one text.
const MANY: usize = 32;

impl Search {
    /// A search that takes more words for those of a secret, guesses nothing of some names (`*`
    /// stands for any characters), and leaves out values by their SHA-256 digests.
    #[must_use]
    pub fn new(
        secret_names: &[String],
        allowed_names: &[String],
        allowed_digests: &[String],
    ) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_lowercase()).collect();
        Self {
            names: Names::with(secret_names),
            allowed_names: lower(allowed_names),
            allowed_digests: lower(allowed_digests),
        }
    }

    /// Which names say secret.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Whether nothing is to be guessed of a name.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        if self.allowed_names.is_empty() {
            return false;
        }
        let name = name.to_lowercase();
        self.allowed_names
            .iter()
            .any(|pattern| matches_glob(pattern, &name))
    }

    /// The secrets in a value with its name; `what` names both for the messages.
    #[must_use]
    pub fn value(&self, what: &str, name: &str, text: &str) -> Vec<Sighting> {
        let trimmed = text.trim();
        if trimmed.contains('\n') {
            return self.text(what, text);
        }
        let certain = self.certain(what, name, text);
        if !certain.is_empty() || self.allows(name) {
            return certain;
        }
        let length = || trimmed.chars().count();
        if let Some(form) = self.names.guess(name, text) {
            let hint = if form == Form::Placeholder {
                "a default that everybody knows"
            } else {
                "a literal"
            };
            let message = format!(
                "{what} is named like a secret, and its value is {hint} of {} characters",
                length()
            );
            return self.kept(vec![sighting(Sign::Name, form, trimmed, 0, message)]);
        }
        if looks_random(text) && !is_digest(name) {
            let message = format!("{what} has {} characters that look random", length());
            return self.kept(vec![sighting(
                Sign::Random,
                Form::Literal,
                trimmed,
                0,
                message,
            )]);
        }
        if text.contains(['{', ';', '=', '<', ' ']) {
            self.guessed(what, text, certain)
        } else {
            Vec::new()
        }
    }

    /// The secrets in a text with names and values: a configuration file, a connection string.
    #[must_use]
    pub fn text(&self, what: &str, text: &str) -> Vec<Sighting> {
        self.guessed(what, text, self.certain(what, "", text))
    }

    /// What is certain of a text, and what its names and values let guess beside it.
    fn guessed(&self, what: &str, text: &str, mut found: Vec<Sighting>) -> Vec<Sighting> {
        let mut guessed = Vec::new();
        pairs(text, |pair| {
            let at = || format!("{what} holds {} on line {}", shown(pair.name), pair.line);
            let length = pair.value.chars().count();
            let line = pair.line - 1;
            if guessed.len() >= 4 * MANY || self.allows(pair.name) {
                return;
            }
            if let Some(known) = known_by_name(pair.name, pair.value) {
                guessed.push(sighting(
                    Sign::Format,
                    Form::Literal,
                    pair.value,
                    line,
                    format!("{}: {}", at(), known.format),
                ));
            } else if let Some(form) = self.names.guess(pair.name, pair.value) {
                let message = format!(
                    "{}, which is named like a secret and has a literal of {length} characters",
                    at()
                );
                guessed.push(sighting(Sign::Name, form, pair.value, line, message));
            } else if pair.whole && looks_random(pair.value) && !is_digest(pair.name) {
                let message = format!("{}: {length} characters that look random", at());
                guessed.push(sighting(
                    Sign::Random,
                    Form::Literal,
                    pair.value,
                    line,
                    message,
                ));
            }
        });
        let certain = found.len();
        for guess in guessed {
            let known = found.iter().take(certain).any(|other| other.at == guess.at);
            let twice = found
                .last()
                .is_some_and(|last| last.at == guess.at && last.secret == guess.secret);
            if !known && !twice {
                found.push(guess);
            }
        }
        self.kept(found)
    }

    /// The secrets in the words of a command line. `written` are the texts in which what is
    /// certain is looked for, each word's as it is written; none where that is done elsewhere.
    #[must_use]
    pub fn command(&self, what: &str, words: &[Word], written: &[&str]) -> Vec<Sighting> {
        let mut found = Vec::new();
        for (index, text) in written.iter().enumerate() {
            let certain = self.certain(what, "", text);
            found.extend(certain.into_iter().map(|sighting| Sighting {
                at: index,
                ..sighting
            }));
        }
        let mut certain = vec![false; words.len()];
        for sighting in &found {
            if let Some(word) = certain.get_mut(sighting.at) {
                *word = true;
            }
        }
        for passed in passed(words, &self.names) {
            let name = passed
                .how
                .rsplit(' ')
                .next()
                .unwrap_or_default()
                .trim_start_matches('-');
            if certain.get(passed.word) == Some(&true) || self.allows(name) {
                continue;
            }
            let length = passed.secret.chars().count();
            let message = if passed.stores {
                format!("{what} leaves a credential where it runs: {}", passed.how)
            } else {
                format!(
                    "{what} hands over a secret of {length} characters: {}",
                    passed.how
                )
            };
            found.push(sighting(
                Sign::Command,
                passed.form,
                &passed.secret,
                passed.word,
                message,
            ));
        }
        self.kept(found)
    }

    /// What has a known format, and the secrets in URLs, wherever they stand.
    fn certain(&self, what: &str, name: &str, text: &str) -> Vec<Sighting> {
        let mut found = Vec::new();
        if let Some(known) = known_by_name(name, text) {
            let message = format!(
                "{what} holds {} of {} characters",
                known.format,
                text.trim().len()
            );
            found.push(sighting(
                Sign::Format,
                Form::Literal,
                text.trim(),
                0,
                message,
            ));
            return self.kept(found);
        }
        let mut rest = Rest::new(text);
        while let Some(known) = known(rest.text).filter(|_| found.len() < MANY) {
            let message = format!(
                "{what} holds {} of {} characters",
                known.format,
                known.secret.len()
            );
            let line = rest.pass(known.secret);
            found.push(sighting(
                Sign::Format,
                Form::Literal,
                known.secret,
                line,
                message,
            ));
        }
        let formats = found.len();
        let mut rest = Rest::new(text);
        while let Some(url) = url_password(rest.text).filter(|_| found.len() < 2 * MANY) {
            let message = format!(
                "{what} holds a {} URL with a secret of {} characters",
                url.scheme,
                url.secret.chars().count()
            );
            let line = rest.pass(url.secret);
            if !found
                .iter()
                .take(formats)
                .any(|other| other.at == line && url.secret.contains(&*other.secret))
            {
                found.push(sighting(Sign::Url, url.form, url.secret, line, message));
            }
        }
        self.kept(found)
    }

    /// Whether a value is allowed by its digest.
    #[must_use]
    pub fn allows_value(&self, value: &str) -> bool {
        !self.allowed_digests.is_empty() && self.allowed_digests.contains(&sha256_hex(value.trim()))
    }

    /// Without what is allowed.
    fn kept(&self, mut found: Vec<Sighting>) -> Vec<Sighting> {
        found.retain(|sighting| !self.allows_value(&sighting.secret));
        found
    }
}

fn sighting(sign: Sign, form: Form, secret: &str, at: usize, message: String) -> Sighting {
    Sighting {
        sign,
        form,
        secret: secret.to_owned(),
        at,
        message,
    }
}

/// What of a text is still to be read, and the line where it begins.
struct Rest<'a> {
    text: &'a str,
    line: usize,
}

impl<'a> Rest<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, line: 0 }
    }

    /// Goes on behind a part of the text; the line where that part begins.
    fn pass(&mut self, part: &str) -> usize {
        // The part is a slice of the text; its content may stand there earlier, too.
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let Some((before, after)) = self.text.split_at_checked(start) else {
            return self.line;
        };
        let after = after.get(part.len()..).unwrap_or_default();
        let breaks = |text: &str| text.bytes().filter(|&byte| byte == b'\n').count();
        let line = self.line + breaks(before);
        self.line = line + breaks(part);
        self.text = after;
        line
    }
}

/// Whether a name is that of a digest, a commit or an identifier, which look as random as a key.
fn is_digest(name: &str) -> bool {
    #[rustfmt::skip]
    const WORDS: [&str; 25] = [
        "rev", "revision", "fingerprint", "md", "etag", "integrity", "version", "id", "ids", "uid", "uuid", "guid", "thumbprint",
        "gpg", "pgp", "cert", "public", "pubkey", "recipient", "ref", "crc", "signature", "asc", "build", "image",
    ];
    const ENDS: [&str; 7] = ["sha", "sum", "sums", "hash", "digest", "commit", "slug"];
    let said = |word: &String| {
        WORDS.contains(&word.as_str()) || ENDS.iter().any(|end| word.ends_with(end))
    };
    words(name).iter().any(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(name: &str, text: &str) -> Vec<(Sign, usize)> {
        Search::default()
            .value("x", name, text)
            .into_iter()
            .map(|sighting| (sighting.sign, sighting.at))
            .collect()
    }

    #[test]
    fn a_secret_is_reported_by_its_most_certain_sign() {
        let token = ["ghp_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"].concat();
        assert_eq!(signs("GITHUB_TOKEN", &token), [(Sign::Format, 0)]);
        assert_eq!(
            signs("GITHUB_TOKEN", &token.replace("zQ", "zR")),
            [(Sign::Name, 0)]
        );
        assert_eq!(signs("X", &token.replace("zQ", "zR")), [(Sign::Random, 0)]);
        assert_eq!(
            signs("REMOTE", &format!("https://{token}@github.com/a/b")),
            [(Sign::Format, 0)]
        );
        assert_eq!(
            signs("PASSWORD_URL", "https://bob:hunter2@example.org"),
            [(Sign::Url, 0)]
        );
        assert_eq!(signs("X", "Server=a;Password=hunter2"), [(Sign::Name, 0)]);
    }

    #[test]
    fn every_line_of_a_text_is_told() {
        let text = "# x\na=1\npassword=hunter2\nurl=postgres://a:hunter2@b/c\nurl2=redis://:hunter3@d\nsecret: ${S}\n";
        assert_eq!(
            signs("app.properties", text),
            [(Sign::Url, 3), (Sign::Url, 4), (Sign::Name, 2)]
        );
    }

    #[test]
    fn digests_are_not_random() {
        let digest = "9f3a7c51e08b2d469f3a7c51e08b2d469f3a7c51e08b2d469f3a7c51e08b2d46";
        for name in [
            "PHP_SHA256",
            "GIT_COMMIT",
            "checksum/config",
            "org.opencontainers.image.revision",
            "BUILD_ID",
        ] {
            assert_eq!(signs(name, digest), [], "{name}");
        }
        assert_eq!(signs("SEED_VALUE", digest), [(Sign::Random, 0)]);
    }

    #[test]
    fn messages_never_hold_the_secret() {
        for (name, text) in [
            ("DB_PASS", "hunter2"),
            ("X", "https://bob:hunter2@example.org"),
            ("f", "a=1\npassword=hunter2\n"),
        ] {
            let found = Search::default().value("X", name, text);
            assert!(
                found
                    .iter()
                    .all(|sighting| !sighting.message.contains("hunter2")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn what_is_allowed_is_left_out() {
        let digests = [sha256_hex("hunter2")];
        assert_eq!(
            Search::new(&[], &[], &digests).value("x", "DB_PASS", "hunter2"),
            []
        );
        assert_eq!(
            Search::new(&[], &["db_*".into()], &[]).value("x", "DB_PASS", "hunter2"),
            []
        );
        assert_eq!(
            Search::new(&["code".into()], &[], &[])
                .value("x", "DOOR_CODE", "hunter2")
                .len(),
            1
        );
    }
}
