//! A file within a file: a Dockerfile in a Compose project, a configuration in a `ConfigMap`.

use std::sync::Arc;

use crate::object::{Node, Span, Text};

/// Where the lines of a block of text stand in the file that holds it.
pub(super) struct Lines {
    text: Option<Arc<Text>>,
    whole: Span,
    /// Where each line starts in the block's text, where it starts in the file, and how many
    /// bytes it has there.
    starts: Vec<(usize, usize, usize)>,
}

impl Lines {
    /// Of the text of a string. One that is written as a block has its lines in the file; what is
    /// written in quotes, or folded, is one place.
    pub(super) fn new(node: &Node, texts: &[Arc<Text>]) -> Self {
        let (content, whole) = (node.as_str().unwrap_or_default(), node.span);
        let written = texts
            .get(whole.text as usize)
            .and_then(|text| text.content.get(whole.range()))
            .unwrap_or_default();
        let lines = lines(content);
        let raw = lines_after_header(written);
        let indent = lines.iter().zip(&raw).find_map(|((_, line), (_, raw))| {
            let blank = |text: &str| text.len() - text.trim_start_matches(' ').len();
            (!line.trim().is_empty()).then(|| blank(raw).saturating_sub(blank(line)))
        });
        let mut starts = Vec::new();
        if written.starts_with('|') && raw.len() >= lines.len() {
            for ((start, _), (at, raw)) in lines.iter().zip(&raw) {
                let indent = indent.unwrap_or(0).min(raw.len());
                starts.push((
                    *start,
                    whole.start as usize + at + indent,
                    raw.len() - indent,
                ));
            }
        }
        let text = texts.get(whole.text as usize).map(Arc::clone);
        Self {
            text,
            whole,
            starts,
        }
    }

    /// Where a place in the block's text stands in the file.
    pub(super) fn place(&self, span: Span) -> Span {
        let offset = |at: usize| {
            let line = self.starts.partition_point(|(start, ..)| *start <= at);
            let (start, written, length) = self.starts.get(line.checked_sub(1)?)?;
            let at = written + (at - start).min(*length);
            // What Compose puts in the place of a variable may be longer or shorter.
            Some(self.text.as_ref()?.content.floor_char_boundary(at))
        };
        let range = span.range();
        let (Some(start), Some(end)) = (offset(range.start), offset(range.end)) else {
            return self.whole;
        };
        Span {
            text: self.whole.text,
            ..Span::new(start, end.max(start))
        }
    }
}

/// The lines of a text without their ends, each with the offset of its start.
fn lines(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        let start = at;
        at += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    });
    lines.collect()
}

/// The lines of a block of text, behind the sign that begins it.
fn lines_after_header(written: &str) -> Vec<(usize, &str)> {
    lines(written).into_iter().skip(1).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::yaml;

    fn places(yaml: &str) -> Vec<String> {
        let text = Arc::new(Text::new("x", yaml));
        let document = yaml::read(yaml).documents.remove(0);
        let node = document.get("a").unwrap();
        let lines = Lines::new(node, std::slice::from_ref(&text));
        let content = node.as_str().unwrap();
        let words = content.split_whitespace().map(|word| {
            let start = word.as_ptr() as usize - content.as_ptr() as usize;
            let place = lines.place(Span::new(start, start + word.len()));
            text.content[place.range()].to_owned()
        });
        words.collect()
    }

    #[test]
    fn a_word_of_a_block_stands_in_its_line() {
        for yaml in [
            "a: |\n  one two\n\n    three\n",
            "a: |-\n    one two\n    three",
            "b:\n- c\na: |2\n    one two\n  three\n",
        ] {
            assert_eq!(places(yaml), ["one", "two", "three"], "{yaml}");
        }
        assert_eq!(places("a: 'one two'"), ["'one two'", "'one two'"]);
    }

    proptest! {
        #[test]
        fn places_lie_in_the_text(body in "( |\n|é|a|#|:|-){0,24}", header in "(\\||>|\"|')[-+2]?\n?", from in 0..30usize, to in 0..30usize) {
            let content = format!("a: {header}{body}");
            let text = Arc::new(Text::new("x", content.clone()));
            for document in yaml::read(&content).documents {
                if let Some(node) = document.get("a") {
                    let lines = Lines::new(node, std::slice::from_ref(&text));
                    let place = lines.place(Span::new(from, to.max(from)));
                    prop_assert!(place.end as usize <= content.len() && place.start <= place.end);
                }
            }
        }
    }
}
