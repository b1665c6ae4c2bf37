//! What is pushed can be pulled, listed, copied, saved and loaded, and is always the same.

use serde_json::Value;

use super::fake::{Reply, with};
use super::{Desk, component, files, make_executable};

#[test]
fn the_same_policy_is_the_same_artifact() {
    let desk = Desk::new();
    let (first, second) = (desk.fake.reference("a/x"), desk.fake.reference("b/y"));
    let digest = |text: &str| text.split_once('@').expect("it has a digest").1.to_owned();
    let one = desk.does(&["push", &first, &component("root-user")]);
    let two = desk.does(&["push", &second, "root-user"]);
    assert_eq!(digest(&one), digest(&two));
    let again = desk.does(&["push", &first, &component("root-user")]);
    assert!(again.contains("(was there)"), "{again}");
}

#[test]
fn what_was_pushed_is_pulled_and_used_without_the_registry() {
    let desk = Desk::with_policy();
    let pulled = desk.does(&["pull", &desk.policy(), "-d", "out"]);
    assert_eq!(
        pulled.trim(),
        format!("{}@{}", desk.policy(), desk.digest())
    );
    let bytes = std::fs::read(desk.path("out/root-user.wasm")).expect("it was written");
    assert_eq!(
        bytes,
        std::fs::read(component("root-user")).expect("it is there")
    );
    desk.fake.log();
    desk.does(&["pull", &desk.policy(), "--offline"]);
    let exact = desk
        .fake
        .reference(&format!("a/root-user@{}", desk.digest()));
    desk.does(&["pull", &exact]);
    assert_eq!(
        desk.fake.log().len(),
        0,
        "what is kept by its digest is not asked for"
    );
    desk.refuses(
        &[
            "pull",
            &desk.fake.reference("a/root-user:9.0.0"),
            "--offline",
        ],
        "was pulled",
    );
}

#[test]
fn a_version_is_overwritten_only_by_force() {
    let desk = Desk::new();
    let target = desk.fake.reference("a/b");
    desk.does(&["push", &target, "root-user"]);
    let other = ["push", &target, "root-user", "--annotation", "a=b"];
    desk.refuses(&other, "--force");
    desk.does(&[&other[..], &["--force"]].concat());
    let named = desk.fake.reference("a/b:9.9.9");
    desk.refuses(&["push", &named, "root-user"], "is the version 0.1.0");
    let moving = desk.fake.reference("a/b:edge");
    desk.does(&["push", &moving, "root-user"]);
    desk.does(&["push", &moving, "root-user", "--annotation", "c=d"]);
}

#[test]
fn a_version_moves_the_shorter_tags_when_asked() {
    let desk = Desk::new();
    let target = desk.fake.reference("a/b");
    let pushed = desk.does(&["push", &target, "root-user", "--moving"]);
    assert!(pushed.contains("moved 0.1 and 0"), "{pushed}");
    assert_eq!(desk.does(&["tags", &target]), "0.1.0\n0\n0.1\n");
    desk.fake.log();
    let edge = desk.fake.reference("a/other:edge");
    desk.refuses(&["push", &edge, "root-user", "--moving"], "edge is none");
    let writes = desk.fake.log().into_iter();
    assert_eq!(writes.filter(|one| one.method != "GET").count(), 0);
    let json = desk.does(&["inspect", &format!("{target}:0.1"), "-o", "json"]);
    let value: Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(
        value["annotations"]["org.opencontainers.image.version"],
        "0.1.0"
    );
    assert_eq!(
        value["annotations"]["org.opencontainers.image.title"],
        "root-user"
    );
    assert_eq!(value["type"], "application/vnd.wasm.config.v0+json");
    assert_eq!(
        value["component"]["exports"][0],
        "stridegate:policy/mitigation@0.1.0"
    );
    assert_eq!(value["component"]["imports"], serde_json::json!([]));
    assert_eq!(value["layers"][0]["mediaType"], "application/wasm");
}

#[test]
fn a_requirement_takes_the_highest_version_that_meets_it() {
    let desk = Desk::with_policy();
    let required = desk.fake.reference("a/root-user#^0.1");
    let pulled = desk.does(&["pull", &required]);
    assert!(pulled.contains(":0.1.0@sha256:"), "{pulled}");
    desk.does(&["pull", &required, "--offline"]);
    desk.refuses(
        &["pull", &desk.fake.reference("a/root-user#^2")],
        "meets ^2",
    );
    desk.refuses(
        &["pull", &desk.fake.reference("a/root-user")],
        "names no version",
    );
    desk.refuses(
        &["pull", &desk.fake.reference("a/root-user:0.2.0")],
        "there is no tag 0.2.0",
    );
}

