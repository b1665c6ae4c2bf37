use proptest::prelude::*;

use super::*;

fn text(name: &str, content: &str) -> Arc<Text> {
    Arc::new(Text::new(name, content))
}

fn lines(reading: &Reading, pointer: &str) -> (String, usize) {
    let place = reading.objects[0].place(pointer).unwrap();
    let line = place.text.position(place.shown.range().start).line;
    (place.text.name.clone(), line)
}

#[test]
fn names_are_recognised() {
    for (name, file, unit) in [
        ("daemon.json", true, false),
        ("etc/docker/daemon.json", true, false),
        ("docker.service", false, true),
        ("x/docker.service.d/override.conf", false, true),
        ("x/docker.service.d/readme.md", false, false),
        ("docker.service.json", false, false),
    ] {
        assert_eq!(
            (is_file(Path::new(name)), is_unit(Path::new(name))),
            (file, unit),
            "{name}"
        );
    }
}

#[test]
fn flags_and_file_are_merged_with_their_places() {
    let together = Together {
        units: vec![
            text(
                "docker.service",
                "[Service]\nExecStart=/usr/bin/dockerd -H fd://\n",
            ),
            text(
                "10-x.conf",
                "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd \\\n  --log-level=debug --icc=0\n",
            ),
        ],
        process: None,
        files: vec![(
            "/etc/docker/daemon.json".into(),
            text(
                "daemon.json",
                "{\n \"log-level\": \"info\",\n \"debug\": true\n}",
            ),
        )],
    };
    let mut reading = Reading::default();
    read_together(together, "host", &mut reading);
    assert_eq!(reading.faults, []);
    assert_eq!(lines(&reading, "/log-level"), ("daemon.json".into(), 2));
    assert_eq!(lines(&reading, "/conflicts/0"), ("10-x.conf".into(), 4));
    assert_eq!(lines(&reading, "/icc"), ("10-x.conf".into(), 4));
    assert_eq!(lines(&reading, "/iptables"), ("docker.service".into(), 1));
    let document = serde_json::to_value(&reading.objects[0].document).unwrap();
    assert_eq!(
        document["hosts"],
        serde_json::json!(["unix:///var/run/docker.sock"])
    );
}

#[test]
fn another_config_file_is_the_one_that_counts() {
    let unit = text("u", "[Service]\nExecStart=dockerd --config-file /x.json\n");
    for (path, level, unresolved) in [
        ("/x.json", "warn", 0),
        ("/etc/docker/daemon.json", "info", 1),
    ] {
        let together = Together {
            units: vec![Arc::clone(&unit)],
            process: None,
            files: vec![(path.into(), text("j", "{\"log-level\": \"warn\"}"))],
        };
        let mut reading = Reading::default();
        read_together(together, "host", &mut reading);
        let document = &reading.objects[0].document;
        assert_eq!(document.text("log-level"), Some(level));
        assert_eq!(
            document.get("unresolved").unwrap().items().len(),
            unresolved
        );
    }
}

#[test]
fn the_daemon_is_found_behind_other_programs() {
    for command in [
        "dockerd -D",
        "-/usr/bin/dockerd -D",
        "/bin/sh -c \"exec dockerd -D\"",
        "/usr/bin/env X=1 dockerd -D",
        "/usr/bin/docker daemon -D",
    ] {
        let reading = read(
            &text(
                "docker.service",
                &format!("[Service]\nExecStart={command}\n"),
            ),
            "x",
        );
        assert_eq!(reading.faults, [], "{command}");
        let debug = reading.objects[0].document.get("debug").unwrap();
        assert_eq!(
            debug.content,
            crate::object::Content::Bool(true),
            "{command}"
        );
    }
}

#[test]
fn proxies_of_the_environment_are_taken() {
    let drop_in = "[Service]\nEnvironment=\"HTTP_PROXY=http://proxy:80\"\n";
    let reading = read(&text("docker.service.d/p.conf", drop_in), "x");
    let proxies = reading.objects[0].document.get("proxies").unwrap();
    assert_eq!(proxies.text("http-proxy"), Some("http://proxy:80"));
    assert_eq!(lines(&reading, "/proxies/http-proxy").1, 2);
}

#[test]
fn what_the_daemon_refuses_is_a_fault() {
    for (name, content) in [
        ("daemon.json", "{\"debug\": true,}"),
        ("daemon.json", "[]"),
        ("daemon.json", "{\"debug\": \"true\"}"),
        ("docker.service", "[Service]\nExecStart=dockerd --icc=no\n"),
        (
            "docker.service",
            "[Service]\nExecStart=dockerd\nExecStart=dockerd\n",
        ),
        ("docker.service", "[Service]\nExecStart=nginx\n"),
    ] {
        let reading = read(&text(name, content), "x");
        assert!(
            !reading.faults.is_empty() && reading.objects.is_empty(),
            "{content}"
        );
    }
    assert_eq!(
        read(&text("daemon.json", ""), "x").written,
        1,
        "an empty file is one of defaults"
    );
}

pub(in crate::source) fn check_places(reading: &Reading) {
    fn visit(node: &Node, texts: &[Arc<Text>]) {
        for span in [node.span]
            .into_iter()
            .chain(node.entries().iter().map(|entry| entry.key_span))
        {
            let text = &texts[span.text as usize].content;
            assert!(
                text.get(span.range()).is_some(),
                "{span:?} lies outside of {text:?}"
            );
        }
        node.items().iter().for_each(|item| visit(item, texts));
        node.entries()
            .iter()
            .for_each(|entry| visit(&entry.value, texts));
    }
    reading
        .objects
        .iter()
        .for_each(|object| visit(&object.document, &object.texts));
}

proptest! {
    #[test]
    fn no_unit_makes_it_panic(
        lines in proptest::collection::vec("(ExecStart=|Environment=|EnvironmentFile=|  |#)?(dockerd )?[-a-zDHl=\"'$\\\\{}é ]{0,24}", 0..8)
    ) {
        let content = format!("[Service]\n{}", lines.join("\n"));
        check_places(&read(&text("docker.service", &content), "x"));
    }

    #[test]
    fn no_file_makes_it_panic(
        members in proptest::collection::vec("\"(log-level|debug|tls|tlsverify|hosts|proxies|é)\": ?(\"[a-zé]{0,5}\"|true|null|\\[\\]|\\[\"a\"\\]|\\{\"http-proxy\":\"x\"\\}|7)", 0..6)
    ) {
        check_places(&read(&text("daemon.json", &format!("{{{}}}", members.join(",\n"))), "x"));
    }
}
