//! What applies to what, and what is excepted.

use serde_json::Value;

use super::{Run, entries, folder, report, report_of, root, run};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: billing, namespace: prod-eu, labels: {team: shop}}\n\
    spec:\n  containers:\n  - name: a\n  - name: b\n    securityContext: {runAsUser: 0}\n";

fn constraint(spec: &str) -> String {
    format!(
        "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: sample}}\nspec: {{{spec}}}\n"
    )
}

fn exception(spec: &str) -> String {
    format!(
        "apiVersion: stridegate.dev/v1\nkind: Exception\nmetadata: {{name: sample-exception}}\nspec: {{{spec}}}\n"
    )
}

/// Judges the Pod with a file of constraints.
fn judge(constraints: &str) -> (i32, Value) {
    let folder = folder(&[("tree/pod.yaml", POD), ("rules/a.yaml", constraints)]);
    report(folder.path(), &["eval", "tree", "-c", "rules"])
}

/// The same by the policy `root-user` alone.
fn judge_root_user(constraints: &str) -> (i32, Value) {
    let folder = folder(&[("tree/pod.yaml", POD), ("rules/a.yaml", constraints)]);
    report_of("root-user", folder.path(), &["eval", "tree", "-c", "rules"])
}

fn fails(report: &Value) -> usize {
    entries(report, "results", "outcome", "fail").len()
}

#[test]
fn only_what_is_named_applies() {
    let (code, report) = judge(&constraint("policy: root-user, rules: [uid-zero]"));
    assert_eq!((code, fails(&report)), (1, 1));
    let all = report["results"].as_array().unwrap();
    assert!(
        all.iter()
            .all(|result| result["constraint"] == "sample" && result["rule"] == "uid-zero"),
        "{all:#?}"
    );
}

#[test]
fn the_enforcement_decides_the_exit_code() {
    for (action, code) in [("deny", 1), ("warn", 0), ("dryrun", 0)] {
        let (exit, report) = judge(&constraint(&format!(
            "policy: root-user, enforcementAction: {action}"
        )));
        assert_eq!((exit, fails(&report)), (code, 2), "{action}");
        assert_eq!(
            entries(&report, "results", "outcome", "fail")[0]["enforcement"],
            action
        );
    }
}

#[test]
fn the_strictest_of_those_that_match_counts() {
    let warn = constraint("policy: root-user, enforcementAction: warn");
    let deny = constraint("policy: root-user, rules: [uid-zero], match: {namespaces: [prod-*]}")
        .replace("sample", "strict");
    let (code, report) = judge(&format!("{warn}---\n{deny}"));
    assert_eq!((code, fails(&report)), (1, 2), "a finding is reported once");
    let zero = &entries(&report, "results", "rule", "uid-zero")[0];
    assert_eq!(
        (&zero["constraint"], &zero["enforcement"]),
        (&"strict".into(), &"deny".into())
    );
    let none = &entries(&report, "results", "rule", "no-user")[0];
    assert_eq!(
        (&none["constraint"], &none["enforcement"]),
        (&"sample".into(), &"warn".into())
    );
}

#[test]
fn other_parameters_are_another_evaluation() {
    let lax = constraint("policy: hardcoded-secret, enforcementAction: warn");
    let own = constraint("policy: hardcoded-secret, parameters: {secretNames: [pin]}")
        .replace("sample", "own");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, env: [{name: DOOR_PIN, value: hq7Tz2}]}]}\n";
    let folder = folder(&[
        ("pod.yaml", pod),
        ("rules.yaml", &format!("{lax}---\n{own}")),
    ]);
    let (code, report) = report(folder.path(), &["eval", "pod.yaml", "-c", "rules.yaml"]);
    assert_eq!((code, fails(&report)), (1, 1), "{report:#}");
    assert_eq!(
        entries(&report, "results", "outcome", "fail")[0]["constraint"],
        "own"
    );
}

