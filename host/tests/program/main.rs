//! Runs the program as its users do.

#[cfg(all(target_os = "linux", feature = "gateway"))]
mod admission;
mod bad_input;
mod constraints;
mod deploy;
#[cfg(all(target_os = "linux", feature = "gateway"))]
mod deploy_docker;
mod eval;
mod hostile;
mod layers;
mod readme;
#[cfg(feature = "registry")]
mod registry;
mod threats;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the host lies in the workspace")
        .to_owned()
}

/// The program with a cache of its own, so that a test meets none of the user's.
fn stridegate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stridegate"));
    command
        .current_dir(folder)
        .env("XDG_CACHE_HOME", root().join("target/test-cache"))
        .stdin(Stdio::null());
    command
}

/// A folder with files in it.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    for (name, content) in files {
        write(folder.path(), name, content.as_bytes());
    }
    folder
}

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("the path has a folder"))
        .expect("the folder can be written");
    std::fs::write(path, content).expect("the folder can be written");
}

/// What a run of the program came to.
#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("the program was not killed"),
            stdout: String::from_utf8(output.stdout).expect("the program writes UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("the program writes UTF-8"),
        }
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Run {
    stridegate(folder)
        .args(arguments)
        .output()
        .expect("the program can be started")
        .into()
}

/// Runs the program with `-o json`, and reads its report.
fn report(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let run = run(folder, &[arguments, &["-o", "json"]].concat());
    let report =
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    (run.code, report)
}

/// The arguments that leave no policy but one, whatever others there are.
fn only(policy: &str) -> [String; 3] {
    let component = root().join(format!("target/policies/{policy}.wasm"));
    let path = component.to_string_lossy().into_owned();
    ["--only".into(), "--policy".into(), path]
}

/// Runs the program with `-o json` and one policy, and reads its report.
fn report_of(policy: &str, folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let only = only(policy);
    let only: Vec<&str> = only.iter().map(String::as_str).collect();
    report(folder, &[arguments, &only].concat())
}

/// The entries of a report's list in which a key has a value.
fn entries<'a>(report: &'a Value, list: &str, key: &str, value: &str) -> Vec<&'a Value> {
    let all = report[list].as_array().expect("the report has the list");
    all.iter().filter(|entry| entry[key] == value).collect()
}
