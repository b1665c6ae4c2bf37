//! A bundle is named wherever constraints, policies or a threat model are, and is locked as one.

use super::{Desk, component};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, securityContext: {runAsUser: 0}}]}\n";

fn constraint(policy: &str, action: &str) -> String {
    format!(
        "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: sample}}\nspec: {{policy: '{policy}', enforcementAction: {action}}}\n"
    )
}

/// A policy that is part of no program: root-user under a name as long.
fn other_policy(desk: &Desk) -> String {
    let (old, new) = (b"root-user", b"root-usex");
    let mut bytes = std::fs::read(component("root-user")).expect("it is there");
    let places: Vec<usize> = (0..bytes.len() - old.len())
        .filter(|at| &bytes[*at..*at + old.len()] == old)
        .collect();
    for at in places {
        bytes[at..at + new.len()].copy_from_slice(new);
    }
    desk.write("root-usex.wasm", &bytes);
    "root-usex.wasm".into()
}

fn model(policy: &str) -> String {
    format!(
        "apiVersion: stridegate.dev/v1\nkind: ThreatModel\nmetadata: {{name: sample}}\nspec:\n  threats:\n    - {{id: sample-threat, title: a container runs as root, platform: kubernetes, category: elevation-of-privilege, policies: [{policy}]}}\n"
    )
}

/// A registry with a bundle of a policy that only it has, a constraint and a threat model.
fn desk() -> (Desk, String) {
    let desk = Desk::new();
    let bundle = desk.fake.reference("sets/base:1.0.0");
    desk.write("pod.yaml", POD.as_bytes());
    desk.write("rules/a.yaml", constraint("root-usex", "deny").as_bytes());
    desk.write("model.yaml", model("root-usex").as_bytes());
    let policy = other_policy(&desk);
    let push = ["push", &bundle, &policy, "-c", "rules"];
    desk.does(&[&push[..], &["--threat-model", "model.yaml"]].concat());
    desk.forget();
    (desk, bundle)
}

#[test]
fn every_verb_with_constraints_takes_a_bundle() {
    let (desk, bundle) = desk();
    let run = desk.ask(&["eval", "pod.yaml", "-c", &bundle]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("root-usex/uid-zero"), "{run:?}");
    let run = desk.ask(&["threats", "pod.yaml", "-c", &bundle]);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(!said.contains("there is no policy"), "{said}");
    // Neither has anything to say, but for the policy, which they find.
    desk.write("log.jsonl", b"");
    for verb in [&["scan", "node"][..], &["replay", "log.jsonl"]] {
        if cfg!(not(all(target_os = "linux", feature = "gateway"))) {
            continue;
        }
        desk.forget();
        desk.fake.log();
        let run = desk.ask(&[verb, &["-c", &bundle]].concat());
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(!said.contains("there is no policy"), "{verb:?}: {said}");
        assert!(!desk.fake.log().is_empty(), "{verb:?}");
        // And so does a policy that is named alone, and one that is not there.
        let none = desk.fake.reference("sets/base:9.9.9");
        let run = desk.ask(&[verb, &["-c", &none]].concat());
        let said = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(run.code, 2, "{verb:?}: {said}");
        assert!(said.contains("there is no tag 9.9.9"), "{verb:?}: {said}");
    }
}

#[test]
fn a_threat_model_is_taken_from_a_bundle() {
    let (desk, bundle) = desk();
    let run = desk.ask(&["threats", "pod.yaml", "-m", &bundle]);
    assert!(run.stdout.contains("sample-threat"), "{run:?}");
    assert!(run.stdout.contains("open: 1 finding"), "{run:?}");
    let run = desk.ask(&["threats", "-m", &bundle, "--offline"]);
    assert!(run.stdout.contains("sample-threat"), "{run:?}");
    for (reference, part) in [
        ("sets/base:2.0.0", "without a threat model"),
        ("sets/one:0.1.0", "is one policy, and no bundle"),
        ("sets/none:0.1.0", "is no repository"),
    ] {
        desk.ask(&[
            "push",
            &desk.fake.reference("sets/base:2.0.0"),
            "root-usex.wasm",
            "-c",
            "rules",
        ]);
        desk.ask(&["push", &desk.fake.reference("sets/one"), "root-user"]);
        let run = desk.ask(&["threats", "-m", &desk.fake.reference(reference)]);
        assert_eq!(run.code, 2, "{reference}: {run:?}");
        assert!(run.stderr.contains(part), "{reference}: {run:?}");
    }
}

