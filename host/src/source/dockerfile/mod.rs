//! Reads a Dockerfile as `BuildKit` does.

mod expand;
mod heredoc;
mod json;
mod lines;
mod nodes;
mod scope;
mod shell;
mod statement;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use stridegate_shapes::{Node, Span};

use self::expand::{Environment, Expansion, Unknown, Variable, Verbatim};
use self::json::{Array, Strings};
use self::lines::Lines;
use self::nodes::{Flag, HeredocNode, Instruction, Pair, Stage, Word};
use self::scope::{Base, GLOBAL, Scopes};
use self::shell::Token;
use self::statement::{Pairs, RawFlag, Statement};
use super::Fault;

/// Flags whose value may use variables.
const EXPANDED_FLAGS: [&str; 5] = ["chown", "chmod", "checksum", "mount", "platform"];

/// Reads a Dockerfile. The tree is a `docker/Dockerfile`; every node spans the text that it stands
/// for, and what is absent spans the instruction that it is absent from.
pub fn read(text: &str) -> Result<Node, Fault> {
    let mut lines = Lines::new(text);
    let statements = statements(&mut lines)?;
    let mut file = File::new(lines.escape());
    for statement in &statements {
        file.add(statement)?;
    }
    Ok(file.into_node(text, lines.escape_span()))
}

fn statements(lines: &mut Lines<'_>) -> Result<Vec<Statement>, Fault> {
    let mut found = Vec::new();
    while let Some(line) = lines.logical()? {
        found.push(Statement::read(line, lines)?);
    }
    if found.is_empty() {
        return Err(Fault::new(
            0,
            "the Dockerfile has no instructions; start it with FROM and an image",
        ));
    }
    if !found.iter().any(|statement| statement.name == "FROM") {
        return Err(Fault::new(
            0,
            "the Dockerfile has no FROM; start it with FROM and an image",
        ));
    }
    Ok(found)
}

/// What was read so far.
struct File {
    escape: char,
    scopes: Scopes,
    arguments: Vec<Instruction>,
    stages: Vec<Stage>,
    /// The last stage of each name.
    names: HashMap<String, usize>,
}

impl File {
    fn new(escape: char) -> Self {
        let (arguments, stages) = (Vec::new(), Vec::new());
        Self {
            escape,
            scopes: Scopes::new(),
            arguments,
            stages,
            names: HashMap::new(),
        }
    }

    fn add(&mut self, statement: &Statement) -> Result<(), Fault> {
        if statement.name == "FROM" {
            return self.from(statement);
        }
        let scope = self.stages.last().map_or(GLOBAL, |stage| stage.scope);
        if scope == GLOBAL && (statement.name != "ARG" || statement.onbuild.is_some()) {
            let message = "stands before the first FROM, where only ARG may; move it into a stage";
            let name = statement
                .onbuild
                .as_ref()
                .map_or(statement.name.as_str(), |_| "ONBUILD");
            return Err(statement.fault(0, format!("{name} {message}")));
        }
        let instruction = self.instruction(statement, scope)?;
        match self.stages.last_mut() {
            Some(stage) => {
                if instruction.sets_variables() && statement.onbuild.is_some() {
                    stage
                        .triggers
                        .extend(instruction.pairs.iter().map(|pair| pair.name.value.clone()));
                }
                stage.instructions.push(instruction);
            }
            None => self.arguments.push(instruction),
        }
        Ok(())
    }

    fn from(&mut self, statement: &Statement) -> Result<(), Fault> {
        let name = statement::stage_name(statement)?;
        let view = self.scopes.environment(GLOBAL);
        let context = Context::new(statement, self.escape, &view);
        let image = lines::words(statement.line.text(), statement.head.rest.clone())
            .into_iter()
            .next();
        let from = context.word(image.unwrap_or_default())?;
        statement.require(
            from.value.as_deref() != Some(""),
            "names an empty image; give its variable a default",
        )?;
        let flag = context.flags()?.into_iter().next();
        let platform = flag
            .and_then(|flag| flag.value)
            .filter(|platform| !platform.written.is_empty());
        let empty = platform
            .as_ref()
            .is_some_and(|platform| platform.value.as_deref() == Some(""));
        statement.require(
            !empty,
            "has an empty --platform; give its variable a default",
        )?;
        let base = from
            .value
            .as_deref()
            .and_then(|image| self.names.get(&image.to_lowercase()).copied());
        let scope = self.open_scope(&from, base);
        if let Some((name, _)) = &name {
            self.names.insert(name.clone(), self.stages.len());
        }
        let (instructions, triggers) = (Vec::new(), Vec::new());
        self.stages.push(Stage {
            span: statement.span,
            name,
            from,
            base,
            platform,
            instructions,
            scope,
            triggers,
        });
        Ok(())
    }

    fn open_scope(&mut self, from: &Word, base: Option<usize>) -> scope::Index {
        match base.and_then(|base| self.stages.get(base)) {
            Some(stage) => {
                let scope = self.scopes.open(Base::Stage(stage.scope));
                self.scopes.forget(scope, &stage.triggers);
                scope
            }
            None if from.value.as_deref() == Some("scratch") => self.scopes.open(Base::Scratch),
            None => self.scopes.open(Base::Image),
        }
    }

