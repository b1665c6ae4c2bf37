//! `docker/Exec`, version `v1`: a command that is run in a container that runs.
//!
//! The fields are those of the body of `POST /containers/{id}/exec`; what exists already has its
//! `ID` and `ContainerID` as well, and does not tell its variables. `Cmd` is the whole command.
//!
//! Source: `ExecOptions` and `ExecInspect` in `api/types/container` of moby.

use crate::fields::{Doubled, Struct, canonical};
use crate::{Content, Kind, Node};

/// The kind of this shape.
pub const KIND: Kind = Kind::known("docker", "Exec");

/// The version of this shape.
pub const VERSION: &str = "v1";

/// The JSON Schema of what policies rely on in an exec.
pub const SCHEMA: &str = include_str!("../schema/docker-Exec.json");

/// Where the parts of an exec stand in what `GET /exec/{id}/json` answers: pointers into the
/// shape and into the answer; the first that fits counts.
pub const MOVES: &[(&str, &str)] = &[
    ("/User", "/ProcessConfig/user"),
    ("/Privileged", "/ProcessConfig/privileged"),
    ("/Tty", "/ProcessConfig/tty"),
    ("/Cmd", "/ProcessConfig"),
];

const BODY: Struct = Struct {
    plain: &[
        "User",
        "Privileged",
        "Tty",
        "ConsoleSize",
        "AttachStdin",
        "AttachStderr",
        "AttachStdout",
        "Detach",
        "DetachKeys",
        "Env",
        "WorkingDir",
        "Cmd",
        // Read by engines before 23.0.
        "Container",
    ],
    nested: &[],
};

/// The exec that a body of `POST /containers/{id}/exec` asks for. Fields get their canonical
/// spelling, and `doubled` those that have two.
#[must_use]
pub fn from_create(body: Node, doubled: &mut Vec<Doubled>) -> Node {
    canonical(body, &BODY, doubled)
}

/// The exec that `GET /exec/{id}/json` tells of.
#[must_use]
pub fn from_inspect(inspect: &Node) -> Node {
    const MADE: [&str; 5] = ["ProcessConfig", "User", "Privileged", "Tty", "Cmd"];
    let kept = inspect
        .entries()
        .iter()
        .filter(|entry| !MADE.contains(&entry.key.as_str()));
    let mut exec = Node {
        span: inspect.span,
        content: Content::Map(kept.cloned().collect()),
    };
    let Some(process) = inspect.get("ProcessConfig") else {
        return exec;
    };
    for (from, to) in [
        ("user", "User"),
        ("privileged", "Privileged"),
        ("tty", "Tty"),
    ] {
        if let Some(entry) = process.entry(from) {
            exec.set(to, entry.key_span, entry.value.clone());
        }
    }
    let first = process.get("entrypoint").into_iter();
    let rest = process.get("arguments").into_iter().flat_map(Node::items);
    let words: Vec<Node> = first
        .chain(rest)
        .filter(|word| matches!(word.content, Content::String(_)))
        .cloned()
        .collect();
    exec.set("Cmd", process.span, Node::list(process.span, words));
    exec
}
