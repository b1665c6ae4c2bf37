use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use rayon::prelude::*;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::super::desk::Beside;
use super::super::output::{Output, Progress};
use super::super::{ConstraintArgs, Desk, Loaded, PolicyArgs, input_error, say};
use crate::catalog::Bundled;
use crate::collect::engine::{Address, Answer, Client, escape};
use crate::collect::host::{daemon_of, host_of};
use crate::constraint::Rulebook;
use crate::object::{Facts, Text};
use crate::review::{Court, Decision, FileReview, Review};
use crate::source::{Format, Images, Reading, read_text};

/// How long the engine has for one answer: it is slow where it has much to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many questions are asked at once.
const AT_ONCE: usize = 8;

/// How many objects are read before they are judged.
const BATCH: usize = 64;

/// Judge what a Docker engine holds: containers, images, networks, volumes, services, and where it
/// runs here, how its daemon was started and the files of this host
#[derive(Args, Debug)]
pub(super) struct ScanDocker {
    /// The engine, as unix:///PATH or tcp://NAME:PORT; as the docker command finds it if it is not
    /// given
    #[arg(short = 'H', long, value_name = "ADDRESS")]
    host: Option<String>,

    /// The engine of a context of the docker command; the one in use if it is not given
    #[arg(long, value_name = "NAME", conflicts_with = "host")]
    context: Option<String>,

    /// How to write what was found
    #[arg(short, long, default_value = "text")]
    output: Output,

    #[command(flatten)]
    constraints: ConstraintArgs,

    #[command(flatten)]
    policies: PolicyArgs,
}

/// An object that is to be read.
struct Wanted {
    kind: &'static str,
    /// By which a user finds it with `docker inspect`.
    name: String,
    /// The paths of what the engine tells of it, one after the other; none if the list told all.
    paths: Vec<String>,
    /// What a list told of it.
    told: Vec<String>,
}

impl Wanted {
    fn shown(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// The answers in the order of the paths; none if the object is gone.
type Told = Option<Vec<String>>;

impl ScanDocker {
    pub(in super::super) fn run(self, pack: &[Bundled]) -> anyhow::Result<Decision> {
        let address = match &self.context {
            Some(context) => Address::of_context(context)?,
            None => Address::find(self.host.as_deref())?,
        };
        let Desk {
            loaded,
            rulebook,
            errors,
        } = self
            .constraints
            .load(&self.policies, pack, Beside::default())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start the connections")?;
        if !address.is_protected() {
            say(&format!(
                "{address}: anybody on the way can change what is read; use TLS, or a Unix socket"
            ));
        }
        let client = Client::new(address, PATIENCE);
        let info = runtime.block_on(client.json("/info"))?;
        let host = match host_of(client.address(), &info) {
            Ok(host) => Some(host),
            Err(why) => {
                say(&format!(
                    "how the daemon was started and the files of its host are not judged: {why}; run stridegate scan docker there"
                ));
                None
            }
        };
        let mut scan = Scan {
            loaded: &loaded,
            rulebook: &rulebook,
            runtime: &runtime,
            client: &client,
            images: Images::default(),
            facts: facts(&info, host.as_ref(), client.address()),
            progress: Progress::new(0, "objects judged"),
            review: Review::default(),
            gone: false,
        };
        scan.everything(&info, host);
        let Scan {
            progress,
            mut review,
            ..
        } = scan;
        progress.finish();
        review.errors.extend(errors);
        self.output.write(&review, &loaded.catalog)?;
        Ok(review.decision())
    }
}

impl Client {
    /// What the engine shows at a path that every engine has.
    async fn json(&self, path: &str) -> anyhow::Result<Value> {
        match self.get(path).await? {
            Answer::Found(text) => serde_json::from_str(&text)
                .with_context(|| format!("the answer of {} to {path} is no JSON", self.address())),
            Answer::Absent => bail!(
                "{} knows no {path}; is it an engine of Docker?",
                self.address()
            ),
        }
    }
}

/// What policies may ask for, whatever the object.
fn facts(info: &Value, host: Option<&(String, Reading)>, address: &Address) -> Facts {
    let mut facts = Facts::from([("info", Arc::new(info.clone()))]);
    if let Some(daemon) = host.and_then(|(_, reading)| daemon_of(reading, address)) {
        facts.insert("daemon", Arc::new(daemon));
    }
    facts
}

/// A scan on its way.
struct Scan<'a> {
    loaded: &'a Loaded,
    rulebook: &'a Rulebook,
    runtime: &'a Runtime,
    client: &'a Client,
    images: Images,
    facts: Facts,
    progress: Progress,
    review: Review,
    /// Whether the engine has ceased to answer.
    gone: bool,
}

impl Scan<'_> {
    fn everything(&mut self, info: &Value, host: Option<(String, Reading)>) {
        if let Some((name, reading)) = host {
            self.progress.expect(1);
            let files = self.judge(vec![(name, reading)]);
            self.review.files.extend(files);
        }
        // What containers are made of is known before they are judged.
        let images = self.list("/images/json", "image", wanted_image);
        let mut known: HashSet<String> = images.iter().filter_map(id).collect();
        self.read(images, &mut known);
        let containers = self.list("/containers/json?all=1", "container", wanted_container);
        self.read(containers, &mut known);
        let networks = self.list("/networks", "network", |item| wanted_whole("network", item));
        self.read(networks, &mut known);
        let volumes = self.list("/volumes", "volume", |item| wanted_whole("volume", item));
        self.read(volumes, &mut known);
        if info["Swarm"]["ControlAvailable"] == true {
            // Without being asked for, services of plugins are not shown.
            for runtime in ["container", "plugin"] {
                let path = format!("/services?filters=%7B%22runtime%22:%5B%22{runtime}%22%5D%7D");
                let services = self.list(&path, "service", wanted_service);
                self.read(services, &mut known);
            }
        }
        let court = self.court();
        let exceptions = court.exceptions();
        self.review.exceptions = exceptions;
    }

