//! The way to a registry: proxies, and tokens in the place of passwords.

use super::Desk;
use super::fake::{reply, with};

/// A registry that no name server knows: only a proxy does.
const AWAY: &str = "registry.example:5000";

fn pull(desk: &Desk, registry: &str, variables: &[(&str, &str)]) -> super::Run {
    let reference = format!("oci://{registry}/a/root-user:0.1.0");
    let pull = [
        "pull",
        &reference,
        "--plain-http",
        registry,
        "--store",
        "store",
    ];
    desk.run_with(&pull, variables)
}

#[test]
fn a_proxy_is_told_the_whole_address_and_gets_its_login() {
    // The registry of the desk plays the proxy, too.
    let desk = Desk::with_policy();
    let proxy = format!("http://name:hunter@{}", desk.fake.address);
    let run = pull(&desk, AWAY, &[("HTTP_PROXY", &proxy)]);
    assert_eq!(run.code, 0, "{run:?}");
    let log = desk.fake.log();
    assert!(log.len() >= 3, "{log:?}");
    for request in log {
        assert_eq!(request.host.as_deref(), Some(AWAY), "{request:?}");
        let login = request.headers.get("proxy-authorization");
        assert_eq!(login.map(String::as_str), Some("Basic bmFtZTpodW50ZXI="));
        assert!(!request.headers.contains_key("authorization"));
    }
}

#[test]
fn a_dead_proxy_is_named_and_its_login_is_not() {
    let desk = Desk::with_policy();
    // Nobody listens at the port 1.
    for (variable, registry) in [("HTTP_PROXY", AWAY), ("all_proxy", AWAY)] {
        let run = pull(
            &desk,
            registry,
            &[(variable, "http://name:hunter@127.0.0.1:1")],
        );
        assert_eq!(run.code, 2, "{run:?}");
        let named = format!("the proxy http://127.0.0.1:1 of {variable} gives no way");
        assert!(run.stderr.contains(&named), "{run:?}");
        assert!(run.stderr.contains("NO_PROXY"), "{run:?}");
        assert!(!run.stderr.contains("hunter"), "{run:?}");
    }
    let run = pull(&desk, AWAY, &[("HTTP_PROXY", "socks5://127.0.0.1:1")]);
    assert!(run.stderr.contains("of the kind socks5"), "{run:?}");
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let desk = Desk::with_policy();
    for (status, part) in [(407, "its login stands before its host"), (403, "403")] {
        desk.fake.misbehave(move |_| Some(reply(status, b"")));
        let proxy = format!("http://{}", desk.fake.address);
        let run = pull(&desk, AWAY, &[("HTTP_PROXY", &proxy)]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(part), "{run:?}");
        assert!(
            run.stderr.contains("by way of the proxy http://127.0.0.1"),
            "{run:?}"
        );
    }
}

#[test]
fn what_is_excepted_from_the_proxy_is_reached_directly() {
    let desk = Desk::with_policy();
    // An address of this machine that is not known to be one.
    let port = desk.fake.address.rsplit_once(':').expect("it has a port").1;
    let registry = format!("0.0.0.0:{port}");
    let dead = ("HTTP_PROXY", "http://127.0.0.1:1");
    for list in ["*", "0.0.0.0", &registry, "x.example, 0.0.0.0/8"] {
        desk.forget();
        let run = pull(&desk, &registry, &[dead, ("NO_PROXY", list)]);
        assert_eq!(run.code, 0, "{list}: {run:?}");
    }
    assert!(desk.fake.log().iter().all(|request| request.host.is_none()));
    // This machine needs no exception.
    desk.forget();
    let run = pull(&desk, &desk.fake.address, &[dead, ("HTTPS_PROXY", dead.1)]);
    assert_eq!(run.code, 0, "{run:?}");
}

