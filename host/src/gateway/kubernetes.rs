//! The Kubernetes admission webhook: an API server asks it about what is to be created, changed,
//! removed or connected to. Other gateways ask it through `/v1/evaluate`.

use std::collections::HashMap;
use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Uri};
use serde_json::Value;
use stridegate_shapes::pod;
use tokio::sync::Semaphore;

use super::admission::{Question, Told};
use super::evaluate;
use super::server::{Certified, Reply, Unread, reply};
use super::{Asked, Gate, Held, Metrics, Ruling};
use crate::object::Node;
use crate::source::Images;

/// A body of more bytes than this waits for its turn: what it becomes takes many times its size,
/// and small ones are not to wait until it is judged.
const LARGE: usize = 256 << 10;

/// What is asked of a cluster while a request waits; nothing if it has no answer in time.
pub type Found<'a, T = Node> = Pin<Box<dyn Future<Output = Option<Arc<T>>> + Send + 'a>>;

/// Knows what the cluster holds.
pub trait Facts: Send + Sync {
    /// A Namespace, if it is known already.
    fn known(&self, name: &str) -> Option<Arc<Node>>;

    /// A Namespace that was not known.
    fn namespace(&self, name: String) -> Found<'_>;

    /// A Pod of a Namespace.
    fn pod(&self, namespace: String, name: String) -> Found<'_>;

    /// The `LimitRange`s of a Namespace, as a list.
    fn limits(&self, namespace: String) -> Found<'_, Value>;

    /// Whether the Namespaces that were there at the start are known.
    fn ready(&self) -> bool;
}

/// How the webhook answers.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a request may be judged, if its caller waits at least twice as long.
    pub within: Duration,
    /// Whether only callers with a certificate that is trusted are answered.
    pub certified: bool,
}

/// The webhook.
pub struct Webhook {
    gate: Arc<Gate>,
    settings: Settings,
    facts: Option<Arc<dyn Facts>>,
    /// The turns of large bodies.
    large: Arc<Semaphore>,
    stopping: AtomicBool,
    /// How many findings each constraint has made.
    violations: Mutex<HashMap<String, u64>>,
}

impl Webhook {
    /// A webhook.
    #[must_use]
    pub fn new(gate: Arc<Gate>, settings: Settings, facts: Option<Arc<dyn Facts>>) -> Self {
        let turns = (gate.workers() / 2).clamp(1, 4);
        Self {
            gate,
            settings,
            facts,
            large: Arc::new(Semaphore::new(turns)),
            stopping: AtomicBool::new(false),
            violations: Mutex::default(),
        }
    }

    /// Says that it will soon be gone, so that nobody new comes; who asks is answered.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// How many findings a constraint has made since the start.
    #[must_use]
    pub fn violations(&self, constraint: &str) -> u64 {
        let violations = self.violations.lock();
        let violations = violations.unwrap_or_else(PoisonError::into_inner);
        violations.get(constraint).copied().unwrap_or(0)
    }

    /// Answers a request.
    pub async fn answer(&self, mut head: Parts, body: Result<Bytes, Unread>) -> Reply {
        let at = Instant::now();
        let taken = Held::of(&mut head);
        let path = head.uri.path();
        let method = match path {
            "/validate" | "/v1/evaluate" => Method::POST,
            "/healthz" | "/readyz" | "/metrics" | "/openapi.json" => Method::GET,
            _ => {
                return plain(
                    StatusCode::NOT_FOUND,
                    "there are /validate, /v1/evaluate, /openapi.json, /healthz, /readyz and /metrics\n",
                );
            }
        };
        if head.method != method {
            let text = format!("{path} is asked with {method}\n");
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, text);
            if let Ok(method) = HeaderValue::from_str(method.as_str()) {
                refused.headers_mut().insert(ALLOW, method);
            }
            return refused;
        }
        match path {
            "/healthz" => plain(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            "/metrics" => reply(StatusCode::OK, Metrics::MEDIA, self.gate.metrics().text()),
            "/openapi.json" => reply(StatusCode::OK, JSON, evaluate::OPENAPI),
            _ => match self.body(&head, body) {
                Err(refused) => *refused,
                Ok(body) if path == "/validate" => self.validate(at, taken, &head.uri, body).await,
                Ok(body) => self.evaluate(at, taken, &head.uri, body).await,
            },
        }
    }

