//! What a gate hears of its cluster while it runs: the labels of namespaces, and constraints and
//! exceptions that are resources of the cluster.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json as value};
use tokio::sync::Notify;

use super::kubernetes::{Facts, Found, Webhook};
use super::{Feed, Live, Renewal, Say, Set};
use crate::collect::cluster::{
    Cluster, ConstraintText, Namespaces, Resource, Selection, escaped, limit_ranges, namespace,
    namespaces,
};
use crate::constraint::API_VERSION;
use crate::object::Node;
use crate::source::json;

/// How long it is waited after the API server could not be asked.
const PAUSE: Duration = Duration::from_secs(5);

/// How long changes are gathered before they are put in force together.
const GATHER: Duration = Duration::from_millis(200);

/// How long the API server has for a question on which a request waits.
const PATIENCE: Duration = Duration::from_millis(200);

/// How often the status of constraints is written, if it has changed; of new ones it is at once.
const STATUS: Duration = Duration::from_secs(30);

/// How long what is known of the limits of a namespace is used.
const LIMITS_FOR: Duration = Duration::from_secs(30);

/// Of how many namespaces the limits are known at a time.
const MOST_LIMITS: usize = 1024;

/// The Namespaces of a cluster, as it tells of them.
pub struct Labels {
    cluster: Cluster,
    known: RwLock<Namespaces>,
    ready: AtomicBool,
    limits: Mutex<HashMap<String, Limits>>,
}

/// The `LimitRange`s of a namespace, if they could be asked for, and when.
type Limits = (Instant, Option<Arc<Value>>);

