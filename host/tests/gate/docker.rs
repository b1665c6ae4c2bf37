//! What the plugin says of requests.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use serde_json::json;

use super::{CONSTRAINTS, Gate, IMAGE, command, create, recorded};

#[test]
fn an_engine_finds_the_plugin() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let (status, body) = gate.post("/Plugin.Activate", "");
    assert_eq!((status, body), (200, json!({"Implements": ["authz"]})));
    let mode = std::fs::metadata(gate.path("plugin.sock"))
        .expect("the socket is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let (status, body) = gate.post("/AuthZPlugin.AuthZRes", "{}");
    assert_eq!((status, &body["Allow"]), (200, &json!(true)));
    assert_eq!(gate.post("/VolumeDriver.Create", "{}").0, 404);
}

#[test]
fn a_denial_says_in_one_line_what_and_why_and_what_instead() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let (allowed, message) = gate.asks(
        "POST",
        "/v1.51/containers/create?name=web",
        Some(&create("0")),
    );
    assert!(!allowed);
    for part in ["root-user/uid-zero: ", "(constraint no-root)", "Instead: "] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains('\n'), "{message}");
    let (allowed, message) = gate.asks(
        "POST",
        "/v1.51/containers/create?name=web",
        Some(&create("1000")),
    );
    assert!(allowed && message.is_empty(), "{message}");
}

#[test]
fn reads_are_allowed_and_unknown_writes_are_not() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    for uri in ["/_ping", "/v1.51/containers/json?all=1", "/v9.9/anything"] {
        assert!(gate.asks("GET", uri, None).0, "{uri}");
    }
    for (method, uri) in [
        ("POST", "/v1.51/anything"),
        ("PATCH", "/containers/a"),
        ("GET", "/containers/a/attach/ws"),
    ] {
        let (allowed, message) = gate.asks(method, uri, None);
        // What is typed through a websocket is a write, but one that is known.
        assert_eq!(allowed, uri.ends_with("/ws"), "{message}");
    }
}

#[test]
fn what_an_image_says_is_asked_of_the_engine_once() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let (allowed, message) = gate.asks("POST", "/containers/create", Some(&create("")));
    assert!(
        !allowed && message.contains("root-user/no-user"),
        "{message}"
    );
    let inspect = recorded("docker-engine/28.5/image-imported.json");
    let with_user = inspect.replace("\"User\": \"\"", "\"User\": \"1000\"");
    assert_ne!(inspect, with_user, "the recording has a User");
    gate.engine.show("/images/bb:imported/json", &with_user);
    assert!(gate.asks("POST", "/containers/create", Some(&create(""))).0);
    let history = format!("/images/{IMAGE}/history");
    let asked = gate.engine.asked();
    assert_eq!(
        asked.iter().filter(|path| **path == history).count(),
        1,
        "{asked:?}"
    );
    assert_eq!(
        asked
            .iter()
            .filter(|path| *path == "/images/bb:imported/json")
            .count(),
        2,
        "{asked:?}"
    );
}

/// A client pulls an image when it hears that the engine has not got it.
#[test]
fn an_image_that_is_not_there_yet_is_no_reason_to_deny() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let body = json!({"Image": "new:1", "HostConfig": {}});
    assert!(gate.asks("POST", "/containers/create", Some(&body)).0);
    let body = json!({"Image": "new:1", "User": "0", "HostConfig": {}});
    assert!(!gate.asks("POST", "/containers/create", Some(&body)).0);
    // Whoever wins the race against the pull is judged when the container starts.
    let inspect = recorded("docker-engine/28.5/container-c2.json");
    gate.engine.show("/containers/c2/json", &inspect);
    gate.engine.show(
        &format!("/images/{IMAGE}/json"),
        &recorded("docker-engine/28.5/image-imported.json"),
    );
    let (allowed, message) = gate.asks("POST", "/v1.51/containers/c2/start", None);
    assert!(!allowed && message.contains("root-user"), "{message}");
}

