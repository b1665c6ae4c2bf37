//! The reviews that an API server sent, and what it is told.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use stridegate::catalog::Catalog;
use stridegate::constraint::{self, Rulebook, Source, Today};
use stridegate::engine::{Engine, Limits};
use stridegate::gateway::Ruling;
use stridegate::gateway::admission::{Question, Told};
use stridegate::review::Court;
use stridegate::source::Images;

use super::{entries, folder, report, root};

fn reviews() -> PathBuf {
    root().join("testdata/admission")
}

/// What an API server is told of the body of each file, in the order of their names.
fn answers() -> Vec<(String, Value)> {
    let engine = Engine::new(1, Limits::default()).expect("the machine can run components");
    let mut catalog = Catalog::default();
    catalog.add_path(
        &engine,
        None,
        &root().join("target/policies/root-user.wasm"),
    );
    let mut rulebook = Rulebook::default();
    let mut problems = Vec::new();
    let source = Source::open(&reviews().join("constraints.yaml"), true, true)
        .expect("the constraints can be read");
    constraint::read(
        &source,
        &catalog,
        &engine,
        None,
        &mut rulebook,
        &mut problems,
    );
    assert_eq!(problems, []);
    let court = Court {
        engine: &engine,
        cache: None,
        rulebook: &rulebook,
        images: &Images::default(),
        today: Today::now(),
        repairs: true,
    };
    let mut files: Vec<PathBuf> = fs::read_dir(reviews())
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    let answer = |file: PathBuf| {
        let name = file.file_stem().expect("a file has a name");
        let asked = Question::read(fs::read(&file).expect("the file can be read"))
            .expect("an API server sends no malformed request");
        let judged = court.judge("request", asked.reading);
        let told = Told::new(asked.uid, &Ruling::of(&judged));
        let told = serde_json::to_value(&told).expect("the answer is JSON");
        (name.to_string_lossy().into_owned(), told)
    };
    files.into_iter().map(answer).collect()
}

#[test]
fn every_recorded_review_is_answered() {
    let mut text = String::new();
    for (name, told) in answers() {
        let response = &told["response"];
        let annotations = &response["auditAnnotations"];
        let review = fs::read_to_string(reviews().join(format!("{name}.json")))
            .expect("the file was just read");
        let uid = response["uid"]
            .as_str()
            .expect("the answer names its request");
        assert!(review.contains(&format!("\"uid\":\"{uid}\"")), "{name}");
        assert_eq!(
            annotations["decision"] == "allow",
            response["allowed"] == true,
            "{name}"
        );
        let _ = write!(
            text,
            "{name}: {}",
            annotations["decision"].as_str().expect("it is said")
        );
        if let Some(recorded) = annotations["recorded-by"].as_str() {
            let _ = write!(text, ", records {recorded}");
        }
        text.push('\n');
        let message = response["status"]["message"].as_str().unwrap_or_default();
        for line in message.lines() {
            let _ = writeln!(text, "  denied: {line}");
        }
        for warning in response["warnings"].as_array().into_iter().flatten() {
            let _ = writeln!(
                text,
                "  warning: {}",
                warning.as_str().expect("it is a text")
            );
        }
    }
    let expected = fs::read_to_string(reviews().join("answers.txt")).expect("it is there");
    assert_eq!(text, expected, "{text}");
}

#[test]
fn a_denial_says_it_as_a_status_too() {
    let answers = answers();
    let (_, told) = answers
        .iter()
        .find(|(name, _)| name == "011-update-pods-ephemeralcontainers-good")
        .expect("it is recorded");
    let status = &told["response"]["status"];
    assert_eq!(
        (&status["code"], &status["reason"]),
        (&403.into(), &"Forbidden".into())
    );
    let causes = status["details"]["causes"]
        .as_array()
        .expect("there are causes");
    assert_eq!(
        causes.len(),
        1,
        "what was there before the update is no cause"
    );
    assert_eq!(causes[0]["field"], "spec.ephemeralContainers[0]");
    assert_eq!(causes[0]["reason"], "no-root root-user/no-user");
}

/// A review of an update from one list of containers to another.
fn update(old: &str, new: &str) -> String {
    let pod = |containers: &str| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "web", "namespace": "prod"}}, "spec": {{"containers": [{containers}]}}}}"#
        )
    };
    format!(
        r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {{"uid": "1", "operation": "UPDATE",
        "object": {}, "oldObject": {}}}}}"#,
        pod(new),
        pod(old)
    )
}

const ONLY_NEW: &str = "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {name: new}\nspec: {policy: root-user, onlyNew: true}\n";

#[test]
fn what_was_so_before_an_update_passes_where_only_what_is_new_counts() {
    let (a, b, c) = (
        r#"{"name": "a", "securityContext": {"runAsUser": 0, "runAsNonRoot": false}}"#,
        r#"{"name": "b", "securityContext": {"runAsUser": 0, "runAsNonRoot": false}}"#,
        r#"{"name": "a"}"#,
    );
    let both = format!("{a}, {b}");
    for (old, new, code) in [
        (a, a, 0),
        // A container moves when one before it goes.
        (&both, b, 0),
        (a, &both, 1),
        (a, b, 1),
        // The same container, but another thing is the matter with it.
        (a, c, 1),
    ] {
        let folder = folder(&[("review.json", &update(old, new)), ("new.yaml", ONLY_NEW)]);
        let (exit, told) = report(folder.path(), &["eval", "review.json", "-c", "new.yaml"]);
        assert_eq!(exit, code, "{old} -> {new}");
        let existing = entries(&told, "results", "outcome", "fail")
            .into_iter()
            .filter(|result| result["existing"] == true);
        assert!(
            existing
                .into_iter()
                .all(|result| result["enforcement"] == "dryrun")
        );
    }
    // Of several constraints, one that counts everything is stricter.
    let all = ONLY_NEW
        .replace(", onlyNew: true", "")
        .replace("name: new", "name: all");
    let folder = folder(&[
        ("review.json", &update(a, a)),
        ("new.yaml", &format!("{ONLY_NEW}---\n{all}")),
    ]);
    let (exit, told) = report(folder.path(), &["eval", "review.json", "-c", "new.yaml"]);
    assert_eq!(exit, 1);
    let found = &entries(&told, "results", "outcome", "fail")[0];
    assert_eq!(
        (&found["constraint"], &found["existing"]),
        (&"all".into(), &false.into())
    );
}

