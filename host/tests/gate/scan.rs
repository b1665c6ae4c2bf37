//! What a running engine holds, as the engine of the recordings tells it.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Engine, IMAGE, command, recorded};

/// Containers of the recordings.
const C2: &str = "eb352ffde12ee7f54d21e0fb130368b09050ddb7f035d0a8550a017e08a0c687";
const PRIVILEGED: &str = "289aef33b056969cf2b40b53a7f2d0059c957421e3e3a88614691666523b552c";

/// An image of the recordings.
const BUILT: &str = "sha256:2eb04c710201a5fe6b14ddfe30b643719e94cc532056e08a7380a16bc93f7cc4";

/// The engine of the recordings: of what it lists, two containers and two images are still there.
fn engine() -> (TempDir, Engine) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let engine = Engine::serve(folder.path(), None);
    for (path, file) in [
        ("/version", "version"),
        ("/containers/json?all=1", "containers"),
        ("/images/json", "images"),
        ("/networks", "networks"),
        ("/volumes", "volumes"),
        (&format!("/containers/{C2}/json"), "container-c2"),
        (
            &format!("/containers/{PRIVILEGED}/json"),
            "container-privileged",
        ),
        (&format!("/images/{IMAGE}/json"), "image-imported"),
        (&format!("/images/{IMAGE}/history"), "history-imported"),
        (&format!("/images/{BUILT}/json"), "image-built"),
        (&format!("/images/{BUILT}/history"), "history-built"),
    ] {
        engine.show(path, &recorded(&format!("docker-engine/28.5/{file}.json")));
    }
    // It runs on a host that this one is not, whatever this one is called.
    engine.show(
        "/info",
        &info(|info| info["Name"] = "elsewhere.invalid".into()),
    );
    (folder, engine)
}

/// What the engine of the recordings says of itself, with a change.
fn info(change: impl FnOnce(&mut Value)) -> String {
    let info = recorded("docker-engine/28.5/info.json");
    let mut info = serde_json::from_str(&info).expect("a recording is JSON");
    change(&mut info);
    info.to_string()
}

/// Scans, and returns the exit code, the report and what was said.
fn scan(folder: &TempDir, arguments: &[&str]) -> (i32, Value, String) {
    let socket = format!("unix://{}", folder.path().join("engine.sock").display());
    let output = command(folder.path())
        .args(["scan", "docker", "-o", "json"])
        .env("DOCKER_HOST", socket)
        .args(arguments)
        .output()
        .expect("the program can be started");
    let said = String::from_utf8(output.stderr).expect("the program writes UTF-8");
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let code = output.status.code().expect("the program was not killed");
    (code, report, said)
}

/// The files in which a rule does not hold.
fn found<'a>(report: &'a Value, rule: &str) -> Vec<&'a str> {
    let results = report["results"].as_array().expect("a report has results");
    results
        .iter()
        .filter(|result| result["rule"] == rule && result["outcome"] == "fail")
        .map(|result| result["file"].as_str().expect("a result has a file"))
        .collect()
}