#[test]
fn what_exists_is_judged_as_it_will_be() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let (allowed, message) = gate.asks("POST", "/v1.51/containers/gone/start", None);
    assert!(
        !allowed && message.contains("No such container: gone"),
        "{message}"
    );
    let inspect = recorded("docker-engine/28.5/container-c2.json")
        .replace("\"User\": \"\"", "\"User\": \"7:7\"");
    gate.engine.show("/containers/c2/json", &inspect);
    for uri in [
        "/v1.51/containers/c2/start",
        "/v1.51/containers/c2/restart?t=1",
    ] {
        assert!(gate.asks("POST", uri, None).0, "{uri}");
    }
    let update = json!({"Memory": 134_217_728, "RestartPolicy": {"Name": ""}});
    assert!(
        gate.asks("POST", "/v1.51/containers/c2/update", Some(&update))
            .0
    );
    let doubled = json!({"Memory": 1, "memory": 0});
    let (allowed, message) = gate.asks("POST", "/v1.51/containers/c2/update", Some(&doubled));
    assert!(!allowed && message.contains("two spellings"), "{message}");
}

#[test]
fn buildkit_follows_the_setting() {
    for (setting, expected) in [("allow", true), ("deny", false)] {
        let gate = Gate::start(CONSTRAINTS, &["--buildkit", setting]);
        for uri in ["/session", "/grpc"] {
            assert_eq!(gate.asks("POST", uri, None).0, expected, "{uri}");
        }
        assert!(
            gate.program
                .heard
                .iter()
                .any(|line| line.contains(&format!("--buildkit {setting}"))),
            "{:?}",
            gate.program.heard
        );
    }
}

#[test]
fn a_dry_run_allows_and_records() {
    let gate = Gate::start(CONSTRAINTS, &["--dryrun"]);
    let (allowed, message) =
        gate.asks("POST", "/containers/create?name=web", Some(&create("root")));
    assert!(allowed && message.is_empty(), "{message}");
    assert!(gate.asks("POST", "/grpc", None).0);
    let decisions = gate.decisions();
    assert!(
        decisions
            .iter()
            .all(|decision| decision["decision"] == "deny" && decision["dryrun"] == true),
        "{decisions:?}"
    );
    assert_eq!(decisions[0]["object"]["name"], "web");
}

#[test]
fn the_log_is_evidence_without_secrets() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let mut body = create("0");
    body["Env"] = json!(["DB_PASSWORD=hunter22hunter22", "MODE=fast"]);
    let mut call: serde_json::Value = serde_json::from_str(&super::call(
        "POST",
        "/v1.51/containers/create?name=web",
        Some(&body),
    ))
    .expect("it is JSON");
    call["User"] = "alice".into();
    call["UserAuthNMethod"] = "TLS".into();
    assert!(!gate.authorize(&call.to_string()).0);
    assert!(
        gate.asks(
            "POST",
            "/build?t=a&buildargs=%7B%22TOKEN%22%3A%22hunter22hunter22%22%7D",
            None
        )
        .0
    );
    assert!(gate.asks("GET", "/info", None).0);
    let log = std::fs::read_to_string(gate.path("decisions.jsonl")).expect("there is a log");
    assert!(!log.contains("hunter22hunter22"), "{log}");
    let decisions = gate.decisions();
    let (first, build, read) = (&decisions[0], &decisions[1], &decisions[2]);
    assert_eq!(
        (&first["user"], &first["endpoint"]),
        (&json!("alice"), &json!("container.create"))
    );
    assert_eq!(first["object"]["name"], "web");
    assert_eq!(first["decision"], "deny");
    assert!(
        first["microseconds"].as_u64().is_some_and(|time| time > 0) && first["time"].is_string()
    );
    let asked = first["evaluationMicroseconds"].as_u64();
    assert!(asked > Some(0) && asked <= first["microseconds"].as_u64());
    assert_eq!(read["evaluationMicroseconds"], 0);
    let rules: Vec<&str> = first["checks"]
        .as_array()
        .expect("there are checks")
        .iter()
        .filter_map(|check| check["rule"].as_str())
        .collect();
    assert!(
        rules.contains(&"uid-zero") && rules.contains(&"secret-name"),
        "{rules:?}"
    );
    assert_eq!(
        first["objects"][0]["document"]["Config"]["Env"][1],
        "MODE=fast"
    );
    assert_eq!(
        build["objects"][0]["document"]["query"]["buildargs"],
        json!(["*"])
    );
    assert_eq!(
        (&read["endpoint"], &read["decision"]),
        (&json!("system.info"), &json!("allow"))
    );
    let mode = std::os::unix::fs::MetadataExt::mode(
        &std::fs::metadata(gate.path("decisions.jsonl")).expect("there is a log"),
    );
    assert_eq!(mode & 0o777, 0o600);
    // The plugin's own questions are no decisions.
    assert_eq!(decisions.len(), 3);
}

