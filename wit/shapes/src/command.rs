//! The command lines of a container: which program of a cluster they start, with which words.

use std::cell::Cell;
use std::collections::HashMap;

use crate::flags::{Word, plain};
use crate::{Node, Span};

/// A program of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// kubelet.
    Kubelet,
    /// etcd.
    Etcd,
    /// k3s, which holds all of them.
    K3s,
    /// rke2, which holds all of them.
    Rke2,
}

/// A program and the words after its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The program.
    pub program: Program,
    /// The words after its name.
    pub words: Vec<Word>,
    /// The place that stands for what the command line does not say.
    pub here: Span,
}

/// The variables of a container.
#[derive(Debug)]
pub struct Environment {
    /// What they are set to; none for a value that is not written in the Pod.
    pub variables: HashMap<String, Option<(Span, String)>>,
    /// The list that takes further variables from elsewhere, none of which is known.
    pub elsewhere: Option<Span>,
    /// How many bytes may still be put in the place of variables. Real Pods use some hundred;
    /// variables made of variables could otherwise grow without end.
    budget: Cell<usize>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            variables: HashMap::new(),
            elsewhere: None,
            budget: Cell::new(1 << 20),
        }
    }
}

impl Environment {
    /// The variables that a program is started with, and the place that may set others.
    #[must_use]
    pub fn of(variables: HashMap<String, Option<(Span, String)>>, elsewhere: Option<Span>) -> Self {
        Self {
            variables,
            elsewhere,
            ..Self::default()
        }
    }

    fn get(&self, name: &str) -> Variable<'_> {
        let Some(value) = self.variables.get(name) else {
            return Variable::Unset;
        };
        let affordable = value.as_ref().filter(|(_, text)| {
            let left = self.budget.get().checked_sub(text.len());
            self.budget.set(left.unwrap_or_default());
            left.is_some()
        });
        affordable.map_or(Variable::Hidden, |(_, text)| Variable::Known(text))
    }
}

/// What is known of a variable.
enum Variable<'a> {
    Known(&'a str),
    /// It is set, and nobody can tell to what.
    Hidden,
    Unset,
}

/// The programs that pass the rest of their words on to another.
const WRAPPERS: [&str; 15] = [
    "exec",
    "go-runner",
    "env",
    "nice",
    "ionice",
    "nohup",
    "sudo",
    "tini",
    "dumb-init",
    "setpriv",
    "taskset",
    "timeout",
    "watch-termination",
    "command",
    "systemd-run",
];

const SHELLS: [&str; 5] = ["sh", "bash", "ash", "dash", "busybox"];

/// The programs of a cluster that a container starts.
#[must_use]
pub fn invocations(container: &Node, environment: &Environment) -> Vec<Invocation> {
    let here = ["command", "args", "image", "name"]
        .iter()
        .find_map(|key| container.entry(key))
        .map_or(container.span, |entry| entry.key_span);
    let list = |key| container.get(key).map(Word::list).unwrap_or_default();
    let command = list("command");
    let no_command = command.is_empty();
    let words: Vec<Word> = command
        .into_iter()
        .chain(list("args"))
        .map(|word| expand(&word, environment))
        .collect();
    let by_image = no_command
        .then(|| container.text("image").and_then(by_image))
        .flatten();
    if let Some(program) = by_image.filter(|_| starts_with_flag(&words, by_image)) {
        return vec![Invocation {
            program,
            words,
            here,
        }];
    }
    of_words(&words, environment, here)
}

/// Whether the words go on after the name of the program, which is the image's entrypoint.
fn starts_with_flag(words: &[Word], program: Option<Program>) -> bool {
    match words.first() {
        None => program == Some(Program::Etcd),
        Some(word) => {
            word.text.starts_with('-')
                || (matches!(program, Some(Program::K3s | Program::Rke2))
                    && matches!(&*word.text, "server" | "agent"))
        }
    }
}

