use super::value::{Form, form, looks_random};

/// What a name says of its value; the more certain, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    /// No secret, as far as the name tells.
    Nothing,
    /// A secret if the value looks like one: `CACHE_KEY`, `basic_auth`.
    Maybe,
    /// A secret: `apiKey`, `GITHUB_TOKEN`.
    Secret,
    /// A secret that people think up: `DB_PASS`. Digits alone may be one.
    Password,
}

/// Which names say secret.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Words that say secret beside those that everyone uses, in lower case without separators.
    more: Vec<String>,
}

/// What a name of a password ends with, its separators taken out.
const PASSWORD: [&str; 7] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "pword",
    "psw",
];

/// What a name of another secret ends with.
const SECRET: [&str; 22] = [
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "privkey",
    "authkey",
    "masterkey",
    "encryptionkey",
    "encryptkey",
    "signingkey",
    "hmackey",
    "adminkey",
    "accountkey",
    "sharedkey",
    "credential",
    "credentials",
    "creds",
    "bearer",
    "masterauth",
    "requirepass",
];

/// What a name ends with that may be that of a secret, as its last word.
const MAYBE: [&str; 12] = [
    "key",
    "keys",
    "auth",
    "authorization",
    "salt",
    "jwt",
    "seed",
    "tokens",
    "secrets",
    "passwords",
    "cookie",
    "passkey",
];

/// What each of these names has in it, whatever its separators.
const STEMS: [&str; 14] = [
    "pass", "pwd", "pword", "psw", "secret", "token", "key", "cred", "auth", "bearer", "salt",
    "jwt", "seed", "cookie",
];

/// Words that end with `pass` and mean no password.
const NO_PASS: [&str; 10] = [
    "compass",
    "bypass",
    "trespass",
    "surpass",
    "overpass",
    "underpass",
    "encompass",
    "keepass",
    "multipass",
    "onepass",
];

/// Last words that make a name that of something about a secret: `TOKEN_TTL`, `SECRET_NAME`.
#[rustfmt::skip]
const ABOUT: &[&str] = &[
    "account", "age", "alg", "algorithm", "algorithms", "alias", "allowed", "api", "arn", "attr", "attribute",
    "audience", "authentication", "authenticator", "backend", "bits", "button", "bytes", "cert", "certificate",
    "claim", "class", "cn", "col", "column", "complexity", "config", "configmap", "count", "cost", "crt",
    "date", "days", "description", "digest", "dir", "directory", "disabled", "driver", "duration", "email", "enable",
    "enabled", "encoding", "encryption", "endpoint", "engine", "env", "error", "exists", "expiration", "expire",
    "expires", "expiry", "expirydate", "exporter", "factory", "field", "fields", "file", "filename", "filepath",
    "files", "filter", "folder", "form", "format", "generator", "grant", "group", "handler", "header",
    "headers", "helper", "hint", "history", "home", "host", "hostname", "hours", "id", "identifier", "ids", "in", "index",
    "interval", "issuer", "key_id", "kid", "kind", "label", "labels", "len", "length", "level", "leeway", "lifespan",
    "lifetime", "limit", "link", "list", "loc", "location", "loader", "manager", "mappings", "max", "maxage", "message", "method",
    "methods", "min", "minutes", "mode", "module", "ms", "mount", "mountpath", "name", "names", "namespace", "node",
    "number", "options", "page", "param", "parameter", "path", "paths", "pattern", "period", "placeholder", "plugin",
    "policies", "policy", "port", "prefix", "prompt", "property", "protocol", "provider", "providers", "quality",
    "realm", "ref", "reference", "refresh", "regex", "regexp", "region", "registry", "renewal", "required", "reset",
    "resolver", "resource", "retries", "reviewer", "role", "roles", "rotation", "rounds", "rule", "rules", "scheme",
    "scope", "scopes", "seconds", "section", "server", "servers", "service", "sha", "size", "skew", "stdin", "sock", "socket",
    "source", "space", "state", "status", "storage", "store", "strategy", "strength", "subject", "suffix", "sum",
    "supported", "template", "test", "text", "threshold", "timeout", "title", "topic", "ttl", "type", "types", "uri",
    "url", "urls", "usage", "use", "user", "username", "users", "uuid", "validation", "validator", "validity", "var",
    "variable", "vault", "version", "volume", "window",
];

/// Words anywhere in a name that make what follows public, or the name of another thing.
const PUBLIC: [&str; 12] = [
    "public",
    "pub",
    "pubkey",
    "publishable",
    "truststore",
    "existing",
    "cancellation",
    "csrf",
    "idempotency",
    "continue",
    "checksum",
    "fingerprint",
];

impl Names {
    /// The words that everyone uses, and more.
    #[must_use]
    pub fn with(more: &[String]) -> Self {
        let more = more
            .iter()
            .map(|word| words(word).concat())
            .filter(|word| !word.is_empty());
        Self {
            more: more.collect(),
        }
    }