    fn instruction(
        &mut self,
        statement: &Statement,
        scope: scope::Index,
    ) -> Result<Instruction, Fault> {
        let pairs = if Pairs::are_in(statement) {
            self.pairs(statement, scope)?
        } else {
            Vec::new()
        };
        let view = self.scopes.environment(scope);
        let context = Context::new(statement, self.escape, &view);
        let flags = context.flags()?;
        let arguments = context.arguments()?;
        let span = statement.span;
        let keyword = (
            statement.name.clone(),
            statement.line.span(&statement.head.keyword),
        );
        let onbuild = statement
            .onbuild
            .as_ref()
            .map(|range| statement.line.span(range));
        let heredocs = context.heredocs(&arguments.tokens);
        let Arguments { form, words, .. } = arguments;
        Ok(Instruction {
            span,
            keyword,
            onbuild,
            flags,
            form,
            arguments: words,
            pairs,
            heredocs,
        })
    }

    /// The pairs of ENV and LABEL see what was set before the instruction; those of ARG see each
    /// other.
    fn pairs(&mut self, statement: &Statement, scope: scope::Index) -> Result<Vec<Pair>, Fault> {
        let mut pairs = Vec::new();
        for (name, value) in (Pairs {
            statement,
            escape: self.escape,
        })
        .read()?
        {
            let view = self.scopes.environment(scope);
            let context = Context::new(statement, self.escape, &view);
            let whole = name.start..value.as_ref().map_or(name.end, |value| value.end);
            let span = statement.line.span(&whole);
            let name = if statement.name == "ARG" {
                context.literal(name)
            } else {
                context.word(name)?
            };
            let value = value.map(|value| context.word(value)).transpose()?;
            let pair = Pair { span, name, value };
            if statement.name == "ARG" && statement.onbuild.is_none() {
                self.declare(scope, &pair);
            }
            pairs.push(pair);
        }
        if statement.name == "ENV" && statement.onbuild.is_none() {
            for Pair { name, value, .. } in &pairs {
                let value = value.as_ref().and_then(|value| value.value.as_deref());
                self.scopes.set(scope, name.value.as_deref(), value);
            }
        }
        Ok(pairs)
    }

    fn declare(&mut self, scope: scope::Index, pair: &Pair) {
        match &pair.value {
            Some(value) => self
                .scopes
                .argument(scope, &pair.name.written, value.value.as_deref()),
            None => self.scopes.declare(scope, &pair.name.written),
        }
    }

    fn into_node(self, text: &str, escape: Option<Span>) -> Node {
        let all = Span::new(0, text.len());
        let target = self.stages.len().saturating_sub(1);
        let target_span = self.stages.last().map_or(all, |stage| stage.span);
        let syntax = lines::syntax(text).map(|(image, span)| Node::string(span, image));
        Node::map(
            all,
            [
                ("syntax", syntax.unwrap_or_else(|| nodes::null(all))),
                ("escape", Node::string(escape.unwrap_or(all), self.escape)),
                (
                    "arguments",
                    nodes::list(all, self.arguments.into_iter().map(Instruction::into_node)),
                ),
                (
                    "stages",
                    nodes::list(all, self.stages.into_iter().map(Stage::into_node)),
                ),
                ("target", nodes::number(target_span, target)),
            ],
        )
    }
}

/// What the words of a statement are read with.
struct Context<'a> {
    statement: &'a Statement,
    escape: char,
    variables: &'a dyn Environment,
}

/// The arguments of an instruction.
struct Arguments {
    form: &'static str,
    words: Vec<Word>,
    /// The tokens of a shell's command line, by their place in the logical line.
    tokens: Vec<Token>,
}

impl Arguments {
    fn new(form: &'static str, words: Vec<Word>) -> Self {
        Self {
            form,
            words,
            tokens: Vec::new(),
        }
    }
}

impl<'a> Context<'a> {
    /// What stands after ONBUILD is not expanded here, but where the image is used.
    fn new(statement: &'a Statement, escape: char, variables: &'a dyn Environment) -> Self {
        let variables = if statement.onbuild.is_some() {
            &Unknown
        } else {
            variables
        };
        Self {
            statement,
            escape,
            variables,
        }
    }

    fn arguments(&self) -> Result<Arguments, Fault> {
        match self.statement.name.as_str() {
            "ENV" | "LABEL" | "ARG" => Ok(Arguments::new("pairs", Vec::new())),
            "RUN" | "CMD" | "ENTRYPOINT" => self.command(self.statement.head.rest.clone()),
            "SHELL" => self.shell(),
            "HEALTHCHECK" => self.healthcheck(),
            "COPY" | "ADD" => self.copy(),
            "VOLUME" => self.volume(),
            "EXPOSE" => {
                self.statement.require(
                    !self.statement.rest().is_empty(),
                    "has no argument; write a port after it",
                )?;
                self.list()
            }
            "USER" | "WORKDIR" | "STOPSIGNAL" | "MAINTAINER" => self.single(),
            _ => {
                let words =
                    lines::words(self.statement.line.text(), self.statement.head.rest.clone());
                Ok(Arguments::new(
                    "words",
                    words.into_iter().map(|word| self.literal(word)).collect(),
                ))
            }
        }
    }

