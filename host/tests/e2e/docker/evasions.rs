//! Requests that reach an engine and are executed if nobody understands them.

use super::{World, post};

/// That each of them is denied, or refused by the engine itself, and none is executed.
pub(super) fn denied(world: &World) {
    const JSON: &str = "application/json";
    let create = |name: &str| format!("/v1.41/containers/create?name={name}");
    let root = r#"{"Image":"bb:imported","User":"0"}"#;
    let nobody = r#"{"Image":"bb:imported","User":"1000"}"#;
    let large = format!(
        r#"{{"Image":"bb:imported","User":"1000","Labels":{{"a":"{}"}}}}"#,
        "x".repeat(1_100_000)
    );
    let chunked = format!(
        "POST {} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{root}\r\n0\r\n\r\n",
        create("e01"),
        root.len()
    );
    let absolute = post(
        "http://docker/v1.41/containers/create?name=e02",
        &[("Content-Type", JSON)],
        root,
    );
    let twice = post(
        &create("e03"),
        &[("Content-Type", JSON), ("Content-Type", "text/plain")],
        root,
    );
    let untyped = post(&create("e04"), &[], nobody);
    let form = "application/x-www-form-urlencoded";
    let requests: Vec<(&str, Vec<u8>)> = vec![
        ("a body in chunks", chunked.into_bytes()),
        ("an absolute URI", absolute),
        ("two types of content", twice),
        ("no type of content", untyped),
        (
            "another type of content",
            post(&create("e05"), &[("Content-Type", "text/plain")], nobody),
        ),
        (
            "almost the type",
            post(
                &create("e06"),
                &[("Content-Type", "application/jsonx")],
                nobody,
            ),
        ),
        (
            "a parameter of the type",
            post(
                &create("e07"),
                &[("Content-Type", "application/json; charset=utf-8")],
                root,
            ),
        ),
        (
            "small letters",
            post(
                &create("e08"),
                &[("Content-Type", JSON)],
                r#"{"image":"bb:imported","user":"0"}"#,
            ),
        ),
        (
            "letters that fold",
            post(
                &create("e09"),
                &[("Content-Type", JSON)],
                "{\"Image\":\"bb:imported\",\"U\u{17f}er\":\"0\"}",
            ),
        ),
        (
            "two spellings",
            post(
                &create("e10"),
                &[("Content-Type", JSON)],
                r#"{"Image":"bb:imported","User":"1000","user":"0"}"#,
            ),
        ),
        (
            "a key twice",
            post(
                &create("e11"),
                &[("Content-Type", JSON)],
                r#"{"Image":"bb:imported","User":"1000","User":"0"}"#,
            ),
        ),
        (
            "text after the body",
            post(
                &create("e12"),
                &[("Content-Type", JSON)],
                &format!("{nobody}{root}"),
            ),
        ),
        (
            "half a body",
            post(&create("e13"), &[("Content-Type", JSON)], &nobody[..20]),
        ),
        (
            "a list",
            post(&create("e14"), &[("Content-Type", JSON)], "[1]"),
        ),
        (
            "more than the engine shows",
            post(&create("e15"), &[("Content-Type", JSON)], &large),
        ),
        (
            "an encoded path",
            post(
                "/v1.41/containers/%63reate?name=e16",
                &[("Content-Type", JSON)],
                root,
            ),
        ),
        (
            "an encoded slash",
            post(
                "/v1.41/containers%2fcreate?name=e17",
                &[("Content-Type", JSON)],
                root,
            ),
        ),
        (
            "no version",
            post(
                "/containers/create?name=e18",
                &[("Content-Type", JSON)],
                root,
            ),
        ),
        (
            "an old version",
            post(
                "/v1.22/containers/create?name=e19",
                &[("Content-Type", JSON)],
                root,
            ),
        ),
        (
            "a form in place of a query",
            post(
                "/v1.41/commit",
                &[("Content-Type", form)],
                "container=c1&repo=evil",
            ),
        ),
        (
            "a form that hides behind another type",
            post(
                "/v1.41/commit?container=c1",
                &[("Content-Type", form), ("Content-Type", JSON)],
                "repo=evil",
            ),
        ),
        (
            "a semicolon",
            post("/v1.41/commit?container=c1;repo=evil", &[], ""),
        ),
        (
            "a config without a type",
            post(
                "/v1.41/commit?container=c1&repo=evil",
                &[],
                r#"{"User":"0"}"#,
            ),
        ),
        (
            "a HostConfig at the start",
            post(
                "/v1.23/containers/c1/start",
                &[("Content-Type", JSON)],
                r#"{"HostConfig":{"RestartPolicy":{"Name":"always"}}}"#,
            ),
        ),
        (
            "an exec in small letters",
            post(
                "/v1.41/containers/c1/exec",
                &[("Content-Type", JSON)],
                r#"{"detach":true,"privileged":true,"cmd":["/bin/true"]}"#,
            ),
        ),
        (
            "two spellings at the start",
            post(
                "/v1.23/containers/c1/start",
                &[("Content-Type", JSON)],
                r#"{"HostConfig":{},"hostconfig":{"Privileged":true}}"#,
            ),
        ),
        (
            "an unseen body at the start",
            post(
                "/v1.23/containers/c1/start",
                &[("Content-Type", "text/plain")],
                r#"{"HostConfig":{}}"#,
            ),
        ),
        (
            "an escaped key",
            post(
                &create("e20"),
                &[("Content-Type", JSON)],
                r#"{"Image":"bb:imported","\u0055ser":"0"}"#,
            ),
        ),
        (
            "a user that is a number in another spelling",
            post(
                &create("e21"),
                &[("Content-Type", JSON)],
                r#"{"Image":"bb:imported","User":"+0"}"#,
            ),
        ),
        (
            "a group without a user",
            post(
                &create("e22"),
                &[("Content-Type", JSON)],
                r#"{"Image":"bb:imported","User":":1000"}"#,
            ),
        ),
        (
            "no image at all",
            post(
                &create("e23"),
                &[("Content-Type", JSON)],
                r#"{"Cmd":["/bin/sh"]}"#,
            ),
        ),
        (
            "a swap that is added from beside",
            post(
                &create("e24"),
                &[("Content-Type", JSON)],
                r#"{"Image":"bb:imported","User":"1000","MemorySwap":-1,"HostConfig":{"Memory":67108864}}"#,
            ),
        ),
        (
            "a restart policy beside nothing",
            post(
                &create("e25"),
                &[("Content-Type", JSON)],
                r#"{"Image":"bb:imported","User":"1000","HostConfig":null,"RestartPolicy":{"Name":"always"}}"#,
            ),
        ),
        (
            "a HostConfig that folds",
            post(
                &create("e26"),
                &[("Content-Type", JSON)],
                "{\"Image\":\"bb:imported\",\"User\":\"1000\",\"Ho\u{17f}tConfig\":{\"RestartPolicy\":{\"Name\":\"always\"}}}",
            ),
        ),
        (
            "a mark that is not the gate's",
            post(
                &create("e27"),
                &[("Content-Type", JSON), ("X-Stridegate-Lookup", "0")],
                root,
            ),
        ),
        (
            "two lengths of which one is zero",
            zero_and_chunked(&create("e28"), root),
        ),
        (
            "an encoded version",
            post(
                "/%76%31.41/containers/create?name=e29",
                &[("Content-Type", JSON)],
                root,
            ),
        ),
        (
            "a scheme without a host",
            post(
                "x:/v1.41/containers/create?name=e30",
                &[("Content-Type", JSON)],
                root,
            ),
        ),
        (
            "a version of another world",
            post(
                "/v9.99/containers/create?name=e31",
                &[("Content-Type", JSON)],
                root,
            ),
        ),
        (
            "a path that ends like one without a body",
            post(
                "/v1.41/containers/create?name=e32&x=/auth",
                &[("Content-Type", JSON)],
                root,
            ),
        ),
        (
            "a form of letters that fold",
            post(
                "/v1.41/images/create?fromSrc=-&repo=x",
                &[("Content-Type", "appl\u{130}cation/x-www-form-urlencoded")],
                "fromImage=127.0.0.1:1/evil",
            ),
        ),
        (
            "another image in a form",
            post(
                "/v1.41/images/create?fromImage=127.0.0.1:1/good",
                &[("Content-Type", form), ("Content-Type", JSON)],
                "fromImage=127.0.0.1:1/evil",
            ),
        ),
        (
            "a HostConfig that is all the body",
            post(
                "/v1.23/containers/c1/start",
                &[("Content-Type", JSON)],
                r#"{"RestartPolicy":{"Name":"always"}}"#,
            ),
        ),
        (
            "an update in small letters",
            post(
                "/v1.41/containers/c1/update",
                &[("Content-Type", JSON)],
                r#"{"restartpolicy":{"name":"unless-stopped"}}"#,
            ),
        ),
        (
            "an exec without a body at its start",
            post("/v1.41/exec/abc/start", &[], ""),
        ),
        (
            "an exec as a group of root",
            post(
                "/v1.41/containers/c1/exec",
                &[("Content-Type", JSON)],
                r#"{"Cmd":["id"],"User":":5"}"#,
            ),
        ),
    ];
    for (what, request) in &requests {
        let (status, answer) = world.raw(request);
        assert!(
            status == 403 && answer.contains("authorization denied by plugin"),
            "{what}: {answer:.400}"
        );
    }
    refused(world, root);
    pipelined(world, root);
    let names = world.allows(&["ps", "--all", "--format", "{{.Names}}"]);
    assert!(names.lines().all(|name| !name.starts_with('e')), "{names}");
    let images = world.allows(&["images", "--format", "{{.Repository}}"]);
    assert!(!images.contains("evil"), "{images}");
    // What is asked for in one of these ways and is allowed is still executed.
    let (status, answer) = world.post(
        "/containers/%63reate?name=e99",
        "application/json; charset=utf-8",
        nobody,
    );
    assert_eq!(status, 201, "{answer}");
    world.allows(&["rm", "e99"]);
}

