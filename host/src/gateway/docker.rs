//! The Docker authorization plugin: the engine asks it about every request.
//!
//! Reads are allowed. What asks for a container, an exec, a volume, a network, a service or
//! anything else is judged as the engine would execute it; what is not known here is denied. What
//! exists already is asked of the engine, on a connection of its own: the engine asks the plugin
//! about these questions, too, which it knows by their mark.

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::Value;
use stridegate_shapes::{container, exec, request};
use tokio::sync::OnceCell;

use super::server::{Reply, Unread, reply};
use super::{Asked, Gate, Held, Ruling};
use crate::collect::engine::{Address, Answer, Client, escape};
use crate::collect::host::{daemon_of, host_of};
use crate::engine::hex;
use crate::object::{Object, Text};
use crate::source::{Call, Images, Lookup, Reading, json};

/// The media type of the plugin protocol.
const MEDIA: &str = "application/vnd.docker.plugins.v1.2+json";

/// How long a request may be judged, with all that the engine is asked for it.
const WITHIN: Duration = Duration::from_secs(10);

/// How long the engine has for the answer to one question.
const PATIENCE: Duration = Duration::from_secs(5);

/// The header that marks the questions of the plugin.
const MARK: &str = "x-stridegate-lookup";

/// How long what is known of the daemon holds: it can be told to read its configuration anew.
const DAEMON: Duration = Duration::from_secs(10);

/// How many histories of images are kept.
const HISTORIES: usize = 256;

/// What becomes of the endpoints through which `BuildKit` builds: the plugin sees that they are
/// used, and nothing of what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildKit {
    /// They are judged by what is known of them: who uses them.
    Allow,
    /// They are denied.
    Deny,
}

/// The plugin.
pub struct Plugin {
    gate: Arc<Gate>,
    engine: Client,
    mark: String,
    buildkit: BuildKit,
    histories: Mutex<Histories>,
    info: OnceCell<Option<Arc<Value>>>,
    daemon: tokio::sync::Mutex<Option<Daemon>>,
}

/// How the daemon was started, when somebody looked last; none if it is not known.
struct Daemon {
    at: Instant,
    config: Option<Arc<Value>>,
}

/// The histories of images by their id, as the engine tells them: they never change.
#[derive(Default)]
struct Histories {
    by_id: HashMap<String, Arc<str>>,
    oldest_first: VecDeque<String>,
}

impl Plugin {
    /// A plugin that asks the engine at an address.
    pub fn new(gate: Arc<Gate>, engine: Address, buildkit: BuildKit) -> anyhow::Result<Self> {
        let mark =
            secret().context("there is no randomness for the mark of the plugin's questions")?;
        let value = HeaderValue::from_str(&mark)?;
        let engine = Client::new(engine, PATIENCE).marked(HeaderName::from_static(MARK), value);
        Ok(Self {
            gate,
            engine,
            mark,
            buildkit,
            histories: Mutex::default(),
            info: OnceCell::new(),
            daemon: tokio::sync::Mutex::default(),
        })
    }

    /// Answers a call of the engine.
    pub async fn answer(&self, mut head: Parts, body: Result<Bytes, Unread>) -> Reply {
        let at = Instant::now();
        let taken = Held::of(&mut head);
        let body = match body {
            Ok(body) => body,
            Err(unread) => {
                let why = match unread {
                    Unread::TooLarge => "the request is larger than this plugin reads",
                    Unread::TooSlow => "the engine did not send the request in time",
                    Unread::Broken => "the engine broke off",
                    Unread::Busy => "other requests of the engine take too much memory",
                };
                return verdict(
                    unread.status(),
                    &self.gate.rule(&unknown(at), Ruling::denial(why)),
                );
            }
        };
        match (&head.method, head.uri.path()) {
            (&Method::POST, "/Plugin.Activate") => reply(
                StatusCode::OK,
                MEDIA,
                serde_json::json!({"Implements": ["authz"]}).to_string(),
            ),
            (&Method::POST, "/AuthZPlugin.AuthZReq") => {
                verdict(StatusCode::OK, &self.authorize(at, taken, body).await)
            }
            // What was allowed has happened.
            (&Method::POST, "/AuthZPlugin.AuthZRes") => verdict(StatusCode::OK, &Ruling::default()),
            _ => {
                let message = "this is the authorization plugin stridegate; it knows Plugin.Activate, AuthZPlugin.AuthZReq and AuthZPlugin.AuthZRes";
                reply(
                    StatusCode::NOT_FOUND,
                    MEDIA,
                    serde_json::json!({"Err": message}).to_string(),
                )
            }
        }
    }

