//! Projects as they are written, and what becomes of them.

use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::object::Object;

fn reading(content: &str) -> Reading {
    let text = Arc::new(Text::new("-", content));
    read(&text)
}

/// Reads `compose.yaml` of a folder of files.
fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Reading) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("it can be made");
        fs::write(path, content).expect("a file can be written");
    }
    let reading = read_in(folder.path(), "compose.yaml");
    (folder, reading)
}

fn read_in(folder: &Path, name: &str) -> Reading {
    let path = folder.join(name);
    let content = fs::read_to_string(&path).expect("the file is there");
    let text = Arc::new(Text::new(path.display().to_string(), content));
    read(&text)
}

fn of<'a>(reading: &'a Reading, name: &str) -> &'a Object {
    assert_eq!(reading.faults, []);
    let found = reading
        .objects
        .iter()
        .find(|object| object.identity.name == name);
    found.expect("the object is there")
}

fn at(object: &Object, pointer: &str) -> Value {
    let found = object.document.at(pointer).map(|found| found.node);
    serde_json::to_value(found).expect("a tree is valid JSON")
}

fn written(object: &Object, pointer: &str) -> String {
    let place = object.place(pointer).expect("the pointer leads somewhere");
    place.text.content[place.shown.range()].to_owned()
}

fn service(content: &str) -> Reading {
    let lines: Vec<String> = content
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    reading(&format!(
        "name: shop\nservices:\n  web:\n{}",
        lines.concat()
    ))
}

/// What a service becomes: members of the container and their values.
#[track_caller]
fn becomes(content: &str, expected: &[(&str, Value)]) {
    let reading = service(content);
    for (pointer, value) in expected {
        assert_eq!(
            &at(of(&reading, "web"), pointer),
            value,
            "{content}\n{pointer}"
        );
    }
}

#[test]
fn scalars_become_what_the_engine_shows() {
    becomes(
        "image: nginx:1\nuser: 0:0\nprivileged: yes\nread_only: true\nmem_limit: 512m\ncpus: 0.5\npids_limit: 100\ninit: true",
        &[
            ("/Config/Image", json!("nginx:1")),
            ("/Config/User", json!("0:0")),
            ("/HostConfig/Privileged", json!(true)),
            ("/HostConfig/ReadonlyRootfs", json!(true)),
            ("/HostConfig/Memory", json!(536_870_912)),
            ("/HostConfig/NanoCpus", json!(500_000_000)),
            ("/HostConfig/PidsLimit", json!(100)),
            ("/HostConfig/Init", json!(true)),
            ("/HostConfig/NetworkMode", json!("shop_default")),
            ("/Name", json!("/shop-web-1")),
        ],
    );
}

#[test]
fn restart_is_text_in_compose() {
    for (written, name, count) in [
        ("restart: no", "no", 0),
        ("restart: 'no'", "no", 0),
        ("restart: on-failure:3", "on-failure", 3),
        (
            "restart: always\ndeploy:\n  restart_policy: {condition: on-failure, max_attempts: 5}",
            "on-failure",
            5,
        ),
        ("deploy: {restart_policy: {condition: any}}", "always", 0),
        ("image: x", "no", 0),
    ] {
        let expected = json!({"Name": name, "MaximumRetryCount": count});
        becomes(written, &[("/HostConfig/RestartPolicy", expected)]);
    }
}

#[test]
fn limits_of_deploy_outweigh_those_beside() {
    becomes(
        "mem_limit: 1g\ndeploy: {resources: {limits: {memory: 64M, cpus: '0.25', pids: 5}, reservations: {memory: 16M}}}",
        &[
            ("/HostConfig/Memory", json!(64 << 20)),
            ("/HostConfig/MemoryReservation", json!(16 << 20)),
            ("/HostConfig/NanoCpus", json!(250_000_000)),
            ("/HostConfig/PidsLimit", json!(5)),
        ],
    );
}

