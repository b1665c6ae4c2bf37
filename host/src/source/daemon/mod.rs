//! The configuration of a Docker daemon: daemon.json, the flags of dockerd, and the units of
//! systemd that start it.
//!
//! Each file that is read alone stands for a daemon that starts with it alone. What belongs
//! together on one host is read together by [`read_together`].

use std::path::Path;
use std::sync::Arc;

use stridegate_shapes::daemon::{self, Flags};
use stridegate_shapes::{Node, Span};

use super::{InputFault, Reading, json, unit};
use crate::object::{Identity, Object, Text, Written};

/// What one daemon is started with.
#[derive(Debug, Default)]
pub struct Together {
    /// docker.service and its drop-ins, in the order in which systemd reads them.
    pub units: Vec<Arc<Text>>,
    /// The words of the running process, the program first, with the text that they stand in. They
    /// are what counts where they are known; the units only say what the next start would bring.
    pub process: Option<(Arc<Text>, Vec<Node>)>,
    /// Every file that is at hand, by its path: daemon.json and files of variables.
    pub files: Vec<(String, Arc<Text>)>,
}

/// Whether a file by its name is a daemon.json.
pub(super) fn is_file(name: &Path) -> bool {
    name.file_name().is_some_and(|name| name == "daemon.json")
}

/// Whether a file by its name is docker.service or one of its drop-ins.
pub(super) fn is_unit(name: &Path) -> bool {
    let folder = name.parent().and_then(Path::file_name);
    let drop_in = folder.is_some_and(|folder| folder == "docker.service.d")
        && name
            .extension()
            .is_some_and(|extension| extension == "conf");
    drop_in
        || name
            .file_name()
            .is_some_and(|name| name == "docker.service")
}

/// Reads a daemon.json, or a unit if the text is one.
pub(super) fn read(text: &Arc<Text>, name: &str) -> Reading {
    let mut reading = Reading::default();
    let mut together = Together::default();
    if text.content.trim_start().starts_with('{') || is_file(Path::new(&text.name)) {
        together
            .files
            .push((daemon::DEFAULT_FILE.to_owned(), Arc::clone(text)));
    } else {
        together.units.push(Arc::clone(text));
    }
    read_together(together, name, &mut reading);
    reading
}

/// Reads what one daemon is started with.
pub fn read_together(together: Together, name: &str, reading: &mut Reading) {
    let Together {
        units,
        process,
        files,
    } = together;
    let unit = unit::start(&units, &files);
    let mut texts = units;
    let (command, unresolved) = if let Some((text, mut words)) = process {
        for word in &mut words {
            word.in_text(number(&texts));
        }
        texts.push(text);
        (words, Vec::new())
    } else if let [command] = unit.commands.as_slice() {
        (command.clone(), unit.unresolved)
    } else if unit.commands.len() > 1 {
        refuse(
            &texts,
            unit.commands.last().and_then(|words| words.first()),
            MANY,
            reading,
        );
        return;
    } else if files.is_empty() && unit.variables.is_none() {
        reading.skipped =
            Some("starts nothing by itself; judge it with its unit, in a facts file".into());
        return;
    } else {
        (Vec::new(), Vec::new())
    };
    let Some(arguments) = arguments(&command) else {
        refuse(&texts, command.first(), NO_DAEMON, reading);
        return;
    };
    let mut flags = daemon::flags(&arguments);
    flags.unresolved = unresolved;
    let Ok(file) = file(&command, &mut flags, &files, &mut texts, reading) else {
        return;
    };
    let here = texts
        .first()
        .map_or(Span::default(), |text| first_line(text));
    let faults = std::mem::take(&mut flags.problems);
    let document = daemon::effective(&flags, file.as_ref(), here);
    let problems = faults
        .into_iter()
        .chain(document.as_ref().err().into_iter().flatten().cloned());
    let before = reading.faults.len();
    for problem in problems {
        let place = Node::string(problem.span, "");
        refuse(&texts, Some(&place), &problem.message, reading);
    }
    let Some(mut document) = document.ok().filter(|_| reading.faults.len() == before) else {
        return;
    };
    if let Some(variables) = unit.variables {
        daemon::proxies_from(&mut document, &variables);
    }
    reading.written += 1;
    reading.objects.push(object(document, name, texts));
}

pub(super) const MANY: &str = "has more than one ExecStart, and systemd refuses the unit; a drop-in begins with an empty ExecStart=";
const NO_DAEMON: &str = "starts no dockerd; name the unit that does";

