//! The sessions that the README shows.

/// A command, and what the README shows of its output.
pub(crate) struct Session {
    pub(crate) command: String,
    pub(crate) shown: String,
}

/// The sessions in a text, in its order.
pub(crate) fn sessions(text: &str) -> Vec<Session> {
    let consoles = text
        .split("```console\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"));
    let sessions = consoles.flat_map(|(console, _)| console.split("$ ").skip(1));
    sessions
        .map(|session| {
            let (command, shown) = session.split_once('\n').unwrap_or((session, ""));
            Session {
                command: command.to_owned(),
                shown: shown.trim_end().to_owned(),
            }
        })
        .collect()
}

/// Checks that a command prints what is shown of it: all of it, and between what is shown anything
/// where `[...]` stands.
pub(crate) fn check(command: &str, shown: &str, real: &str) {
    let mut rest = real.trim_end();
    let parts = shown.split("[...]");
    // A table begins with blanks.
    let mut parts = parts
        .map(|part| part.trim_start_matches('\n').trim_end())
        .peekable();
    let mut is_first = true;
    while let Some(part) = parts.next() {
        let found = match (is_first, parts.peek().is_none()) {
            (true, true) => (rest == part).then_some(rest.len()),
            (true, false) => rest.starts_with(part).then_some(part.len()),
            (false, true) => rest.ends_with(part).then_some(rest.len()),
            (false, false) => rest.find(part).map(|at| at + part.len()),
        };
        let end = found.unwrap_or_else(|| {
            panic!("{command} does not print:\n{part}\nin its place, but:\n{real}")
        });
        rest = &rest[end..];
        is_first = false;
    }
}
