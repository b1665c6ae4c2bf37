//! The words of a shell's command line.
//!
//! This does not run a shell's grammar: it finds words and operators, and it says what a word is
//! without its quotes where that does not depend on a variable or on another command.

use super::expand::Names;

/// The operators, the longer before the shorter that they start with.
const OPERATORS: [&str; 21] = [
    "&>>", "<<<", "<<-", ";;&", "&&", "||", ";;", ";&", "|&", "&>", "<<", "<&", "<>", ">>", ">&",
    ">|", "&", "|", ";", "<", ">",
];

/// Operators after which a new line ends no command.
const OPEN: [&str; 7] = ["&&", "||", "|", "|&", "&", ";", "("];

/// A word or an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Where it starts in the text.
    pub(super) start: usize,
    /// Where it ends in the text.
    pub(super) end: usize,
    /// As it is written. A line end that ends a command is written `;`.
    pub(super) written: String,
    /// Without quotes; none if it needs a variable or the output of a command.
    pub(super) value: Option<String>,
    /// The variables that it names.
    pub(super) unresolved: Vec<String>,
    /// Whether it is an operator.
    pub(super) operator: bool,
}

/// Splits a text into words and operators. An open quote runs to the end of the text.
/// `backslash` is whether the shell is one in which `\` and `` ` `` have a meaning.
pub(super) fn split(text: &str, backslash: bool) -> Vec<Token> {
    let mut splitter = Splitter {
        text,
        at: 0,
        backslash,
        tokens: Vec::new(),
        bodies: Vec::new(),
    };
    splitter.run();
    splitter.tokens
}

/// A here-document whose body is still to come.
struct Body {
    delimiter: String,
    tabs: bool,
}

struct Splitter<'a> {
    text: &'a str,
    at: usize,
    backslash: bool,
    tokens: Vec<Token>,
    bodies: Vec<Body>,
}

