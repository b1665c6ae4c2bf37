//! Rewrites what goyaml reads, but YAML 1.2 forbids, into YAML 1.2 of the same meaning.
//!
//! goyaml, which is libyaml at heart, does not care about the indentation within brackets and
//! quotes, takes a tab for a space after a colon, lets a comment follow a bracket or a quote at
//! once, reads `[-]`, lets each document begin with a byte order mark, and breaks lines at U+0085,
//! U+2028 and U+2029, too. Only texts that the
//! strict parser refuses, or that hold such breaks, come here.

/// A rewritten text and the way back to the places of the original.
pub(super) struct Relaxed {
    pub(super) text: String,
    /// Pairs of an offset here and the offset there; both count on from one pair to the next.
    shifts: Vec<(usize, usize)>,
}

impl Relaxed {
    /// Where a byte of the rewritten text stands in the original.
    pub(super) fn original(&self, at: usize) -> usize {
        let next = self.shifts.partition_point(|(here, _)| *here <= at);
        let (here, there) = next
            .checked_sub(1)
            .and_then(|n| self.shifts.get(n))
            .copied()
            .unwrap_or_default();
        let limit = self
            .shifts
            .get(next)
            .map_or(usize::MAX, |(_, there)| *there);
        (there + at.saturating_sub(here)).min(limit)
    }
}

/// The rewritten text, unless it would become many times larger than the text is.
pub(super) fn relax(text: &str) -> Option<Relaxed> {
    let mut writer = Writer::new(text);
    let limit = text.len().saturating_mul(4).saturating_add(0x1_0000);
    while writer.peek().is_some() {
        writer.token();
        if writer.out.len() > limit {
            return None;
        }
    }
    Some(Relaxed {
        text: writer.out,
        shifts: writer.shifts,
    })
}

/// Whether goyaml breaks lines where YAML 1.2 does not.
pub(super) fn has_old_breaks(text: &str) -> bool {
    !text.is_ascii() && text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

struct Writer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    out: String,
    shifts: Vec<(usize, usize)>,
    /// How many brackets are open.
    flow: usize,
    /// The column after that of the innermost key or dash; 0 for none.
    inner: usize,
    /// The column of what may turn out to be a key.
    candidate: Option<usize>,
}

impl<'a> Writer<'a> {
    fn new(text: &'a str) -> Self {
        let out = String::with_capacity(text.len() + text.len() / 8);
        Self {
            text,
            at: 0,
            line: 0,
            out,
            shifts: Vec::new(),
            flow: 0,
            inner: 0,
            candidate: None,
        }
    }

    fn token(&mut self) {
        let Some(first) = self.peek() else { return };
        if first == '\u{FEFF}' && self.begins_document() {
            return self.leave_out();
        }
        if self.at == self.line && self.line_mark(first) {
            return;
        }
        match first {
            c if is_break(c) => self.line_break(),
            ' ' | '\t' | '\u{FEFF}' => self.copy(),
            '#' => self.comment(),
            '"' | '\'' => self.quoted(first),
            '[' | '{' => self.bracket(1),
            ']' | '}' => self.bracket(-1),
            '|' | '>' if self.flow == 0 => self.block_scalar(),
            '-' if self.flow > 0 && self.nth(1).is_some_and(is_flow) => self.lone_dash(),
            '-' | '?' | ':' if self.ends_word(1) => self.indicator(first),
            ',' | ':' if self.flow > 0 => self.copy(),
            '&' | '*' | '!' => self.property(),
            _ => self.plain(),
        }
    }

    /// Whether the line before is a marker: for kubectl, a text begins here, which may begin with
    /// a byte order mark.
    fn begins_document(&self) -> bool {
        let before = self.text.get(..self.line).unwrap_or_default();
        let before = before.trim_end_matches(['\n', '\r']);
        let line = before.rsplit('\n').next().unwrap_or_default();
        self.at == self.line && self.line > 0 && starts_with_marker(line)
    }

    fn leave_out(&mut self) {
        if let Some(c) = self.peek() {
            self.at += c.len_utf8();
            self.line = self.at;
            self.shifts.push((self.out.len(), self.at));
        }
    }

