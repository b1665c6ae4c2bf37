//! `eval`, `policies` and `explain`: what they print and what they exit with.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::{Run, entries, folder, readme, report, report_of, root, run, stridegate};

#[test]
fn exit_codes_say_what_happened() {
    let folder = folder(&[
        ("good.dockerfile", "FROM scratch\nUSER 1\n"),
        ("bad.dockerfile", "FROM scratch\n"),
        ("none.dockerfile", ""),
    ]);
    for (file, code) in [
        ("good.dockerfile", 0),
        ("bad.dockerfile", 1),
        ("none.dockerfile", 2),
    ] {
        assert_eq!(run(folder.path(), &["eval", file]).code, code, "{file}");
    }
    assert_eq!(
        run(
            folder.path(),
            &["eval", "bad.dockerfile", "none.dockerfile"]
        )
        .code,
        2,
        "an error outweighs a finding"
    );
}

#[test]
fn what_is_unknown_counts_only_if_asked() {
    let folder = folder(&[("Dockerfile", "FROM scratch\nARG ID\nUSER $ID\n")]);
    let (code, quiet) = report(folder.path(), &["eval", "."]);
    assert_eq!((code, &quiet["summary"]["unknown"]), (0, &1.into()));
    assert_eq!(report(folder.path(), &["eval", ".", "--strict"]).0, 1);
}

#[test]
fn the_report_names_every_place() {
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: prod}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        securityContext: {runAsUser: 0}\n";
    let folder = folder(&[("web.yaml", manifest)]);
    let (code, report) = report(folder.path(), &["eval", "."]);
    assert_eq!(code, 1);
    let found = entries(&report, "results", "rule", "uid-zero");
    let result = found[0];
    assert_eq!(result["outcome"], "fail");
    assert_eq!(result["policy"], "root-user");
    assert_eq!(result["object"]["kind"], "Deployment");
    assert_eq!(result["object"]["group"], "apps");
    assert_eq!(result["object"]["namespace"], "prod");
    assert_eq!(
        result["path"],
        "/spec/template/spec/containers/0/securityContext/runAsUser"
    );
    assert_eq!(
        (&result["file"], &result["line"], &result["column"]),
        (&"web.yaml".into(), &9.into(), &38.into())
    );
    assert_eq!(result["enforcement"], "deny");
    assert!(result["constraint"].is_null() && result["exception"].is_null());
    assert_eq!(report["version"], 1);
    assert_eq!(report["summary"]["objects"], 1);
    assert_eq!(report["summary"]["files"], 1);
}

#[test]
fn a_fix_is_a_patch_for_the_object_as_written() {
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web}]}}}\n";
    let folder = folder(&[("web.yaml", manifest)]);
    let (_, report) = report(folder.path(), &["eval", "."]);
    let found = entries(&report, "results", "rule", "no-user");
    let operation = &found[0]["fixes"][0]["patch"][0];
    assert_eq!(
        operation["path"],
        "/spec/template/spec/containers/0/securityContext"
    );
}