    /// Whether requests are judged as they should be, and what is wrong with parts of the set.
    /// These make it no less ready: nobody else would judge better.
    fn ready(&self) -> Reply {
        let known = self.facts.as_ref().is_none_or(|facts| facts.ready());
        let stopping = self.stopping.load(Ordering::Relaxed);
        let set = self.gate.live().current();
        let mut text = format!(
            "set {:.12}: {} constraints, {} exceptions\n",
            set.digest,
            set.rulebook.constraints.len(),
            set.rulebook.exceptions.len()
        );
        for broken in &set.rulebook.broken {
            let _ = writeln!(
                text,
                "constraint {} lets nothing pass, because it cannot be applied (policy {}): {}",
                broken.name, broken.policy, broken.problem
            );
        }
        for problem in &set.problems {
            let _ = writeln!(text, "problem: {problem}");
        }
        for problem in self.gate.live().refused() {
            let _ = writeln!(text, "not in force: {problem}");
        }
        if !known {
            text += "not ready: the namespaces of the cluster are not known yet\n";
        }
        if stopping {
            text += "not ready: stopping\n";
        }
        let status = if known && !stopping {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        plain(status, text)
    }

    /// The body of a request that may be made at all.
    fn body(&self, head: &Parts, body: Result<Bytes, Unread>) -> Result<Bytes, Box<Reply>> {
        if self.settings.certified && head.extensions.get::<Certified>().is_none() {
            let text = "a client certificate is needed, of an authority that --client-ca names\n";
            return Err(Box::new(plain(StatusCode::UNAUTHORIZED, text)));
        }
        let media = head.headers.get(CONTENT_TYPE);
        let media = media.and_then(|media| media.to_str().ok()).unwrap_or("");
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            let text = "the Content-Type is application/json\n";
            return Err(Box::new(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)));
        }
        body.map_err(|unread| {
            let text = match unread {
                Unread::TooLarge => "the body is too large\n",
                Unread::TooSlow => "the body did not come in time\n",
                Unread::Broken => "the body did not come to its end\n",
                Unread::Busy => "the bodies of other requests take too much memory; ask again\n",
            };
            Box::new(plain(unread.status(), text))
        })
    }

    async fn validate(&self, at: Instant, mut held: Held, uri: &Uri, body: Bytes) -> Reply {
        let read = |body: Bytes| Question::read(body.to_vec());
        let mut question = match self.read(body, &mut held, read).await {
            Ok(question) => question,
            Err(wrong) => return plain(StatusCode::BAD_REQUEST, wrong + "\n"),
        };
        self.place(&mut question).await;
        let asked = Asked {
            at,
            id: Some(question.uid.clone()),
            user: question.user,
            groups: question.groups,
            endpoint: question.endpoint,
            held: Arc::new(held),
        };
        let within = within(uri, self.settings.within);
        let ruling = self
            .gate
            .judge(asked, question.reading, Images::default(), false, within)
            .await;
        self.count(&ruling);
        let told = Told::new(question.uid, &ruling);
        reply(
            StatusCode::OK,
            JSON,
            serde_json::to_vec(&told).unwrap_or_default(),
        )
    }

    async fn evaluate(&self, at: Instant, mut held: Held, uri: &Uri, body: Bytes) -> Reply {
        let set = self.gate.live().current();
        let engine = self.gate.live().engine().clone();
        let read = move |body: Bytes| evaluate::read(&body, &set.catalog, &engine);
        let case = match self.read(body, &mut held, read).await {
            Ok(case) => case,
            Err(wrong) => return plain(StatusCode::BAD_REQUEST, wrong + "\n"),
        };
        let asked = Asked {
            at,
            id: None,
            user: case.request.user.clone(),
            groups: case.request.groups.clone(),
            endpoint: "evaluate".into(),
            held: Arc::new(held),
        };
        let within = within(uri, self.settings.within);
        let examined = self
            .gate
            .examine(asked, case.reading, case.images, case.rulebook, within);
        match examined.await {
            Some(review) => reply(StatusCode::OK, JSON, evaluate::report(&review)),
            None => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the gate failed over this request; please report it\n",
            ),
        }
    }

    /// Reads a body; a large one on a thread of its own, when its turn comes, which it has until it
    /// is judged.
    async fn read<T: Send + 'static>(
        &self,
        body: Bytes,
        held: &mut Held,
        read: impl FnOnce(Bytes) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        if body.len() <= LARGE {
            return read(body);
        }
        // Nobody closes it.
        if let Ok(turn) = Arc::clone(&self.large).acquire_owned().await {
            held.add(turn);
        }
        let read = tokio::task::spawn_blocking(move || read(body));
        read.await
            .unwrap_or_else(|_| Err("the body could not be read; please report it".into()))
    }

    /// Lets the objects know the Namespace that they lie in and the limits there, and a connection
    /// the Pod that it leads into, as far as somebody asks for that.
    async fn place(&self, question: &mut Question) {
        let Some(facts) = &self.facts else {
            return;
        };
        let set = self.gate.live().current();
        let asked = |key| set.rulebook.asks_for(key);
        let namespaces = set.rulebook.selects_namespaces() || asked("namespace");
        let limits = asked("limitRanges");
        let into_pod = question.endpoint.starts_with("pods/") && asked("target");
        for object in &mut question.reading.objects {
            let identity = &object.identity;
            let (namespace, name) = (identity.namespace.clone(), identity.name.clone());
            if namespace.is_empty() {
                continue;
            }
            let request = object.written.request.as_deref();
            if into_pod && request.is_some_and(|request| request.operation == "connect") {
                object.written.target = facts.pod(namespace.clone(), name).await;
            }
            if limits
                && object.becomes(&pod::KIND)
                && let Some(ranges) = facts.limits(namespace.clone()).await
            {
                object.written.facts.insert("limitRanges", ranges);
            }
            if namespaces {
                object.written.namespace = match facts.known(&namespace) {
                    Some(known) => Some(known),
                    None => facts.namespace(namespace).await,
                };
            }
        }
    }

    fn count(&self, ruling: &Ruling) {
        let checks = ruling.checks.iter();
        let mut found = checks
            .filter(|check| check.exception.is_none() && !check.existing)
            .filter_map(|check| check.constraint.as_ref())
            .peekable();
        if found.peek().is_some() {
            let violations = self.violations.lock();
            let mut violations = violations.unwrap_or_else(PoisonError::into_inner);
            for name in found {
                *violations.entry(name.clone()).or_default() += 1;
            }
        }
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }
}