    /// A command line, as a JSON array or for the shell.
    fn command(&self, range: Range<usize>) -> Result<Arguments, Fault> {
        if let Some(strings) = self.strings(range.clone())? {
            let words = strings
                .into_iter()
                .map(|(range, value)| self.given(range, value))
                .collect();
            return Ok(Arguments::new("exec", words));
        }
        let mut tokens = shell::split(self.statement.line.get(range.clone()), self.escape == '\\');
        for token in &mut tokens {
            token.start += range.start;
            token.end += range.start;
        }
        let words = tokens
            .iter()
            .map(|token| Word::of(token, &self.statement.line))
            .collect();
        Ok(Arguments {
            form: "shell",
            words,
            tokens,
        })
    }

    fn shell(&self) -> Result<Arguments, Fault> {
        let arguments = self.command(self.statement.head.rest.clone())?;
        let given = arguments.form == "exec" && !arguments.words.is_empty();
        self.statement.require(
            given,
            "takes a JSON array with a program; write it like [\"/bin/sh\", \"-c\"]",
        )?;
        Ok(arguments)
    }

    fn healthcheck(&self) -> Result<Arguments, Fault> {
        let rest = self.statement.head.rest.clone();
        let text = self.statement.rest();
        let length = text.find(char::is_whitespace).unwrap_or(text.len());
        let kind = rest.start..rest.start + length;
        let command = lines::trim(self.statement.line.text(), kind.end..rest.end);
        let name = text.get(..length).unwrap_or_default().to_uppercase();
        let mut arguments = match name.as_str() {
            "NONE" => {
                self.statement
                    .require(command.is_empty(), "NONE takes no arguments; remove them")?;
                Arguments::new("words", Vec::new())
            }
            "CMD" => {
                let arguments = self.command(command.clone())?;
                let given = if arguments.form == "exec" {
                    !arguments.words.is_empty()
                } else {
                    !command.is_empty()
                };
                self.statement
                    .require(given, "CMD has no command; write one after it")?;
                arguments
            }
            _ => {
                self.statement
                    .require(false, "takes CMD and a command, or NONE; write one of them")?;
                return self.list();
            }
        };
        arguments.words.insert(0, self.given(kind, name));
        Ok(arguments)
    }

    fn copy(&self) -> Result<Arguments, Fault> {
        let arguments = self.list()?;
        let message = "takes at least one source and a destination; write both";
        self.statement
            .require(arguments.words.len() >= 2, message)?;
        let last = lines::words(self.statement.line.text(), self.statement.head.rest.clone()).pop();
        let destination = last.is_some_and(|last| self.is_heredoc(&last));
        self.statement.require(
            !destination,
            "takes no here-document as its destination; write a path last",
        )?;
        Ok(arguments)
    }

    fn volume(&self) -> Result<Arguments, Fault> {
        let mut arguments = self.list()?;
        self.statement.require(
            !arguments.words.is_empty(),
            "has no argument; write a path after it",
        )?;
        for word in &mut arguments.words {
            let value = word.value.take().map(|value| value.trim().to_owned());
            self.statement.require(
                value.as_deref() != Some(""),
                "has an empty path; write a path",
            )?;
            word.value = value;
        }
        Ok(arguments)
    }

    /// Words between blanks, or for those instructions that know it a JSON array.
    fn list(&self) -> Result<Arguments, Fault> {
        let rest = self.statement.head.rest.clone();
        let strings = if self.statement.name == "EXPOSE" {
            None
        } else {
            self.strings(rest.clone())?
        };
        if let Some(strings) = strings {
            let words = strings
                .into_iter()
                .map(|(range, value)| self.expanded(range, &value));
            return Ok(Arguments::new("exec", words.collect::<Result<_, _>>()?));
        }
        let words = lines::words(self.statement.line.text(), rest)
            .into_iter()
            .map(|word| self.word(word));
        Ok(Arguments::new("words", words.collect::<Result<_, _>>()?))
    }

    /// All the text as one word, as it is for these instructions.
    fn single(&self) -> Result<Arguments, Fault> {
        let rest = self.statement.head.rest.clone();
        self.statement
            .require(!rest.is_empty(), "has no argument; write one after it")?;
        let word = match self.statement.name.as_str() {
            _ if rest.is_empty() => return Ok(Arguments::new("words", Vec::new())),
            "MAINTAINER" => self.literal(rest),
            _ => self.word(rest)?,
        };
        Ok(Arguments::new("words", vec![word]))
    }

    /// The strings of a JSON array, by their place in the logical line.
    fn strings(&self, range: Range<usize>) -> Result<Option<Strings>, Fault> {
        match json::array(self.statement.line.get(range.clone())) {
            Array::No => Ok(None),
            Array::Mixed => {
                let message =
                    "the JSON array holds more than strings; write each item in double quotes";
                Err(self.statement.fault(range.start, message))
            }
            Array::Strings(strings) => {
                let moved =
                    |string: Range<usize>| string.start + range.start..string.end + range.start;
                Ok(Some(
                    strings
                        .into_iter()
                        .map(|(string, value)| (moved(string), value))
                        .collect(),
                ))
            }
        }
    }

