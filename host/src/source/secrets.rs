//! Where a text holds what looks like a secret.
//!
//! No policy is asked: what one shows of a text must not give away what another would have found,
//! had it been asked, or what no policy judges, such as the words of a process.

use std::ops::Range;

use stridegate_policy::secret::{Search, Word, known, split};

use super::documents;
use crate::object::{Content, Node};

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// What it says.
    pub value: String,
}

/// Names whose values are secrets where they stand alone, beside those that say secret everywhere:
/// headers that log in, and logins to registries.
const NAMES: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "x-registry-auth",
    "cookie",
    "auth",
    "identitytoken",
    "registrytoken",
    "auth_config",
];

/// How many secrets are looked for in one part of a text.
const MANY: usize = 256;

/// The secrets in a text: of its documents, or of its lines if it has none. What it was read as
/// need not be read again.
#[must_use]
pub fn secrets(text: &str, tree: Option<&Node>) -> Vec<Secret> {
    let mut finder = Finder {
        text,
        search: Search::default(),
        found: Vec::new(),
    };
    if let Some(tree) = tree {
        finder.document(tree);
        return finder.found;
    }
    let read = documents(text);
    let is_structured =
        |document: &Node| matches!(document.content, Content::Map(_) | Content::List(_));
    for document in &read.documents {
        finder.document(document);
    }
    if read.fault.is_some() || !read.documents.iter().any(is_structured) {
        finder.lines();
    }
    finder.found
}

struct Finder<'a> {
    text: &'a str,
    search: Search,
    found: Vec<Secret>,
}