#[test]
fn a_list_of_tags_is_read_to_its_end() {
    let desk = Desk::with_policy();
    desk.fake
        .misbehave(|request| match (&request.path[..], &request.query[..]) {
            ("/v2/a/root-user/tags/list", "last=0.1.0") => None,
            ("/v2/a/root-user/tags/list", _) => Some(with(
                200,
                &[(
                    "Link",
                    "</v2/a/root-user/tags/list?last=0.1.0>; rel=\"next\"",
                )],
                br#"{"tags":["0.0.9"]}"#,
            )),
            _ => None,
        });
    let tags = desk.does(&["tags", &desk.fake.reference("a/root-user")]);
    assert_eq!(tags, "0.1.0\n0.0.9\n");
}

#[test]
fn an_artifact_is_copied_as_it_is() {
    let desk = Desk::with_policy();
    let to = desk.fake.reference("mirror/root-user");
    let copied = desk.does(&["copy", &desk.policy(), &to, "--moving"]);
    assert!(copied.contains(&desk.digest()), "{copied}");
    assert_eq!(desk.does(&["tags", &to]), "0.1.0\n0\n0.1\n");
    let exact = desk
        .fake
        .reference(&format!("a/root-user@{}", desk.digest()));
    desk.refuses(&["copy", &exact, &to], "copied to a tag");
    desk.does(&["copy", &exact, &format!("{to}:edge")]);
}

#[test]
fn what_was_saved_is_loaded_elsewhere_and_pushed() {
    let desk = Desk::with_policy();
    desk.does(&["save", &desk.policy(), "-o", "a.tar"]);
    desk.does(&["save", &desk.policy(), "-o", "b.tar"]);
    let read = |name: &str| std::fs::read(desk.path(name)).expect("it was written");
    assert_eq!(
        read("a.tar"),
        read("b.tar"),
        "the same artifacts are the same bytes"
    );
    let other = Desk::new();
    other.write("a.tar", &read("a.tar"));
    let loaded = other.does(&["load", "a.tar"]);
    assert!(loaded.contains(&desk.digest()), "{loaded}");
    other.does(&["pull", &desk.policy(), "--offline", "-d", "out"]);
    let mirror = other.fake.reference("mirror");
    other.does(&["load", "a.tar", "--to", &mirror]);
    other.forget();
    other.does(&["pull", &other.fake.reference("mirror/a/root-user:0.1.0")]);
}

#[test]
fn an_archive_that_was_changed_is_refused_whole() {
    let desk = Desk::with_policy();
    desk.does(&["save", &desk.policy(), "-o", "a.tar"]);
    let good = std::fs::read(desk.path("a.tar")).expect("it was written");
    let start = good
        .windows(4)
        .position(|bytes| bytes == b"\0asm")
        .expect("it has a component");
    let mut changed = good.clone();
    changed[start + 100] ^= 1;
    desk.write("changed.tar", &changed);
    desk.write("short.tar", &good[..good.len() / 2]);
    desk.write("none.tar", &b"root:hunter:0:0".repeat(99));
    let other = Desk::new();
    for (file, part) in [
        ("changed.tar", "with other bytes"),
        ("short.tar", "cut short"),
        ("none.tar", "cut short"),
    ] {
        let file = desk.path(file);
        let file = file.to_str().expect("the path is UTF-8");
        let said = other.refuses(&["load", file], part);
        assert!(!said.contains("hunter"), "{said}");
        other.refuses(&["pull", &desk.policy(), "--offline"], "was pulled");
    }
}

#[test]
fn several_are_pulled_at_once_and_one_that_fails_hides_no_other() {
    let desk = Desk::with_policy();
    let missing = desk.fake.reference("a/nothing:1.0.0");
    let run = desk.ask(&["pull", &missing, &desk.policy()]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stdout.contains(&desk.digest()), "{run:?}");
    assert!(run.stderr.contains("a/nothing:1.0.0"), "{run:?}");
}

/// What a shell makes of a limit on the size of files is what a full disk or the end of a process
/// makes of a write: it stops in its middle.
#[test]
fn a_write_that_stops_in_its_middle_leaves_nothing() {
    let desk = Desk::with_policy();
    let pull = |limit: &str| {
        let script = format!("{limit}; exec \"$0\" \"$@\"");
        let mut command = std::process::Command::new("sh");
        let inner = desk.command(&["pull", &desk.policy(), "--store", "store"]);
        command.arg("-c").arg(script).arg(inner.get_program());
        command
            .args(inner.get_args())
            .current_dir(desk.folder.path());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.output().expect("a shell can be started")
    };
    // The disk is full: said, and nothing half-written is left.
    let full = pull("trap '' XFSZ; ulimit -f 16");
    let said = String::from_utf8_lossy(&full.stderr);
    assert!(said.contains("--store"), "{full:?}");
    assert_eq!(full.status.code(), Some(2));
    assert_eq!(files(&desk.path("store/drafts")), 0);
    // The process ends in the middle of a write: what it leaves is not taken for the whole.
    let killed = pull("ulimit -c 0; ulimit -f 16");
    assert_eq!(killed.status.code(), None, "{killed:?}");
    assert_eq!(files(&desk.path("store/drafts")), 1);
    desk.refuses(&["pull", &desk.policy(), "--offline"], "was pulled");
    desk.does(&["pull", &desk.policy()]);
    desk.does(&["pull", &desk.policy(), "--offline"]);
}

