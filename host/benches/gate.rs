//! Drives the Docker gate over its socket with recorded requests and all policies, beside the same
//! server that decodes every request and decides nothing, and prints what the one costs in terms
//! of the other.
//!
//! `REQUESTS` says how many requests are sent to each for the throughput (20 000 if it is not set).

#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stridegate::collect::engine::Address;
use stridegate::constraint::Today;
use stridegate::engine::{Engine, Limits};
use stridegate::gateway::docker::{BuildKit, Plugin};
use stridegate::gateway::server::{self, Listener, reply};
use stridegate::gateway::{Gate, Live, Log, LogTarget, Recipe, Settings};
use stridegate::object::Text;
use stridegate::review::Court;
use stridegate::source::{Call, Images};

/// Requests that are asked for the latency of each.
const ASKED: usize = 4_000;

/// Connections that are used at once for the throughput.
const PARALLEL: usize = 8;

fn main() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let path = |name: &str| folder.path().join(name);
    let calls = recorded();
    let gate = gate(folder.path());
    show_images(&path("engine.sock"));
    let engine = Address::Unix(path("engine.sock"));
    let plugin = Plugin::new(Arc::clone(&gate), engine, BuildKit::Allow);
    let plugin = Arc::new(plugin.expect("there is randomness"));
    let runtime = tokio::runtime::Runtime::new().expect("the machine has threads");
    runtime.spawn(serve(path("gate.sock"), move |head, body| {
        let plugin = Arc::clone(&plugin);
        async move { plugin.answer(head, body).await }
    }));
    runtime.spawn(serve(path("decode.sock"), |_, body| async move {
        let text = String::from_utf8(body.unwrap_or_default().into()).unwrap_or_default();
        if let Ok(call) = Call::parse(&Arc::new(Text::new("request", text))) {
            black_box(call.reading("unnamed"));
        }
        reply(
            hyper::StatusCode::OK,
            "application/json",
            r#"{"Allow":true,"Msg":""}"#,
        )
    }));
    let (judged, evaluations) = evaluations(&gate, &calls);
    println!(
        "{} recorded requests that need no answer of the engine but an image's; {judged} policies have something to judge in the median",
        calls.len()
    );
    let mut rows = Vec::new();
    for (what, socket) in [
        ("gate", path("gate.sock")),
        ("decodes only", path("decode.sock")),
    ] {
        let mut times = latencies(&socket, &calls);
        times.sort();
        let (median, last) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        let before = memory();
        let number = std::env::var("REQUESTS")
            .ok()
            .and_then(|number| number.parse().ok())
            .unwrap_or(20_000);
        let a_second = throughput(&socket, &calls, number);
        println!(
            "{what:<14} median {:>7.1} us   99th percentile {:>8.1} us   {a_second:>8.0} decisions a second   memory {before} -> {} KiB over {number} requests",
            micros(median),
            micros(last),
            memory()
        );
        rows.push(median);
    }
    let aim = rows[1] * 2 + evaluations;
    println!(
        "evaluations    median {:>7.1} us   (as measured in this run, without the server)",
        micros(evaluations)
    );
    println!(
        "the gate's median is {:.2} of twice that of the decoder plus the evaluations (aim: at most 1)",
        rows[0].as_secs_f64() / aim.as_secs_f64()
    );
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn root() -> PathBuf {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    host.parent()
        .expect("the host lies in the workspace")
        .to_owned()
}

/// The recorded writes that are judged without a container or an exec of the engine.
fn recorded() -> Vec<String> {
    let mut calls = Vec::new();
    let folder = root().join("testdata/docker-authz/engine-28.5");
    for entry in folder.read_dir().expect("testdata can be read") {
        let path = entry.expect("testdata can be read").path();
        let text = std::fs::read_to_string(path).expect("testdata can be read");
        let call =
            Call::parse(&Arc::new(Text::new("request", &*text))).expect("a recording is a call");
        if !call.reads() && call.lookup().is_none() && call.faults.is_empty() {
            calls.push(text);
        }
    }
    calls.sort();
    calls
}

/// A gate with every policy at deny.
fn gate(folder: &Path) -> Arc<Gate> {
    let workers = rayon::current_num_threads();
    let engine = Engine::new(u32::try_from(workers).unwrap_or(1), Limits::default());
    let engine = engine.expect("the machine can run components");
    let policies = root().join("target/policies");
    let constraints = folder.join("constraints.yaml");
    let names = policies
        .read_dir()
        .expect("make policies has run")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_policy = path
                .extension()
                .is_some_and(|extension| extension == "wasm");
            is_policy.then(|| {
                path.file_stem()
                    .map(|name| name.to_string_lossy().into_owned())
            })?
        });
    let texts: Vec<String> = names
        .map(|name| {
            format!("apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: {name}}}\nspec: {{policy: {name}}}\n")
        })
        .collect();
    let text = texts.join("---\n");
    std::fs::write(&constraints, text).expect("the folder can be written");
    let recipe = Recipe {
        bundled: Vec::new(),
        policies: vec![policies],
        constraints: vec![constraints],
        ..Recipe::default()
    };
    let live = Live::new(recipe, engine).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let target = LogTarget::File {
        path: folder.join("decisions.jsonl"),
        size: 100 << 20,
        keep: 1,
    };
    let log = Log::open(&target).expect("the folder can be written");
    let settings = Settings {
        gate: "docker",
        dryrun: false,
        workers,
    };
    let gate = Gate::new(
        Arc::new(live),
        Some(log),
        settings,
        Arc::new(|line: &str| println!("{line}")),
    );
    Arc::new(gate.expect("the machine has threads"))
}

