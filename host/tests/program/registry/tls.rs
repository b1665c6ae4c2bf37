//! Registries with TLS: which authorities are trusted, and that nothing of it leads to plain text.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::fake::{Fake, with};
use super::{Desk, component};

/// A desk beside a registry with TLS, whose certificate is good for some names and is in `ca.pem`.
fn desk(names: &[&str]) -> Desk {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let pair = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
    let key = PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], PrivateKeyDer::from(key))
        .expect("the key fits the certificate");
    let config = Arc::new(config);
    let fake = Fake::start_over(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).ok()?;
        Some(StreamOwned::new(connection, stream))
    });
    let desk = Desk::beside(fake);
    desk.write("ca.pem", pair.cert.pem().as_bytes());
    desk
}

const CA: [&str; 2] = ["--ca", "ca.pem"];

fn with_policy(names: &[&str]) -> Desk {
    let desk = desk(names);
    let target = desk.fake.reference("a/root-user");
    desk.does(&[&["push", &target, &component("root-user")][..], &CA].concat());
    desk.forget();
    desk.fake.log();
    desk
}

#[test]
fn an_authority_is_trusted_when_it_is_named() {
    let desk = with_policy(&["127.0.0.1"]);
    let policy = desk.policy();
    let said = desk.refuses(&["pull", &policy], "is not trusted");
    assert!(said.contains("--ca FILE"), "{said}");
    assert!(desk.fake.log().is_empty(), "nothing was asked of it");
    desk.does(&[&["pull", &policy][..], &CA].concat());
    // Another authority does not vouch for it, and beside the right one does no harm.
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]);
    let other = other.expect("a certificate can be made").cert.pem();
    desk.write("other.pem", other.as_bytes());
    desk.forget();
    desk.refuses(&["pull", &policy, "--ca", "other.pem"], "is not trusted");
    desk.does(&[&["pull", &policy, "--ca", "other.pem"][..], &CA].concat());
    let both = fs::read_to_string(desk.path("ca.pem")).expect("it is there");
    desk.write("both.pem", (other + &both).as_bytes());
    desk.forget();
    desk.does(&["pull", &policy, "--ca", "both.pem"]);
}

#[test]
fn a_file_without_an_authority_is_refused() {
    let desk = with_policy(&["127.0.0.1"]);
    desk.write("empty.pem", b"");
    let policy = desk.policy();
    for (file, part) in [
        ("none.pem", "none.pem cannot be read"),
        ("empty.pem", "empty.pem holds no certificate in PEM"),
    ] {
        desk.refuses(&["pull", &policy, "--ca", file], part);
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let desk = desk(&["registry.example"]);
    desk.refuses(
        &[&["pull", &desk.policy()][..], &CA].concat(),
        "is not trusted",
    );
}

#[test]
fn tls_never_leads_to_plain_text() {
    let (desk, plain) = (with_policy(&["127.0.0.1"]), Desk::with_policy());
    let (blob, token) = (plain.fake.address.clone(), plain.fake.address.clone());
    let policy = desk.policy();
    let pull = [&["pull", &policy][..], &CA].concat();
    desk.fake.misbehave(move |request| {
        let location = format!("http://{blob}{}", request.path);
        let elsewhere = || with(307, &[("Location", &location)], b"");
        request.path.contains("/blobs/").then(elsewhere)
    });
    desk.refuses(&pull, "which is without TLS");
    // Nor does it get the login.
    let login = r#"{"auths":{"ADDRESS":{"auth":"bmFtZTpodW50ZXI="}}}"#;
    let login = login.replace("ADDRESS", &desk.fake.address);
    desk.write("docker/config.json", login.as_bytes());
    desk.fake.misbehave(move |request| {
        let realm = format!("Bearer realm=\"http://{token}/token\"");
        let asks = || with(401, &[("WWW-Authenticate", &realm)], b"");
        (request.path != "/v2/").then(asks)
    });
    desk.refuses(&pull, "at an address without TLS; it stays here");
    // Nor what is pushed.
    let to = plain.fake.address.clone();
    desk.fake.misbehave(move |request| {
        let location = format!("http://{to}/upload/1?state=x");
        let begins = request.path.ends_with("/blobs/uploads/");
        begins.then(|| with(202, &[("Location", &location)], b""))
    });
    let target = desk.fake.reference("b/c");
    let push = [&["push", &target, "log-level"][..], &CA].concat();
    desk.refuses(&push, "which is without TLS");
    assert!(plain.fake.log().is_empty(), "nothing was said in the clear");
}

#[test]
fn bytes_from_elsewhere_with_tls_are_fine() {
    let (desk, elsewhere) = (with_policy(&["127.0.0.1"]), with_policy(&["127.0.0.1"]));
    let address = elsewhere.fake.address.clone();
    desk.fake.misbehave(move |request| {
        let location = format!("https://{address}{}", request.path);
        let elsewhere = || with(307, &[("Location", &location)], b"");
        request.path.contains("/blobs/").then(elsewhere)
    });
    let ca = elsewhere.path("ca.pem").display().to_string();
    let pull = ["pull", &desk.policy(), "--ca", "ca.pem", "--ca", &ca];
    desk.does(&pull);
    assert_eq!(elsewhere.fake.log().len(), 2);
}

/// A proxy that makes tunnels to one place, wherever they are asked to lead, and what it was asked.
fn tunnels(to: &str, answer: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (to, log) = (to.to_owned(), Arc::clone(&asked));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (to, log) = (to.clone(), Arc::clone(&log));
            thread::spawn(move || tunnel(&stream, &to, answer, &log));
        }
    });
    (address, asked)
}