    /// What a name says of its value: of a variable, an option, a key in a file. It may be written
    /// in any case, with any separators or none: `DB_PASS`, `dbPassword`, `db-password`.
    #[must_use]
    pub fn says(&self, name: &str) -> Says {
        if matches!(name, "PWD" | "OLDPWD") {
            return Says::Nothing;
        }
        // A name is short; what is longer is a path or a text that ends with one.
        let start = (name.len().saturating_sub(128)..=name.len())
            .find(|&start| name.is_char_boundary(start));
        let name = name.get(start.unwrap_or(0)..).unwrap_or(name);
        // Most names have none of this in them, and need not be taken apart.
        if self.more.is_empty() && !has_stem(name.as_bytes()) {
            return Says::Nothing;
        }
        let words = words(name);
        let Some(last) = words.last().map(String::as_str) else {
            return Says::Nothing;
        };

        let mut joined = String::new();
        let mut said = Says::Nothing;
        for word in &words {
            joined += word;
            let ends = |end: &&str| joined.ends_with(end);
            said = if self.more.iter().any(|more| joined.ends_with(more.as_str())) {
                return Says::Secret;
            } else if PASSWORD.iter().any(ends) {
                Says::Password
            } else if SECRET.iter().any(ends) {
                Says::Secret
            } else {
                said
            };
        }
        let has = |word: &str| words.iter().any(|other| other == word);
        let ends_with = |pair: [&str; 2]| words.iter().rev().take(2).rev().eq(pair.iter());
        if ends_with(["secret", "id"]) {
            return Says::Maybe;
        }
        if ABOUT.contains(&last)
            || PUBLIC.iter().any(|word| has(word))
            || (has("trust") && has("store"))
        {
            return Says::Nothing;
        }
        // The Secret of an Ingress or a registry is named, not written.
        if last == "secret" && (has("tls") || has("pull") || has("ref")) {
            return Says::Nothing;
        }
        if said != Says::Nothing {
            // `existingSecretPasswordKey` and its like name a key in a Secret.
            let names_a_key = last == "key" && !SECRET.iter().any(|end| joined.ends_with(end));
            return if names_a_key { Says::Maybe } else { said };
        }
        if last.ends_with("pass") && !NO_PASS.contains(&last) {
            return Says::Password;
        }
        let fingerprint = (has("gpg") || has("pgp")) && last.starts_with("key");
        if MAYBE.contains(&last) && !fingerprint {
            Says::Maybe
        } else {
            Says::Nothing
        }
    }
}

impl Names {
    /// What the value of a name is, if the name says secret and the value is none of the safe forms.
    #[must_use]
    pub fn guess(&self, name: &str, value: &str) -> Option<Form> {
        // Most names say nothing, and a name is looked at sooner than a value.
        let says = self.says(name);
        if says == Says::Nothing {
            return None;
        }
        let value = value.trim();
        let secret = without_scheme(value);
        let form = form(secret);
        let literal = match says {
            Says::Nothing => false,
            Says::Maybe if secret.len() < value.len() => form != Form::Safe,
            Says::Maybe => form == Form::Literal && (looks_random(secret) || is_short_hex(secret)),
            Says::Secret => form != Form::Safe,
            Says::Password => form != Form::Safe || is_digits(secret),
        };
        literal.then_some(if form == Form::Safe {
            Form::Literal
        } else {
            form
        })
    }
}

/// Whether a name has one of the [`STEMS`] in it, in any case.
fn has_stem(name: &[u8]) -> bool {
    let begins_with = |rest: &[u8], stem: &str| {
        let begin = rest.get(..stem.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(stem.as_bytes()))
    };
    let mut heads = name.windows(2).enumerate();
    heads.any(|(start, head)| {
        STEM_HEADS[letter(head[0])] & (1 << letter(head[1])) != 0
            && STEMS.iter().any(|stem| begins_with(&name[start..], stem))
    })
}

/// The second letters of the [`STEMS`] by their first, as bits.
const STEM_HEADS: [u32; 32] = {
    let mut heads = [0; 32];
    let mut index = 0;
    while index < STEMS.len() {
        let stem = STEMS[index].as_bytes();
        heads[letter(stem[0])] |= 1 << letter(stem[1]);
        index += 1;
    }
    heads
};

/// A letter of any case as a number; what is no letter has that of some letter, too.
const fn letter(byte: u8) -> usize {
    (byte & 31) as usize
}

/// The secret in the value of an `Authorization` header: `Bearer SECRET`.
#[must_use]
pub fn without_scheme(value: &str) -> &str {
    let scheme = value.split_once(' ').filter(|(scheme, _)| {
        ["Bearer", "Basic", "Token", "ApiKey"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(scheme))
    });
    scheme.map_or(value, |(_, secret)| secret.trim())
}

