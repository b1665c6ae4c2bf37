//! How goyaml.v2 understands scalars, and what becomes of them on the way to JSON.

use std::fmt::Write;

use super::Dialect;

/// A scalar's explicit tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    None,
    Str,
    Bool,
    Int,
    Float,
    Null,
    Timestamp,
    Binary,
    Merge,
    /// The tag `!`, which makes a string and still lets `<<` merge.
    Bare,
    /// Any other tag; it makes a string.
    Other,
}

impl Tag {
    /// The tag of this full name.
    pub(super) fn named(name: &str) -> Self {
        match name.strip_prefix("tag:yaml.org,2002:") {
            Some("str") => Self::Str,
            Some("bool") => Self::Bool,
            Some("int") => Self::Int,
            Some("float") => Self::Float,
            Some("null") => Self::Null,
            Some("timestamp") => Self::Timestamp,
            Some("binary") => Self::Binary,
            Some("merge") => Self::Merge,
            None if name == "!" => Self::Bare,
            _ => Self::Other,
        }
    }
}

/// What a scalar stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
}

/// What a scalar that may be other than a string stands for, or why Go refuses it.
pub(super) fn resolve(text: &str, tag: Tag, dialect: Dialect) -> Result<Scalar, String> {
    match tag {
        Tag::Str | Tag::Merge | Tag::Bare | Tag::Other => Ok(Scalar::Text(text.to_owned())),
        Tag::Binary => binary(text).map(Scalar::Text),
        Tag::None if dialect == Dialect::Compose && is_old_boolean(text) => {
            Ok(Scalar::Text(text.to_owned()))
        }
        Tag::None => Ok(plain(text)),
        Tag::Timestamp if is_timestamp(text) => Ok(Scalar::Text(text.to_owned())),
        _ => tagged(text, tag),
    }
}

/// Whether a word is a boolean in YAML 1.1 alone; to goyaml.v3 it is a string.
fn is_old_boolean(text: &str) -> bool {
    let known = ["true", "True", "TRUE", "false", "False", "FALSE"];
    matches!(word(text), Some(Scalar::Bool(_))) && !known.contains(&text)
}

fn tagged(text: &str, tag: Tag) -> Result<Scalar, String> {
    let (wanted, value) = match (tag, plain(text)) {
        (Tag::Bool, value @ Scalar::Bool(_))
        | (Tag::Null, value @ Scalar::Null)
        | (Tag::Int, value @ (Scalar::Int(_) | Scalar::Uint(_)))
        | (Tag::Float, value @ Scalar::Float(_)) => return Ok(value),
        (Tag::Float, Scalar::Int(value)) => return Ok(Scalar::Float(to_float(value))),
        (Tag::Bool, value) => ("a boolean (!!bool)", value),
        (Tag::Null, value) => ("null (!!null)", value),
        (Tag::Int, value) => ("an integer (!!int)", value),
        (Tag::Float, value) => ("a float (!!float)", value),
        (_, value) => ("a timestamp (!!timestamp)", value),
    };
    Err(format!(
        "the tag asks for {wanted}, but the value is {}; remove the tag or change the value",
        kind(&value)
    ))
}

fn kind(value: &Scalar) -> &'static str {
    match value {
        Scalar::Null => "null",
        Scalar::Bool(_) => "a boolean",
        Scalar::Int(_) | Scalar::Uint(_) => "an integer",
        Scalar::Float(_) => "a float",
        Scalar::Text(_) => "a string",
    }
}

fn plain(text: &str) -> Scalar {
    let value = match text.as_bytes().first() {
        None => Some(Scalar::Null),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            word(text)
        }
        Some(b'.') => float_word(text).or_else(|| pointed(text)),
        Some(b'+' | b'-') => float_word(text).or_else(|| number(text)),
        Some(b'0'..=b'9') => number(text),
        _ => None,
    };
    value.unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

fn word(text: &str) -> Option<Scalar> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(Scalar::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(Scalar::Bool(false))
        }
        "~" | "null" | "Null" | "NULL" => Some(Scalar::Null),
        _ => None,
    }
}