fn by_image(image: &str) -> Option<Program> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    let name = name.split(':').next()?;
    let plain = ["-amd64", "-arm64", "-arm", "-ppc64le", "-s390x"]
        .iter()
        .find_map(|machine| name.strip_suffix(machine));
    by_name(plain.unwrap_or(name))
}

/// The programs that a command line starts.
#[must_use]
pub fn of_words(words: &[Word], environment: &Environment, here: Span) -> Vec<Invocation> {
    match script(words) {
        Some(script) => commands(script, environment)
            .iter()
            .filter_map(|words| program(words, here))
            .collect(),
        None => program(words, here).into_iter().collect(),
    }
}

/// The script that a shell is started with.
fn script(words: &[Word]) -> Option<&Word> {
    let shell = words.first()?;
    if !SHELLS.contains(&basename(&shell.text)) {
        return None;
    }
    let mut rest = words.iter().skip(1);
    let takes_script = |word: &Word| {
        word.text
            .strip_prefix('-')
            .is_some_and(|letters| !letters.starts_with('-') && letters.contains('c'))
    };
    rest.find(|word| takes_script(word))?;
    rest.find(|word| !word.text.starts_with(['-', '+']))
}

fn basename(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn by_name(name: &str) -> Option<Program> {
    match name {
        "kube-apiserver" => Some(Program::ApiServer),
        "kube-controller-manager" => Some(Program::ControllerManager),
        "kube-scheduler" => Some(Program::Scheduler),
        "kubelet" => Some(Program::Kubelet),
        "etcd" => Some(Program::Etcd),
        "k3s" => Some(Program::K3s),
        "rke2" => Some(Program::Rke2),
        _ => None,
    }
}

fn program(words: &[Word], here: Span) -> Option<Invocation> {
    let mut rest = words
        .iter()
        .zip(1..)
        .skip_while(|(word, _)| is_prefix(&word.text));
    let (first, mut next) = rest.next()?;
    let mut name = basename(&first.text);
    if WRAPPERS.contains(&name) {
        let wrapped = rest.find(|(word, _)| {
            let name = basename(&word.text);
            by_name(name).is_some() || name == "hyperkube"
        })?;
        name = basename(&wrapped.0.text);
        next = wrapped.1;
    }
    let found = if name == "hyperkube" {
        let sub = &words.get(next)?.text;
        next += 1;
        let sub = sub.strip_prefix("kube-").unwrap_or(sub);
        by_name(sub).or_else(|| by_name(&format!("kube-{sub}")))
    } else {
        by_name(name)
    };
    Some(Invocation {
        program: found?,
        words: words.get(next..).unwrap_or_default().to_vec(),
        here,
    })
}

/// A word that a shell takes before the name of a program.
fn is_prefix(word: &str) -> bool {
    const KEYWORDS: [&str; 11] = [
        "if", "then", "else", "elif", "do", "while", "until", "{", "(", "!", "time",
    ];
    let is_assignment = word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    KEYWORDS.contains(&word) || is_assignment
}

/// The variables of a container.
#[must_use]
pub fn environment(container: &Node) -> Environment {
    let mut environment = Environment {
        elsewhere: container
            .entry("envFrom")
            .filter(|entry| !entry.value.items().is_empty())
            .map(|entry| entry.key_span),
        ..Environment::default()
    };
    for variable in container.get("env").map_or(&[][..], Node::items) {
        let Some(name) = variable.text("name") else {
            continue;
        };
        let value = match variable.entry("value") {
            Some(value) => {
                let word = expand(
                    &Word::new(value.value.span, plain(&value.value)),
                    &environment,
                );
                let known = word.unknown_from.is_none();
                known.then_some((word.span, word.text))
            }
            None if variable.get("valueFrom").is_some() => None,
            None => Some((variable.span, String::new())),
        };
        environment.variables.insert(name.to_owned(), value);
    }
    environment
}

/// Replaces `$(NAME)` as the kubelet does: what is not set stays as it is, and `$$` is a `$`.
fn expand(word: &Word, environment: &Environment) -> Word {
    if !word.text.contains('$') {
        return word.clone();
    }
    let mut text = String::new();
    let mut unknown_from = word.unknown_from;
    let mut rest = word.text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            text.push('$');
            rest = after;
            continue;
        }
        let Some(inner) = rest.strip_prefix('(') else {
            text.push('$');
            continue;
        };
        let Some((name, after)) = inner.split_once(')') else {
            // No later reference can end either.
            text.push('$');
            break;
        };
        rest = after;
        match environment.get(name) {
            Variable::Known(value) => text.push_str(value),
            // The kubelet adds a variable for each service, which no Pod writes.
            Variable::Unset if !name.contains("_SERVICE_") && environment.elsewhere.is_none() => {
                text.push_str("$(");
                text.push_str(name);
                text.push(')');
            }
            _ => {
                unknown_from.get_or_insert(text.len());
            }
        }
    }
    text.push_str(rest);
    Word {
        span: word.span,
        text,
        unknown_from,
    }
}

