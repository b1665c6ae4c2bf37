//! Puts a review into words: one file for each output, each a pure function of a review.

pub mod json;
pub mod junit;
pub mod openreports;
pub mod sarif;
pub mod text;
pub mod threats;

use std::borrow::Cow;

/// "1 file", "2 files".
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A text that a terminal shows as it is: what would move the cursor, change colours or turn the
/// direction of reading is replaced, character by character. It may come from a hostile file.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    let hostile = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(hostile) {
        text.replace(hostile, "\u{fffd}").into()
    } else {
        text.into()
    }
}

/// A name or message as [`plain`] text on one line, so that it cannot pass for another line of
/// the report.
#[must_use]
pub fn line(text: &str) -> String {
    plain(text).replace('\n', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn no_text_reaches_the_terminal_as_a_command() {
        assert_eq!(
            plain("a\u{1b}[31m\u{202e}b\r\n\tc"),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}\n\tc"
        );
        assert_eq!(plain("żó"), "żó");
    }
}