    /// Copies a directive or the marker of a document, if there is one.
    fn line_mark(&mut self, first: char) -> bool {
        if self.is_marker() {
            (self.flow, self.inner, self.candidate) = (0, 0, None);
            (0..3).for_each(|_| self.copy());
            return true;
        }
        if first == '%' && self.flow == 0 {
            self.rest_of_line();
            return true;
        }
        false
    }

    fn comment(&mut self) {
        if !self.out.ends_with([' ', '\t', '\n', '\r']) && !self.out.is_empty() {
            self.insert(" ");
        }
        self.rest_of_line();
    }

    fn quoted(&mut self, quote: char) {
        self.begin();
        self.copy();
        while let Some(c) = self.peek() {
            match c {
                '\u{2028}' | '\u{2029}' => self.copy(),
                c if is_break(c) => self.inner_break(),
                '\\' if quote == '"' => {
                    self.copy();
                    if !self.peek().is_some_and(is_break) {
                        self.copy();
                    }
                }
                '\'' if quote == '\'' && self.nth(1) == Some('\'') => {
                    self.copy();
                    self.copy();
                }
                c if c == quote => return self.copy(),
                _ => self.copy(),
            }
        }
    }

    fn bracket(&mut self, step: isize) {
        self.begin();
        self.flow = self.flow.saturating_add_signed(step);
        self.copy();
    }

    fn block_scalar(&mut self) {
        let header = self.text.get(self.at..).unwrap_or_default();
        let explicit = header.chars().skip(1).take(2).find_map(|c| c.to_digit(10));
        while self.peek().is_some_and(|c| !is_break(c) && c != '#') {
            self.copy();
        }
        if self.peek() == Some('#') {
            self.comment();
        }
        let outer = self.inner.saturating_sub(1);
        let indent = match explicit {
            Some(digit) => outer + digit as usize,
            None => self.next_indent().max(self.inner),
        };
        while self.peek().is_some() {
            self.line_break();
            let spaces = self.leading_spaces();
            let blank = self.nth(spaces).is_none_or(is_break);
            if !blank && (spaces < indent || self.is_marker()) {
                break;
            }
            self.rest_of_line();
        }
    }

    fn indicator(&mut self, sign: char) {
        if self.flow == 0 {
            let column = self.column();
            self.inner = 1 + if sign == ':' {
                self.candidate.unwrap_or(column)
            } else {
                column
            };
            self.candidate = None;
        }
        self.copy();
        while sign == ':' && matches!(self.peek(), Some(' ' | '\t')) {
            self.replace(' ');
        }
    }

    fn lone_dash(&mut self) {
        self.insert("'");
        self.copy();
        self.insert("'");
    }

    fn property(&mut self) {
        self.begin();
        while self
            .peek()
            .is_some_and(|c| !(is_blank(c) || self.flow > 0 && is_flow(c)))
        {
            self.copy();
        }
    }

    fn plain(&mut self) {
        self.begin();
        self.copy();
        while let Some(c) = self.peek() {
            let ends = match c {
                ':' => self.ends_word(1),
                '#' => self.out.ends_with([' ', '\t']),
                c if is_break(c) => !self.continues(),
                c => self.flow > 0 && is_flow(c),
            };
            if ends {
                break;
            }
            if is_break(c) {
                self.line_break();
            } else {
                self.copy();
            }
        }
    }

    /// Whether a plain scalar goes on after the line's end.
    fn continues(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(next) = rest.find(|c| !is_blank(c)).and_then(|n| rest.get(n..)) else {
            return false;
        };
        self.flow == 0
            && self.next_indent() >= self.inner
            && !next.starts_with('#')
            && !starts_with_marker(next)
    }

    fn line_break(&mut self) {
        if self.flow > 0 {
            return self.inner_break();
        }
        self.candidate = None;
        self.break_only();
    }

    /// A line break within brackets or quotes: the next line is indented as YAML 1.2 asks.
    fn inner_break(&mut self) {
        self.break_only();
        let spaces = self.leading_spaces();
        let blank = self.nth(spaces).is_none_or(is_break);
        if !blank && !self.is_marker() {
            let wanted = self.inner + 1;
            self.insert(&" ".repeat(wanted.saturating_sub(spaces)));
        }
    }

