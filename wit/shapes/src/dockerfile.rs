//! `docker/Dockerfile`, version `v1`: a Dockerfile as `BuildKit` understands it.
//!
//! A reader fills the whole shape: every field is present in the document. What a variable stands
//! for is worked out as far as the file tells; what only a build can know stays unknown and is
//! never taken for empty.

use serde::{Deserialize, Serialize};

use crate::Kind;

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "Dockerfile");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of this shape.
pub const SCHEMA: &str = include_str!("../schema/docker-Dockerfile.json");

/// The names of the instructions.
pub const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dockerfile {
    /// The `# syntax=` directive: the image that reads this file in place of the builder.
    pub syntax: Option<String>,
    /// The character that continues a line: `\`, or what the `# escape=` directive says.
    pub escape: String,
    /// The ARG instructions before the first FROM.
    pub arguments: Vec<Instruction>,
    /// The stages in the order of the file; never empty.
    pub stages: Vec<Stage>,
    /// The index of the stage that a build makes unless it is told otherwise: the last.
    pub target: usize,
}

/// A stage: a FROM instruction and those that follow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// The name after AS, in lower case.
    pub name: Option<String>,
    /// The image reference, or the name of another stage, after FROM.
    pub from: Word,
    /// The index of the earlier stage that `from` names, if it names one.
    pub base: Option<usize>,
    /// The `--platform` of the stage.
    pub platform: Option<Word>,
    /// The instructions after FROM.
    pub instructions: Vec<Instruction>,
}

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instruction {
    /// The name of the instruction in capitals: `RUN`.
    pub keyword: String,
    /// Whether it stands after ONBUILD: it runs in the builds that use this image as their base.
    pub onbuild: bool,
    /// The flags between the keyword and the arguments: `--mount=type=secret`.
    pub flags: Vec<Flag>,
    /// How the arguments are written.
    pub form: Form,
    /// The words of the arguments. In shell form they are the words of the shell's command line,
    /// and operators such as `&&` and `;` are words of their own. Empty for a [`Form::Pairs`].
    pub arguments: Vec<Word>,
    /// The `NAME=value` pairs of ENV, LABEL and ARG; empty for every other instruction.
    pub pairs: Vec<Pair>,
    /// The here-documents of RUN, COPY and ADD.
    pub heredocs: Vec<Heredoc>,
}

/// How the arguments of an instruction are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// Words that the builder reads itself: `COPY a b`, `USER app`.
    Words,
    /// A JSON array: `CMD ["sleep", "1d"]`.
    Exec,
    /// A command line for the shell: `RUN make && make install`.
    Shell,
    /// `NAME=value` pairs: `ENV A=1 B=2`.
    Pairs,
}

/// A flag of an instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// The name without dashes: `from`.
    pub name: String,
    /// What follows `=`; none for a flag without a value.
    pub value: Option<Word>,
}

/// A `NAME=value` pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// The name.
    pub name: Word,
    /// The value; none for an ARG without a default.
    pub value: Option<Word>,
}

/// A word as it is written and as it is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    /// The word in the file, with its quotes and variables, and without line continuations.
    pub written: String,
    /// The word without quotes and with its variables replaced; none if that needs a variable
    /// that only the build knows.
    pub value: Option<String>,
    /// The variables that the file gives no value, each once.
    pub unresolved: Vec<String>,
}

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heredoc {
    /// The delimiter, and with it the file's name in COPY and ADD.
    pub name: String,
    /// Whether variables in it are replaced: the delimiter is not quoted.
    pub expand: bool,
    /// The lines, without their ends and, after `<<-`, without leading tabs.
    pub lines: Vec<String>,
    /// The words of the lines as a shell reads them, where a RUN hands them to the shell as its
    /// script; otherwise empty.
    pub words: Vec<Word>,
}

impl Dockerfile {
    /// The USER that a stage ends with, its own or that of the stages it is based on, with the
    /// JSON Pointer of its word.
    #[must_use]
    pub fn user(&self, stage: usize) -> Option<(String, &Word)> {
        self.last_user(stage, false).or_else(|| {
            let base = self.stages.get(stage)?.base.filter(|base| *base < stage)?;
            // What stands after ONBUILD happens where the stage is used as a base: here.
            self.last_user(base, true).or_else(|| self.user(base))
        })
    }

    fn last_user(&self, stage: usize, onbuild: bool) -> Option<(String, &Word)> {
        let instructions = self.stages.get(stage)?.instructions.iter().enumerate();
        let (index, instruction) = instructions.rev().find(|(_, instruction)| {
            instruction.keyword == "USER" && instruction.onbuild == onbuild
        })?;
        let path = format!("/stages/{stage}/instructions/{index}/arguments/0");
        Some((path, instruction.arguments.first()?))
    }

    /// The stage that a build makes: the one of that name or number, or else the last.
    #[must_use]
    pub fn built(&self, target: Option<&str>) -> Option<usize> {
        let Some(target) = target else {
            return Some(self.target);
        };
        let named = |stage: &Stage| {
            stage
                .name
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(target))
        };
        let number = || {
            target
                .parse()
                .ok()
                .filter(|index| *index < self.stages.len())
        };
        self.stages.iter().rposition(named).or_else(number)
    }
}

impl Word {
    /// The value, or else what is written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.value.as_deref().unwrap_or(&self.written)
    }
}
