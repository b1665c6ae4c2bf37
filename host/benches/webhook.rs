//! Drives the admission webhook over TLS with recorded reviews and all policies, beside the same
//! server that decodes every review and allows it, and prints what the one costs in terms of the
//! other.
//!
//! `REQUESTS` says how many requests are sent to each for the throughput (20 000 if it is not set).

#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use stridegate::constraint::Today;
use stridegate::engine::{Engine, Limits};
use stridegate::gateway::admission::{Question, Told};
use stridegate::gateway::kubernetes::{self, Webhook};
use stridegate::gateway::server::{self, Listener, Tls, reply};
use stridegate::gateway::{Gate, Live, Log, LogTarget, Recipe, Ruling, Settings};
use stridegate::review::Court;
use stridegate::source::Images;

/// Requests that are asked for the latency of each.
const ASKED: usize = 4_000;

/// Connections that are used at once for the throughput.
const PARALLEL: usize = 8;

fn main() {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let reviews = recorded();
    let gate = gate(folder.path());
    let settings = kubernetes::Settings {
        within: Duration::from_millis(500),
        certified: false,
    };
    let webhook = Arc::new(Webhook::new(Arc::clone(&gate), settings, None));
    let runtime = tokio::runtime::Runtime::new().expect("the machine has threads");
    let (tls, client) = certificate();
    let judging = runtime.block_on(serve(Arc::clone(&tls), move |head, body| {
        let webhook = Arc::clone(&webhook);
        async move { webhook.answer(head, body).await }
    }));
    let decoding = runtime.block_on(serve(tls, |_, body| async move {
        let question = Question::read(body.unwrap_or_default().to_vec());
        let told = Told::new(
            question.expect("a recording is sound").uid,
            &Ruling::default(),
        );
        let told = serde_json::to_vec(&told).unwrap_or_default();
        reply(hyper::StatusCode::OK, "application/json", told)
    }));
    let (judged, evaluations) = evaluations(&gate, &reviews);
    println!(
        "{} recorded reviews; {judged} policies have something to judge in the median",
        reviews.len()
    );
    let mut rows = Vec::new();
    for (what, address) in [("webhook", judging), ("decodes only", decoding)] {
        let mut times = latencies(address, &client, &reviews);
        times.sort();
        let (median, last) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        let before = memory();
        let number = std::env::var("REQUESTS")
            .ok()
            .and_then(|number| number.parse().ok())
            .unwrap_or(20_000);
        let a_second = throughput(address, &client, &reviews, number);
        println!(
            "{what:<14} median {:>7.1} us   99th percentile {:>8.1} us   {a_second:>8.0} reviews a second   memory {before} -> {} KiB over {number} reviews",
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
        "the webhook's median is {:.2} of twice that of the decoder plus the evaluations (aim: at most 1)",
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

fn recorded() -> Vec<String> {
    let folder = root().join("testdata/admission");
    let mut reviews = Vec::new();
    for entry in folder.read_dir().expect("testdata can be read") {
        let path = entry.expect("testdata can be read").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            reviews.push(std::fs::read_to_string(path).expect("testdata can be read"));
        }
    }
    reviews.sort();
    reviews
}

/// A gate with every policy at deny, for every operation.
fn gate(folder: &Path) -> Arc<Gate> {
    let workers = rayon::current_num_threads();
    let engine = Engine::new(u32::try_from(workers).unwrap_or(1), Limits::default());
    let policies = root().join("target/policies");
    let constraints = folder.join("constraints.yaml");
    let names = policies.read_dir().expect("make policies has run");
    let text: String = names
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_string_lossy().into_owned();
            (path.extension()? == "wasm").then(|| {
                format!("apiVersion: stridegate.dev/v1\nkind: Constraint\nmetadata: {{name: {name}}}\nspec: {{policy: {name}, match: {{operations: ['*']}}}}\n---\n")
            })
        })
        .collect();
    std::fs::write(&constraints, text).expect("the folder can be written");
    let recipe = Recipe {
        policies: vec![policies],
        constraints: vec![constraints],
        ..Recipe::default()
    };
    let engine = engine.expect("the machine can run components");
    let live = Live::new(recipe, engine).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let log = Log::open(&LogTarget::File {
        path: folder.join("decisions.jsonl"),
        size: 100 << 20,
        keep: 1,
    });
    let settings = Settings {
        gate: "kubernetes",
        dryrun: false,
        workers,
    };
    let log = log.expect("the folder can be written");
    let say = Arc::new(|line: &str| println!("{line}"));
    let gate = Gate::new(Arc::new(live), Some(log), settings, say);
    Arc::new(gate.expect("the machine has threads"))
}