    fn flags(&self) -> Result<Vec<Flag>, Fault> {
        self.statement.check_flags()?;
        self.statement
            .head
            .flags
            .iter()
            .map(|flag| self.flag(flag))
            .collect()
    }

    fn flag(&self, flag: &RawFlag) -> Result<Flag, Fault> {
        let line = &self.statement.line;
        let name = flag.name.as_str();
        let equals = line
            .get(flag.range.clone())
            .find('=')
            .map_or(flag.range.end, |index| flag.range.start + index);
        let range = (equals + 1).min(flag.range.end)..flag.range.end;
        let value = match flag.value.as_deref() {
            None => None,
            Some(text) if EXPANDED_FLAGS.contains(&name) => Some(self.expanded(range, text)?),
            Some(text) => {
                if name == "from" {
                    self.check_source(range.start, text)?;
                }
                Some(self.given(range, text.to_owned()))
            }
        };
        Ok(Flag {
            span: line.span(&flag.range),
            name: (name.to_owned(), line.span(&(flag.range.start..equals))),
            value,
        })
    }

    fn check_source(&self, offset: usize, text: &str) -> Result<(), Fault> {
        let plain = expand::expand(text, self.escape, &Unset)
            .is_ok_and(|read| read.value.as_deref() == Some(text));
        if plain || self.statement.onbuild.is_some() {
            return Ok(());
        }
        let message = "--from takes no variables; name a stage in it, and use the variable in the FROM of that stage";
        Err(self.statement.fault(offset, message))
    }

    fn is_heredoc(&self, range: &Range<usize>) -> bool {
        // The here-documents stand in the order of the line.
        let heredocs = &self.statement.heredocs;
        heredocs
            .binary_search_by_key(&range.start, |heredoc| heredoc.range.start)
            .is_ok()
    }

    fn heredocs(&self, tokens: &[Token]) -> Vec<HeredocNode> {
        let statement = self.statement;
        let run = statement.name == "RUN";
        let fed = if run && !statement.heredocs.is_empty() {
            heredoc::fed(tokens)
        } else {
            HashSet::new()
        };
        let nodes = statement.heredocs.iter().map(|heredoc| {
            let whole = heredoc.range == statement.head.rest;
            let script = run
                && if whole {
                    heredoc.is_script()
                } else {
                    fed.contains(&heredoc.range.start)
                };
            let words = if script {
                shell::split(heredoc.body.text(), self.escape == '\\')
            } else {
                Vec::new()
            };
            HeredocNode {
                span: heredoc.span,
                name: (heredoc.name.clone(), statement.line.span(&heredoc.range)),
                expand: heredoc.expand,
                lines: heredoc
                    .lines
                    .iter()
                    .map(|line| nodes::text(&heredoc.body, line))
                    .collect(),
                words: words
                    .iter()
                    .map(|token| Word::of(token, &heredoc.body))
                    .collect(),
            }
        });
        nodes.collect()
    }

    /// A word whose variables are replaced.
    fn word(&self, range: Range<usize>) -> Result<Word, Fault> {
        let line = &self.statement.line;
        if self.is_heredoc(&range) {
            let context = Context {
                variables: &Verbatim,
                ..*self
            };
            return context.expanded(range.clone(), line.get(range));
        }
        self.expanded(range.clone(), line.get(range))
    }

    fn expanded(&self, range: Range<usize>, text: &str) -> Result<Word, Fault> {
        let expansion = match expand::expand(text, self.escape, self.variables) {
            Ok(expansion) => expansion,
            Err(_) if self.statement.onbuild.is_some() => Expansion::default(),
            Err(reason) => {
                let reason: String = reason
                    .chars()
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .take(200)
                    .collect();
                return Err(self.statement.fault(range.start, reason));
            }
        };
        let Expansion { value, unresolved } = expansion;
        Ok(Word {
            value,
            unresolved,
            ..self.given(range, String::new())
        })
    }

    /// A word that says what it is written as.
    fn literal(&self, range: Range<usize>) -> Word {
        let text = self.statement.line.get(range.clone()).to_owned();
        self.given(range, text)
    }

    fn given(&self, range: Range<usize>, value: String) -> Word {
        let line = &self.statement.line;
        let written = line.get(range.clone()).to_owned();
        Word {
            span: line.span(&range),
            written,
            value: Some(value),
            unresolved: Vec::new(),
        }
    }
}

/// No variable is set.
struct Unset;

impl Environment for Unset {
    fn get(&self, _: &str) -> Variable<'_> {
        Variable::Unset
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use stridegate_shapes::dockerfile::{Dockerfile, Form, Instruction, Word};

    use super::*;