    fn court(&self) -> Court<'_> {
        self.loaded.court(self.rulebook, &self.images)
    }

    fn judge(&self, readings: Vec<(String, Reading)>) -> Vec<FileReview> {
        let court = self.court();
        let judge = |(name, reading): (String, Reading)| {
            let file = court.judge(&name, reading);
            self.progress.step();
            file
        };
        readings.into_par_iter().map(judge).collect()
    }

    /// What the engine lists, in the order of its names.
    fn list(
        &mut self,
        path: &str,
        what: &'static str,
        wanted: impl Fn(&Value) -> Option<Wanted>,
    ) -> Vec<Wanted> {
        if self.gone {
            return Vec::new();
        }
        let answer = match self.runtime.block_on(self.client.json(path)) {
            Ok(answer) => answer,
            Err(error) => {
                self.fail(format!("{what}s"), &error);
                return Vec::new();
            }
        };
        // An engine without volumes says null.
        let items = answer.get("Volumes").unwrap_or(&answer);
        let items = items.as_array().map_or(&[][..], Vec::as_slice);
        let mut all: Vec<Wanted> = items.iter().filter_map(wanted).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        self.progress.expect(all.len());
        all
    }

    /// Says that something could not be read; if nothing can be read any more, that and no more.
    fn fail(&mut self, what: String, error: &anyhow::Error) {
        if self.gone {
            return;
        }
        self.gone = self.runtime.block_on(self.client.json("/version")).is_err();
        let failed = if self.gone {
            let engine = self.client.address().to_string();
            let message = format!(
                "the engine does not answer any more: {what} and what comes after it were not judged: {error:#}"
            );
            input_error(engine, None, message)
        } else {
            input_error(what, None, format!("{error:#}"))
        };
        self.review.errors.push(failed);
    }

    /// Reads objects and judges them. What disappeared since it was listed is not there to judge.
    fn read(&mut self, wanted: Vec<Wanted>, known: &mut HashSet<String>) {
        let mut wanted = VecDeque::from(wanted);
        while !wanted.is_empty() && !self.gone {
            let size = wanted.len().min(BATCH);
            let batch: Vec<Wanted> = wanted.drain(..size).collect();
            let mut told = self.runtime.block_on(tell(self.client, &batch));
            let mut readings = Vec::new();
            let mut unasked = Vec::new();
            for (index, one) in batch.into_iter().enumerate() {
                match told.remove(&index) {
                    Some(Ok(Some(texts))) => {
                        self.know(&one, &texts, known);
                        readings.push(self.reading(&one, &texts));
                    }
                    Some(Ok(None)) => self.progress.step(),
                    Some(Err(error)) => self.fail(one.shown(), &error),
                    None => unasked.push(one),
                }
            }
            for one in unasked.into_iter().rev() {
                wanted.push_front(one);
            }
            let files = self.judge(readings);
            self.review.files.extend(files);
        }
    }

    /// Remembers an image, or that of a container, which may be one that no list shows.
    fn know(&mut self, wanted: &Wanted, texts: &[String], known: &mut HashSet<String>) {
        if !self.rulebook.asks_for("images") {
            return;
        }
        if let ("container", Some(text)) = (wanted.kind, texts.first()) {
            let of = serde_json::from_str::<Value>(text).unwrap_or_default();
            let Some(id) = of["Image"].as_str().filter(|id| !id.is_empty()) else {
                return;
            };
            if !known.insert(id.to_owned()) {
                return;
            }
            let hidden = image_by_id(id, id);
            let batch = [hidden];
            let told = self.runtime.block_on(tell(self.client, &batch)).remove(&0);
            match told {
                Some(Ok(Some(texts))) => self.add_image(id, &texts),
                // The image of a container can be removed by force.
                Some(Ok(None)) | None => {}
                Some(Err(error)) => self.fail(batch[0].shown(), &error),
            }
        } else if let ("image", Some(id)) = (wanted.kind, id(wanted)) {
            self.add_image(&id, texts);
        }
    }

    fn add_image(&mut self, id: &str, texts: &[String]) {
        let [inspect, history @ ..] = texts else {
            return;
        };
        let history = history.first().map(String::as_str);
        if let Err(fault) = self.images.insert(id, inspect, history) {
            let error = anyhow!(
                "what the engine says of it cannot be read: {}",
                fault.message
            );
            self.fail(format!("image/{id}"), &error);
        }
    }

    /// An object as a text, with what is known from outside of it.
    fn reading(&self, wanted: &Wanted, texts: &[String]) -> (String, Reading) {
        let name = wanted.shown();
        // The engine writes all in one line.
        let pretty = texts.iter().map(|text| {
            serde_json::from_str::<Value>(text)
                .and_then(|value| serde_json::to_string_pretty(&value))
                .unwrap_or_else(|_| text.clone())
        });
        let text = pretty.collect::<Vec<_>>().join("\n");
        let text = Arc::new(Text::new(name.as_str(), text));
        let mut reading = read_text(&text, &wanted.name, Some(Format::Docker));
        for object in &mut reading.objects {
            object.written.facts = self.facts.clone();
        }
        (name, reading)
    }
}

