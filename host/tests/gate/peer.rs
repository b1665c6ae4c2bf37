//! Peers that do not behave: the plugin answers correctly or denies, and lives on.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{CONSTRAINTS, Gate, answer, call, create, recorded, request};

/// That the plugin still decides, and rightly.
fn still_decides(gate: &Gate) {
    assert!(
        gate.asks("POST", "/containers/create", Some(&create("1000")))
            .0
    );
    assert!(
        !gate
            .asks("POST", "/containers/create", Some(&create("0")))
            .0
    );
}

#[test]
fn what_is_no_call_is_denied() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"RequestMethod\":\"POST\"}",
        "{\"RequestMethod\":\"GET\",\"RequestUri\":\"/info\"} trailing",
        "{\"RequestMethod\":1,\"RequestUri\":2}",
        "\u{0}\u{1}",
        &deep,
    ] {
        let (status, verdict) = gate.post("/AuthZPlugin.AuthZReq", body);
        assert_eq!(
            (status, &verdict["Allow"]),
            (200, &json!(false)),
            "{body:.80}"
        );
    }
    let mut broken: Value =
        serde_json::from_str(&call("POST", "/containers/create", Some(&create("1"))))
            .expect("it is JSON");
    for body in ["!!!", "AAAA", "/////w==", "e30=e30="] {
        broken["RequestBody"] = body.into();
        assert!(!gate.authorize(&broken.to_string()).0, "{body}");
    }
    still_decides(&gate);
}

#[test]
fn what_is_no_http_breaks_only_its_own_connection() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /AuthZPlugin.AuthZReq HTTP/1.1\r\nHost:\r\nContent-Length: abc\r\n\r\n",
        b"POST /AuthZPlugin.AuthZReq HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        &vec![b'A'; 1 << 20],
    ] {
        let mut stream = gate.connect();
        // It may close before it has read all.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(!String::from_utf8_lossy(&said).contains("\"Allow\":true"));
    }
    still_decides(&gate);
}

#[test]
fn what_is_too_large_is_denied() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let mut stream = gate.connect();
    let head = "POST /AuthZPlugin.AuthZReq HTTP/1.1\r\nHost: \r\nContent-Length: 99999999\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("the plugin reads");
    let chunk = vec![b' '; 1 << 16];
    while stream.write_all(&chunk).is_ok() {}
    still_decides(&gate);
    // One of four megabytes, the largest that an engine sends, is judged.
    let mut body = create("0");
    body["Labels"] = json!({"large": "x".repeat(4 << 20)});
    let (allowed, message) = gate.asks("POST", "/containers/create", Some(&body));
    assert!(
        !allowed && message.contains("root-user/uid-zero"),
        "{message:.300}"
    );
}

#[test]
fn thousands_ask_at_once_and_each_is_answered() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let ask = |user: &str| {
        request(
            "/AuthZPlugin.AuthZReq",
            &call("POST", "/containers/create", Some(&create(user))),
        )
    };
    let (good, bad) = (ask("1000"), ask("0"));
    let mut streams: Vec<_> = (0..2_000).map(|_| gate.connect()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        let request = if number % 2 == 0 { &good } else { &bad };
        stream
            .write_all(request.as_bytes())
            .expect("the plugin reads");
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let (status, verdict) = answer(stream);
        assert_eq!(status, 200, "{number}");
        // A machine that is too slow for all of them denies what it could not judge in time.
        let message = verdict["Msg"].as_str().unwrap_or_default();
        let late = message.contains("gave no answer within") || message.contains("was not asked");
        let good = number % 2 == 0;
        assert!(
            verdict["Allow"] == good || (good && late),
            "{number}: {verdict}"
        );
    }
    assert_eq!(gate.decisions().len(), 2_000);
}

#[test]
fn a_slow_peer_keeps_nobody_waiting() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let request = request("/AuthZPlugin.AuthZReq", &call("GET", "/info", None));
    let mut slow: Vec<_> = (0..200).map(|_| gate.connect()).collect();
    for (number, stream) in slow.iter_mut().enumerate() {
        let part = number % request.len();
        stream
            .write_all(&request.as_bytes()[..part])
            .expect("the plugin reads");
    }
    still_decides(&gate);
    for (number, stream) in slow.iter_mut().enumerate() {
        let part = number % request.len();
        stream
            .write_all(&request.as_bytes()[part..])
            .expect("the plugin reads");
        assert_eq!(answer(stream).1["Allow"], json!(true));
    }
}

#[test]
fn one_that_goes_away_leaves_its_decision_in_the_log() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    gate.engine.held.store(true, Ordering::Relaxed);
    gate.engine.show(
        "/containers/c2/json",
        &recorded("docker-engine/28.5/container-c2.json"),
    );
    for _ in 0..50 {
        let mut stream = gate.connect();
        let text = request(
            "/AuthZPlugin.AuthZReq",
            &call("POST", "/containers/create?name=gone", Some(&create("0"))),
        );
        stream.write_all(text.as_bytes()).expect("the plugin reads");
        drop(stream);
    }
    gate.engine.held.store(false, Ordering::Relaxed);
    still_decides(&gate);
}

#[test]
fn one_connection_serves_many_requests() {
    let gate = Gate::start(CONSTRAINTS, &[]);
    let mut stream = gate.connect();
    for number in 0..100 {
        let text = call(
            "POST",
            "/containers/create",
            Some(&create(if number % 2 == 0 { "1000" } else { "0" })),
        );
        stream
            .write_all(request("/AuthZPlugin.AuthZReq", &text).as_bytes())
            .expect("the plugin reads");
        assert_eq!(answer(&mut stream).1["Allow"], json!(number % 2 == 0));
    }
}

#[test]
fn an_engine_that_is_gone_lets_nothing_through() {
    let gate = Gate::start(CONSTRAINTS, &["--engine", "unix:///nowhere/docker.sock"]);
    let (allowed, message) = gate.asks("POST", "/containers/c2/start", None);
    assert!(!allowed && message.contains("cannot be asked"), "{message}");
    assert!(gate.asks("GET", "/info", None).0);
}

/// What is being judged when the program is asked to stop gets its answer.
#[test]
fn a_stop_waits_for_what_is_being_judged() {
    let mut gate = Gate::start(CONSTRAINTS, &[]);
    gate.engine.show(
        "/containers/c2/json",
        &recorded("docker-engine/28.5/container-c2.json"),
    );
    gate.engine.held.store(true, Ordering::Relaxed);
    let mut stream = gate.connect();
    let text = request(
        "/AuthZPlugin.AuthZReq",
        &call("POST", "/containers/c2/start", None),
    );
    stream.write_all(text.as_bytes()).expect("the plugin reads");
    while gate.engine.asked().is_empty() {
        std::thread::yield_now();
    }
    gate.signal(Signal::TERM);
    gate.wait_for("stopping");
    gate.engine.held.store(false, Ordering::Relaxed);
    let (status, verdict) = answer(&mut stream);
    assert_eq!((status, &verdict["Allow"]), (200, &json!(false)));
    assert!(
        gate.program
            .child
            .wait()
            .expect("the program ends")
            .success()
    );
    assert!(!gate.path("plugin.sock").exists());
}