fn float_word(text: &str) -> Option<Scalar> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(Scalar::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            Some(Scalar::Float(f64::INFINITY))
        }
        "-.inf" | "-.Inf" | "-.INF" => Some(Scalar::Float(f64::NEG_INFINITY)),
        _ => None,
    }
}

/// A float that starts with its point. Only here does Go keep to its own rule for underscores:
/// each stands between two digits.
fn pointed(text: &str) -> Option<Scalar> {
    let bytes = text.as_bytes();
    let is_digit = |place: Option<usize>| {
        place
            .and_then(|n| bytes.get(n))
            .is_some_and(u8::is_ascii_digit)
    };
    let separates = |n: usize| is_digit(n.checked_sub(1)) && is_digit(n.checked_add(1));
    let underscores = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    underscores
        .map(|(n, _)| n)
        .all(separates)
        .then(|| finite_float(&text.replace('_', "")))
        .flatten()
}

fn number(text: &str) -> Option<Scalar> {
    let digits = if text.contains('_') {
        text.replace('_', "")
    } else {
        text.to_owned()
    };
    let (negative, unsigned) = match digits.as_bytes().first() {
        Some(b'-') => (true, digits.get(1..)?),
        Some(b'+') => (false, digits.get(1..)?),
        _ => (false, digits.as_str()),
    };
    let signed = unsigned.len() != digits.len();
    match integer(unsigned) {
        Some(size) if negative => 0_i64.checked_sub_unsigned(size).map(Scalar::Int),
        Some(size) => i64::try_from(size)
            .map(Scalar::Int)
            .ok()
            .or((!signed).then_some(Scalar::Uint(size))),
        None => None,
    }
    .or_else(|| finite_float(&digits))
    .or_else(|| binary_with_inner_sign(&digits))
}

/// Go's integers with base 0: the prefix tells the base, and a mere 0 means octal.
fn integer(digits: &str) -> Option<u64> {
    let (base, digits) = based(digits);
    let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_alphanumeric());
    valid
        .then(|| u64::from_str_radix(digits, base).ok())
        .flatten()
}

fn based(digits: &str) -> (u32, &str) {
    let Some(rest) = digits.strip_prefix('0').filter(|rest| !rest.is_empty()) else {
        return (10, digits);
    };
    match rest.as_bytes().first() {
        Some(b'x' | b'X') => (16, rest.get(1..).unwrap_or_default()),
        Some(b'o' | b'O') => (8, rest.get(1..).unwrap_or_default()),
        Some(b'b' | b'B') => (2, rest.get(1..).unwrap_or_default()),
        _ => (8, rest),
    }
}

/// A decimal float that is in range; Go leaves others strings.
fn finite_float(digits: &str) -> Option<Scalar> {
    is_float(digits)
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|value: &f64| value.is_finite())
        .map(Scalar::Float)
}

fn is_float(text: &str) -> bool {
    let bytes = text.as_bytes();
    let signs = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let count = |from: usize| {
        bytes
            .iter()
            .skip(from)
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = count(signs);
    let mut at = signs + whole;
    let mut part = 0;
    if bytes.get(at) == Some(&b'.') {
        part = count(at + 1);
        at += 1 + part;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = count(at);
        at += exponent;
        if exponent == 0 {
            return false;
        }
    }
    whole + part > 0 && at == bytes.len()
}

/// A peculiarity of goyaml: what follows `0b` may have a sign of its own.
fn binary_with_inner_sign(digits: &str) -> Option<Scalar> {
    let inner = digits
        .strip_prefix("0b")
        .filter(|inner| inner.starts_with(['+', '-']))?;
    i64::from_str_radix(inner, 2).map(Scalar::Int).ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the nearest float is what Go takes, too"
)]
fn to_float(value: i64) -> f64 {
    value as f64
}

