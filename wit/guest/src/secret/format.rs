use super::encoding::{crc32, decode_base64, printable};

/// A credential of a known format in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// What it is: "a GitHub token".
    pub format: &'static str,
    /// The credential.
    pub secret: &'a str,
}

/// A format that starts with a fixed text: the table of these is [`FORMATS`].
#[derive(Clone, Copy)]
struct Format {
    name: &'static str,
    prefix: &'static str,
    alphabet: Alphabet,
    /// How many characters follow the prefix.
    length: (usize, usize),
    /// What else has to hold of the whole.
    check: fn(&str) -> bool,
}

#[derive(Clone, Copy)]
enum Alphabet {
    /// Digits and the letters `a` to `f`.
    Hex,
    /// Capital letters and digits.
    Upper,
    /// Letters and digits.
    Alnum,
    /// Letters, digits, `-` and `_`.
    Url,
    /// Letters, digits, `-`, `_` and `.`.
    Dotted,
    /// Letters, digits, `+`, `/` and `=`.
    Base64,
    /// What a path has: letters, digits, `-`, `_` and `/`.
    Path,
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Upper => matches!(byte, b'0'..=b'9' | b'A'..=b'Z'),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
            Self::Path => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/'),
        }
    }
}

const fn format(
    name: &'static str,
    prefix: &'static str,
    alphabet: Alphabet,
    length: (usize, usize),
) -> Format {
    Format {
        name,
        prefix,
        alphabet,
        length,
        check: varied,
    }
}

const fn exact(
    name: &'static str,
    prefix: &'static str,
    alphabet: Alphabet,
    length: usize,
) -> Format {
    format(name, prefix, alphabet, (length, length))
}

const fn checked(format: Format, check: fn(&str) -> bool) -> Format {
    Format { check, ..format }
}

use Alphabet::{Alnum, Base64, Dotted, Hex, Path, Upper, Url};

/// The longest that a token without a fixed length is read.
const LONG: usize = 4096;

