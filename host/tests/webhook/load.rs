//! Many at once: connections, large bodies, and sets and certificates that change meanwhile.

#![allow(clippy::print_stderr, reason = "what was measured is of interest")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit};
use serde_json::json;

use super::shared::{Over, memory, until};
use super::{Caller, DENY, Webhook, certify, client, pod, review, root, verdict};

const PATH: &str = "/validate?timeout=60s";

/// How many connections are wanted.
const CONNECTIONS: usize = 5_000;

/// How many threads use them.
const THREADS: usize = 8;

/// Whether a denial says that there was no time, which a machine that is too slow for all of them
/// has for those that it could not judge.
fn is_late(said: &str) -> bool {
    said.contains("gave no answer within") || said.contains("was not asked")
}

fn post(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[test]
fn five_thousand_connections_ask_at_once_and_each_is_answered() {
    // The test and the program each have an end of every connection.
    let files = getrlimit(Resource::Nofile).current;
    let allowed = files.map_or(CONNECTIONS, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    });
    let connections = CONNECTIONS.min(allowed.saturating_sub(200));
    if connections < CONNECTIONS {
        eprintln!("the limit of open files allows {connections} connections and not {CONNECTIONS}");
    }
    let webhook = Webhook::start(DENY, &[]);
    let config = client(&webhook.path("tls"), None);
    let requests = [7, 0].map(|user| post(&review(&pod("a", "test", user))));
    let address = webhook.address;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut callers: Vec<Caller> = (0..connections / THREADS)
                    .map(|number| {
                        let mut caller = Caller::with(address, config.clone());
                        caller.send(&requests[number % 2]);
                        caller
                    })
                    .collect();
                for (number, caller) in callers.iter_mut().enumerate() {
                    let answer = caller.answer().expect("nobody is let down");
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    let (allowed, said) = verdict(&answer.json());
                    let good = number % 2 == 0;
                    assert!(allowed == good || (good && is_late(&said)), "{said}");
                }
            });
        }
    });
    let asked = connections / THREADS * THREADS;
    let log = std::fs::read_to_string(webhook.path("decisions.jsonl")).expect("there is a log");
    assert_eq!(log.lines().count(), asked, "each decision is in the log");
    let memory = webhook.program.memory();
    assert!(
        memory < 768 << 20,
        "{asked} connections took {memory} bytes"
    );
    eprintln!("{asked} connections: {} MiB", memory >> 20);
}

/// A review of so many bytes.
fn large(user: u32, bytes: usize) -> String {
    let mut pod = pod("a", "test", user);
    pod["metadata"]["annotations"] = json!({"x": "x".repeat(bytes)});
    review(&pod)
}

/// Bodies that are held wait in a bounded memory: others are turned away, and the API server fails
/// closed. Small requests go on.
#[test]
fn large_bodies_that_come_slowly_take_no_more_memory_than_they_may() {
    let webhook = Webhook::start(DENY, &[]);
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
    let before = webhook.program.memory();
    let body = post(&large(7, 10 << 20));
    let (most, rest) = body.split_at(body.len() - 1);
    let mut callers: Vec<(Caller, bool)> = (0..30)
        .map(|_| {
            let mut caller = webhook.caller();
            let sent = caller.sends(most);
            (caller, sent)
        })
        .collect();
    let grown = webhook.program.memory().saturating_sub(before);
    eprintln!("30 bodies of 10 MiB held: {} MiB more", grown >> 20);
    assert!(
        grown < 192 << 20,
        "300 MiB were sent, and it holds {grown} bytes more"
    );
    for user in [0, 7] {
        let (allowed, said) = webhook.validate(&review(&pod("a", "test", user)));
        assert_eq!(allowed, user == 7, "{said}");
    }
    let mut statuses = [0, 0];
    for (caller, sent) in &mut callers {
        if *sent {
            caller.sends(rest);
        }
        match caller.answer() {
            // It was turned away, or took too long on a slow machine.
            Ok(answer) if answer.status == 503 || answer.status == 408 => statuses[0] += 1,
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{}", answer.body);
                let (allowed, said) = verdict(&answer.json());
                assert!(allowed || is_late(&said), "{said}");
                statuses[1] += 1;
            }
            // It closed while it was written to.
            Err(_) => statuses[0] += 1,
        }
    }
    assert!(statuses[0] > 10, "{statuses:?}");
    assert!(webhook.validate(&review(&pod("a", "test", 7))).0);
    let after = webhook.program.memory().saturating_sub(before);
    eprintln!(
        "{statuses:?} turned away and answered; then {} MiB more",
        after >> 20
    );
}