    fn shape(text: &str) -> Dockerfile {
        let tree = read(text).unwrap_or_else(|fault| panic!("{text:?}: {fault:?}"));
        assert_spans(&tree, text);
        let json = serde_json::to_value(&tree).expect("a tree is JSON");
        let shape: Dockerfile = serde_json::from_value(json.clone()).expect(text);
        assert_eq!(
            serde_json::to_value(&shape).expect("a shape is JSON"),
            json,
            "{text:?}"
        );
        shape
    }

    fn assert_spans(node: &Node, text: &str) {
        let range = node.span.range();
        assert!(
            range.start <= range.end && text.get(range).is_some(),
            "{:?} in {text:?}",
            node.span
        );
        node.items()
            .iter()
            .for_each(|item| assert_spans(item, text));
        node.entries()
            .iter()
            .for_each(|entry| assert_spans(&entry.value, text));
    }

    fn message(text: &str) -> String {
        let fault = read(text).expect_err("a fault");
        assert!(
            fault.at <= text.len() && text.is_char_boundary(fault.at),
            "{text:?}: {fault:?}"
        );
        assert!(!fault.message.contains(char::is_control), "{fault:?}");
        fault.message
    }

    fn last(text: &str) -> Instruction {
        shape(text)
            .stages
            .pop()
            .and_then(|mut stage| stage.instructions.pop())
            .expect(text)
    }

    /// The last instruction of a stage on an image.
    fn one(instruction: &str) -> Instruction {
        last(&format!("FROM alpine\n{instruction}"))
    }

    fn values(words: &[Word]) -> Vec<String> {
        words
            .iter()
            .map(|word| {
                word.value
                    .clone()
                    .unwrap_or_else(|| format!("?{}", word.unresolved.join(",")))
            })
            .collect()
    }

