//! The threat model, and where its threats stand.

use serde_json::Value;

use super::{folder, report, root, run};

/// A model of one threat in each platform, answered by what is given.
fn model(docker: &str, kubernetes: &str) -> String {
    format!(
        "apiVersion: stridegate.dev/v1\nkind: ThreatModel\nmetadata: {{name: mine}}\nspec:\n  threats:\n  \
         - {{id: docker-root, platform: docker, category: elevation-of-privilege, title: Root, policies: {docker}}}\n  \
         - {{id: pod-root, platform: kubernetes, category: elevation-of-privilege, title: Root too, policies: {kubernetes}}}\n"
    )
}

const ROOT: &str = "FROM debian:12@sha256:0000000000000000000000000000000000000000000000000000000000000000\nUSER root\n";
const USER: &str = "FROM debian:12@sha256:0000000000000000000000000000000000000000000000000000000000000000\nUSER 65532\n";

fn standing<'a>(report: &'a Value, id: &str) -> &'a Value {
    let threats = report["threats"].as_array().expect("there are threats");
    let found = threats.iter().find(|threat| threat["id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not among {threats:#?}"))
}

#[test]
fn a_status_belongs_to_a_threat_and_its_platform() {
    let model = model("[root-user]", "[root-user]");
    for (dockerfile, status) in [(ROOT, "open"), (USER, "mitigated")] {
        let folder = folder(&[("model.yaml", &model), ("tree/Dockerfile", dockerfile)]);
        let (_, report) = report(folder.path(), &["threats", "tree", "--model", "model.yaml"]);
        assert_eq!(standing(&report, "docker-root")["status"], status);
        assert_eq!(standing(&report, "pod-root")["status"], "not looked at");
        assert_eq!(report["matrix"]["docker"]["elevation-of-privilege"], status);
        assert_eq!(report["matrix"]["docker"]["spoofing"], Value::Null);
    }
}

#[test]
fn the_worst_finding_is_named_at_its_place() {
    let folder = folder(&[
        ("model.yaml", &model("[root-user]", "[root-user]")),
        ("tree/Dockerfile", ROOT),
    ]);
    let (code, report) = report(folder.path(), &["threats", "tree", "--model", "model.yaml"]);
    let worst = &standing(&report, "docker-root")["worst"];
    assert_eq!(worst["rule"], "uid-zero");
    assert_eq!((&worst["line"], &worst["column"]), (&2.into(), &6.into()));
    assert_eq!(code, 1);
}

#[test]
fn one_rule_can_answer_a_threat() {
    let folder = folder(&[
        ("model.yaml", &model("[root-user/no-user]", "[root-user]")),
        ("tree/Dockerfile", ROOT),
    ]);
    let (_, report) = report(folder.path(), &["threats", "tree", "--model", "model.yaml"]);
    let docker = standing(&report, "docker-root");
    assert_eq!(
        (&docker["status"], &docker["pass"]),
        (&"mitigated".into(), &1.into())
    );
}

#[test]
fn what_is_excepted_is_accepted_and_not_mitigated() {
    let excepted = format!(
        "{}# stridegate: allow root-user until 2999-01-01 -- a reason\nUSER root\n",
        ROOT.trim_end_matches("USER root\n")
    );
    let folder = folder(&[
        ("model.yaml", &model("[root-user]", "[root-user]")),
        ("tree/Dockerfile", &excepted),
    ]);
    let (_, report) = report(folder.path(), &["threats", "tree", "--model", "model.yaml"]);
    assert_eq!(standing(&report, "docker-root")["status"], "accepted");
}

#[test]
fn a_threat_is_mitigated_in_part_where_a_policy_had_nothing_to_check() {
    let folder = folder(&[
        (
            "model.yaml",
            &model("[root-user, log-level]", "[root-user]"),
        ),
        ("tree/Dockerfile", USER),
    ]);
    let (_, report) = report(folder.path(), &["threats", "tree", "--model", "model.yaml"]);
    let docker = standing(&report, "docker-root");
    assert_eq!(docker["status"], "partly mitigated");
    assert_eq!(docker["notLookedAt"], serde_json::json!(["log-level"]));
}

#[test]
fn the_gaps_of_a_model_are_named() {
    let folder = folder(&[("model.yaml", &model("[root-user]", "[]"))]);
    let run = run(folder.path(), &["threats", "--model", "model.yaml"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stdout
            .contains("no loaded policy answers the threat pod-root"),
        "{run:?}"
    );
    assert!(
        run.stdout
            .contains("the policy log-level answers no threat"),
        "{run:?}"
    );
}

#[test]
fn a_model_that_is_wrong_is_told_at_its_place() {
    for (docker, told) in [
        (
            "[root-usr]",
            "there is no policy \"root-usr\"; did you mean root-user?",
        ),
        (
            "[root-user/uid-zer]",
            "root-user has no rule \"uid-zer\"; did you mean uid-zero?",
        ),
        ("root-user", "policies is a list"),
    ] {
        let folder = folder(&[("model.yaml", &model(docker, "[]"))]);
        let run = run(folder.path(), &["threats", "--model", "model.yaml"]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(told), "{told}: {run:?}");
        assert!(run.stderr.contains("model.yaml:6:"), "{run:?}");
    }
    let folder = folder(&[("model.yaml", "kind: ThreatModel\n")]);
    let run = run(folder.path(), &["threats", "--model", "model.yaml"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr.contains("apiVersion stridegate.dev/v1"),
        "{run:?}"
    );
    assert_eq!(run.stdout, "", "a model without threats has no matrix");
}

#[test]
fn the_built_in_model_answers_every_threat_with_every_policy() {
    let run = run(&root(), &["threats"]);
    assert!(!run.stdout.contains("gap:"), "{run:?}");
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn the_built_in_model_agrees_with_the_cells_of_its_policies() {
    let (_, report) = report(&root(), &["threats"]);
    let listed = run(&root(), &["policies", "-o", "json"]);
    let policies: Value = serde_json::from_str(&listed.stdout).expect("the list is JSON");
    let policies = policies.as_array().expect("the list is an array");
    for policy in policies {
        let description = &policy["description"];
        for cell in description["threats"]
            .as_array()
            .expect("a policy has threats")
        {
            let told = |threat: &&Value| {
                let answers = threat["policies"].as_array().into_iter().flatten();
                let category = threat["category"]
                    .as_str()
                    .unwrap_or_default()
                    .replace('-', "");
                let of_cell = cell["category"].as_str().unwrap_or_default().to_lowercase();
                threat["platform"] == cell["platform"]
                    && category == of_cell.replace('-', "")
                    && answers
                        .into_iter()
                        .any(|answer| *answer == description["id"])
            };
            let mut threats = report["threats"].as_array().into_iter().flatten();
            assert!(
                threats.any(|threat| told(&threat)),
                "{} {cell}",
                description["id"]
            );
        }
    }
}

#[test]
fn no_secret_is_told() {
    let password = "tr0ub4dor-and-3";
    let dockerfile = format!("{USER}ENV DATABASE_URL=postgres://shop:{password}@db/shop\n");
    let folder = folder(&[("Dockerfile", &dockerfile)]);
    for output in ["text", "json"] {
        let run = run(folder.path(), &["threats", ".", "-o", output]);
        assert!(run.stdout.contains("hardcoded-docker-secret"), "{run:?}");
        assert!(!run.stdout.contains(password), "{run:?}");
    }
}