    async fn authorize(&self, at: Instant, held: Held, body: Bytes) -> Ruling {
        let call = String::from_utf8(body.into())
            .ok()
            .map(|text| Arc::new(Text::new("request", text)));
        let call = call.as_ref().map(Call::parse);
        let Some(Ok(call)) = call else {
            let why = "the engine's question cannot be read; is its version supported?";
            return self.gate.rule(&unknown(at), Ruling::denial(why));
        };
        if call.reads() && call.header(MARK) == Some(&self.mark) {
            return Ruling::default();
        }
        let asked = Asked {
            at,
            id: None,
            user: call.user.clone(),
            groups: Vec::new(),
            endpoint: call.endpoint_name().into(),
            held: Arc::new(held),
        };
        if call.reads() {
            return self.gate.rule(&asked, Ruling::default());
        }
        if call.endpoint.is_none() {
            let why = format!(
                "{} {} is no endpoint that is known here, and may do anything",
                call.method, call.uri
            );
            return self.gate.rule(&asked, Ruling::denial(why));
        }
        if call.builds_unseen() && self.buildkit == BuildKit::Deny {
            let why = "BuildKit builds unseen, which is not allowed here: build with DOCKER_BUILDKIT=0, or serve with --buildkit allow";
            return self.gate.rule(&asked, Ruling::denial(why));
        }
        self.judge(asked, &call).await
    }

    async fn judge(&self, asked: Asked, call: &Call) -> Ruling {
        let mut reading = call.reading("unnamed");
        if reading.faults.is_empty()
            && let Some(lookup) = call.lookup()
        {
            match self.look_up(&lookup).await {
                Ok(known) => merge(&mut reading, call.reading_with(&known)),
                Err(why) => return self.gate.rule(&asked, Ruling::denial(why)),
            }
        }
        let (images, absent) = match self.images(&reading).await {
            Ok(images) => images,
            Err(error) => return self.gate.rule(&asked, Ruling::denial(format!("{error:#}"))),
        };
        if let Err(error) = self.learn(&mut reading).await {
            let denial = Ruling::denial(format!("{error:#}"));
            return self.gate.rule(&asked, denial);
        }
        // The engine will not make a container of an image that it has not, and its client pulls
        // it when it hears so. Should it have it by then, the container is judged when it starts.
        let pending = absent && call.endpoint_name() == "container.create";
        self.gate
            .judge(asked, reading, images, pending, WITHIN)
            .await
    }

