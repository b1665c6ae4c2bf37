use super::encoding::{decode_base64, printable};
use super::format::is_public_material;

/// What a value is, judged by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// No secret: empty, a reference to one, a path, a switch, a number, a version.
    Safe,
    /// A word that asks to be replaced, such as `changeme`: a secret that everybody knows.
    Placeholder,
    /// Anything else.
    Literal,
}

/// Words that stand for a value that is not there, or that switch something.
#[rustfmt::skip]
const SWITCHES: [&str; 30] = [
    "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nil", "none", "undefined", "enabled", "disabled",
    "enable", "disable", "required", "optional", "always", "never", "auto", "default", "allow", "deny", "~", "-",
    "opaque", "inherit", "unset", "unused",
];

/// What a placeholder has in it.
#[rustfmt::skip]
const PLACEHOLDERS: [&str; 23] = [
    "changeme", "change_me", "change-me", "changethis", "change_this", "change-this", "changeit", "please_change",
    "please-change", "replaceme", "replace_me", "replace-me", "replace_with", "replace-with", "placeholder", "example",
    "dummy", "todo", "fixme", "insert_", "insert-", "redacted", "not-a-real",
];

/// What the name of a file ends with.
#[rustfmt::skip]
const EXTENSIONS: [&str; 28] = [
    ".pem", ".key", ".crt", ".cer", ".pub", ".p12", ".pfx", ".jks", ".json", ".yaml", ".yml", ".toml", ".ini", ".txt",
    ".conf", ".cfg", ".env", ".properties", ".xml", ".sh", ".py", ".js", ".log", ".html", ".keystore", ".gpg", ".asc", ".sock",
];

/// What a value is, judged by itself. A number is safe here; as a password it may not be.
#[must_use]
pub fn form(value: &str) -> Form {
    let value = value.trim();
    if is_reference(value)
        || is_path(value)
        || is_plain(value)
        || is_prose(value)
        || is_public_material(value)
    {
        return Form::Safe;
    }
    // A secret is short; a placeholder is not looked for in a text.
    let lower = value
        .get(..value.len().min(200))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let starts = [
        "your",
        "<your",
        "my-secret-here",
        "enter",
        "put-",
        "put_",
        "set-me",
        "set_me",
        "sample",
        "fake",
    ];
    let same = lower.len() >= 4 && lower.bytes().all(|byte| byte == b'x');
    let placeholder = same
        || lower.contains("xxxx")
        || PLACEHOLDERS.iter().any(|word| lower.contains(word))
        || starts.iter().any(|start| lower.starts_with(start))
        || lower.replace(['_', '-', ' '], "").ends_with("goeshere");
    if placeholder {
        Form::Placeholder
    } else {
        Form::Literal
    }
}

/// Whether a value only says where the secret comes from, or that it is hidden or encrypted.
fn is_reference(value: &str) -> bool {
    let Some(first) = value.chars().next() else {
        return true;
    };
    let variable = |rest: &str| {
        !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let name = value
        .strip_prefix('$')
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()) && variable(rest));
    let windows = value
        .strip_prefix('%')
        .and_then(|rest| rest.strip_suffix('%'))
        .is_some_and(variable);
    let wrapped = [
        ("<", ">"),
        ("{", "}"),
        ("[", "]"),
        ("@", "@"),
        ("__", "__"),
        ("#{", "}"),
        ("ENC(", ")"),
        ("ENC[", "]"),
    ];
    let wrapped = wrapped.iter().any(|(open, close)| {
        value.len() > open.len() + close.len() && value.starts_with(open) && value.ends_with(close)
    });
    let hidden =
        value.chars().all(|c| c == first) && matches!(first, '*' | '.' | '-' | '_' | '•' | '?');
    let schemes = [
        "{cipher}",
        "vault:",
        "op://",
        "ref+",
        "arn:",
        "env:",
        "secret:",
        "secretmanager:",
        "awssm:",
        "sm://",
        "gcpsm:",
        "kv:",
        "azurekeyvault",
        "@Microsoft.KeyVault",
        "!",
        "projects/",
        "secretsmanager",
        "keychain:",
        "ssm:",
        "kubernetes:",
    ];
    let inside = ["${", "$(", "$[", "{{", "%(", "{%", "`"];
    name || windows
        || wrapped
        || hidden
        || ["%s", "%v", "%q", "\\1"]
            .iter()
            .any(|hole| value.starts_with(hole))
        || schemes
            .iter()
            .any(|scheme| value.starts_with(scheme) && value.len() > scheme.len())
        || inside.iter().any(|mark| value.contains(mark))
}