/// The commands of a shell's script, each as its words.
fn commands(script: &Word, environment: &Environment) -> Vec<Vec<Word>> {
    let mut lexer = Lexer {
        span: script.span,
        environment,
        commands: vec![Vec::new()],
        word: None,
        redirected: false,
    };
    lexer.read(&script.text);
    lexer.commands
}

/// Splits a script into words. It knows as much of a shell as start scripts use: quotes,
/// variables, comments, separators and redirections.
struct Lexer<'a> {
    span: Span,
    environment: &'a Environment,
    commands: Vec<Vec<Word>>,
    word: Option<Word>,
    /// The next word is the file of a redirection.
    redirected: bool,
}

impl Lexer<'_> {
    fn read(&mut self, script: &str) {
        let mut rest = script;
        let mut quoted = false;
        while let Some(c) = rest.chars().next() {
            let after = rest.get(c.len_utf8()..).unwrap_or_default();
            rest = match c {
                '\\' => self.escape(after),
                '"' => {
                    quoted = !quoted;
                    self.word();
                    after
                }
                '$' => self.variable(after, quoted),
                '`' => {
                    self.unknown();
                    after.split_once('`').map_or("", |(_, rest)| rest)
                }
                c if quoted => {
                    self.push(c);
                    after
                }
                '\'' => {
                    let (text, rest) = after.split_once('\'').unwrap_or((after, ""));
                    self.word().text.push_str(text);
                    rest
                }
                '#' if self.word.is_none() => after
                    .find('\n')
                    .and_then(|end| after.get(end..))
                    .unwrap_or_default(),
                '>' | '<' => self.redirect(after),
                '\n' | ';' | '&' | '|' | '(' | ')' => {
                    self.end_command();
                    after
                }
                c if c.is_whitespace() => {
                    self.end_word();
                    after
                }
                c => {
                    self.push(c);
                    after
                }
            };
        }
        self.end_word();
    }

    fn word(&mut self) -> &mut Word {
        let span = self.span;
        self.word.get_or_insert_with(|| Word::new(span, ""))
    }

    fn push(&mut self, c: char) {
        self.word().text.push(c);
    }

    fn unknown(&mut self) {
        let word = self.word();
        let from = word.text.len();
        word.unknown_from.get_or_insert(from);
    }

    fn escape<'t>(&mut self, after: &'t str) -> &'t str {
        match after.chars().next() {
            Some('\n') | None => {}
            Some(c) => self.push(c),
        }
        after
            .chars()
            .next()
            .and_then(|c| after.get(c.len_utf8()..))
            .unwrap_or_default()
    }

    /// Replaces a variable that the Pod sets; what the script computes is not known.
    fn variable<'t>(&mut self, after: &'t str, quoted: bool) -> &'t str {
        if let Some(inner) = after.strip_prefix('(') {
            self.unknown();
            return inner.split_once(')').map_or("", |(_, rest)| rest);
        }
        let braced = after.strip_prefix('{').map(|inner| {
            // A brace that is never closed is an error, and nothing after it is run.
            inner.split_once('}').unwrap_or((inner, ""))
        });
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(after.len());
        let (name, rest) = braced.unwrap_or_else(|| after.split_at(end));
        if name.is_empty() {
            self.push('$');
            return after;
        }
        let environment = self.environment;
        match environment.get(name) {
            Variable::Known(value) if quoted => self.word().text.push_str(value),
            Variable::Known(value) => {
                for c in value.chars() {
                    if c.is_whitespace() {
                        self.end_word();
                    } else {
                        self.push(c);
                    }
                }
            }
            _ => self.unknown(),
        }
        rest
    }

    /// Leaves out `>file`, `2>&1` and their like.
    fn redirect<'t>(&mut self, after: &'t str) -> &'t str {
        let is_descriptor = |word: &Word| word.text.bytes().all(|b| b.is_ascii_digit());
        if self.word.as_ref().is_some_and(is_descriptor) {
            self.word = None;
        } else {
            self.end_word();
        }
        self.redirected = true;
        after.trim_start_matches(['>', '<', '&', '-', '|', ' ', '\t'])
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else {
            return;
        };
        if std::mem::take(&mut self.redirected) {
            return;
        }
        if let Some(command) = self.commands.last_mut() {
            command.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirected = false;
        if self
            .commands
            .last()
            .is_some_and(|command| !command.is_empty())
        {
            self.commands.push(Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str]) -> Vec<(Program, Vec<String>)> {
        let words: Vec<Word> = words
            .iter()
            .map(|word| Word::new(Span::default(), *word))
            .collect();
        let mut environment = Environment::default();
        let value = Some((Span::default(), "--a --b=1".to_owned()));
        environment.variables.insert("ARGS".to_owned(), value);
        of_words(&words, &environment, Span::default())
            .into_iter()
            .map(|found| {
                let words = found.words.into_iter().map(|word| word.text).collect();
                (found.program, words)
            })
            .collect()
    }

    fn api_server(words: &[&str]) -> (Program, Vec<String>) {
        (
            Program::ApiServer,
            words.iter().map(|word| (*word).to_owned()).collect(),
        )
    }

    #[test]
    fn every_way_to_start_the_api_server_is_seen() {
        for words in [
            &["kube-apiserver", "--a"][..],
            &["/usr/local/bin/kube-apiserver", "--a"],
            &["hyperkube", "kube-apiserver", "--a"],
            &["/hyperkube", "apiserver", "--a"],
            &["sh", "-c", "exec kube-apiserver --a"],
            &[
                "/bin/sh",
                "-ec",
                "set -e\nexec /usr/local/bin/kube-apiserver \\\n  --a 1>>/var/log/x 2>&1",
            ],
            &[
                "/bin/bash",
                "-e",
                "-c",
                "if true; then kube-apiserver '--a' & fi",
            ],
            &[
                "/go-runner",
                "--log-file=/x",
                "/usr/local/bin/kube-apiserver",
                "--a",
            ],
            &["sh", "-c", "A=1 B=\"2 3\" kube-apiserver \"--a\" | tee /x"],
        ] {
            assert_eq!(found(words), [api_server(&["--a"])], "{words:?}");
        }
    }

    #[test]
    fn a_script_uses_the_variables_of_the_pod() {
        assert_eq!(
            found(&["sh", "-c", "kube-apiserver $ARGS \"$ARGS\" # --c"]),
            [api_server(&["--a", "--b=1", "--a --b=1"])]
        );
    }

    #[test]
    fn other_programs_are_left_alone() {
        for words in [
            &["kubectl", "exec", "kube-apiserver"][..],
            &["etcdctl", "get"],
            &["sh", "-c", "echo kube-apiserver --a"],
            &["hyperkube"],
            &[],
        ] {
            assert_eq!(found(words), [], "{words:?}");
        }
    }
}
