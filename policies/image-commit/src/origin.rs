//! What an entry of an image's history says about who made it.

use std::rc::Rc;

use stridegate_policy::prelude::*;
use stridegate_policy::shapes::dockerfile::KEYWORDS;

/// What made a layer, as far as its entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A builder.
    Build,
    /// `docker import`, or the root file system that a distribution's own tool made.
    Base,
    /// `docker commit`, and what gives it away.
    Commit(&'static str),
    /// Nobody that is known; the text says why that may be a commit.
    Suspect(&'static str),
    /// The entry cannot tell, and why.
    Unknown(&'static str),
}

/// The image and what to take for a builder.
pub(crate) struct Sight<'a> {
    steps: &'a [Step<'a>],
    config: At<'a>,
    builders: &'a [String],
    /// What a container of the image runs.
    command: String,
    /// For each entry, what a container of the image below it runs, if an entry below says so.
    below: Vec<Option<Rc<str>>>,
    /// The last entry that sets what containers run.
    last_command: Option<usize>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(image: &At<'a>, steps: &'a [Step<'a>], builders: &'a [String]) -> Self {
        let config = image.get("Config");
        let words: Vec<&str> = config
            .get("Cmd")
            .items()
            .filter_map(|word| word.text())
            .collect();
        let sets = |step: &Step| step.keyword == "CMD";
        let mut now = None;
        let below = steps.iter().map(|step| {
            let before = now.clone();
            if sets(step) {
                now = Some(quoted(step.text).join(" ").into());
            }
            before
        });
        Self {
            command: words.join(" ").trim().to_owned(),
            below: below.collect(),
            last_command: steps.iter().rposition(sets),
            steps,
            config,
            builders,
        }
    }

    /// What made the layer of an entry.
    pub(crate) fn origin(&self, index: usize) -> Origin {
        let step = &self.steps[index];
        let text = step.created_by.trim();
        let comment = comment(step);
        if text.is_empty() {
            return self.without_words(index, comment);
        }
        if is_true(step, "truncated") {
            let sure = text.contains("#(nop)") || comment.starts_with("buildkit.");
            return if sure {
                Origin::Build
            } else {
                Origin::Unknown(
                    "what made the layer is cut off; docker history --no-trunc tells it whole",
                )
            };
        }
        if matches!(text, "/bin/sh" | "/bin/sh -c") && self.label("io.buildah.version") {
            return Origin::Unknown(
                "Buildah and Podman write this for a container that was committed, be it by a script or by hand",
            );
        }
        if self.is_command_of_container(index) {
            return Origin::Commit(
                "its text is the command of the container, as docker commit writes it and no builder does",
            );
        }
        let is_newest = index + 1 == self.steps.len();
        let instruction = is_instruction(text);
        if instruction && is_newest && self.has_container_name() {
            return Origin::Commit(
                "it reads like a builder's, and the config has the host name of a container, which such builders never write",
            );
        }
        if comment.starts_with("buildkit.dockerfile") && !instruction {
            return Origin::Commit(
                "it claims to be BuildKit's and has no instruction of a Dockerfile",
            );
        }
        let of_builder = matches_any(self.builders, text);
        if instruction
            || of_builder
            || text.starts_with(['#', '|'])
            || text.contains("#(nop)")
            || comment.starts_with("buildkit.")
            || comment == "hlb.v0"
            || is_reproducible(step)
        {
            return Origin::Build;
        }
        let foreign = !comment.is_empty() && !comment.starts_with("FROM ");
        if index == 0 {
            Origin::Base
        } else if foreign {
            Origin::Commit("it has a message, which docker commit writes and no builder does")
        } else if is_shell(text) {
            Origin::Build
        } else if is_newest && self.has_container_name() {
            Origin::Commit(
                "it has a bare command, and the config the host name of a container, which no builder writes",
            )
        } else if self.is_within_classic_build(index) {
            Origin::Unknown(
                "it has a bare command: that of a container that was committed, or of a RUN in exec form",
            )
        } else {
            Origin::Suspect(
                "it has a bare command, as docker commit writes it, and no instruction of a builder",
            )
        }
    }

    /// What made a layer whose entry has no `created_by`.
    fn without_words(&self, index: usize, comment: &str) -> Origin {
        let step = &self.steps[index];
        if comment.starts_with("Imported from") && index > 0 {
            Origin::Commit("it claims to be imported, and only the first layer of an image can be")
        } else if comment.starts_with("buildkit.dockerfile") {
            Origin::Commit("it claims to be BuildKit's and has no instruction of a Dockerfile")
        } else if comment.starts_with("merge sha256:") || comment.starts_with("create new from") {
            Origin::Unknown("the layers before were squashed into it, and with them what made them")
        } else if index == 0 {
            Origin::Base
        } else if comment.starts_with("store paths:")
            || comment.starts_with("buildkit.")
            || is_reproducible(step)
        {
            Origin::Build
        } else if self.label("com.redhat.component") {
            Origin::Unknown("the layers were squashed into it, and with them what made them")
        } else {
            Origin::Suspect(
                "it says nothing of what made it, as docker commit does of a container that has only an entrypoint",
            )
        }
    }

    /// Whether the text is what the container of a commit ran: the image's own command, or the one
    /// that the image below it had.
    fn is_command_of_container(&self, index: usize) -> bool {
        let text = self.steps[index].created_by.trim();
        let own = self.command == text;
        if is_shell(text) {
            // A RUN and a CMD in shell form can have the same words.
            return own && self.last_command.is_none_or(|last| last < index);
        }
        own || self.below[index].as_deref() == Some(text)
    }

    /// Whether the config has the host name that the engine gives a container.
    fn has_container_name(&self) -> bool {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let name = self.config.get("Hostname").text().unwrap_or_default();
        name.len() == 12 && name.bytes().all(digit)
    }

    /// Whether the neighbours of an entry are the classic builder's.
    fn is_within_classic_build(&self, index: usize) -> bool {
        let classic = |index: usize| {
            let step = self.steps.get(index);
            step.is_some_and(|step| {
                step.created_by.contains("#(nop)") || step.created_by.starts_with('|')
            })
        };
        classic(index - 1) && classic(index + 1)
    }

    fn label(&self, name: &str) -> bool {
        self.config.get("Labels").get(name).exists()
    }
}

fn comment<'a>(step: &Step<'a>) -> &'a str {
    step.entry.get("comment").text().unwrap_or_default().trim()
}

