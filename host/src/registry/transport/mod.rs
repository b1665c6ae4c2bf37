//! Requests to a registry: logins, bounds, retries, and what a registry may not do.
//!
//! A registry is not trusted. It can send no more than was asked for, and has to send it in time.
//! It can send a reader elsewhere only for bytes that are named by their digest, never from TLS
//! to plain text, and never with the login. What it decides itself, such as what a tag stands for,
//! it has to say itself.

mod fault;
mod login;
mod meter;
mod proxy;
mod redirect;
mod retry;
mod route;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context, anyhow};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};

use super::Repository;
use fault::{Failure, network, reason};
use proxy::{Proxies, Proxy};
use redirect::{redirected, refuse_plain};
use retry::again;

pub use meter::Meter;
pub use retry::Patience;
pub use route::Access;

/// The most bytes of an answer that says what went wrong.
const MAX_ERROR: u64 = 64 << 10;

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
    /// Below `/v2/`.
    Registry(String),
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
    /// What stood on the way to there.
    proxy: Option<Proxy>,
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
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                "; its login stands before its host, as in http://name:password@host:port"
                    .to_owned()
            }
            _ => String::new(),
        };
        let by = match &self.proxy {
            Some(proxy) => format!(", by way of {proxy},"),
            None => String::new(),
        };
        Err(anyhow!(
            "the registry{by} answers {}{}{advice}",
            self.status,
            reason(&self.body)
        ))
    }
}

/// The key of what opens a repository, for reading or writing.
type Door = (Repository, bool);

/// Makes requests.
pub(super) struct Transport {
    client: Client,
    proxies: Proxies,
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
        let proxies = Proxies::of_environment();
        let on_the_way = proxies.clone();
        let client = Client::builder()
            .user_agent(concat!("stridegate/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(access.patience.connect)
            .read_timeout(access.patience.idle)
            .proxy(reqwest::Proxy::custom(move |url| {
                // A proxy that cannot be used is refused before anything is sent.
                let proxy = on_the_way.on_the_way(url).ok()??;
                Some(proxy.url)
            }))
            .tls_certs_merge(authorities)
            .build()
            .context("cannot prepare connections to registries")?;
        Ok(Self {
            client,
            proxies,
            access,
            schemes: Mutex::default(),
            authorizations: Mutex::default(),
            meter,
        })
    }

    /// Makes a request, again if the registry cannot answer at the moment.
    pub(super) async fn exchange(&self, call: &Call<'_>) -> anyhow::Result<Answer> {
        again(
            self.access.patience,
            || self.attempt(call),
            tokio::time::sleep,
        )
        .await
    }

    /// Makes a request once: what it is for can do without an answer.
    pub(super) async fn once(&self, call: &Call<'_>) -> anyhow::Result<Answer> {
        self.attempt(call).await.map_err(|failure| failure.error)
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
        let ask = || async move {
            let answer = self.attempt(begin).await?;
            if !answer.status.is_success() {
                return Ok(answer);
            }
            let target = Target::Url(finish(&answer)?);
            let mut call = Call::write(begin.repository, Method::PUT, target);
            call.body = Some(("application/octet-stream", bytes));
            self.attempt(&call).await
        };
        again(self.access.patience, ask, tokio::time::sleep).await
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
            Target::Registry(path) => origin
                .join(&format!("/v2/{path}"))
                .context("is no address")?,
        };
        refuse_plain(&origin, &url)?;
        let door = (call.repository.clone(), call.writes);
        let mut authorization = lock(&self.authorizations).get(&door).cloned();
        let mut has_asked = false;
        let mut hops = 0;
        loop {
            let inside = url.origin() == origin.origin();
            let proxy = self.proxies.on_the_way(&url)?;
            let mut request = self
                .client
                .request(call.method.clone(), url.clone())
                .header(ACCEPT, call.accept);
            if let (true, Some(authorization)) = (inside, &authorization) {
                request = request.header(AUTHORIZATION, authorization);
            }
            if let Some((media_type, body)) = call.body {
                request = request.header(CONTENT_TYPE, media_type).body(body.to_vec());
            }
            let response = self.send(request, proxy.as_ref()).await?;
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
            return self.read(call, response, proxy).await;
        }
    }

    async fn send(
        &self,
        request: RequestBuilder,
        proxy: Option<&Proxy>,
    ) -> Result<Response, Failure> {
        let sent = request.send().await;
        sent.map_err(|error| network(error, proxy))
    }

    async fn read(
        &self,
        call: &Call<'_>,
        mut response: Response,
        proxy: Option<Proxy>,
    ) -> Result<Answer, Failure> {
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
            let broken = |error| network(error, proxy.as_ref());
            while let Some(piece) = response.chunk().await.map_err(broken)? {
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
            proxy,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn install_provider() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        // If another part of the program was first, it chose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