#[test]
fn what_is_known_of_an_image_answers_what_a_container_leaves_open() {
    let body = r#"{"Image": "docker.io/library/app", "Cmd": ["run"], "HostConfig": {}}"#;
    let image = |user: &str| {
        format!(
            r#"[{{"Id": "sha256:1", "RepoTags": ["app:latest"], "Architecture": "amd64", "RootFS": {{}}, "Config": {{"User": "{user}"}}}}]"#
        )
    };
    let folder = folder(&[
        ("create.json", body),
        ("safe.json", &image("1000")),
        ("root.json", &image("")),
    ]);
    let eval = |images: &[&str]| {
        report_of(
            "root-user",
            folder.path(),
            &[&["eval", "create.json"], images].concat(),
        )
    };
    let (code, alone) = eval(&[]);
    assert_eq!(
        (code, entries(&alone, "results", "outcome", "unknown").len()),
        (0, 1),
        "{alone:#}"
    );
    assert_eq!(eval(&["--images", "safe.json"]).0, 0);
    assert_eq!(eval(&["--images", "safe.json"]).1["summary"]["unknown"], 0);
    assert_eq!(eval(&["--images", "root.json"]).0, 1);
    let (code, wrong) = eval(&["--images", "create.json"]);
    assert_eq!(code, 2);
    assert!(
        wrong["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("docker image inspect"),
        "{wrong:#}"
    );
}

#[test]
fn a_service_that_is_built_has_the_user_of_its_dockerfile() {
    let compose = "services:\n  web:\n    build: {context: ./web, target: app}\n";
    for (user, code) in [("1000", 0), ("root", 1)] {
        let dockerfile =
            format!("FROM scratch AS base\nUSER {user}\nFROM base AS app\nFROM scratch\nUSER 7\n");
        let folder = folder(&[("compose.yaml", compose), ("web/Dockerfile", &dockerfile)]);
        let (exit, told) = report_of("root-user", folder.path(), &["eval", "compose.yaml"]);
        assert_eq!(
            (exit, &told["summary"]["unknown"]),
            (code, &0.into()),
            "{told:#}"
        );
    }
    let outside = compose.replace("./web", "../web");
    let folder = folder(&[
        ("project/compose.yaml", &outside),
        ("web/Dockerfile", "FROM scratch AS app\nUSER 7\n"),
    ]);
    let (_, told) = report_of(
        "root-user",
        folder.path(),
        &["eval", "project/compose.yaml"],
    );
    assert_eq!(told["summary"]["unknown"], 1, "{told:#}");
}

#[test]
fn what_configures_one_program_is_merged_where_it_is_named_together() {
    let kubelet = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    let folder = folder(&[
        ("daemon.json", r#"{"log-level": "info"}"#),
        (
            "docker.service",
            "[Service]\nExecStart=/usr/bin/dockerd --log-level=info\n",
        ),
        (
            "kubelet.yaml",
            &format!("{kubelet}authorization: {{mode: Webhook}}\n"),
        ),
        (
            "20-late.conf",
            &format!("{kubelet}authorization: {{mode: AlwaysAllow}}\n"),
        ),
        (
            "10-early.conf",
            &format!("{kubelet}authorization: {{mode: Webhook}}\n"),
        ),
    ]);
    let by =
        |policy, files: &[&str]| report_of(policy, folder.path(), &[&["eval"], files].concat());
    let eval = |files: &[&str]| by("log-level", files);
    assert_eq!(eval(&["daemon.json"]).0, 0);
    assert_eq!(eval(&["docker.service"]).0, 0);
    let (code, told) = eval(&["docker.service", "daemon.json"]);
    assert_eq!(
        (
            code,
            &entries(&told, "results", "rule", "conflict")[0]["outcome"]
        ),
        (1, &"fail".into())
    );
    let eval = |files: &[&str]| by("always-allow-authorization", files);
    assert_eq!(eval(&["kubelet.yaml"]).0, 0);
    for order in [
        ["kubelet.yaml", "20-late.conf", "10-early.conf"],
        ["10-early.conf", "20-late.conf", "kubelet.yaml"],
    ] {
        let (code, told) = eval(&order);
        assert_eq!(code, 1, "{told:#}");
        let found = &entries(&told, "results", "outcome", "fail")[0];
        assert_eq!(found["rule"], "always-allow");
    }
    assert_eq!(
        eval(&["."]).0,
        0,
        "a folder may hold the files of many hosts"
    );
}

#[test]
fn an_admission_review_is_the_object_that_it_asks_about() {
    let review = |operation: &str, object: &str, old: &str| {
        format!(
            r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {{"operation": "{operation}",
            "userInfo": {{"username": "ann", "groups": ["dev"]}}, "object": {object}, "oldObject": {old}}}}}"#
        )
    };
    let web = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}"#;
    let secret = r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hq7Tz2-vv"}}"#;
    let folder = folder(&[
        ("create.json", &review("CREATE", web, "null")),
        ("delete.json", &review("DELETE", "null", web)),
        ("secret.json", &review("CREATE", secret, "null")),
        ("none.json", &review("CREATE", "null", "null")),
    ]);
    for (file, at) in [
        ("create.json", "/request/object"),
        ("delete.json", "/request/oldObject"),
    ] {
        let (_, told) = report(folder.path(), &["eval", file]);
        let found = &entries(&told, "results", "rule", "no-user")[0];
        assert_eq!(
            found["path"],
            format!("{at}/spec/template/spec/containers/0")
        );
        assert_eq!(found["object"]["kind"], "Deployment");
    }
    let (code, told) = report(folder.path(), &["eval", "secret.json"]);
    assert_eq!(
        (
            code,
            &entries(&told, "results", "rule", "secret-manifest")[0]["outcome"]
        ),
        (0, &"not-applicable".into())
    );
    assert_eq!(report(folder.path(), &["eval", "none.json"]).0, 2);
}

