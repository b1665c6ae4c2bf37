use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde_json::{Value, json};
use stridegate_shapes::pod;
use tokio::sync::mpsc;

use super::super::access::AccessArgs;
use super::super::desk::Beside;
use super::super::output::{Output, Progress};
use super::super::{ConstraintArgs, Desk, Loaded, PolicyArgs, input_error, say};
use crate::catalog::{Bundled, Catalog};
use crate::collect::cluster::{self, Cluster, Namespaces, Page, Resource, Selection};
use crate::constraint::{Rulebook, Source};
use crate::object::{Kind, Text};
use crate::report::openreports;
use crate::review::{Decision, FileReview, Review, limit, limit_ranges, owners};
use crate::source::{Format, Images, Reading, read_text};

/// Judge what a cluster holds, through its API server: every kind that a policy knows, page by page
///
/// What a workload makes is judged with the workload. The outputs list what was found, and count
/// what holds.
#[derive(Args, Debug)]
pub(super) struct ScanCluster {
    /// Only what lies in a namespace; can be given several times
    #[arg(short, long = "namespace", value_name = "NAME")]
    namespaces: Vec<String>,

    /// How to write what was found
    #[arg(short, long, default_value = "text")]
    output: ClusterOutput,

    /// Write the reports into the cluster, and remove those of before that nothing is left of
    #[arg(long)]
    apply: bool,

    #[command(flatten)]
    access: AccessArgs,

    #[command(flatten)]
    constraints: ConstraintArgs,

    /// Apply the constraints and exceptions that the cluster holds as resources
    #[arg(long)]
    constraints_from_cluster: bool,

    #[command(flatten)]
    policies: PolicyArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClusterOutput {
    /// Findings in their objects, for people
    Text,
    /// One JSON object, for programs
    Json,
    /// SARIF 2.1.0, for code hosts
    Sarif,
    /// JUnit XML, for build servers
    Junit,
    /// Reports of openreports.io/v1alpha1, as a list that kubectl applies
    Openreports,
}

/// A page of a resource, or that it cannot be had.
type Fetched = (Arc<Resource>, anyhow::Result<Page>);

impl ScanCluster {
    pub(in super::super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the connections")?;
        let cluster = runtime.block_on(Cluster::connect(&self.access.access()))?;
        let texts = if self.constraints_from_cluster {
            let texts = runtime.block_on(cluster.constraints())?.into_iter();
            let texts = texts.map(|text| Source::fed(&text.shown, text.text));
            Some(texts.collect())
        } else {
            None
        };
        let beside = Beside {
            texts,
            ..Beside::default()
        };
        let Desk {
            loaded,
            rulebook,
            errors,
        } = self.constraints.load(&self.policies, pack, beside)?;
        let resources = runtime.block_on(self.resources(&cluster, &rulebook))?;
        let namespaces = if rulebook.selects_namespaces() {
            runtime.block_on(cluster.namespaces())?.0
        } else {
            Namespaces::new()
        };
        let ranges = if rulebook.asks_for("limitRanges") {
            runtime.block_on(limit_ranges_of(&cluster))
        } else {
            HashMap::new()
        };
        let (sender, mut pages) = mpsc::channel(1);
        runtime.spawn(fetch(
            cluster.clone(),
            resources,
            self.namespaces.clone(),
            sender,
        ));
        let mut review = judge(&loaded, &rulebook, &namespaces, &ranges, &mut pages);
        review.errors.extend(errors);
        let reports = openreports::resources(&review, now());
        self.write(&review, &loaded.catalog, &reports)?;
        if self.apply {
            let whole = review.errors().next().is_none();
            runtime.block_on(self.apply(&cluster, &reports, whole))?;
        }
        Ok(review.decision())
    }