fn object(document: Node, name: &str, texts: Vec<Arc<Text>>) -> Object {
    let identity = Identity {
        group: daemon::KIND.group.into(),
        kind: daemon::KIND.name.into(),
        name: name.to_owned(),
        namespace: String::new(),
    };
    Object {
        written: Written::default(),
        kind: daemon::KIND,
        version: daemon::VERSION.into(),
        identity: Arc::new(identity),
        document,
        moves: Vec::new(),
        origin: None,
        texts,
    }
}

/// The daemon.json that dockerd reads with these flags, parsed and added to the texts.
fn file(
    command: &[Node],
    flags: &mut Flags,
    files: &[(String, Arc<Text>)],
    texts: &mut Vec<Arc<Text>>,
    reading: &mut Reading,
) -> Result<Option<Node>, ()> {
    let named = flags.text("config-file").map(str::to_owned);
    let rootless = command.iter().any(|word| {
        word.as_str()
            .is_some_and(|word| word.ends_with("dockerd-rootless.sh"))
    });
    let path = named.as_deref().unwrap_or(daemon::DEFAULT_FILE);
    let found = files.iter().find(|(known, _)| {
        known == path
            || (named.is_none() && rootless && known.ends_with("/.config/docker/daemon.json"))
    });
    let Some((_, text)) = found else {
        if let (Some(named), false) = (named, files.is_empty()) {
            let place = command.first().map_or(Span::default(), |word| word.span);
            flags.unresolved.push(Node::string(place, named));
        }
        return Ok(None);
    };
    let number = number(texts);
    texts.push(Arc::clone(text));
    if text.content.trim().is_empty() {
        return Ok(None);
    }
    match json::read(&text.content) {
        Ok(mut document) => {
            document.in_text(number);
            Ok(Some(document))
        }
        Err(fault) => {
            reading.faults.push(InputFault {
                position: Some(text.position(fault.at)),
                message: format!("{}; dockerd refuses to start", fault.message),
            });
            Err(())
        }
    }
}

fn number(texts: &[Arc<Text>]) -> u32 {
    u32::try_from(texts.len()).unwrap_or(u32::MAX)
}

/// The words behind dockerd: of a shell's script the words in it. None where there is a command
/// and no dockerd in it.
fn arguments(command: &[Node]) -> Option<Vec<Node>> {
    let Some(first) = command.first() else {
        return Some(Vec::new());
    };
    let program = |word: &Node| {
        let word = word.as_str().unwrap_or_default();
        let word = word.trim_start_matches(['@', '-', ':', '+', '!', '|']);
        word.rsplit('/').next().unwrap_or_default().to_owned()
    };
    let shell = matches!(&*program(first), "sh" | "bash" | "dash" | "ash");
    let script = shell.then(|| {
        command
            .iter()
            .skip_while(|word| word.as_str() != Some("-c"))
            .nth(1)
    });
    if let Some(script) = script.flatten() {
        let words = script.as_str().unwrap_or_default().split_whitespace();
        let words: Vec<Node> = words.map(|word| Node::string(script.span, word)).collect();
        return after_daemon(&words, program);
    }
    after_daemon(command, program)
}

fn after_daemon(command: &[Node], program: impl Fn(&Node) -> String) -> Option<Vec<Node>> {
    let index = command.iter().position(|word| {
        matches!(
            &*program(word),
            "dockerd" | "dockerd-current" | "dockerd-ce" | "dockerd-rootless.sh"
        )
    });
    let old = || {
        let docker = command.iter().position(|word| program(word) == "docker")?;
        let daemon = command.get(docker + 1)?.as_str()?;
        (daemon == "daemon").then_some(docker + 1)
    };
    let index = index.or_else(old)?;
    command.get(index + 1..).map(<[Node]>::to_vec)
}

pub(super) fn refuse(texts: &[Arc<Text>], at: Option<&Node>, message: &str, reading: &mut Reading) {
    let span = at.map_or(Span::default(), |node| node.span);
    let text = texts.get(span.text as usize);
    reading.faults.push(InputFault {
        position: text.map(|text| text.position(span.start as usize)),
        message: message.to_owned(),
    });
}

/// The first line of a text, which stands for what nobody wrote.
pub(super) fn first_line(text: &Text) -> Span {
    let end = text
        .content
        .find(['\n', '\r'])
        .unwrap_or(text.content.len());
    Span::new(0, end)
}

#[cfg(test)]
pub(super) mod tests;