#[test]
fn standard_input_is_read() {
    let folder = folder(&[]);
    for (arguments, text) in [
        (&["eval", "-"][..], "FROM scratch\nUSER 0\n"),
        (
            &["eval", "-", "--kind", "dockerfile"][..],
            "from scratch\nuser 0\n",
        ),
        (
            &["eval", "-"][..],
            r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a"}]}}"#,
        ),
    ] {
        let mut child = stridegate(folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        child
            .stdin
            .take()
            .expect("it was piped")
            .write_all(text.as_bytes())
            .expect("the program reads");
        let run: Run = child.wait_with_output().expect("the program ends").into();
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stdout.contains("root-user/"), "{run:?}");
    }
}

#[test]
fn a_folder_is_walked_as_its_owner_would() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n";
    let folder = folder(&[
        (".gitignore", "ignored/\n"),
        ("ignored/pod.yaml", pod),
        (".hidden/pod.yaml", pod),
        ("src/dockerfile.rs", "fn main() {}\n"),
        ("tsconfig.json", "{ // a comment\n}\n"),
        ("values.yaml", "a: 1\n"),
        ("chart/Chart.yaml", "name: x\n"),
        (
            "chart/templates/pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: \"{{ .x }}\"}\n",
        ),
        (
            "overlay/kustomization.yaml",
            "patches: [{path: patch.yaml}]\n",
        ),
        (
            "overlay/patch.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 2}\n",
        ),
    ]);
    let run_text = run(folder.path(), &["eval", "."]);
    assert!(
        run_text.stdout.contains("helm template") && run_text.stdout.contains("kustomize build"),
        "{}",
        run_text.stdout
    );
    let (code, report) = report(folder.path(), &["eval", "."]);
    assert_eq!(
        (code, &report["summary"]["objects"]),
        (1, &1.into()),
        "{report:#}"
    );
    assert_eq!(report["results"][0]["file"], ".hidden/pod.yaml");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let folder = folder(&[(
        "Dockerfile",
        "\u{feff}FROM scratch\r\nUSER \\\r\n  root\r\n",
    )]);
    let (_, report) = report(folder.path(), &["eval", "."]);
    let found = entries(&report, "results", "rule", "uid-zero");
    assert_eq!(
        (&found[0]["outcome"], &found[0]["line"]),
        (&"fail".into(), &3.into())
    );
}

/// The keys of a good configuration are no finding, and are in its way all the same.
#[test]
fn no_output_shows_a_key_that_encrypts() {
    let key = "q7mZ1vXo8hTn0sYbE4wKcR2uJfLdA9gP6iNtV3xQy5M=";
    let list = format!(
        "resources: [{{resources: [secrets], providers: [{{identity: {{}}}}, {{aescbc: {{keys: [{{name: k, secret: {key}}}]}}}}]}}]\n"
    );
    let current =
        format!("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n{list}");
    let legacy = format!("apiVersion: v1\nkind: EncryptionConfig\n{list}");
    let folder = folder(&[("enc.yaml", &current), ("old.yaml", &legacy)]);
    for format in ["text", "json", "sarif", "junit"] {
        let run = run(folder.path(), &["eval", ".", "-o", format]);
        assert_eq!(
            run.stdout.matches("identity comes before").count(),
            2,
            "{run:?}"
        );
        assert!(
            !run.stdout.contains(key) && !run.stderr.contains(key),
            "{run:?}"
        );
    }
}