/// The formats that vendors gave their credentials so that they can be found. A prefix that other
/// things have too is left to the guesses.
#[rustfmt::skip]
const FORMATS: &[Format] = &[
    checked(exact("an AWS access key", "AKIA", Upper, 16), aws_key),
    checked(exact("a temporary AWS access key", "ASIA", Upper, 16), aws_key),
    exact("an Amazon Bedrock key", "ABSKQmVkcm9ja0FQSUtleS", Base64, 110),
    checked(exact("a GitHub token", "ghp_", Alnum, 36), github_checksum),
    checked(exact("a GitHub token", "gho_", Alnum, 36), github_checksum),
    checked(exact("a GitHub token", "ghu_", Alnum, 36), github_checksum),
    checked(exact("a GitHub token", "ghs_", Alnum, 36), github_checksum),
    checked(exact("a GitHub token", "ghr_", Alnum, 36), github_checksum),
    exact("a GitHub token", "github_pat_", Url, 82),
    format("a GitLab token", "glpat-", Dotted, (20, 300)),
    format("a GitLab deploy token", "gldt-", Dotted, (20, 300)),
    format("a GitLab runner token", "glrt-", Dotted, (20, 300)),
    format("a GitLab job token", "glcbt-", Dotted, (20, 300)),
    format("a GitLab trigger token", "glptt-", Dotted, (40, 300)),
    format("a GitLab agent token", "glagent-", Dotted, (50, 300)),
    format("a GitLab application secret", "gloas-", Dotted, (64, 300)),
    format("a GitLab feed token", "glft-", Dotted, (20, 300)),
    exact("a GitLab runner token", "GR1348941", Url, 20),
    format("a Bitbucket token", "ATBB", Alnum, (28, 36)),
    format("an Atlassian token", "ATATT3xFf", Url, (150, 300)),
    checked(format("a Slack token", "xoxb-", Url, (20, 300)), digits),
    checked(format("a Slack token", "xoxp-", Url, (20, 300)), digits),
    checked(format("a Slack token", "xoxa-", Url, (20, 300)), digits),
    checked(format("a Slack token", "xoxr-", Url, (20, 300)), digits),
    checked(format("a Slack token", "xoxs-", Url, (20, 300)), digits),
    checked(format("a Slack token", "xapp-", Url, (20, 300)), digits),
    format("a Slack webhook", "hooks.slack.com/services/T", Path, (30, 100)),
    format("a Discord webhook", "discord.com/api/webhooks/", Path, (70, 120)),
    format("a Stripe secret key", "sk_live_", Alnum, (16, 247)),
    format("a Stripe secret key", "sk_test_", Alnum, (16, 247)),
    format("a Stripe restricted key", "rk_live_", Alnum, (16, 247)),
    format("a Stripe restricted key", "rk_test_", Alnum, (16, 247)),
    format("a Stripe webhook secret", "whsec_", Base64, (32, 64)),
    format("an OpenAI key", "sk-proj-", Url, (40, 250)),
    format("an OpenAI key", "sk-svcacct-", Url, (40, 250)),
    format("an OpenAI key", "sk-admin-", Url, (40, 250)),
    checked(exact("an OpenAI key", "sk-", Alnum, 48), |token| token.contains("T3BlbkFJ")),
    format("an Anthropic key", "sk-ant-", Url, (80, 120)),
    format("an OpenRouter key", "sk-or-v1-", Hex, (64, 64)),
    exact("a Groq key", "gsk_", Alnum, 52),
    exact("a Perplexity key", "pplx-", Alnum, 48),
    exact("an xAI key", "xai-", Alnum, 80),
    exact("a Replicate token", "r8_", Alnum, 37),
    exact("a Hugging Face token", "hf_", Alnum, 34),
    exact("a Hugging Face token", "api_org_", Alnum, 34),
    format("a LangSmith key", "lsv2_pt_", Url, (40, 60)),
    exact("a Google API key", "AIza", Url, 35),
    exact("a Google client secret", "GOCSPX-", Url, 28),
    format("a Google access token", "ya29.", Url, (30, LONG)),
    exact("an npm token", "npm_", Alnum, 36),
    format("a PyPI token", "pypi-AgEIcHlwaS5vcmc", Url, (50, LONG)),
    format("a PyPI token", "pypi-AgENdGVzdC5weXBpLm9yZw", Url, (50, LONG)),
    exact("a RubyGems key", "rubygems_", Hex, 48),
    exact("a crates.io token", "cio", Alnum, 32),
    format("a NuGet key", "oy2", Alnum, (43, 43)),
    exact("a Docker Hub token", "dckr_pat_", Url, 27),
    format("a Docker Hub token", "dckr_oat_", Url, (27, 40)),
    format("an Artifactory key", "AKCp", Alnum, (69, 69)),
    checked(exact("a SendGrid key", "SG.", Dotted, 66), |token| token.matches('.').count() == 2),
    exact("a Mailgun key", "key-", Hex, 32),
    exact("a Twilio key", "SK", Hex, 32),
    format("a Brevo key", "xkeysib-", Url, (81, 81)),
    format("a Mailchimp transactional key", "md-", Url, (22, 22)),
    exact("a DigitalOcean token", "dop_v1_", Hex, 64),
    exact("a DigitalOcean token", "doo_v1_", Hex, 64),
    exact("a DigitalOcean token", "dor_v1_", Hex, 64),
    format("a Vault token", "hvs.", Url, (24, 300)),
    format("a Vault token", "hvb.", Url, (100, 300)),
    format("a Terraform Cloud token", "atlasv1.", Url, (60, 70)),
    format("a Databricks token", "dapi", Hex, (32, 32)),
    format("a Grafana token", "glsa_", Url, (41, 41)),
    format("a Grafana Cloud token", "glc_", Base64, (32, 400)),
    format("a Grafana key", "eyJrIjoi", Base64, (60, 400)),
    exact("a New Relic key", "NRAK-", Upper, 27),
    exact("a Shopify token", "shpat_", Hex, 32),
    exact("a Shopify token", "shpca_", Hex, 32),
    exact("a Shopify token", "shppa_", Hex, 32),
    exact("a Shopify secret", "shpss_", Hex, 32),
    exact("a Square secret", "sq0csp-", Url, 43),
    exact("a Square token", "sq0atp-", Url, 22),
    checked(exact("a Postman key", "PMAK-", Url, 59), digits),
    exact("a Pulumi token", "pul-", Hex, 40),
    exact("a Linear key", "lin_api_", Alnum, 40),
    exact("a Notion token", "ntn_", Alnum, 46),
    exact("a Figma token", "figd_", Url, 40),
    format("a Doppler token", "dp.st.", Dotted, (40, 80)),
    format("a Doppler token", "dp.pt.", Alnum, (40, 50)),
    format("a Fly.io token", "fm2_", Base64, (100, LONG)),
    format("a Sentry token", "sntrys_", Base64, (80, LONG)),
    exact("a Sentry token", "sntryu_", Hex, 64),
    exact("a Supabase token", "sbp_", Hex, 40),
    format("a PlanetScale secret", "pscale_tkn_", Dotted, (32, 64)),
    format("a PlanetScale secret", "pscale_pw_", Dotted, (32, 64)),
    checked(format("a Tailscale key", "tskey-", Url, (20, 100)), digits),
    format("a Heroku key", "HRKU-AA", Url, (58, 58)),
    format("a Netlify token", "nfp_", Alnum, (36, 40)),
    format("a CircleCI token", "CCIPAT_", Url, (40, 100)),
    exact("a Buildkite token", "bkua_", Hex, 40),
    exact("a SonarQube token", "squ_", Hex, 40),
    exact("a SonarQube token", "sqp_", Hex, 40),
    exact("a SonarQube token", "sqa_", Hex, 40),
    exact("an OpenShift token", "sha256~", Url, 43),
    exact("an Adafruit key", "aio_", Alnum, 28),
    exact("a Prefect key", "pnu_", Alnum, 36),
    exact("a Contentful token", "CFPAT-", Url, 43),
    exact("a Dynatrace token", "dt0c01.", Dotted, 89),
    exact("an age key", "AGE-SECRET-KEY-1", Upper, 58),
    format("an Azure storage key", "AccountKey=", Base64, (86, 88)),
    format("an Azure access key", "SharedAccessKey=", Base64, (43, 44)),
];