/// Whether a value says where a file or a service is. A credential in a URL is found elsewhere.
fn is_path(value: &str) -> bool {
    if value.len() > 1024 || value.contains(char::is_whitespace) {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    let letters = |text: &str| {
        text.chars()
            .all(|c| c.is_alphanumeric() || "._-/@:~*".contains(c))
    };
    let rooted = ["/", "./", "../", "~/"]
        .iter()
        .any(|start| value.starts_with(start))
        && letters(value);
    let drive = value
        .get(1..3)
        .is_some_and(|colon| colon == ":\\" || colon == ":/");
    let scheme = value.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let segments =
        value.contains('/') && letters(value) && !value.contains(|c: char| c.is_ascii_uppercase());
    let few_digits = value.bytes().filter(u8::is_ascii_digit).count() <= 4;
    let file = EXTENSIONS.iter().any(|end| lower.ends_with(end)) && letters(value);
    // Base64 may start with a slash, too.
    (rooted && !(value.len() >= 16 && looks_random(value.trim_start_matches('/'))))
        || drive
        || scheme
        || lower.starts_with("file:")
        || (segments && few_digits)
        || file
}

/// Whether a value is a switch, a number, a duration, a size or a version.
fn is_plain(value: &str) -> bool {
    if SWITCHES.iter().any(|word| word.eq_ignore_ascii_case(value)) {
        return true;
    }
    let bare = value
        .strip_prefix(['v', '=', '~', '^', '>', '<', '+', '-'])
        .unwrap_or(value);
    if !bare.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let digits = bare.trim_start_matches(|c: char| c.is_ascii_digit());
    let unit = digits.len() <= 3
        && digits.chars().all(|c| c.is_ascii_alphabetic() || c == '%')
        && bare.len() - digits.len() <= 9;
    let number = bare.parse::<f64>().is_ok() && !bare.contains(['e', 'E']);
    let durations = bare.len() <= 16
        && bare
            .split(|c: char| c.is_ascii_digit())
            .all(|unit| matches!(unit, "" | "." | "h" | "m" | "s" | "ms" | "d" | "w"));
    let parts = digits
        .strip_prefix('.')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let epoch = digits
        .strip_prefix(':')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains('.'));
    let version = (parts || epoch)
        && bare.len() <= 40
        && bare
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".+~:-_".contains(c));
    number || unit || durations || version
}

/// Whether a value is a sentence: labels and help texts have names that say secret, too.
fn is_prose(value: &str) -> bool {
    let words = || value.split_whitespace();
    words().nth(2).is_some()
        && words().all(|word| {
            word.trim_matches(|c: char| c.is_ascii_punctuation())
                .chars()
                .all(|c| c.is_alphabetic() || "'’-".contains(c))
        })
}

/// How many bits of information each character of a text holds (Shannon).
#[must_use]
pub fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "a text is far shorter than 2^52"
    )]
    let length = text.len() as f64;
    let shares = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length);
    shares.map(|share| -share * share.log2()).sum()
}

/// Whether a value looks like a key that a machine made: long, of one alphabet, without words,
/// and no digest, fingerprint, identifier or text in base64.
#[must_use]
pub fn looks_random(value: &str) -> bool {
    let value = value.trim();
    let value = value.strip_prefix("base64:").unwrap_or(value);
    let body = value.trim_end_matches('=');
    if !(20..=512).contains(&body.len()) {
        return false;
    }
    let alphabet = body
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_'));
    if !alphabet || is_identifier(body) {
        return false;
    }
    if body.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let one_case = !body.bytes().any(|b| b.is_ascii_uppercase())
            || !body.bytes().any(|b| b.is_ascii_lowercase());
        return body.len() >= 32
            && one_case
            && !body.bytes().all(|byte| byte.is_ascii_digit())
            && entropy(body) >= 3.0;
    }
    #[allow(clippy::cast_precision_loss, reason = "no more than 512")]
    let (length, changes) = (body.len() as f64, changes(body) as f64);
    let has = |class: fn(&u8) -> bool| body.bytes().filter(class).count();
    let (digits, marks) = (
        has(u8::is_ascii_digit),
        has(|byte| !byte.is_ascii_alphanumeric()),
    );
    let two_cases = has(u8::is_ascii_lowercase) > 0 && has(u8::is_ascii_uppercase) > 0;
    // Of random texts of these lengths, about one in a hundred stays below.
    let (least_entropy, least_changes, least_digits) = if two_cases {
        (0.83, 0.3, 1)
    } else {
        (0.8, 0.2, 4)
    };
    // Names have more separators.
    marks * 8 <= body.len()
        && digits >= least_digits
        && changes >= least_changes * length
        && entropy(body) >= (least_entropy * length.log2()).min(4.5)
        && !is_text(value)
}

/// How often a text changes between small letters, capitals and digits: random ones do so at every
/// other character, names and words hardly.
fn changes(text: &str) -> usize {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    };
    let mut previous = None;
    let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
    letters
        .filter(|&byte| {
            previous
                .replace(class(byte))
                .is_some_and(|previous| previous != class(byte))
        })
        .count()
}

