//! What both gates are measured with.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::http::request::Parts;
use stridegate::constraint::Today;
use stridegate::engine::{Engine, Limits};
use stridegate::gateway::server::{self, Listener, Reply, Unread};
use stridegate::gateway::{Gate, Live, Log, LogTarget, Recipe, Record, Settings};
use stridegate::policy::Policy;
use stridegate::review::Court;
use stridegate::source::{Images, Reading};

/// Requests that are asked for the latency of each.
const ASKED: usize = 4_000;

/// Connections that are used at once for the throughput.
const PARALLEL: usize = 8;

/// The log of a gate in its folder.
pub(crate) const DECISIONS: &str = "decisions.jsonl";

/// The top level of the project.
pub(crate) fn root() -> PathBuf {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    host.parent()
        .expect("the host lies in the workspace")
        .to_owned()
}

/// The recordings in a folder of `testdata`.
pub(crate) fn recordings(folder: &str) -> Vec<String> {
    let folder = root().join("testdata").join(folder);
    let paths = folder.read_dir().expect("testdata can be read");
    let mut paths: Vec<PathBuf> = paths
        .map(|entry| entry.expect("testdata can be read").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    paths.sort();
    let text = |path| std::fs::read_to_string(path).expect("testdata can be read");
    paths.into_iter().map(text).collect()
}

/// A gate with every policy at deny for every operation, and a log in a folder.
pub(crate) fn gate(name: &'static str, folder: &Path) -> Arc<Gate> {
    let workers = rayon::current_num_threads();
    let engine = Engine::new(u32::try_from(workers).unwrap_or(1), Limits::default())
        .expect("the machine can run components");
    let policies = root().join("target/policies");
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
    let constraints = folder.join("constraints.yaml");
    std::fs::write(&constraints, text).expect("the folder can be written");
    let recipe = Recipe {
        policies: vec![policies],
        constraints: vec![constraints],
        ..Recipe::default()
    };
    let live = Live::new(recipe, engine).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let log = Log::open(&LogTarget::File {
        path: folder.join(DECISIONS),
        size: 100 << 20,
        keep: 1,
    })
    .expect("the folder can be written");
    let settings = Settings {
        gate: name,
        dryrun: false,
        workers,
    };
    let say = Arc::new(|line: &str| println!("{line}"));
    Arc::new(Gate::new(Arc::new(live), Some(log), settings, say))
}

/// Serves until the program ends.
pub(crate) async fn serve<F, A>(listener: Listener, answer: F)
where
    F: Fn(Parts, Result<Bytes, Unread>) -> A + Clone + Send + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    let say = Arc::new(|line: &str| println!("{line}"));
    let limits = server::Limits::default();
    listener
        .serve(limits, say, std::future::pending(), answer)
        .await;
}

/// What is compared.
pub(crate) struct Comparison<'a, S> {
    /// What is judged by the server that does nothing else.
    pub(crate) evaluations: &'a Evaluations,
    /// The log of the gate's decisions.
    pub(crate) decisions: &'a Path,
    /// The requests as they were recorded.
    pub(crate) recorded: &'a [String],
    /// Reads one of them.
    pub(crate) read: fn(&str) -> Reading,
    /// The request of HTTP that carries one of them, up to the header of its length.
    pub(crate) head: &'static str,
    /// Connects with the gate.
    pub(crate) judging: &'a (dyn Fn() -> S + Sync),
    /// Connects with the server that judges and does nothing else.
    pub(crate) evaluating: &'a (dyn Fn() -> S + Sync),
    /// Connects with the server that decodes and decides nothing.
    pub(crate) decoding: &'a (dyn Fn() -> S + Sync),
}