/// The first credential of a known format in a text, as a word of its own.
#[must_use]
pub fn known(text: &str) -> Option<Known<'_>> {
    let bytes = text.as_bytes();
    // Behind these bytes there is no room for a credential.
    let heads = bytes.get(..=bytes.len().checked_sub(SHORTEST)?)?;
    let mut previous = None;
    for (start, &byte) in heads.iter().enumerate() {
        let before = previous.replace(byte);
        // Inside of a word no format starts, and most bytes are there.
        if !STARTS[usize::from(byte)] || before.is_some_and(|before| before.is_ascii_alphanumeric())
        {
            continue;
        }
        let Some(rest) = text.get(start..) else {
            continue;
        };
        if let Some(known) = private_key(rest)
            .or_else(|| web_token(rest, before))
            .or_else(|| in_table(rest, before))
        {
            return Some(known);
        }
    }
    // A byte is found sooner than a text, and most texts have neither.
    let azure = || bytes.contains(&b'~').then(|| azure_secret(text)).flatten();
    let telegram = || {
        bytes
            .contains(&b':')
            .then(|| telegram_token(text))
            .flatten()
    };
    azure().or_else(telegram)
}

/// How many bytes the shortest credential has: one of the table, for the others are longer.
const SHORTEST: usize = {
    let mut shortest = usize::MAX;
    let mut index = 0;
    while index < FORMATS.len() {
        let length = FORMATS[index].prefix.len() + FORMATS[index].length.0;
        if length < shortest {
            shortest = length;
        }
        index += 1;
    }
    shortest
};

/// The bytes that a format starts with.
const STARTS: [bool; 256] = {
    let mut starts = [false; 256];
    let mut index = 0;
    while index < FORMATS.len() {
        starts[FORMATS[index].prefix.as_bytes()[0] as usize] = true;
        index += 1;
    }
    starts[b'-' as usize] = true;
    starts[b'P' as usize] = true;
    starts[b'L' as usize] = true;
    starts[b'e' as usize] = true;
    starts
};

/// The first two bytes of each format.
const HEADS: [[u8; 2]; FORMATS.len()] = {
    let mut heads = [[0; 2]; FORMATS.len()];
    let mut index = 0;
    while index < FORMATS.len() {
        let prefix = FORMATS[index].prefix.as_bytes();
        heads[index] = [prefix[0], prefix[1]];
        index += 1;
    }
    heads
};

fn in_table(rest: &str, before: Option<u8>) -> Option<Known<'_>> {
    let head = rest.as_bytes().first_chunk::<2>()?;
    // Two bytes are compared at once; few formats pass.
    let mut formats = FORMATS
        .iter()
        .zip(&HEADS)
        .filter(|(_, start)| *start == head)
        .map(|(format, _)| format);
    formats.find_map(|format| {
        let body = rest.strip_prefix(format.prefix)?;
        if before
            .is_some_and(|before| before != b'=' && before != b'/' && format.alphabet.has(before))
        {
            return None;
        }
        let (least, most) = format.length;
        let length = body
            .bytes()
            .take(most + 1)
            .take_while(|&byte| format.alphabet.has(byte))
            .count();
        // A sentence or a list may go on behind the token.
        let length = body.get(..length)?.trim_end_matches(['.', '-']).len();
        let ends = body
            .as_bytes()
            .get(length)
            .is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        let secret = rest.get(..format.prefix.len() + length)?;
        let fits = (least..=most).contains(&length) && ends && (format.check)(secret);
        fits.then_some(Known {
            format: format.name,
            secret,
        })
    })
}

