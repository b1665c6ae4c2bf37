//! Policies that break the contract, and files that are no policies.

use std::fs;

use stridegate::engine::{Engine, Limits};
use stridegate::policy::Policy;

use super::{Run, entries, folder, report, root, run, write};

/// What the policy does when it judges a Pod of that name, what kind of error that is, and a part
/// of what the user reads.
const BEHAVIOURS: [(&str, &str, &str); 13] = [
    ("loop", "timeout", "300 ms"),
    ("allocate", "memory", "64 MiB"),
    ("trap", "policy", "unreachable"),
    ("recurse", "policy", "crashed"),
    ("flood", "memory", "64 MiB"),
    ("many", "memory", "64 MiB"),
    ("skip", "policy", "does not answer its rule \"second\""),
    ("double", "policy", "\"first\" twice"),
    ("unlisted", "policy", "\"third\""),
    ("empty", "policy", "found nothing"),
    ("nowhere", "policy", "leads nowhere"),
    ("fix", "policy", "no JSON Patch"),
    ("refuse", "policy", "does not want to"),
];

#[test]
fn no_misbehaviour_is_a_pass() {
    let hostile = root().join("target/hostile/hostile.wasm");
    assert!(
        hostile.is_file(),
        "{} is missing: run make test",
        hostile.display()
    );
    let names = BEHAVIOURS.iter().map(|(name, _, _)| *name).chain(["well"]);
    let pods: Vec<String> = names
        .map(|name| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: a}}]}}\n"))
        .collect();
    let folder = folder(&[("pods.yaml", &pods.join("---\n"))]);
    let hostile = hostile.to_string_lossy();
    let (code, report) = report(
        folder.path(),
        &["eval", ".", "--only", "-p", &hostile, "--timeout", "300"],
    );
    assert_eq!(code, 2);
    let results = report["results"]
        .as_array()
        .expect("the report has results");
    assert!(
        results
            .iter()
            .all(|result| result["object"]["name"] == "well"),
        "{results:#?}"
    );
    assert_eq!(results.len(), 2, "the policy is not heard when it behaves");
    let errors = report["errors"].as_array().expect("the report has errors");
    for (name, kind, part) in BEHAVIOURS {
        let error = errors.iter().find(|error| error["object"]["name"] == name);
        let error = error.unwrap_or_else(|| panic!("{name} gave no error"));
        assert_eq!(error["kind"], kind, "{error:#}");
        assert_eq!(error["policy"], "hostile");
        let message = error["message"].as_str().expect("an error has a message");
        assert!(message.contains(part), "{name}: {message}");
    }
    assert_eq!(errors.len(), BEHAVIOURS.len());
}

const GOOD: (&str, &str) = ("Dockerfile", "FROM scratch\n");

/// Loads a file beside the bundled policies, and gives the error; the others judge all the same.
fn load(component: &[u8]) -> String {
    let folder = folder(&[GOOD]);
    write(folder.path(), "policy.wasm", component);
    let (code, report) = report(folder.path(), &["eval", ".", "-p", "policy.wasm"]);
    assert_eq!(code, 2);
    assert!(
        !entries(&report, "results", "policy", "root-user").is_empty(),
        "{report:#}"
    );
    let errors = report["errors"].as_array().expect("the report has errors");
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0]["file"], "policy.wasm");
    assert_eq!(errors[0]["kind"], "policy");
    errors[0]["message"]
        .as_str()
        .expect("an error has a message")
        .to_owned()
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the sample is well-formed")
}

#[test]
fn a_core_module() {
    let message = load(&component("(module)"));
    assert!(
        message.contains("core module") && message.contains("component"),
        "{message}"
    );
}

#[test]
fn a_component_with_imports() {
    let message = load(&component(
        r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance)))"#,
    ));
    assert!(
        message.contains("wasi:clocks/wall-clock@0.2.0"),
        "{message}"
    );
}

#[test]
fn another_version_of_the_interface() {
    let message = load(&component(
        r#"(component (instance $i) (export "stridegate:policy/mitigation@9.0.0" (instance $i)))"#,
    ));
    assert!(
        message.contains("9.0.0") && message.contains("0.1.0"),
        "{message}"
    );
}

#[test]
fn the_right_name_with_the_wrong_types() {
    let message = load(&component(
        r#"(component (instance $i) (export "stridegate:policy/mitigation@0.1.0" (instance $i)))"#,
    ));
    assert!(message.contains("types"), "{message}");
}

#[test]
fn no_policy_at_all() {
    assert!(load(&component("(component)")).contains("does not export"));
    assert!(load(b"#!/bin/sh\n").contains("not WebAssembly"));
    assert!(load(b"").contains("not WebAssembly"));
    let whole =
        fs::read(root().join("target/policies/root-user.wasm")).expect("the policies are built");
    assert!(load(&whole[..whole.len() / 2]).contains("not a valid component"));
}

#[test]
fn two_policies_of_one_name() {
    let folder = folder(&[GOOD]);
    let mut bytes =
        fs::read(root().join("target/policies/root-user.wasm")).expect("the policies are built");
    write(folder.path(), "a.wasm", &bytes);
    // A custom section without content changes the digest and nothing else.
    bytes.extend([0, 2, 1, b'x']);
    write(folder.path(), "b.wasm", &bytes);
    let Run { code, stdout, .. } = run(folder.path(), &["eval", ".", "-p", "."]);
    assert_eq!(code, 2);
    assert!(
        stdout.contains("b.wasm")
            && stdout.contains("a.wasm")
            && stdout.contains("load one of them"),
        "{stdout}"
    );
}

#[test]
fn more_calls_than_the_engine_makes_at_a_time_wait() {
    let engine = Engine::new(1, Limits::default()).expect("the machine can run components");
    let hostile = fs::read(root().join("target/hostile/hostile.wasm")).expect("make test built it");
    let policy = Policy::load(&engine, None, hostile.into(), "here").expect("it is a policy");
    let valid = || policy.validate(&engine, None, "{}") == Ok(Ok(()));
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..50).all(|_| valid())))
            .collect();
        for thread in asking {
            assert!(
                thread.join().expect("nothing panics"),
                "a call had no place"
            );
        }
    });
}
