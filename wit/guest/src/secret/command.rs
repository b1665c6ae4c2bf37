use super::value::{Form, form};
use super::{Names, pairs, secret_file};

/// A word of a command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The word without quotes. A variable or what a command prints stands in it as `${}`.
    pub text: String,
    /// `&&`, `|`, `>` and the like, or the end of a line.
    pub operator: bool,
    /// The commands in `$(…)`.
    pub scripts: Vec<String>,
}

impl Word {
    /// A word that no shell reads.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..Self::default()
        }
    }

    /// A word as it is written for a shell, with its quotes and variables.
    #[must_use]
    pub fn shell(written: &str) -> Self {
        let mut words = split(written);
        if words.len() == 1 {
            words.remove(0)
        } else {
            Self::plain(written)
        }
    }

    fn operator(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            operator: true,
            scripts: Vec::new(),
        }
    }
}

/// A secret that a command is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The index of the word that holds it.
    pub word: usize,
    /// What hands it over: "the option --password". It repeats no secret.
    pub how: String,
    /// The secret; empty for [`Self::stores`].
    pub secret: String,
    /// A placeholder, or a secret.
    pub form: Form,
    /// The word holds no secret, but its command leaves one where it runs.
    pub stores: bool,
}

/// How deep commands in commands are read.
const DEPTH: usize = 6;

/// The words of a shell script. Comments are left out; the end of a line is an operator.
#[must_use]
pub fn split(script: &str) -> Vec<Word> {
    let mut splitter = Splitter {
        rest: script,
        words: Vec::new(),
        word: Word::default(),
        started: false,
    };
    splitter.run();
    splitter.words
}

struct Splitter<'a> {
    rest: &'a str,
    words: Vec<Word>,
    word: Word,
    started: bool,
}

impl<'a> Splitter<'a> {
    fn run(&mut self) {
        while let Some(letter) = self.take() {
            match letter {
                '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => self.operator(letter),
                c if c.is_whitespace() => self.finish(),
                '#' if !self.started => {
                    self.rest = self
                        .rest
                        .find('\n')
                        .and_then(|end| self.rest.get(end..))
                        .unwrap_or("");
                }
                '\'' => {
                    let quoted = self.until('\'');
                    self.push(quoted);
                }
                '"' => self.double_quoted(),
                other => self.letter(other),
            }
        }
        self.finish();
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = self.rest.get(letter.len_utf8()..)?;
        Some(letter)
    }

    fn push(&mut self, text: &str) {
        self.started = true;
        self.word.text.push_str(text);
    }

    fn finish(&mut self) {
        if self.started {
            self.words.push(std::mem::take(&mut self.word));
            self.started = false;
        }
    }

    fn operator(&mut self, first: char) {
        let length = self
            .rest
            .chars()
            .take(2)
            .take_while(|c| *c == first && first != '(' && first != ')')
            .count();
        self.rest = self.rest.get(length..).unwrap_or("");
        if matches!(first, '<' | '>') {
            // The number in `2>` is no word.
            if self.started && self.word.text.bytes().all(|byte| byte.is_ascii_digit()) {
                self.word = Word::default();
                self.started = false;
            }
        }
        self.finish();
        let text = if first == '\n' {
            ";".to_owned()
        } else {
            first.to_string().repeat(length + 1)
        };
        self.words.push(Word::operator(&text));
    }