/// No filler such as `xxxx` or `EXAMPLE`, which documentation uses.
fn varied(token: &str) -> bool {
    let body = token.get(4..).unwrap_or(token);
    let mut seen = [false; 256];
    for byte in body.bytes() {
        seen[usize::from(byte)] = true;
    }
    let distinct = seen.iter().filter(|seen| **seen).count();
    let lower = token.to_ascii_lowercase();
    distinct >= 7
        && !["example", "xxxxx", "your", "placeholder", "changeme"]
            .iter()
            .any(|word| lower.contains(word))
}

fn digits(token: &str) -> bool {
    varied(token) && token.bytes().any(|byte| byte.is_ascii_digit())
}

fn aws_key(token: &str) -> bool {
    varied(token)
        && token
            .bytes()
            .all(|byte| !matches!(byte, b'0' | b'1' | b'8' | b'9'))
}

/// The last six characters of a GitHub token are the checksum of the thirty before them.
fn github_checksum(token: &str) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((random, sum)) = token.get(4..).and_then(|body| body.split_at_checked(30)) else {
        return false;
    };
    let mut rest = crc32(random.as_bytes());
    sum.bytes().rev().all(|digit| {
        let expected = DIGITS[(rest % 62) as usize];
        rest /= 62;
        digit == expected
    })
}

/// A private key in PEM, as text or in base64 as a kubeconfig has it, or in `PuTTY`'s format.
fn private_key(rest: &str) -> Option<Known<'_>> {
    if let Some(label) = rest.strip_prefix("-----BEGIN ") {
        let (label, body) = label
            .get(..floor(label, 64))?
            .split_once("-----")
            .map(|(label, _)| (label, label.len() + 16))?;
        let is_key = label.ends_with("PRIVATE KEY") || label == "PGP PRIVATE KEY BLOCK";
        if !is_key {
            return None;
        }
        let key = rest.get(body..floor(rest, 600))?;
        let filled = key.bytes().filter(|byte| Base64.has(*byte)).count() >= 60 && varied(key);
        return filled.then(|| Known {
            format: "a private key",
            secret: until_end(rest),
        });
    }
    let near = |length| rest.get(..floor(rest, length)).unwrap_or(rest);
    if rest.starts_with("PuTTY-User-Key-File-") && near(1024).contains("Private-Lines:") {
        return Some(Known {
            format: "a private key",
            secret: until_end(rest),
        });
    }
    if rest.starts_with("LS0tLS1CRUdJTi") {
        // The beginning tells a key from a certificate.
        let length = near(1024)
            .bytes()
            .take_while(|byte| Base64.has(*byte))
            .count();
        let decoded = decode_base64(rest.get(..length - length % 4)?)?;
        let key = private_key(printable(&decoded)?)?;
        let length = rest.bytes().take_while(|byte| Base64.has(*byte)).count();
        return Some(Known {
            format: key.format,
            secret: rest.get(..length)?,
        });
    }
    None
}

fn until_end(rest: &str) -> &str {
    let end = rest.find("-----END ").and_then(|end| rest.get(..end));
    end.unwrap_or(rest)
}

/// Where a text can be cut at or before a byte.
fn floor(text: &str, length: usize) -> usize {
    (0..=length.min(text.len()))
        .rev()
        .find(|&index| text.is_char_boundary(index))
        .unwrap_or(0)
}

/// A JSON Web Token: three parts, of which the first names an algorithm.
fn web_token(rest: &str, before: Option<u8>) -> Option<Known<'_>> {
    if !rest.starts_with("eyJ") || before.is_some_and(|before| Dotted.has(before)) {
        return None;
    }
    let length = rest
        .bytes()
        .take(16 * 1024)
        .take_while(|byte| Dotted.has(*byte))
        .count();
    let secret = rest.get(..length)?.trim_end_matches('.');
    let mut parts = secret.split('.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let header: serde_json::Value = serde_json::from_slice(&decode_base64(header)?).ok()?;
    let is_token = header.get("alg")?.is_string()
        && payload.len() >= 8
        && signature.len() >= 16
        && varied(signature);
    is_token.then_some(Known {
        format: "a JSON Web Token",
        secret,
    })
}