/// A registry whose tokens are had for the identity token of a login.
fn asks_for_identity(desk: &Desk) {
    let login = r#"{"auths":{"ADDRESS":{"auth":"","identitytoken":"hunter token"}}}"#;
    let login = login.replace("ADDRESS", &desk.fake.address);
    desk.write("docker/config.json", login.as_bytes());
    let realm = format!(
        "Bearer realm=\"http://{}/token\",service=\"s\"",
        desk.fake.address
    );
    desk.fake.misbehave(move |request| match &request.path[..] {
        "/token" => {
            let form = String::from_utf8_lossy(&request.body).into_owned();
            let is_good = request.method == "POST"
                && form.contains("grant_type=refresh_token")
                && form.contains("refresh_token=hunter+token")
                && form.contains("service=s")
                && form.contains("scope=repository%3Aa%2Froot-user%3Apull");
            let status = if is_good { 200 } else { 401 };
            Some(reply(status, br#"{"access_token":"open","expires_in":60}"#))
        }
        "/v2/" => None,
        _ => match request.headers.get("authorization").map(String::as_str) {
            Some("Bearer open") => None,
            _ => Some(with(401, &[("WWW-Authenticate", &realm)], b"")),
        },
    });
}

#[test]
fn an_identity_token_is_exchanged_for_a_token() {
    let desk = Desk::with_policy();
    asks_for_identity(&desk);
    desk.does(&["pull", &desk.policy()]);
    let log = desk.fake.log();
    let tokens: Vec<_> = log
        .iter()
        .filter(|request| request.path == "/token")
        .collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert!(!tokens[0].headers.contains_key("authorization"));
    assert!(
        !tokens[0].query.contains("hunter"),
        "a log of URLs shows it"
    );
    let content = &tokens[0].headers["content-type"];
    assert_eq!(content, "application/x-www-form-urlencoded");
    assert!(
        log.iter()
            .filter(|request| request.path != "/token")
            .all(|request| !format!("{request:?}").contains("hunter"))
    );
}

#[test]
fn an_identity_token_that_is_refused_is_not_shown() {
    let desk = Desk::with_policy();
    asks_for_identity(&desk);
    let login = r#"{"auths":{"ADDRESS":{"identitytoken":"hunted"}}}"#;
    let login = login.replace("ADDRESS", &desk.fake.address);
    desk.write("docker/config.json", login.as_bytes());
    let said = desk.refuses(&["pull", &desk.policy()], "gives no token");
    assert!(
        said.contains("docker login") && !said.contains("hunted"),
        "{said}"
    );
}

#[test]
fn a_helper_can_give_an_identity_token() {
    let desk = Desk::with_policy();
    asks_for_identity(&desk);
    let config = r#"{"credHelpers":{"ADDRESS":"sample"}}"#.replace("ADDRESS", &desk.fake.address);
    desk.write("docker/config.json", config.as_bytes());
    let helper = r#"#!/bin/sh
cat >/dev/null
echo '{"Username":"<token>","Secret":"hunter token"}'
"#;
    desk.write("bin/docker-credential-sample", helper.as_bytes());
    super::make_executable(&desk, "bin/docker-credential-sample");
    let path = format!("{}:/usr/bin:/bin", desk.path("bin").display());
    let pull = ["pull", &desk.policy(), "--store", "store"];
    let run = desk.run_with(&pull, &[("PATH", &path)]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn a_token_is_asked_for_again_when_it_ends() {
    let desk = Desk::with_policy();
    let realm = format!("Bearer realm=\"http://{}/token\"", desk.fake.address);
    let mut number = 0;
    desk.fake.misbehave(move |request| {
        let good = format!("Bearer {number}");
        match &request.path[..] {
            "/token" => {
                number += 1;
                let token = format!("{{\"token\":\"{number}\"}}");
                Some(reply(200, token.as_bytes()))
            }
            "/v2/" => None,
            _ if request.headers.get("authorization") == Some(&good) => {
                // It is good for one request.
                number += 100;
                None
            }
            _ => Some(with(401, &[("WWW-Authenticate", &realm)], b"")),
        }
    });
    desk.does(&["pull", &desk.policy()]);
}

#[test]
fn a_token_without_a_sense_is_refused() {
    for (answer, part) in [
        (&b"<html>"[..], "is no JSON object"),
        (b"{}", "its answer has none"),
        (br#"{"token":"a\nb"}"#, "it has line breaks"),
    ] {
        let desk = Desk::with_policy();
        let realm = format!("Bearer realm=\"http://{}/token\"", desk.fake.address);
        desk.fake.misbehave(move |request| match &request.path[..] {
            "/token" => Some(reply(200, answer)),
            "/v2/" => None,
            _ => Some(with(401, &[("WWW-Authenticate", &realm)], b"")),
        });
        desk.refuses(&["pull", &desk.policy()], part);
    }
    let desk = Desk::with_policy();
    desk.fake.misbehave(|request| {
        let asks = [("WWW-Authenticate", "Bearer realm=\"nowhere\"")];
        (request.path != "/v2/").then(|| with(401, &asks, b""))
    });
    desk.refuses(&["pull", &desk.policy()], "names no address");
}
