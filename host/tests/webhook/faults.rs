//! Bodies and peers that are not as they should be.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{DENY, Webhook, pod, review, verdict};

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
/// read, whether it says how large it is or comes in chunks.
#[test]
fn a_body_may_be_as_large_as_an_api_server_makes_it() {
    let webhook = Webhook::start(DENY, &[]);
    let mut large = pod("a", "test", 0);
    large["metadata"]["annotations"]["x"] = "x".repeat(3 << 20).into();
    let (allowed, said) = webhook.validate(&review(&large));
    assert!(!allowed && said.contains("no-root"), "{said}");
    let before = webhook.program.memory();
    for (length, chunk) in [
        (format!("Content-Length: {}", 50 << 20), ""),
        ("Transfer-Encoding: chunked".to_owned(), "100000\r\n"),
    ] {
        let mut caller = webhook.caller();
        let head = format!("{POST}{length}\r\n\r\n");
        let mut part = chunk.as_bytes().to_vec();
        part.extend(vec![b' '; 1 << 20]);
        part.extend(if chunk.is_empty() { "" } else { "\r\n" }.bytes());
        caller.send(head.as_bytes());
        // The server may close before it has read everything.
        let sent = (0..50).all(|_| caller.sends(&part));
        match caller.answer() {
            Ok(answer) => assert_eq!(answer.status, 413),
            Err(_) => assert!(!sent, "50 MB were taken, and not answered"),
        }
    }
    let grown = webhook.program.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "it holds {grown} bytes more");
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
}

/// The head of a review but for how long it is.
const POST: &str =
    "POST /validate?timeout=30s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

/// Peers that send a byte at a time are answered as others are.
#[test]
fn slow_peers_are_answered_and_keep_nobody_waiting() {
    let webhook = Webhook::start(DENY, &[]);
    let bodies = [review(&pod("a", "test", 0)), review(&pod("a", "test", 7))];
    let requests = bodies.map(|body| format!("{POST}Content-Length: {}\r\n\r\n{body}", body.len()));
    let mut slow: Vec<_> = (0..20).map(|_| webhook.caller()).collect();
    // Each is slow at another place.
    let place = |number: usize| number * 23;
    for (number, caller) in slow.iter_mut().enumerate() {
        caller.send(&requests[number % 2].as_bytes()[..place(number)]);
    }
    for step in 0..10 {
        for (number, caller) in slow.iter_mut().enumerate() {
            let at = place(number) + step;
            caller.send(&requests[number % 2].as_bytes()[at..=at]);
        }
    }
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
    for (number, caller) in slow.iter_mut().enumerate() {
        caller.send(&requests[number % 2].as_bytes()[place(number) + 10..]);
    }
    for (number, caller) in slow.iter_mut().enumerate() {
        let answer = caller.answer().expect("the webhook answers");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(verdict(&answer.json()).0, number % 2 == 1, "{number}");
    }
}

/// One that never sends the rest is told so, and others are not kept.
#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let webhook = Webhook::start(DENY, &[]);
    let mut callers: Vec<_> = (0..10).map(|_| webhook.caller()).collect();
    for caller in &mut callers {
        caller.send(format!("{POST}Content-Length: 99\r\n\r\n{{").as_bytes());
    }
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
    for mut caller in callers {
        let answer = caller.answer().expect("it is told");
        assert_eq!(answer.status, 408, "{}", answer.body);
    }
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
        half.send(format!("{POST}Content-Length: 99\r\n\r\n{{").as_bytes());
    }
    for _ in 0..20 {
        assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
        assert!(!webhook.validate(&review(&pod("a", "test", 0))).0);
    }
    drop(halves);
    drop(idle);
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
}

/// A peer that goes away in the middle of its request is forgotten.
#[test]
fn a_peer_that_breaks_off_is_forgotten() {
    let webhook = Webhook::start(DENY, &[]);
    for _ in 0..50 {
        let mut caller = webhook.caller();
        caller.send(format!("{POST}Content-Length: 9999\r\n\r\n{{\"a").as_bytes());
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

/// A user who may write a `ConfigMap` may not keep others from writing theirs: whatever is in it,
/// it is answered, and others are meanwhile.
#[test]
fn a_large_object_made_to_be_slow_keeps_nobody_waiting() {
    const SECRETS: &str = "---\napiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {name: secrets}\nspec: {policy: hardcoded-secret}\n";
    let webhook = Webhook::start(&format!("{DENY}{SECRETS}"), &[]);
    let lines = |line: &dyn Fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    let texts = [
        "password=".repeat(60_000),
        "-----BEGIN RSA PRIVATE KEY-----".repeat(20_000),
        "\"".repeat(600_000),
        lines(&|_| "-----BEGIN PRIVATE KEY-----\n".into()),
        lines(&|number| format!("db.password{number}=hunter{number}xQ\n")),
        lines(&|number| format!("k{number}=QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo{number}\n")),
        lines(&|_| "a=b ".into()),
    ];
    std::thread::scope(|scope| {
        for text in &texts {
            let mut caller = webhook.caller();
            scope.spawn(move || {
                let mut map = pod("a", "test", 7);
                map["kind"] = "ConfigMap".into();
                map["data"] = serde_json::json!({"a": text, "password": text});
                let body = review(&map).replace(r#""kind":"Pod""#, r#""kind":"ConfigMap""#);
                let answer = caller.ask("POST", "/validate?timeout=10s", "application/json", &body);
                assert_eq!(answer.status, 200, "{}", answer.body);
                assert!(!verdict(&answer.json()).0, "{:.99}", answer.body);
            });
        }
        for _ in 0..20 {
            assert!(!webhook.validate(&review(&pod("a", "test", 0))).0);
        }
    });
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
}
