//! References in constraints and on the command line, the lock, and bundles.

use super::{Desk, component};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, securityContext: {runAsUser: 0}}]}\n";

fn constraint(policy: &str) -> String {
    format!(
        "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: sample}}\nspec:\n  policy: '{policy}'\n"
    )
}

fn desk(policy: impl Fn(&Desk) -> String) -> Desk {
    let desk = Desk::with_policy();
    desk.write("pod.yaml", POD.as_bytes());
    desk.write("rules.yaml", constraint(&policy(&desk)).as_bytes());
    desk
}

const EVAL: [&str; 4] = ["eval", "pod.yaml", "-c", "rules.yaml"];

#[test]
fn a_reference_names_a_policy_wherever_one_is_named() {
    let desk = desk(Desk::policy);
    let run = desk.ask(&EVAL);
    assert_eq!(run.code, 1, "{run:?}");
    desk.forget();
    let run = desk.ask(&[
        "eval",
        "pod.yaml",
        "-p",
        &desk.policy(),
        "--only",
        "-o",
        "json",
    ]);
    assert_eq!(run.code, 1, "{run:?}");
    let listed = desk.does(&["policies", "-p", &desk.policy(), "--only"]);
    assert!(
        listed.contains("root-user") && listed.contains("@sha256:"),
        "{listed}"
    );
}

#[test]
fn a_reference_that_leads_nowhere_is_said_where_it_stands() {
    let desk = desk(|desk| desk.fake.reference("a/nothing:1.0.0"));
    let run = desk.ask(&EVAL);
    assert_eq!(run.code, 2, "{run:?}");
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(
        said.contains("rules.yaml:5") && said.contains("no tag 1.0.0"),
        "{said}"
    );
}