const JSON: &str = "application/json";

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Reply {
    reply(status, "text/plain; charset=utf-8", text)
}

/// How long a request may be judged: half of what its caller waits, and no more than `most`.
fn within(uri: &Uri, most: Duration) -> Duration {
    let mut query = uri.query().unwrap_or_default().split('&');
    let timeout = query.find_map(|pair| pair.strip_prefix("timeout="));
    timeout
        .and_then(duration)
        .map_or(most, |timeout| most.min(timeout / 2))
}

/// A duration as Go writes it: `5s`, `1m30s`, `1.5s`, `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|end| *end > 0)?;
        let (value, after) = rest.split_at(number);
        let unit = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += value.parse::<f64>().ok()? * scale;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_the_smaller_of_the_limit_and_half_of_the_timeout() {
        let most = Duration::from_millis(500);
        let within = |uri: &str| within(&uri.parse().expect("it is a URI"), most);
        assert_eq!(within("/validate?timeout=5s"), most);
        assert_eq!(within("/validate?timeout=1s"), most);
        assert_eq!(
            within("/validate?a=b&timeout=300ms"),
            Duration::from_millis(150)
        );
        assert_eq!(within("/validate?timeout=0.5s"), Duration::from_millis(250));
        for nonsense in [
            "/validate",
            "/validate?timeout=",
            "/validate?timeout=x",
            "/validate?timeout=5",
        ] {
            assert_eq!(within(nonsense), most, "{nonsense}");
        }
        assert_eq!(duration("1m30s"), Some(Duration::from_secs(90)));
    }
}
