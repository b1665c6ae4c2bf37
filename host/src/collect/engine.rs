//! Asks a Docker engine through its API.
//!
//! The engine is found as the `docker` command finds it: by an address that is given, by
//! `DOCKER_HOST`, by the context in use, or at its default socket. Paths go without an API
//! version, which asks for the engine's newest.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::engine::digest;
use crate::source::MAX_TEXT;

/// Where an engine listens if nobody says otherwise.
pub const DEFAULT: &str = "unix:///var/run/docker.sock";

/// Where an engine listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// On a Unix socket.
    Unix(PathBuf),
    /// On TCP, without TLS if there are no settings for it.
    Tcp {
        /// Name and port.
        host: String,
        /// The settings of TLS.
        tls: Option<Arc<ClientConfig>>,
    },
}

impl Address {
    /// The engine at an address, or the one that the `docker` command would ask.
    pub fn find(host: Option<&str>) -> anyhow::Result<Self> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(host) = host.map(str::to_owned).or_else(|| variable("DOCKER_HOST")) {
            let verify =
                variable("DOCKER_TLS_VERIFY").is_some() || variable("DOCKER_TLS").is_some();
            let folder = variable("DOCKER_CERT_PATH").map_or_else(configuration, PathBuf::from);
            return Self::parse(&host, verify.then_some(&*folder));
        }
        let context = variable("DOCKER_CONTEXT").or_else(current_context);
        Self::of_context(context.as_deref().unwrap_or("default"))
    }

    /// Reads an address; `tls` is the folder of `ca.pem`, `cert.pem` and `key.pem` if TLS is to be
    /// spoken.
    pub fn parse(host: &str, tls: Option<&Path>) -> anyhow::Result<Self> {
        let wrong =
            || anyhow!("{host} is no address of an engine; write unix:///PATH or tcp://NAME:PORT");
        let (scheme, rest) = host.split_once("://").ok_or_else(wrong)?;
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(rest.into())),
            "tcp" | "http" | "https" => {
                let name = rest.trim_end_matches('/');
                if name.is_empty() || name.contains('/') {
                    return Err(wrong());
                }
                let tls = match (tls, scheme) {
                    (Some(folder), _) => Some(self::tls(folder)?),
                    (None, "https") => Some(self::tls(&configuration())?),
                    (None, _) => None,
                };
                let last = name.rsplit(']').next().unwrap_or_default();
                let port = if tls.is_some() { 2376 } else { 2375 };
                let host = if last.contains(':') {
                    name.to_owned()
                } else {
                    format!("{name}:{port}")
                };
                Ok(Self::Tcp { host, tls })
            }
            "ssh" => bail!(
                "{host} is reached through ssh, which is not spoken here; forward its socket: ssh -L /tmp/docker.sock:/var/run/docker.sock"
            ),
            _ => Err(wrong()),
        }
    }

    /// The engine of a context of the `docker` command, of which `default` is always there.
    pub fn of_context(name: &str) -> anyhow::Result<Self> {
        if name == "default" {
            return Self::parse(DEFAULT, None);
        }
        let id = digest(name.as_bytes());
        let contexts = configuration().join("contexts");
        let file = contexts.join("meta").join(&id).join("meta.json");
        let text = std::fs::read_to_string(&file).with_context(|| {
            format!(
                "the context {name} cannot be read from {}; docker context ls shows those that are there",
                file.display()
            )
        })?;
        let meta: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no JSON", file.display()))?;
        let endpoint = &meta["Endpoints"]["docker"];
        let host = endpoint["Host"]
            .as_str()
            .ok_or_else(|| anyhow!("the context {name} has no engine"))?;
        if endpoint["SkipTLSVerify"] == true {
            bail!(
                "the context {name} does not verify its engine, which could be anybody's; give it a CA"
            );
        }
        let folder = contexts.join("tls").join(&id).join("docker");
        Self::parse(host, folder.join("ca.pem").is_file().then_some(&*folder))
    }

    /// Whether nobody can listen or take the engine's place on the way to it.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        !matches!(self, Self::Tcp { tls: None, .. })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, .. } => write!(f, "tcp://{host}"),
        }
    }
}

