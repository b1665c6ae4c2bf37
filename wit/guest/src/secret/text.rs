/// A name and its value in a configuration text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The line, counted from 1.
    pub line: usize,
    /// The name.
    pub name: &'a str,
    /// The value without its quotes.
    pub value: &'a str,
    /// Nothing else stands on the line.
    pub whole: bool,
}

/// The longest value that stands among others on a line.
const SHORT: usize = 512;

/// Hands on what looks like a name and its value in a text of any common format: properties, INI,
/// YAML, JSON, TOML, XML, connection strings, `.netrc`, the directives of Redis and nginx. Formats
/// are not told apart: what matters is what stands next to what. Comments are left out, and so is
/// what code computes.
pub fn pairs<'a>(text: &'a str, mut each: impl FnMut(Pair<'a>)) {
    // What a line `name: X` said, for the line `value: Y` that follows.
    let mut named = None;
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let Some(line) = content(line) else { continue };
        let mut emit = |name: &'a str, value: &'a str, whole: bool| {
            let name = name.trim();
            if name == "name" || name == "key" {
                named = Some(value);
            } else if name == "value" {
                if let Some(name) = named.take() {
                    each(Pair {
                        line: line_number,
                        name,
                        value,
                        whole,
                    });
                }
            } else if !name.is_empty() && !value.is_empty() {
                each(Pair {
                    line: line_number,
                    name,
                    value,
                    whole,
                });
            }
        };
        if let Some((name, value)) = whole_line(line) {
            emit(name, value, true);
        } else {
            directive(line, &mut emit);
            among_others(line, &mut emit);
        }
        elements(line, &mut emit);
        statement(line, &mut emit);
    }
}

/// A line without what introduces it; none for a comment.
fn content(line: &str) -> Option<&str> {
    let line = line.trim();
    let comment = ["#", "//", ";", "<!--", "--", "* ", "%"]
        .iter()
        .any(|mark| line.starts_with(mark));
    // The settings of npm begin with the address of a registry.
    if line.is_empty() || (comment && !(line.starts_with("//") && line.contains("/:_"))) {
        return None;
    }
    let starts = ["- ", "export ", "set ", "env ", "const ", "let ", "var "];
    Some(starts.iter().fold(line, |line, start| {
        line.strip_prefix(start).unwrap_or(line).trim_start()
    }))
}

/// A line that is one name and one value.
fn whole_line(line: &str) -> Option<(&str, &str)> {
    let separator = |(at, mark): (usize, char)| match mark {
        '=' => Some(at),
        // A colon in an address or a time has no blank behind it.
        ':' => {
            let next = line.get(at + 1..)?;
            let quoted = line.get(..at)?.ends_with(['"', '\'']);
            (quoted || next.is_empty() || next.starts_with([' ', '\t', '='])).then_some(at)
        }
        _ => None,
    };
    let at = line.char_indices().take(200).find_map(separator)?;
    let (name, value) = (line.get(..at)?, line.get(at + 1..)?);
    let name = unquoted(name.trim_end().trim_end_matches(':').trim());
    let plausible = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "._-/@[]$:".contains(c));
    let value = value.strip_prefix(['>', '=']).unwrap_or(value).trim();
    let value = value.trim_end_matches([',', ';']).trim_end();
    if !plausible || value.starts_with(['{', '[', '|', '>', '&', '*']) {
        return None;
    }
    if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let inner = value.get(1..)?;
        let end = inner.find(quote)?;
        let rest = inner.get(end + 1..)?.trim_start();
        return (rest.is_empty() || rest.starts_with('#'))
            .then(|| inner.get(..end).map(|value| (name, value)))?;
    }
    let value = value.split(" #").next().unwrap_or(value).trim_end();
    // Several pairs on a line are read one by one.
    let several = value.contains('=') && value.contains([';', '&', ' ', ',']);
    (!several && !is_code(value)).then_some((name, value))
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

/// What a program computes: a call, a member, an index.
fn is_code(value: &str) -> bool {
    let member = value.contains('.')
        && value.split('.').all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
        });
    member
        || value.contains(['(', '['])
        || value.ends_with('{')
        || value.contains("->")
        || value.contains("::")
}

