use super::*;

fn argv(words: &[&str]) -> Flags {
    let nodes: Vec<Node> = words
        .iter()
        .zip(0..)
        .map(|(word, at)| Node::string(Span::new(at, at + 1), *word))
        .collect();
    flags(&nodes)
}

fn map(members: &[(&str, Content)]) -> Node {
    let node = |content: &Content| Node {
        span: Span::new(50, 60),
        content: content.clone(),
    };
    Node::map(
        Span::new(40, 90),
        members.iter().map(|(key, value)| (*key, node(value))),
    )
}

fn merged(words: &[&str], file: &[(&str, Content)]) -> serde_json::Value {
    let flags = argv(words);
    assert_eq!(flags.problems, []);
    serde_json::to_value(effective(&flags, Some(&map(file)), Span::new(0, 1)).unwrap()).unwrap()
}

fn text(value: &str) -> Content {
    Content::String(value.to_owned())
}

#[test]
fn flags_are_read_as_pflag_reads_them() {
    for (words, level, debug) in [
        (&["--log-level=debug"][..], "debug", false),
        (&["-l", "warn"], "warn", false),
        (&["-lerror"], "error", false),
        (&["-l=fatal", "-D=false"], "fatal", false),
        (&["-Dl", "warn"], "warn", true),
        (
            &["--log-level", "warn", "--debug=T", "--log-level", "info"],
            "info",
            true,
        ),
    ] {
        let document = merged(words, &[]);
        assert_eq!(
            (&document["log-level"], &document["debug"]),
            (&level.into(), &debug.into()),
            "{words:?}"
        );
    }
}

#[test]
fn switches_take_the_booleans_of_go() {
    for (word, icc) in [
        ("--icc=0", false),
        ("--icc=f", false),
        ("--icc=FALSE", false),
        ("--icc", true),
    ] {
        assert_eq!(merged(&[word], &[])["icc"], icc, "{word}");
    }
    assert_eq!(merged(&[], &[])["icc"], true);
    for wrong in [
        &["--icc=no"][..],
        &["--icc", "false"],
        &["--nonsense"],
        &["-x"],
        &["--log-level"],
        &["--mtu=x"],
        &["--", "a"],
    ] {
        assert_eq!(argv(wrong).problems.len(), 1, "{wrong:?}");
    }
}

#[test]
fn lists_grow_and_maps_take_members() {
    let document = merged(
        &[
            "-H",
            "fd://",
            "--host=tcp://0.0.0.0:2375",
            "--insecure-registry",
            "a",
            "--insecure-registry=b",
            "--log-opt",
            "max-size=1m",
            "--log-opt=max-file=3",
            "--add-runtime",
            "r=/bin/r",
            "--default-ulimit",
            "nofile=1:2",
            "--feature",
            "x=true",
        ],
        &[("runtimes", map(&[("q", map(&[]).content)]).content)],
    );
    assert_eq!(
        document["hosts"],
        serde_json::json!(["fd://", "tcp://0.0.0.0:2375"])
    );
    assert_eq!(
        document["insecure-registries"],
        serde_json::json!(["a", "b"])
    );
    assert_eq!(
        document["log-opts"],
        serde_json::json!({"max-size": "1m", "max-file": "3"})
    );
    assert_eq!(
        document["runtimes"],
        serde_json::json!({"q": {}, "r": {"path": "/bin/r"}})
    );
    assert_eq!(document["default-ulimits"]["nofile"]["Soft"], 1);
    assert_eq!(document["features"]["x"], true);
    assert_eq!(
        document["conflicts"],
        serde_json::json!([]),
        "runtimes may be set both ways"
    );
}

#[test]
fn what_is_set_twice_is_a_conflict() {
    let proxies = map(&[("http-proxy", text("http://a"))]).content;
    let document = merged(
        &["-l", "debug", "--label", "a=b", "--http-proxy=http://b"],
        &[
            ("log-level", text("info")),
            ("labels", Content::List(Vec::new())),
            ("proxies", proxies),
        ],
    );
    let keys: Vec<_> = document["conflicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["log-level", "labels", "http-proxy"]);
}

#[test]
fn tlsverify_in_any_value_turns_tls_on() {
    let off = Content::Bool(false);
    for (words, file, tls, verify) in [
        (&[][..], &[("tlsverify", off.clone())][..], true, false),
        (&["--tlsverify=false"], &[], true, false),
        (&["--tlsverify"], &[], true, true),
        (&["--tls"], &[], true, true),
        (
            &[],
            &[("tls", off.clone()), ("tlsverify", off.clone())],
            true,
            false,
        ),
        (&[], &[("tlsverify", Content::Null)], true, true),
        (&[], &[("tls", off.clone())], false, false),
        (&[], &[], false, false),
    ] {
        let document = merged(words, file);
        assert_eq!(
            (&document["tls"], &document["tlsverify"]),
            (&tls.into(), &verify.into()),
            "{words:?} {file:?}"
        );
    }
    let document = effective(
        &argv(&[]),
        Some(&map(&[("tlsverify", off)])),
        Span::new(0, 1),
    )
    .unwrap();
    assert_eq!(document.at("/tls").unwrap().node.span, Span::new(50, 60));
}

#[test]
fn keys_are_matched_with_regard_to_case() {
    let document = merged(
        &[],
        &[
            ("Log-Level", text("debug")),
            ("insecure-registry", Content::List(Vec::new())),
            ("x", map(&[("y", text("z"))]).content),
            ("features", map(&[("y", Content::Bool(true))]).content),
        ],
    );
    assert_eq!(document["log-level"], "info");
    assert_eq!(
        document["unknownKeys"],
        serde_json::json!(["Log-Level", "y"])
    );
    assert_eq!(
        document["ignoredKeys"],
        serde_json::json!(["insecure-registry", "x"])
    );
}

#[test]
fn what_nobody_wrote_is_told() {
    let document = merged(&["-D"], &[("log-level", text(""))]);
    let defaults = document["defaults"].as_array().unwrap();
    let has = |pointer: &str| defaults.contains(&pointer.into());
    assert!(
        has("/icc")
            && has("/hosts")
            && has("/proxies/no-proxy")
            && !has("/debug")
            && !has("/log-level")
    );
    assert_eq!(
        document["log-level"], "info",
        "the daemon takes an empty level for none"
    );
    assert_eq!(
        document["hosts"],
        serde_json::json!(["unix:///var/run/docker.sock"])
    );
}

#[test]
fn a_value_of_another_type_is_refused() {
    for file in [
        [("debug", text("true"))],
        [("log-level", Content::Bool(true))],
        [("hosts", text("fd://"))],
        [(
            "log-opts",
            map(&[("max-file", Content::Number(3.into()))]).content,
        )],
        [("proxies", text("x"))],
        [("mtu", text("1500"))],
    ] {
        assert_eq!(
            effective(&argv(&[]), Some(&map(&file)), Span::new(0, 1))
                .unwrap_err()
                .len(),
            1,
            "{file:?}"
        );
    }
}
