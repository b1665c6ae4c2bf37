//! The small languages of values: sizes, durations, command lines.

/// A number of bytes as Docker's own tools read it: `512m`, `1.5 GiB`, `64kb`; units are powers
/// of 1024, and a number without one counts bytes.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let last = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')?;
    let (number, unit) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let plain = number.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+'));
    let size: f64 = number.parse().ok().filter(|_| plain)?;
    let unit = unit.to_ascii_lowercase();
    let prefix = match unit.as_str() {
        "" | "b" => return whole(size),
        unit => unit
            .strip_suffix("ib")
            .or(unit.strip_suffix('b'))
            .unwrap_or(unit),
    };
    let power = match prefix {
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    whole(size * 1024_f64.powi(power))
}

/// The whole part of a number that 64 bits can hold.
pub(super) fn whole(size: f64) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range is checked, and Docker drops the fraction as well"
    )]
    (size.is_finite() && size.abs() < 9.2e18).then_some(size as i64)
}

/// A duration in nanoseconds: `1m30s`, `1.5h`, `100ms`.
pub(super) fn duration(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale = match unit.trim() {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            "d" => 8.64e13,
            "w" => 6.048e14,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.trim().is_empty()).then(|| whole(sum)).flatten()
}

/// The words of a command line; none if a quote or an escape is not closed. Compose replaces no variables
/// here, ends at an operator and refuses an open parenthesis.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().push(chars.next()?),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            // Compose keeps what stands before an operator, and starts no shell for the rest.
            (None, ';' | '&' | '|' | '<' | '>') => break,
            (None, '(') => return None,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        let cases = [
            ("512", Some(512)),
            ("512b", Some(512)),
            ("64k", Some(65_536)),
            ("64 kB", Some(65_536)),
            ("512m", Some(512 << 20)),
            ("512MB", Some(512 << 20)),
            ("1.5g", Some(3 << 29)),
            ("2GiB", Some(2 << 30)),
            (".5k", Some(512)),
            ("-1", None),
            ("", None),
            ("m", None),
            ("1kk", None),
            ("1bb", None),
            ("inf", None),
            ("1 2m", None),
        ];
        for (text, size) in cases {
            assert_eq!(bytes(text), size, "{text:?}");
        }
    }

    #[test]
    fn durations_add_up() {
        let cases = [
            ("1m30s", Some(90_000_000_000)),
            ("100ms", Some(100_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("0", Some(0)),
            ("", None),
            ("10", None),
            ("1x", None),
        ];
        for (text, length) in cases {
            assert_eq!(duration(text), length, "{text:?}");
        }
    }

    #[test]
    fn a_command_line_is_split_at_blanks_outside_quotes() {
        let split = |text| words(text).map(|words| words.join("|"));
        assert_eq!(
            split(r#"sh -c "echo \"a b\"" '' c\ d"#).as_deref(),
            Some("sh|-c|echo \"a b\"||c d")
        );
        assert_eq!(split("a b; c").as_deref(), Some("a|b"));
        assert_eq!(split("a 'b;c' && d").as_deref(), Some("a|b;c"));
        assert_eq!(split("a (b)"), None);
        assert_eq!(split("sh -c 'x"), None);
        assert_eq!(split(r"x\"), None);
        assert_eq!(split("").as_deref(), Some(""));
    }
}