#[test]
fn a_match_that_does_not_fit_leaves_the_object_alone() {
    for (condition, applies) in [
        ("namespaces: [prod-*]", true),
        ("excludedNamespaces: [prod-*]", false),
        ("labelSelector: {matchLabels: {team: shop}}", true),
        (
            "labelSelector: {matchExpressions: [{key: team, operator: NotIn, values: [shop]}]}",
            false,
        ),
        ("name: bill*", true),
        ("name: web", false),
        ("kinds: [{apiGroups: [\"\"], kinds: [Pod]}]", true),
        ("kinds: [{apiGroups: [docker], kinds: [Dockerfile]}]", false),
        ("scope: Cluster", false),
        ("source: Original", true),
        ("source: Generated", false),
    ] {
        let (_, report) = judge(&constraint(&format!(
            "policy: root-user, match: {{{condition}}}"
        )));
        assert_eq!(fails(&report) > 0, applies, "{condition}");
    }
}

#[test]
fn an_unknown_follows_its_own_setting() {
    for (setting, code, enforcement) in [
        ("deny", 1, "deny"),
        ("warn", 0, "warn"),
        ("allow", 0, "dryrun"),
    ] {
        let folder = folder(&[
            ("Dockerfile", "FROM scratch\nARG ID\nUSER $ID\n"),
            (
                "rules.yaml",
                &constraint(&format!("policy: root-user, onUnknown: {setting}")),
            ),
        ]);
        let (exit, report) = report(folder.path(), &["eval", "Dockerfile", "-c", "rules.yaml"]);
        let unknown = &entries(&report, "results", "outcome", "unknown")[0];
        assert_eq!(
            (exit, &unknown["enforcement"]),
            (code, &enforcement.into()),
            "{setting}"
        );
    }
}

#[test]
fn an_exception_hides_a_finding_and_is_shown() {
    let rules = exception(
        "policy: root-user, rules: [no-user], match: {name: billing}, expires: 2999-12-31, reason: rewrite is planned",
    );
    let (code, report) = judge_root_user(&rules);
    assert_eq!(code, 1, "the other rule still holds");
    let hidden = &entries(&report, "results", "rule", "no-user")[0];
    assert_eq!(hidden["exception"], "sample-exception");
    assert_eq!(
        (&report["summary"]["excepted"], &report["summary"]["fail"]),
        (&1.into(), &1.into())
    );
    let told = &report["exceptions"][0];
    assert_eq!(
        (&told["status"], &told["hidden"], &told["reason"]),
        (&"used".into(), &1.into(), &"rewrite is planned".into())
    );
    let folder = folder(&[("pod.yaml", POD), ("rules.yaml", &rules)]);
    let Run { stdout, .. } = run(folder.path(), &["eval", "pod.yaml", "-c", "rules.yaml"]);
    assert!(
        stdout.contains("excepts 1 finding until 2999-12-31")
            && stdout.contains("rewrite is planned"),
        "{stdout}"
    );
}

#[test]
fn an_exception_ends_by_itself() {
    let spec = |day: &str| exception(&format!("policy: root-user, expires: {day}, reason: x"));
    let (code, report) = judge_root_user(&spec("2020-01-31"));
    assert_eq!(
        (code, &report["exceptions"][0]["status"]),
        (1, &"expired".into())
    );
    assert_eq!(fails(&report), 2);
    let (code, report) = judge_root_user(&spec("2999-01-31"));
    assert_eq!(
        (code, &report["exceptions"][0]["status"]),
        (0, &"used".into())
    );
}

#[test]
fn an_exception_that_hides_nothing_is_named() {
    let (_, report) = judge(&exception(
        "policy: root-user, match: {name: other}, expires: 2999-01-31, reason: x",
    ));
    assert_eq!(report["exceptions"][0]["status"], "unused");
}