async fn serve<F, A>(path: PathBuf, answer: F)
where
    F: Fn(hyper::http::request::Parts, Result<hyper::body::Bytes, server::Unread>) -> A
        + Clone
        + Send
        + 'static,
    A: Future<Output = server::Reply> + Send + 'static,
{
    let listener = Listener::unix(&path)
        .await
        .expect("the folder can be written");
    let say = Arc::new(|line: &str| println!("{line}"));
    listener
        .serve(
            server::Limits::default(),
            say,
            std::future::pending(),
            answer,
        )
        .await;
}

/// An engine that has every image.
fn show_images(socket: &Path) {
    let listener = UnixListener::bind(socket).expect("the folder can be written");
    let shown = |name: &str| {
        let path = root().join("testdata/docker-engine/28.5").join(name);
        std::fs::read_to_string(path).expect("testdata can be read")
    };
    let (inspect, history) = (shown("image-imported.json"), shown("history-imported.json"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = BufReader::new(stream);
            let mut first = String::new();
            let mut line = String::new();
            let _ = stream.read_line(&mut first);
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let body = if first.contains("/history") {
                &history
            } else {
                &inspect
            };
            let _ = write!(
                stream.get_mut(),
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
}

/// How many policies judge each call, and how long they all take for it: the medians.
fn evaluations(gate: &Gate, calls: &[String]) -> (usize, Duration) {
    let set = gate.live().current();
    let images = Images::default();
    let court = Court {
        engine: gate.live().engine(),
        cache: None,
        rulebook: &set.rulebook,
        images: &images,
        today: Today::now(),
    };
    let mut times = Vec::new();
    let mut judged = Vec::new();
    for _ in 0..=(ASKED / calls.len()) {
        for call in calls {
            let call = Call::parse(&Arc::new(Text::new("request", &**call)))
                .expect("a recording is a call");
            let reading = call.reading("unnamed");
            judged.push(
                set.catalog
                    .policies()
                    .filter(|policy| {
                        reading
                            .objects
                            .iter()
                            .any(|object| policy.judges(&object.kind))
                    })
                    .count(),
            );
            let begun = Instant::now();
            black_box(court.judge("request", reading));
            times.push(begun.elapsed());
        }
    }
    times.sort();
    judged.sort_unstable();
    (judged[judged.len() / 2], times[times.len() / 2])
}

/// How long each request takes, one after the other on one connection.
fn latencies(socket: &Path, calls: &[String]) -> Vec<Duration> {
    let mut peer = Peer::connect(socket);
    let requests: Vec<Vec<u8>> = calls.iter().map(|call| request(call)).collect();
    let mut times = Vec::with_capacity(ASKED);
    for number in 0..ASKED + requests.len() {
        let begun = Instant::now();
        peer.ask(&requests[number % requests.len()]);
        if number >= requests.len() {
            times.push(begun.elapsed());
        }
    }
    times
}

/// How many requests a second are answered on several connections.
fn throughput(socket: &Path, calls: &[String], number: usize) -> f64 {
    let requests: Vec<Vec<u8>> = calls.iter().map(|call| request(call)).collect();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for first in 0..PARALLEL {
            let requests = &requests;
            scope.spawn(move || {
                let mut peer = Peer::connect(socket);
                for turn in (first..number).step_by(PARALLEL) {
                    peer.ask(&requests[turn % requests.len()]);
                }
            });
        }
    });
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    f64::from(number) / begun.elapsed().as_secs_f64()
}

fn request(call: &str) -> Vec<u8> {
    format!(
        "POST /AuthZPlugin.AuthZReq HTTP/1.1\r\nHost: \r\nContent-Length: {}\r\n\r\n{call}",
        call.len()
    )
    .into_bytes()
}

/// A connection of the engine.
struct Peer(BufReader<UnixStream>);

impl Peer {
    fn connect(socket: &Path) -> Self {
        loop {
            if let Ok(stream) = UnixStream::connect(socket) {
                return Self(BufReader::new(stream));
            }
            std::thread::yield_now();
        }
    }

    fn ask(&mut self, request: &[u8]) {
        self.0
            .get_mut()
            .write_all(request)
            .expect("the server reads");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("the server answers");
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length is a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the server answers");
        black_box(body);
    }
}

/// The memory of this process that is in use, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