/// What a large body becomes takes many times its size: only some are judged at a time.
#[test]
fn large_bodies_are_judged_in_bounded_memory() {
    let webhook = Webhook::start(DENY, &[]);
    let config = client(&webhook.path("tls"), None);
    let (allowed, said) = webhook.validate(&large(7, 3 << 20));
    assert!(allowed || is_late(&said), "{said}");
    let before = webhook.program.memory();
    let lines: Vec<String> = (0..60_000)
        .map(|number| format!("key{number}: value{number}"))
        .collect();
    let lines = lines.join("\n");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "test"},
        "data": {"a": lines, "b": lines}});
    let many: Vec<_> = (0..40_000)
        .map(|number| json!({"name": format!("V{number}"), "value": "x"}))
        .collect();
    let mut wide = pod("a", "test", 0);
    wide["spec"]["containers"][0]["env"] = many.into();
    let bodies = [large(0, 3 << 20), review(&wide), review(&map)];
    let highest = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..24 {
            let (config, body, highest) = (&config, &bodies[number % 3], &highest);
            let (address, process) = (webhook.address, webhook.program.child.id());
            scope.spawn(move || {
                for _ in 0..3 {
                    let mut caller = Caller::with(address, config.clone());
                    let answer = caller.ask("POST", PATH, "application/json", body);
                    if answer.status != 503 {
                        assert_eq!(answer.status, 200, "{}", answer.body);
                        let (allowed, said) = verdict(&answer.json());
                        assert!(!allowed || number % 3 == 2, "{said}");
                    }
                    highest.fetch_max(
                        memory(process, "VmRSS").expect("the program runs"),
                        Ordering::Relaxed,
                    );
                }
            });
        }
        // Small ones are judged meanwhile.
        for _ in 0..50 {
            let (allowed, said) = webhook.validate(&review(&pod("a", "test", 7)));
            assert!(allowed || is_late(&said), "{said}");
            assert!(!webhook.validate(&review(&pod("a", "test", 0))).0);
        }
    });
    let grown = highest.into_inner().saturating_sub(before);
    let after = webhook.program.memory().saturating_sub(before);
    eprintln!(
        "72 large bodies: at most {} MiB more, then {} MiB",
        grown >> 20,
        after >> 20
    );
    assert!(grown < 512 << 20, "it took {grown} bytes more");
}

/// A component that says the same under another digest: a section that nobody reads is added.
fn variant(component: &[u8], number: u8) -> Vec<u8> {
    [component, &[0, 3, 1, b'n', number]].concat()
}

/// Turns a link, as the kubelet does when a mounted Secret changes.
fn point(folder: &Path, to: &str) {
    let link = folder.join("..new");
    symlink(to, &link).expect("a link can be made");
    std::fs::rename(link, folder.join("..data")).expect("the link can be moved");
}

/// A folder in which a mounted Secret has two versions of a certificate.
fn mounted(folder: &Path) {
    for version in ["one", "two"] {
        certify(&folder.join(version));
    }
    point(folder, "one");
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        let _ = std::fs::remove_file(folder.join(name));
        symlink(format!("..data/{name}"), folder.join(name)).expect("a link can be made");
    }
}

/// Constraints and the policy change a hundred times, and the certificate twenty times, while
/// requests come over connections that stay and over new ones: each is answered, and as one of the
/// two sets says. Nothing of the sets before is kept.
#[test]
fn nothing_is_lost_while_sets_and_certificates_change() {
    const CALLERS: usize = 3;
    let warn = DENY.replace(
        "{policy: root-user}",
        "{policy: root-user, enforcementAction: warn}",
    );
    let component = std::fs::read(root().join("target/policies/root-user.wasm"));
    let component = component.expect("make policies has made it");
    let folder = super::folder();
    let path = |name: &str| folder.path().join(name);
    for name in ["constraints", "own", "tls"] {
        std::fs::create_dir(path(name)).expect("the folder can be written");
    }
    super::write(&path("constraints/gate.yaml"), DENY);
    let own = path("own/root-user.wasm");
    std::fs::write(&own, variant(&component, 0)).expect("the folder can be written");
    let mut webhook = Webhook::start_with(folder, &["-c", "constraints", "-p", "own"], &[]);
    let tls = webhook.path("tls");
    mounted(&tls);
    webhook.hang_up();
    webhook.wait_for("the certificate was renewed");
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let body = review(&pod("a", "test", 0));
    let authorities = ["one", "two"].map(|version| client(&tls.join(version), None));
    let address = webhook.address;
    let ask = |caller: &mut Caller| {
        let answer = caller.ask("POST", PATH, "application/json", &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let (allowed, said) = verdict(&answer.json());
        assert!(said.contains("no-root"), "{said}");
        assert_eq!(allowed, said.starts_with("[\""), "{said}");
        answered.fetch_add(1, Ordering::Relaxed);
        allowed
    };
    let mut memory = Vec::new();
    std::thread::scope(|scope| {
        let _over = Over(&stop);
        for _ in 0..CALLERS {
            scope.spawn(|| {
                // A connection that is open keeps the certificate that it was made with.
                let mut caller = Caller::with(address, authorities[0].clone());
                while !stop.load(Ordering::Relaxed) {
                    ask(&mut caller);
                }
            });
        }
        for round in 1..=100_u8 {
            std::fs::write(webhook.path("new"), variant(&component, round))
                .and_then(|()| std::fs::rename(webhook.path("new"), &own))
                .expect("the folder can be written");
            webhook.constraints(if round % 2 == 0 { DENY } else { &warn });
            webhook.hang_up();
            webhook.wait_for("reload: 1 constraints");
            let version = usize::from(round / 5 % 2);
            let mut caller = Caller::with(address, authorities[version].clone());
            if round % 5 == 0 {
                point(&tls, ["one", "two"][version]);
                webhook.hang_up();
                webhook.wait_for("the certificate was renewed");
                caller = Caller::with(address, authorities[version].clone());
            }
            // A look that fell between the two files takes another.
            until("the new set is in force", || {
                ask(&mut caller) == (round % 2 == 1)
            });
            memory.push(webhook.program.memory());
        }
    });
    assert!(answered.load(Ordering::Relaxed) > 200);
    let (early, late) = (memory[19], memory[99]);
    eprintln!(
        "{} requests; {} MiB after 20 rounds, {} MiB after 100",
        answered.load(Ordering::Relaxed),
        early >> 20,
        late >> 20
    );
    assert!(late < early + (32 << 20), "{memory:?}");
}