/// The secret of an application in Azure: three characters, a digit, `Q~`, and 31 to 34 more.
fn azure_secret(text: &str) -> Option<Known<'_>> {
    let mut matches = text.match_indices("Q~");
    matches.find_map(|(middle, _)| {
        let start = middle.checked_sub(4)?;
        let head = text.get(start..middle)?;
        let before = start
            .checked_sub(1)
            .and_then(|before| text.as_bytes().get(before));
        let well = head.bytes().all(|byte| Dotted.has(byte) || byte == b'~')
            && head.ends_with(|c: char| c.is_ascii_digit());
        let body = text.get(middle + 2..)?;
        let length = body
            .bytes()
            .take(40)
            .take_while(|&byte| Dotted.has(byte) || byte == b'~')
            .count();
        let fits =
            well && before.is_none_or(|byte| !Dotted.has(*byte)) && (31..=34).contains(&length);
        let secret = text.get(start..middle + 2 + length)?;
        (fits && varied(secret)).then_some(Known {
            format: "an Azure client secret",
            secret,
        })
    })
}

/// The token of a Telegram bot: its number, `:AA` and 33 more.
fn telegram_token(text: &str) -> Option<Known<'_>> {
    let mut matches = text.match_indices(":AA");
    matches.find_map(|(middle, _)| {
        let head = text
            .get(..middle)?
            .bytes()
            .rev()
            .take(11)
            .take_while(u8::is_ascii_digit)
            .count();
        let length = text
            .get(middle + 1..)?
            .bytes()
            .take(36)
            .take_while(|&byte| Url.has(byte))
            .count();
        let secret = text.get(middle - head..middle + 1 + length)?;
        ((8..=10).contains(&head) && length == 35 && varied(secret)).then_some(Known {
            format: "a Telegram bot token",
            secret,
        })
    })
}

/// A value whose format is only known together with its name.
#[must_use]
pub fn known_by_name(name: &str, value: &str) -> Option<Known<'static>> {
    let value = value.trim();
    let letters = name.bytes().rev().filter(u8::is_ascii_alphanumeric);
    let letters = letters.map(|letter| letter.to_ascii_lowercase());
    let is = |word: &str| letters.clone().eq(word.bytes().rev());
    let ends_with = |end: &str| letters.clone().take(end.len()).eq(end.bytes().rev());
    let format =
        if value.len() == 40 && (ends_with("awssecretaccesskey") || ends_with("awssecretkey")) {
            let fits = value.bytes().all(|byte| Base64.has(byte)) && varied(value) && digits(value);
            fits.then_some("an AWS secret access key")
        } else if is("auth") || is("authorization") {
            user_and_password(value.strip_prefix("Basic ").unwrap_or(value))
                .then_some("a user and a password in base64")
        } else {
            None
        };
    format.map(|format| Known { format, secret: "" })
}

/// Whether a text is the base64 of `user:password`.
fn user_and_password(value: &str) -> bool {
    let decoded = if (8..=4096).contains(&value.len()) {
        decode_base64(value)
    } else {
        None
    };
    let text = decoded.as_deref().and_then(printable);
    text.and_then(|text| text.split_once(':'))
        .is_some_and(|(user, password)| {
            !user.is_empty()
                && !user.contains(char::is_whitespace)
                && password.len() >= 3
                && text.is_some_and(str::is_ascii)
        })
}