fn tunnel(stream: &TcpStream, to: &str, answer: &str, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") {
        (reader.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    log.lock().expect("no test panicked with it").push(head);
    let mut back = stream.try_clone().ok()?;
    back.write_all(answer.as_bytes()).ok()?;
    if !answer.contains("200") {
        return None;
    }
    let away = TcpStream::connect(to).ok()?;
    let mut there = away.try_clone().ok()?;
    thread::spawn(move || {
        let mut away = away;
        std::io::copy(&mut away, &mut back)
    });
    // What was read ahead belongs to the tunnel.
    std::io::copy(&mut reader.by_ref(), &mut there).ok()?;
    Some(())
}

const AWAY: &str = "oci://registry.example/a/root-user:0.1.0";

#[test]
fn a_tunnel_leads_to_a_registry_with_tls() {
    let desk = with_policy(&["127.0.0.1", "registry.example"]);
    let (proxy, asked) = tunnels(&desk.fake.address, "HTTP/1.1 200 OK\r\n\r\n");
    let proxy = format!("http://name:hunter@{proxy}");
    let pull = ["pull", AWAY, "--ca", "ca.pem", "--store", "store"];
    let run = desk.run_with(&pull, &[("HTTPS_PROXY", &proxy)]);
    assert_eq!(run.code, 0, "{run:?}");
    for head in asked.lock().expect("no test panicked with it").iter() {
        assert!(head.starts_with("CONNECT registry.example:443 "), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(
            head.contains("proxy-authorization: basic bmftztpodw50zxi="),
            "{head}"
        );
    }
    assert!(!desk.fake.log().is_empty());
    // Whoever answers at the other end of the tunnel has to be who he says.
    desk.forget();
    let run = desk.run_with(
        &["pull", AWAY, "--store", "store"],
        &[("HTTPS_PROXY", &proxy)],
    );
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr.contains("by way of the proxy") && run.stderr.contains("is not trusted"),
        "{run:?}"
    );
}

#[test]
fn a_proxy_that_makes_no_tunnel_is_named() {
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\n\r\n",
    ] {
        let desk = Desk::with_policy();
        let (proxy, _) = tunnels("127.0.0.1:1", answer);
        let pull = ["pull", AWAY, "--store", "store"];
        let run = desk.run_with(&pull, &[("HTTPS_PROXY", &proxy)]);
        assert_eq!(run.code, 2, "{run:?}");
        let named = format!("the proxy http://{proxy} of HTTPS_PROXY gives no way");
        assert!(run.stderr.contains(&named), "{run:?}");
    }
}