#[test]
fn a_bundle_that_cannot_be_pulled_is_told_once() {
    let (desk, _) = desk();
    let none = desk.fake.reference("sets/base:9.9.9");
    for verb in [
        &["threats", "-m", &none][..],
        &["threats", "pod.yaml", "-m", &none],
        &["threats", "pod.yaml", "-c", &none],
        &["eval", "pod.yaml", "-c", &none],
        &["eval", "pod.yaml", "-p", &none],
    ] {
        let run = desk.ask(verb);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(run.code, 2, "{verb:?}: {said}");
        let once = |part: &str| said.matches(part).count() == 1;
        assert!(once("there is no tag") && once(&none), "{verb:?}: {said}");
    }
}

#[test]
fn a_broken_threat_model_is_not_pushed() {
    let (desk, _) = desk();
    let next = desk.fake.reference("sets/base:3.0.0");
    let push = ["push", &next, "log-level", "--threat-model", "model.yaml"];
    for (text, part) in [
        (model("root-usr"), "there is no policy"),
        (model("root-user/no-rule"), "has no rule"),
        (
            model("root-user").replace("kubernetes", "windows"),
            "platform",
        ),
        ("a: [".into(), "model.yaml:1"),
        (String::new(), "model.yaml"),
    ] {
        desk.write("model.yaml", text.as_bytes());
        desk.fake.log();
        desk.refuses(&push, part);
        assert!(desk.fake.log().is_empty(), "nothing of it was sent");
    }
    desk.write("model.yaml", model("root-user").as_bytes());
    desk.does(&push);
}

#[test]
fn a_bundle_is_locked_with_what_its_constraints_name() {
    let desk = Desk::with_policy();
    desk.write("pod.yaml", POD.as_bytes());
    let required = desk.fake.reference("a/root-user#^0.1");
    desk.write("rules/a.yaml", constraint(&required, "deny").as_bytes());
    let bundle = desk.fake.reference("sets/base:edge");
    desk.does(&["push", &bundle, "log-level", "-c", "rules"]);
    let locked = ["eval", "pod.yaml", "-c", &bundle, "--locked"];
    desk.does(&["lock", "-c", &bundle]);
    let lock = std::fs::read_to_string(desk.path("stridegate.lock")).expect("it was written");
    assert!(lock.contains(&required) && lock.contains(&bundle), "{lock}");
    assert_eq!(desk.ask(&locked).code, 1);
    // The tag moves; the lock does not, until it is updated.
    desk.write("rules/a.yaml", constraint(&required, "dryrun").as_bytes());
    desk.does(&[
        "push",
        &bundle,
        "log-level",
        "unlimited-memory",
        "-c",
        "rules",
    ]);
    desk.forget();
    assert_eq!(desk.ask(&locked).code, 1);
    assert!(desk.does(&["outdated"]).contains("other bytes now"));
    let update = ["update", "--against", "pod.yaml", "-c", &bundle];
    let said = desk.does(&update);
    for part in [
        "the policy unlimited-memory is new (0.1.0)",
        "the file constraints/a.yaml changes",
        "a/root-user#^0.1 is up to date",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(desk.ask(&locked).code, 0, "it is recorded only");
    let one = desk.fake.reference("a/root-user:0.1.0");
    desk.refuses(&["lock", "-c", &one], "no bundle with constraints");
}