    fn until(&mut self, close: char) -> &'a str {
        let end = self.rest.find(close).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(close).unwrap_or(rest);
        text
    }

    fn double_quoted(&mut self) {
        self.started = true;
        while let Some(letter) = self.take() {
            match letter {
                '"' => return,
                '\\' if !self.rest.starts_with(['"', '\\', '$', '`', '\n']) => self.push("\\"),
                other => self.letter(other),
            }
        }
    }

    /// A letter that means the same in double quotes and outside.
    fn letter(&mut self, letter: char) {
        match letter {
            '\\' => match self.take() {
                None | Some('\n') => {}
                Some(escaped) => self.push(escaped.encode_utf8(&mut [0; 4])),
            },
            '`' => {
                let script = self.until('`').to_owned();
                self.word.scripts.push(script);
                self.push("${}");
            }
            '$' => self.expansion(),
            other => self.push(other.encode_utf8(&mut [0; 4])),
        }
    }

    fn expansion(&mut self) {
        match self.rest.chars().next() {
            Some('(') => {
                let script = self.nested('(', ')').to_owned();
                self.word.scripts.push(script);
                self.push("${}");
            }
            Some('{') => {
                let inner = self.nested('{', '}');
                let name =
                    inner.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
                let default = [":-", ":=", "-", "="]
                    .iter()
                    .find_map(|mark| name.strip_prefix(mark));
                let literal = default
                    .map(|text| text.trim_matches(['"', '\'']))
                    .filter(|text| !text.is_empty() && !text.contains('$'));
                self.push(literal.unwrap_or("${}"));
            }
            Some(c) if c.is_ascii_alphanumeric() || "_?@*#!-".contains(c) => {
                let length = self
                    .rest
                    .bytes()
                    .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                    .count();
                self.rest = self.rest.get(length.max(1)..).unwrap_or("");
                self.push("${}");
            }
            _ => self.push("$"),
        }
    }

    /// What stands between an opening mark, which is next, and the one that closes it.
    fn nested(&mut self, open: char, close: char) -> &'a str {
        let mut depth = 0_usize;
        let end = self.rest.char_indices().find_map(|(at, c)| {
            depth += usize::from(c == open);
            depth -= usize::from(c == close && depth > 0);
            (depth == 0).then_some(at)
        });
        let inner = self
            .rest
            .get(1..end.unwrap_or(self.rest.len()))
            .unwrap_or("");
        self.rest = self
            .rest
            .get(end.map_or(self.rest.len(), |end| end + 1)..)
            .unwrap_or("");
        inner
    }
}

/// The secrets that the commands of a command line are given, each at the word that holds it.
#[must_use]
pub fn passed(words: &[Word], names: &Names) -> Vec<Passed> {
    let mut reader = Reader {
        names,
        found: Vec::new(),
        outer: None,
        depth: 0,
    };
    reader.line(words);
    reader.found
}

struct Reader<'n> {
    names: &'n Names,
    found: Vec<Passed>,
    /// The word in which the command line that is read stands.
    outer: Option<usize>,
    depth: usize,
}

/// A short option that takes a secret.
struct Taker {
    tools: &'static [&'static str],
    /// A word that the command has before the option, if it means something else otherwise.
    after: &'static str,
    option: &'static str,
    takes: Takes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// The secret, as the next word or in the same.
    Secret,
    /// The secret in the same word; the next one is something else.
    Attached,
    /// A user and the secret, with one of these marks between them.
    Pair(&'static [char]),
}

use Takes::{Attached, Pair, Secret};

