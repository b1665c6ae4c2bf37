//! What a cluster holds: its API server, asked with a kubeconfig or a service account.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use http_body_util::BodyExt;
use hyper::http::{Method, Request, header};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use stridegate_shapes::pod;

use crate::constraint::API_VERSION;
use crate::object::{Kind, Node};

/// How many objects an API server is asked for at a time.
const PAGE: usize = 250;

/// How to reach an API server.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The kubeconfig; without one, what `KUBECONFIG` names or `~/.kube/config`, and else the
    /// service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; without one, its current context.
    pub context: Option<String>,
    /// Whether only the service account of the Pod counts.
    pub in_cluster: bool,
}

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

/// A kind of object as an API server serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The kind.
    pub kind: Kind,
    /// The version that the server prefers.
    pub version: String,
    /// Its name in paths: `deployments`.
    pub plural: String,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
}

/// Which objects of a resource are meant; all without more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// Those in a namespace.
    pub namespace: Option<&'a str>,
    /// Those with a label of a value.
    pub label: Option<(&'a str, &'a str)>,
}

/// Some of the objects of a resource.
#[derive(Debug, Default)]
pub struct Page {
    /// The objects, each with its kind.
    pub items: Vec<Value>,
    /// What asks for the next page; none after the last.
    pub next: Option<String>,
    /// How many objects come after this page, if the server says so.
    pub remaining: u64,
    /// The version of the list, from which it can be watched.
    pub version: String,
}

/// A list took longer than the API server keeps it.
#[derive(Debug)]
struct Expired;

impl Display for Expired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the list took longer than the API server keeps it; run it again")
    }
}

impl std::error::Error for Expired {}

impl Resource {
    /// The path of its objects, of one namespace or of all.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>) -> String {
        let (root, plural) = (root(&self.kind.group, &self.version), &self.plural);
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{}/{plural}", escaped(namespace)),
            None => format!("{root}/{plural}"),
        }
    }

    /// The `apiVersion` of its objects.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.kind.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.kind.group, self.version)
        }
    }

    /// How `kubectl get` names it: `deployments.apps`.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.kind.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.kind.group)
        }
    }

    /// What makes others comes before what it makes, so that it is known when that comes.
    fn rank(&self) -> usize {
        const MAKERS: [&str; 6] = [
            "CronJob",
            "Deployment",
            "StatefulSet",
            "DaemonSet",
            "ReplicaSet",
            "Job",
        ];
        let makers = MAKERS.iter().position(|maker| *maker == self.kind.name);
        makers.unwrap_or(if self.kind == pod::KIND {
            MAKERS.len() + 1
        } else {
            MAKERS.len()
        })
    }
}

/// The path under which a version of a group is served.
fn root(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    }
}

impl Cluster {
    /// Finds the API server and the credentials for it; nothing is asked yet.
    pub async fn connect(access: &Access) -> anyhow::Result<Self> {
        // Another part of the program may have set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = KubeConfigOptions {
            context: access.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = if access.in_cluster {
            Config::incluster().context("this is no Pod with a service account")?
        } else if let Some(path) = &access.kubeconfig {
            // It says its cause itself.
            let read = Kubeconfig::read_from(path).map_err(|error| anyhow!("{error}"));
            let config = match read {
                Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .map_err(anyhow::Error::from),
                Err(error) => Err(error),
            };
            config.with_context(|| format!("{} cannot be used", path.display()))?
        } else if access.context.is_some() {
            Config::from_kubeconfig(&options)
                .await
                .context("the kubeconfig cannot be used")?
        } else {
            Config::infer().await.context(
                "there is no kubeconfig and no service account; name one with --kubeconfig",
            )?
        };
        let client = Client::try_from(config).context("cannot prepare the connection")?;
        Ok(Self { client })
    }

    async fn get(&self, path: &str) -> Result<Value, kube::Error> {
        let request = Request::get(path)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }

    /// What it serves of the kinds that are wanted, in the order in which it is best read.
    pub async fn resources(&self, wanted: &[Kind]) -> anyhow::Result<Vec<Resource>> {
        let mut roots = vec![(String::new(), vec!["v1".to_owned()])];
        let groups = self
            .get("/apis")
            .await
            .map_err(|error| anyhow!("the API server cannot be asked: {}", said(&error)))?;
        for group in list(&groups, "groups") {
            let name = text(group, "name");
            if wanted.iter().any(|kind| kind.group == name) {
                let preferred = text(&group["preferredVersion"], "version");
                let versions = list(group, "versions").iter();
                let versions = versions.map(|version| text(version, "version"));
                let others = versions.filter(|version| *version != preferred);
                let others: Vec<String> = others.collect();
                roots.push((name, [vec![preferred], others].concat()));
            }
        }
        let mut resources = Vec::new();
        for (group, versions) in roots {
            let mut missing: Vec<&Kind> =
                wanted.iter().filter(|kind| kind.group == group).collect();
            // A version need not have each kind of its group.
            for version in versions {
                if missing.is_empty() {
                    break;
                }
                let served = self.served(&group, &version, &missing).await?;
                missing.retain(|kind| served.iter().all(|resource| resource.kind != **kind));
                resources.extend(served);
            }
        }
        resources.sort_by_key(|resource| (resource.rank(), resource.full_name()));
        Ok(resources)
    }

