//! Whatever a user hands to the program: an error that names the file, never a panic, a hang or a
//! pass; and the files beside it are judged all the same.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::{Run, entries, folder, report, run, write};

const GOOD: &str = "FROM scratch\nUSER 1000\n";

/// Puts a bad file beside a good one, judges the folder, and gives the error.
fn beside_a_good_file(name: &str, content: &[u8]) -> (String, u64) {
    let folder = folder(&[("good/Dockerfile", GOOD)]);
    write(folder.path(), name, content);
    error_in(folder.path(), name)
}

/// The message and line of the one error that judging a folder gives, which is that of a file.
fn error_in(folder: &Path, name: &str) -> (String, u64) {
    let (code, report) = report(folder, &["eval", "."]);
    assert_eq!(code, 2, "{report:#}");
    assert!(
        !entries(&report, "results", "file", "good/Dockerfile").is_empty(),
        "the good file was not judged: {report:#}"
    );
    let errors = report["errors"].as_array().expect("the report has errors");
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0]["file"], name);
    assert_eq!(errors[0]["kind"], "input");
    assert!(
        entries(&report, "results", "file", name).is_empty(),
        "the bad file was judged: {report:#}"
    );
    (
        errors[0]["message"]
            .as_str()
            .expect("an error has a message")
            .to_owned(),
        errors[0]["line"].as_u64().unwrap_or(0),
    )
}

#[test]
fn an_empty_dockerfile() {
    let (message, _) = beside_a_good_file("Dockerfile", b"");
    assert!(message.contains("FROM"), "{message}");
}

#[test]
fn a_dockerfile_without_from() {
    let (message, _) = beside_a_good_file("Dockerfile", b"# nothing\nRUN make\n");
    assert!(message.contains("FROM"), "{message}");
}

#[test]
fn a_misspelled_instruction() {
    let (message, line) = beside_a_good_file("Dockerfile", b"FROM scratch\nUSRE app\n");
    assert!(message.contains("USER"), "{message}");
    assert_eq!(line, 2);
}

#[test]
fn binary_content() {
    let (message, line) = beside_a_good_file("Dockerfile", b"FROM scratch\n\xff\xfe\x00\x01");
    assert!(message.contains("UTF-8"), "{message}");
    assert_eq!(line, 2);
    let (message, _) = beside_a_good_file("Dockerfile", b"FROM scratch\n\0\0\0");
    assert!(message.contains("binary"), "{message}");
}

#[test]
fn a_file_of_100_mb() {
    let folder = folder(&[("good/Dockerfile", GOOD)]);
    let file =
        fs::File::create(folder.path().join("pods.yaml")).expect("the folder can be written");
    file.set_len(100 << 20).expect("the file can be made long");
    let (message, _) = error_in(folder.path(), "pods.yaml");
    assert!(message.contains("32 MiB"), "{message}");
}

#[test]
fn nested_aliases() {
    let mut bomb =
        String::from("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\na0: &a0 [x]\n");
    for level in 1..40 {
        let aliases = format!("*a{}, ", level - 1).repeat(9);
        let _ = writeln!(bomb, "a{level}: &a{level} [{aliases}]");
    }
    let (message, line) = beside_a_good_file("bomb.yaml", bomb.as_bytes());
    assert!(message.contains("alias"), "{message}");
    assert!(line >= 4, "{line}");
}

#[test]
fn json_of_10_000_levels() {
    for name in ["deep.json", "deep.yaml"] {
        let deep = format!(
            r#"{{"apiVersion": "v1", "kind": "ConfigMap", "data": {}1{}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        let (message, _) = beside_a_good_file(name, deep.as_bytes());
        assert!(message.contains("100 levels"), "{message}");
    }
}

#[test]
fn a_document_as_deep_as_is_read_is_judged() {
    let deep = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: deep, annotations: {}1{}}}\nspec: {{containers: [{{name: a}}]}}\n",
        "[".repeat(90),
        "]".repeat(90)
    );
    let folder = folder(&[("pod.yaml", &deep)]);
    let (code, report) = report(folder.path(), &["eval", "."]);
    assert_eq!(
        (code, report["errors"].as_array().map(Vec::len)),
        (1, Some(0)),
        "{report:#}"
    );
}

#[test]
fn broken_yaml_after_good_documents() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n---\nkind: [\n---\napiVersion: v1\n";
    let folder = folder(&[("pods.yaml", text)]);
    let (code, report) = report(folder.path(), &["eval", "."]);
    assert_eq!(code, 2);
    assert_eq!(
        report["errors"].as_array().map(Vec::len),
        Some(1),
        "{report:#}"
    );
    assert!(
        !entries(&report, "results", "file", "pods.yaml").is_empty(),
        "the good document was not judged"
    );
}

#[test]
fn a_pod_that_the_api_server_refuses() {
    for (spec, what) in [
        ("spec: {}", "containers"),
        ("spec: x", "map"),
        ("spec: {containers: {}}", "list"),
        ("", "spec"),
    ] {
        let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n{spec}\n");
        let (message, _) = beside_a_good_file("pod.yaml", pod.as_bytes());
        assert!(message.contains(what), "{spec}: {message}");
    }
}