impl Labels {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            known: RwLock::default(),
            ready: AtomicBool::new(false),
            limits: Mutex::default(),
        }
    }

    /// Follows the cluster for as long as the program runs.
    pub async fn follow(self: Arc<Self>, say: Say) {
        loop {
            if let Err(error) = self.follow_once().await {
                say(&format!("the namespaces cannot be followed: {error:#}"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Reads all, and then what changes, until the list has to be read again.
    async fn follow_once(&self) -> anyhow::Result<()> {
        let (known, mut version) = self.cluster.namespaces().await?;
        *self.write() = known;
        self.ready.store(true, Ordering::Relaxed);
        loop {
            let changed = |kind: &str, object: &Value| {
                if let Some((name, node)) = namespace(object) {
                    if kind == "DELETED" {
                        self.write().remove(&name);
                    } else {
                        self.write().insert(name, node);
                    }
                }
            };
            self.cluster
                .watch(&namespaces(), &mut version, changed)
                .await?;
        }
    }

    /// An object, unless the API server takes too long.
    async fn ask(&self, path: &str) -> Option<Value> {
        let object = tokio::time::timeout(PATIENCE, self.cluster.object(path)).await;
        object.ok()?.ok()?
    }

    /// The limits of a namespace, if they were asked for a moment ago, with or without success.
    fn known_limits(&self, namespace: &str) -> Option<Limits> {
        let known = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(namespace);
        known.filter(|(at, _)| at.elapsed() < LIMITS_FOR).cloned()
    }

    fn remember_limits(&self, namespace: String, limits: Option<Arc<Value>>) {
        let mut known = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_LIMITS {
            known.retain(|_, (at, _)| at.elapsed() < LIMITS_FOR);
        }
        if known.len() < MOST_LIMITS {
            known.insert(namespace, (Instant::now(), limits));
        }
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Namespaces> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts for Labels {
    fn known(&self, name: &str) -> Option<Arc<Node>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).map(Arc::clone)
    }

    fn namespace(&self, name: String) -> Found<'_> {
        Box::pin(async move {
            let path = format!("{}/{}", namespaces().path(None), escaped(&name));
            let (_, node) = namespace(&self.ask(&path).await?)?;
            self.write().insert(name, Arc::clone(&node));
            Some(node)
        })
    }

    fn pod(&self, namespace: String, name: String) -> Found<'_> {
        Box::pin(async move {
            let (namespace, name) = (escaped(namespace), escaped(name));
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
            let pod = self.ask(&path).await?;
            json::read(&pod.to_string()).ok().map(Arc::new)
        })
    }

    fn limits(&self, namespace: String) -> Found<'_, Value> {
        Box::pin(async move {
            if let Some((_, limits)) = self.known_limits(&namespace) {
                return limits;
            }
            let (resource, selection) = (
                limit_ranges(),
                Selection {
                    namespace: Some(&namespace),
                    ..Selection::default()
                },
            );
            let asked = self.cluster.page(&resource, selection, None);
            let page = tokio::time::timeout(PATIENCE, asked).await;
            let page = page.ok().and_then(Result::ok);
            let limits = page.map(|page| Arc::new(Value::from(page.items)));
            self.remember_limits(namespace, limits.clone());
            limits
        })
    }

    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// The constraints and exceptions of a cluster.
pub struct Constraints {
    cluster: Cluster,
    resources: Vec<Resource>,
    feed: Arc<Feed>,
    current: RwLock<Vec<ConstraintText>>,
    /// Told when others than before are in force.
    renewed: Notify,
}

impl Constraints {
    /// Reads them for the first time.
    pub async fn new(cluster: Cluster) -> anyhow::Result<Self> {
        let constraints = Self {
            resources: cluster.constraint_resources().await?,
            cluster,
            feed: Arc::default(),
            current: RwLock::default(),
            renewed: Notify::new(),
        };
        constraints
            .read()
            .await
            .context("the constraints of the cluster cannot be read")?;
        Ok(constraints)
    }

    /// What feeds them to a set.
    #[must_use]
    pub fn feed(&self) -> Arc<Feed> {
        Arc::clone(&self.feed)
    }

    async fn read(&self) -> anyhow::Result<()> {
        let texts = self.cluster.constraints().await?;
        let fed = texts.iter();
        self.feed.replace(
            fed.map(|text| (text.shown.clone(), text.text.clone()))
                .collect(),
        );
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = texts;
        Ok(())
    }

    /// Follows the cluster for as long as the program runs, and puts what changes in force;
    /// `renewed` hears of it.
    pub async fn follow(
        self: Arc<Self>,
        live: Arc<Live>,
        say: Say,
        renewed: impl Fn(&Renewal) + Send,
    ) {
        loop {
            if let Err(error) = self.changed().await {
                say(&format!("the constraints cannot be followed: {error:#}"));
                tokio::time::sleep(PAUSE).await;
            }
            tokio::time::sleep(GATHER).await;
            if let Err(error) = self.read().await {
                say(&format!("the constraints cannot be read: {error:#}"));
                continue;
            }
            let live = Arc::clone(&live);
            let renewal = tokio::task::spawn_blocking(move || live.renew()).await;
            if let Ok(renewal) = renewal
                && renewal != Renewal::Same
            {
                renewed(&renewal);
                self.renewed.notify_one();
            }
        }
    }

    /// Ready when something has changed since it was read, or may have.
    async fn changed(&self) -> anyhow::Result<()> {
        let watch = async |resource: &Resource| -> anyhow::Result<()> {
            // What changed since it was read and before the watch begins is seen in a new list.
            let page = self.cluster.all(resource, Selection::default()).await?;
            let items = page.items.iter();
            let there = items.map(|item| ConstraintText::new(resource, item));
            if !self.knows(resource, there.collect()) {
                return Ok(());
            }
            let mut version = page.version;
            let (seen, mut changed) = tokio::sync::mpsc::channel(1);
            let watch = self.cluster.watch(resource, &mut version, |_, _| {
                // One is enough.
                let _ = seen.try_send(());
            });
            tokio::select! {
                ended = watch => ended,
                _ = changed.recv() => Ok(()),
            }
        };
        let [first, second] = self.resources.as_slice() else {
            anyhow::bail!("the cluster serves other resources than before");
        };
        tokio::select! {
            one = watch(first) => one,
            other = watch(second) => other,
        }
    }

    /// Whether what was read of a resource is what is there now.
    fn knows(&self, resource: &Resource, mut there: Vec<ConstraintText>) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let of = format!("{}/", resource.path(None));
        let known = current.iter().filter(|text| text.path.starts_with(&of));
        let mut known: Vec<&ConstraintText> = known.collect();
        known.sort_by_key(|text| &text.name);
        there.sort_by(|one, other| one.name.cmp(&other.name));
        known.into_iter().eq(&there)
    }

    /// Writes what became of each, for as long as the program runs.
    pub async fn tell(self: Arc<Self>, webhook: Arc<Webhook>, say: Say) {
        let mut told: HashMap<String, Value> = HashMap::new();
        loop {
            let texts = self.current.read();
            let texts = texts.unwrap_or_else(PoisonError::into_inner).clone();
            told.retain(|path, _| texts.iter().any(|text| text.path == *path));
            for text in texts {
                let set = webhook.gate().live().current();
                let status = status(&text, &set, webhook.violations(&text.name));
                if told.get(&text.path) == Some(&status) {
                    continue;
                }
                let kind = if text.path.contains("/exceptions/") {
                    "Exception"
                } else {
                    "Constraint"
                };
                let object = value!({
                    "apiVersion": API_VERSION,
                    "kind": kind,
                    "metadata": {"name": text.name},
                    "status": status,
                });
                let path = format!("{}/status", text.path);
                match self.cluster.apply(&path, &object).await {
                    Ok(()) => drop(told.insert(text.path, status)),
                    Err(error) => say(&format!(
                        "the status of {} cannot be written: {error:#}",
                        text.shown
                    )),
                }
            }
            tokio::select! {
                () = self.renewed.notified() => {}
                () = tokio::time::sleep(STATUS) => {}
            }
        }
    }
}

/// What became of a constraint or an exception.
fn status(text: &ConstraintText, set: &Set, violations: u64) -> Value {
    let is_in = |problem: &&String| {
        problem
            .strip_prefix(&text.shown)
            .is_some_and(|rest| rest.starts_with(':'))
    };
    let problem = set.problems.iter().find(is_in);
    let mut status = value!({});
    match problem {
        Some(problem) => status["problem"] = problem.as_str().into(),
        None => status["observedGeneration"] = text.generation.into(),
    }
    let constraint = set
        .rulebook
        .constraints
        .iter()
        .find(|constraint| constraint.name.as_ref() == Some(&text.name));
    if let Some(constraint) = constraint.filter(|_| text.path.contains("/constraints/")) {
        status["policyDigest"] = constraint.policy.digest.clone().into();
        status["violations"] = violations.into();
    }
    status
}
