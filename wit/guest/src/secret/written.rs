use stridegate_shapes::dockerfile::{Form as Style, Instruction, Word as Source};

use super::{Search, Sighting, Sign, Word, decode_base64, known, printable, shown, split};
use crate::{At, containers};

/// Where kubectl keeps what it was told last: the whole object once more.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A text that people write into an object, with the place where it stands.
#[derive(Clone, Debug)]
pub struct Written {
    /// What it is, for messages: "ENV", "the variable".
    pub(super) what: String,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A value with its name, and the place of each. The place of a name that has none of its own
    /// is the map that holds it.
    Value {
        name: String,
        named: String,
        path: String,
        text: String,
    },
    /// Lines, whose places are numbered below a path.
    Lines { path: String, text: String },
    /// A command line; with the place of each word, and the text in which formats are looked for.
    Command {
        words: Vec<Word>,
        places: Vec<(String, String)>,
        keeps: bool,
    },
    /// A script, whose text is looked through as a value, too.
    Script { path: String, text: String },
    /// A command line in one text, and what has a known format anywhere in it.
    Line { path: String, text: String },
}

impl Search {
    /// The secrets in a text, each with the path of the narrowest place that holds it.
    #[must_use]
    pub fn look(&self, written: &Written) -> Vec<(String, Sighting)> {
        match &written.content {
            Content::Value {
                name,
                named,
                path,
                text,
            } => {
                // A name that is itself a secret is found where no path repeats it.
                let place = if known(name).is_some() { named } else { path };
                let text = if known(name).is_some() { name } else { text };
                let what = format!("{} {}", written.what, shown(name));
                let found = self.value(&what, if place == path { name } else { "" }, text);
                found
                    .into_iter()
                    .map(|sighting| (place.clone(), sighting))
                    .collect()
            }
            Content::Lines { path, text } => {
                let found = self.text(&written.what, text);
                found
                    .into_iter()
                    .map(|sighting| (format!("{path}/{}", sighting.at), sighting))
                    .collect()
            }
            Content::Command {
                words,
                places,
                keeps,
            } => {
                let texts: Vec<&str> = places.iter().map(|(_, text)| text.as_str()).collect();
                let found = self.command(&written.what, words, &texts).into_iter();
                let kept = found.filter(|sighting| *keeps || !sighting.secret.is_empty());
                kept.filter_map(|sighting| Some((places.get(sighting.at)?.0.clone(), sighting)))
                    .collect()
            }
            Content::Script { path, text } => {
                let found = self.command(&written.what, &split(text), &[]).into_iter();
                let kept = found.filter(|sighting| !sighting.secret.is_empty());
                kept.map(|sighting| (path.clone(), sighting)).collect()
            }
            Content::Line { path, text } => {
                let found = self.command(&written.what, &split(text), &[text]);
                let certain: Vec<String> = found
                    .iter()
                    .filter(|sighting| sighting.sign != Sign::Command)
                    .map(|sighting| sighting.secret.clone())
                    .collect();
                let told_twice = |sighting: &Sighting| {
                    sighting.sign == Sign::Command
                        && certain
                            .iter()
                            .any(|secret| sighting.secret.contains(&**secret))
                };
                let kept = found
                    .into_iter()
                    .filter(|sighting| !sighting.secret.is_empty() && !told_twice(sighting));
                kept.map(|sighting| (path.clone(), sighting)).collect()
            }
        }
    }
}

/// What an instruction of a Dockerfile says: its pairs, its words, its here-documents.
#[must_use]
pub fn written_in_instruction(path: &str, instruction: &Instruction) -> Vec<Written> {
    let keyword = instruction.keyword.as_str();
    let mut all = Vec::new();
    let mut add = |what: &str, content| {
        all.push(Written {
            what: what.to_owned(),
            content,
        });
    };
    for (index, pair) in instruction.pairs.iter().enumerate() {
        let (name, named) = (
            pair.name.text().to_owned(),
            format!("{path}/pairs/{index}/name"),
        );
        let text = pair
            .value
            .as_ref()
            .map(|word| meant(word, Style::Words).text)
            .unwrap_or_default();
        add(
            keyword,
            Content::Value {
                name,
                named,
                path: format!("{path}/pairs/{index}/value"),
                text,
            },
        );
    }
    let line = |path: String, words: &[Source], style: Style, keeps: bool| {
        let places = words.iter().enumerate();
        let places =
            places.map(|(index, word)| (format!("{path}/{index}"), word.text().to_owned()));
        let words = words.iter().map(|word| meant(word, style)).collect();
        Content::Command {
            words,
            places: places.collect(),
            keeps,
        }
    };
    let runs = matches!(
        keyword,
        "RUN" | "CMD" | "ENTRYPOINT" | "HEALTHCHECK" | "SHELL"
    );
    let mut flags = instruction
        .flags
        .iter()
        .filter_map(|flag| flag.value.as_ref());
    let keeps = keyword == "RUN" && !flags.any(|value| value.text().contains("type=secret"));
    if runs || matches!(keyword, "COPY" | "ADD") {
        add(
            keyword,
            line(
                format!("{path}/arguments"),
                &instruction.arguments,
                instruction.form,
                keeps,
            ),
        );
    }
    for (index, heredoc) in instruction.heredocs.iter().enumerate() {
        let path = format!("{path}/heredocs/{index}");
        if heredoc.words.is_empty() {
            let text = heredoc.lines.join("\n");
            add(
                &format!("the text of {keyword}"),
                Content::Lines {
                    path: format!("{path}/lines"),
                    text,
                },
            );
        } else {
            add(
                keyword,
                line(format!("{path}/words"), &heredoc.words, Style::Shell, keeps),
            );
        }
    }
    all
}

