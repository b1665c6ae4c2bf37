//! `stridegate serve`: a gate for each kind of caller, and what all of them share.

mod docker;
mod kubernetes;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::{ConstraintPaths, PolicyPaths, say};
use crate::catalog::Bundled;
use crate::engine::Engine;
use crate::gateway::server::{self, Listener, Unread, reply};
use crate::gateway::{Gate, Live, Log, LogTarget, Metrics, Recipe, Say, Settings};
use crate::review::Decision;

/// Stand at a gate: judge what is asked of Docker or Kubernetes while it is asked
///
/// The files of its constraints and policies are read anew when they change, registries are asked
/// every minute whether a tag or a requirement leads elsewhere, and both on SIGHUP.
#[derive(Args, Debug)]
pub(super) struct Serve {
    #[command(subcommand)]
    gate: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    Docker(docker::Docker),
    Kubernetes(kubernetes::Kubernetes),
}

impl Serve {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        match self.gate {
            Which::Docker(docker) => docker.run(pack),
            Which::Kubernetes(kubernetes) => kubernetes.run(pack),
        }
    }
}

/// What every gate can be told.
#[derive(Args, Debug)]
struct GateArgs {
    #[command(flatten)]
    constraints: ConstraintPaths,

    #[command(flatten)]
    policies: PolicyPaths,

    /// Allow everything, and record what would have been denied
    #[arg(long)]
    dryrun: bool,

    /// Where decisions are written to, a line of JSON for each; - is standard output, which
    /// systemd passes on to the journal
    #[arg(long, value_name = "FILE", default_value = "-")]
    log: PathBuf,

    /// How large the log may become before it is renamed and a new one begun, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    log_size: u64,

    /// How many old logs are kept
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    log_keep: u32,

    /// Tell Prometheus at this address, under /metrics
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,

    /// How long one policy may take for one object, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    timeout: u64,

    /// How much memory one policy may use for one object, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=2048))]
    memory: u64,

    /// How many requests are judged at a time; as many as there are processors if it is not given
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
}

/// The calls of policies that are made beside those for requests: one for a new set, and one for
/// parameters that a request brings.
const ASIDE: u32 = 2;

impl GateArgs {
    /// The gate; what is wrong with its set has been said if there is none. The recipe of the set
    /// gets from `more` what the arguments do not say.
    fn gate(
        &self,
        name: &'static str,
        pack: &[Bundled],
        more: Recipe,
    ) -> anyhow::Result<Option<Arc<Gate>>> {
        let workers = self.workers();
        let limits = super::desk::limits(self.memory, self.timeout)?;
        let calls = u32::try_from(workers).unwrap_or(u32::MAX);
        let engine = Engine::new(calls.saturating_add(ASIDE), limits)?;
        let recipe = self.policies.recipe(pack, &self.constraints, more);
        let live = match Live::new(recipe, engine) {
            Ok(live) => Arc::new(live),
            Err(wrong) => {
                for wrong in wrong {
                    say(&format!("error: {wrong}"));
                }
                return Ok(None);
            }
        };
        let target = if self.log.as_os_str() == "-" {
            LogTarget::Stdout
        } else {
            LogTarget::File {
                path: self.log.clone(),
                size: self.log_size << 20,
                keep: self.log_keep,
            }
        };
        let log = Log::open(&target)
            .with_context(|| format!("the log {} cannot be opened", self.log.display()))?;
        let settings = Settings {
            gate: name,
            dryrun: self.dryrun,
            workers,
        };
        Ok(Some(Arc::new(Gate::new(
            live,
            Some(log),
            settings,
            voice(),
        ))))
    }

    fn workers(&self) -> usize {
        self.workers
            .map_or_else(rayon::current_num_threads, usize::from)
    }

    fn runtime(&self) -> anyhow::Result<Runtime> {
        server::runtime(self.workers()).context("cannot start the connections")
    }

