use crate::At;
use stridegate_shapes::dockerfile::KEYWORDS;

/// An entry of an image's history, taken apart.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// Its `created_by`.
    pub at: At<'a>,
    /// The entry.
    pub entry: At<'a>,
    /// What `created_by` says, as it is written.
    pub created_by: &'a str,
    /// The instruction of a Dockerfile that made it; `RUN` for a command, whoever ran it.
    pub keyword: &'a str,
    /// What follows the keyword, without what the builder adds.
    pub text: &'a str,
    /// The build arguments that a command was run with, with their values.
    pub arguments: Vec<(&'a str, String)>,
}

impl<'a> Step<'a> {
    /// The `NAME=value` pairs of ENV, LABEL and ARG; the value of a name alone is none.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'a str, Option<String>)> {
        match self.keyword {
            "ARG" if !self.text.contains('=') => vec![(self.text.trim(), None)],
            "ENV" | "LABEL" | "ARG" => {
                let pairs = pairs(self.text).into_iter();
                pairs.map(|(name, value)| (name, Some(value))).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The history of a `docker/Image`, the oldest entry first; none where it is not known.
pub fn history<'a>(image: &At<'a>) -> impl Iterator<Item = Step<'a>> + use<'a> {
    let entries = image.get("History").items();
    entries.filter_map(|entry| {
        let at = entry.get("created_by");
        let text = at.text()?;
        Some(step(entry, at, text))
    })
}

fn step<'a>(entry: At<'a>, at: At<'a>, created_by: &'a str) -> Step<'a> {
    let text = created_by.trim();
    let text = text.strip_suffix("# buildkit").unwrap_or(text).trim_end();
    // The classic builder writes instructions as comments of its shell.
    let text = text
        .split_once("#(nop)")
        .map_or(text, |(_, text)| text)
        .trim_start();
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (keyword, text) = match KEYWORDS.into_iter().find(|keyword| *keyword == first) {
        Some(keyword) => (keyword, rest.trim_start()),
        None => ("RUN", text),
    };
    let (arguments, text) = arguments(text);
    Step {
        at,
        entry,
        created_by,
        keyword,
        text,
        arguments,
    }
}

/// The build arguments at the start of a command, `|2 A=x B=y /bin/sh -c …`, and the command.
fn arguments(text: &str) -> (Vec<(&str, String)>, &str) {
    const SHELLS: [&str; 4] = [" /bin/", " /usr/bin/", " cmd ", " powershell "];
    let counted = text.strip_prefix('|').and_then(|text| text.split_once(' '));
    let Some((count, rest)) = counted else {
        return (Vec::new(), text);
    };
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
        return (Vec::new(), text);
    }
    let shells = SHELLS.iter().filter_map(|shell| rest.find(shell));
    let end = shells.min().unwrap_or(rest.len());
    let (arguments, command) = rest.split_at_checked(end).unwrap_or((rest, ""));
    (pairs(arguments), command.trim_start())
}

/// `A=x y B=z`: the engine writes no quotes, so that a value lasts until the next name.
fn pairs(text: &str) -> Vec<(&str, String)> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for word in text.split(' ') {
        let named = word.split_once('=').filter(|(name, _)| is_name(name));
        match (named, pairs.last_mut()) {
            (Some((name, value)), _) => pairs.push((name, value.to_owned())),
            (None, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (None, None) => {}
        }
    }
    for (_, value) in &mut pairs {
        let bare = value.trim().trim_matches(['"', '\'']);
        *value = bare.to_owned();
    }
    pairs
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-/".contains(&b);
    name.bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn told(created_by: &str) -> (String, String, Vec<(String, Option<String>)>) {
        let image = json!({"History": [{"created_by": created_by}]});
        let step = history(&At::root(&image)).next().expect("there is one");
        let ran = step.arguments.iter();
        let ran = ran.map(|(name, value)| ((*name).to_owned(), Some(value.clone())));
        let set = step
            .pairs()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        (
            step.keyword.into(),
            step.text.into(),
            ran.chain(set).collect(),
        )
    }

    #[test]
    fn every_builder_is_understood() {
        let pair = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        for (created_by, keyword, text, pairs) in [
            (
                "/bin/sh -c #(nop)  ENV SECRET_TOKEN=abc123 B=x y",
                "ENV",
                "SECRET_TOKEN=abc123 B=x y",
                vec![pair("SECRET_TOKEN", "abc123"), pair("B", "x y")],
            ),
            ("ENV A=b", "ENV", "A=b", vec![pair("A", "b")]),
            (
                "|2 A=x y B=2 /bin/sh -c echo $A",
                "RUN",
                "/bin/sh -c echo $A",
                vec![pair("A", "x y"), pair("B", "2")],
            ),
            (
                "RUN |1 A=x /bin/sh -c make # buildkit",
                "RUN",
                "/bin/sh -c make",
                vec![pair("A", "x")],
            ),
            (
                "ARG TOKEN",
                "ARG",
                "TOKEN",
                vec![("TOKEN".to_owned(), None)],
            ),
            ("/bin/sh -c make", "RUN", "/bin/sh -c make", vec![]),
            ("|x", "RUN", "|x", vec![]),
            ("", "RUN", "", vec![]),
        ] {
            assert_eq!(
                told(created_by),
                (keyword.into(), text.into(), pairs),
                "{created_by}"
            );
        }
    }
}