    fn spanned<'a>(text: &'a str, pointer: &str) -> &'a str {
        let tree = read(text).expect(text);
        let range = tree.at(pointer).expect(pointer).node.span.range();
        text.get(range).expect(pointer)
    }

    /// What `$V` is after these lines.
    fn variable(text: &str) -> String {
        values(&last(&format!("{text}\nUSER ${{V}}")).arguments).concat()
    }

    #[test]
    fn a_file_is_read_whole() {
        let file = shape(
            "# syntax=docker/dockerfile:1\n# escape=`\nARG V=1\nFROM a:$V AS One\nRUN x `\n y\nFROM --platform=linux/amd64 one\nUSER u\n",
        );
        assert_eq!(file.syntax.as_deref(), Some("docker/dockerfile:1"));
        assert_eq!(
            (file.escape.as_str(), file.target, file.arguments.len()),
            ("`", 1, 1)
        );
        let [first, second] = file.stages.as_slice() else {
            panic!("two stages")
        };
        assert_eq!(
            (
                first.name.as_deref(),
                first.from.value.as_deref(),
                first.base
            ),
            (Some("one"), Some("a:1"), None)
        );
        assert_eq!(values(&first.instructions[0].arguments), ["x", "y"]);
        assert_eq!(
            (second.base, second.platform.as_ref().map(Word::text)),
            (Some(0), Some("linux/amd64"))
        );
        assert_eq!(second.instructions[0].keyword, "USER");
    }

    #[test]
    fn a_file_without_a_stage_is_a_fault() {
        assert!(message("").contains("no instructions"));
        assert!(message("# note\n\n").contains("no instructions"));
        assert!(message("ARG A=1").contains("no FROM"));
        assert!(message("RUN a").contains("no FROM"));
        assert!(message("RUN a\nFROM b").contains("before the first FROM"));
    }

    #[test]
    fn an_unknown_instruction_is_a_fault_with_advice() {
        assert!(message("FORM alpine").contains("did you mean FROM?"));
        assert!(message("FROM a\nCOPPY a b").contains("did you mean COPY?"));
        assert!(!message("FROM a\nfrobnicate").contains("did you mean"));
        assert!(message("FROM a\n\\").contains("no instruction"));
        assert_eq!(read("FROM a\n  XYZZY b").expect_err("unknown").at, 9);
    }

    #[test]
    fn what_buildkit_refuses_is_a_fault() {
        for instruction in [
            "ENV",
            "ENV A",
            "ENV A=1 B",
            "ENV =1",
            "LABEL",
            "ARG",
            "ARG =1",
            "USER",
            "WORKDIR",
            "STOPSIGNAL",
            "MAINTAINER",
            "EXPOSE",
            "VOLUME",
            "VOLUME [\"\"]",
            "COPY a",
            "COPY",
            "ADD [\"a\"]",
            "COPY a <<E\nE",
            "COPY \"a b",
            "SHELL sh",
            "SHELL []",
            "HEALTHCHECK",
            "HEALTHCHECK NONE a",
            "HEALTHCHECK CMD",
            "HEALTHCHECK CMD []",
            "HEALTHCHECK x",
            "ONBUILD",
            "ONBUILD ONBUILD RUN a",
            "ONBUILD FROM a",
            "ONBUILD MAINTAINER a",
            "ONBUILD ENV A",
            "ONBUILD --a RUN b",
            "RUN --foo a",
            "RUN --mount a",
            "RUN --network=a --network=b c",
            "COPY --link=maybe a b",
            "COPY --from=$A a b",
            "CMD [1]",
            "CMD --a",
            "USER ${A",
            "USER ${A:?}",
            "RUN <<E\na",
            "FROM",
            "FROM a b",
            "FROM a AS 1b",
            "FROM a AS",
            "FROM --x=1 a",
            "FROM $NONE",
            "FROM --platform=$NONE a",
        ] {
            message(&format!("FROM scratch\n{instruction}"));
        }
    }

    #[test]
    fn what_buildkit_takes_is_no_fault() {
        for instruction in [
            "run",
            "CMD",
            "RUN []",
            "ARG --x A",
            "HEALTHCHECK --x NONE",
            "STOPSIGNAL --x 9",
            "ONBUILD FROBNICATE a",
            "ONBUILD USER",
            "COPY --link --from=0 a b",
            "RUN --mount=type=cache,target=/a --mount=type=ssh -- a",
            "USER a b",
        ] {
            one(instruction);
        }
    }

    #[test]
    fn forms_are_told_apart() {
        for (instruction, form, expected) in [
            (
                "CMD [\"a b\", \"\\u0063$D\"]",
                Form::Exec,
                vec!["a b", "c$D"],
            ),
            (
                "CMD ['a', 'b'] && c",
                Form::Shell,
                vec!["[a,", "b]", "&&", "c"],
            ),
            ("RUN a  \"b\"\t$C", Form::Shell, vec!["a", "b", "?C"]),
            ("SHELL [\"/bin/sh\"]", Form::Exec, vec!["/bin/sh"]),
            ("COPY [\"a b\", \"/c\"]", Form::Exec, vec!["a b", "/c"]),
            ("ADD a b\\ c /d", Form::Words, vec!["a", "b", "c", "/d"]),
            ("VOLUME /a /b", Form::Words, vec!["/a", "/b"]),
            ("USER  'a' b ", Form::Words, vec!["a b"]),
            ("MAINTAINER a 'b' $C", Form::Words, vec!["a 'b' $C"]),
            ("HEALTHCHECK none", Form::Words, vec!["NONE"]),
            (
                "HEALTHCHECK --interval=5s cmd a b",
                Form::Shell,
                vec!["CMD", "a", "b"],
            ),
            ("HEALTHCHECK CMD [\"a\"]", Form::Exec, vec!["CMD", "a"]),
            ("EXPOSE 80 443/tcp", Form::Words, vec!["80", "443/tcp"]),
        ] {
            let read = one(instruction);
            assert_eq!(
                (read.form, values(&read.arguments)),
                (form, expected.into_iter().map(str::to_owned).collect()),
                "{instruction}"
            );
        }
        assert_eq!(one("CMD [\"a\\n\"]").arguments[0].written, "\"a\\n\"");
    }

    #[test]
    fn flags_are_split_off() {
        let copy = one("COPY --from=b --chown=\"$U:1\" --link a /b");
        let flags: Vec<_> = copy
            .flags
            .iter()
            .map(|flag| (flag.name.as_str(), flag.value.as_ref().map(Word::text)))
            .collect();
        assert_eq!(
            flags,
            [
                ("from", Some("b")),
                ("chown", Some("\"$U:1\"")),
                ("link", None)
            ]
        );
        assert_eq!(
            copy.flags[1]
                .value
                .as_ref()
                .map(|word| word.unresolved.concat())
                .as_deref(),
            Some("U")
        );
        assert_eq!(values(&copy.arguments), ["a", "/b"]);
        assert_eq!(values(&one("RUN -- --x").arguments), ["--x"]);
    }

    #[test]
    fn pairs_have_two_syntaxes() {
        let pairs = |instruction: &str| -> Vec<String> {
            let read = one(instruction);
            assert_eq!((read.form, read.arguments.len()), (Form::Pairs, 0));
            let value = |word: &Option<Word>| {
                word.as_ref()
                    .map_or("-".to_owned(), |word| word.text().to_owned())
            };
            read.pairs
                .iter()
                .map(|pair| format!("{}={}", pair.name.text(), value(&pair.value)))
                .collect()
        };
        assert_eq!(pairs("ENV a b  'c' d"), ["a=b  c d"]);
        assert_eq!(
            pairs("ENV a=b c=\"d e\" f=g\\ h i= j=k\\"),
            ["a=b", "c=d e", "f=g h", "i=", "j=k"]
        );
        assert_eq!(pairs("LABEL \"a.b\"='c $D' e=\\\nf"), ["a.b=c $D", "e=f"]);
        assert_eq!(pairs("ARG a b=1 c="), ["a=-", "b=1", "c="]);
    }

    #[test]
    fn variables_come_from_arg_and_env() {
        for (lines, expected) in [
            ("FROM scratch\nARG V=1", "1"),
            ("FROM scratch\nARG V", "?V"),
            ("FROM scratch", ""),
            ("FROM alpine", "?V"),
            ("FROM scratch\nENV V=a$W", "a"),
            ("FROM alpine\nENV V=a$W", "?V"),
            ("ARG V=1\nFROM scratch", ""),
            ("ARG V=1\nFROM scratch\nARG V", "1"),
            ("ARG V\nFROM scratch\nARG V", "?V"),
            ("ARG V=1\nFROM scratch\nARG V=2", "2"),
            ("FROM scratch\nARG V=1\nENV V=2", "2"),
            ("FROM scratch\nENV V=1\nARG V", "1"),
            ("FROM scratch\nENV V=1\nENV V=2 W=$V\nENV V=$W", "1"),
            ("FROM scratch\nARG W=1 V=${W}2", "12"),
            ("FROM scratch AS a\nENV V=1\nFROM A", "1"),
            ("FROM scratch AS a\nARG V=1\nFROM a", "1"),
            ("FROM scratch AS a\nONBUILD ENV V=1\nFROM a", "?V"),
            ("FROM scratch AS a\nONBUILD ENV V=1", ""),
            ("FROM alpine AS a\nFROM a\nENV W=1", "?V"),
            ("FROM scratch\nARG TARGETARCH\nENV V=$TARGETARCH", "?V"),
            ("FROM scratch\nENV V=$HTTPS_PROXY", "?V"),
            ("FROM scratch\nENV V=1\nENV a$HTTPS_PROXY=2", "?V"),
            ("FROM scratch\nENV V=$$1", "1"),
        ] {
            assert_eq!(variable(lines), expected, "{lines}");
        }
    }

    #[test]
    fn from_sees_the_global_scope() {
        let from = |lines: &str| values(&[shape(lines).stages.pop().expect(lines).from]).concat();
        assert_eq!(from("ARG A=b\nARG C=$A:1\nFROM $C"), "b:1");
        assert_eq!(from("ARG A\nFROM a$A"), "?A");
        assert_eq!(from("FROM a$A"), "a");
        assert_eq!(from("FROM a:$TARGETARCH"), "?TARGETARCH");
        assert_eq!(from("ARG A=a\nFROM x\nARG A=b\nFROM $A"), "a");
    }

    #[test]
    fn the_last_stage_of_a_name_is_the_base() {
        let bases = |text: &str| {
            shape(text)
                .stages
                .iter()
                .map(|stage| stage.base)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            bases("FROM x AS a\nFROM y AS A\nFROM a\nFROM 0\nFROM scratch"),
            [None, None, Some(1), None, None]
        );
        assert_eq!(
            bases("ARG B=a\nFROM x AS a\nFROM $B AS b\nFROM b AS b\nFROM b"),
            [None, Some(0), Some(1), Some(2)]
        );
    }

    #[test]
    fn onbuild_is_not_expanded() {
        let read = last("FROM scratch\nENV A=1\nONBUILD COPY $A 'b c' \"${A\" /d");
        assert!(read.onbuild && read.keyword == "COPY");
        assert_eq!(values(&read.arguments), ["?A", "?", "?", "?", "/d"]);
        assert_eq!(values(&one("ONBUILD USER 'a'").arguments), ["a"]);
        assert_eq!(one("ONBUILD RUN <<E\na\nE").heredocs.len(), 1);
    }

    #[test]
    fn heredocs_are_read() {
        let read = one("COPY <<A <<-\"B\" /c\na $X\n\nA\n\t\tb\n\tB\n");
        let heredocs: Vec<_> = read
            .heredocs
            .iter()
            .map(|h| (h.name.as_str(), h.expand, h.lines.join("|")))
            .collect();
        assert_eq!(
            heredocs,
            [
                ("A", true, "a $X|".to_owned()),
                ("B", false, "b".to_owned())
            ]
        );
        assert_eq!(values(&read.arguments), ["<<A", "<<-B", "/c"]);
        assert!(read.heredocs.iter().all(|heredoc| heredoc.words.is_empty()));
        assert_eq!(one("RUN [\"a\", \"<<E\"]").heredocs, []);
        assert_eq!(one("RUN a '<<E' x<<E").heredocs, []);
        assert_eq!(one("RUN a 3<<E\r\nb\r\nE\r\n").heredocs[0].lines, ["b"]);
    }

    #[test]
    fn the_script_of_a_run_is_split_into_words() {
        let words = |instruction: &str| values(&one(instruction).heredocs[0].words).join(" ");
        assert_eq!(
            words("RUN <<E\nset -e\n\napt install \\\n  a # b\nE"),
            "set -e ; apt install a"
        );
        assert_eq!(words("RUN --network=none <<E\r\na\r\nb\r\nE"), "a ; b");
        assert_eq!(words("RUN bash -e <<E\na && b\nE"), "a && b");
        assert_eq!(words("RUN <<E\n#!/usr/bin/env bash\na\nE"), "a");
        assert_eq!(words("RUN <<E\n#!/usr/bin/env python3\nimport os\nE"), "");
        assert_eq!(words("RUN cat <<E > /f\na\nE"), "");
        assert_eq!(words("RUN python3 <<E\na\nE"), "");
    }

    #[test]
    fn nodes_span_what_they_stand_for() {
        let text = "ARG A=1\n from --platform=$P al$A as Base\nRUN --mount=type=ssh a\\\r\n  # é\r\nb && \\\n c <<E\n\tx y\nE\nENV K=\"v\n";
        assert!(read(text).is_err());
        let text = text.replace("\"v", "v W= \nONBUILD USER u");
        for (pointer, expected) in [
            ("/arguments/0/pairs/0", "A=1"),
            ("/arguments/0/pairs/0/value", "1"),
            ("/stages/0", "from --platform=$P al$A as Base"),
            ("/stages/0/name", "Base"),
            ("/stages/0/from/value", "al$A"),
            ("/stages/0/platform", "$P"),
            ("/stages/0/base", "from --platform=$P al$A as Base"),
            (
                "/stages/0/instructions/0",
                "RUN --mount=type=ssh a\\\r\n  # é\r\nb && \\\n c <<E\n\tx y\nE",
            ),
            ("/stages/0/instructions/0/keyword", "RUN"),
            ("/stages/0/instructions/0/flags/0", "--mount=type=ssh"),
            ("/stages/0/instructions/0/flags/0/name", "--mount"),
            ("/stages/0/instructions/0/flags/0/value", "type=ssh"),
            ("/stages/0/instructions/0/arguments/0", "a\\\r\n  # é\r\nb"),
            ("/stages/0/instructions/0/arguments/2", "c"),
            ("/stages/0/instructions/0/heredocs/0", "\tx y"),
            ("/stages/0/instructions/0/heredocs/0/name", "<<E"),
            ("/stages/0/instructions/1/pairs/0", "K=v"),
            ("/stages/0/instructions/1/pairs/1/value", ""),
            ("/stages/0/instructions/1/heredocs", "ENV K=v W="),
            ("/stages/0/instructions/2", "ONBUILD USER u"),
            ("/stages/0/instructions/2/onbuild", "ONBUILD"),
        ] {
            assert_eq!(
                spanned(&text.replace("$P", "p"), pointer),
                expected.replace("$P", "p"),
                "{pointer}"
            );
        }
    }

    #[test]
    fn growth_is_bounded() {
        let doubling = "ENV V=$V$V\n".repeat(60);
        assert_eq!(
            variable(&format!("FROM scratch\nENV V=aaaa\n{doubling}")),
            "?V"
        );
        let big = format!(
            "FROM scratch\nENV V={}\n{}",
            "a".repeat(60_000),
            "USER $V\n".repeat(2_000)
        );
        let known = shape(&big).stages[0]
            .instructions
            .iter()
            .filter(|i| i.keyword == "USER" && i.arguments[0].value.is_some())
            .count();
        assert!((1..1_000).contains(&known), "{known}");
    }

    #[test]
    fn huge_files_are_read_in_reasonable_time() {
        let chain = |n: usize| format!("FROM s{} AS s{n}\nENV A=$B\n", n.max(1) - 1);
        for text in [
            format!("FROM a\n{}", "RUN a && b $C\n".repeat(50_000)),
            format!("FROM a\nRUN a {}", "\\\n $b 'c'".repeat(50_000)),
            format!("FROM a\nENV a=b {}", "\\\n c=$d".repeat(50_000)),
            format!(
                "FROM a\nENV V={}\n{}",
                "a".repeat(60_000),
                "USER ${V//*b/c}${V%%*b}\n".repeat(40_000)
            ),
            format!(
                "FROM a\nRUN sh {}\n{}",
                "\\\n<<a ".repeat(20_000),
                "a\n".repeat(20_000)
            ),
            (0..20_000).map(chain).collect(),
        ] {
            assert!(read(&text).is_ok());
        }
    }

    const FRAGMENTS: [&str; 40] = [
        "FROM ",
        "scratch",
        " AS a",
        "ARG ",
        "ENV ",
        "RUN ",
        "COPY ",
        "ADD ",
        "ONBUILD ",
        "HEALTHCHECK CMD ",
        "USER ",
        "LABEL ",
        "VOLUME ",
        "SHELL ",
        "\n",
        "\n",
        "\n",
        "\r\n",
        " \\\n",
        "\\",
        "\t",
        " ",
        "$A",
        "${A:-",
        "${A##",
        "${A//",
        "}",
        "\"",
        "'",
        "`",
        "A=1",
        "<<E",
        "<<-'E'",
        "\nE\n",
        "[\"a\", \"b\"]",
        "--from=a",
        "# escape=`\n",
        "é\u{a0}\0",
        "$(",
        "&& ",
    ];

    fn check(text: &str) {
        match read(text) {
            Ok(_) => drop(shape(text)),
            Err(_) => drop(message(text)),
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            check(&text);
            check(&format!("FROM a\nRUN {text}"));
        }

        #[test]
        fn no_shuffle_of_fragments_makes_it_panic(picks in prop::collection::vec(0..FRAGMENTS.len(), 0..30)) {
            let text: String = picks.into_iter().filter_map(|pick| FRAGMENTS.get(pick)).copied().collect();
            check(&text);
            for start in ["FROM a\n", "# escape=`\nFROM a\nRUN ", "FROM scratch\nENV A=a/b ", "FROM a\nCOPY x "] {
                check(&format!("{start}{text}"));
            }
        }
    }
}