/// The string that a float becomes as the key of a map: Go's shortest form of a 32-bit float.
pub(super) fn float_key(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Go rounds the keys of maps to 32 bits"
    )]
    let value = value as f32;
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let mut key = digits.to_owned();
    // Writing to a string cannot fail.
    let _ = write!(
        key,
        "e{}{:02}",
        if exponent < 0 { '-' } else { '+' },
        exponent.abs()
    );
    key
}

/// The text of `!!binary`; bytes that are no text become U+FFFD on the way to JSON.
fn binary(text: &str) -> Result<String, String> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    let bytes = base64(&digits)
        .ok_or("the value of !!binary is not base64; correct it or remove the tag")?;
    Ok(lossy(&bytes))
}

/// Unlike [`String::from_utf8_lossy`], Go writes one U+FFFD for each byte that is no text.
fn lossy(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

fn base64(digits: &[u8]) -> Option<Vec<u8>> {
    let padding = digits.iter().rev().take_while(|b| **b == b'=').count();
    if !digits.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for (n, digit) in group.iter().enumerate() {
            let last = digits.len() - padding;
            let padded = *digit == b'=' && bytes.len() / 3 * 4 + n >= last;
            bits = (bits << 6) | if padded { 0 } else { sextet(*digit)? };
        }
        bytes.extend_from_slice(bits.to_be_bytes().get(1..)?);
    }
    bytes.truncate(bytes.len() - padding);
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Whether Go takes a text for a date, or for a date and a time.
fn is_timestamp(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let day_length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (day, time) = rest.split_at(day_length);
    let date = (year.len() == 4)
        .then(|| ranged(year, 4, 0..=9999))
        .flatten();
    let (Some(year), Some(month), Some(day)) =
        (date, ranged(month, 2, 1..=12), ranged(day, 2, 1..=31))
    else {
        return false;
    };
    day <= days(year, month) && is_time(time)
}

fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 31,
    }
}

fn is_time(text: &str) -> bool {
    let zoned = text.starts_with(['T', 't']);
    let Some(clock) = text.strip_prefix(['T', 't', ' ']) else {
        return text.is_empty();
    };
    let end = clock
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, ':' | '.' | ','))
        .unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(end);
    let mut parts = clock.splitn(3, ':');
    let (Some(hour), Some(minute), Some(second)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let (second, fraction) = second.split_once(['.', ',']).unwrap_or((second, "0"));
    ranged(hour, 2, 0..=23).is_some()
        && ranged(minute, 2, 0..=59).is_some()
        && ranged(second, 2, 0..=59).is_some()
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && if zoned {
            is_zone(zone)
        } else {
            zone.is_empty()
        }
}

fn is_zone(text: &str) -> bool {
    let Some(offset) = text.strip_prefix(['+', '-']) else {
        return text == "Z";
    };
    let parts = offset.split_once(':');
    offset.len() == 5
        && parts
            .is_some_and(|(h, m)| ranged(h, 2, 0..=24).is_some() && ranged(m, 2, 0..=60).is_some())
}

