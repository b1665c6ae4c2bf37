//! Measures two things beside each other and prints the ratio: machines differ, and so do the
//! minutes of one machine, but not what one thing costs in terms of another.

#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use saphyr_parser::Parser;
use stridegate::engine::{Engine, Limits, contract, digest};
use stridegate::source::yaml;
use stridegate_policy::{Object, Policy, shapes::pod};
use tempfile::TempDir;

fn main() {
    println!(
        "{:<58} {:>12} {:>12} {:>7} {:>5}",
        "", "this", "that", "ratio", "aim"
    );
    sandbox();
    startup();
    for files in [100, 1_000, 10_000] {
        folder(files);
    }
}

/// A fresh instance for one Pod, against the same rule as a native function.
fn sandbox() {
    let component =
        fs::read(root().join("target/policies/root-user.wasm")).expect("make policies has run");
    let engine = Engine::new(1, Limits::default()).expect("the machine can run components");
    let code = engine
        .code(&component, &digest(&component), None)
        .expect("the policy is sound");
    let document = yaml::read(&manifest("web")).documents.remove(0);
    let document = serde_json::to_string(&document).expect("a tree is JSON");
    let native = Object::at_rest(pod::KIND, "web", &document);
    let passed = contract::Object {
        kind: contract::Kind {
            group: String::new(),
            name: "Pod".into(),
        },
        version: "v1".into(),
        name: "web".into(),
        namespace: String::new(),
        document: document.clone(),
        context: "{}".into(),
        request: None,
    };
    let calls = 2_000;
    compare(
        &format!(
            "one evaluation of a Pod of {} bytes: sandbox / native",
            document.len()
        ),
        21,
        calls,
        3.0,
        || {
            for _ in 0..calls {
                black_box(code.evaluate(&engine, black_box(&passed), "{}"))
                    .expect("the policy answers")
                    .expect("the Pod is sound");
            }
        },
        || {
            for _ in 0..calls {
                black_box(root_user::RootUser::judge(black_box(&native), "{}"))
                    .expect("the Pod is sound");
            }
        },
    );
}

/// The whole program for one Dockerfile, with a warm cache, against the smallest program.
fn startup() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let file = folder.path().join("Dockerfile");
    fs::write(&file, "FROM debian:12\nUSER 1000\n").expect("the folder can be written");
    let run = |mut command: Command| {
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("the program can be started");
    };
    let eval = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stridegate"));
        command.arg("eval").arg(&file);
        run(command);
    };
    compare(
        "the program for one Dockerfile: eval / true",
        101,
        1,
        15.0,
        eval,
        || run(Command::new("true")),
    );
}

/// The whole program for a folder of Pods, against parsing the same files and nothing else, both
/// with as many threads as the machine has.
fn folder(files: usize) {
    let (folder, paths) = pods(files);
    let eval = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stridegate"));
        command
            .arg("eval")
            .arg(folder.path())
            .args(["-o", "json"])
            .stdout(Stdio::null());
        command.status().expect("the program can be started");
    };
    let parse = || {
        use rayon::prelude::*;
        let events: usize = paths.par_iter().map(|path| events(path)).sum();
        assert!(events > files, "the files were not parsed");
    };
    let rounds = if files > 1_000 { 5 } else { 11 };
    compare(
        &format!("{files} Pods in files: eval / parse"),
        rounds,
        files,
        20.0,
        eval,
        parse,
    );
}

fn events(path: &Path) -> usize {
    let text = fs::read_to_string(path).expect("the file was just written");
    Parser::new_from_str(&text).flatten().count()
}

fn pods(files: usize) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let paths = (0..files).map(|number| {
        let path = folder.path().join(format!("pod-{number}.yaml"));
        fs::write(&path, manifest(&format!("web-{number}"))).expect("the folder can be written");
        path
    });
    let paths = paths.collect();
    (folder, paths)
}

/// A Pod of about 4 KB with three containers, as a cluster has them, that no rule refuses.
fn manifest(name: &str) -> String {
    let container = |name: &str| {
        let env = (0..16).fold(String::new(), |mut env, n| {
            let _ = writeln!(
                env,
                "    - name: SETTING_{n}\n      value: \"value number {n}\""
            );
            env
        });
        format!(
            "  - name: {name}\n    image: registry.example.com/team/{name}:1.27.4\n    args: [--listen, \"0.0.0.0:8080\"]\n    env:\n{env}    \
             ports:\n    - {{containerPort: 8080, name: http}}\n    resources:\n      limits: {{cpu: 500m, memory: 256Mi}}\n      \
             requests: {{cpu: 100m, memory: 128Mi}}\n    securityContext:\n      allowPrivilegeEscalation: false\n      \
             capabilities: {{drop: [ALL]}}\n      readOnlyRootFilesystem: true\n"
        )
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: shop\n  labels:\n    app.kubernetes.io/name: {name}\n    \
         app.kubernetes.io/part-of: shop\nspec:\n  securityContext:\n    runAsNonRoot: true\n    runAsUser: 10001\n    \
         seccompProfile: {{type: RuntimeDefault}}\n  containers:\n{}{}{}",
        container("web"),
        container("cache"),
        container("metrics")
    )
}

/// Runs two things in turn, and prints the median time of each for one unit of work, and the
/// median of the ratios.
fn compare(
    what: &str,
    rounds: usize,
    units: usize,
    aim: f64,
    mut this: impl FnMut(),
    mut that: impl FnMut(),
) {
    this();
    that();
    let times: Vec<(Duration, Duration)> = (0..rounds)
        .map(|_| (time(&mut this), time(&mut that)))
        .collect();
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    let this = median(times.iter().map(|(this, _)| this.as_secs_f64()).collect());
    let that = median(times.iter().map(|(_, that)| that.as_secs_f64()).collect());
    let ratio = median(
        times
            .iter()
            .map(|(this, that)| this.as_secs_f64() / that.as_secs_f64())
            .collect(),
    );
    let micros = |seconds: f64| format!("{:.1} µs", seconds * 1e6 / f64::from(units));
    println!(
        "{what:<58} {:>12} {:>12} {ratio:>7.2} {aim:>5}",
        micros(this),
        micros(that)
    );
}

fn time(work: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the host lies in the workspace")
        .to_owned()
}