#[test]
fn several_processes_share_a_store() {
    let desk = Desk::with_policy();
    let children: Vec<_> = (0..6)
        .map(|_| {
            let mut command = desk.command(&["pull", &desk.policy(), "--store", "store"]);
            command.spawn().expect("the program can be started")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    assert_eq!(files(&desk.path("store/drafts")), 0);
    desk.does(&["pull", &desk.policy(), "--offline"]);
}

#[test]
fn an_upload_goes_where_the_registry_says_without_the_login() {
    let desk = Desk::new();
    let elsewhere = Desk::new();
    let login = r#"{"auths":{"ADDRESS":{"auth":"bmFtZTpodW50ZXI="}}}"#;
    let login = login.replace("ADDRESS", &desk.fake.address);
    desk.write("docker/config.json", login.as_bytes());
    let location = format!("http://{}/upload/1?state=x", elsewhere.fake.address);
    desk.fake.misbehave(move |request| {
        if !request.headers.contains_key("authorization") && request.path != "/v2/" {
            return Some(with(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], b""));
        }
        let begins = request.path.ends_with("/blobs/uploads/");
        begins.then(|| with(202, &[("Location", &location)], b""))
    });
    desk.does(&["push", &desk.fake.reference("a/b"), "root-user"]);
    let log = elsewhere.fake.log();
    assert_eq!(
        log.iter().filter(|request| request.method == "PUT").count(),
        2
    );
    assert!(
        log.iter()
            .all(|request| !request.headers.contains_key("authorization")),
        "{log:?}"
    );
}

#[test]
fn a_bearer_token_is_got_for_what_is_needed() {
    let desk = Desk::new();
    let realm = format!(
        "Bearer realm=\"http://{}/token\",service=\"s\"",
        desk.fake.address
    );
    desk.fake.misbehave(move |request| match &request.path[..] {
        "/token" => Some(with(200, &[], br#"{"token":"open"}"#)),
        "/v2/" => None,
        _ => match request.headers.get("authorization").map(String::as_str) {
            Some("Bearer open") => None,
            _ => Some(with(401, &[("WWW-Authenticate", &realm)], b"")),
        },
    });
    desk.does(&["push", &desk.fake.reference("a/b"), "root-user"]);
    let log = desk.fake.log();
    let tokens: Vec<&str> = log
        .iter()
        .filter(|request| request.path == "/token")
        .map(|request| request.query.as_str())
        .collect();
    assert!(
        tokens
            .iter()
            .any(|query| query.contains("pull%2Cpush") && query.contains("service=s"))
    );
    assert!(
        tokens.len() <= 2,
        "one to read and one to write: {tokens:?}"
    );
}

#[test]
fn a_login_comes_from_a_helper_of_docker() {
    let desk = Desk::with_policy();
    let config = r#"{"credHelpers":{"ADDRESS":"sample"}}"#.replace("ADDRESS", &desk.fake.address);
    desk.write("docker/config.json", config.as_bytes());
    desk.write(
        "bin/docker-credential-sample",
        b"#!/bin/sh\ncat >/dev/null\necho '{\"Username\":\"name\",\"Secret\":\"hunter\"}'\n",
    );
    make_executable(&desk, "bin/docker-credential-sample");
    desk.fake.misbehave(|request| {
        let login = request.headers.get("authorization").map(String::as_str);
        (login != Some("Basic bmFtZTpodW50ZXI=") && request.path != "/v2/")
            .then(|| with(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], b""))
    });
    let path = format!("{}:/usr/bin:/bin", desk.path("bin").display());
    let mut command = desk.command(&["pull", &desk.policy(), "--store", "store"]);
    let output = command
        .env("PATH", &path)
        .output()
        .expect("it can be started");
    assert!(output.status.success(), "{output:?}");
    // A helper that fails is named, and what it printed is not.
    desk.write(
        "bin/docker-credential-sample",
        b"#!/bin/sh\ncat >/dev/null\necho hunter >&2; exit 1\n",
    );
    desk.forget();
    let mut command = desk.command(&["pull", &desk.policy(), "--store", "store"]);
    let output = command
        .env("PATH", &path)
        .output()
        .expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("credential helper"), "{said}");
    assert!(!said.contains("hunter"), "{said}");
}

#[test]
fn a_registry_that_cannot_answer_at_the_moment_is_asked_again() {
    let desk = Desk::with_policy();
    let mut left = 4;
    desk.fake.misbehave(move |request| {
        if left == 0 || request.path == "/v2/" {
            return None;
        }
        left -= 1;
        let status = [429, 503, 500][left % 3];
        // One breaks off in its middle.
        Some(if left % 4 == 3 {
            Reply::Cut(100, b"{".to_vec())
        } else {
            with(status, &[("Retry-After", "0")], b"later")
        })
    });
    desk.does(&["pull", &desk.policy()]);
}