    /// What it serves in a version of a group, of the kinds that are wanted.
    async fn served(
        &self,
        group: &str,
        version: &str,
        wanted: &[&Kind],
    ) -> anyhow::Result<Vec<Resource>> {
        let path = root(group, version);
        let served = self
            .get(&path)
            .await
            .map_err(|error| anyhow!("{path}: {}", said(&error)))?;
        let resources = list(&served, "resources").iter().filter_map(|resource| {
            let can_list = list(resource, "verbs").iter().any(|verb| verb == "list");
            let kind = Kind::new(group, text(resource, "kind"));
            let plural = text(resource, "name");
            let is_meant = can_list && !plural.contains('/') && wanted.contains(&&kind);
            is_meant.then(|| Resource {
                kind,
                version: version.to_owned(),
                plural,
                namespaced: resource["namespaced"] == true,
            })
        });
        Ok(resources.collect())
    }

    /// A page of the objects of a resource: the first, or the one that the page before asks for.
    pub async fn page(
        &self,
        resource: &Resource,
        selection: Selection<'_>,
        next: Option<&str>,
    ) -> anyhow::Result<Page> {
        const TRIES: usize = 3;
        let path = |next: Option<&str>| {
            let mut path = format!("{}?limit={PAGE}", resource.path(selection.namespace));
            if let Some((label, value)) = selection.label {
                path += "&labelSelector=";
                path += &escaped(format!("{label}={value}"));
            }
            if let Some(next) = next {
                path += "&continue=";
                path += &escaped(next);
            }
            path
        };
        let mut next = next.map(str::to_owned);
        let mut tries = 0;
        let mut page = loop {
            let path = path(next.as_deref());
            match self.get(&path).await {
                Ok(page) => break page,
                // A list that takes longer than the server keeps it goes on with what is there now.
                Err(kube::Error::Api(status)) if status.code == 410 && next.is_some() => {
                    let fresh = status.metadata.as_ref();
                    let fresh = fresh.and_then(|metadata| metadata.continue_.clone());
                    let fresh = fresh.filter(|fresh| !fresh.is_empty() && tries < TRIES);
                    next = Some(fresh.ok_or(Expired)?);
                    tries += 1;
                }
                Err(error) => return Err(refused(&error, "GET", &path)),
            }
        };
        let metadata = &page["metadata"];
        let (next, version) = (
            text(metadata, "continue"),
            text(metadata, "resourceVersion"),
        );
        let remaining = metadata["remainingItemCount"].as_u64().unwrap_or(0);
        let items = match page["items"].take() {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            _ => return Err(anyhow!("the API server sent no list")),
        };
        let typed = items.into_iter().map(|mut item| {
            if let Value::Object(members) = &mut item {
                members.insert("apiVersion".into(), resource.api_version().into());
                members.insert("kind".into(), (*resource.kind.name).into());
                if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
                    metadata.remove("managedFields");
                }
            }
            item
        });
        Ok(Page {
            items: typed.collect(),
            next: Some(next).filter(|next| !next.is_empty()),
            remaining,
            version,
        })
    }

    /// All objects of a resource that are meant. A list that the server no longer keeps is begun
    /// anew.
    pub async fn all(&self, resource: &Resource, selection: Selection<'_>) -> anyhow::Result<Page> {
        const TRIES: usize = 3;
        let mut all = Page::default();
        let mut tries = 1;
        loop {
            match self.page(resource, selection, all.next.as_deref()).await {
                Ok(page) => {
                    all.items.extend(page.items);
                    all.version = page.version;
                    all.next = page.next;
                    if all.next.is_none() {
                        return Ok(all);
                    }
                }
                Err(error) if error.is::<Expired>() && tries < TRIES => {
                    tries += 1;
                    all = Page::default();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The Namespaces by their names.
    pub async fn namespaces(&self) -> anyhow::Result<(Namespaces, String)> {
        let page = self.all(&namespaces(), Selection::default()).await?;
        let named = page.items.iter().filter_map(namespace).collect();
        Ok((named, page.version))
    }

    /// The constraints and exceptions that it holds as resources.
    pub async fn constraints(&self) -> anyhow::Result<Vec<ConstraintText>> {
        let resources = self.constraint_resources().await?;
        let mut texts = Vec::new();
        for resource in &resources {
            let page = self.all(resource, Selection::default()).await?;
            let items = page.items.iter();
            texts.extend(items.map(|item| ConstraintText::new(resource, item)));
        }
        Ok(texts)
    }

    /// The resources that hold constraints and exceptions.
    pub async fn constraint_resources(&self) -> anyhow::Result<Vec<Resource>> {
        let (group, _) = API_VERSION.split_once('/').unwrap_or_default();
        let kinds = ["Constraint", "Exception"].map(|kind| Kind::new(group, kind));
        let resources = self.resources(&kinds).await?;
        if resources.len() < kinds.len() {
            return Err(anyhow!(
                "the cluster does not know constraints and exceptions; kubectl apply -k host/deploy/kubernetes/crds makes it"
            ));
        }
        Ok(resources)
    }

    /// One object; none if it is not there.
    pub async fn object(&self, path: &str) -> anyhow::Result<Option<Value>> {
        match self.get(path).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(refused(&error, "GET", path)),
        }
    }

    /// Tells each change of the objects of a resource after a version of their list: its type
    /// (`ADDED`, `MODIFIED`, `DELETED`) and the object. Comes back when the server ends the
    /// stream, which is not rare; an error means that the list has to be read again.
    pub async fn watch(
        &self,
        resource: &Resource,
        version: &mut String,
        mut changed: impl FnMut(&str, &Value),
    ) -> anyhow::Result<()> {
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds=240&resourceVersion={}",
            resource.path(None),
            escaped(&*version)
        );
        let request = Request::get(&path)
            .header(header::ACCEPT_ENCODING, "identity")
            .body(Body::empty())
            .context("the version of the list cannot be asked for")?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| anyhow!(said(&error)))?;
        if !response.status().is_success() {
            let (status, rule) = (response.status(), rule("GET", &path));
            let remedy = if status == 403 { &*rule } else { "" };
            return Err(anyhow!("the API server answers {status}{remedy}"));
        }
        let mut body = response.into_body();
        let mut line = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| anyhow!(said(&error)))?.into_data() else {
                continue;
            };
            for part in data.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if line.last() != Some(&b'\n') {
                    continue;
                }
                let event: Value = serde_json::from_slice(&line).context("a change is no JSON")?;
                line.clear();
                let object = &event["object"];
                match text(&event, "type").as_str() {
                    "ERROR" => return Err(anyhow!("{}", text(object, "message"))),
                    kind => {
                        *version = text(&object["metadata"], "resourceVersion");
                        if kind != "BOOKMARK" {
                            changed(kind, object);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes an object by server-side apply, or its status.
    pub async fn apply(&self, path: &str, object: &Value) -> anyhow::Result<()> {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(format!("{path}?fieldManager=stridegate&force=true"))
            .header(header::CONTENT_TYPE, "application/apply-patch+yaml")
            .body(serde_json::to_vec(object)?)?;
        let applied: Result<Value, _> = self.client.request(request).await;
        applied
            .map(drop)
            .map_err(|error| refused(&error, "PATCH", path))
    }

    /// Removes an object. It is no error if it is gone already.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        let request = Request::delete(path).body(Vec::new())?;
        let deleted: Result<Value, _> = self.client.request(request).await;
        match deleted {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(refused(&error, "DELETE", path)),
        }
    }
}

/// Namespaces by their names.
pub type Namespaces = HashMap<String, Arc<Node>>;

/// The resource of Namespaces.
#[must_use]
pub fn namespaces() -> Resource {
    Resource {
        kind: Kind::known("", "Namespace"),
        version: "v1".into(),
        plural: "namespaces".into(),
        namespaced: false,
    }
}

/// The resource of `LimitRange`s.
#[must_use]
pub fn limit_ranges() -> Resource {
    Resource {
        kind: Kind::known("", "LimitRange"),
        version: "v1".into(),
        plural: "limitranges".into(),
        namespaced: true,
    }
}

/// A Namespace by its name, with its labels and nothing else of it.
#[must_use]
pub fn namespace(object: &Value) -> Option<(String, Arc<Node>)> {
    let name = object["metadata"]["name"].as_str()?;
    let kept = json!({"metadata": {"name": name, "labels": object["metadata"]["labels"]}});
    let node = crate::source::json::read(&kept.to_string()).ok()?;
    Some((name.to_owned(), Arc::new(node)))
}

/// A constraint or exception of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstraintText {
    /// How it is shown: `constraints.stridegate.dev/no-root`.
    pub shown: String,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// Its generation.
    pub generation: i64,
    /// What it says, as JSON, without what Kubernetes adds to it.
    pub text: String,
}

impl ConstraintText {
    /// An object of a list as it is judged by.
    #[must_use]
    pub fn new(resource: &Resource, object: &Value) -> Self {
        let metadata = &object["metadata"];
        let name = text(metadata, "name");
        let kept = json!({
            "apiVersion": API_VERSION,
            "kind": resource.kind.name,
            "metadata": {"name": name},
            "spec": object["spec"],
        });
        Self {
            shown: format!("{}/{name}", resource.full_name()),
            path: format!("{}/{name}", resource.path(None)),
            generation: metadata["generation"].as_i64().unwrap_or(0),
            text: serde_json::to_string_pretty(&kept).unwrap_or_default(),
            name,
        }
    }
}

/// What went wrong, with its causes.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        error => {
            let mut all = error.to_string();
            let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
            while let Some(next) = cause {
                let text = next.to_string();
                if !all.ends_with(&text) {
                    all = format!("{all}: {text}");
                }
                cause = next.source();
            }
            all
        }
    }
}