    /// Runs a gate until it is asked to stop: its server, the renewal of its set, its metrics.
    fn run<S>(&self, gate: &Arc<Gate>, serve: S) -> anyhow::Result<Decision>
    where
        S: AsyncFnOnce() -> anyhow::Result<()>,
    {
        self.run_on(&self.runtime()?, gate, serve)
    }

    /// Runs a gate on a runtime that is there already.
    fn run_on<S>(&self, runtime: &Runtime, gate: &Arc<Gate>, serve: S) -> anyhow::Result<Decision>
    where
        S: AsyncFnOnce() -> anyhow::Result<()>,
    {
        let metrics = self.metrics;
        runtime.block_on(async {
            // A hang-up that comes before its listeners do ends nothing.
            let _caught = signal(SignalKind::hangup())?;
            let renewed = Arc::clone(gate);
            let reopened = Arc::clone(gate);
            let watch = Arc::clone(gate.live()).watch(
                voice(),
                move |renewal| {
                    renewed.metrics().renewed(renewal);
                    renewed.metrics().in_force(&renewed.live().current());
                },
                move || reopened.reopen_log(),
            );
            let watch = tokio::spawn(watch);
            if let Some(address) = metrics {
                let listener = Listener::tcp(address, None).await?;
                let address = listener.address().unwrap_or(address);
                say(&format!("Prometheus is told at http://{address}/metrics"));
                tokio::spawn(tell_prometheus(listener, Arc::clone(gate)));
            }
            self.say_start(gate);
            let served = serve().await;
            watch.abort();
            served
        })?;
        Ok(Decision::Clean)
    }

    fn say_start(&self, gate: &Gate) {
        let set = gate.live().current();
        let (constraints, exceptions) = (
            set.rulebook.constraints.len(),
            set.rulebook.exceptions.len(),
        );
        say(&format!(
            "{constraints} constraints and {exceptions} exceptions are in force (set {:.12})",
            set.digest
        ));
        for problem in &set.problems {
            say(&format!("warning: {problem}"));
        }
        for broken in &set.rulebook.broken {
            say(&format!(
                "warning: the constraint {} cannot be applied, and lets nothing pass that it is there for",
                broken.name
            ));
        }
        if self.dryrun {
            say("--dryrun: everything is allowed, and what would be denied is recorded");
        }
    }
}

async fn tell_prometheus(listener: Listener, gate: Arc<Gate>) {
    let answer = move |head: hyper::http::request::Parts, _: Result<_, Unread>| {
        let text = (head.uri.path() == "/metrics").then(|| gate.metrics().text());
        async move {
            match text {
                Some(text) => reply(hyper::StatusCode::OK, Metrics::MEDIA, text),
                None => reply(hyper::StatusCode::NOT_FOUND, "text/plain", "see /metrics\n"),
            }
        }
    };
    let limits = server::Limits {
        body: 0,
        connections: 16,
        ..server::Limits::default()
    };
    listener
        .serve(limits, voice(), std::future::pending(), answer)
        .await;
}

/// Serves a listener until the program is asked to stop, and tells systemd when it is ready and
/// when it stops.
async fn until_stopped<F, A>(listener: Listener, answer: F) -> anyhow::Result<()>
where
    F: Fn(hyper::http::request::Parts, Result<hyper::body::Bytes, Unread>) -> A
        + Clone
        + Send
        + 'static,
    A: Future<Output = server::Reply> + Send + 'static,
{
    let stop = server::asked_to_stop()?;
    tell_systemd("READY=1");
    let stop = async {
        stop.await;
        tell_systemd("STOPPING=1");
        say("stopping: requests that are being judged get their answer");
    };
    listener
        .serve(server::Limits::default(), voice(), stop, answer)
        .await;
    Ok(())
}

/// Tells systemd what has become of this service, if it started it and wants to know.
fn tell_systemd(what: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let socket = std::os::unix::net::UnixDatagram::unbound();
    let told = socket.and_then(|socket| socket.send_to(what.as_bytes(), path));
    if let Err(error) = told {
        say(&format!("systemd cannot be told {what}: {error}"));
    }
}

fn voice() -> Say {
    Arc::new(|line: &str| say(line))
}