#[test]
fn what_the_engine_holds_is_judged_by_its_names() {
    let (folder, _engine) = engine();
    let (code, report, said) = scan(&folder, &[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["summary"]["errors"], 0, "{report:#}");
    // Two containers, two images, four networks, three volumes: what else is listed has vanished.
    assert_eq!(report["summary"]["files"], 11, "{report:#}");
    let no_limit = found(&report, "no-limit");
    assert!(no_limit.contains(&"container/privileged"), "{no_limit:?}");
    assert!(
        found(&report, "no-user").contains(&"container/privileged"),
        "the image of the container is known: {report:#}"
    );
    assert!(said.contains("are not judged: the engine behind"), "{said}");
}

/// A limit of all the memory that the host has is none: how much that is, only the engine says.
#[test]
fn the_memory_of_the_host_is_known() {
    let (folder, engine) = engine();
    let inspect = recorded("docker-engine/28.5/container-privileged.json");
    let mut inspect: Value = serde_json::from_str(&inspect).expect("a recording is JSON");
    inspect["HostConfig"]["Memory"] = json!(1_u64 << 50);
    engine.show(
        &format!("/containers/{PRIVILEGED}/json"),
        &inspect.to_string(),
    );
    let (_, report, _) = scan(&folder, &[]);
    let too_large = found(&report, "limit-too-large");
    assert_eq!(too_large, ["container/privileged"], "{report:#}");
}

#[test]
fn an_engine_that_dies_leaves_what_was_judged() {
    let (folder, engine) = engine();
    engine.dies_at(&format!("/containers/{C2}/json"));
    let (code, report, _) = scan(&folder, &[]);
    assert_eq!(code, 2, "{report:#}");
    let errors = report["errors"].as_array().expect("there are errors");
    assert_eq!(errors.len(), 1, "{errors:?}");
    let message = errors[0]["message"].as_str().expect("it says what");
    assert!(
        message.contains("does not answer any more: container/c2 and"),
        "{message}"
    );
    assert!(
        found(&report, "no-user").contains(&"image/bb:imported"),
        "{report:#}"
    );
    let asked = engine.asked();
    assert!(!asked.iter().any(|path| path == "/volumes"), "{asked:?}");
}

#[test]
fn an_engine_that_is_not_there_is_an_error() {
    let (folder, _engine) = engine();
    let (code, report, said) = scan(&folder, &["--host", "unix:///nowhere/docker.sock"]);
    assert_eq!((code, &report), (2, &Value::Null), "{said}");
    assert!(
        said.contains("unix:///nowhere/docker.sock cannot be asked for /info"),
        "{said}"
    );
}

#[test]
fn a_manager_shows_its_services() {
    let (folder, engine) = engine();
    engine.show(
        "/info",
        &info(|info| {
            info["Name"] = "elsewhere.invalid".into();
            info["Swarm"]["ControlAvailable"] = true.into();
        }),
    );
    let service = json!([{
        "ID": "s1", "Version": {"Index": 1}, "CreatedAt": "", "UpdatedAt": "",
        "Spec": {"Name": "web", "TaskTemplate": {"ContainerSpec": {"Image": "nginx:latest"}}},
    }]);
    let plugin = json!([{
        "ID": "s2", "Version": {"Index": 1}, "CreatedAt": "", "UpdatedAt": "",
        "Spec": {"Name": "files", "TaskTemplate": {"Runtime": "plugin", "PluginSpec": {"name": "files", "remote": "sshfs:latest"}}},
    }]);
    let path =
        |runtime: &str| format!("/services?filters=%7B%22runtime%22:%5B%22{runtime}%22%5D%7D");
    engine.show(&path("container"), &service.to_string());
    engine.show(&path("plugin"), &plugin.to_string());
    let (_, report, _) = scan(&folder, &[]);
    assert_eq!(
        found(&report, "latest"),
        ["service/web", "service/files"],
        "{report:#}"
    );
}

/// As many as a large host has; what disappears on the way is left out.
#[test]
fn thousands_of_containers_are_judged() {
    const ALL: usize = 2_000;
    let (folder, engine) = engine();
    let inspect = recorded("docker-engine/28.5/container-c2.json");
    let id = |number: usize| format!("{number:064x}");
    let list: Vec<Value> = (0..ALL)
        .map(|number| json!({"Id": id(number), "Names": [format!("/many-{number:04}")]}))
        .collect();
    engine.show("/containers/json?all=1", &json!(list).to_string());
    for number in (0..ALL).filter(|number| number % 10 != 0) {
        let inspect = inspect.replace("\"/c2\"", &format!("\"/many-{number:04}\""));
        engine.show(&format!("/containers/{}/json", id(number)), &inspect);
    }
    let (code, report, said) = scan(&folder, &[]);
    assert_eq!(
        (code, &report["summary"]["errors"]),
        (1, &json!(0)),
        "{said}"
    );
    // Two images, four networks and three volumes beside them.
    assert_eq!(report["summary"]["files"], ALL - ALL / 10 + 9);
    let results = report["results"].as_array().expect("a report has results");
    let judged = |file: &str| results.iter().any(|result| result["file"] == file);
    assert!(judged("container/many-1999") && !judged("container/many-0010"));
    assert!(
        !said.contains("judged ("),
        "only a terminal shows how far it has come: {said}"
    );
}