#[rustfmt::skip]
const TAKERS: &[Taker] = &[
    Taker { tools: &["docker", "podman", "nerdctl", "buildah", "skopeo", "oras", "crane", "regctl", "helm", "az", "oc", "cf", "ibmcloud"], after: "login", option: "-p", takes: Secret },
    Taker { tools: &["doctl"], after: "auth", option: "-t", takes: Secret },
    Taker { tools: &["mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlshow", "mysqlcheck", "mariadb", "mariadb-dump", "mariadb-admin"], after: "", option: "-p", takes: Attached },
    Taker { tools: &["mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport", "cqlsh", "twine", "sshpass", "clickhouse-client"], after: "", option: "-p", takes: Secret },
    Taker { tools: &["curl"], after: "", option: "-u", takes: Pair(&[':']) },
    Taker { tools: &["curl"], after: "", option: "--user", takes: Pair(&[':']) },
    Taker { tools: &["curl"], after: "", option: "-U", takes: Pair(&[':']) },
    Taker { tools: &["curl"], after: "", option: "--proxy-user", takes: Pair(&[':']) },
    Taker { tools: &["http", "https", "xh"], after: "", option: "-a", takes: Pair(&[':']) },
    Taker { tools: &["ab"], after: "", option: "-A", takes: Pair(&[':']) },
    Taker { tools: &["lftp"], after: "", option: "-u", takes: Pair(&[',']) },
    Taker { tools: &["smbclient", "net", "rpcclient"], after: "", option: "-U", takes: Pair(&['%']) },
    Taker { tools: &["redis-cli", "valkey-cli"], after: "", option: "-a", takes: Secret },
    Taker { tools: &["sqlcmd", "bcp", "mssql-cli"], after: "", option: "-P", takes: Secret },
    Taker { tools: &["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldappasswd"], after: "", option: "-w", takes: Secret },
    Taker { tools: &["zip", "unzip"], after: "", option: "-P", takes: Secret },
    Taker { tools: &["7z", "7za"], after: "", option: "-p", takes: Attached },
    Taker { tools: &["ssh-keygen"], after: "", option: "-N", takes: Secret },
    Taker { tools: &["useradd", "usermod"], after: "", option: "-p", takes: Secret },
    Taker { tools: &["dotnet", "nuget"], after: "push", option: "-k", takes: Secret },
];

/// A command whose operand is a secret: the tool, the word before, and how many operands stand
/// between that word and the secret.
#[rustfmt::skip]
const OPERANDS: &[(&str, &str, usize)] = &[
    ("vault", "login", 0), ("cargo", "login", 0), ("snyk", "auth", 0), ("ngrok", "authtoken", 0), ("ngrok", "add-authtoken", 0),
    ("rabbitmqctl", "add_user", 1), ("rabbitmqctl", "change_password", 1), ("mysqladmin", "password", 0), ("mc", "alias", 4), ("mc", "host", 4),
];

/// Tools that keep settings: `TOOL config set NAME VALUE`.
#[rustfmt::skip]
const SETTERS: &[&str] = &[
    "aws", "npm", "pnpm", "yarn", "pip", "pip3", "git", "composer", "poetry", "bundle", "gem", "conan", "gcloud", "vercel", "netlify",
    "heroku", "jf", "setx", "pulumi", "doppler",
];

/// Tools that leave what they log in with where they run: the tool and the operands that do so.
const KEEPERS: &[(&str, &[&str])] = &[
    ("gcloud", &["auth", "activate-service-account"]),
    ("gcloud", &["auth", "login"]),
];

/// Tools that read a secret from what is piped into them: the tool and an argument that says so.
#[rustfmt::skip]
const READERS: &[(&str, &str)] = &[
    ("chpasswd", ""), ("passwd", ""), ("docker", "--password-stdin"), ("podman", "--password-stdin"), ("helm", "--password-stdin"),
    ("sudo", "-S"), ("gh", "--with-token"), ("cryptsetup", ""), ("vncpasswd", ""), ("smbpasswd", ""), ("kinit", ""), ("htpasswd", "-i"),
];

/// A simple command: its words with their indices, without redirections.
#[derive(Default)]
struct Command<'a> {
    arguments: Vec<(usize, &'a Word)>,
    /// The files that it writes.
    written: Vec<&'a str>,
    /// What `<<<` gives it to read.
    here: Vec<(usize, &'a Word)>,
}

impl<'a> Command<'a> {
    fn has(&self, text: &str) -> bool {
        self.arguments.iter().any(|(_, word)| word.text == text)
    }

    /// The position of a tool, which a shell's words such as `sudo` or `then` may precede.
    fn tool(&self, tools: &[&str]) -> Option<usize> {
        self.arguments.iter().position(|(_, word)| {
            let name = word.text.rsplit(['/', '\\']).next().unwrap_or_default();
            tools.contains(&name.strip_suffix(".exe").unwrap_or(name))
        })
    }

    /// The text of an argument.
    fn text(&self, position: usize) -> Option<&'a str> {
        self.arguments
            .get(position)
            .map(|(_, word)| word.text.as_str())
    }

    /// The positions of what is no option behind a position.
    fn operands(&self, behind: usize) -> impl Iterator<Item = usize> + '_ {
        (behind + 1..self.arguments.len()).filter(|&position| {
            self.text(position)
                .is_some_and(|text| !text.starts_with('-'))
        })
    }
}

