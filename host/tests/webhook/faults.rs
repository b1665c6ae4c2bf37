//! What goes wrong: bodies, peers, and sets and certificates that change under load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{DENY, Webhook, certify, pod, review, verdict};

#[test]
fn a_request_that_is_none_is_refused_and_the_next_is_answered() {
    let webhook = Webhook::start(DENY, &[]);
    let good = review(&pod("a", "test", 7));
    let ask = |method: &str, path: &str, media: &str, body: &str| {
        webhook.caller().ask(method, path, media, body)
    };
    let post = |media: &str, body: &str| ask("POST", "/validate", media, body);
    for (answer, status, said) in [
        (post("text/plain", &good), 415, "application/json"),
        (
            post("application/json", &good[..good.len() - 1]),
            400,
            "no JSON",
        ),
        (
            post("application/json", &good.replace("io/v1", "io/v1beta1")),
            400,
            "admissionReviewVersions",
        ),
        (post("application/json", ""), 400, "no JSON"),
        (ask("GET", "/validate", "", ""), 405, "POST"),
        (ask("POST", "/readyz", "", ""), 405, "GET"),
        (ask("GET", "/", "", ""), 404, "/validate"),
    ] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(said), "{answer:?}");
    }
    let charset = post("application/json; charset=utf-8", &good);
    assert_eq!(charset.status, 200, "{charset:?}");
    assert!(webhook.validate(&good).0);
}

/// The largest object that an API server takes passes; what is far larger is refused before it is
/// read.
#[test]
fn a_body_may_be_as_large_as_an_api_server_makes_it() {
    let webhook = Webhook::start(DENY, &[]);
    let mut large = pod("a", "test", 0);
    large["metadata"]["annotations"]["x"] = "x".repeat(3 << 20).into();
    let (allowed, said) = webhook.validate(&review(&large));
    assert!(!allowed && said.contains("no-root"), "{said}");
    let mut caller = webhook.caller();
    let head = format!(
        "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        50 << 20
    );
    let sent = caller.stream.write_all(head.as_bytes()).and_then(|()| {
        let part = vec![b' '; 1 << 20];
        (0..50).try_for_each(|_| caller.stream.write_all(&part))
    });
    // The server may close before it has read everything.
    if (sent.is_ok() || caller.stream.flush().is_ok())
        && let Ok(answer) = caller.answer()
    {
        assert_eq!(answer.status, 413);
    }
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
}

/// Peers that say nothing, half of a handshake, or half of a request take nothing from others.
#[test]
fn a_thousand_idle_peers_keep_nobody_waiting() {
    let webhook = Webhook::start(DENY, &[]);
    let mut idle = Vec::new();
    for number in 0..1000 {
        let mut stream = TcpStream::connect(webhook.address).expect("the webhook listens");
        if number % 3 == 0 {
            stream.write_all(&[22, 3, 1, 2, 0, 1]).expect("it reads");
        }
        idle.push(stream);
    }
    let mut halves: Vec<_> = (0..20).map(|_| webhook.caller()).collect();
    for half in &mut halves {
        let head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
        half.stream.write_all(head.as_bytes()).expect("it reads");
    }
    for _ in 0..20 {
        assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
        assert!(!webhook.validate(&review(&pod("a", "test", 0))).0);
    }
    drop(halves);
    drop(idle);
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
}

/// Constraints change a hundred times, and the certificate ten times, while requests come: each is
/// answered, and as one of the two sets says.
#[test]
fn nothing_is_lost_while_sets_and_certificates_change() {
    const CALLERS: usize = 4;
    let warn = DENY.replace(
        "{policy: root-user}",
        "{policy: root-user, enforcementAction: warn}",
    );
    let mut webhook = Webhook::start(DENY, &[]);
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let (address, tls) = (webhook.address, webhook.path("tls"));
    let first = webhook.path("first");
    std::fs::create_dir(&first).expect("the folder can be written");
    std::fs::copy(tls.join("ca.crt"), first.join("ca.crt")).expect("it can be copied");
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let body = review(&pod("a", "test", 0));
                // A connection that is open keeps the certificate that it was made with.
                let mut caller = super::Caller::new(address, &first, None);
                while !stop.load(Ordering::Relaxed) {
                    let answer = caller.ask("POST", "/validate", "application/json", &body);
                    assert_eq!(answer.status, 200);
                    let (allowed, said) = verdict(&answer.json());
                    assert!(said.contains("no-root"), "{said}");
                    assert_eq!(allowed, said.starts_with("[\""), "{said}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..100 {
            webhook.constraints(if round % 2 == 0 { &warn } else { DENY });
            webhook.hang_up();
            webhook.wait_for("reload: 1 constraints");
            let (allowed, _) = {
                let mut caller = webhook.caller();
                let body = review(&pod("a", "test", 0));
                verdict(
                    &caller
                        .ask("POST", "/validate", "application/json", &body)
                        .json(),
                )
            };
            assert_eq!(allowed, round % 2 == 0, "round {round}");
            if round % 10 == 0 {
                certify(&tls);
                webhook.hang_up();
                webhook.wait_for("the certificate was renewed");
                assert_eq!(webhook.get("/healthz").status, 200);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(answered.load(Ordering::Relaxed) > CALLERS);
    let memory = std::fs::read_to_string(format!("/proc/{}/status", webhook.child.id()));
    assert!(memory.expect("the program runs").contains("VmRSS"));
}

/// A peer that goes away in the middle of its request is forgotten.
#[test]
fn a_peer_that_breaks_off_is_forgotten() {
    let webhook = Webhook::start(DENY, &[]);
    for _ in 0..50 {
        let mut caller = webhook.caller();
        let head = "POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{\"a";
        caller.stream.write_all(head.as_bytes()).expect("it reads");
        drop(caller);
    }
    let mut silent = TcpStream::connect(webhook.address).expect("the webhook listens");
    silent
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("it reads");
    let mut rest = Vec::new();
    // What speaks no TLS gets an alert or nothing.
    let _ = silent.read_to_end(&mut rest);
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
}
