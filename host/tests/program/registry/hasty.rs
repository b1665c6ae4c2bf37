//! What a user in a hurry mistypes, and what he sees while he waits.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use super::fake::reply;
use super::{Desk, component};

#[test]
fn a_mistyped_tag_policy_or_repository_is_recognized() {
    let desk = Desk::with_policy();
    let of = |rest: &str| desk.fake.reference(rest);
    let repository = "did you mean oci://127.0.0.1";
    for (arguments, part) in [
        (
            vec!["pull", &of("a/root-user:0.1.O")],
            "did you mean 0.1.0?",
        ),
        (
            vec!["inspect", &of("a/root-user:v0.1.0")],
            "did you mean 0.1.0?",
        ),
        (vec!["pull", &of("a/root-usr:0.1.0")], repository),
        (vec!["pull", &of("a/root-usr#^0.1")], repository),
        (vec!["tags", &of("a/rot-user")], repository),
        (vec!["lock", &of("a/root-usre#^0.1")], repository),
        (
            vec!["push", &of("a/b"), "root-usr"],
            "did you mean root-user?",
        ),
        (
            vec!["push", &of("a/b"), "./nothing.wasm"],
            "is no file and no policy",
        ),
    ] {
        desk.refuses(&arguments, part);
    }
    // Nothing is guessed where nothing is near, or where the registry does not tell.
    let said = desk.refuses(&["tags", &of("other/thing")], "is no repository");
    assert!(!said.contains("did you mean"), "{said}");
    desk.fake
        .misbehave(|request| (request.path == "/v2/_catalog").then(|| reply(401, b"")));
    let said = desk.refuses(&["tags", &of("a/rot-user")], "is no repository");
    assert!(!said.contains("did you mean"), "{said}");
    desk.fake.behave();
    desk.does(&["pull", &of("a/root-user:0.1.0")]);
    desk.refuses(
        &["pull", &of("a/root-user:0.1.O"), "--offline"],
        "did you mean 0.1.0?",
    );
    // What was pulled stays, whatever becomes of its tag.
    desk.fake.remove("a/root-user", "0.1.0");
    desk.refuses(&["pull", &of("a/root-user:0.1.0")], "there is no tag 0.1.0");
    desk.does(&["pull", &of("a/root-user:0.1.0"), "--offline"]);
}

#[test]
fn what_a_verb_cannot_use_of_a_reference_is_refused() {
    let desk = Desk::with_policy();
    let digest = desk.digest();
    for (to, part) in [
        ("b/c#^1".to_owned(), "a copy goes to a tag"),
        (format!("b/c@{digest}"), "a copy goes to a tag"),
    ] {
        desk.refuses(&["copy", &desk.policy(), &desk.fake.reference(&to)], part);
    }
    let required = desk.fake.reference("a/root-user#^0.1");
    let copied = desk.does(&["copy", &required, &desk.fake.reference("b/c")]);
    assert!(copied.contains("b/c:0.1.0@"), "{copied}");
    for tagged in ["a/root-user:0.1", "a/root-user#^0.1"] {
        let said = desk.refuses(&["tags", &desk.fake.reference(tagged)], "all tags");
        let remedy = format!("ask for {};", desk.fake.reference("a/root-user"));
        assert!(said.contains(&remedy.replace(';', ",")), "{said}");
    }
    let to = desk.fake.reference("b/d#^1");
    desk.refuses(&["push", &to, "root-user"], "is pushed to a tag");
}