#[test]
fn a_workload_without_a_template() {
    let (message, line) = beside_a_good_file(
        "web.yaml",
        b"\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {}\n",
    );
    assert!(message.contains("/spec/template"), "{message}");
    assert_eq!(line, 3);
}

#[test]
fn a_broken_link() {
    let folder = folder(&[("good/Dockerfile", GOOD)]);
    std::os::unix::fs::symlink("nowhere", folder.path().join("Dockerfile"))
        .expect("the folder can be written");
    let (message, _) = error_in(folder.path(), "Dockerfile");
    assert!(message.contains("link"), "{message}");
}

#[test]
fn a_link_that_leads_out_of_the_folder() {
    let outside = folder(&[("pod.yaml", "secret")]);
    let folder = folder(&[("good/Dockerfile", GOOD)]);
    std::os::unix::fs::symlink(
        outside.path().join("pod.yaml"),
        folder.path().join("pod.yaml"),
    )
    .expect("the folder can be written");
    let (message, _) = error_in(folder.path(), "pod.yaml");
    assert!(message.contains("out of the folder"), "{message}");
}

/// A file of which every read fails, even for root.
#[cfg(target_os = "linux")]
#[test]
fn an_unreadable_file() {
    let Run { code, stdout, .. } = run(Path::new("/"), &["eval", "/proc/self/mem"]);
    assert_eq!(code, 2);
    assert!(
        stdout.contains("cannot be read") && stdout.contains("/proc/self/mem"),
        "{stdout}"
    );
}

#[test]
fn what_is_not_there() {
    let folder = folder(&[]);
    let Run { code, stdout, .. } = run(folder.path(), &["eval", "no-such-file"]);
    assert_eq!(code, 2);
    assert!(stdout.contains("no-such-file"), "{stdout}");
}

#[test]
fn nothing_to_judge_is_no_clean_review() {
    let folder = folder(&[("main.c", ""), ("values.yaml", "a: 1\n")]);
    let Run { code, stderr, .. } = run(folder.path(), &["eval", "."]);
    assert_eq!(code, 2);
    assert!(stderr.contains("nothing to judge"), "{stderr}");
}

#[test]
fn an_error_shows_no_line_of_the_file() {
    let (message, _) = beside_a_good_file(
        "pod.yaml",
        b"apiVersion: v1\nkind: Pod\npassword: \"hunter22hunter22\n",
    );
    assert!(!message.contains("hunter22"), "{message}");
}

const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n";

#[test]
fn a_template_mark_in_a_comment_hides_no_fault() {
    let (message, _) =
        beside_a_good_file("pod.yaml", format!("# {{{{ x }}}}\n{POD}x: [\n").as_bytes());
    assert!(!message.is_empty());
    beside_a_good_file(
        "Dockerfile",
        b"# {{ x }}\nFROM scratch\nFROM --platform=\nUSER 0\n",
    );
}

#[test]
fn an_object_in_another_encoding_is_no_other_file() {
    let (message, _) = beside_a_good_file("pod.yaml", &[b"# \xff\n", POD.as_bytes()].concat());
    assert!(message.contains("UTF-8"), "{message}");
    let wide: Vec<u8> = "\u{feff}"
        .chars()
        .chain(POD.chars())
        .flat_map(|c| (c as u16).to_le_bytes())
        .collect();
    beside_a_good_file("pod.yaml", &wide);
}

#[test]
fn what_stands_where_it_is_not_looked_for_is_judged() {
    let item = POD.replace('\n', "\n  ");
    for (name, content, extra) in [
        (
            "list.yaml",
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\nitems:\n- {item}"),
            None,
        ),
        (
            "templates/pod.yaml",
            POD.to_owned(),
            Some(("Chart.yaml", "")),
        ),
        ("pod.yaml", POD.to_owned(), Some((".ignore", "pod.yaml\n"))),
    ] {
        let folder = folder(&[("good/Dockerfile", GOOD), (name, &content)]);
        if let Some((name, content)) = extra {
            write(folder.path(), name, content.as_bytes());
        }
        let (code, report) = report(folder.path(), &["eval", "."]);
        assert_eq!(
            (code, entries(&report, "results", "file", name).is_empty()),
            (1, false),
            "{name}: {report:#}"
        );
    }
}

#[test]
fn a_name_is_no_line_of_the_report() {
    let pod = POD.replace("{name: a}\nspec", "{name: \"a\\n\\nerror: forged\"}\nspec");
    let folder = folder(&[("pod.yaml", &pod)]);
    let Run { stdout, .. } = run(folder.path(), &["eval", "pod.yaml"]);
    assert!(
        stdout.contains("forged") && !stdout.lines().any(|line| line.starts_with("error: forged")),
        "{stdout}"
    );
}

#[test]
fn a_word_that_begins_a_line_by_mistake_is_not_repeated() {
    let (message, line) = beside_a_good_file(
        "Dockerfile",
        b"FROM scratch\nENV DB_PASSWORD=a \\\n  B=2\n  zQ7hunterSecret42x\n",
    );
    assert!(!message.contains("zQ7"), "{message}");
    assert_eq!(line, 4);
}