#[test]
fn both_forms_of_lists_and_maps_are_one() {
    for written in [
        "environment: [A=1, A=2, 'B=']",
        "environment: {A: 2, B: ''}",
    ] {
        becomes(written, &[("/Config/Env", json!(["A=2", "B="]))]);
    }
    for written in ["labels: [a=b]", "labels: {a: b}"] {
        becomes(written, &[("/Config/Labels", json!({"a": "b"}))]);
    }
    for written in ["sysctls: [net.x=1]", "sysctls: {net.x: 1}"] {
        becomes(written, &[("/HostConfig/Sysctls", json!({"net.x": "1"}))]);
    }
    for written in [
        "extra_hosts: ['a=1.2.3.4']",
        "extra_hosts: {a: 1.2.3.4}",
        "extra_hosts: ['a:1.2.3.4']",
    ] {
        becomes(written, &[("/HostConfig/ExtraHosts", json!(["a:1.2.3.4"]))]);
    }
    for written in ["command: sh -c 'a b'", "command: [sh, -c, a b]"] {
        becomes(written, &[("/Config/Cmd", json!(["sh", "-c", "a b"]))]);
    }
}

#[test]
fn volumes_become_binds_and_mounts() {
    becomes(
        "volumes:\n- /var/run/docker.sock:/var/run/docker.sock\n- ./data:/data:ro,z\n- store:/store\n- /anonymous\n- {type: bind, source: /etc, target: /host, read_only: true}\n- {type: bind, source: /x, target: /y, bind: {propagation: shared}}\n- {type: tmpfs, target: /t, tmpfs: {size: 1m}}\n- other:/store",
        &[
            (
                "/HostConfig/Binds",
                json!([
                    "/var/run/docker.sock:/var/run/docker.sock:rw",
                    "./data:/data:ro,z",
                    "/etc:/host:ro"
                ]),
            ),
            (
                "/HostConfig/Mounts",
                json!([
                    {"Type": "volume", "Source": "shop_other", "Target": "/store", "ReadOnly": false},
                    {"Type": "volume", "Target": "/anonymous", "ReadOnly": false},
                    {"Type": "bind", "Source": "/x", "Target": "/y", "ReadOnly": false, "BindOptions": {"Propagation": "shared"}},
                    {"Type": "tmpfs", "Target": "/t", "ReadOnly": false, "TmpfsOptions": {"SizeBytes": 1_048_576}},
                ]),
            ),
        ],
    );
}

#[test]
fn windows_paths_keep_their_drive() {
    assert_eq!(
        mounts::sections(r"C:\a:D:\b:ro", true),
        [r"C:\a", r"D:\b", "ro"]
    );
    assert_eq!(mounts::sections("${A:-b}:/c", true), ["${A:-b}", "/c"]);
    assert_eq!(mounts::sections("a:/b", true), ["a:/b"]);
    assert_eq!(mounts::sections("a:/b", false), ["a", "/b"]);
}

#[test]
fn ports_are_published_in_every_form() {
    becomes(
        "expose: [3000]\nports:\n- 80\n- '8080:80'\n- 127.0.0.1:53:53/udp\n- '[::1]:9:9'\n- 7000-7001:5000-5001\n- {target: 443, published: '8443', host_ip: 10.0.0.1}",
        &[
            (
                "/HostConfig/PortBindings",
                json!({
                    "80/tcp": [{"HostIp": "", "HostPort": ""}, {"HostIp": "", "HostPort": "8080"}],
                    "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
                    "9/tcp": [{"HostIp": "::1", "HostPort": "9"}],
                    "5000/tcp": [{"HostIp": "", "HostPort": "7000"}],
                    "5001/tcp": [{"HostIp": "", "HostPort": "7001"}],
                    "443/tcp": [{"HostIp": "10.0.0.1", "HostPort": "8443"}],
                }),
            ),
            ("/Config/ExposedPorts/3000~1tcp", json!({})),
        ],
    );
}

