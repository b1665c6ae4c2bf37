//! Amounts as Kubernetes writes them: `512Mi`, `1.5G`, `1e9`, `128974848`.
//!
//! Source: `k8s.io/apimachinery/pkg/api/resource`.

use serde_json::Value;

/// The suffixes, and what they multiply by: powers of 1000 but for those of two letters.
const SUFFIXES: [(&str, f64); 16] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("", 1.0),
];

/// A quantity as a whole number, what is between two rounded up; none for what is no quantity.
/// What is larger than an `i64` becomes the largest.
#[must_use]
pub fn whole(value: &Value) -> Option<i64> {
    let amount = match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => return Some(whole),
            None => number.as_f64()?,
        },
        Value::String(text) => {
            let (number, factor) = SUFFIXES.iter().find_map(|(suffix, factor)| {
                let number = text.strip_suffix(suffix)?;
                is_decimal(number).then_some((number, factor))
            })?;
            number.parse::<f64>().ok()? * factor
        }
        _ => return None,
    };
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a float that is too large becomes the largest integer"
    )]
    Some(amount.ceil() as i64)
}

/// Digits with at most one point and a sign, and an exponent.
fn is_decimal(text: &str) -> bool {
    let unsigned = |text: &str| text.strip_prefix(['+', '-']).unwrap_or(text).to_owned();
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (number, exponent) = (unsigned(number), unsigned(exponent));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (before, after) = number.split_once('.').unwrap_or((&number, ""));
    let some = !before.is_empty() || !after.is_empty();
    some && digits(before) && digits(after) && !exponent.is_empty() && digits(&exponent)
}

/// A number of bytes in the largest unit that leaves no rest: `512Mi`.
#[must_use]
pub fn binary(bytes: i64) -> String {
    const UNITS: [(&str, i64); 4] = [
        ("Ti", 1 << 40),
        ("Gi", 1 << 30),
        ("Mi", 1 << 20),
        ("Ki", 1 << 10),
    ];
    let unit = UNITS
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes % unit == 0);
    unit.map_or_else(
        || bytes.to_string(),
        |(suffix, unit)| format!("{}{suffix}", bytes / unit),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_is_read() {
        for (written, read) in [
            (json!("0"), 0),
            (json!("0Mi"), 0),
            (json!("512Mi"), 512 << 20),
            (json!("1.5Gi"), 3 << 29),
            (json!("1G"), 1_000_000_000),
            (json!("128e6"), 128_000_000),
            (json!("1E"), 1_000_000_000_000_000_000),
            (json!("128m"), 1),
            (json!("-1"), -1),
            (json!(".5k"), 500),
            (json!(128_974_848), 128_974_848),
            (json!(2.684_354_56e8), 268_435_456),
            (json!(1e30), i64::MAX),
            (json!("9000Ei"), i64::MAX),
        ] {
            assert_eq!(whole(&written), Some(read), "{written}");
        }
        for wrong in [
            "", "Mi", "512MB", "1 Gi", "lots", "1.2.3", "1e", "0x10", "inf", "nan",
        ] {
            assert_eq!(whole(&json!(wrong)), None, "{wrong}");
        }
        assert_eq!(whole(&json!(null)), None);
    }

    #[test]
    fn bytes_are_shown_without_a_rest() {
        for (bytes, shown) in [
            (512 << 20, "512Mi"),
            (3 << 29, "1536Mi"),
            (1 << 40, "1Ti"),
            (1000, "1000"),
        ] {
            assert_eq!(binary(bytes), shown);
        }
    }
}