/// The settings of a server and of its client.
fn certificate() -> (Tls, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate can be made");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key);
    let server = Arc::new(server.expect("both belong together"));
    let mut roots = RootCertStore::empty();
    roots
        .add(made.cert.der().clone())
        .expect("the certificate is sound");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(move || Arc::clone(&server)), Arc::new(client))
}

/// Starts a server, and says where.
async fn serve<F, A>(tls: Tls, answer: F) -> SocketAddr
where
    F: Fn(hyper::http::request::Parts, Result<hyper::body::Bytes, server::Unread>) -> A
        + Clone
        + Send
        + Sync
        + 'static,
    A: Future<Output = server::Reply> + Send + 'static,
{
    let listener = Listener::tcp(SocketAddr::from(([127, 0, 0, 1], 0)), Some(tls)).await;
    let listener = listener.expect("there is a free port");
    let address = listener.address().expect("it is bound");
    let say = Arc::new(|line: &str| println!("{line}"));
    tokio::spawn(listener.serve(
        server::Limits::default(),
        say,
        std::future::pending(),
        answer,
    ));
    address
}

/// How many policies judge each review, and how long they all take for it: the medians.
fn evaluations(gate: &Gate, reviews: &[String]) -> (usize, Duration) {
    let set = gate.live().current();
    let images = Images::default();
    let court = Court {
        engine: gate.live().engine(),
        cache: None,
        rulebook: &set.rulebook,
        images: &images,
        today: Today::now(),
    };
    let (mut times, mut judged) = (Vec::new(), Vec::new());
    for _ in 0..=(ASKED / reviews.len()) {
        for review in reviews {
            let question = Question::read(review.clone().into_bytes());
            let reading = question.expect("a recording is sound").reading;
            let objects = &reading.objects;
            let matching = set
                .catalog
                .policies()
                .filter(|policy| objects.iter().any(|object| policy.judges(&object.kind)));
            judged.push(matching.count());
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
fn latencies(address: SocketAddr, client: &Arc<ClientConfig>, reviews: &[String]) -> Vec<Duration> {
    let mut peer = Peer::connect(address, client);
    let requests: Vec<Vec<u8>> = reviews.iter().map(|review| request(review)).collect();
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
fn throughput(
    address: SocketAddr,
    client: &Arc<ClientConfig>,
    reviews: &[String],
    number: usize,
) -> f64 {
    let requests: Vec<Vec<u8>> = reviews.iter().map(|review| request(review)).collect();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for first in 0..PARALLEL {
            let requests = &requests;
            scope.spawn(move || {
                let mut peer = Peer::connect(address, client);
                for turn in (first..number).step_by(PARALLEL) {
                    peer.ask(&requests[turn % requests.len()]);
                }
            });
        }
    });
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    f64::from(number) / begun.elapsed().as_secs_f64()
}

fn request(review: &str) -> Vec<u8> {
    format!(
        "POST /validate?timeout=5s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{review}",
        review.len()
    )
    .into_bytes()
}

/// A connection of the API server.
struct Peer(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Peer {
    fn connect(address: SocketAddr, client: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("it is a socket");
        let name = ServerName::try_from("localhost").expect("it is a name");
        let session = ClientConnection::new(Arc::clone(client), name);
        let session = session.expect("the settings are sound");
        Self(BufReader::new(StreamOwned::new(session, stream)))
    }

    fn ask(&mut self, request: &[u8]) {
        let stream = self.0.get_mut();
        stream.write_all(request).expect("the server reads");
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