#[test]
fn a_comment_excepts_one_place_for_a_time() {
    let file = "FROM scratch\n# stridegate: allow root-user/uid-zero until 2999-01-31 -- the base image asks for it\nUSER 0\n";
    let folder = folder(&[
        ("Dockerfile", file),
        ("rules.yaml", &constraint("policy: root-user")),
    ]);
    let (code, at_desk) = report(folder.path(), &["eval", "Dockerfile"]);
    assert_eq!(
        (
            code,
            &entries(&at_desk, "results", "rule", "uid-zero")[0]["exception"]
        ),
        (0, &"inline".into())
    );
    for arguments in [
        &["eval", "Dockerfile", "-c", "rules.yaml"][..],
        &["eval", "Dockerfile", "--isolated"],
    ] {
        let (code, strict) = report(folder.path(), arguments);
        assert_eq!(
            (code, &strict["exceptions"][0]["status"]),
            (1, &"not-granted".into()),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_comment_that_is_wrong_is_an_error() {
    let folder = folder(&[(
        "Dockerfile",
        "FROM scratch\nUSER 1\n# stridegate: allow root-user until 2999-01-31\nRUN x\n",
    )]);
    let (code, report) = report(folder.path(), &["eval", "Dockerfile"]);
    assert_eq!((code, &report["errors"][0]["line"]), (2, &3.into()));
    assert!(
        report["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("reason")
    );
}

#[test]
fn what_is_found_beside_the_files_counts_at_the_desk_alone() {
    let rules = exception("policy: root-user, expires: 2999-01-31, reason: x");
    let folder = folder(&[
        ("tree/pod.yaml", POD),
        ("tree/stridegate.yaml", &rules),
        ("rules.yaml", &constraint("policy: root-user")),
    ]);
    assert_eq!(
        report_of("root-user", folder.path(), &["eval", "tree"]).0,
        0
    );
    let (code, strict) = report_of(
        "root-user",
        folder.path(),
        &["eval", "tree", "-c", "rules.yaml"],
    );
    assert_eq!(
        (code, &strict["exceptions"][0]["status"]),
        (1, &"not-granted".into())
    );
    assert_eq!(
        report_of("root-user", folder.path(), &["eval", "tree", "--isolated"]).0,
        1
    );
}

#[test]
fn a_found_file_loads_no_code() {
    let component = root().join("target/policies/root-user.wasm");
    let rules = constraint(&format!("policy: {}", component.display()));
    let folder = folder(&[("tree/pod.yaml", POD), ("tree/stridegate.yaml", &rules)]);
    let (code, report) = report(folder.path(), &["eval", "tree"]);
    assert_eq!(code, 2);
    assert!(
        report["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("loads no policy"),
        "{report:#}"
    );
    let named = folder.path().join("tree/stridegate.yaml");
    let Run { code, .. } = run(
        folder.path(),
        &["eval", "tree/pod.yaml", "-c", &named.to_string_lossy()],
    );
    assert_eq!(code, 1, "named by the user, it does");
}

/// Each mistake, the line at which it stands, and a part of what the user reads.
#[test]
fn mistakes_are_named_with_their_line_and_the_remedy() {
    let head = "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {name: a}\n";
    for (text, line, part) in [
        (
            format!("{head}spec:\n  polcy: root-user\n"),
            5,
            "did you mean policy?",
        ),
        (
            format!("{head}spec:\n  policy: root-usre\n"),
            5,
            "did you mean root-user?",
        ),
        (
            format!("{head}spec:\n  policy: root-user\n  rules: [uid-zer]\n"),
            6,
            "did you mean uid-zero?",
        ),
        (
            format!("{head}spec:\n  policy: root-user\n  enforcementAction: block\n"),
            6,
            "deny, warn, dryrun",
        ),
        (
            format!("{head}spec:\n  policy: root-user\n  parameters:\n    rootName: [x]\n"),
            7,
            "did you mean rootNames?",
        ),
        (
            format!("{head}spec:\n  policy: root-user\n  parameters:\n    rootNames: x\n"),
            7,
            "sequence",
        ),
        (
            format!("{head}spec:\n  policy: root-user\n  match:\n    namespace: [x]\n"),
            7,
            "did you mean namespaces?",
        ),
        (head.to_owned(), 2, "spec is missing"),
        ("kind: Constraint\n".into(), 1, "apiVersion"),
        (
            "apiVersion: stridegate.dev/v1\nkind: Constrain\n".into(),
            2,
            "Constraint or Exception",
        ),
        (
            exception("policy: root-user, expires: 2999-01-31"),
            4,
            "reason is missing",
        ),
        (
            exception("policy: root-user, reason: x"),
            4,
            "expires is missing",
        ),
        (
            exception("policy: root-user, reason: x, expires: soon"),
            4,
            "2027-03-31",
        ),
        ("a: [\n".into(), 2, ""),
    ] {
        let (code, report) = judge(&text);
        let error = &report["errors"][0];
        assert_eq!(
            (code, &error["file"]),
            (2, &"rules/a.yaml".into()),
            "{text}{report:#}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(part),
            "{text}{error:#}"
        );
        assert_eq!(error["line"], line, "{text}{error:#}");
    }
}

#[test]
fn what_an_owner_makes_is_judged_with_it() {
    let owner = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web, uid: 11-22}\nspec: {template: {spec: {containers: [{name: a}]}}}\n";
    let made = "apiVersion: v1\nkind: Pod\nmetadata: {name: web-x, uid: 33, ownerReferences: [{kind: ReplicaSet, uid: 11-22, controller: true}]}\nspec: {containers: [{name: a}]}\n";
    let folder = folder(&[("a.yaml", made), ("b.yaml", owner)]);
    let (_, both) = report_of("root-user", folder.path(), &["eval", "."]);
    assert_eq!(
        entries(&both, "results", "rule", "no-user").len(),
        1,
        "{both:#}"
    );
    let (_, alone) = report_of("root-user", folder.path(), &["eval", "a.yaml"]);
    assert_eq!(entries(&alone, "results", "rule", "no-user").len(), 1);
    // Who only names an owner, or has a content of its own, is judged all the same.
    super::write(
        folder.path(),
        "a.yaml",
        made.replace(", controller: true", "").as_bytes(),
    );
    let (_, both) = report_of("root-user", folder.path(), &["eval", "."]);
    assert_eq!(entries(&both, "results", "rule", "no-user").len(), 2);
    // What no controller makes is nobody's, and nobody makes itself.
    let forged = made.replace("kind: ReplicaSet", "kind: Deployment");
    super::write(folder.path(), "a.yaml", forged.as_bytes());
    let itself = owner.replace(
        "uid: 11-22",
        "uid: 11-22, ownerReferences: [{kind: ReplicaSet, uid: 11-22, controller: true}]",
    );
    super::write(folder.path(), "b.yaml", itself.as_bytes());
    let (_, both) = report_of("root-user", folder.path(), &["eval", "."]);
    assert_eq!(entries(&both, "results", "rule", "no-user").len(), 2);
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, uid: 44, ownerReferences: [{kind: ReplicaSet, uid: 11-22, controller: true}]}\n\
        data: {a: 'postgres://u:hq7Tz2-vv9@db/x'}\n";
    super::write(folder.path(), "c.yaml", config.as_bytes());
    let (_, all) = report_of("hardcoded-secret", folder.path(), &["eval", "."]);
    assert_eq!(
        entries(&all, "results", "outcome", "fail")[0]["rule"],
        "url-credentials"
    );
}

#[test]
fn what_looks_like_a_comment_in_a_string_is_none() {
    let mark = "# stridegate: allow root-user until 2999-01-31 -- x";
    let json = format!(
        r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "a", "annotations": {{"n": "{mark}"}}}}, "spec": {{"containers": [{{"name": "a"}}]}}}}"#
    );
    let quoted = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: '{mark}'}}]}}\n"
    );
    let block = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    n: |\n      {mark}\nspec: {{containers: [{{name: a}}]}}\n"
    );
    let script = format!("FROM scratch\nRUN <<EOF\n{mark}\nEOF\nUSER 0\n");
    for (name, content) in [
        ("pod.json", &json),
        ("quoted.yaml", &quoted),
        ("block.yaml", &block),
        ("Dockerfile", &script),
    ] {
        let folder = folder(&[(name, content)]);
        let (code, report) = report(folder.path(), &["eval", name]);
        assert_eq!(
            (code, report["exceptions"].as_array().map(Vec::len)),
            (1, Some(0)),
            "{name}: {report:#}"
        );
    }
}