#[test]
fn a_file_beside_what_is_judged_reaches_no_registry() {
    let desk = desk(Desk::policy);
    desk.write("tree/pod.yaml", POD.as_bytes());
    desk.write(
        "tree/stridegate.yaml",
        constraint(&desk.policy()).as_bytes(),
    );
    let run = desk.ask(&["eval", "tree"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        format!("{}{}", run.stdout, run.stderr).contains("reaches no registry"),
        "{run:?}"
    );
    assert!(desk.fake.log().is_empty());
}

#[test]
fn what_is_locked_stays_what_it_is() {
    let desk = desk(|desk| desk.fake.reference("a/root-user#^0.1"));
    let locked = [&EVAL[..], &["--locked"]].concat();
    let refused = desk.ask(&locked);
    assert_eq!(refused.code, 2, "there is no lock yet: {refused:?}");
    desk.does(&["lock", "-c", "rules.yaml"]);
    let first = desk.digest();
    assert_eq!(desk.ask(&locked).code, 1);
    // Other bytes under the same tag: the lock still gets the first.
    desk.does(&[
        "push",
        &desk.fake.reference("a/root-user"),
        "root-user",
        "--force",
        "--annotation",
        "a=b",
    ]);
    desk.forget();
    desk.fake.log();
    assert_eq!(desk.ask(&locked).code, 1);
    let asked = desk.fake.log();
    assert!(
        asked.iter().any(|request| request.path.ends_with(&first)),
        "{asked:?}"
    );
    assert!(
        !asked.iter().any(|request| request.path.ends_with("/0.1.0")),
        "{asked:?}"
    );
    let outdated = desk.does(&["outdated"]);
    assert!(outdated.contains("other bytes now"), "{outdated}");
    // What the lock does not hold is refused.
    desk.write("rules.yaml", constraint(&desk.policy()).as_bytes());
    let run = desk.ask(&locked);
    assert_eq!(run.code, 2);
    assert!(
        format!("{}{}", run.stdout, run.stderr).contains("is not in stridegate.lock"),
        "{run:?}"
    );
}

#[test]
fn an_update_says_what_it_changes() {
    let desk = desk(|desk| desk.fake.reference("a/root-user#*"));
    desk.does(&["lock", "-c", "rules.yaml"]);
    assert!(desk.does(&["update"]).contains("is up to date"));
    // Another policy of the same version is the largest change that there is.
    desk.does(&[
        "push",
        &desk.fake.reference("a/root-user"),
        &component("log-level"),
        "--force",
    ]);
    let said = desk.does(&["update", "--dry-run", "--against", "pod.yaml"]);
    for part in [
        "root-user becomes log-level",
        "rule not-info is new",
        "rule uid-zero is gone",
        "fails no more",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let lock = || std::fs::read(desk.path("stridegate.lock")).expect("it is there");
    let before = lock();
    desk.does(&["update"]);
    assert_ne!(lock(), before);
    assert!(desk.does(&["update"]).contains("is up to date"));
    desk.refuses(
        &["update", &desk.fake.reference("a/other#*")],
        "is not in stridegate.lock",
    );
}

#[test]
fn a_changed_signer_is_refused_by_the_lock() {
    let desk = desk(|desk| desk.fake.reference("a/root-user:0.1.0"));
    desk.write("password", b"hunter");
    desk.run(&["keygen", "a", "--password-file", "password"]);
    desk.does(&[
        "sign",
        &desk.policy(),
        "--key",
        "a.key",
        "--password-file",
        "password",
    ]);
    let trust = |rule: &str| {
        let text = format!(
            "apiVersion: stridegate.dev/v1\nkind: Trust\nspec: {{rules: [{{prefix: {}, {rule}}}]}}\n",
            desk.fake.address
        );
        desk.write("trust.yaml", text.as_bytes());
    };
    trust("keys: [a.pub]");
    desk.does(&["lock", "-c", "rules.yaml", "--trust", "trust.yaml"]);
    let locked = [&EVAL[..], &["--locked"]].concat();
    assert_eq!(
        desk.ask(&[&locked[..], &["--trust", "trust.yaml"]].concat())
            .code,
        1
    );
    trust("threshold: 0");
    for arguments in [
        &locked[..],
        &[&locked[..], &["--trust", "trust.yaml"]].concat(),
    ] {
        let run = desk.ask(arguments);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(
            format!("{}{}", run.stdout, run.stderr).contains("was signed by the key"),
            "{run:?}"
        );
    }
}

const MODEL: &str = "apiVersion: stridegate.dev/v1\nkind: ThreatModel\nmetadata: {name: sample}\nspec:\n  threats:\n    - {id: root, title: a container runs as root, platform: docker, category: elevation-of-privilege, policies: [root-user]}\n";

#[test]
fn a_bundle_holds_policies_with_their_constraints() {
    let desk = Desk::new();
    desk.write("pod.yaml", POD.as_bytes());
    desk.write("rules/a.yaml", constraint("root-user").as_bytes());
    desk.write("model.yaml", MODEL.as_bytes());
    let bundle = desk.fake.reference("sets/base");
    let push = [
        "push",
        &bundle,
        "root-user",
        &component("log-level"),
        "-c",
        "rules",
        "--threat-model",
        "model.yaml",
    ];
    desk.refuses(&push, "has no version of its own");
    let versioned = format!("{bundle}:1.4.2");
    let mut named = push;
    named[1] = &versioned;
    desk.does(&named);
    assert!(desk.does(&named).contains("(was there)"), "the same bytes");
    desk.forget();
    let run = desk.ask(&[
        "eval", "pod.yaml", "-c", &versioned, "-p", &versioned, "--only", "-o", "json",
    ]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("\"constraint\": \"sample\""), "{run:?}");
    let run = desk.ask(&["eval", "pod.yaml", "-c", &versioned]);
    assert_eq!(run.code, 1, "{run:?}");
    desk.does(&["pull", &versioned, "-d", "out"]);
    for file in [
        "root-user.wasm",
        "log-level.wasm",
        "constraints/a.yaml",
        "threat-model.yaml",
    ] {
        assert!(desk.path("out").join(file).is_file(), "{file}");
    }
    let inspected = desk.does(&["inspect", &versioned]);
    assert!(
        inspected.contains("application/vnd.stridegate.bundle.v1"),
        "{inspected}"
    );
    // It travels as one artifact.
    desk.does(&["copy", &versioned, &desk.fake.reference("mirror/base")]);
    desk.does(&["save", &versioned, "-o", "a.tar"]);
    desk.forget();
    desk.does(&["load", "a.tar"]);
    desk.does(&["pull", &versioned, "--offline"]);
    // What nobody could use is not pushed.
    desk.write("rules/a.yaml", constraint("root-usr").as_bytes());
    let other = format!("{bundle}:2.0.0");
    desk.refuses(
        &["push", &other, "root-user", "-c", "rules"],
        "did you mean root-user?",
    );
}