fn is_true(step: &Step, key: &str) -> bool {
    step.entry.get(key).boolean() == Some(true)
}

/// Whether a text is an instruction of a Dockerfile, as BuildKit and kaniko write it.
fn is_instruction(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    KEYWORDS.contains(&first)
}

/// Whether a text is a command line for a shell: `/bin/bash -o pipefail -c make`.
fn is_shell(text: &str) -> bool {
    const SHELLS: [&str; 10] = [
        "sh",
        "bash",
        "ash",
        "dash",
        "zsh",
        "ksh",
        "cmd",
        "cmd.exe",
        "powershell",
        "pwsh",
    ];
    let mut words = text.split(' ');
    let program = words.next().unwrap_or_default();
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let given = |word: &str| {
        let flags = word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
        flags || matches!(word, "/C" | "/c" | "-Command")
    };
    SHELLS.contains(&name) && words.take(8).any(given)
}

/// Whether a layer is dated as tools date what they make the same way each time; `docker commit`
/// writes the time.
fn is_reproducible(step: &Step) -> bool {
    let created = step.entry.get("created").text().unwrap_or_default();
    ["0001-01-01T", "1970-01-01T", "1980-01-01T"]
        .iter()
        .any(|start| created.starts_with(start))
}

/// The strings of a list as Go or JSON writes it: `["nginx" "-g" "daemon off;"]`.
fn quoted(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (&mut word, letter) {
            (None, '"') => word = Some(String::new()),
            (Some(_), '"') => words.extend(word.take()),
            (Some(word), '\\') => word.extend(letters.next()),
            (Some(word), letter) => word.push(letter),
            (None, _) => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_of_shells_are_told_from_commands() {
        for text in [
            "/bin/sh -c apt-get update",
            "/bin/bash -o pipefail -c make",
            "bash -euo pipefail -c x",
            "/bin/bash -exc make",
            "cmd /S /C dir",
            "powershell -Command $ErrorActionPreference = 'Stop'; dir",
        ] {
            assert!(is_shell(text), "{text}");
        }
        for text in [
            "bash",
            "/bin/sh",
            "sleep 3000",
            "sh /run.sh",
            "nginx -c /etc/nginx.conf",
            "",
        ] {
            assert!(!is_shell(text), "{text}");
        }
    }

    #[test]
    fn both_ways_to_write_a_list_are_read() {
        let words = ["nginx", "-g", "daemon \"off\";"];
        assert_eq!(quoted(r#"["nginx" "-g" "daemon \"off\";"]"#), words);
        assert_eq!(quoted(r#"["nginx","-g","daemon \"off\";"]"#), words);
        assert!(quoted("nginx").is_empty());
    }
}