#[test]
fn what_is_a_resource_too_is_no_patch() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n";
    let folder = folder(&[
        (
            "both/kustomization.yaml",
            "resources: [pod.yaml]\npatches: [{path: pod.yaml}]\n",
        ),
        ("both/pod.yaml", pod),
        (
            "overlay/kustomization.yaml",
            "resources: [../both]\npatches: [{path: patch.yaml}]\n",
        ),
        ("overlay/patch.yaml", pod),
    ]);
    let (_, report) = report(folder.path(), &["eval", "."]);
    assert_eq!(report["summary"]["objects"], 1, "{report:#}");
    let skipped = entries(&report, "skipped", "file", "overlay/patch.yaml");
    let reason = skipped[0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("kustomize build"), "{report:#}");
}

#[test]
fn the_column_is_that_of_the_line_however_much_of_it_is_shown() {
    let pod = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {{\"name\": \"{}\"}}, \"spec\": {{\"containers\": [{{\"name\": \"a\", \"securityContext\": {{\"runAsUser\": 0}}}}]}}}}",
        "a".repeat(500)
    );
    let folder = folder(&[("pod.json", &pod)]);
    let (_, report) = report(folder.path(), &["eval", "."]);
    let found = entries(&report, "results", "rule", "uid-zero");
    let place = format!("pod.json:1:{}\n", found[0]["column"]);
    let text = run(folder.path(), &["eval", "."]).stdout;
    assert!(text.contains(&place), "{place}{text}");
}

#[test]
fn what_configures_an_api_server_is_judged_with_it_and_told_once() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, command: [kube-apiserver, --authorization-config=/etc/k8s/authz.yaml]}]}\n";
    let file = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers: [{type: AlwaysAllow, name: a}]\n";
    let folder = folder(&[("a/pod.yaml", pod), ("b/authz.yaml", file)]);
    let found = |paths: &[&str]| {
        let (_, report) = report(folder.path(), &[&["eval"], paths].concat());
        let found = entries(&report, "results", "rule", "always-allow");
        let places = found.iter().filter(|result| result["outcome"] != "pass");
        let places = places.map(|result| {
            let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
            (text("outcome"), text("file"), text("path"))
        });
        let mut places: Vec<_> = places.collect();
        places.sort();
        places
    };
    let fail = ["fail", "b/authz.yaml", "/authorizers/0/type"].map(str::to_owned);
    let fail: (String, String, String) = fail.into();
    let command = "/spec/containers/0/command/1";
    let unknown: (String, String, String) =
        ["unknown", "a/pod.yaml", command].map(str::to_owned).into();
    for order in [
        ["a/pod.yaml", "b/authz.yaml"],
        ["b/authz.yaml", "a/pod.yaml"],
    ] {
        assert_eq!(found(&order), std::slice::from_ref(&fail), "{order:?}");
    }
    assert_eq!(
        found(&["."]),
        [fail, unknown.clone()],
        "a folder is not merged"
    );
    assert_eq!(found(&["a/pod.yaml"]), [unknown]);
}