#[test]
fn a_reason_that_repeats_a_secret_is_masked() {
    let file = "FROM scratch\n# stridegate: allow root-user until 2999-01-31 -- was zQ7hunterSecret42x\nUSER 0\nENV DB_PASSWORD=zQ7hunterSecret42x\n";
    let folder = folder(&[("Dockerfile", file)]);
    for output in ["text", "json", "sarif", "junit"] {
        let Run { stdout, .. } = run(folder.path(), &["eval", "Dockerfile", "-o", output]);
        assert!(
            stdout.contains("was *") && !stdout.contains("zQ7hunter"),
            "{stdout}"
        );
    }
}

#[test]
fn the_labels_of_a_namespace_select_what_lies_in_it() {
    let namespace = |labels: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: prod-eu, labels: {{{labels}}}}}\n"
        )
    };
    let rule = constraint(
        "policy: root-user, match: {namespaceSelector: {matchLabels: {env: prod}, matchExpressions: [{key: legacy, operator: DoesNotExist}]}}",
    );
    let judge = |labels: Option<&str>| {
        let namespace = labels.map(namespace).unwrap_or_default();
        let folder = folder(&[
            ("tree/pod.yaml", POD),
            ("tree/zz.yaml", &format!("{namespace}---\n{POD}")),
            ("rules/a.yaml", &rule),
        ]);
        report(folder.path(), &["eval", "tree", "-c", "rules"]).0
    };
    assert_eq!(judge(Some("env: prod")), 1);
    assert_eq!(judge(Some("env: test")), 0);
    assert_eq!(judge(Some("env: prod, legacy: yes-it-is")), 0);
    assert_eq!(judge(None), 1, "what is not known is judged");
}