/// What the engine tells of objects, by their index. After an answer that cannot be had no more is
/// asked: the engine may be gone, or may hang.
async fn tell(client: &Client, wanted: &[Wanted]) -> HashMap<usize, anyhow::Result<Told>> {
    let mut all = HashMap::new();
    let mut asked = JoinSet::new();
    let mut next = wanted.iter().enumerate();
    let mut failed = false;
    loop {
        while !failed
            && asked.len() < AT_ONCE
            && let Some((index, wanted)) = next.next()
        {
            let (client, paths) = (client.clone(), wanted.paths.clone());
            let mut texts = wanted.told.clone();
            asked.spawn(async move {
                for path in paths {
                    match client.get(&path).await {
                        Ok(Answer::Found(text)) => texts.push(text),
                        Ok(Answer::Absent) => return (index, Ok(None)),
                        Err(error) => return (index, Err(error)),
                    }
                }
                (index, Ok(Some(texts)))
            });
        }
        match asked.join_next().await {
            None => return all,
            Some(Ok((index, told))) => {
                failed |= told.is_err();
                all.insert(index, told);
            }
            Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

fn wanted_container(item: &Value) -> Option<Wanted> {
    let id = item["Id"].as_str()?;
    // A name with two slashes is a link of another container.
    let names = item["Names"].as_array().into_iter().flatten();
    let own = names
        .filter_map(|name| name.as_str()?.strip_prefix('/'))
        .find(|name| !name.contains('/'));
    Some(Wanted {
        kind: "container",
        name: own.unwrap_or(id).to_owned(),
        paths: vec![format!("/containers/{}/json", escape(id))],
        told: Vec::new(),
    })
}

fn wanted_image(item: &Value) -> Option<Wanted> {
    let id = item["Id"].as_str()?;
    let lists = ["RepoTags", "RepoDigests"].iter();
    let mut names = lists
        .flat_map(|key| item[key].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .filter(|name| !name.contains("<none>"));
    Some(image_by_id(id, names.next().unwrap_or(short(id))))
}

fn image_by_id(id: &str, name: &str) -> Wanted {
    let path = format!("/images/{}", escape(id));
    Wanted {
        kind: "image",
        name: name.to_owned(),
        paths: vec![format!("{path}/json"), format!("{path}/history")],
        told: Vec::new(),
    }
}

/// The id of an image that is wanted.
fn id(wanted: &Wanted) -> Option<String> {
    let path = wanted.paths.first()?;
    let id = path.strip_prefix("/images/")?.strip_suffix("/json")?;
    Some(id.to_owned())
}

/// An id as `docker images` shows it.
fn short(id: &str) -> &str {
    let digits = id.rsplit(':').next().unwrap_or(id);
    digits.get(..12).unwrap_or(digits)
}

/// What the list shows whole.
fn wanted_whole(kind: &'static str, item: &Value) -> Option<Wanted> {
    Some(Wanted {
        kind,
        name: item["Name"].as_str()?.to_owned(),
        paths: Vec::new(),
        told: vec![item.to_string()],
    })
}

fn wanted_service(item: &Value) -> Option<Wanted> {
    Some(Wanted {
        kind: "service",
        name: item["Spec"]["Name"].as_str()?.to_owned(),
        paths: Vec::new(),
        told: vec![item.to_string()],
    })
}