/// A token in the words of a process, a header of a kubelet, a password beside what is judged:
/// the policies that show these lines do not look for them.
#[test]
fn no_policy_shows_a_secret_that_it_does_not_look_for() {
    let secret = "hT7-vexq81LmzP0s";
    let facts = format!(
        "{{\"apiVersion\": \"stridegate.dev/v1\", \"kind\": \"HostFacts\", \"metadata\": {{\"name\": \"a\"}}, \"processes\": [{{\"program\": \"/usr/bin/kubelet\", \"argv\": [\"--token\", \"{secret}\", \"--authorization-mode=AlwaysAllow\"]}}]}}"
    );
    let kubelet = format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nstaticPodURLHeader: {{Authorization: [Bearer {secret}]}}\n"
    );
    let kubelet = kubelet.trim_end().replace("Header: {", "Header: { ")
        + "\nauthorization: {mode: AlwaysAllow}\n";
    let one_line = format!(
        "{{kind: KubeletConfiguration, apiVersion: kubelet.config.k8s.io/v1beta1, staticPodURLHeader: {{Cookie: [{secret}]}}, authorization: {{mode: AlwaysAllow}}}}\n"
    );
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{containers: [{{name: a, env: [{{name: DB_PASSWORD, value: {secret}}}], securityContext: {{runAsUser: 0}}}}]}}}}\n"
    );
    let only = "apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {name: a}\nspec: {policy: root-user}\n---\napiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {name: b}\nspec: {policy: always-allow-authorization}\n";
    let folder = folder(&[
        ("in/facts.json", &facts),
        ("in/kubelet.yaml", &kubelet),
        ("in/line.yaml", &one_line),
        ("in/pod.yaml", &pod),
        ("rules/only.yaml", only),
    ]);
    for output in ["text", "json", "sarif", "junit"] {
        let run = run(folder.path(), &["eval", "in", "-c", "rules", "-o", output]);
        assert_eq!(run.code, 1, "{run:?}");
        for file in ["facts.json", "kubelet.yaml", "line.yaml", "pod.yaml"] {
            assert!(run.stdout.contains(file), "{file} {run:?}");
        }
        assert!(!run.stdout.contains(secret), "{}", run.stdout);
    }
}

#[test]
fn no_output_shows_a_secret() {
    let secret = "hT7-vexq81LmzP0s";
    let dockerfile = format!(
        "FROM scratch\nUSER 1\nENV DB_PASSWORD={secret} \\\n    LOG=x\nLABEL note=\"{secret}\"\n"
    );
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n  - name: a\n    env:\n    - {{name: DB_PASSWORD, value: {secret}}}\n    args: [--password={secret}]\n"
    );
    let folder = folder(&[("Dockerfile", &dockerfile), ("pod.yaml", &manifest)]);
    for output in ["text", "json", "sarif", "junit"] {
        let run = run(folder.path(), &["eval", ".", "-o", output]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.contains("hardcoded-secret"), "{}", run.stdout);
        assert!(
            !run.stdout.contains(secret) && !run.stderr.contains(secret),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn sarif_says_what_the_report_says() {
    let folder = folder(&[
        ("Dockerfile", "FROM scratch\nARG ID\nUSER $ID\n"),
        (
            "pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: ä}\nspec: {containers: [{name: a}]}\n",
        ),
        ("bad.dockerfile", ""),
    ]);
    let Run { code, stdout, .. } = run(folder.path(), &["eval", ".", "-o", "sarif"]);
    let log: serde_json::Value = serde_json::from_str(&stdout).expect("SARIF is JSON");
    let log_run = &log["runs"][0];
    assert_eq!((code, &log["version"]), (2, &"2.1.0".into()));
    assert_eq!(log_run["invocations"][0]["executionSuccessful"], false);
    let results = log_run["results"].as_array().expect("a run has results");
    let of = |rule: &str| {
        results
            .iter()
            .find(|result| result["ruleId"] == rule)
            .expect("the rule has a result")
    };
    let unknown = of("root-user/uid-zero");
    assert_eq!(
        (&unknown["kind"], &unknown["level"]),
        (&"review".into(), &"none".into())
    );
    let failed = of("root-user/no-user");
    assert_eq!(
        (&failed["kind"], &failed["level"]),
        (&"fail".into(), &"error".into())
    );
    let place = &failed["locations"][0]["physicalLocation"];
    assert_eq!(
        (
            &place["artifactLocation"]["uri"],
            &place["region"]["startLine"]
        ),
        (&"pod.yaml".into(), &4.into())
    );
    let rules = log_run["tool"]["driver"]["rules"]
        .as_array()
        .expect("a driver has rules");
    assert!(
        results
            .iter()
            .all(|result| rules.iter().any(|rule| rule["id"] == result["ruleId"]))
    );
}

#[test]
fn junit_counts_what_denies() {
    let folder = folder(&[("Dockerfile", "FROM scratch\n"), ("bad.dockerfile", "")]);
    let Run { code, stdout, .. } = run(folder.path(), &["eval", ".", "-o", "junit"]);
    assert_eq!(code, 2);
    assert_eq!(
        (
            stdout.matches("<failure ").count(),
            stdout.matches("<error ").count()
        ),
        (1, 1),
        "{stdout}"
    );
    assert!(
        stdout.contains("name=\"root-user/no-user Dockerfile Dockerfile\""),
        "{stdout}"
    );
}

#[test]
fn a_hostile_name_does_not_reach_the_terminal() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: \"a\\e[31mb\"}\nspec: {containers: [{name: \"c\\e]0;x\"}]}\n";
    let folder = folder(&[("a\u{1b}[2Jb.yaml", pod), ("bad\u{1b}[2J.dockerfile", "")]);
    for arguments in [
        &["eval", "."][..],
        &["eval", "no\u{1b}[2Jfile"],
        &["explain", "no\u{1b}[2J"],
    ] {
        let mut command = stridegate(folder.path());
        let run: Run = command
            .args(arguments)
            .output()
            .expect("the program can be started")
            .into();
        assert!(
            !run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'),
            "{run:?}"
        );
    }
}

#[test]
fn a_cache_that_is_damaged_or_gone_changes_nothing() {
    let folder = folder(&[("Dockerfile", "FROM scratch\n")]);
    let home = std::env::var_os("HOME").expect("the tests run for a user with a home");
    let cache = tempfile::tempdir_in(home).expect("the home can be written");
    let eval = || -> Run {
        let mut command = stridegate(folder.path());
        command
            .args(["eval", ".", "-o", "json"])
            .env("XDG_CACHE_HOME", cache.path());
        command.output().expect("the program can be started").into()
    };
    let first = eval();
    let entries: Vec<_> = fs::read_dir(cache.path().join("stridegate"))
        .expect("the cache was made")
        .flatten()
        .collect();
    assert!(entries.iter().any(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "cwasm")
    }));
    assert_eq!(eval().stdout, first.stdout, "a warm run differs");
    for entry in entries {
        fs::write(entry.path(), b"damaged").expect("the cache can be written");
    }
    assert_eq!(
        eval().stdout,
        first.stdout,
        "a damaged cache changes the answer"
    );
}