/// Requests that the engine itself refuses or redirects, and does not execute.
fn refused(world: &World, root: &str) {
    const JSON: (&str, &str) = ("Content-Type", "application/json");
    for (uri, status) in [
        ("/v1.41//containers/create?name=e90", 301),
        ("/v1.41/x/../containers/create?name=e91", 301),
        ("/v1.41/%2e/containers/create?name=e92", 301),
        ("/v1.41/containers/create/?name=e93", 404),
        ("/V1.41/containers/create?name=e94", 404),
        ("/containers/create%00?name=e95", 404),
        ("/v1.41/v1.41/containers/create?name=e96", 404),
        ("/v1.41/containers/c1/become", 404),
    ] {
        let (found, answer) = world.raw(&post(uri, &[JSON], root));
        assert_eq!(found, status, "{uri}: {answer:.400}");
    }
    let twice = post(
        "/containers/create?name=e97",
        &[JSON, ("Content-Length", "0")],
        root,
    );
    assert_eq!(world.raw(&twice).0, 400);
    let small = String::from_utf8(post("/containers/create?name=e98", &[JSON], root))
        .expect("it is text")
        .replacen("POST", "post", 1);
    assert_eq!(world.raw(small.as_bytes()).0, 404);
}

/// Of requests in one go, each is judged for itself.
fn pipelined(world: &World, root: &str) {
    let nobody = r#"{"Image":"bb:imported","User":"1000"}"#;
    let mut requests = Vec::new();
    for (name, body) in [("p1", nobody), ("e89", root), ("p2", nobody)] {
        let uri = format!("/v1.41/containers/create?name={name}");
        let request = post(&uri, &[("Content-Type", "application/json")], body);
        let request = String::from_utf8(request).expect("it is text");
        let request = if name == "p2" {
            request
        } else {
            request.replacen("Connection: close\r\n", "", 1)
        };
        requests.extend(request.into_bytes());
    }
    let (_, answers) = world.raw(&requests);
    let statuses = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3]);
    assert_eq!(
        statuses.collect::<Vec<_>>(),
        ["201", "403", "201"],
        "{answers}"
    );
    world.allows(&["rm", "p1", "p2"]);
}

/// A body in chunks behind a length of zero.
fn zero_and_chunked(uri: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {uri} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
    .into_bytes()
}
