use super::Word;
use super::written::{Content, Written};
use crate::At;
use crate::history::Step;

/// What people write into the objects of a Docker engine: the variables, commands, labels and
/// options of containers, images, execs, services and volumes, and the build arguments and files
/// that a Compose service brings along. The history of an image is left out.
#[must_use]
pub fn written_in_engine(root: &At) -> Vec<Written> {
    let mut reader = Engine { all: Vec::new() };
    let config = root.get("Config");
    for config in [&config, root] {
        reader.variables(&config.get("Env"));
        reader.map("the label", &config.get("Labels"));
        let (first, rest) = (config.get("Entrypoint"), config.get("Cmd"));
        reader.command(first.items().chain(rest.items()));
    }
    reader.health(&config.get("Healthcheck").get("Test"));
    for instruction in config.get("OnBuild").items() {
        reader.line("the ONBUILD instruction", &instruction);
    }
    let host = root.get("HostConfig");
    reader.map("the log option", &host.get("LogConfig").get("Config"));
    reader.map("the annotation", &host.get("Annotations"));
    for mount in host.get("Mounts").items() {
        let options = mount.get("VolumeOptions");
        reader.map(
            "the volume's option",
            &options.get("DriverConfig").get("Options"),
        );
        reader.map("the volume's label", &options.get("Labels"));
    }
    for (_, endpoint) in root.get("NetworkSettings").get("Networks").members() {
        reader.map("the network's option", &endpoint.get("DriverOpts"));
    }
    reader.map("the build argument", &root.get("Build").get("args"));
    for file in root.get("Files").items() {
        let (name, content) = (file.get("Source"), file.get("Content"));
        let text = content.text().unwrap_or_default().to_owned();
        reader.value("the file", name.text().unwrap_or_default(), &content, text);
    }
    reader.map("the option", &root.get("Options"));
    reader.map("the label", &root.get("Spec").get("Labels"));
    reader.all
}

/// What a step of an image's history says: variables, labels, build arguments and commands.
#[must_use]
pub fn written_in_step(step: &Step) -> Vec<Written> {
    let mut reader = Engine { all: Vec::new() };
    let set = step.pairs().into_iter();
    let set = set.filter_map(|(name, value)| Some((step.keyword, name, value?)));
    let ran = step
        .arguments
        .iter()
        .map(|(name, value)| ("ARG", *name, value.clone()));
    let pairs: Vec<_> = set.chain(ran).collect();
    if pairs.is_empty() || !step.arguments.is_empty() {
        let text = without_hashes(step.text);
        let path = step.at.path().to_owned();
        reader.add(
            &format!("{} in the history", step.keyword),
            Content::Line { path, text },
        );
    }
    for (keyword, name, text) in pairs {
        reader.value(&format!("{keyword} in the history:"), name, &step.at, text);
    }
    reader.all
}

/// A COPY without what the classic builder writes in place of its files: `file:` and their digest.
fn without_hashes(text: &str) -> String {
    let is_hash = |word: &&str| {
        ["file:", "dir:", "multi:"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    let words: Vec<&str> = text.split(' ').filter(|word| !is_hash(word)).collect();
    words.join(" ")
}

struct Engine {
    all: Vec<Written>,
}

impl Engine {
    fn add(&mut self, what: &str, content: Content) {
        let what = what.to_owned();
        self.all.push(Written { what, content });
    }

    fn value(&mut self, what: &str, name: &str, at: &At, text: String) {
        let path = at.path().to_owned();
        let named = path.clone();
        let name = name.to_owned();
        self.add(
            what,
            Content::Value {
                name,
                named,
                path,
                text,
            },
        );
    }

    fn variables(&mut self, list: &At) {
        for item in list.items() {
            if let Some((name, value)) = item.text().and_then(|text| text.split_once('=')) {
                self.value("the variable", name, &item, value.to_owned());
            }
        }
    }

    fn map(&mut self, what: &str, map: &At) {
        for (key, value) in map.members() {
            let (named, path) = (map.path().to_owned(), value.path().to_owned());
            let (name, text) = (key.to_owned(), value.text().unwrap_or_default().to_owned());
            self.add(
                what,
                Content::Value {
                    name,
                    named,
                    path,
                    text,
                },
            );
        }
    }

    fn command<'a>(&mut self, items: impl Iterator<Item = At<'a>>) {
        let places =
            items.filter_map(|item| Some((item.path().to_owned(), item.text()?.to_owned())));
        let places: Vec<(String, String)> = places.collect();
        let words = places.iter().map(|(_, text)| Word::plain(text)).collect();
        let keeps = false;
        self.add(
            "the command",
            Content::Command {
                words,
                places,
                keeps,
            },
        );
    }

    /// `["CMD-SHELL", line]` or `["CMD", word, …]`.
    fn health(&mut self, test: &At) {
        let mut items = test.items();
        match items.next().and_then(|first| first.text()) {
            Some("CMD-SHELL") => items.for_each(|item| self.line("the health check", &item)),
            _ => self.command(items),
        }
    }

    fn line(&mut self, what: &str, at: &At) {
        let (path, text) = (
            at.path().to_owned(),
            at.text().unwrap_or_default().to_owned(),
        );
        self.add(what, Content::Line { path, text });
    }
}