/// UUIDs, fingerprints of PGP keys, and what begins like data in base64 that is no key.
fn is_identifier(body: &str) -> bool {
    let groups: Vec<usize> = body.split('-').take(6).map(str::len).collect();
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let uuid = groups == [8, 4, 4, 4, 12] && hex(&body.replace('-', ""));
    let fingerprint = body.strip_prefix("0x").unwrap_or(body);
    let fingerprint = matches!(fingerprint.len(), 40 | 64)
        && hex(fingerprint)
        && !fingerprint.bytes().any(|b| b.is_ascii_lowercase());
    let lower = body.get(..12).unwrap_or(body).to_ascii_lowercase();
    let digest = ["sha1-", "sha256-", "sha384-", "sha512-", "md5-", "h1:"]
        .iter()
        .any(|start| lower.starts_with(start));
    let data = ["LS0tLS1CRUdJTi", "AAAA", "MII", "H4sI", "iVBOR", "UEsDB"]
        .iter()
        .any(|start| body.starts_with(start));
    uuid || fingerprint || digest || data
}

/// Whether a value is base64 of a text.
fn is_text(value: &str) -> bool {
    decode_base64(value).is_some_and(|bytes| printable(&bytes).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_forms() {
        for value in [
            "",
            "  ",
            "$VAR",
            "${VAR}",
            "$(VAR)",
            "prefix-${VAR}",
            "{{ .Values.x }}",
            "<password>",
            "/run/secrets/db",
            "./key.pem",
            "~/.ssh/id_rsa",
            "C:\\secrets\\db.txt",
            "true",
            "False",
            "42",
            "3600s",
            "1h30m",
            "15m",
            "10MB",
            "1.2.3",
            "v1.2.3-rc1",
            "3.0.15-1~deb12u1",
            "2:1.4-r0",
            "https://auth.example.org/token",
            "config/secrets.json",
            "prod/db/password",
            "********",
            "ENC[AES256_GCM,data:x]",
            "%DB_PASS%",
            "%s",
            "arn:aws:secretsmanager:x:y",
            "op://vault/item/field",
            "{cipher}a1b2c3",
            "server.key",
            "Enter your password",
            "ssh-rsa AAAAB3Nza user@host",
            "__TOKEN__",
            "@token@",
            "vault:secret/data#x",
        ] {
            assert_eq!(form(value), Form::Safe, "{value}");
        }
    }

    #[test]
    fn placeholders_and_literals() {
        for value in [
            "changeme",
            "CHANGE_ME_NOW",
            "your-token",
            "xxxxxxxx",
            "example-key",
            "dummy",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ] {
            assert_eq!(form(value), Form::Placeholder, "{value}");
        }
        for value in [
            "hunter2",
            "YWJj==",
            "pa$$word",
            "s3cr3t!",
            "postgres",
            "1a2b3c4d5e6f7a8b",
            "$2y$10$abcdefgh",
            "correct-horse",
            "p@ss/W0rd",
        ] {
            assert_eq!(form(value), Form::Literal, "{value}");
        }
    }

    #[test]
    fn keys_look_random() {
        for value in [
            "q7Zk2mX9vR4bT8wLs3Nf6HdJ",
            "9f3a7c51e08b2d469f3a7c51e08b2d41",
            "x8Kd/2mQ+7vLr5TzN1wPc9YbH4sJf6Ga3EuXo0Vi",
            "k3j9x0q2m5n8b7v4c1z6l0p9o8i7u6y5",
            "base64:x8Kd/2mQ+7vLr5TzN1wPc9YbH4sJf6Ga3EuXo0ViQw4=",
        ] {
            assert!(looks_random(value), "{value} {}", entropy(value));
        }
    }

    #[test]
    fn names_and_identifiers_do_not() {
        for value in [
            "",
            "my-service-production-eu-west-1",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "123e4567-e89b-12d3-a456-426614174000",
            "595E85A6B1B4779EA4DAAEC70B588DFF0527A9B7",
            "sha512-q7Zk2mX9vR4bT8wLs3Nf6HdJq7Zk2mX9vR4bT8wLs3Nf6HdJ",
            "0x27EDEAF22F3ABCEB50DB9A125CC908FDB71E12C2",
            "org.springframework.boot.autoconfigure",
            "VGhpcyBpcyBqdXN0IGEgdGV4dCBpbiBiYXNlNjQK",
            "WebApplicationContextFactoryBean2",
            "20240131235959000000000000",
            "linux-amd64-v1-29-0-rc1-build-20240131",
            "00000000000000000000000000000000",
            "nginx_1_27_bookworm_perl_2024_01_31",
        ] {
            assert!(!looks_random(value), "{value} {}", entropy(value));
        }
    }
}