#[test]
fn the_rest_of_a_service_is_read_as_well() {
    becomes(
        "healthcheck: {test: curl x, interval: 1m30s, retries: 3}\nulimits: {nproc: 5, nofile: {soft: 1, hard: 2}}\ndevices: ['/dev/a:/dev/b']\nlogging: {driver: syslog, options: {tag: 1}}\ntmpfs: /run:size=1m\ncap_add: [ALL, ALL]\nipc: service:db\nbuild: {context: ./a, target: x, args: {V: 1}}",
        &[
            (
                "/Config/Healthcheck",
                json!({"Test": ["CMD-SHELL", "curl x"], "Interval": 90_000_000_000_i64, "Retries": 3}),
            ),
            (
                "/HostConfig/Ulimits",
                json!([{"Name": "nproc", "Soft": 5, "Hard": 5}, {"Name": "nofile", "Soft": 1, "Hard": 2}]),
            ),
            (
                "/HostConfig/Devices",
                json!([{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rwm"}]),
            ),
            (
                "/HostConfig/LogConfig",
                json!({"Type": "syslog", "Config": {"tag": "1"}}),
            ),
            ("/HostConfig/Tmpfs", json!({"/run": "size=1m"})),
            ("/HostConfig/CapAdd", json!(["ALL"])),
            ("/HostConfig/IpcMode", json!("container:db")),
            (
                "/Build",
                json!({"context": "./a", "dockerfile": "Dockerfile", "target": "x", "args": {"V": "1"}}),
            ),
        ],
    );
}

#[test]
fn a_default_is_marked_and_stands_at_the_service() {
    let reading = service("image: x");
    let web = of(&reading, "web");
    assert_eq!(at(web, "/HostConfig/Memory"), json!(0));
    assert!(
        at(web, "/defaults")
            .as_array()
            .is_some_and(|all| all.contains(&json!("/HostConfig/Memory")))
    );
    assert_eq!(written(web, "/HostConfig/Memory"), "web");
    assert_eq!(at(web, "/unresolved"), Value::Null);
}

#[test]
fn a_variable_without_a_value_is_unknown_and_not_empty() {
    let reading = service(
        "user: ${USER_ID}\nmem_limit: ${MEM}\nprivileged: ${P}\nenvironment: [PASSED, 'A=${B}', C=d]\nports: ['${PORT}:80']",
    );
    let web = of(&reading, "web");
    assert_eq!(at(web, "/Config/User"), json!("${USER_ID}"));
    assert_eq!(at(web, "/HostConfig/Memory"), Value::Null);
    assert_eq!(
        at(web, "/Config/Env"),
        json!(["PASSED=${PASSED}", "A=${B}", "C=d"])
    );
    let unresolved = at(web, "/unresolved");
    for pointer in [
        "/HostConfig/Memory",
        "/HostConfig/Privileged",
        "/HostConfig/PortBindings",
        "/Config/User",
        "/Config/Env/0",
        "/Config/Env/1",
    ] {
        assert!(
            unresolved
                .as_array()
                .is_some_and(|all| all.contains(&json!(pointer))),
            "{pointer}"
        );
    }
    assert!(!unresolved.to_string().contains("/Config/Env/2"));
}

#[test]
fn every_value_knows_its_place() {
    let reading = service(
        "user: \"app\"\nenvironment:\n  A: b c\ncap_add: [ALL]\ndeploy: {resources: {limits: {memory: 1g}}}",
    );
    let web = of(&reading, "web");
    for (pointer, text) in [
        ("/Config/User", "\"app\""),
        ("/Config/Env/0", "b c"),
        ("/HostConfig/CapAdd/0", "ALL"),
        ("/HostConfig/Memory", "1g"),
        ("/HostConfig/CapAdd", "cap_add"),
    ] {
        assert_eq!(written(web, pointer), text, "{pointer}");
    }
    assert_eq!(
        web.written_path("/HostConfig/Memory"),
        "/deploy/resources/limits/memory"
    );
    assert_eq!(web.written_path("/Config/User"), "/user");
}

#[test]
fn variables_come_from_the_file_beside() {
    let (_folder, reading) = project(&[
        (
            ".env",
            "TAG=1.2\nexport MEM='64m'\nSECRET=hush # not said\n",
        ),
        (
            "compose.yaml",
            "services:\n  web:\n    image: nginx:$TAG\n    mem_limit: ${MEM}\n    environment: [SECRET]\n",
        ),
    ]);
    let web = of(&reading, "web");
    assert_eq!(at(web, "/Config/Image"), json!("nginx:1.2"));
    assert_eq!(at(web, "/HostConfig/Memory"), json!(64 << 20));
    assert_eq!(at(web, "/Config/Env"), json!(["SECRET=hush"]));
    let place = web.place("/Config/Env/0").expect("it is there");
    assert_eq!(
        (
            &place.text.content[place.shown.range()],
            place.text.name.ends_with("/.env")
        ),
        ("hush", true)
    );
}

#[test]
fn files_of_variables_have_places_of_their_own() {
    let (_folder, reading) = project(&[
        ("conf/web.env", "A=1\nB=2\n"),
        (
            "compose.yaml",
            "services:\n  web:\n    env_file: [conf/web.env, {path: none.env, required: false}]\n    environment: {B: 3}\n",
        ),
    ]);
    let web = of(&reading, "web");
    assert_eq!(at(web, "/Config/Env"), json!(["A=1", "B=3"]));
    let place = web.place("/Config/Env/0").expect("it is there");
    assert!(place.text.name.ends_with("conf/web.env"));
    assert_eq!(&place.text.content[place.shown.range()], "1");
}

#[test]
fn an_override_is_laid_over_and_not_judged_alone() {
    let (folder, reading) = project(&[
        (
            "compose.yaml",
            "services:\n  web: {image: a, user: app, cap_add: [A], ports: ['80:80']}\n",
        ),
        (
            "compose.override.yaml",
            "services:\n  web:\n    user: root\n    cap_add: [B]\n    ports: !reset []\n    mem_limit: 1g\n",
        ),
    ]);
    let web = of(&reading, "web");
    assert_eq!(at(web, "/Config/User"), json!("root"));
    assert_eq!(at(web, "/HostConfig/CapAdd"), json!(["A", "B"]));
    assert_eq!(at(web, "/HostConfig/PortBindings"), json!({}));
    let place = web.place("/Config/User").expect("it is there");
    assert!(place.text.name.ends_with("compose.override.yaml"));
    let alone = read_in(folder.path(), "compose.override.yaml");
    assert!(
        alone
            .skipped
            .is_some_and(|why| why.contains("compose.yaml"))
    );
}

#[test]
fn a_service_extends_others_here_and_elsewhere() {
    let (_folder, reading) = project(&[
        (
            "compose.yaml",
            "services:\n  base: {image: a, environment: {A: 1}}\n  web:\n    extends: base\n    environment: {B: 2}\n  job:\n    extends: {file: lib/common.yml, service: job}\n    user: app\n",
        ),
        (
            "lib/common.yml",
            "services:\n  root: {user: root, env_file: a.env}\n  job:\n    extends: {service: root}\n    build: .\n    volumes: ['./d:/d']\n",
        ),
        ("lib/a.env", "X=1\n"),
    ]);
    assert_eq!(
        at(of(&reading, "web"), "/Config/Env"),
        json!(["A=1", "B=2"])
    );
    assert_eq!(at(of(&reading, "web"), "/Config/Image"), json!("a"));
    let job = of(&reading, "job");
    assert_eq!(at(job, "/Config/User"), json!("app"));
    assert_eq!(at(job, "/Build/context"), json!("./lib"));
    assert_eq!(at(job, "/HostConfig/Binds"), json!(["./lib/d:/d:rw"]));
    assert_eq!(at(job, "/Config/Env"), json!(["X=1"]));
}

#[test]
fn an_included_project_brings_its_own_variables() {
    let (_folder, reading) = project(&[
        (
            "compose.yaml",
            "include:\n- db/compose.yaml\n- {path: [two.yaml, three.yaml], env_file: two.env}\nservices:\n  web: {image: a}\n",
        ),
        (
            "db/compose.yaml",
            "services:\n  db:\n    image: db:$TAG\n    env_file: db.env\n    environment: [TAG]\n",
        ),
        ("db/.env", "TAG=9\n"),
        ("db/db.env", "Y=1\n"),
        ("two.yaml", "services:\n  two: {image: 'x:$T'}\n"),
        ("three.yaml", "services:\n  two: {user: root}\n"),
        ("two.env", "T=2\n"),
    ]);
    assert_eq!(at(of(&reading, "db"), "/Config/Image"), json!("db:9"));
    assert_eq!(
        at(of(&reading, "db"), "/Config/Env"),
        json!(["Y=1", "TAG=9"])
    );
    assert_eq!(at(of(&reading, "two"), "/Config/Image"), json!("x:2"));
    assert_eq!(at(of(&reading, "two"), "/Config/User"), json!("root"));
    assert_eq!(reading.written, 3);
}

#[test]
fn what_compose_refuses_is_a_fault_with_a_place() {
    let cases = [
        ("services:\n  a: {image: x}\n  a: {image: y}\n", "twice", 3),
        (
            "services:\n  a: {extends: b}\n  b: {extends: a}\n",
            "extends itself",
            2,
        ),
        ("services:\n  a: {extends: c}\n", "not there", 2),
        (
            "services:\n  a: {env_file: no.env, image: x}\n",
            "cannot be read",
            2,
        ),
        (
            "services:\n  a: {env_file: ../../etc/passwd, image: x}\n",
            "",
            2,
        ),
        ("services:\n  a: {image: 'x$'}\n", "`$$`", 2),
        ("services:\n  a: {mem_limit: much}\n", "number of bytes", 2),
        ("services:\n  a: {command: \"sh 'x\"}\n", "command line", 2),
        ("services: []\n", "no map", 1),
        ("services:\n  a:\n", "no map", 2),
        (
            "include: [compose.yaml]\nservices: {a: {image: x}}\n",
            "includes itself",
            1,
        ),
        ("volumes: {}\n", "no services", 1),
    ];
    for (content, message, line) in cases {
        let (_folder, reading) = project(&[("compose.yaml", content)]);
        let fault = reading
            .faults
            .first()
            .unwrap_or_else(|| panic!("no fault in {content}"));
        assert!(
            fault.message.contains(message),
            "{content}: {}",
            fault.message
        );
        assert_eq!(
            fault.position.map(|position| position.line),
            Some(line),
            "{content}"
        );
    }
}

#[test]
fn a_file_outside_the_project_is_not_read() {
    let (folder, _) = project(&[
        ("secret.env", "A=hush\n"),
        ("compose.yaml", "services: {}\n"),
        (
            "app/compose.yaml",
            "services:\n  a: {image: x, env_file: ../secret.env}\n",
        ),
    ]);
    let reading = read_in(&folder.path().join("app"), "compose.yaml");
    let fault = reading.faults.first().expect("it is refused");
    assert!(fault.message.contains("outside") && fault.message.contains("docker compose config"));
}

#[test]
fn secrets_and_configs_carry_what_the_project_says() {
    let reading = reading(
        "name: p\nservices:\n  a:\n    image: x\n    secrets: [file, var]\n    configs: [{source: inline, target: /etc/x}]\nsecrets:\n  file: {file: ./s.txt}\n  var: {environment: TOKEN}\nconfigs:\n  inline: {content: 'a=b'}\n",
    );
    let service = of(&reading, "a");
    assert_eq!(at(service, "/HostConfig/Mounts/0/Source"), json!("./s.txt"));
    assert_eq!(
        at(service, "/HostConfig/Mounts/0/Target"),
        json!("/run/secrets/file")
    );
    assert_eq!(at(service, "/Files/0/Content"), json!("${TOKEN}"));
    assert_eq!(
        at(service, "/Files/1"),
        json!({"Source": "inline", "Target": "/etc/x", "Content": "a=b"})
    );
    assert_eq!(at(service, "/unresolved"), json!(["/Files/0/Content"]));
}

#[test]
fn volumes_and_networks_are_objects_of_their_own() {
    let reading = reading(
        "name: p\nservices:\n  a: {image: x, networks: [front]}\nvolumes:\n  v: {driver_opts: {type: none, device: /, o: bind}}\n  e: {external: true}\nnetworks:\n  front: {internal: true, driver_opts: {com.docker.network.bridge.enable_icc: 'false'}}\n",
    );
    assert_eq!(at(of(&reading, "v"), "/Options/device"), json!("/"));
    assert_eq!(at(of(&reading, "v"), "/Name"), json!("p_v"));
    assert_eq!(at(of(&reading, "front"), "/Internal"), json!(true));
    assert_eq!(
        at(of(&reading, "a"), "/HostConfig/NetworkMode"),
        json!("p_front")
    );
    assert_eq!(reading.written, 3);
}

#[test]
fn yaml_is_read_by_composes_rules() {
    let reading = reading(
        "name: p\nx-base: &base\n  user: root\n  environment: &env {A: 1}\nservices:\n  a:\n    user: app\n    image: on\n    <<: *base\n    environment:\n      <<: *env\n      B: no\n      MODE: 0644\n",
    );
    let a = of(&reading, "a");
    assert_eq!(at(a, "/Config/User"), json!("app"));
    assert_eq!(at(a, "/Config/Image"), json!("on"));
    assert_eq!(at(a, "/Config/Env"), json!(["A=1", "B=no", "MODE=420"]));
}

#[test]
fn a_project_is_known_by_name_or_content() {
    for name in [
        "compose.yaml",
        "a/compose.prod.yml",
        "docker-compose.yml",
        "docker-compose-dev.yaml",
        "user.compose.yaml",
    ] {
        assert!(is_promised(Path::new(name)), "{name}");
    }
    for name in ["composer.json", "composes.yaml", "compose.json", "x.yaml"] {
        assert!(!is_promised(Path::new(name)), "{name}");
    }
    let known = |text: &str| recognises(&Text::new("x.yaml", text));
    assert!(known("services:\n  a: {image: x}\n"));
    assert!(known("services:\n  a: {build: .}\n  b: {extends: a}\n"));
    for text in [
        "services: [a]\n",
        "services:\n  a: {host: x}\n",
        "apiVersion: v1\nkind: X\nservices: {a: {image: x}}\n",
        "jobs: {}\nservices: {a: {image: x}}\n",
        "services:\n  - name: docker:dind\n",
    ] {
        assert!(!known(text), "{text}");
    }
}

fn check(node: &Node, texts: &[Arc<Text>]) {
    let holds = |span: crate::object::Span| {
        texts
            .get(span.text as usize)
            .is_some_and(|text| text.content.get(span.range()).is_some())
    };
    assert!(holds(node.span), "{node:?}");
    node.items().iter().for_each(|item| check(item, texts));
    for entry in node.entries() {
        assert!(holds(entry.key_span), "{entry:?}");
        check(&entry.value, texts);
    }
}

#[test]
fn what_is_made_to_exhaust_is_refused_in_time() {
    let lines = |count: usize, line: &dyn Fn(usize) -> String| {
        let lines: Vec<String> = (0..count).map(line).collect();
        lines.concat()
    };
    let base = lines(20_000, &|n| format!("      V{n}: x\n"));
    let others = lines(2_000, &|n| format!("  s{n}: {{extends: base}}\n"));
    let text = format!("services:\n  base:\n    environment:\n{base}{others}");
    assert!(!reading(&text).faults.is_empty());
    let chain = lines(5_000, &|n| format!("  s{n}: {{extends: s{}}}\n", n + 1));
    assert!(!reading(&format!("services:\n{chain}")).faults.is_empty());
    let crowd = lines(10_001, &|n| format!("  s{n}: {{image: x}}\n"));
    assert!(!reading(&format!("services:\n{crowd}")).faults.is_empty());
    reading(&format!(
        "services:\n  a:\n    user: \"{}\"\n",
        "${A:-".repeat(100_000)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_members_are_read_or_refused(members in prop::collection::vec((
        prop::sample::select(vec![
            "image", "user", "command", "environment", "env_file", "ports", "volumes", "mem_limit", "cpus", "restart",
            "deploy", "extends", "build", "secrets", "networks", "ulimits", "healthcheck", "devices", "tmpfs", "logging",
            "privileged", "labels", "extra_hosts", "container_name", "network_mode", "include", "expose", "stop_grace_period",
        ]),
        prop::sample::select(vec![
            "a", "[a, b]", "{a: b}", "", "1", "-1", "1.5", "true", "${A}", "'${A:-x}:y'", "[1, [2], {a: }]", "a:b:c:d",
            "'$'", "[A, B=c, '']", "{a: [1], b: {c: d}}", "é:ł", "9-1", "1-9:1-9", "!reset x", "{path: x}", "{soft: a}",
            "[{source: x, target: y}]", "{resources: {limits: {memory: x}}}", "{service: web}", "web", "'\"'", "[null]",
        ]),
    ), 0..8)) {
        let mut seen = std::collections::HashSet::new();
        let members: Vec<String> = members
            .iter()
            .filter(|(key, _)| seen.insert(*key))
            .map(|(key, value)| format!("    {key}: {value}\n"))
            .collect();
        let members = members.concat();
        let reading = reading(&format!("secrets: {{x: {{content: $A}}}}\nservices:\n  web:\n{members}    init: true\n  o: {{extends: web}}\n"));
        for object in &reading.objects {
            check(&object.document, &object.texts);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(parts in prop::collection::vec(prop::sample::select(vec![
        "services:", "\n", "\n  ", "\n    ", "a: ", "- ", "&x ", "*x", "<<: ", "image: x", "{", "}", "[", "]", "$", "${", "é", "!reset ",
        "include: ", "extends: ", "volumes: ", ": ", "'", "\"", "#", "null", "---\n",
    ]), 0..30)) {
        let reading = reading(&parts.concat());
        for object in &reading.objects {
            check(&object.document, &object.texts);
        }
    }
}