/// What went wrong with a question, and what whoever asks has to be allowed.
fn refused(error: &kube::Error, method: &str, path: &str) -> anyhow::Error {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            anyhow!("{}{}", said(error), rule(method, path))
        }
        error => anyhow!(said(error)),
    }
}

/// The rule of RBAC that allows a question, as a remedy.
fn rule(method: &str, uri: &str) -> String {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mut words = path.split('/').skip(1);
    let group = match words.next() {
        Some("apis") => words.next().unwrap_or_default(),
        _ => "",
    };
    let mut words: Vec<&str> = words.skip(1).collect();
    if words.len() > 2 && words[0] == "namespaces" {
        words.drain(..2);
    }
    let (resource, name, part) = match words.as_slice() {
        [resource, name, part, ..] => (*resource, Some(name), format!("/{part}")),
        [resource, name] => (*resource, Some(name), String::new()),
        [resource] => (*resource, None, String::new()),
        [] => ("", None, String::new()),
    };
    let verb = match (method, name) {
        ("GET", Some(_)) => "get".to_owned(),
        ("GET", None) if query.contains("watch=true") => "watch".to_owned(),
        ("GET", None) => "list".to_owned(),
        _ => method.to_lowercase(),
    };
    format!(
        "; a role has to allow it: {{apiGroups: [\"{group}\"], resources: [{resource}{part}], verbs: [{verb}]}}"
    )
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// A text as a part of a path or a query.
pub fn escaped(text: impl Display) -> String {
    text.to_string()
        .bytes()
        .fold(String::new(), |mut escaped, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                escaped.push(byte.into());
            } else {
                // Writing to a string does not fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
            escaped
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, kind: &str, plural: &str) -> Resource {
        Resource {
            kind: Kind::new(group, kind),
            version: "v1".into(),
            plural: plural.into(),
            namespaced: true,
        }
    }

    #[test]
    fn a_path_is_that_of_kubernetes() {
        let pods = resource("", "Pod", "pods");
        assert_eq!(pods.path(None), "/api/v1/pods");
        assert_eq!(pods.path(Some("a")), "/api/v1/namespaces/a/pods");
        let web = resource("apps", "Deployment", "deployments");
        assert_eq!(web.path(None), "/apis/apps/v1/deployments");
        assert_eq!(web.full_name(), "deployments.apps");
        assert!(web.rank() < pods.rank());
    }

    #[test]
    fn a_question_names_the_rule_that_it_needs() {
        for (method, path, expected) in [
            (
                "GET",
                "/api/v1/pods?limit=2",
                "[\"\"], resources: [pods], verbs: [list]",
            ),
            (
                "GET",
                "/api/v1/namespaces/a",
                "[\"\"], resources: [namespaces], verbs: [get]",
            ),
            (
                "GET",
                "/api/v1/namespaces/a/pods/b",
                "[\"\"], resources: [pods], verbs: [get]",
            ),
            (
                "GET",
                "/apis/x.y/v1/as?watch=true&b",
                "[\"x.y\"], resources: [as], verbs: [watch]",
            ),
            (
                "PATCH",
                "/apis/x.y/v1/as/b/status",
                "[\"x.y\"], resources: [as/status], verbs: [patch]",
            ),
            (
                "DELETE",
                "/apis/x.y/v1/namespaces/n/as/b",
                "[\"x.y\"], resources: [as], verbs: [delete]",
            ),
        ] {
            let told = rule(method, path);
            assert!(told.contains(expected), "{path}: {told}");
        }
    }

    #[test]
    fn a_token_is_escaped() {
        assert_eq!(escaped("a-b/c=="), "a-b%2Fc%3D%3D");
    }
}