/// What the tools of a command make of its words.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is one question, and any may hold"
)]
struct Traits {
    runs_text: bool,
    names_secrets: bool,
    openssl: bool,
    keytool: bool,
}

/// The simple commands of a command line, each with the operator behind it.
fn commands(words: &[Word]) -> Vec<(Command<'_>, &str)> {
    let mut commands = Vec::new();
    let mut command = Command::default();
    let mut redirect = "";
    for (index, word) in words.iter().enumerate() {
        if word.operator {
            redirect = match word.text.as_str() {
                "<" | ">" | ">>" | "<<" | "<<<" => &word.text,
                // What follows `>&` is a descriptor.
                "&" if redirect.starts_with('>') => "<",
                operator => {
                    commands.push((std::mem::take(&mut command), operator));
                    ""
                }
            };
            continue;
        }
        match redirect {
            ">" | ">>" => command.written.push(&word.text),
            "<<<" => command.here.push((index, word)),
            "" => command.arguments.push((index, word)),
            _ => {}
        }
        redirect = "";
    }
    commands.push((command, ""));
    commands
}

impl Reader<'_> {
    fn line(&mut self, words: &[Word]) {
        let commands = commands(words);
        for (position, (command, operator)) in commands.iter().enumerate() {
            let next = commands
                .get(position + 1)
                .filter(|_| *operator == "|")
                .map(|(command, _)| command);
            self.command(command, next);
        }
    }

    fn command(&mut self, command: &Command, next: Option<&Command>) {
        if command.arguments.is_empty() {
            return;
        }
        self.options(command);
        self.operands(command);
        self.output(command, next);
        let has = |tools| command.tool(tools).is_some();
        let traits = Traits {
            runs_text: has(&["eval", "ssh"]),
            // What a builder or an engine calls a secret is its name.
            names_secrets: has(&["docker", "podman", "nerdctl", "buildah", "buildctl"]),
            openssl: has(&["openssl"]),
            keytool: has(&["keytool"]),
        };
        for position in 0..command.arguments.len() {
            self.argument(command, &traits, position);
        }
        for (index, word) in &command.here {
            if READERS
                .iter()
                .any(|(tool, _)| command.tool(&[tool]).is_some())
            {
                self.found(*index, "what the command reads", secret_part(&word.text));
            }
        }
    }

    fn found(&mut self, word: usize, how: impl Into<String>, secret: &str) {
        // A number is a bad password, but one.
        let number = secret.len() >= 4 && secret.bytes().all(|byte| byte.is_ascii_digit());
        let form = if number { Form::Literal } else { form(secret) };
        if form != Form::Safe {
            self.add(Passed {
                word,
                how: how.into(),
                secret: secret.to_owned(),
                form,
                stores: false,
            });
        }
    }

    fn guessed(&mut self, word: usize, how: impl Into<String>, name: &str, secret: &str) {
        if let Some(form) = self.names.guess(name, secret) {
            let secret = super::without_scheme(secret).to_owned();
            self.add(Passed {
                word,
                how: how.into(),
                secret,
                form,
                stores: false,
            });
        }
    }

    fn add(&mut self, mut passed: Passed) {
        passed.word = self.outer.unwrap_or(passed.word);
        if !self
            .found
            .iter()
            .rev()
            .take(8)
            .any(|other| other.word == passed.word && other.secret == passed.secret)
        {
            self.found.push(passed);
        }
    }

    /// Short options and those that only some tools have.
    fn options(&mut self, command: &Command) {
        for taker in TAKERS {
            let Some(tool) = command.tool(taker.tools) else {
                continue;
            };
            let name = command.text(tool).unwrap_or_default();
            if !taker.after.is_empty() && !command.has(taker.after) {
                continue;
            }
            for position in tool + 1..command.arguments.len() {
                let (Some((index, _)), Some(text)) =
                    (command.arguments.get(position), command.text(position))
                else {
                    continue;
                };
                let Some(rest) = taker.attached(text) else {
                    continue;
                };
                let (index, value) = match (rest, command.arguments.get(position + 1)) {
                    ("", Some((index, word))) if taker.takes != Attached => {
                        (*index, word.text.as_str())
                    }
                    ("", _) => continue,
                    (rest, _) => (*index, rest),
                };
                let value = match taker.takes {
                    Secret | Attached => value,
                    Pair(marks) => value.split_once(marks).map_or("", |(_, secret)| secret),
                };
                self.found(index, format!("{} of {}", taker.option, short(name)), value);
            }
        }
    }

    /// Operands that are secrets, and settings.
    fn operands(&mut self, command: &Command) {
        for (tool, before, between) in OPERANDS {
            let Some(tool_at) = command.tool(&[tool]) else {
                continue;
            };
            let Some(verb) = command
                .operands(tool_at)
                .find(|&at| command.text(at) == Some(before))
            else {
                continue;
            };
            if let Some(at) = command.operands(verb).nth(*between)
                && let (Some((index, _)), Some(text)) =
                    (command.arguments.get(at), command.text(at))
            {
                let (_, value) = text.split_once("token=").unwrap_or(("", text));
                self.found(*index, format!("{tool} {before}"), value);
            }
        }
        if let Some(tool) = command.tool(SETTERS) {
            let setting = command
                .operands(tool)
                .any(|at| matches!(command.text(at), Some("set" | "config" | "configure")));
            let windows = command.text(tool) == Some("setx");
            let operands: Vec<usize> = command.operands(tool).collect();
            for pair in operands.windows(2).filter(|_| setting || windows) {
                if let [name, value] = *pair
                    && let (Some(name), Some((index, word))) =
                        (command.text(name), command.arguments.get(value))
                {
                    self.guessed(
                        *index,
                        format!("the setting {}", super::shown(name)),
                        name,
                        &word.text,
                    );
                }
            }
            let basic = operands.iter().position(|&at| {
                command
                    .text(at)
                    .is_some_and(|text| text.starts_with("http-basic."))
            });
            if let Some((index, word)) =
                basic.and_then(|at| command.arguments.get(*operands.get(at + 2)?))
            {
                self.found(*index, "the setting http-basic", &word.text);
            }
        }
        for (tool, verbs) in KEEPERS {
            let Some(at) = command
                .tool(&[tool])
                .filter(|_| verbs.iter().all(|verb| command.has(verb)))
            else {
                continue;
            };
            let verb = command
                .operands(at)
                .find(|&at| command.text(at) == verbs.last().copied());
            if let Some((index, _)) = verb.and_then(|at| command.arguments.get(at)) {
                let how = format!("{tool} {}", verbs.join(" "));
                self.add(Passed {
                    word: *index,
                    how,
                    secret: String::new(),
                    form: Form::Literal,
                    stores: true,
                });
            }
        }
    }

    /// What `echo` and `printf` write into a file of secrets or into a tool that reads one.
    fn output(&mut self, command: &Command, next: Option<&Command>) {
        let Some(echo) = command.tool(&["echo", "printf"]) else {
            return;
        };
        let reader = next.and_then(|next| {
            READERS.iter().find(|(tool, argument)| {
                next.tool(&[tool]).is_some() && (argument.is_empty() || next.has(argument))
            })
        });
        let tee = next.filter(|next| next.tool(&["tee"]).is_some());
        let files = command.written.iter().copied().chain(
            tee.into_iter()
                .flat_map(|tee| tee.arguments.iter().map(|(_, word)| word.text.as_str())),
        );
        // Files of settings hold other things too; only what is named there counts.
        let settings = |file: &str| {
            [
                ".npmrc", ".pypirc", ".netrc", ".env", ".my.cnf", ".json", ".toml", ".yml", ".yaml",
            ]
            .iter()
            .any(|end| file.ends_with(end))
        };
        let secret = |file: &str| {
            (secret_file(file).is_some() && !settings(file))
                || (self.names.says(file) > super::Says::Maybe && !settings(file))
        };
        let how = match reader {
            Some((tool, _)) => format!("what is piped into {tool}"),
            None => match files.clone().find(|file| secret(file)) {
                Some(file) => format!("what is written to {}", super::shown(file)),
                None => return,
            },
        };
        for position in command.operands(echo) {
            let Some((index, word)) = command.arguments.get(position) else {
                continue;
            };
            let formats = word.text.contains('%') && word.text.len() <= 8;
            if !formats && !word.text.contains("${}") {
                self.found(*index, how.clone(), secret_part(&word.text));
            }
        }
    }

    /// What every word may be: an option, an assignment, a header, a text, a command.
    fn argument(&mut self, command: &Command, traits: &Traits, position: usize) {
        let Some(&(index, word)) = command.arguments.get(position) else {
            return;
        };
        let text = word.text.as_str();
        let previous = position
            .checked_sub(1)
            .and_then(|before| command.text(before))
            .unwrap_or_default();
        for script in &word.scripts {
            self.inner(index, script);
        }
        let script_option = previous.len() <= 5
            && previous.starts_with(['-', '/'])
            && previous.ends_with(['c', 'C']);
        let spaced = text.contains(char::is_whitespace);
        if spaced && (script_option || traits.runs_text) {
            self.inner(index, text);
            return;
        }
        if text.contains(':') && (is_header_option(previous) || is_header(text)) {
            self.header(index, text);
            return;
        }
        if traits.names_secrets && (text.starts_with("--secret") || previous == "--secret") {
            return;
        }
        if let Some(secret) = text.strip_prefix("pass:").filter(|_| traits.openssl) {
            self.found(index, "pass: of openssl", secret);
            return;
        }
        if let Some((name, value)) = assignment(text) {
            if name.starts_with("--header") {
                self.header(index, value);
            } else if let Some((inner, value)) = assignment(value).filter(|_| name.starts_with('-'))
            {
                self.guessed(
                    index,
                    format!("the assignment of {}", super::shown(inner)),
                    inner,
                    value,
                );
            } else if !(is_pattern(value) || traits.keytool && is_public_password(value)) {
                let what = if name.starts_with('-') {
                    "the option"
                } else {
                    "the assignment of"
                };
                self.guessed(index, format!("{what} {}", super::shown(name)), name, value);
            }
        } else if previous.starts_with('-')
            && previous.len() > 3
            && !previous.contains('=')
            && !text.starts_with('-')
            && !(is_public_password(text) && traits.keytool)
        {
            self.guessed(
                index,
                format!("the option {}", super::shown(previous)),
                previous,
                text,
            );
        }
        if spaced || text.contains(['{', '&', ';', '?', ',']) {
            let mut named = Vec::new();
            pairs(text, |pair| named.push((pair.name, pair.value)));
            for (name, value) in named.into_iter().filter(|(_, value)| !is_pattern(value)) {
                self.guessed(
                    index,
                    format!("the text with {}", super::shown(name)),
                    name,
                    value,
                );
            }
        }
    }

    fn header(&mut self, index: usize, text: &str) {
        if let Some((name, value)) = text.split_once(':') {
            self.guessed(
                index,
                format!("the header {}", super::shown(name)),
                name.trim(),
                value.trim(),
            );
        }
    }

    fn inner(&mut self, index: usize, script: &str) {
        if self.depth < DEPTH {
            let outer = self.outer.replace(self.outer.unwrap_or(index));
            self.depth += 1;
            self.line(&split(script));
            self.depth -= 1;
            self.outer = outer;
        }
    }
}