#[test]
fn a_replay_says_what_other_constraints_would_change() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    for user in ["0", "1000"] {
        gate.asks(
            "POST",
            &format!("/containers/create?name=u{user}"),
            Some(&create(user)),
        );
    }
    std::fs::create_dir(gate.path("new")).expect("the folder can be written");
    let replay = |constraints: &str| {
        std::fs::write(gate.path("new/new.yaml"), constraints).expect("the folder can be written");
        let run = command(gate.folder.path())
            .args(["replay", "decisions.jsonl", "-c", "new"])
            .output();
        let run = run.expect("the program can be started");
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        (run.status.code(), text(run.stdout), text(run.stderr))
    };
    let (code, stdout, stderr) = replay(CONSTRAINTS);
    assert_eq!((code, &*stdout), (Some(0), ""), "{stderr}");
    assert!(stderr.contains("2 decisions: 0 would change"), "{stderr}");
    let exception = "
apiVersion: stridegate.dev/v1
kind: Exception
metadata: {name: legacy}
spec: {policy: root-user, match: {name: u0}, expires: 2999-01-01, reason: it is a test}
";
    let (code, stdout, stderr) = replay(&format!("{CONSTRAINTS}---{exception}"));
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(
        stdout.contains("container.create Container u0: deny -> allow")
            && stdout.lines().count() == 1,
        "{stdout}"
    );
    let run = command(gate.folder.path())
        .args(["replay", "decisions.jsonl", "-c", "new", "-o", "json"])
        .output();
    let changed: serde_json::Value =
        serde_json::from_slice(&run.expect("the program can be started").stdout)
            .expect("one line of JSON");
    assert_eq!(
        (&changed["decision"], &changed["replayed"]),
        (&json!("deny"), &json!("allow"))
    );
    assert_eq!(changed["object"]["name"], "u0");
    let (code, _, stderr) = replay("kind: Nothing");
    assert_eq!(code, Some(2), "{stderr}");
}