/// The folder of the client's configuration.
fn configuration() -> PathBuf {
    let home = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".docker");
    std::env::var_os("DOCKER_CONFIG").map_or_else(home, PathBuf::from)
}

/// The context that the client's configuration says is in use.
fn current_context() -> Option<String> {
    let text = std::fs::read_to_string(configuration().join("config.json")).ok()?;
    let config: Value = serde_json::from_str(&text).ok()?;
    let context = config["currentContext"].as_str()?;
    (!context.is_empty()).then(|| context.to_owned())
}

/// What TLS is to be spoken with, from a folder as the `docker` command keeps it.
fn tls(folder: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let authority = folder.join("ca.pem");
    let unread = |path: &Path| format!("{} cannot be read", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(&authority).with_context(|| unread(&authority))?
    {
        let certificate = certificate.with_context(|| unread(&authority))?;
        roots
            .add(certificate)
            .with_context(|| format!("{} holds no CA", authority.display()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    if !certificate.is_file() {
        return Ok(Arc::new(config.with_no_client_auth()));
    }
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| unread(&certificate))?;
    let key = PrivateKeyDer::from_pem_file(&key).with_context(|| unread(&key))?;
    Ok(Arc::new(config.with_client_auth_cert(chain, key)?))
}

/// What an engine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for.
    Found(String),
    /// There is no such thing.
    Absent,
}

/// The most connections that are kept open although nothing is asked on them.
const IDLE: usize = 8;

/// The end of a connection on which questions are asked.
type Line = SendRequest<Empty<Bytes>>;

/// Asks an engine, each question on a connection on which nothing else is asked meanwhile.
#[derive(Clone, Debug)]
pub struct Client {
    address: Address,
    patience: Duration,
    mark: Option<(HeaderName, HeaderValue)>,
    idle: Arc<Mutex<Vec<Line>>>,
}

impl Client {
    /// A client that waits so long for each answer.
    #[must_use]
    pub fn new(address: Address, patience: Duration) -> Self {
        Self {
            address,
            patience,
            mark: None,
            idle: Arc::default(),
        }
    }

    /// A client whose questions bear a header, by which an authorization plugin knows its own.
    #[must_use]
    pub fn marked(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.mark = Some((name, value));
        self
    }

    /// Where the engine is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Asks for a path, with its query: what the engine shows there as JSON.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let asked = tokio::time::timeout(self.patience, self.ask(path));
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(_) => Err(anyhow!(
                "gave no answer within {} s",
                self.patience.as_secs()
            )),
        };
        answer.with_context(|| format!("the engine at {} cannot be asked for {path}", self.address))
    }

    async fn ask(&self, path: &str) -> anyhow::Result<Answer> {
        // An engine may have closed a connection meanwhile; what it shows can be asked for twice.
        while let Some(mut line) = self.kept() {
            if line.ready().await.is_ok()
                && let Ok(response) = line.send_request(self.request(path)?).await
            {
                return self.answer(line, response).await;
            }
        }
        let mut line = self.connect().await?;
        let response = line.send_request(self.request(path)?).await?;
        self.answer(line, response).await
    }

    fn kept(&self) -> Option<Line> {
        self.idle().pop()
    }

    fn keep(&self, line: Line) {
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(line);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> anyhow::Result<Line> {
        let (host, tls) = match &self.address {
            Address::Unix(socket) => return handshake(UnixStream::connect(socket).await?).await,
            Address::Tcp { host, tls } => (host, tls),
        };
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let Some(config) = tls else {
            return handshake(stream).await;
        };
        let name = host.rsplit_once(':').map_or(&**host, |(name, _)| name);
        let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())?;
        let connector = TlsConnector::from(Arc::clone(config));
        handshake(connector.connect(name, stream).await?).await
    }

    fn request(&self, path: &str) -> anyhow::Result<Request<Empty<Bytes>>> {
        let host = match &self.address {
            Address::Unix(_) => "docker",
            Address::Tcp { host, .. } => host,
        };
        let agent = concat!("stridegate/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::get(path)
            .header(HOST, host)
            .header(USER_AGENT, agent);
        if let Some((name, value)) = &self.mark {
            request = request.header(name, value);
        }
        Ok(request.body(Empty::new())?)
    }

    /// Reads an answer, and keeps its connection if there is nothing left on it.
    async fn answer(&self, line: Line, response: Response<Incoming>) -> anyhow::Result<Answer> {
        let status = response.status();
        let limit = usize::try_from(MAX_TEXT).unwrap_or(usize::MAX);
        let body = Limited::new(response.into_body(), limit).collect().await;
        let body = body.map_err(|error| anyhow!("its answer cannot be read: {error}"))?;
        self.keep(line);
        let text = String::from_utf8(body.to_bytes().into()).context("its answer is not UTF-8")?;
        match status {
            StatusCode::OK => Ok(Answer::Found(text)),
            StatusCode::NOT_FOUND => Ok(Answer::Absent),
            status => bail!("it answers {status}: {}", message(&text)),
        }
    }
}

/// Begins to speak HTTP. The connection ends when its line is dropped.
async fn handshake<S>(stream: S) -> anyhow::Result<Line>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (line, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // What breaks the connection, who asks on it is told.
    tokio::spawn(connection);
    Ok(line)
}

/// What an error of the engine says.
fn message(text: &str) -> String {
    let error = serde_json::from_str::<Value>(text).ok();
    let message = error.as_ref().and_then(|error| error["message"].as_str());
    message.unwrap_or(text).trim().chars().take(200).collect()
}

/// A name as a part of a path: what has a meaning there is escaped, but not the slashes of a
/// reference.
#[must_use]
pub fn escape(name: &str) -> String {
    name.bytes()
        .fold(String::with_capacity(name.len()), |mut escaped, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
                escaped.push(char::from(byte));
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

    #[test]
    fn an_address_is_read_as_the_docker_command_reads_it() {
        let shown = |host: &str| {
            Address::parse(host, None)
                .map(|address| address.to_string())
                .ok()
        };
        for (host, expected) in [
            ("unix:///run/d.sock", Some("unix:///run/d.sock")),
            ("tcp://localhost:2375", Some("tcp://localhost:2375")),
            ("tcp://localhost", Some("tcp://localhost:2375")),
            ("tcp://[::1]", Some("tcp://[::1]:2375")),
            ("tcp://[::1]:1", Some("tcp://[::1]:1")),
            ("unix://d.sock", None),
            ("tcp://", None),
            ("tcp://a/b", None),
            ("ssh://a", None),
            ("localhost", None),
        ] {
            assert_eq!(shown(host).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn a_name_stays_within_its_part_of_the_path() {
        assert_eq!(
            escape("127.0.0.1:5000/a@sha256:0"),
            "127.0.0.1:5000/a@sha256:0"
        );
        assert_eq!(escape("a?b=c#d e%"), "a%3Fb%3Dc%23d%20e%25");
    }

    #[tokio::test]
    async fn a_connection_is_used_again_until_the_engine_closes_it() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let socket = folder.path().join("engine.sock");
        let listener = tokio::net::UnixListener::bind(&socket).expect("the folder can be written");
        // Each connection answers two questions with its number and closes without a word.
        tokio::spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.expect("there is a peer");
                tokio::spawn(async move {
                    for _ in 0..2 {
                        let mut request = [0; 4096];
                        let _ = stream.read(&mut request).await;
                        let answer =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        let client = Client::new(Address::Unix(socket), Duration::from_mins(1));
        let mut answers = String::new();
        for _ in 0..6 {
            let Answer::Found(number) = client.get("/x").await.expect("the engine answers") else {
                panic!("the engine has everything");
            };
            answers += &number;
        }
        assert_eq!(answers, "001122");
    }
}
