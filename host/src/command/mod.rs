//! The verbs of the command line: one file each, arguments and what they set in motion.

#![allow(
    clippy::doc_markdown,
    reason = "what documents an argument is also its help, which knows no markup"
)]

#[cfg(all(target_os = "linux", feature = "cluster"))]
mod access;
#[cfg(feature = "gateway")]
mod certs;
#[cfg(feature = "registry")]
mod copy;
mod desk;
mod eval;
mod explain;
#[cfg(target_os = "linux")]
mod facts;
#[cfg(feature = "registry")]
mod inspect;
mod judge;
#[cfg(feature = "registry")]
mod keygen;
#[cfg(feature = "registry")]
mod load;
#[cfg(feature = "registry")]
mod lock;
#[cfg(feature = "registry")]
mod outdated;
mod output;
mod policies;
#[cfg(feature = "registry")]
mod pull;
#[cfg(feature = "registry")]
mod push;
#[cfg(feature = "registry")]
mod registry;
#[cfg(all(target_os = "linux", feature = "gateway"))]
mod replay;
#[cfg(feature = "registry")]
mod save;
#[cfg(target_os = "linux")]
mod scan;
#[cfg(all(target_os = "linux", feature = "gateway"))]
mod serve;
#[cfg(feature = "registry")]
mod sign;
#[cfg(feature = "registry")]
mod tags;
mod threats;
#[cfg(feature = "registry")]
mod update;
#[cfg(feature = "registry")]
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::catalog::{Bundled, Catalog};
use crate::object::Position;
use crate::report::plain;
use crate::review::{Decision, ErrorKind, ReviewError};
#[cfg(any(feature = "registry", all(target_os = "linux", feature = "gateway")))]
use desk::ConstraintPaths;
#[cfg(all(target_os = "linux", feature = "gateway"))]
use desk::PolicyPaths;
use desk::{ConstraintArgs, Desk, Loaded, PolicyArgs};

/// Judges Docker and Kubernetes objects with the mitigations of a STRIDE threat model.
#[derive(Debug, Parser)]
#[command(name = "stridegate", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 clean, 1 findings that deny, 2 the job could not be done.";

#[derive(Debug, Subcommand)]
enum Verb {
    Eval(eval::Eval),
    Policies(policies::Policies),
    Explain(explain::Explain),
    Threats(threats::Threats),
    #[cfg(target_os = "linux")]
    Facts(facts::Facts),
    #[cfg(feature = "registry")]
    Push(push::Push),
    #[cfg(feature = "registry")]
    Pull(pull::Pull),
    #[cfg(feature = "registry")]
    Tags(tags::Tags),
    #[cfg(feature = "registry")]
    Inspect(inspect::Inspect),
    #[cfg(feature = "registry")]
    Copy(copy::Copy),
    #[cfg(feature = "registry")]
    Save(save::Save),
    #[cfg(feature = "registry")]
    Load(load::Load),
    #[cfg(feature = "registry")]
    Keygen(keygen::Keygen),
    #[cfg(feature = "registry")]
    Sign(sign::Sign),
    #[cfg(feature = "registry")]
    Verify(verify::Verify),
    #[cfg(feature = "registry")]
    Lock(lock::Lock),
    #[cfg(feature = "registry")]
    Outdated(outdated::Outdated),
    #[cfg(feature = "registry")]
    Update(update::Update),
    #[cfg(target_os = "linux")]
    Scan(scan::Scan),
    #[cfg(feature = "gateway")]
    Certs(certs::Certs),
    #[cfg(all(target_os = "linux", feature = "gateway"))]
    Serve(serve::Serve),
    #[cfg(all(target_os = "linux", feature = "gateway"))]
    Replay(replay::Replay),
}

/// Runs the program with its arguments and the policies that are part of it.
#[must_use]
pub fn run(pack: &[Bundled]) -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Eval(verb) => verb.run(pack),
        Verb::Policies(verb) => verb.run(pack),
        Verb::Explain(verb) => verb.run(pack),
        Verb::Threats(verb) => verb.run(pack),
        #[cfg(target_os = "linux")]
        Verb::Facts(_) => facts::Facts::run(),
        #[cfg(feature = "registry")]
        Verb::Push(verb) => verb.run(pack),
        #[cfg(feature = "registry")]
        Verb::Pull(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Tags(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Inspect(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Copy(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Save(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Load(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Keygen(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Sign(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Verify(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Lock(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Outdated(verb) => verb.run(),
        #[cfg(feature = "registry")]
        Verb::Update(verb) => verb.run(pack),
        #[cfg(target_os = "linux")]
        Verb::Scan(verb) => verb.run(pack),
        #[cfg(feature = "gateway")]
        Verb::Certs(verb) => verb.run(),
        #[cfg(all(target_os = "linux", feature = "gateway"))]
        Verb::Serve(verb) => verb.run(pack),
        #[cfg(all(target_os = "linux", feature = "gateway"))]
        Verb::Replay(verb) => verb.run(pack),
    };
    match result {
        Ok(Decision::Clean) => ExitCode::SUCCESS,
        Ok(Decision::Denied) => ExitCode::from(1),
        Ok(Decision::Failed) => ExitCode::from(2),
        // Whoever reads the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// The table of policies in the README: what `stridegate policies -o markdown` writes.
#[must_use]
pub fn policy_table(catalog: &Catalog) -> String {
    policies::markdown(catalog)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.into_iter()
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Writes a line for the user beside the output.
fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(anstream::stderr(), "{}", plain(line));
}

/// Says what went wrong, with its place.
fn say_error(error: &ReviewError) {
    let file = error.file.clone().unwrap_or_default();
    let place = match error.position {
        Some(position) => format!("{file}:{}:{}", position.line, position.column),
        None => file,
    };
    let parts = [
        Some(place),
        error.policy.clone(),
        Some(error.message.clone()),
    ];
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    say(&format!("error: {}", parts.collect::<Vec<_>>().join(": ")));
}

fn input_error(file: String, position: Option<Position>, message: String) -> ReviewError {
    ReviewError {
        file: Some(file),
        position,
        policy: None,
        constraint: None,
        object: None,
        kind: ErrorKind::Input,
        enforcement: None,
        message,
    }
}
