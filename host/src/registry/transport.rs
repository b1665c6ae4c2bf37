//! Requests to a registry: logins, bounds, retries, and what a registry may not do.
//!
//! A registry is not trusted. It can send no more than was asked for, and has to send it in time.
//! It can send a reader elsewhere only for bytes that are named by their digest, never from TLS
//! to plain text, and never with the login. What it decides itself, such as what a tag stands for,
//! it has to say itself.

use std::collections::HashMap;
use std::error::Error as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_auth::ChallengeRef;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::Repository;
use super::credentials::{self, Login};

/// How many times a reader lets itself be sent elsewhere.
const HOPS: usize = 5;

/// The most bytes of an answer that says what went wrong.
const MAX_ERROR: u64 = 64 << 10;

/// The most bytes of an answer with a token.
const MAX_TOKEN: u64 = 1 << 20;

/// The longest that a registry can ask to wait.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Registries that are reached without TLS. One on this machine may do without it unnamed.
    pub plain: Vec<String>,
    /// Files with certificates, in PEM, of further authorities to trust.
    pub authorities: Vec<PathBuf>,
    /// How long to wait and how often to try.
    pub patience: Patience,
}

/// How long to wait and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often one request is made, if the registry cannot answer at the moment.
    pub attempts: u32,
    /// How long to wait before the second; twice as long before each further one.
    pub pause: Duration,
    /// How long until a connection stands.
    pub connect: Duration,
    /// How long between two pieces of an answer.
    pub idle: Duration,
    /// How long until an answer is complete.
    pub whole: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_millis(250),
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            whole: Duration::from_mins(10),
        }
    }
}

/// How far downloads have come.
#[derive(Default)]
pub struct Meter {
    /// The artifacts that were asked for.
    pub artifacts: AtomicUsize,
    /// Those that are there.
    pub complete: AtomicUsize,
    /// The bytes that came.
    pub bytes: AtomicU64,
    /// Is called whenever one of them changes.
    pub show: Option<Show>,
}

/// Shows how far downloads have come.
pub(super) type Show = Box<dyn Fn(&Meter) + Send + Sync>;

impl Meter {
    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.changed();
    }

    pub(super) fn changed(&self) {
        if let Some(show) = &self.show {
            show(self);
        }
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// A request.
pub(super) struct Call<'a> {
    /// What it is about.
    pub(super) repository: &'a Repository,
    /// What to do.
    pub(super) method: Method,
    /// Below `/v2/REPOSITORY/`, or where the registry said.
    pub(super) target: Target,
    /// The types of answers that can be read.
    pub(super) accept: &'a str,
    /// What to send, and its type.
    pub(super) body: Option<(&'a str, &'a [u8])>,
    /// Whether it changes anything.
    pub(super) writes: bool,
    /// The most bytes of the answer.
    pub(super) limit: u64,
    /// How many bytes the answer has to have.
    pub(super) exact: Option<u64>,
    /// Whether the answer is named by its digest, so that it does not matter who sends it.
    pub(super) addressed: bool,
}

/// Where a request goes.
pub(super) enum Target {
    /// Below `/v2/REPOSITORY/`.
    Path(String),
    /// Anywhere else.
    Url(Url),
}

impl<'a> Call<'a> {
    /// A request to read something.
    pub(super) fn get(repository: &'a Repository, path: String) -> Self {
        Self {
            repository,
            method: Method::GET,
            target: Target::Path(path),
            accept: "*/*",
            body: None,
            writes: false,
            limit: super::layout::MAX_MANIFEST,
            exact: None,
            addressed: false,
        }
    }

    /// A request to write something.
    pub(super) fn write(repository: &'a Repository, method: Method, target: Target) -> Self {
        Self {
            method,
            target,
            writes: true,
            ..Self::get(repository, String::new())
        }
    }
}