/// A review of a `ConfigMap`, as it was before an update if that is given.
fn config_map(metadata: &str, new: &str, old: Option<&str>) -> String {
    let map = |value: &str| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{{metadata}}}, "data": {{"password": {0}, "app.properties": {0}}}}}"#,
            Value::from(value)
        )
    };
    let (operation, old) = match old {
        Some(old) => ("UPDATE", map(old)),
        None => ("CREATE", "null".into()),
    };
    format!(
        r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {{"uid": "1", "operation": "{operation}", "namespace": "shop",
        "kind": {{"group": "", "version": "v1", "kind": "ConfigMap"}}, "object": {}, "oldObject": {old}}}}}"#,
        map(new)
    )
}

const SECRETS: &str = "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {name: new}\nspec: {policy: hardcoded-secret, onlyNew: true, match: {excludedNamespaces: [free]}}\n";

/// Another secret of the same length in the same place is new; the same one on another line is not.
#[test]
fn another_secret_in_the_place_of_an_old_one_is_new() {
    let text = |lines: &[&str]| lines.join("\n") + "\n";
    let old = text(&[
        "a=1",
        "db.password=hunter2hunterX9",
        "api.token=Zx81kQpLm27vTr",
    ]);
    for (new, code) in [
        (old.clone(), 0),
        (
            text(&[
                "a=1",
                "b=2",
                "db.password=hunter2hunterX9",
                "api.token=Zx81kQpLm27vTr",
            ]),
            0,
        ),
        // Less is no worse.
        (text(&["a=1", "db.password=hunter2hunterX9"]), 0),
        (text(&["a=1", "db.password=hunter3hunterX9"]), 1),
        (old.clone() + "other.password=hunter4hunterX9\n", 1),
    ] {
        let review = config_map(r#""name": "a", "namespace": "shop""#, &new, Some(&old));
        let folder = folder(&[("review.json", &review), ("new.yaml", SECRETS)]);
        let (exit, told) = report(folder.path(), &["eval", "review.json", "-c", "new.yaml"]);
        assert_eq!(exit, code, "{new}: {told:#}");
    }
    let one = |new, code| {
        let review = config_map(r#""name": "a""#, new, Some("hunter2hunterX9"));
        let folder = folder(&[("review.json", &review), ("new.yaml", SECRETS)]);
        let (exit, told) = report(folder.path(), &["eval", "review.json", "-c", "new.yaml"]);
        assert_eq!(exit, code, "{new}: {told:#}");
    };
    one("hunter2hunterX9", 0);
    one("hunter3hunterX9", 1);
}

/// What a user writes to be taken for something else is judged as what it is, or refused.
#[test]
fn an_object_cannot_pass_for_another() {
    let exception = "---\napiVersion: stridegate.dev/v1\nkind: Exception\nmetadata: {name: legacy}\nspec: {policy: hardcoded-secret, match: {name: billing}, expires: 2099-01-01, reason: it is a test}\n";
    let rules = format!("{SECRETS}{exception}");
    let secret = "hunter2hunterX9";
    let created = |metadata: &str| config_map(metadata, secret, None);
    let lists = created(r#""name": "a""#).replacen(
        r#""kind": "ConfigMap", "metadata""#,
        r#""kind": "List", "metadata""#,
        1,
    );
    let status = created(r#""name": "a""#)
        .replace(r#""uid": "1""#, r#""uid": "1", "subResource": "status""#);
    for (review, code) in [
        (created(r#""name": "billing", "namespace": "shop""#), 0),
        (created(r#""name": "a", "namespace": "shop""#), 1),
        // Its name will be another.
        (created(r#""generateName": "billing""#), 1),
        (created(r#""name": "", "generateName": "billing""#), 1),
        // What applies elsewhere does not apply here.
        (created(r#""name": "a", "namespace": "free""#), 2),
        (lists, 2),
        (status, 1),
    ] {
        let folder = folder(&[("review.json", &review), ("rules.yaml", &rules)]);
        let (exit, told) = report(folder.path(), &["eval", "review.json", "-c", "rules.yaml"]);
        assert_eq!(exit, code, "{review}: {told:#}");
    }
}

/// What was there before is what the API server says that it was, of the same kind.
#[test]
fn an_old_object_of_another_kind_excuses_nothing() {
    let a = r#"{"name": "a", "securityContext": {"runAsUser": 0, "runAsNonRoot": false}}"#;
    let pod = update(a, a);
    let deployment = pod.replace(
        r#""oldObject": {"apiVersion": "v1", "kind": "Pod""#,
        r#""oldObject": {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": []}}}, "x": 1"#,
    );
    for (review, code) in [
        (pod.clone(), 0),
        (deployment, 1),
        (pod.replace("UPDATE", "CREATE"), 1),
    ] {
        let folder = folder(&[("review.json", &review), ("new.yaml", ONLY_NEW)]);
        let (exit, told) = report(folder.path(), &["eval", "review.json", "-c", "new.yaml"]);
        assert_eq!(exit, code, "{review}: {told:#}");
    }
}