#[test]
fn an_exception_needs_to_know_the_labels_that_it_selects_by() {
    let rules = format!(
        "{}---\n{}",
        constraint("policy: root-user"),
        exception(
            "policy: root-user, match: {namespaceSelector: {matchLabels: {env: test}}}, expires: 2099-01-01, reason: for a test"
        )
    );
    let namespace =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod-eu, labels: {env: test}}\n";
    let with = folder(&[
        ("tree/pod.yaml", POD),
        ("tree/ns.yaml", namespace),
        ("r.yaml", &rules),
    ]);
    assert_eq!(report(with.path(), &["eval", "tree", "-c", "r.yaml"]).0, 0);
    let without = folder(&[("tree/pod.yaml", POD), ("r.yaml", &rules)]);
    assert_eq!(
        report(without.path(), &["eval", "tree", "-c", "r.yaml"]).0,
        1
    );
}

#[test]
fn a_word_that_is_no_operation_or_flag_is_an_error() {
    let run = |spec: &str| {
        let folder = folder(&[("pod.yaml", POD), ("r.yaml", &constraint(spec))]);
        run(folder.path(), &["eval", "pod.yaml", "-c", "r.yaml"])
    };
    let told = run("policy: root-user, match: {operations: [CRATE]}");
    assert!(
        told.code == 2 && told.stdout.contains("did you mean create?"),
        "{told:?}"
    );
    let told = run("policy: root-user, onlyNew: always");
    assert!(
        told.code == 2 && told.stdout.contains("onlyNew is true or false"),
        "{told:?}"
    );
    let told = run("policy: root-user, match: {operations: [UPDATE]}");
    assert_eq!(
        told.code, 0,
        "an object at rest is as one that is created: {told:?}"
    );
}