impl<S: Read + Write> Comparison<'_, S> {
    /// Measures, and prints the ratio.
    pub(crate) fn print(&self) {
        println!(
            "{} recorded requests; {} policies have something to judge in the median",
            self.recorded.len(),
            self.policies()
        );
        let judging = latencies((self.judging)(), &self.requests());
        let asked = self.asked();
        let judging = self.measure("gate", judging, self.judging);
        let decoding = latencies((self.decoding)(), &self.requests());
        let decoding = self.measure("decodes only", decoding, self.decoding);
        latencies((self.evaluating)(), &self.requests());
        let evaluations = self.evaluations.median();
        println!(
            "judging        median {:>7.1} us   (in a server that does nothing else, without the server)",
            micros(evaluations)
        );
        println!(
            "policies       median {:>7.1} us   (their answers in the gate, without its own part in judging)",
            micros(asked)
        );
        let ratio = |part: Duration| judging.as_secs_f64() / (decoding * 2 + part).as_secs_f64();
        println!(
            "the gate's median is {:.2} of twice that of the decoder plus judging (aim: at most 1), {:.2} of the same with the answers of policies alone",
            ratio(evaluations),
            ratio(asked)
        );
    }

    /// How long the gate asked policies for a request, in the median, as its log has it.
    fn asked(&self) -> Duration {
        let log = std::fs::read_to_string(self.decisions).expect("the gate writes its log");
        let took = |line: &str| {
            let record: Record = serde_json::from_str(line).expect("a record is JSON");
            record.evaluation_microseconds
        };
        let mut times: Vec<u64> = log.lines().take(ASKED).map(took).collect();
        times.sort_unstable();
        Duration::from_micros(times[times.len() / 2])
    }

    /// Prints how a server answers: how long it takes for one after the other, and how many it
    /// answers when several ask. Returns the median of the times.
    fn measure(
        &self,
        what: &str,
        mut times: Vec<Duration>,
        connect: &(dyn Fn() -> S + Sync),
    ) -> Duration {
        times.sort();
        let (median, last) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        let before = memory();
        let number = std::env::var("REQUESTS").ok();
        let number = number
            .and_then(|number| number.parse().ok())
            .unwrap_or(20_000);
        let a_second = throughput(connect, &self.requests(), number);
        println!(
            "{what:<14} median {:>7.1} us   99th percentile {:>8.1} us   {a_second:>8.0} requests a second   memory {before} -> {} KiB over {number} requests",
            micros(median),
            micros(last),
            memory()
        );
        median
    }

    fn requests(&self) -> Vec<Vec<u8>> {
        let head = self.head;
        let request = |body: &String| {
            format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
        };
        self.recorded.iter().map(request).collect()
    }

    /// How many policies judge each request in the median.
    fn policies(&self) -> usize {
        let set = self.evaluations.gate.live().current();
        let judging = |recorded: &String| {
            let reading = (self.read)(recorded);
            let judges = |policy: &&Arc<Policy>| {
                let mut objects = reading.objects.iter();
                objects.any(|object| policy.judges(&object.kind))
            };
            set.catalog.policies().filter(judges).count()
        };
        let mut judging: Vec<usize> = self.recorded.iter().map(judging).collect();
        judging.sort_unstable();
        judging[judging.len() / 2]
    }
}

/// What the policies of a gate say of requests, for a server that does nothing else: there they
/// find the processor as they find it in the gate, and not as a loop leaves it.
pub(crate) struct Evaluations {
    gate: Arc<Gate>,
    times: Mutex<Vec<Duration>>,
}

impl Evaluations {
    pub(crate) fn new(gate: &Arc<Gate>) -> Arc<Self> {
        Arc::new(Self {
            gate: Arc::clone(gate),
            times: Mutex::default(),
        })
    }

    /// Judges a request, and keeps how long that took.
    pub(crate) fn judge(&self, reading: Reading) {
        let set = self.gate.live().current();
        let court = Court {
            engine: self.gate.live().engine(),
            cache: None,
            rulebook: &set.rulebook,
            images: &Images::default(),
            today: Today::now(),
            repairs: false,
        };
        let begun = Instant::now();
        black_box(court.judge("request", reading));
        let took = begun.elapsed();
        self.times.lock().expect("nothing panics").push(took);
    }

    fn median(&self) -> Duration {
        let mut times = self.times.lock().expect("nothing panics");
        times.sort();
        times[times.len() / 2]
    }
}

/// How long each request takes, one after the other on one connection that has been used.
fn latencies<S: Read + Write>(connection: S, requests: &[Vec<u8>]) -> Vec<Duration> {
    let mut peer = Peer(BufReader::new(connection));
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
fn throughput<S: Read + Write>(
    connect: &(dyn Fn() -> S + Sync),
    requests: &[Vec<u8>],
    number: usize,
) -> f64 {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for first in 0..PARALLEL {
            scope.spawn(move || {
                let mut peer = Peer(BufReader::new(connect()));
                for turn in (first..number).step_by(PARALLEL) {
                    peer.ask(&requests[turn % requests.len()]);
                }
            });
        }
    });
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    f64::from(number) / begun.elapsed().as_secs_f64()
}

/// Who asks on a connection.
struct Peer<S: Read + Write>(BufReader<S>);

impl<S: Read + Write> Peer<S> {
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

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The memory of this process that is in use, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