/// What a registry answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Where it came from in the end.
    pub(super) url: Url,
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Refuses an answer that says that something went wrong.
    pub(super) fn success(self, repository: &Repository) -> anyhow::Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        let registry = &repository.registry;
        let advice = match self.status {
            StatusCode::UNAUTHORIZED => format!("; docker login {registry} makes a login"),
            StatusCode::FORBIDDEN => format!("; the login for {registry} does not allow this"),
            StatusCode::NOT_FOUND => "; stridegate tags shows what is there".to_owned(),
            _ => String::new(),
        };
        Err(anyhow!(
            "the registry answers {}{}{advice}",
            self.status,
            reason(&self.body)
        ))
    }
}

/// What a registry says of what went wrong.
fn reason(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: String,
        #[serde(default)]
        message: String,
    }
    let envelope: Option<Envelope> = serde_json::from_slice(body).ok();
    let entry = envelope.and_then(|envelope| envelope.errors.into_iter().next());
    entry.map_or(String::new(), |entry| {
        let text: String = format!(" ({}: {})", entry.code, entry.message)
            .chars()
            .filter(|character| !character.is_control())
            .take(200)
            .collect();
        text
    })
}

/// Why there is no answer.
struct Failure {
    /// Whether another attempt may help.
    transient: bool,
    error: anyhow::Error,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            transient: false,
            error,
        }
    }
}

/// The key of what opens a repository, for reading or writing.
type Door = (Repository, bool);

/// Makes requests.
pub(super) struct Transport {
    client: Client,
    /// Goes around any proxy, to a registry on this machine.
    direct: Client,
    access: Access,
    /// Whether registries on this machine speak TLS.
    schemes: Mutex<HashMap<String, bool>>,
    authorizations: Mutex<HashMap<Door, HeaderValue>>,
    pub(super) meter: Arc<Meter>,
}