#[test]
fn whoever_stops_reading_is_no_error() {
    let mut child = stridegate(&root())
        .args(["explain", "root-user"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    drop(child.stdout.take());
    let run: Run = child.wait_with_output().expect("the program ends").into();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn a_wrong_name_is_met_with_the_right_one() {
    let run = run(&root(), &["explain", "root-usr"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("did you mean root-user"),
        "{}",
        run.stderr
    );
}

#[test]
fn policies_are_listed_and_explained() {
    let list = run(&root(), &["policies"]);
    assert!(
        list.stdout.contains("root-user") && list.stdout.contains("bundled"),
        "{}",
        list.stdout
    );
    let json = run(&root(), &["policies", "-o", "json"]);
    let all: serde_json::Value = serde_json::from_str(&json.stdout).expect("the list is JSON");
    let ids = all
        .as_array()
        .expect("the list is an array")
        .iter()
        .map(|policy| policy["description"]["id"].as_str());
    for id in ids.flatten() {
        let explained = run(&root(), &["explain", id]);
        assert_eq!(explained.code, 0);
        for section in ["## Rules", "## Parameters", "## Threats", "## Judges"] {
            assert!(explained.stdout.contains(section), "{id}: no {section}");
        }
    }
}

/// What the README shows of a session is what a user sees.
#[test]
fn the_session_in_the_readme_is_real() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let mut checked = 0;
    for session in readme::sessions(&readme) {
        let Some(arguments) = session.command.strip_prefix("stridegate ") else {
            continue;
        };
        let arguments: Vec<&str> = arguments.split(' ').collect();
        // What needs a server is shown by the end-to-end tests.
        let is_here = |argument: &&str| argument.starts_with("testdata/");
        if !arguments.iter().any(is_here) {
            continue;
        }
        let real = run(&root(), &arguments).stdout;
        readme::check(&session.command, &session.shown, &real);
        checked += 1;
    }
    assert!(checked > 1, "the README shows too few sessions");
}