fn ranged(digits: &str, longest: usize, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let shaped =
        (1..=longest).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    shaped
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|value| range.contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn words_are_booleans_and_null_in_gos_spellings_only() {
        for yes in [
            "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
        ] {
            assert_eq!(plain(yes), Scalar::Bool(true), "{yes}");
        }
        for no in [
            "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
        ] {
            assert_eq!(plain(no), Scalar::Bool(false), "{no}");
        }
        for null in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(plain(null), Scalar::Null, "{null}");
        }
        for word in [
            "yEs",
            "tRUE",
            "nULL",
            "oN",
            "<<",
            "=",
            "inf",
            "NaN",
            "2001-01-01",
        ] {
            assert_eq!(plain(word), text(word));
        }
    }

    #[test]
    fn integers_follow_gos_base_0() {
        let cases = [
            ("0644", 420),
            ("0o17", 15),
            ("0x1F", 31),
            ("-0b11", -3),
            ("+12", 12),
            ("1_000", 1000),
            ("0_7", 7),
            ("0", 0),
            ("-9223372036854775808", i64::MIN),
            ("0b-1", -1),
        ];
        for (digits, value) in cases {
            assert_eq!(plain(digits), Scalar::Int(value), "{digits}");
        }
        assert_eq!(plain("18446744073709551615"), Scalar::Uint(u64::MAX));
        for word in [
            "0x",
            "0xfffffffffffffffffffff",
            "+",
            "-",
            "--1",
            "1a",
            "0b2",
            "0x1p4",
            "+0xffffffffffffffff",
        ] {
            assert_eq!(plain(word), text(word));
        }
    }

    #[test]
    fn floats_follow_goyamls_pattern() {
        let cases = [
            ("1.", 1.0),
            (".5", 0.5),
            (".5_0", 0.5),
            ("-.5", -0.5),
            ("1e3", 1000.0),
            ("08", 8.0),
            ("1_0.5", 10.5),
            ("1.5E-1", 0.15),
            ("99999999999999999999", 1e20),
            ("+18446744073709551615", 18_446_744_073_709_551_615.0),
        ];
        for (digits, value) in cases {
            assert_eq!(plain(digits), Scalar::Float(value), "{digits}");
        }
        for word in [
            ".",
            ".e1",
            "1e",
            "1e400",
            "._5",
            ".5_",
            "1.2.3",
            "1e1.5",
            "190:20:30",
        ] {
            assert_eq!(plain(word), text(word));
        }
        assert!(matches!(plain("-.INF"), Scalar::Float(value) if value == f64::NEG_INFINITY));
    }

    #[test]
    fn tags_decide_or_are_refused() {
        assert_eq!(resolve("12", Tag::Str, Dialect::Kubectl), Ok(text("12")));
        assert_eq!(resolve("12", Tag::Other, Dialect::Kubectl), Ok(text("12")));
        assert_eq!(
            resolve("3", Tag::Float, Dialect::Kubectl),
            Ok(Scalar::Float(3.0))
        );
        assert_eq!(
            resolve("yes", Tag::Bool, Dialect::Kubectl),
            Ok(Scalar::Bool(true))
        );
        assert_eq!(resolve("", Tag::Null, Dialect::Kubectl), Ok(Scalar::Null));
        assert_eq!(
            resolve("aGk=", Tag::Binary, Dialect::Kubectl),
            Ok(text("hi"))
        );
        assert_eq!(
            resolve("gIA=", Tag::Binary, Dialect::Kubectl),
            Ok(text("\u{FFFD}\u{FFFD}"))
        );
        let refused = [
            ("x", Tag::Int),
            ("", Tag::Bool),
            ("1.5", Tag::Int),
            ("x", Tag::Null),
            ("a===", Tag::Binary),
            ("=aaa", Tag::Binary),
            ("2001-2-30", Tag::Timestamp),
            ("18446744073709551615", Tag::Float),
        ];
        for (value, tag) in refused {
            assert!(
                resolve(value, tag, Dialect::Kubectl).is_err(),
                "{value} {tag:?}"
            );
        }
    }

    #[test]
    fn timestamps_stay_strings() {
        for time in [
            "2001-1-1",
            "2000-02-29",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14 1:2:3.5",
            "2001-01-01T00:00:00Z",
        ] {
            assert_eq!(
                resolve(time, Tag::Timestamp, Dialect::Kubectl),
                Ok(text(time))
            );
        }
        for wrong in [
            "2001-13-1",
            "201-1-1",
            "2001-1-1T1:2",
            "2001-1-1 1:2:3Z",
            "2001-1-1T1:2:3",
            "2001-1-1x",
        ] {
            assert!(
                resolve(wrong, Tag::Timestamp, Dialect::Kubectl).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn float_keys_have_gos_shortest_form() {
        let cases = [
            (1.5, "1.5"),
            (1e21, "1e+21"),
            (123_456_789.5, "1.2345679e+08"),
            (0.00001, "1e-05"),
            (0.0001, "0.0001"),
            (100_000.0, "100000"),
            (1_000_000.0, "1e+06"),
            (f64::NAN, ".nan"),
            (-1e300, "-.inf"),
        ];
        for (value, key) in cases {
            assert_eq!(float_key(value), key);
        }
    }
}