/// `requirepass X`, the `password X` of a `.netrc`, and the headers that nginx sets.
fn directive<'a>(line: &'a str, emit: &mut impl FnMut(&'a str, &'a str, bool)) {
    let mut words = line
        .split_whitespace()
        .map(|word| word.trim_end_matches(';'));
    let (Some(first), Some(second)) = (words.next(), words.next()) else {
        return;
    };
    if matches!(
        first,
        "proxy_set_header" | "add_header" | "fastcgi_param" | "uwsgi_param"
    ) {
        let value = line
            .split_once(second)
            .map_or("", |(_, value)| value.trim().trim_end_matches(';'));
        emit(second, unquoted(value), true);
        return;
    }
    match words.next() {
        None if (second.bytes().any(|byte| byte.is_ascii_digit()) || second.starts_with('"'))
            && !first.contains([':', '=']) =>
        {
            emit(first, unquoted(second), true);
        }
        Some(_) if matches!(first, "machine" | "default" | "login") => {
            let mut words = line
                .split_whitespace()
                .skip_while(|word| *word != "password");
            if let (Some(name), Some(value)) = (words.next(), words.next()) {
                emit(name, value, true);
            }
        }
        _ => {}
    }
}

/// The pairs of a line that holds several: JSON, attributes, connection strings, queries.
fn among_others<'a>(line: &'a str, emit: &mut impl FnMut(&'a str, &'a str, bool)) {
    let bytes = line.as_bytes();
    let mut next = 0;
    for (at, &mark) in bytes.iter().enumerate() {
        let before = at
            .checked_sub(1)
            .and_then(|before| bytes.get(before))
            .copied()
            .unwrap_or(b' ');
        let quoted = matches!(before, b'"' | b'\'');
        let separates = match mark {
            b'=' => {
                !before.is_ascii_whitespace()
                    && bytes
                        .get(at + 1)
                        .is_some_and(|byte| !byte.is_ascii_whitespace())
            }
            b':' => quoted,
            _ => false,
        };
        if at < next || !separates {
            continue;
        }
        let head = line
            .get(..at)
            .unwrap_or_default()
            .trim_end_matches(['"', '\'', '\\']);
        // A space may stand in a name of a connection string, where only its last word counts.
        let length = head
            .bytes()
            .rev()
            .take(64)
            .take_while(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
            .count();
        let name = head.get(head.len() - length..).unwrap_or_default();
        let Some((start, value)) = line.get(at + 1..).map(|rest| short_value(rest, mark)) else {
            continue;
        };
        if !name.is_empty() && !value.is_empty() && !is_code(value) {
            emit(name, value, false);
            // What is a value here is not read again as a name, unless another pair stands in it.
            if !value.contains(['=', ':']) {
                next = at + 1 + start + value.len();
            }
        }
    }
}

/// A value among others, and where it starts.
fn short_value(rest: &str, mark: u8) -> (usize, &str) {
    let trimmed = if mark == b':' {
        rest.trim_start()
    } else {
        rest
    };
    let mut start = rest.len() - trimmed.len();
    let mut ends: &[char] = &[
        ' ', '\t', ',', ';', '&', '"', '\'', '<', '>', ')', '}', ']', '\\',
    ];
    for (open, close) in [("\\\"", &['\\', '"'][..]), ("\"", &['"']), ("'", &['\''])] {
        if trimmed.starts_with(open) {
            start += open.len();
            ends = close;
            break;
        }
    }
    let body = rest.get(start..).unwrap_or_default();
    let end = body
        .char_indices()
        .find(|(at, c)| *at >= SHORT || ends.contains(c))
        .map_or(body.len(), |(at, _)| at);
    (start, body.get(..end).unwrap_or_default())
}

/// `<password>X</password>`.
fn elements<'a>(line: &'a str, emit: &mut impl FnMut(&'a str, &'a str, bool)) {
    let mut parts = line.split('<').skip(1).peekable();
    while let Some(part) = parts.next() {
        let Some((name, value)) = part.split_once('>') else {
            continue;
        };
        let closes = parts.peek().is_some_and(|next| {
            next.strip_prefix('/')
                .is_some_and(|end| end.starts_with(name))
        });
        if closes && !name.contains(' ') {
            emit(name, value.trim(), true);
        }
    }
}

