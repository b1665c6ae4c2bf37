use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{GateArgs, say, tell_systemd, voice};
use crate::catalog::Bundled;
#[cfg(feature = "cluster")]
use crate::collect::cluster::Cluster;
#[cfg(feature = "cluster")]
use crate::command::access::AccessArgs;
use crate::gateway::Recipe;
use crate::gateway::certificate::{Certificate, Files};
#[cfg(feature = "cluster")]
use crate::gateway::cluster::{Constraints, Labels};
use crate::gateway::kubernetes::{Facts, Settings, Webhook};
use crate::gateway::server::{self, Limits, Listener};
use crate::review::Decision;

/// Stand at the gate of a Kubernetes cluster, as its validating admission webhook
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(super) struct Kubernetes {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,

    /// The certificate of the webhook, in PEM; it and its key are read anew when they change
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,

    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,

    /// Answer only callers whose certificate one of these authorities has signed, except about
    /// health and metrics
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,

    /// For how many seconds it still answers after it was asked to stop, and says that it is not
    /// ready
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=300))]
    drain: u64,

    #[cfg(feature = "cluster")]
    #[command(flatten)]
    access: AccessArgs,

    /// Apply the constraints and exceptions that the cluster holds as resources
    #[cfg(feature = "cluster")]
    #[arg(long)]
    constraints_from_cluster: bool,

    #[command(flatten)]
    gate: GateArgs,
}

const AFTER: &str = "It answers POST /validate, POST /v1/evaluate, and GET /openapi.json, /healthz, /readyz and /metrics. \
The labels of namespaces, for constraints that select by them, and the Pods that connections lead into come from the cluster that --kubeconfig, --context or --in-cluster names.";

impl Kubernetes {
    pub(super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let runtime = self.gate.runtime()?;
        let certificate = Arc::new(Certificate::open(Files {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_authorities: self.client_ca.clone(),
        })?);
        #[cfg(feature = "cluster")]
        let (labels, constraints) = runtime.block_on(self.cluster())?;
        let recipe = Recipe {
            tolerant: true,
            #[cfg(feature = "cluster")]
            fed: constraints.as_ref().map(Constraints::feed),
            ..Recipe::default()
        };
        let Some(gate) = self.gate.gate("kubernetes", pack, recipe)? else {
            return Ok(Decision::Failed);
        };
        #[cfg(feature = "cluster")]
        let facts = labels
            .as_ref()
            .map(|labels| Arc::clone(labels) as Arc<dyn Facts>);
        #[cfg(not(feature = "cluster"))]
        let facts: Option<Arc<dyn Facts>> = None;
        let selects = gate.live().current().rulebook.selects_namespaces();
        if selects && facts.is_none() {
            say(
                "error: a constraint selects by the labels of namespaces, which only the cluster knows; give --in-cluster or --kubeconfig",
            );
            return Ok(Decision::Failed);
        }
        let settings = Settings {
            within: Duration::from_millis(self.gate.timeout),
            certified: self.client_ca.is_some(),
        };
        let webhook = Arc::new(Webhook::new(Arc::clone(&gate), settings, facts));
        self.gate.run_on(&runtime, &gate, async || {
            #[cfg(feature = "cluster")]
            {
                if let Some(labels) = labels {
                    tokio::spawn(labels.follow(voice()));
                }
                if let Some(constraints) = constraints.map(Arc::new) {
                    let (gate, live) = (Arc::clone(&gate), Arc::clone(gate.live()));
                    let renewed = move |renewal: &_| {
                        gate.metrics().renewed(renewal);
                        gate.metrics().in_force(&gate.live().current());
                        say(&format!(
                            "the constraints of the cluster are in force (set {:.12})",
                            gate.live().current().digest
                        ));
                    };
                    tokio::spawn(Arc::clone(&constraints).follow(live, voice(), renewed));
                    tokio::spawn(constraints.tell(Arc::clone(&webhook), voice()));
                }
            }
            tokio::spawn(Arc::clone(&certificate).watch(voice()));
            let listener = Listener::tcp(self.listen, Some(certificate.tls())).await?;
            let address = listener.address().unwrap_or(self.listen);
            say(&format!("listening on https://{address}"));
            self.serve(listener, webhook).await
        })
    }

    /// Serves until it is asked to stop. Whoever does not know yet that it is gone is answered
    /// for a while.
    async fn serve(&self, listener: Listener, webhook: Arc<Webhook>) -> anyhow::Result<()> {
        let stop = server::asked_to_stop()?;
        tell_systemd("READY=1");
        let stopping = Arc::clone(&webhook);
        let stop = async move {
            stop.await;
            stopping.stop();
            tell_systemd("STOPPING=1");
            say("stopping: requests are answered for a while");
            tokio::time::sleep(Duration::from_secs(self.drain)).await;
        };
        let answer = move |head, body| {
            let webhook = Arc::clone(&webhook);
            async move { webhook.answer(head, body).await }
        };
        let limits = Limits {
            body: BODY,
            ..Limits::default()
        };
        listener.serve(limits, voice(), stop, answer).await;
        Ok(())
    }

    /// What the cluster tells while the gate stands, as far as it is asked.
    #[cfg(feature = "cluster")]
    async fn cluster(&self) -> anyhow::Result<(Option<Arc<Labels>>, Option<Constraints>)> {
        if !self.access.is_given() && !self.constraints_from_cluster {
            return Ok((None, None));
        }
        let cluster = Cluster::connect(&self.access.access()).await?;
        let constraints = if self.constraints_from_cluster {
            Some(Constraints::new(cluster.clone()).await?)
        } else {
            None
        };
        Ok((Some(Arc::new(Labels::new(cluster))), constraints))
    }
}

/// The largest body, in bytes. A request to an API server has at most 3 MiB; a review of it has the
/// object twice, with what the server adds.
const BODY: usize = 12 << 20;
