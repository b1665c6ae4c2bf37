//! A registry that lies, in each way that one can.

use std::sync::Arc;
use std::time::Duration;

use stridegate::registry::{Access, Digest, Meter, Options, Patience, Registry};

use super::Desk;
use super::fake::{Reply, Request, reply, with};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn is_manifest(request: &Request) -> bool {
    request.path.contains("/manifests/")
}

fn is_blob(request: &Request) -> bool {
    request.path.contains("/blobs/")
}

/// The policy in the registry after its manifest was changed.
fn with_manifest(change: impl Fn(&str) -> String) -> Desk {
    let desk = Desk::with_policy();
    let manifest = String::from_utf8(desk.fake.manifest("a/root-user", "0.1.0"));
    let manifest = change(&manifest.expect("JSON is text"));
    desk.fake
        .set("a/root-user", "0.1.0", MANIFEST, manifest.as_bytes());
    desk
}

fn pull_fails(desk: &Desk, part: &str) {
    desk.refuses(&["pull", &desk.policy()], part);
    desk.fake.behave();
    desk.refuses(&["pull", &desk.policy(), "--offline"], "");
}

#[test]
fn a_digest_that_is_not_that_of_the_manifest() {
    let desk = Desk::with_policy();
    let wrong = Digest::of(b"other").to_string();
    let body = desk.fake.manifest("a/root-user", "0.1.0");
    desk.fake.misbehave(move |request| {
        let headers = [
            ("Content-Type", MANIFEST),
            ("Docker-Content-Digest", &wrong),
        ];
        is_manifest(request).then(|| with(200, &headers, &body))
    });
    pull_fails(&desk, "says that it sent sha256:");
}

#[test]
fn another_manifest_than_the_digest_names() {
    let desk = Desk::with_policy();
    let exact = desk
        .fake
        .reference(&format!("a/root-user@{}", desk.digest()));
    let mut body = desk.fake.manifest("a/root-user", "0.1.0");
    body.push(b' ');
    desk.fake.misbehave(move |request| {
        is_manifest(request).then(|| with(200, &[("Content-Type", MANIFEST)], &body))
    });
    desk.refuses(&["pull", &exact], "sent a manifest with the digest");
}

#[test]
fn other_bytes_of_the_same_length() {
    let desk = Desk::with_policy();
    desk.fake.misbehave(|request| {
        let length = usize::from(request.path.contains("blobs"));
        is_blob(request).then(|| reply(200, &vec![b' '; length]))
    });
    desk.refuses(&["pull", &desk.policy()], "promises 1 bytes");
    let manifest: serde_json::Value =
        serde_json::from_slice(&desk.fake.manifest("a/root-user", "0.1.0")).expect("it is JSON");
    let size = manifest["config"]["size"].as_u64().expect("it has a size");
    let size = usize::try_from(size).expect("it is small");
    desk.fake
        .misbehave(move |request| is_blob(request).then(|| reply(200, &vec![b' '; size])));
    pull_fails(&desk, "has the digest");
}

#[test]
fn less_than_was_promised() {
    let desk = Desk::with_policy();
    desk.fake.misbehave(|request| {
        let headers = vec![("Retry-After".to_owned(), "0".to_owned())];
        is_blob(request).then(|| Reply::Pieces(headers, b"{}".to_vec()))
    });
    pull_fails(&desk, "ended its answer after 2 of");
}

#[test]
fn a_body_without_an_end() {
    for (what, status) in [("/manifests/", 200), ("/blobs/", 200), ("/tags/", 200)] {
        let desk = Desk::with_policy();
        desk.fake.misbehave(move |request| {
            request
                .path
                .contains(what)
                .then_some(Reply::Endless(status))
        });
        let required = desk.fake.reference("a/root-user#^0.1");
        desk.refuses(&["pull", &required], "sends more than");
    }
    // An error is cut off, and still one.
    let desk = Desk::with_policy();
    desk.fake
        .misbehave(|request| is_manifest(request).then_some(Reply::Endless(403)));
    pull_fails(&desk, "403");
}

