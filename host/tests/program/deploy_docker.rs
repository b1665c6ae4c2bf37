//! The files that put the program at the gate of a Docker engine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::{folder, root, stridegate};

/// How exposed the unit may be, in tenths of the points of `systemd-analyze security`.
const EXPOSURE: &str = "10";

fn docker() -> PathBuf {
    root().join("host/deploy/docker")
}

fn text(name: &str) -> String {
    fs::read_to_string(docker().join(name)).expect("the file is there")
}

/// The values of a setting of a unit, in their order.
fn settings<'a>(unit: &'a str, name: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn the_unit_starts_a_gate_before_its_engine() {
    let unit = text("stridegate.service");
    assert_eq!(settings(&unit, "Type"), ["notify"]);
    assert_eq!(settings(&unit, "Before"), ["docker.service"]);
    assert_eq!(settings(&unit, "Restart"), ["always"]);
    assert_eq!(settings(&unit, "StartLimitIntervalSec"), ["0"]);
    let drop_in = text("docker.service.d/stridegate.conf");
    assert_eq!(settings(&drop_in, "After"), ["stridegate.service"]);
    // Were it required, the engine would be stopped with its gate.
    assert_eq!(settings(&drop_in, "Wants"), ["stridegate.service"]);
    assert_eq!(settings(&drop_in, "StartLimitIntervalSec"), ["0"]);
    let daemon: Value = serde_json::from_str(&text("daemon.json")).expect("it is JSON");
    assert_eq!(
        daemon["authorization-plugins"],
        serde_json::json!(["stridegate"])
    );
}

/// What the unit starts takes these arguments, and the constraints that are shipped.
#[test]
fn the_unit_starts_the_program_as_it_is() {
    let unit = text("stridegate.service");
    let [start] = settings(&unit, "ExecStart")[..] else {
        panic!("one command starts it");
    };
    let mut words = start.split_whitespace();
    assert_eq!(words.next(), Some("/usr/local/bin/stridegate"));
    let folder = folder(&[("empty/none.txt", "")]);
    let arguments = words.map(|word| match word {
        "/etc/stridegate/docker" => "empty",
        word => word,
    });
    let run = stridegate(folder.path())
        .args(arguments)
        .output()
        .expect("the program can be started");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{said}");
    let why = "holds no YAML or JSON file with constraints";
    assert!(said.contains(why), "{said}");
}

#[test]
fn the_shipped_constraints_begin_with_warnings() {
    let shipped = text("constraints/docker.yaml");
    let constraints = shipped.matches("kind: Constraint").count();
    assert!(constraints > 5);
    assert_eq!(
        shipped.matches("enforcementAction: warn").count(),
        constraints
    );
}

/// What systemd itself says of the units, where it is installed.
#[test]
fn systemd_has_nothing_against_the_units() {
    let is_there = Command::new("systemd-analyze").arg("--version").output();
    if is_there.is_err() {
        return;
    }
    let unit = text("stridegate.service").replace(
        "/usr/local/bin/stridegate",
        env!("CARGO_BIN_EXE_stridegate"),
    );
    let drop_in = text("docker.service.d/stridegate.conf");
    let folder = folder(&[
        ("stridegate.service", &unit),
        (
            "docker.service",
            "[Service]\nType=notify\nExecStart=/bin/true\n",
        ),
        ("docker.service.d/stridegate.conf", &drop_in),
    ]);
    let analyze = |arguments: &[&str]| {
        let run = Command::new("systemd-analyze")
            .current_dir(folder.path())
            .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()))
            .args(arguments)
            .output()
            .expect("it is there");
        let said = [run.stdout, run.stderr].concat();
        (
            run.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let (good, said) = analyze(&["verify", "./stridegate.service", "./docker.service"]);
    assert!(good && !said.contains("stridegate"), "{said}");
    let threshold = format!("--threshold={EXPOSURE}");
    let (good, said) = analyze(&[
        "security",
        "--offline=yes",
        &threshold,
        "./stridegate.service",
    ]);
    assert!(good, "{said}");
}
