//! Constraints change while the plugin serves.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use super::shared::Over;
use super::{CONSTRAINTS, Gate, create};

fn root_is_allowed(gate: &Gate) -> bool {
    gate.asks("POST", "/containers/create", Some(&create("0")))
        .0
}

fn warn() -> String {
    CONSTRAINTS.replace("enforcementAction: deny", "enforcementAction: warn")
}

#[test]
fn a_change_is_seen_and_a_signal_hurries_it() {
    let mut gate = Gate::start(CONSTRAINTS, &[]);
    assert!(!root_is_allowed(&gate));
    gate.constraints(&warn());
    gate.signal(Signal::HUP);
    gate.wait_for("are in force");
    assert!(root_is_allowed(&gate));
    gate.constraints(CONSTRAINTS);
    gate.wait_for("are in force");
    assert!(!root_is_allowed(&gate));
}

#[test]
fn a_bad_set_leaves_the_old_one_in_force() {
    let mut gate = Gate::start(CONSTRAINTS, &[]);
    for bad in [
        "",
        "kind: [",
        &CONSTRAINTS.replace("policy: root-user", "policy: no-such-policy"),
    ] {
        gate.constraints(bad);
        gate.signal(Signal::HUP);
        gate.wait_for("the old one stays in force");
        gate.wait_for("reload: ");
        assert!(!root_is_allowed(&gate), "{bad}");
    }
    gate.constraints(&warn());
    gate.signal(Signal::HUP);
    gate.wait_for("are in force");
    assert!(root_is_allowed(&gate));
}

/// A mounted Secret or `ConfigMap` is renewed by turning a link.
#[test]
fn a_turned_link_is_seen() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let mounted = folder.path().join("constraints");
    for (version, text) in [("one", CONSTRAINTS.to_owned()), ("two", warn())] {
        std::fs::create_dir_all(mounted.join(version)).expect("the folder can be written");
        std::fs::write(mounted.join(version).join("gate.yaml"), text)
            .expect("the folder can be written");
    }
    let link = |to: &str, from: &str| {
        std::os::unix::fs::symlink(to, mounted.join(from)).expect("the folder can be written");
    };
    link("one", "..data");
    link("..data/gate.yaml", "gate.yaml");
    let mut gate = Gate::start_in(folder, &[]);
    assert!(!root_is_allowed(&gate));
    std::os::unix::fs::symlink("two", gate.path("constraints/..new"))
        .expect("the folder can be written");
    std::fs::rename(
        gate.path("constraints/..new"),
        gate.path("constraints/..data"),
    )
    .expect("the folder can be written");
    gate.wait_for("are in force");
    assert!(root_is_allowed(&gate));
}

#[test]
fn no_request_is_lost_while_the_set_changes() {
    let mut gate = Gate::start(CONSTRAINTS, &[]);
    let done = AtomicBool::new(false);
    let denied = create("0");
    let calls = [
        super::call("POST", "/containers/create", Some(&create("1000"))),
        super::call("POST", "/containers/create", Some(&denied)),
    ];
    let socket = gate.path("plugin.sock");
    std::thread::scope(|scope| {
        let over = Over(&done);
        let askers: Vec<_> = (0..4)
            .map(|_| {
                let (calls, done, socket) = (&calls, &done, &socket);
                scope.spawn(move || {
                    let mut number = 0;
                    while !done.load(Ordering::Relaxed) {
                        use std::io::Write;
                        let mut stream = std::os::unix::net::UnixStream::connect(socket)
                            .expect("the plugin listens");
                        let text = super::request("/AuthZPlugin.AuthZReq", &calls[number % 2]);
                        stream.write_all(text.as_bytes()).expect("the plugin reads");
                        let (status, verdict) = super::answer(&mut stream);
                        // The stricter or the milder set may be in force, but the good one always passes.
                        assert_eq!(status, 200);
                        assert!(number % 2 == 1 || verdict["Allow"] == true, "{verdict}");
                        number += 1;
                    }
                    number
                })
            })
            .collect();
        for number in 0..6 {
            gate.constraints(if number % 2 == 0 { &WARN } else { CONSTRAINTS });
            gate.signal(Signal::HUP);
            gate.wait_for("are in force");
        }
        drop(over);
        let asked: usize = askers
            .into_iter()
            .map(|asker| asker.join().expect("nobody was let down"))
            .sum();
        assert!(asked > 0);
    });
}

static WARN: std::sync::LazyLock<String> = std::sync::LazyLock::new(warn);

#[test]
fn a_log_that_was_renamed_is_begun_anew_on_a_signal() {
    let mut gate = Gate::start(CONSTRAINTS, &[]);
    assert!(!root_is_allowed(&gate));
    std::fs::rename(gate.path("decisions.jsonl"), gate.path("old.jsonl"))
        .expect("the folder can be written");
    gate.signal(Signal::HUP);
    gate.wait_for("nothing has changed");
    assert!(!root_is_allowed(&gate));
    assert_eq!(gate.decisions().len(), 1);
}

/// A disk that is full locks nobody out, and leaves no half line.
#[test]
fn a_log_that_cannot_be_written_stops_nothing_and_stays_whole() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    std::fs::create_dir(folder.path().join("constraints")).expect("the folder can be written");
    std::fs::write(folder.path().join("constraints/gate.yaml"), CONSTRAINTS)
        .expect("the folder can be written");
    let mut program = std::process::Command::new("sh");
    program
        .current_dir(folder.path())
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_stridegate"));
    let mut gate = Gate::run(folder, program, &[]);
    // No file may become larger from now on, as if there were no more room.
    let limit = rustix::process::Rlimit {
        current: Some(4096),
        maximum: Some(4096),
    };
    let id = rustix::process::Pid::from_child(&gate.program.child);
    rustix::process::prlimit(Some(id), rustix::process::Resource::Fsize, limit)
        .expect("it is our child");
    let good = super::create("1000");
    for _ in 0..20 {
        assert!(!root_is_allowed(&gate));
        assert!(gate.asks("POST", "/containers/create", Some(&good)).0);
    }
    gate.wait_for("could not be written to the log");
    let whole = gate.decisions().len();
    assert!(0 < whole && whole < 40, "{whole}");
    // Somebody makes room.
    std::fs::remove_file(gate.path("decisions.jsonl")).expect("the folder can be written");
    gate.signal(Signal::HUP);
    gate.wait_for("nothing has changed");
    assert!(!root_is_allowed(&gate));
    assert_eq!(gate.decisions().len(), 1);
    gate.program.heard.clear();
}