impl<'a> Splitter<'a> {
    fn run(&mut self) {
        while let Some(next) = self.peek() {
            match next {
                '\n' => self.line_end(),
                blank if blank.is_whitespace() => self.skip(blank),
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                '\\' if self.rest().starts_with("\\\n") => self.at += 2,
                _ => self.token(),
            }
        }
        while self
            .tokens
            .last()
            .is_some_and(|last| last.operator && self.text.get(last.start..last.end) == Some("\n"))
        {
            self.tokens.pop();
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, next: char) {
        self.at += next.len_utf8();
    }

    fn line_end(&mut self) {
        let start = self.at;
        self.at += 1;
        let open = |last: &Token| last.operator && OPEN.contains(&last.written.as_str());
        if self.tokens.last().is_some_and(|last| !open(last)) {
            self.tokens.push(Token {
                start,
                end: self.at,
                written: ";".to_owned(),
                value: Some(";".to_owned()),
                unresolved: Vec::new(),
                operator: true,
            });
        }
        for body in std::mem::take(&mut self.bodies) {
            self.skip_body(&body);
        }
    }

    fn skip_body(&mut self, body: &Body) {
        while !self.rest().is_empty() {
            let rest = self.rest();
            let line = rest.split('\n').next().unwrap_or_default();
            self.at += (line.len() + 1).min(rest.len());
            let line = if body.tabs {
                line.trim_start_matches('\t')
            } else {
                line
            };
            if line == body.delimiter {
                break;
            }
        }
    }

    fn token(&mut self) {
        match operator(self.rest()) {
            Some(length) => self.operator(length),
            None => self.word(),
        }
    }

    fn operator(&mut self, length: usize) {
        let start = self.at;
        self.at += length;
        let written = self.text.get(start..self.at).unwrap_or_default().to_owned();
        let value = Some(written.clone());
        self.tokens.push(Token {
            start,
            end: self.at,
            written,
            value,
            unresolved: Vec::new(),
            operator: true,
        });
    }

    fn word(&mut self) {
        let mut word = Word {
            value: Some(String::new()),
            names: Names::default(),
        };
        let start = self.at;
        while let Some(next) = self.peek() {
            match next {
                end if end.is_whitespace() || is_operator(end) => break,
                '\\' if self.backslash => self.escaped(&mut word),
                '\'' => self.single_quote(&mut word),
                '"' => self.double_quote(&mut word),
                '$' => self.dollar(&mut word, Context::Brace),
                '`' if self.backslash => self.nested(&mut word, 1, Context::Backtick),
                other => self.literal(&mut word, other),
            }
        }
        self.heredoc(start, &word);
        let written = self
            .text
            .get(start..self.at)
            .unwrap_or_default()
            .replace("\\\n", "");
        let unresolved = word.names.into_list();
        self.tokens.push(Token {
            start,
            end: self.at,
            written,
            value: word.value,
            unresolved,
            operator: false,
        });
    }

    /// Remembers the word after `<<` as the delimiter of a here-document.
    fn heredoc(&mut self, start: usize, word: &Word) {
        let operator = self
            .tokens
            .last()
            .filter(|last| last.operator)
            .map(|last| last.written.as_str());
        let operator =
            operator.map(|operator| operator.trim_start_matches(|c: char| c.is_ascii_digit()));
        if let Some(operator @ ("<<" | "<<-")) = operator {
            let tabs = operator == "<<-";
            let written = || self.text.get(start..self.at).unwrap_or_default().to_owned();
            let delimiter = word.value.clone().unwrap_or_else(written);
            self.bodies.push(Body { delimiter, tabs });
        }
    }

    fn literal(&mut self, word: &mut Word, next: char) {
        self.skip(next);
        word.push(next);
    }

    fn escaped(&mut self, word: &mut Word) {
        self.at += 1;
        match self.peek() {
            Some('\n') => self.at += 1,
            Some(next) => self.literal(word, next),
            None => word.push('\\'),
        }
    }

    fn single_quote(&mut self, word: &mut Word) {
        self.at += 1;
        let rest = self.rest();
        let length = rest.find('\'').unwrap_or(rest.len());
        rest.get(..length)
            .unwrap_or_default()
            .chars()
            .for_each(|c| word.push(c));
        self.at += (length + 1).min(rest.len());
    }

    fn double_quote(&mut self, word: &mut Word) {
        self.at += 1;
        while let Some(next) = self.peek() {
            match next {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' if self.backslash => self.escaped_in_quotes(word),
                '$' => self.dollar(word, Context::QuotedBrace),
                '`' if self.backslash => self.nested(word, 1, Context::Backtick),
                other => self.literal(word, other),
            }
        }
    }

    fn escaped_in_quotes(&mut self, word: &mut Word) {
        self.at += 1;
        match self.peek() {
            Some('\n') => self.at += 1,
            Some(next @ ('$' | '`' | '"' | '\\')) => self.literal(word, next),
            _ => word.push('\\'),
        }
    }

    /// Reads what `$` starts; `braces` is what `${` opens here.
    fn dollar(&mut self, word: &mut Word, braces: Context) {
        let after = self.rest().get(1..).unwrap_or_default();
        match after.chars().next() {
            Some('(') => self.nested(word, 2, Context::Parenthesis),
            Some('{') => {
                word.name(
                    after
                        .get(1..)
                        .unwrap_or_default()
                        .trim_start_matches(['#', '!']),
                );
                self.nested(word, 2, braces);
            }
            Some('\'') if braces == Context::Brace => self.c_string(word),
            Some(special) if "@*#?-$!".contains(special) || special.is_ascii_digit() => {
                word.value = None;
                self.at += 2;
            }
            _ => match word.name(after) {
                0 => self.literal(word, '$'),
                length => self.at += 1 + length,
            },
        }
    }

    /// `$'…'` means something else in each shell.
    fn c_string(&mut self, word: &mut Word) {
        word.value = None;
        self.at += 2;
        while let Some(next) = self.peek() {
            self.skip(next);
            match next {
                '\'' => return,
                '\\' => self.at += self.peek().map_or(0, char::len_utf8),
                _ => {}
            }
        }
    }

    /// Skips a substitution, with what stands in it; `opening` is the length of what opens it.
    fn nested(&mut self, word: &mut Word, opening: usize, context: Context) {
        word.value = None;
        self.at += opening;
        let mut contexts = vec![context];
        while let (Some(context), Some(next)) = (contexts.last().copied(), self.peek()) {
            self.skip(next);
            match (context, next) {
                (_, '\\') => self.at += self.peek().map_or(0, char::len_utf8),
                (Context::Backtick, '`')
                | (Context::Parenthesis, ')')
                | (Context::Brace | Context::QuotedBrace, '}')
                | (Context::Quotes, '"') => {
                    contexts.pop();
                }
                (Context::Backtick, _) => {}
                (_, '`') => contexts.push(Context::Backtick),
                (_, '$') if self.rest().starts_with('(') => {
                    self.at += 1;
                    contexts.push(Context::Parenthesis);
                }
                (_, '$') if self.rest().starts_with('{') => {
                    self.at += 1;
                    let quoted = matches!(context, Context::Quotes | Context::QuotedBrace);
                    contexts.push(if quoted {
                        Context::QuotedBrace
                    } else {
                        Context::Brace
                    });
                }
                (Context::Quotes, _) | (Context::QuotedBrace, '\'') => {}
                (_, '"') => contexts.push(Context::Quotes),
                (_, '\'') => {
                    let rest = self.rest();
                    self.at += rest.find('\'').map_or(rest.len(), |length| length + 1);
                }
                (Context::Parenthesis, '(') => contexts.push(Context::Parenthesis),
                _ => {}
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Parenthesis,
    Brace,
    /// Braces inside double quotes, where `'` is an ordinary character.
    QuotedBrace,
    Quotes,
    Backtick,
}

struct Word {
    value: Option<String>,
    names: Names,
}

impl Word {
    fn push(&mut self, next: char) {
        if let Some(value) = &mut self.value {
            value.push(next);
        }
    }

    /// Notes the name that a text starts with; its length.
    fn name(&mut self, text: &str) -> usize {
        let length = text
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(text.len());
        match text.get(..length) {
            Some(name) if !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) => {
                self.value = None;
                self.names.add(name);
                length
            }
            _ => 0,
        }
    }
}

fn is_operator(c: char) -> bool {
    matches!(c, '&' | '|' | ';' | '<' | '>' | '(' | ')')
}

/// The length of the operator that a text starts with. The number of a redirected file belongs to
/// the operator: `2>`.
fn operator(text: &str) -> Option<usize> {
    let after_number = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text.len() - after_number.len();
    let redirection = after_number.starts_with(['<', '>']);
    if number > 0 && !redirection {
        return None;
    }
    let known = OPERATORS
        .iter()
        .find(|&&operator| after_number.starts_with(operator));
    let length = known.map(|operator| operator.len());
    length
        .or_else(|| after_number.starts_with(['(', ')']).then_some(1))
        .map(|length| number + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Vec<String> {
        split(text, true)
            .into_iter()
            .map(|token| token.written)
            .collect()
    }

    fn values(text: &str) -> Vec<Option<String>> {
        split(text, true)
            .into_iter()
            .map(|token| token.value)
            .collect()
    }

    #[test]
    fn operators_are_words() {
        for (text, expected) in [
            ("a&&b||c;d|e&f", "a && b || c ; d | e & f"),
            ("(a) >b 2>&1 <c >>d 10<e", "( a ) > b 2>& 1 < c >> d 10< e"),
            ("a2>b cat<<-EOF <<<x &>y", "a2 > b cat <<- EOF <<< x &> y"),
            ("case x in a) b;; esac", "case x in a ) b ;; esac"),
            ("a # b && c", "a"),
            ("a#b 'x&&y' \"(\"", "a#b 'x&&y' \"(\""),
        ] {
            assert_eq!(written(text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn quotes_go_away() {
        let some = |value: &str| Some(value.to_owned());
        assert_eq!(
            values(r#"a'b c'"d \" e\f"\ g $ '' \"#),
            [some("ab cd \" e\\f g"), some("$"), some(""), some("\\")]
        );
        assert_eq!(values("'open && "), [some("open && ")]);
        assert_eq!(values("\"open && "), [some("open && ")]);
        assert_eq!(values("é=ü"), [some("é=ü")]);
        assert_eq!(
            written("\"${a:-it's}\" && b \"$(c 'd\" e')\"").join("|"),
            "\"${a:-it's}\"|&&|b|\"$(c 'd\" e')\""
        );
    }

    #[test]
    fn what_needs_a_run_has_no_value() {
        let tokens = split(
            "a$B\"${C:-$D}$B\" $(e $(f \")\") ')') g `h \\` i` '$J' $1 $'\\'k' ${#L}",
            true,
        );
        let found: Vec<_> = tokens
            .iter()
            .map(|token| (token.written.as_str(), token.unresolved.join(" ")))
            .collect();
        let expected = [
            ("a$B\"${C:-$D}$B\"", "B C"),
            ("$(e $(f \")\") ')')", ""),
            ("g", ""),
            ("`h \\` i`", ""),
            ("'$J'", ""),
            ("$1", ""),
            ("$'\\'k'", ""),
            ("${#L}", "L"),
        ];
        assert_eq!(
            found,
            expected.map(|(written, names)| (written, names.to_owned()))
        );
        let known: Vec<_> = tokens
            .iter()
            .filter_map(|token| token.value.as_deref())
            .collect();
        assert_eq!(known, ["g", "$J"]);
    }

    #[test]
    fn a_line_end_ends_a_command() {
        assert_eq!(
            written("\n a \\\n b\n\nc &&\n d\n# e\n").join(" "),
            "a b ; c && d"
        );
        assert_eq!(written("a\\\nb").join(" "), "ab");
        let ends: Vec<_> = split("a\nb", true)
            .iter()
            .map(|token| (token.start, token.end))
            .collect();
        assert_eq!(ends, [(0, 1), (1, 2), (2, 3)]);
    }

    #[test]
    fn the_body_of_a_nested_heredoc_is_no_command() {
        assert_eq!(
            written("cat <<'E' >f\nrm -rf /\nE\nls").join(" "),
            "cat << 'E' > f ; ls"
        );
        assert_eq!(
            written("cat <<-E\n\trm\n\tE\nls").join(" "),
            "cat <<- E ; ls"
        );
        assert_eq!(written("cat <<E\nrm").join(" "), "cat << E");
    }

    #[test]
    fn backslashes_are_ordinary_in_a_windows_shell() {
        let values: Vec<_> = split(r"copy C:\a\b `c", false)
            .into_iter()
            .map(|token| token.value.expect("known"))
            .collect();
        assert_eq!(values, ["copy", r"C:\a\b", "`c"]);
    }
}