/// Whether a value is made to be seen by all: certificates, public keys, requests for certificates.
#[must_use]
pub fn is_public_material(value: &str) -> bool {
    let text = value.trim();
    let decoded = text
        .starts_with("LS0tLS1CRUdJTi")
        .then(|| decode_base64(text))
        .flatten();
    let text = decoded.as_deref().and_then(printable).unwrap_or(text);
    let public_key = [
        "ssh-rsa AAAA",
        "ssh-ed25519 AAAA",
        "ecdsa-sha2-",
        "sk-ssh-",
        "sk-ecdsa-",
    ];
    if public_key.iter().any(|start| text.starts_with(start)) {
        return true;
    }
    let mut labels = text.split("-----BEGIN ").skip(1).peekable();
    labels.peek().is_some()
        && labels.all(|label| {
            !label
                .split("-----")
                .next()
                .unwrap_or_default()
                .contains("PRIVATE")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that no vendor made, put together so that no scanner takes this file for a leak.
    fn filler(length: usize) -> String {
        "7qZk2mX9vR4bT8wLs3Nf6HdJ5cPgY1aQ"
            .chars()
            .cycle()
            .take(length)
            .collect()
    }

    #[test]
    fn every_format_of_the_table_is_found_as_a_word_and_not_within_one() {
        for format in FORMATS {
            let plain: String = match format.alphabet {
                Hex => "9f3a7c51e08b2d46"
                    .chars()
                    .cycle()
                    .take(format.length.0)
                    .collect(),
                Upper => "Q7ZK2MX3VR4BT5WL"
                    .chars()
                    .cycle()
                    .take(format.length.0)
                    .collect(),
                _ => filler(format.length.0),
            };
            let token = format!("{}{plain}", format.prefix);
            if !(format.check)(&token) {
                continue;
            }
            assert_eq!(
                known(&token).map(|known| known.format),
                Some(format.name),
                "{}",
                format.prefix
            );
            assert!(
                known(&format!("\"{token}\",")).is_some(),
                "{}",
                format.prefix
            );
            assert!(known(&format!("a{token}")).is_none(), "{}", format.prefix);
            let shorter = &token[..token.len() - 1];
            assert!(
                known(shorter).is_none_or(|known| known.format != format.name),
                "{}",
                format.prefix
            );
        }
    }

    #[test]
    fn a_github_token_is_known_by_its_checksum() {
        // Published by the authors of base62-token.js as expired.
        let token = ["ghp_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"].concat();
        assert_eq!(
            known(&token),
            Some(Known {
                format: "a GitHub token",
                secret: &token
            })
        );
        assert_eq!(known(&token.replace("zQ", "zR")), None);
    }

    #[test]
    fn the_keys_of_documentation_are_not_known() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "sk_test_xxxxxxxxxxxxxxxxxxxxxxxx",
            "glpat-your-token-goes-here-0",
        ] {
            assert_eq!(known(text), None, "{text}");
        }
    }

    #[test]
    fn a_private_key_is_known_by_its_body() {
        let body = filler(200);
        for label in [
            "RSA PRIVATE KEY",
            "PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
        ] {
            let key = format!("key: -----BEGIN {label}-----\\n{body}\\n-----END {label}-----");
            assert_eq!(
                known(&key).map(|known| known.format),
                Some("a private key"),
                "{label}"
            );
        }
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----");
        assert_eq!(known(&certificate), None);
        assert!(is_public_material(&certificate));
        assert_eq!(
            known("grep -q 'BEGIN RSA PRIVATE KEY' file || echo '-----BEGIN RSA PRIVATE KEY-----'"),
            None
        );
    }

    #[test]
    fn a_web_token_has_three_parts_and_an_algorithm() {
        let header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
        let token = format!("{header}.eyJzdWIiOiJib2IifQ.{}", filler(43));
        assert_eq!(
            known(&format!("Bearer {token}")).map(|known| known.secret),
            Some(&*token)
        );
        assert_eq!(known(&format!("{header}.eyJzdWIiOiJib2IifQ")), None);
        assert_eq!(
            known(&format!(
                "eyJmb28iOiJiYXIifQ.eyJzdWIiOiJib2IifQ.{}",
                filler(43)
            )),
            None
        );
    }

    #[test]
    fn some_values_are_known_by_their_name() {
        let key = filler(40);
        assert!(known_by_name("AWS_SECRET_ACCESS_KEY", &key).is_some());
        assert!(known_by_name("spring.cloud.awsSecretKey", &key).is_some());
        assert!(known_by_name("NAME", &key).is_none());
        assert!(known_by_name("auth", "cm9vdDpodW50ZXIy").is_some());
        assert!(known_by_name("Authorization", "Basic cm9vdDpodW50ZXIy").is_some());
        assert!(known_by_name("auth", "enabled").is_none());
    }

    #[test]
    fn tokens_without_a_prefix_are_known_by_their_middle() {
        assert!(known(&format!("abC8Q~{}", filler(34))).is_some());
        assert!(known(&format!("123456789:AA{}", filler(33))).is_some());
    }

    #[test]
    fn a_megabyte_takes_no_time() {
        for text in [
            "eyJhbG.",
            "ghp_",
            "-----BEGIN ",
            "LS0tLS1CRUdJTi",
            "8Q~",
            ":AA",
            "sk-",
            "PuTTY-User-Key-File-",
        ] {
            assert_eq!(known(&text.repeat((1 << 20) / text.len())), None);
        }
    }
}