#[test]
fn a_broken_lock_is_named_with_its_line() {
    let desk = Desk::with_policy();
    let required = desk.fake.reference("a/root-user#^0.1");
    desk.does(&["lock", &required]);
    let good = std::fs::read_to_string(desk.path("stridegate.lock")).expect("it was written");
    let merged = good.replacen(
        "    {\n",
        "<<<<<<< HEAD\n    {\n=======\n    {\n>>>>>>> other\n",
        1,
    );
    let entry = good
        .split_once("[\n")
        .and_then(|(_, rest)| rest.split_once("\n  ]"))
        .expect("it has one entry")
        .0;
    let twice = good.replace(entry, &format!("{entry},\n{entry}"));
    for (text, line, part) in [
        (String::new(), 1, "is empty"),
        ("\n \n".into(), 1, "is empty"),
        (merged, 4, "both sides of a merge"),
        (
            good.replace("\"version\": 1", "\"version\": 9"),
            0,
            "has the format 9",
        ),
        (good.replacen("sha256:", "sha256", 1), 7, "is no digest"),
        (good.replacen("\"digest\"", "\"digset\"", 1), 7, "digset"),
        (
            good.replacen("oci://", "http://", 1),
            5,
            "begins with oci://",
        ),
        (good.replace("^0.1", "newest"), 5, "asks nothing"),
        (twice, 11, "is locked twice"),
        (good[..good.len() - 4].to_owned(), 10, "is no lock"),
    ] {
        desk.write("stridegate.lock", text.as_bytes());
        for verb in [&["lock", &required][..], &["update"], &["outdated"]] {
            let said = desk.refuses(verb, part);
            let place = format!("stridegate.lock: line {line}:");
            assert!(line == 0 || said.contains(&place), "{place} {said}");
        }
        let kept = std::fs::read_to_string(desk.path("stridegate.lock")).expect("it is there");
        assert_eq!(kept, text, "nothing is written over it");
    }
}

/// Runs a verb in a terminal; none where there is no program that makes one.
fn in_terminal(desk: &Desk, arguments: &[&str]) -> Option<String> {
    let has_script = Command::new("script").arg("--version").output().is_ok();
    if !has_script || cfg!(not(target_os = "linux")) {
        let why = "script is not installed, so that nothing was run in a terminal";
        let _ = writeln!(std::io::stderr(), "{why}");
        return None;
    }
    let inner = desk.command(arguments);
    let words: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &words.join(" "), "/dev/null"]);
    command.current_dir(desk.folder.path());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().expect("it can be started");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A registry with two policies, which takes its time over the first bytes.
fn slow() -> Desk {
    let desk = Desk::with_policy();
    let target = desk.fake.reference("a/log-level");
    desk.does(&["push", &target, &component("log-level")]);
    desk.forget();
    let mut waited = false;
    desk.fake.misbehave(move |request| {
        if request.path.contains("/blobs/") && !waited {
            waited = true;
            // Longer than a user is left without a word.
            std::thread::sleep(Duration::from_millis(1500));
        }
        None
    });
    desk
}

const CLEAR: &str = "\r\u{1b}[K";

#[test]
fn a_terminal_shows_how_far_downloads_have_come() {
    let desk = slow();
    let other = desk.fake.reference("a/log-level:0.1.0");
    let pull = ["pull", &desk.policy(), &other, "--store", "store"];
    let Some(shown) = in_terminal(&desk, &pull) else {
        return;
    };
    assert!(
        shown.contains(&format!("{CLEAR}0 of 2 artifacts pulled (")),
        "{shown:?}"
    );
    let (_, rest) = shown.rsplit_once(CLEAR).expect("it was shown");
    assert!(rest.starts_with("oci://"), "the line makes room: {shown:?}");
    // Into a file goes none of it.
    let desk = slow();
    let other = desk.fake.reference("a/log-level:0.1.0");
    let run = desk.ask(&["pull", &desk.policy(), &other]);
    assert_eq!((run.code, &run.stderr[..]), (0, ""), "{run:?}");
}

#[test]
fn the_progress_makes_room_for_an_error_too() {
    let desk = slow();
    let missing = desk.fake.reference("a/log-level:9.0.0");
    let pull = ["pull", &desk.policy(), &missing, "--store", "store"];
    let Some(shown) = in_terminal(&desk, &pull) else {
        return;
    };
    assert!(shown.contains("of 2 artifacts pulled ("), "{shown:?}");
    let (_, rest) = shown.rsplit_once(CLEAR).expect("it was shown");
    assert!(
        rest.contains("error: ") && !rest.contains("artifacts"),
        "{shown:?}"
    );
}
