//! Puts a review into words: one file for each output, each a pure function of a review.

pub mod json;
pub mod junit;
pub mod sarif;
pub mod text;

/// "1 file", "2 files".
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