impl Taker {
    /// What follows the option in a word that has it; nothing if it is the whole word.
    fn attached<'a>(&self, text: &'a str) -> Option<&'a str> {
        if let Some(rest) = text.strip_prefix(self.option) {
            let long = self.option.starts_with("--");
            return if long {
                rest.strip_prefix('=')
                    .or_else(|| rest.is_empty().then_some(rest))
            } else {
                Some(rest)
            };
        }
        // `-sSLu` has the option at its end, where its value is the next word.
        let letter = self
            .option
            .strip_prefix('-')
            .filter(|letter| letter.len() == 1 && self.tools == ["curl"])?;
        let bundle = text.strip_prefix('-').is_some_and(|bundle| {
            bundle.len() <= 8 && bundle.bytes().all(|b| b.is_ascii_alphabetic())
        });
        (bundle && text.ends_with(letter)).then_some("")
    }
}

/// `NAME=value`, also as an option.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let named = !name.is_empty()
        && name.len() <= 128
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-/:@[]".contains(c));
    named.then_some((name, value))
}

fn is_header_option(option: &str) -> bool {
    matches!(
        option,
        "-H" | "--header"
            | "--extra-header"
            | "--proxy-header"
            | "http.extraheader"
            | "http.extraHeader"
    )
}

fn is_header(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or_default();
    ["authorization", "proxy-authorization"]
        .iter()
        .any(|header| header.eq_ignore_ascii_case(name.rsplit('=').next().unwrap_or(name)))
}