impl Transport {
    pub(super) fn new(access: Access, meter: Arc<Meter>) -> anyhow::Result<Self> {
        install_provider();
        let mut authorities = Vec::new();
        for file in &access.authorities {
            let pem = std::fs::read(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let mut bundle = reqwest::Certificate::from_pem_bundle(&pem)
                .ok()
                .filter(|bundle| !bundle.is_empty())
                .with_context(|| format!("{} holds no certificate in PEM", file.display()))?;
            authorities.append(&mut bundle);
        }
        let builder = || {
            Client::builder()
                .user_agent(concat!("stridegate/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(access.patience.connect)
                .read_timeout(access.patience.idle)
                .tls_certs_merge(authorities.clone())
        };
        let failed = "cannot prepare connections to registries";
        Ok(Self {
            client: builder().build().context(failed)?,
            direct: builder().no_proxy().build().context(failed)?,
            access,
            schemes: Mutex::default(),
            authorizations: Mutex::default(),
            meter,
        })
    }

    /// Makes a request, again if the registry cannot answer at the moment.
    pub(super) async fn exchange(&self, call: &Call<'_>) -> anyhow::Result<Answer> {
        self.again(|| self.attempt(call)).await
    }

    /// Sends bytes: asks where to, and sends them there. If that fails both begin anew, as nobody
    /// knows what is left of the first.
    pub(super) async fn upload(
        &self,
        begin: &Call<'_>,
        finish: impl Fn(&Answer) -> anyhow::Result<Url> + Sync,
        bytes: &[u8],
    ) -> anyhow::Result<Answer> {
        let finish = &finish;
        self.again(|| async move {
            let answer = self.attempt(begin).await?;
            if !answer.status.is_success() {
                return Ok(answer);
            }
            let target = Target::Url(finish(&answer)?);
            let mut call = Call::write(begin.repository, Method::PUT, target);
            call.body = Some(("application/octet-stream", bytes));
            self.attempt(&call).await
        })
        .await
    }

    async fn again<F: Future<Output = Result<Answer, Failure>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> anyhow::Result<Answer> {
        let patience = self.access.patience;
        let mut pause = patience.pause;
        let mut attempt = 1;
        loop {
            let last = attempt >= patience.attempts;
            let asked = match ask().await {
                Ok(answer) if last || !is_transient(answer.status) => return Ok(answer),
                Ok(answer) => wait_asked(&answer.headers),
                Err(failure) if last || !failure.transient => return Err(failure.error),
                Err(_) => None,
            };
            tokio::time::sleep(asked.unwrap_or(pause).min(MAX_WAIT)).await;
            pause *= 2;
            attempt += 1;
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let whole = self.access.patience.whole;
        tokio::time::timeout(whole, self.follow(call))
            .await
            .unwrap_or_else(|_| {
                Err(Failure {
                    transient: false,
                    error: anyhow!(
                        "the registry gave no complete answer within {} s",
                        whole.as_secs_f32()
                    ),
                })
            })
    }

    /// Makes a request, with a login if the registry asks for one, and there where it sends.
    async fn follow(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let origin = self.origin(&call.repository.registry).await?;
        let mut url = match &call.target {
            Target::Url(url) => url.clone(),
            Target::Path(path) => origin
                .join(&format!("/v2/{}/{path}", call.repository.path))
                .context("is no address")?,
        };
        refuse_plain(&origin, &url)?;
        let door = (call.repository.clone(), call.writes);
        let mut authorization = lock(&self.authorizations).get(&door).cloned();
        let mut has_asked = false;
        let mut hops = 0;
        loop {
            let inside = url.origin() == origin.origin();
            let client = self.client(url.host_str().unwrap_or_default());
            let mut request = client
                .request(call.method.clone(), url.clone())
                .header(ACCEPT, call.accept);
            if let (true, Some(authorization)) = (inside, &authorization) {
                request = request.header(AUTHORIZATION, authorization);
            }
            if let Some((media_type, body)) = call.body {
                request = request.header(CONTENT_TYPE, media_type).body(body.to_vec());
            }
            let response = request.send().await.map_err(network)?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && inside && !has_asked {
                has_asked = true;
                authorization = self.authorize(call, &origin, response.headers()).await?;
                if let Some(authorization) = &authorization {
                    lock(&self.authorizations).insert(door.clone(), authorization.clone());
                    continue;
                }
            }
            if status.is_redirection() {
                hops += 1;
                url = redirected(call, &origin, &url, &response, hops)?;
                continue;
            }
            return self.read(call, response).await;
        }
    }

    async fn read(&self, call: &Call<'_>, mut response: Response) -> Result<Answer, Failure> {
        let (status, headers) = (response.status(), response.headers().clone());
        let url = response.url().clone();
        let good = status.is_success();
        let limit = if good { call.limit } else { MAX_ERROR };
        let promised = response.content_length();
        if let (true, Some(exact), Some(promised)) = (good, call.exact, promised)
            && exact != promised
        {
            return Err(anyhow!(
                "the registry promises {promised} bytes, where there have to be {exact}"
            )
            .into());
        }
        let mut body = Vec::new();
        if call.method != Method::HEAD {
            while let Some(piece) = response.chunk().await.map_err(network)? {
                if (body.len() + piece.len()) as u64 > limit {
                    if good {
                        return Err(anyhow!(
                            "the registry sends more than {limit} bytes, which is the most that this can have"
                        )
                        .into());
                    }
                    break;
                }
                body.extend_from_slice(&piece);
                self.meter.add(piece.len());
            }
        }
        if let (true, Some(exact)) = (good && call.method != Method::HEAD, call.exact)
            && (body.len() as u64) < exact
        {
            return Err(Failure {
                transient: true,
                error: anyhow!(
                    "the registry ended its answer after {} of {exact} bytes",
                    body.len()
                ),
            });
        }
        Ok(Answer {
            status,
            headers,
            body,
            url,
        })
    }

    /// What a request has to carry, for the challenges of a registry; none if nothing would help.
    async fn authorize(
        &self,
        call: &Call<'_>,
        origin: &Url,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, Failure> {
        let texts = headers.get_all(WWW_AUTHENTICATE).into_iter();
        let texts: Vec<&str> = texts.filter_map(|value| value.to_str().ok()).collect();
        let challenges: Vec<ChallengeRef> = texts
            .iter()
            .filter_map(|text| http_auth::parse_challenges(text).ok())
            .flatten()
            .collect();
        let named = |scheme: &str| {
            let mut all = challenges.iter();
            all.find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme))
        };
        let registry = call.repository.registry.clone();
        let login = tokio::task::spawn_blocking(move || credentials::of(&registry))
            .await
            .context("the login cannot be read")??;
        if let Some(challenge) = named("bearer") {
            let parameter = |name: &str| {
                let found = challenge
                    .params
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            let realm = parameter("realm").unwrap_or_default();
            let realm = Url::parse(&realm)
                .context("the registry names no address at which to get a token")?;
            let token = self
                .token(call, origin, realm, parameter("service"), login)
                .await?;
            return Ok(Some(secret(&format!("Bearer {token}"))?));
        }
        match (named("basic"), login) {
            (Some(_), Some(Login::Password(name, password))) => {
                let text = BASE64.encode(format!("{name}:{password}"));
                Ok(Some(secret(&format!("Basic {text}"))?))
            }
            _ => Ok(None),
        }
    }

    /// Gets a token for a repository.
    async fn token(
        &self,
        call: &Call<'_>,
        origin: &Url,
        realm: Url,
        service: Option<String>,
        login: Option<Login>,
    ) -> Result<String, Failure> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        if !["http", "https"].contains(&realm.scheme())
            || (origin.scheme() == "https" && realm.scheme() != "https")
        {
            return Err(anyhow!(
                "the registry asks for the login at an address without TLS; it stays here"
            )
            .into());
        }
        let actions = if call.writes { "pull,push" } else { "pull" };
        let scope = format!("repository:{}:{actions}", call.repository.path);
        let mut fields = vec![("scope", scope)];
        fields.extend(service.map(|service| ("service", service)));
        let client = self.client(realm.host_str().unwrap_or_default());
        let request = match login {
            Some(Login::Identity(token)) => {
                fields.push(("grant_type", "refresh_token".into()));
                fields.push(("client_id", "stridegate".into()));
                fields.push(("refresh_token", token));
                let mut form = realm.clone();
                form.query_pairs_mut().clear().extend_pairs(&fields);
                client
                    .post(realm)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.query().unwrap_or_default().to_owned())
            }
            login => {
                let mut url = realm;
                url.query_pairs_mut().extend_pairs(&fields);
                match login {
                    Some(Login::Password(name, password)) => {
                        client.get(url).basic_auth(name, Some(password))
                    }
                    _ => client.get(url),
                }
            }
        };
        let response = request.send().await.map_err(network)?;
        let ask = Call {
            limit: MAX_TOKEN,
            ..Call::get(call.repository, String::new())
        };
        let answer = self.read(&ask, response).await?;
        if !answer.status.is_success() {
            let registry = &call.repository.registry;
            return Err(Failure {
                transient: is_transient(answer.status),
                error: anyhow!(
                    "the registry gives no token for {actions}: {}{}; docker login {registry} makes a login",
                    answer.status,
                    reason(&answer.body)
                ),
            });
        }
        let token: Token = serde_json::from_slice(&answer.body)
            .map_err(|_| anyhow!("the registry gives no token: its answer is no JSON object"))?;
        let token = token.token.or(token.access_token);
        Ok(token.context("the registry gives no token: its answer has none")?)
    }

    /// Where a registry is reached.
    async fn origin(&self, registry: &str) -> Result<Url, Failure> {
        // The name of Docker's registry is not its address.
        let host = match registry {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        let url = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}/"))
                .with_context(|| format!("{host} is no address"))
        };
        if self.access.plain.iter().any(|name| name == registry) {
            return Ok(url("http")?);
        }
        let tls = url("https")?;
        if !is_loopback(&tls) {
            return Ok(tls);
        }
        if let Some(speaks_tls) = lock(&self.schemes).get(registry).copied() {
            return Ok(if speaks_tls { tls } else { url("http")? });
        }
        let probe = tls.join("/v2/").context("is no address")?;
        let speaks_tls = match self.direct.head(probe).send().await {
            Ok(_) => true,
            Err(error) => !lacks_tls(&error),
        };
        lock(&self.schemes).insert(registry.to_owned(), speaks_tls);
        Ok(if speaks_tls { tls } else { url("http")? })
    }

    fn client(&self, host: &str) -> &Client {
        if is_loopback_host(host) {
            &self.direct
        } else {
            &self.client
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A header that no log shows.
fn secret(text: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| anyhow!("the login for the registry cannot be sent: it has line breaks"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn install_provider() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // If another part of the program was first, it chose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// How long a registry asks to wait; dates are not read, as its clock may be another.
fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

fn is_loopback(url: &Url) -> bool {
    is_loopback_host(url.host_str().unwrap_or_default())
}

fn is_loopback_host(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Refuses to go on without TLS where it began with it.
fn refuse_plain(origin: &Url, url: &Url) -> anyhow::Result<()> {
    if origin.scheme() == "https" && url.scheme() != "https" {
        return Err(anyhow!(
            "the registry sends to {}, which is without TLS",
            place(url)
        ));
    }
    Ok(())
}

/// A URL without what may be secret in it.
fn place(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

fn redirected(
    call: &Call<'_>,
    origin: &Url,
    url: &Url,
    response: &Response,
    hops: usize,
) -> anyhow::Result<Url> {
    let location = response.headers().get(LOCATION);
    let location = location
        .and_then(|location| location.to_str().ok())
        .and_then(|location| url.join(location).ok())
        .context("the registry sends elsewhere, and does not say where")?;
    if ![Method::GET, Method::HEAD].contains(&call.method) {
        return Err(anyhow!(
            "the registry sends a request that changes something to {}; it stays here",
            place(&location)
        ));
    }
    if !call.addressed && location.origin() != origin.origin() {
        return Err(anyhow!(
            "the registry sends to {} for what it has to say itself",
            place(&location)
        ));
    }
    refuse_plain(origin, &location)?;
    if hops > HOPS {
        return Err(anyhow!(
            "the registry sends elsewhere more than {HOPS} times"
        ));
    }
    Ok(location)
}

/// Why a connection gave no answer.
fn network(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if let Some(rustls::Error::InvalidCertificate(why)) = tls_error(&error) {
        return Failure {
            transient: false,
            error: anyhow!(
                "the certificate of the registry is not trusted: {why}; name its authority with --ca FILE"
            ),
        };
    }
    let why = if error.is_timeout() {
        "does not answer in time"
    } else if error.is_connect() {
        "cannot be reached"
    } else {
        "broke off"
    };
    let last = causes(&error).last().map(|cause| format!(": {cause}"));
    Failure {
        transient: true,
        error: anyhow!("the registry {why}{}", last.unwrap_or_default()),
    }
}

/// Whether a server on this machine does not speak TLS: it answered with something else, or hung
/// up on it. Nothing else is a reason to go on without.
fn lacks_tls(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match tls_error(error) {
        Some(fault) => matches!(fault, rustls::Error::InvalidMessage(_)),
        None => causes(error).iter().any(|cause| {
            let io = cause.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| [BrokenPipe, ConnectionReset, UnexpectedEof].contains(&io.kind()))
        }),
    }
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error)
        .into_iter()
        .find_map(|cause| cause.downcast_ref())
}

/// What caused an error. One of input and output hides another in itself, which its source is not.
fn causes(error: &reqwest::Error) -> Vec<&(dyn std::error::Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        let hidden = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match hidden {
            Some(hidden) => Some(hidden),
            None => cause.source(),
        };
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_do_without_tls() {
        for (host, is_local) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
        ] {
            let url = Url::parse(&format!("https://{host}:5000/")).expect(host);
            assert_eq!(is_loopback(&url), is_local, "{host}");
        }
    }

    #[test]
    fn what_a_registry_says_is_one_short_line() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m\n way"}]}"#;
        assert_eq!(reason(body), " (DENIED: no[31m way)");
        assert_eq!(reason(b"<html>"), "");
    }
}