fn is_digits(text: &str) -> bool {
    text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Too short to look random by itself, but not beside a name.
fn is_short_hex(text: &str) -> bool {
    let hex = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hex && (16..32).contains(&text.len()) && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// The words of a name in lower case, digits at their ends taken off. A capital starts a word
/// behind a small letter or a digit, and before a small letter: `DBPassword2` is `db`, `password`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut letters = name.chars().peekable();
    let mut previous = ' ';
    while let Some(letter) = letters.next() {
        let small_next = letters.peek().is_some_and(char::is_ascii_lowercase);
        let starts = letter.is_ascii_uppercase() && (!previous.is_ascii_uppercase() || small_next);
        if !letter.is_alphanumeric() || starts {
            finish(&mut words, &mut word);
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
        previous = letter;
    }
    finish(&mut words, &mut word);
    words
}

fn finish(words: &mut Vec<String>, word: &mut String) {
    let length = word.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    word.truncate(length);
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(name: &str) -> Says {
        Names::default().says(name)
    }

    #[test]
    fn names_of_passwords() {
        for name in [
            "PASSWORD",
            "DB_PASS",
            "DBPASSWORD",
            "DB_PWD",
            "db-password",
            "dbPassword",
            "MYSQL_ROOT_PASSWORD",
            "userpass",
            "spring.datasource.password",
            "PASSWORD_2",
            "passWord",
            "keyPassphrase",
            "PASSWORD_PROD",
            "--password",
            "storepass",
            "Pwd",
            "SSHPASS",
            "PGPASSWORD",
        ] {
            assert_eq!(says(name), Says::Password, "{name}");
        }
    }

    #[test]
    fn names_of_other_secrets() {
        for name in [
            "GITHUB_TOKEN",
            "accessKey",
            "ACCESS_KEY",
            "VITE_API_TOKEN",
            "REACT_APP_SECRET",
            "apiKey",
            "api-key",
            "APIKEY",
            "CLIENTSECRET",
            "SECRET_KEY_BASE",
            "aws_secret_access_key",
            "GPG_PRIVATE_KEY",
            "//registry.npmjs.org/:_authToken",
            "JWT_SECRET",
            "credentials",
            "X-Api-Key",
            "TOKEN_GITHUB",
            "OAuthToken",
            "secretKey",
        ] {
            assert_eq!(says(name), Says::Secret, "{name}");
        }
    }

    #[test]
    fn names_of_none() {
        for name in [
            "",
            "PWD",
            "OLDPWD",
            "COMPASS_VERSION",
            "KEYCLOAK_HOME",
            "MONKEY",
            "GPG_KEY",
            "GPG_KEYS",
            "WORDPRESS_CLI_GPG_KEY",
            "SSH_AUTH_SOCK",
            "TLS_KEY_PATH",
            "POSTGRES_PASSWORD_FILE",
            "KEYBOARD",
            "AUTHOR",
            "PASSENGER",
            "TOKEN_EXPIRY",
            "TOKEN_TTL",
            "TOKEN_URL",
            "TOKEN_ISSUER",
            "SECRET_NAME",
            "KEY_VAULT_NAME",
            "AUTH_METHOD",
            "TOKENIZER",
            "TOKENIZERS_PARALLELISM",
            "KEYSPACE",
            "KEY_SPACE",
            "COMPASS",
            "access.log",
            "libcrypto3",
            "FOO_ENABLED",
            "PASSWORD_ENABLED",
            "JWT_PUBLIC_KEY",
            "secretName",
            "existingSecret",
            "imagePullSecret",
            "tlsSecret",
            "tokenUrl",
            "AWS_ACCESS_KEY_ID",
            "PASSWORD_ENCRYPTION",
            "PHP_SHA256",
            "PASSWORDLESS",
            "trustStorePassword",
            "ACCESS",
            "secretRef",
        ] {
            assert_eq!(says(name), Says::Nothing, "{name}");
        }
    }

    #[test]
    fn names_that_leave_it_to_the_value() {
        for name in [
            "CACHE_KEY",
            "TLS_KEY",
            "key",
            "BASIC_AUTH",
            "HASH_SALT",
            "IMAGE_PULL_SECRETS",
            "VAULT_SECRET_ID",
        ] {
            assert_eq!(says(name), Says::Maybe, "{name}");
        }
    }

    #[test]
    fn more_words_can_be_given() {
        let names = Names::with(&["Zugangs-Code".into()]);
        assert_eq!(names.says("APP_ZUGANGSCODE"), Says::Secret);
        assert_eq!(names.says("zugangsCode"), Says::Secret);
        assert_eq!(names.says("CODE"), Says::Nothing);
    }
}