impl Finder<'_> {
    /// What a Secret of Kubernetes holds is one, whatever it is called.
    fn document(&mut self, document: &Node) {
        if document.text("kind") == Some("Secret") {
            let lists = ["data", "stringData"].iter();
            for entry in lists
                .filter_map(|list| document.get(list))
                .flat_map(Node::entries)
            {
                if let Some(value) = entry.value.as_str() {
                    self.add(entry.value.span.range(), value);
                }
            }
        }
        self.node("", document);
    }

    fn node(&mut self, name: &str, node: &Node) {
        match &node.content {
            Content::String(text) => self.value(name, text, node.span.range()),
            Content::Number(number) => self.value(name, &number.to_string(), node.span.range()),
            Content::List(items) => {
                self.words(items);
                for item in items {
                    self.node(name, item);
                }
            }
            Content::Map(entries) => {
                if let (Some(name), Some(value)) = (node.text("name"), node.get("value")) {
                    self.node(name, value);
                }
                for entry in entries {
                    if let Some(known) = known(&entry.key) {
                        self.add(entry.key_span.range(), known.secret);
                    }
                    self.node(&entry.key, &entry.value);
                }
            }
            Content::Null | Content::Bool(_) => {}
        }
    }

    fn value(&mut self, name: &str, text: &str, range: Range<usize>) {
        let is_login = NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
        let sightings = self
            .search
            .value("", if is_login { "secret" } else { name }, text);
        // An item of a list says its name itself: `NAME=value`.
        let own = text
            .split_once('=')
            .filter(|(own, _)| !own.contains(char::is_whitespace));
        let own = own.map(|(own, value)| self.search.value("", own, value));
        let script = text
            .contains(' ')
            .then(|| self.search.command("", &split(text), &[]));
        let all = [Some(sightings), own, script]
            .into_iter()
            .flatten()
            .flatten();
        let secrets = all.map(|sighting| sighting.secret).collect();
        self.add_all(range, text, secrets);
    }

    /// A list of texts may be a command line, in which one word tells what the next is.
    fn words(&mut self, items: &[Node]) {
        let texts: Vec<(&str, Range<usize>)> = items
            .iter()
            .filter_map(|item| Some((item.as_str()?, item.span.range())))
            .collect();
        if texts.is_empty() {
            return;
        }
        let words: Vec<Word> = texts.iter().map(|(text, _)| Word::plain(text)).collect();
        for sighting in self.search.command("", &words, &[]) {
            if let Some((_, range)) = texts
                .get(sighting.at)
                .filter(|_| !sighting.secret.is_empty())
            {
                self.add(range.clone(), &sighting.secret);
            }
        }
        // `--token`, `abc`, of a program that nobody knows.
        for pair in texts.windows(2) {
            if let [(flag, _), (value, range)] = pair
                && flag.starts_with('-')
                && !flag.contains('=')
                && !value.starts_with('-')
            {
                self.value(flag.trim_start_matches('-'), value, range.clone());
            }
        }
    }

    /// A Dockerfile, a unit of systemd, a file of variables.
    fn lines(&mut self) {
        let mut at = 0;
        for line in self.text.split_inclusive('\n') {
            let range = at..at + line.trim_end().len();
            at = range.start + line.len();
            let line = line.trim();
            let words = split(line);
            let commands = self.search.command("", &words, &[]);
            let texts = self.search.text("", line);
            let mut sightings: Vec<_> = commands.into_iter().chain(texts).collect();
            for word in &words {
                if let Some((name, value)) = word.text.split_once('=') {
                    let name = name.trim_start_matches('-');
                    sightings.extend(self.search.value("", name, value));
                }
            }
            // The older form of a Dockerfile's ENV.
            if let [keyword, name, value] = words.as_slice()
                && keyword.text.eq_ignore_ascii_case("env")
            {
                sightings.extend(self.search.value("", &name.text, &value.text));
            }
            let secrets = sightings.into_iter().map(|sighting| sighting.secret);
            self.add_all(range, line, secrets.collect());
        }
    }

    /// Adds the secrets in a part of the text, and what the part says. Of too many, the rest is
    /// hidden with all of it: to look for one takes as long as the part is.
    fn add_all(&mut self, part: Range<usize>, whole: &str, secrets: Vec<String>) {
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
        for (number, secret) in secrets.enumerate() {
            if number == MANY {
                self.push(part, whole);
                return;
            }
            self.add(part.clone(), &secret);
        }
    }

    /// Adds a secret in a part of the text: where it stands in it as it is, or else all of it.
    fn add(&mut self, part: Range<usize>, secret: &str) {
        let written = self.text.get(part.clone()).unwrap_or_default();
        let before = self.found.len();
        for (at, _) in written.match_indices(secret) {
            let start = part.start + at;
            self.push(start..start + secret.len(), secret);
        }
        let stands = self.found.len() > before || written.contains(secret);
        if !stands {
            self.push(part, secret);
        }
    }

    fn push(&mut self, range: Range<usize>, value: &str) {
        let known = self
            .found
            .iter()
            .rev()
            .take(8)
            .any(|found| found.range == range);
        if !known && !range.is_empty() {
            self.found.push(Secret {
                range,
                value: value.to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(text: &str) -> String {
        let mut masked = text.to_owned();
        for secret in secrets(text, None) {
            let stars = "*".repeat(secret.range.len());
            masked.replace_range(secret.range, &stars);
        }
        masked
    }

    /// Where policies that judge something else would show it.
    #[test]
    fn no_secret_stays() {
        for text in [
            "processes:\n- program: kubelet\n  argv: [--token, hunter2x, --v=2]\n",
            "processes:\n- {program: etcd, argv: [--password=hunter2x]}\n",
            "{\"processes\": [{\"argv\": [\"--a-token=hunter2x\"], \"env\": {\"ETCD_PASSWORD\": \"hunter2x\"}}]}",
            "kind: KubeletConfiguration\nstaticPodURLHeader:\n  Authorization: [\"Bearer hunter2x\"]\n",
            "kind: KubeletConfiguration\nstaticPodURLHeader:\n  Authorization:\n  - Bearer hunter2x\n",
            "kind: Secret\ndata: {user: hunter2x}\n",
            "spec:\n  containers:\n  - env:\n    - name: DB_PASSWORD\n      value: hunter2x\n",
            "spec: {containers: [{command: [sh, -c, 'mysql --password=hunter2x']}]}",
            "services: {a: {environment: [DB_PASSWORD=hunter2x]}}",
            "auths: {r: {auth: dTpodW50ZXIyeA==}}"
                .replace("dTpodW50ZXIyeA==", "hunter2x")
                .as_str(),
            "contents:\n  /etc/docker/daemon.json: |\n    {\"log-opts\": {\"splunk-token\": \"hunter2x\"}}\n",
            "FROM a\nENV DB_PASSWORD=hunter2x\n",
            "FROM a\nENV DB_PASSWORD hunter2x\nRUN curl -u a:hunter2x https://b\n",
            "[Service]\nExecStart=/usr/bin/dockerd --log-opt splunk-token=hunter2x\n",
            "[Service]\nEnvironment=HTTP_PROXY=http://u:hunter2x@p:1 A_TOKEN=hunter2x\n",
        ] {
            let masked = masked(text);
            assert!(!masked.contains("hunter2x"), "{masked}");
        }
    }

    #[test]
    fn what_is_none_stays() {
        for text in [
            "spec:\n  containers:\n  - command: [kube-apiserver, --authorization-mode=AlwaysAllow, --client-cert-auth=true, --token-auth-file=/etc/t]\n",
            "kind: KubeletConfiguration\nauthentication: {anonymous: {enabled: true}, webhook: {cacheTTL: 2m}}\n",
            "FROM node:22\nUSER root\nRUN npm ci && rm -rf /tmp\n",
            "services: {a: {image: nginx, user: root, secrets: [db]}}",
        ] {
            assert_eq!(secrets(text, None), []);
        }
    }

    #[test]
    fn of_many_secrets_in_one_value_none_stays() {
        let lines: Vec<String> = (0..2 * MANY)
            .map(|number| format!("  ENV A{number}_PASSWORD=hunter{number}x\n"))
            .collect();
        let text = format!("a: |\n{}b: hello\n", lines.concat());
        let found = secrets(&text, None);
        assert!(found.len() <= 2 * MANY, "{}", found.len());
        let is_hidden = |at: usize| found.iter().any(|secret| secret.range.contains(&at));
        assert!(text.match_indices("hunter").all(|(at, _)| is_hidden(at)));
        assert!(text.find("hello").is_some_and(|at| !is_hidden(at)));
    }

    proptest! {
        #[test]
        fn places_lie_in_the_text(text in "(password|token: ?|- |\"|'|=|://u:é@|é|\n| |\\\\|\\{|\\}|\\[|\\]|--|,|ENV ){0,24}") {
            for secret in secrets(&text, None) {
                prop_assert!(text.get(secret.range).is_some());
            }
        }
    }
}
