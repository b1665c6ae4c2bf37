//! The keys that stand in a configuration.

use std::collections::BTreeSet;

use stridegate_policy::prelude::*;
use stridegate_policy::secret::{decode_base64, looks_random, printable, shown};

use crate::OF_PROVIDERS;
use crate::validity::INVALID;

pub(crate) const KNOWN_KEY: Rule = Rule {
    id: "known-key",
    title: "No key is one that was published",
    severity: Severity::High,
    controls: OF_PROVIDERS,
    remediation: "Make a key with head -c 32 /dev/urandom | base64, put it first, and write all objects again.",
};

pub(crate) const GUESSABLE_KEY: Rule = Rule {
    id: "guessable-key",
    title: "Keys are random bytes, not text or a pattern",
    severity: Severity::Medium,
    controls: OF_PROVIDERS,
    remediation: "Make a key with head -c 32 /dev/urandom | base64, put it first, and write all objects again.",
};

pub(crate) fn check(provider: &str, at: &At, checks: &mut Checks) {
    let keys = at.get("keys");
    if keys.items().next().is_none() {
        let message = format!("{provider} without keys is refused");
        checks.fail(&INVALID, &keys, message);
    }
    for key in keys.items() {
        let name = key.get("name");
        if name.text().is_none_or(str::is_empty) {
            checks.fail(&INVALID, &name, "a key without a name is refused");
        }
        let secret = key.get("secret");
        let written = secret.text().unwrap_or_default();
        let name = shown(name.text().unwrap_or_default());
        if written.is_empty() {
            checks.fail(&INVALID, &secret, format!("the key {name} is empty"));
        } else if stands_for_another(written) {
            let message = format!("the key {name} is filled in elsewhere");
            checks.unknown(&INVALID, &secret, message);
        } else {
            check_key(provider, name, written, &secret, checks);
        }
    }
}

/// Whether a value is to be replaced before the API server reads it, or was hidden.
fn stands_for_another(value: &str) -> bool {
    ["${", "{{", "$(", "<", "***"]
        .iter()
        .any(|mark| value.contains(mark))
}

fn check_key(provider: &str, name: &str, written: &str, secret: &At, checks: &mut Checks) {
    let Some(key) = decode(written) else {
        let message = format!("the key {name} is not base64, and the API server refuses it");
        checks.fail(&INVALID, secret, message).sensitive();
        return;
    };
    let lengths: &[usize] = if provider == "secretbox" {
        &[32]
    } else {
        &[16, 24, 32]
    };
    if !lengths.contains(&key.len()) {
        let lengths: Vec<String> = lengths.iter().map(ToString::to_string).collect();
        let message = format!(
            "the key {name} has {} bytes; {provider} takes {}",
            key.len(),
            lengths.join(", ")
        );
        checks.fail(&INVALID, secret, message).sensitive();
    }
    if PUBLISHED.contains(&key.as_slice()) {
        let message = format!("the key {name} is a sample that stands in the documentation");
        checks.fail(&KNOWN_KEY, secret, message).sensitive();
    } else if is_guessable(&key) {
        let message = format!("the key {name} is text or a pattern, and not random");
        checks.fail(&GUESSABLE_KEY, secret, message).sensitive();
    }
}

/// The bytes of a key as Go reads it, which wants the padding and the standard alphabet.
fn decode(written: &str) -> Option<Vec<u8>> {
    let is_digit = |byte: &u8| !matches!(byte, b'\n' | b'\r');
    let digits = written.bytes().filter(is_digit).count();
    let is_strict = digits.is_multiple_of(4) && !written.contains(['-', '_', ' ']);
    decode_base64(written).filter(|_| is_strict)
}

/// The keys in the documentation of Kubernetes, decoded.
const PUBLISHED: [&[u8]; 3] = [
    b"secret is secure",
    b"this is password",
    b"abcdefghijklmnopqrstuvwxyz123456",
];

/// Whether bytes are a text that somebody typed, or a pattern. Of 16 random bytes at least 8 differ
/// in all but one of 10^8 keys, and all are printable in one of 10^7.
fn is_guessable(key: &[u8]) -> bool {
    let different: BTreeSet<&u8> = key.iter().collect();
    let steps = key.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let different_steps: BTreeSet<u8> = steps.collect();
    let few = key.len() >= 16 && (different.len() < 8 || different_steps.len() < 4);
    few || printable(key).is_some_and(|text| text.is_ascii() && !looks_random(text))
}