    /// What exists already of what a call is about; why the call is denied if that is not known.
    async fn look_up(&self, lookup: &Lookup) -> Result<Arc<Text>, String> {
        let (path, name, what) = match lookup {
            Lookup::Container(name) => (
                format!("/containers/{}/json", escape(name)),
                name,
                "container",
            ),
            Lookup::Exec(id) => (format!("/exec/{}/json", escape(id)), id, "exec instance"),
            Lookup::Service(id) => (format!("/services/{}", escape(id)), id, "service"),
            Lookup::Plugin(name) => (format!("/plugins/{}/json", escape(name)), name, "plugin"),
        };
        match self.engine.get(&path).await {
            Ok(Answer::Found(text)) => Ok(Arc::new(Text::new("engine", text))),
            Ok(Answer::Absent) => Err(format!("No such {what}: {name}")),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    /// Lets objects know what policies ask for: the container of an exec, the engine itself, and how
    /// its daemon was started.
    async fn learn(&self, reading: &mut Reading) -> anyhow::Result<()> {
        let set = self.gate.live().current();
        for object in &mut reading.objects {
            if object.kind == exec::KIND && set.rulebook.asks_for("target") {
                let container = object.document.text("ContainerID").unwrap_or_default();
                let path = format!("/containers/{}/json", escape(container));
                if let Answer::Found(text) = self.engine.get(&path).await? {
                    let target = json::read(&text)
                        .map_err(|fault| anyhow!("the engine's container: {}", fault.message))?;
                    object.written.target = Some(Arc::new(target));
                }
            }
            if object.kind == container::KIND
                && set.rulebook.asks_for("info")
                && let Some(info) = self.info().await?
            {
                object.written.facts.insert("info", info);
            }
            if object.kind != request::KIND
                && set.rulebook.asks_for("daemon")
                && let Some(daemon) = self.daemon().await?
            {
                object.written.facts.insert("daemon", daemon);
            }
        }
        Ok(())
    }

    /// What the engine says of itself and its host. That changes only with them: the first answer
    /// holds.
    async fn info(&self) -> anyhow::Result<Option<Arc<Value>>> {
        let info = self.info.get_or_try_init(|| async {
            match self.engine.get("/info").await? {
                Answer::Found(text) => anyhow::Ok(Some(Arc::new(serde_json::from_str(&text)?))),
                Answer::Absent => Ok(None),
            }
        });
        Ok(info.await?.clone())
    }

    /// How the daemon was started, if it runs on this host. One request looks, the others wait.
    async fn daemon(&self) -> anyhow::Result<Option<Arc<Value>>> {
        let mut known = self.daemon.lock().await;
        if let Some(daemon) = known.as_ref().filter(|known| known.at.elapsed() < DAEMON) {
            return Ok(daemon.config.clone());
        }
        let Some(info) = self.info().await? else {
            return Ok(None);
        };
        let address = self.engine.address().clone();
        let look = move || {
            let (_, host) = host_of(&address, &info).ok()?;
            daemon_of(&host, &address).map(Arc::new)
        };
        let config = tokio::task::spawn_blocking(look).await?;
        let at = Instant::now();
        *known = Some(Daemon {
            at,
            config: config.clone(),
        });
        Ok(config)
    }

    /// What the engine knows of the images of objects, and whether it has not one of them.
    async fn images(&self, reading: &Reading) -> anyhow::Result<(Images, bool)> {
        let mut images = Images::default();
        let set = self.gate.live().current();
        let wanted = set.rulebook.asks_for("images");
        let mut absent = false;
        for reference in reading.objects.iter().filter(|_| wanted).filter_map(image) {
            match self
                .engine
                .get(&format!("/images/{}/json", escape(reference)))
                .await?
            {
                Answer::Absent => absent = true,
                Answer::Found(inspect) => {
                    let history = self.history(&inspect).await?;
                    images
                        .insert(reference, &inspect, history.as_deref())
                        .map_err(|fault| {
                            anyhow!("the engine's image {reference}: {}", fault.message)
                        })?;
                }
            }
        }
        Ok((images, absent))
    }

    /// The history of an image, which is asked for once.
    async fn history(&self, inspect: &str) -> anyhow::Result<Option<Arc<str>>> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Named {
            id: String,
        }
        let Ok(Named { id }) = serde_json::from_str(inspect) else {
            return Ok(None);
        };
        let histories = || {
            self.histories
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(history) = histories().by_id.get(&id) {
            return Ok(Some(Arc::clone(history)));
        }
        let Answer::Found(history) = self
            .engine
            .get(&format!("/images/{}/history", escape(&id)))
            .await?
        else {
            return Ok(None);
        };
        let history: Arc<str> = history.into();
        histories().add(id, Arc::clone(&history));
        Ok(Some(history))
    }
}

impl Histories {
    fn add(&mut self, id: String, history: Arc<str>) {
        if self.by_id.insert(id.clone(), history).is_none() {
            self.oldest_first.push_back(id);
        }
        if self.oldest_first.len() > HISTORIES
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

/// The image that a container is or would be made of: by its id if it is known.
fn image(object: &Object) -> Option<&str> {
    let paths = ["/Image", "/Config/Image"]
        .iter()
        .filter(|_| object.kind == container::KIND);
    let mut references = paths.filter_map(|path| object.document.at(path)?.node.as_str());
    references.find(|reference| !reference.is_empty())
}

fn merge(reading: &mut Reading, other: Reading) {
    reading.objects.extend(other.objects);
    reading.faults.extend(other.faults);
}

fn unknown(at: Instant) -> Asked {
    Asked {
        at,
        id: None,
        user: None,
        groups: Vec::new(),
        endpoint: request::UNKNOWN.into(),
        held: Arc::default(),
    }
}

/// A ruling as the engine understands it.
fn verdict(status: StatusCode, ruling: &Ruling) -> Reply {
    let allow = ruling.allowed();
    let message = ruling.reason().filter(|_| !allow).unwrap_or_default();
    reply(
        status,
        MEDIA,
        serde_json::json!({"Allow": allow, "Msg": message}).to_string(),
    )
}

/// What nobody can guess.
fn secret() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(&bytes))
}