#[test]
fn prometheus_is_told() {
    let gate = Gate::start(CONSTRAINTS, &["--metrics", "127.0.0.1:0"]);
    let line = gate
        .program
        .heard
        .iter()
        .find_map(|line| line.split_once("http://"))
        .map(|(_, rest)| rest.to_owned());
    let line = line.unwrap_or_else(|| panic!("it does not say where: {:?}", gate.program.heard));
    let address = line
        .split('/')
        .next()
        .expect("a line has a part")
        .to_owned();
    gate.asks("POST", "/containers/create", Some(&create("0")));
    let mut stream = std::net::TcpStream::connect(address).expect("the metrics are served");
    let text = {
        use std::io::{Read, Write};
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        text
    };
    for part in [
        "stridegate_decisions_total{gate=\"docker\",endpoint=\"container.create\",decision=\"deny\"} 1",
        "rule=\"uid-zero\"",
        "stridegate_decision_seconds_count{gate=\"docker\"} 1",
        "stridegate_evaluation_seconds_count{gate=\"docker\",policy=\"root-user\"} 1",
        "stridegate_constraints{gate=\"docker\"} 2",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

/// Without being told to, it listens nowhere else than on its socket.
#[test]
fn nobody_is_told_metrics_who_was_not_asked_for() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(std::fs::read_to_string);
    let on_tcp: String = tables.into_iter().filter_map(Result::ok).collect();
    let open = std::fs::read_dir(format!("/proc/{}/fd", gate.program.child.id()));
    for file in open.expect("it is our child").filter_map(Result::ok) {
        let link = std::fs::read_link(file.path()).unwrap_or_default();
        let link = link.to_string_lossy();
        let socket = link
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'));
        let is_tcp =
            socket.is_some_and(|inode| on_tcp.split_whitespace().any(|word| word == inode));
        assert!(!is_tcp, "it has a socket of TCP");
    }
}

#[test]
fn without_constraints_it_does_not_start() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let run = |arguments: &[&str]| {
        let run = command(folder.path())
            .args(["serve", "docker", "--socket", "p.sock"])
            .args(arguments)
            .output();
        let run = run.expect("the program can be started");
        (
            run.status.code(),
            String::from_utf8(run.stderr).expect("the program writes UTF-8"),
        )
    };
    assert_eq!(run(&[]).0, Some(2));
    std::fs::write(folder.path().join("empty.yaml"), "").expect("the folder can be written");
    let (code, said) = run(&["-c", "empty.yaml"]);
    assert!(
        code == Some(2) && said.contains("there are no constraints"),
        "{said}"
    );
    std::fs::write(
        folder.path().join("bad.yaml"),
        CONSTRAINTS.replace("root-user", "root-usre"),
    )
    .expect("the folder can be written");
    let (code, said) = run(&["-c", "bad.yaml"]);
    assert!(
        code == Some(2) && said.contains("bad.yaml:5:") && said.contains("did you mean root-user?"),
        "{said}"
    );
    let (code, said) = run(&["-c", "gone"]);
    assert!(code == Some(2) && said.contains("gone"), "{said}");
}

#[test]
fn a_socket_that_nobody_serves_is_replaced_and_no_other() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    drop(UnixListener::bind(folder.path().join("plugin.sock")).expect("the folder can be written"));
    std::fs::create_dir(folder.path().join("constraints")).expect("the folder can be written");
    std::fs::write(folder.path().join("constraints/gate.yaml"), CONSTRAINTS)
        .expect("the folder can be written");
    let gate = Gate::start_in(folder, &[]);
    let run = command(gate.folder.path())
        .args([
            "serve",
            "docker",
            "-c",
            "constraints",
            "--socket",
            "plugin.sock",
            "--log",
            "other",
        ])
        .output();
    let run = run.expect("the program can be started");
    let said = String::from_utf8(run.stderr).expect("the program writes UTF-8");
    assert!(
        run.status.code() == Some(2) && said.contains("is served already"),
        "{said}"
    );
    assert!(gate.asks("GET", "/info", None).0);
}

/// What is shipped warns, and locks nobody out.
#[test]
fn the_shipped_constraints_allow_and_find() {
    let shipped =
        std::fs::read_to_string(super::root().join("host/deploy/docker/constraints/docker.yaml"));
    let gate = Gate::start(
        &shipped.expect("it is part of the project"),
        &["--buildkit", "allow"],
    );
    for (method, uri, body) in [
        ("POST", "/v1.51/containers/create", Some(create("0"))),
        ("POST", "/commit?container=a&repo=b", None),
        ("POST", "/session", None),
        (
            "POST",
            "/containers/a/exec",
            Some(json!({"Privileged": true, "Cmd": ["id"]})),
        ),
    ] {
        let (allowed, message) = gate.asks(method, uri, body.as_ref());
        assert!(allowed, "{uri}: {message}");
    }
    let warned = |index: usize| {
        gate.decisions()[index]["warnings"]
            .as_array()
            .is_some_and(|warnings| !warnings.is_empty())
    };
    assert!(
        warned(0) && warned(1) && warned(3),
        "{:#?}",
        gate.decisions()
    );
}