/// A word as it is meant where it is written: what a variable stands for is judged where it is set.
fn meant(word: &Source, style: Style) -> Word {
    const OPERATORS: [&str; 12] = [
        "&&", "||", ";", "|", "&", "(", ")", ">", ">>", "<", "<<", "<<<",
    ];
    match &word.value {
        Some(value) if style == Style::Exec || !word.written.contains(['$', '`']) => {
            let operator = style == Style::Shell && OPERATORS.contains(&word.written.as_str());
            Word {
                operator,
                ..Word::plain(value)
            }
        }
        _ => Word::shell(&word.written),
    }
}

/// What the manifest of a Pod or a `ConfigMap` says: annotations, data, variables, commands,
/// probes and the options of volumes. [`LAST_APPLIED`] is left out.
#[must_use]
pub fn written_in_manifest(root: &At) -> Vec<Written> {
    let mut reader = Manifest { all: Vec::new() };
    reader.metadata(root);
    let data = root.get("data");
    reader.map("the key", &data);
    for (key, value) in data.members() {
        let text = value.text().unwrap_or_default();
        if text.starts_with("#!") || key.rsplit_once('.').is_some_and(|(_, end)| end == "sh") {
            let path = value.path().to_owned();
            reader.add(
                "the script",
                Content::Script {
                    path,
                    text: text.to_owned(),
                },
            );
        }
    }
    let binary = root.get("binaryData");
    for (key, value) in binary.members() {
        let bytes = value.text().and_then(decode_base64).unwrap_or_default();
        reader.value(
            "the key",
            key,
            &binary,
            &value,
            printable(&bytes).unwrap_or_default(),
        );
    }
    for volume in root.get("spec").get("volumes").items() {
        reader.map(
            "the volume's option",
            &volume.get("csi").get("volumeAttributes"),
        );
        reader.map(
            "the volume's option",
            &volume.get("flexVolume").get("options"),
        );
    }
    for container in containers(root) {
        reader.container(&container.at);
    }
    reader.all
}

/// What the annotations and labels of an object say, without [`LAST_APPLIED`].
#[must_use]
pub fn written_in_metadata(root: &At) -> Vec<Written> {
    let mut reader = Manifest { all: Vec::new() };
    reader.metadata(root);
    reader.all
}

struct Manifest {
    all: Vec<Written>,
}

impl Manifest {
    fn add(&mut self, what: &str, content: Content) {
        self.all.push(Written {
            what: what.to_owned(),
            content,
        });
    }

    fn value(&mut self, what: &str, name: &str, named: &At, value: &At, text: &str) {
        let (named, path) = (named.path().to_owned(), value.path().to_owned());
        self.add(
            what,
            Content::Value {
                name: name.to_owned(),
                named,
                path,
                text: text.to_owned(),
            },
        );
    }

    fn map(&mut self, what: &str, map: &At) {
        for (key, value) in map.members().filter(|(key, _)| *key != LAST_APPLIED) {
            self.value(what, key, map, &value, value.text().unwrap_or_default());
        }
    }

    fn metadata(&mut self, root: &At) {
        self.map("the annotation", &root.get("metadata").get("annotations"));
        self.map("the label", &root.get("metadata").get("labels"));
    }

    /// The items of a list that have a name and a value.
    fn list(&mut self, what: &str, list: &At) {
        for item in list.items() {
            let (name, value) = (item.get("name"), item.get("value"));
            self.value(
                what,
                name.text().unwrap_or_default(),
                &name,
                &value,
                value.text().unwrap_or_default(),
            );
        }
    }

    fn command<'a>(&mut self, items: impl Iterator<Item = At<'a>>) {
        let places =
            items.filter_map(|item| Some((item.path().to_owned(), item.text()?.to_owned())));
        let places: Vec<(String, String)> = places.collect();
        let words = places.iter().map(|(_, text)| Word::plain(text)).collect();
        self.add(
            "the command",
            Content::Command {
                words,
                places,
                keeps: false,
            },
        );
    }

    fn container(&mut self, container: &At) {
        self.list("the variable", &container.get("env"));
        let hooks = ["postStart", "preStop"].map(|hook| container.get("lifecycle").get(hook));
        let probes =
            ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| container.get(probe));
        for handler in hooks.iter().chain(&probes) {
            self.command(handler.get("exec").get("command").items());
            self.list("the header", &handler.get("httpGet").get("httpHeaders"));
        }
        self.command(
            container
                .get("command")
                .items()
                .chain(container.get("args").items()),
        );
    }
}