/// The password of a user in SQL: `IDENTIFIED BY 'X'`, `PASSWORD 'X'`.
fn statement<'a>(line: &'a str, emit: &mut impl FnMut(&'a str, &'a str, bool)) {
    let mut parts = line.split('\'');
    while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
        let mut words = before.split_whitespace().rev();
        let last = words.next().unwrap_or_default();
        let identified = last.eq_ignore_ascii_case("by")
            && words
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("identified"));
        if identified || last.eq_ignore_ascii_case("password") {
            emit("password", value, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        pairs(text, |pair| found.push((pair.name, pair.value)));
        found
    }

    #[test]
    fn lines_of_all_formats() {
        for (line, name, value) in [
            ("db.password=hunter2", "db.password", "hunter2"),
            ("  password: hunter2 # old", "password", "hunter2"),
            ("  \"password\": \"hunter2\",", "password", "hunter2"),
            ("password = 'hunter2'", "password", "hunter2"),
            ("export TOKEN=abc", "TOKEN", "abc"),
            ("- token: \"a b\"", "token", "a b"),
            (
                "//registry.npmjs.org/:_authToken=abc",
                "//registry.npmjs.org/:_authToken",
                "abc",
            ),
            ("<password>hunter2</password>", "password", "hunter2"),
            ("requirepass hunter2;", "requirepass", "hunter2"),
            (
                "machine example.org login bob password hunter2",
                "password",
                "hunter2",
            ),
            (
                "proxy_set_header Authorization \"Basic YWJj\";",
                "Authorization",
                "Basic YWJj",
            ),
            ("'password' => 'hunter2',", "password", "hunter2"),
            (
                "CREATE USER 'a'@'%' IDENTIFIED BY 'hunter2';",
                "password",
                "hunter2",
            ),
            (
                "ALTER ROLE app WITH LOGIN PASSWORD 'hunter2';",
                "password",
                "hunter2",
            ),
            ("url: http://localhost:80/", "url", "http://localhost:80/"),
        ] {
            assert_eq!(found(line), [(name, value)], "{line}");
        }
    }

    #[test]
    fn several_on_a_line() {
        let all = found("Server=db;User Id=sa;Password=hunter2;Encrypt=true");
        assert!(all.contains(&("Password", "hunter2")), "{all:?}");
        let all = found("{\"user\":\"a\",\"password\":\"hunter2\",\"n\":1}");
        assert!(all.contains(&("password", "hunter2")), "{all:?}");
        let all = found("<user username=\"a\" password=\"hunter2\"/>");
        assert!(all.contains(&("password", "hunter2")), "{all:?}");
        let all = found("dsn: host=db user=a password=hunter2 sslmode=off");
        assert!(all.contains(&("password", "hunter2")), "{all:?}");
        let all = found("jdbc.url=jdbc:mysql://db/x?user=a&password=hunter2");
        assert!(all.contains(&("password", "hunter2")), "{all:?}");
        let all = found("x: {\\\"password\\\":\\\"hunter2\\\"}");
        assert!(all.contains(&("password", "hunter2")), "{all:?}");
    }

    #[test]
    fn a_name_and_a_value_on_two_lines() {
        assert_eq!(
            found("- name: DB_PASSWORD\n  value: hunter2"),
            [("DB_PASSWORD", "hunter2")]
        );
        assert_eq!(
            found("<name>x.password</name>\n<value>hunter2</value>"),
            [("x.password", "hunter2")]
        );
    }

    #[test]
    fn comments_and_code_are_left_out() {
        for line in [
            "# password=hunter2",
            "// password: x",
            "password: |",
            "password = os.environ[\"X\"]",
            "password = get(x)",
            "token: process.env.TOKEN",
            "secret:",
            "server {",
            "password:",
        ] {
            assert_eq!(found(line), [], "{line}");
        }
    }
}