    /// What is to be read: what a policy judges, and what makes Pods if one judges those.
    async fn resources(
        &self,
        cluster: &Cluster,
        rulebook: &Rulebook,
    ) -> anyhow::Result<Vec<Resource>> {
        let policies = rulebook.constraints.iter();
        let mut kinds: Vec<Kind> = policies
            .flat_map(|constraint| &constraint.policy.description.kinds)
            .map(|kind| Kind::new(kind.group.as_str(), kind.name.as_str()))
            .collect();
        if kinds.contains(&pod::KIND) {
            kinds.extend(pod::WORKLOADS);
        }
        let mut resources = cluster.resources(&kinds).await?;
        if !self.namespaces.is_empty() {
            resources.retain(|resource| resource.namespaced);
        }
        ensure!(
            !resources.is_empty(),
            "the cluster serves nothing that a constraint applies to"
        );
        Ok(resources)
    }

    fn write(&self, review: &Review, catalog: &Catalog, reports: &[Value]) -> anyhow::Result<()> {
        let output = match self.output {
            ClusterOutput::Text => Output::Text,
            ClusterOutput::Json => Output::Json,
            ClusterOutput::Sarif => Output::Sarif,
            ClusterOutput::Junit => Output::Junit,
            ClusterOutput::Openreports => {
                let list = json!({"apiVersion": "v1", "kind": "List", "items": reports});
                let text = serde_json::to_string_pretty(&list)?;
                let mut output = anstream::stdout().lock();
                return writeln!(output, "{text}").context("cannot write the reports");
            }
        };
        output.write(review, catalog)
    }