/// What `sed` and `grep` look for.
fn is_pattern(value: &str) -> bool {
    [".*", "[^", "(", "\\", "^", "*", ".+"]
        .iter()
        .any(|start| value.starts_with(start))
}

/// The password of the certificates that come with Java, which is no secret.
fn is_public_password(value: &str) -> bool {
    value == "changeit"
}

/// The secret in `user:secret`, or all of it.
fn secret_part(text: &str) -> &str {
    let text = text.trim();
    text.split_once(':')
        .filter(|(user, _)| !user.contains(' '))
        .map_or(text, |(_, secret)| secret.trim_end_matches("\\n"))
}

fn short(tool: &str) -> &str {
    tool.rsplit(['/', '\\']).next().unwrap_or(tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(script: &str) -> Vec<String> {
        passed(&split(script), &Names::default())
            .into_iter()
            .map(|passed| passed.secret)
            .collect()
    }

    #[test]
    fn a_script_is_split_as_a_shell_does() {
        let texts = |script| {
            split(script)
                .into_iter()
                .map(|word| word.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            texts("a 'b c'\"d\"&&e\\ f 2>/dev/null # x\ng"),
            ["a", "b cd", "&&", "e f", ">", "/dev/null", ";", "g"]
        );
        assert_eq!(
            texts("x=$A y=${B:-z} \"$(c d)\" `e`"),
            ["x=${}", "y=z", "${}", "${}"]
        );
        assert_eq!(split("$(a $(b))")[0].scripts, ["a $(b)"]);
        assert_eq!(texts("'open"), ["open"]);
        assert_eq!(texts("$"), ["$"]);
    }

    #[test]
    fn secrets_on_a_command_line() {
        for script in [
            "docker login -u bob -p hunter2 registry",
            "docker login --password=hunter2",
            "docker login --username bob --password hunter2",
            "echo hunter2 | docker login --password-stdin",
            "mysql -uroot -phunter2 app",
            "mysqladmin -u root password hunter2",
            "curl -u admin:hunter2 https://example.org",
            "curl -sSLu admin:hunter2 https://example.org",
            "curl --user=admin:hunter2 https://example.org",
            "curl -H 'Authorization: Bearer hunter2' x",
            "curl --header='PRIVATE-TOKEN: hunter2' x",
            "sshpass -p hunter2 ssh host",
            "sshpass -phunter2 ssh host",
            "aws configure set aws_secret_access_key hunter2",
            "az login --service-principal -u app -p hunter2 --tenant x",
            "npm config set //registry.npmjs.org/:_authToken=hunter2",
            "npm config set //registry.npmjs.org/:_authToken hunter2",
            "echo '//registry.npmjs.org/:_authToken=hunter2' > ~/.npmrc",
            "echo 'machine example.org login bob password hunter2' > ~/.netrc",
            "echo hunter2 > /root/.vault-token",
            "printf hunter2 | tee /etc/app/db_password",
            "export TOKEN=hunter2",
            "TOKEN=hunter2 make",
            "sudo TOKEN=hunter2 make",
            "sh -c 'export TOKEN=hunter2; make'",
            "x=$(curl -u admin:hunter2 https://example.org)",
            "echo 'root:hunter2' | chpasswd",
            "chpasswd <<< 'root:hunter2'",
            "redis-cli -a hunter2 ping",
            "kubectl create secret generic x --from-literal=password=hunter2",
            "java -Djavax.net.ssl.keyStorePassword=hunter2 -jar x.jar",
            "keytool -genkey -storepass hunter2",
            "openssl rsa -passin pass:hunter2",
            "mount -o username=a,password=hunter2 //x/y /z",
            "curl -d '{\"password\":\"hunter2\"}' x",
            "composer config http-basic.example.org bob hunter2",
            "TOKEN=${TOKEN:-hunter2} make",
            "vault login hunter2",
            "ssh host 'export TOKEN=hunter2'",
            "if true; then TOKEN=hunter2 make; fi",
        ] {
            assert_eq!(secrets(script), ["hunter2"], "{script}");
        }
    }

    #[test]
    fn command_lines_without() {
        for script in [
            "docker login -u bob --password-stdin < /run/secrets/pw",
            "docker login -p $PASS",
            "cat /run/secrets/pw | docker login --password-stdin",
            "docker run -p 80:80 nginx",
            "docker build --secret id=token,src=token.txt .",
            "docker service create --secret db_password nginx",
            "mkdir -p /secret && cp -p a b",
            "mysql -p",
            "mysql -p$PASS -P3306",
            "curl -u $USER:$PASS x",
            "curl -H \"Authorization: Bearer $TOKEN\" x",
            "curl -H 'Content-Type: application/json' x",
            "export TOKEN=$(cat /run/secrets/token)",
            "TOKEN= make",
            "apk add libcrypto3=3.0.1-r0 libsecret=0.20.5-r0",
            "apt-get install -y libpam-passwdqc=1.3.0",
            "keytool -importcert -storepass changeit -noprompt",
            "gpg --recv-keys 595E85A6B1B4779EA4DAAEC70B588DFF0527A9B7",
            "sed -i 's/password=.*/password=${PASS}/' x",
            "echo \"//registry.npmjs.org/:_authToken=${NPM_TOKEN}\" > .npmrc",
            "echo 'registry=https://registry.example.org' > .npmrc",
            "printf 'password=%s\\n' \"$PASS\" > x",
            "echo Setting up the password file",
            "ssh-keygen -t ed25519 -N '' -f /key",
            "helm install x --set existingSecret=my-secret",
            "cmake -DWITH_TOKEN=ON -DKEY_FILE=/x .",
            "useradd -p \"$(openssl passwd -1 x)\" bob",
            "app --token-file=/run/secrets/t --password-file /x --token /var/run/token",
            "redis-cli --no-auth-warning -a \"$REDIS_PASSWORD\" ping",
            "git config --global user.name bob",
            "npm config set registry https://registry.example.org",
            "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
            "SECRET_KEY_BASE=1 bin/rails assets:precompile",
        ] {
            assert_eq!(secrets(script), [] as [&str; 0], "{script}");
        }
    }

    #[test]
    fn a_tool_that_keeps_its_login_is_told() {
        let found = passed(
            &split("gcloud auth activate-service-account --key-file=key.json"),
            &Names::default(),
        );
        assert!(
            matches!(&found[..], [passed] if passed.stores && passed.word == 2),
            "{found:?}"
        );
    }

    #[test]
    fn a_long_script_takes_no_time() {
        for text in [
            "$(",
            "${",
            "'",
            "a=b&",
            "password=",
            "sh -c \"",
            "echo x | ",
            "`",
            "--token ",
        ] {
            let script = text.repeat((1 << 17) / text.len());
            drop(passed(&split(&script), &Names::default()));
        }
    }
}