#[test]
fn a_token_without_an_end() {
    let desk = Desk::with_policy();
    let realm = format!("Bearer realm=\"http://{}/token\"", desk.fake.address);
    desk.fake.misbehave(move |request| match &request.path[..] {
        "/token" => Some(Reply::Endless(200)),
        "/v2/" => None,
        _ => Some(with(401, &[("WWW-Authenticate", &realm)], b"")),
    });
    pull_fails(&desk, "sends more than");
}

#[test]
fn a_list_of_tags_without_an_end() {
    let desk = Desk::with_policy();
    desk.fake.misbehave(|request| {
        let headers = [("Link", "</v2/a/root-user/tags/list?last=x>; rel=\"next\"")];
        let is_list = request.path.ends_with("/tags/list");
        is_list.then(|| with(200, &headers, br#"{"tags":["x"]}"#))
    });
    desk.refuses(&["tags", &desk.fake.reference("a/root-user")], "has no end");
}

#[test]
fn a_manifest_from_elsewhere() {
    let (desk, elsewhere) = (Desk::with_policy(), Desk::with_policy());
    let location = format!(
        "http://{}/v2/a/root-user/manifests/0.1.0",
        elsewhere.fake.address
    );
    desk.fake.misbehave(move |request| {
        is_manifest(request).then(|| with(307, &[("Location", &location)], b""))
    });
    pull_fails(&desk, "for what it has to say itself");
    assert_eq!(elsewhere.fake.log().len(), 0);
}

#[test]
fn bytes_from_elsewhere_are_fine_and_do_not_get_the_login() {
    let (desk, elsewhere) = (Desk::with_policy(), Desk::with_policy());
    let login = r#"{"auths":{"ADDRESS":{"auth":"bmFtZTpodW50ZXI="}}}"#;
    let login = login.replace("ADDRESS", &desk.fake.address);
    desk.write("docker/config.json", login.as_bytes());
    let address = elsewhere.fake.address.clone();
    desk.fake.misbehave(move |request| {
        if request.path != "/v2/" && !request.headers.contains_key("authorization") {
            return Some(with(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], b""));
        }
        let location = format!("http://{address}{}", request.path);
        is_blob(request).then(|| with(307, &[("Location", &location)], b""))
    });
    desk.does(&["pull", &desk.policy()]);
    let log = elsewhere.fake.log();
    assert_eq!(log.len(), 2);
    assert!(
        log.iter()
            .all(|request| !request.headers.contains_key("authorization"))
    );
}

#[test]
fn a_way_without_an_end() {
    let desk = Desk::with_policy();
    desk.fake.misbehave(|request| {
        is_blob(request).then(|| with(302, &[("Location", &request.path)], b""))
    });
    pull_fails(&desk, "more than 5 times");
}

#[test]
fn a_manifest_of_another_type() {
    let desk = Desk::with_policy();
    let body = desk.fake.manifest("a/root-user", "0.1.0");
    for (media_type, part) in [
        (DOCKER, "says of itself"),
        (INDEX, "says of itself"),
        ("text/html", "says of itself"),
    ] {
        let body = body.clone();
        desk.fake.misbehave(move |request| {
            is_manifest(request).then(|| with(200, &[("Content-Type", media_type)], &body))
        });
        desk.refuses(&["pull", &desk.policy()], part);
    }
    let body = String::from_utf8(body)
        .expect("JSON is text")
        .replace(MANIFEST, DOCKER);
    desk.fake.misbehave(move |request| {
        is_manifest(request).then(|| with(200, &[("Content-Type", DOCKER)], body.as_bytes()))
    });
    pull_fails(&desk, "this program reads");
}

#[test]
fn an_artifact_of_another_kind() {
    for (from, to, part) in [
        (
            "application/vnd.wasm.config.v0+json",
            "application/vnd.wasm.config.v1+json",
            "is of the type",
        ),
        (
            "application/wasm",
            "application/vnd.wasm.content.layer.v1+wasm",
            "has a layer of the type",
        ),
        ("\"layers\":[", "\"layers\":[],\"former\":[", "has 0 layers"),
    ] {
        let desk = with_manifest(|manifest| manifest.replace(from, to));
        pull_fails(&desk, part);
    }
}

#[test]
fn what_this_program_cannot_run_is_not_downloaded() {
    for (from, to, part) in [
        (
            "\"imports\":[]",
            "\"imports\":[\"wasi:io/streams@0.2.0\"]",
            "imports wasi:io",
        ),
        (
            "mitigation@0.1.0",
            "mitigation@9.0.0",
            "which this program speaks",
        ),
    ] {
        let desk = Desk::with_policy();
        let manifest = String::from_utf8(desk.fake.manifest("a/root-user", "0.1.0"));
        let manifest = manifest.expect("JSON is text");
        let read: serde_json::Value = serde_json::from_str(&manifest).expect("it is JSON");
        let old = read["config"]["digest"].as_str().expect("it has a digest");
        let config = String::from_utf8(desk.fake.blob(old)).expect("JSON is text");
        assert!(config.contains(from), "{config}");
        let config = config.replace(from, to);
        let new = desk.fake.set_blob(config.as_bytes());
        let size = format!("\"size\":{}", read["config"]["size"]);
        let manifest = manifest
            .replacen(&size, &format!("\"size\":{}", config.len()), 1)
            .replace(old, &new);
        desk.fake
            .set("a/root-user", "0.1.0", MANIFEST, manifest.as_bytes());
        desk.fake.log();
        desk.refuses(&["pull", &desk.policy()], part);
        let blobs = desk.fake.log().into_iter().filter(is_blob).count();
        assert_eq!(blobs, 1, "only the config was asked for");
    }
}

#[test]
fn one_version_under_the_tag_of_another() {
    let desk = Desk::with_policy();
    let manifest = desk.fake.manifest("a/root-user", "0.1.0");
    desk.fake.set("a/root-user", "9.0.0", MANIFEST, &manifest);
    desk.refuses(
        &["pull", &desk.fake.reference("a/root-user#*")],
        "is the version 0.1.0, and not 9.0.0",
    );
}

#[test]
fn a_tag_that_moves_while_it_is_read_is_read_once() {
    let desk = Desk::with_policy();
    desk.does(&["pull", &desk.policy()]);
    let asked = desk.fake.log();
    let asked = asked
        .iter()
        .filter(|request| request.path.ends_with("/manifests/0.1.0"));
    assert_eq!(asked.count(), 1);
}

#[test]
fn a_login_that_is_refused_is_not_shown() {
    let desk = Desk::with_policy();
    let login = r#"{"auths":{"ADDRESS":{"auth":"bmFtZTpodW50ZXI="}}}"#;
    let login = login.replace("ADDRESS", &desk.fake.address);
    desk.write("docker/config.json", login.as_bytes());
    desk.fake.misbehave(|request| {
        (request.path != "/v2/")
            .then(|| with(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], b"hunter"))
    });
    let said = desk.refuses(&["pull", &desk.policy()], "docker login");
    assert!(
        !said.contains("hunter") && !said.contains("bmFtZ"),
        "{said}"
    );
    let realm = format!("Bearer realm=\"http://{}/token\"", desk.fake.address);
    desk.fake.misbehave(move |request| match &request.path[..] {
        "/token" => Some(reply(401, br#"{"errors":[{"code":"UNAUTHORIZED"}]}"#)),
        "/v2/" => None,
        _ => Some(with(401, &[("WWW-Authenticate", &realm)], b"")),
    });
    let said = desk.refuses(&["pull", &desk.policy()], "gives no token");
    assert!(
        !said.contains("hunter") && !said.contains("bmFtZ"),
        "{said}"
    );
}

#[test]
fn silence() {
    let desk = Desk::with_policy();
    desk.fake
        .misbehave(|request| is_manifest(request).then_some(Reply::Silence));
    let registry = Registry::open(Options {
        access: Access {
            patience: Patience {
                attempts: 2,
                pause: Duration::from_millis(1),
                idle: Duration::from_secs(1),
                ..Patience::default()
            },
            ..Access::default()
        },
        store: Some(desk.path("store")),
        meter: Arc::new(Meter::default()),
        ..Options::default()
    })
    .expect("it needs no registry yet");
    let reference = desk.policy().parse().expect("it is a reference");
    let error = registry.pin(&reference).expect_err("nobody answers");
    assert!(
        format!("{error:#}").contains("does not answer in time"),
        "{error:#}"
    );
}

#[test]
fn a_registry_elsewhere_is_not_reached_without_tls_unless_it_is_named() {
    let desk = Desk::with_policy();
    // A name that is not of this machine, as far as its name tells.
    let port = desk.fake.address.rsplit_once(':').expect("it has a port").1;
    let reference = format!("oci://0.0.0.0:{port}/a/root-user:0.1.0");
    desk.refuses(&["pull", &reference], "the registry");
    assert!(desk.fake.log().is_empty(), "nothing was said in the clear");
    desk.does(&[
        "pull",
        &reference,
        "--plain-http",
        &format!("0.0.0.0:{port}"),
    ]);
}

#[test]
fn a_place_that_is_none() {
    for location in [None, Some("http://["), Some("ftp://a/b")] {
        let desk = Desk::with_policy();
        desk.fake.misbehave(move |request| {
            let headers: Vec<_> = location.iter().map(|to| ("Location", *to)).collect();
            is_blob(request).then(|| with(307, &headers, b""))
        });
        let said = desk.refuses(&["pull", &desk.policy()], "the registry");
        assert!(!said.contains("panicked"), "{said}");
    }
    let desk = Desk::new();
    desk.fake.misbehave(|request| {
        let begins = request.path.ends_with("/blobs/uploads/");
        begins.then(|| with(202, &[], b""))
    });
    desk.refuses(
        &["push", &desk.fake.reference("a/b"), "root-user"],
        "does not say where the bytes are to be sent",
    );
}

#[test]
fn a_list_of_tags_that_goes_on_elsewhere() {
    let (desk, elsewhere) = (Desk::with_policy(), Desk::with_policy());
    let link = format!(
        "<http://{}/v2/a/root-user/tags/list>; rel=\"next\"",
        elsewhere.fake.address
    );
    desk.fake.misbehave(move |request| {
        let is_list = request.path.ends_with("/tags/list");
        is_list.then(|| with(200, &[("Link", &link)], br#"{"tags":["x"]}"#))
    });
    desk.refuses(&["tags", &desk.fake.reference("a/root-user")], "elsewhere");
    assert!(elsewhere.fake.log().is_empty());
}

#[test]
fn a_registry_that_never_can_answer() {
    for status in [429, 500, 502, 503, 504] {
        let desk = Desk::with_policy();
        desk.fake.misbehave(move |request| {
            let later = || with(status, &[("Retry-After", "0")], b"later");
            is_manifest(request).then(later)
        });
        pull_fails(&desk, &format!("the registry answers {status}"));
        let asked = desk.fake.log();
        let asked = asked.iter().filter(|request| is_manifest(request));
        assert_eq!(asked.count(), 5, "{status}");
    }
}

#[test]
fn an_answer_that_always_breaks_off() {
    let desk = Desk::with_policy();
    desk.fake
        .misbehave(|request| is_blob(request).then(|| Reply::Pieces(Vec::new(), Vec::new())));
    pull_fails(&desk, "ended its answer after 0 of");
    let desk = Desk::with_policy();
    desk.fake
        .misbehave(|request| is_manifest(request).then(|| Reply::Cut(900, b"{".to_vec())));
    pull_fails(&desk, "the registry broke off");
}

/// A process that is killed while bytes come leaves nothing that is taken for them.
#[test]
fn a_download_that_is_killed() {
    let desk = Desk::with_policy();
    desk.fake
        .misbehave(|request| is_blob(request).then_some(Reply::Silence));
    let pull = ["pull", &desk.policy(), "--store", "store"];
    let mut child = desk.command(&pull).spawn().expect("it can be started");
    while !desk.fake.log().iter().any(is_blob) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    desk.fake.behave();
    desk.refuses(&["pull", &desk.policy(), "--offline"], "was pulled");
    desk.does(&["pull", &desk.policy()]);
    desk.does(&["pull", &desk.policy(), "--offline"]);
}