    fn break_only(&mut self) {
        if self.peek() == Some('\r') && self.nth(1) == Some('\n') {
            self.copy();
        }
        match self.peek() {
            Some('\r' | '\n') => self.copy(),
            Some(_) => self.replace('\n'),
            None => {}
        }
        self.line = self.at;
    }

    fn rest_of_line(&mut self) {
        while self.peek().is_some_and(|c| !is_break(c)) {
            self.copy();
        }
    }

    fn begin(&mut self) {
        if self.flow == 0 && self.candidate.is_none() {
            self.candidate = Some(self.column());
        }
    }

    fn column(&self) -> usize {
        self.at - self.line
    }

    fn copy(&mut self) {
        if let Some(c) = self.peek() {
            self.out.push(c);
            self.at += c.len_utf8();
        }
    }

    fn replace(&mut self, by: char) {
        if let Some(c) = self.peek() {
            self.out.push(by);
            self.at += c.len_utf8();
            if c.len_utf8() != by.len_utf8() {
                self.shifts.push((self.out.len(), self.at));
            }
        }
    }

    fn insert(&mut self, text: &str) {
        if !text.is_empty() {
            self.shifts.push((self.out.len(), self.at));
            self.out.push_str(text);
            self.shifts.push((self.out.len(), self.at));
        }
    }

    fn peek(&self) -> Option<char> {
        self.nth(0)
    }

    /// The character this many bytes on.
    fn nth(&self, n: usize) -> Option<char> {
        self.text
            .get(self.at + n..)
            .and_then(|rest| rest.chars().next())
    }

    fn ends_word(&self, n: usize) -> bool {
        self.nth(n)
            .is_none_or(|c| is_blank(c) || (self.flow > 0 && is_flow(c)))
    }

    fn leading_spaces(&self) -> usize {
        self.text
            .as_bytes()
            .iter()
            .skip(self.at)
            .take_while(|b| **b == b' ')
            .count()
    }

    /// The indentation of the next line that is not blank.
    fn next_indent(&self) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest
            .find(|c| !is_break(c) && c != ' ')
            .unwrap_or(rest.len());
        let blank = rest.get(..end).unwrap_or_default();
        blank.bytes().rev().take_while(|b| *b == b' ').count()
    }

    fn is_marker(&self) -> bool {
        self.at == self.line && starts_with_marker(self.text.get(self.at..).unwrap_or_default())
    }
}

fn starts_with_marker(text: &str) -> bool {
    let marked = text.starts_with("---") || text.starts_with("...");
    marked && text.chars().nth(3).is_none_or(is_blank)
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t') || is_break(c)
}

fn is_flow(c: char) -> bool {
    matches!(c, ',' | '[' | ']' | '{' | '}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back_to_the_original() {
        let text = "a:\n  b: [\n1, \"x\"#c\n]\n";
        let relaxed = relax(text).unwrap();
        assert_eq!(relaxed.text, "a:\n  b: [\n    1, \"x\" #c\n    ]\n");
        for token in ["a", "b", "[", "1", "\"x\"", "#c", "]"] {
            assert_eq!(
                relaxed.original(relaxed.text.find(token).unwrap()),
                text.find(token).unwrap(),
                "{token}"
            );
        }
        assert_eq!(relaxed.original(relaxed.text.len()), text.len());
    }

    #[test]
    fn what_needs_no_change_stays() {
        let text = "a: |\n  \" [\n\n  {\nb: it's [\nc: x\n  y\"\nd: 'it''s'\n- \"\\\"\"\n# [\n--- &a !b\n? - x\n";
        assert_eq!(relax(text).unwrap().text, text);
    }

    #[test]
    fn a_text_that_would_grow_without_bound_is_left_alone() {
        assert!(
            relax(&format!(
                "{}a: [{}",
                " ".repeat(10_000),
                "\n1,".repeat(10_000)
            ))
            .is_none()
        );
    }
}