    /// Writes the reports. Those of before are removed only if everything could be read: what is
    /// not known to be gone stays.
    async fn apply(&self, cluster: &Cluster, reports: &[Value], whole: bool) -> anyhow::Result<()> {
        let (group, _) = openreports::API_VERSION.split_once('/').unwrap_or_default();
        let kinds = ["Report", "ClusterReport"].map(|kind| Kind::new(group, kind));
        let resources = cluster.resources(&kinds).await?;
        ensure!(
            resources.len() == kinds.len(),
            "the cluster does not know {}; install its CRDs, which openreports.io publishes",
            openreports::API_VERSION
        );
        let mut written = HashSet::new();
        for report in reports {
            let kind = report["kind"].as_str().unwrap_or_default();
            let Some(resource) = resources.iter().find(|resource| resource.kind.name == kind)
            else {
                continue;
            };
            let path = path(resource, report);
            cluster
                .apply(&path, report)
                .await
                .with_context(|| format!("cannot write the report {path}"))?;
            written.insert(path);
        }
        if !whole {
            say("reports of before are left, because not everything could be read");
            return Ok(());
        }
        let mut removed = 0;
        for resource in &resources {
            // Where only some namespaces were read, the reports of the others stand.
            let only = self
                .namespaces
                .iter()
                .map(|namespace| Some(namespace.as_str()));
            let namespaces: Vec<Option<&str>> = match self.namespaces.is_empty() {
                true => vec![None],
                false if resource.namespaced => only.collect(),
                false => Vec::new(),
            };
            for namespace in namespaces {
                let ours = Selection {
                    namespace,
                    label: Some(openreports::LABEL),
                };
                for report in cluster.all(resource, ours).await?.items {
                    let path = path(resource, &report);
                    if !written.contains(&path) {
                        cluster
                            .delete(&path)
                            .await
                            .with_context(|| format!("cannot remove the report {path}"))?;
                        removed += 1;
                    }
                }
            }
        }
        say(&format!(
            "reports: {} written, {removed} removed",
            written.len()
        ));
        Ok(())
    }
}

/// The path of an object.
fn path(resource: &Resource, object: &Value) -> String {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    format!("{}/{name}", resource.path(metadata["namespace"].as_str()))
}

/// Reads pages ahead of what is judged, but only one.
async fn fetch(
    cluster: Cluster,
    resources: Vec<Resource>,
    namespaces: Vec<String>,
    sender: mpsc::Sender<Fetched>,
) {
    let all = [None];
    let some: Vec<Option<&str>> = namespaces.iter().map(|name| Some(name.as_str())).collect();
    let namespaces = if some.is_empty() { &all[..] } else { &some };
    for resource in resources.into_iter().map(Arc::new) {
        for &namespace in namespaces {
            let selection = Selection {
                namespace,
                ..Selection::default()
            };
            let mut next = None;
            loop {
                let page = cluster.page(&resource, selection, next.as_deref()).await;
                next = page.as_ref().ok().and_then(|page| page.next.clone());
                if sender.send((Arc::clone(&resource), page)).await.is_err() {
                    return;
                }
                if next.is_none() {
                    break;
                }
            }
        }
    }
}

/// The `LimitRange`s of each namespace; none if they may not be read, which is said.
async fn limit_ranges_of(cluster: &Cluster) -> HashMap<String, Arc<Value>> {
    let resource = cluster::limit_ranges();
    let read = cluster.all(&resource, Selection::default());
    let page = read.await.unwrap_or_else(|error| {
        say(&format!(
            "the limits that namespaces give to containers are not known: {error:#}"
        ));
        Page::default()
    });
    let items = page.items;
    let objects = items.iter().flat_map(|item| {
        let text = Arc::new(Text::new("LimitRange", item.to_string()));
        read_text(&text, "LimitRange", Some(Format::Manifest)).objects
    });
    limit_ranges(objects.collect::<Vec<_>>().iter())
}

/// Judges pages as they come.
fn judge(
    loaded: &Loaded,
    rulebook: &Rulebook,
    namespaces: &Namespaces,
    ranges: &HashMap<String, Arc<Value>>,
    pages: &mut mpsc::Receiver<Fetched>,
) -> Review {
    let images = Images::default();
    let court = loaded.court(rulebook, &images);
    let progress = Progress::new(0, "objects judged");
    let mut review = Review::default();
    let mut makers: HashSet<String> = HashSet::new();
    let mut expected: Option<Arc<Resource>> = None;
    while let Some((resource, page)) = pages.blocking_recv() {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let message = format!("cannot be listed: {error:#}");
                review
                    .errors
                    .push(input_error(resource.full_name(), None, message));
                continue;
            }
        };
        if expected.as_ref() != Some(&resource) {
            let remaining = usize::try_from(page.remaining).unwrap_or(usize::MAX);
            progress.expect(page.items.len().saturating_add(remaining));
            expected = Some(Arc::clone(&resource));
        }
        let readings: Vec<(String, Reading)> = page
            .items
            .par_iter()
            .map(|item| read(&resource, item, namespaces, ranges))
            .collect();
        for (_, reading) in &readings {
            makers.extend(owners(&reading.objects));
        }
        let files: Vec<FileReview> = readings
            .into_par_iter()
            .map(|(name, reading)| {
                let file = court.judge_unowned(&name, reading, &makers);
                progress.step();
                file
            })
            .collect();
        for file in files {
            review.settle(file);
        }
    }
    progress.finish();
    review.exceptions = court.exceptions();
    review
}

/// An object as a text, by the name with which `kubectl get` finds it.
fn read(
    resource: &Resource,
    item: &Value,
    namespaces: &Namespaces,
    ranges: &HashMap<String, Arc<Value>>,
) -> (String, Reading) {
    let metadata = &item["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default();
    let mut name = format!("{}/{}", resource.full_name(), text("name"));
    if !text("namespace").is_empty() {
        name = format!("{}/{name}", text("namespace"));
    }
    let written = serde_json::to_string_pretty(item).unwrap_or_default();
    let written = Arc::new(Text::new(name.as_str(), written));
    let mut reading = read_text(&written, &name, Some(Format::Manifest));
    let namespace = namespaces.get(text("namespace"));
    for object in &mut reading.objects {
        object.written.namespace = namespace.map(Arc::clone);
        // What a cluster holds of Pods has got its limits when it was made, if any.
        if object.becomes(&pod::KIND) {
            limit(object, ranges);
        }
    }
    (name, reading)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
