//! Carries requests to a gate: HTTP over a Unix socket, TCP or TLS, with limits on everything that
//! a peer could use up.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustix::fs::Mode;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::Say;
use super::budget::{Budget, Held};

/// A runtime for a gate that judges so many requests at a time on its threads: two more are left
/// for the connections meanwhile.
pub fn runtime(workers: usize) -> io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(workers + 2).enable_all().build()
}

/// What peers may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body, in bytes.
    pub body: usize,
    /// How many bytes of bodies are held at a time; those that come then are turned away.
    pub bodies: usize,
    /// How long the head of a request, its body, and a TLS handshake may each take. A connection
    /// on which nothing is asked for as long is closed.
    pub patience: Duration,
    /// The same for the head of a request on a Unix socket. Who can use that is trusted, and keeps
    /// its connections: an engine that finds one closed as it asks waits before it asks again.
    pub idle: Duration,
    /// How many connections are served at a time, if the system lets the program have as many open
    /// files; others wait.
    pub connections: usize,
    /// How long requests that are being answered have when the server stops.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 16 << 20,
            bodies: 64 << 20,
            patience: Duration::from_secs(10),
            idle: Duration::from_hours(1),
            connections: 8192,
            farewell: Duration::from_secs(10),
        }
    }
}

/// Why the body of a request is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is larger than the limit.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// The peer broke off.
    Broken,
    /// Too much of other bodies is held already.
    Busy,
}

impl Unread {
    /// The status that answers it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A response that is at hand as a whole, and so is sent in one write.
pub type Reply = Response<Full<Bytes>>;

/// A response.
#[must_use]
pub fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The settings of TLS for the next connection, so that certificates can be renewed.
pub type Tls = Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>;

/// Where a server listens.
pub enum Listener {
    /// On a Unix socket.
    Unix(Socket),
    /// On TCP, with TLS if there are settings for it.
    Tcp(TcpListener, Option<Tls>),
}

/// A Unix socket that is removed when it is no longer served.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener {
    /// Listens on a Unix socket that only its owner can use. One that nobody serves any more is
    /// replaced.
    pub async fn unix(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder of {shown} cannot be made"))?;
        }
        if let Ok(metadata) = path.symlink_metadata() {
            if !metadata.file_type().is_socket() {
                bail!("{shown} is there and is no socket; remove it or choose another path");
            }
            if UnixStream::connect(path).await.is_ok() {
                bail!(
                    "{shown} is served already, by another stridegate or another plugin; stop that one"
                );
            }
            std::fs::remove_file(path).with_context(|| format!("{shown} cannot be replaced"))?;
        }
        let everyone = rustix::process::umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(path);
        rustix::process::umask(everyone);
        let listener = listener.with_context(|| format!("cannot listen on {shown}"))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("{shown} cannot be kept to its owner"))?;
        Ok(Self::Unix(Socket {
            listener,
            path: path.to_owned(),
        }))
    }

    /// Listens on TCP.
    pub async fn tcp(address: SocketAddr, tls: Option<Tls>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self::Tcp(listener, tls))
    }

    /// The address of TCP, which the system chose if its port was given as 0.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Unix(_) => None,
            Self::Tcp(listener, _) => listener.local_addr().ok(),
        }
    }

    /// Answers requests until `stop` is ready, and then those that are being answered.
    ///
    /// `answer` gets the head of a request, and its body or why it is not there. What it returns
    /// is lost if its peer is gone, and it is not called to its end then: what has to happen
    /// anyway belongs into a task of its own, which keeps the [`Held`] of the head's extensions.
    pub async fn serve<F, A>(
        self,
        limits: Limits,
        say: Say,
        stop: impl Future<Output = ()>,
        answer: F,
    ) where
        F: Fn(Parts, Result<Bytes, Unread>) -> A + Clone + Send + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(open_files(limits.connections)));
        let budget = Budget::new(limits.bodies);
        let mut stop = std::pin::pin!(stop);
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.accept().await)
            };
            let (place, stream) = tokio::select! {
                next = next => next,
                () = &mut stop => break,
            };
            let stream = match stream {
                Ok(stream) => stream,
                Err(error) => {
                    say(&format!("a connection could not be accepted: {error}"));
                    // Too many open files: some will be closed.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (watcher, answer) = (graceful.watcher(), answer.clone());
            let limits = (limits, budget.clone());
            tokio::spawn(async move {
                stream.serve(limits, watcher, answer).await;
                drop(place);
            });
        }
        drop(self);
        let _ = tokio::time::timeout(limits.farewell, graceful.shutdown()).await;
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(socket) => Ok(Stream::Unix(socket.listener.accept().await?.0)),
            Self::Tcp(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream, tls.as_ref().map(|tls| tls())))
            }
        }
    }
}

enum Stream {
    Unix(UnixStream),
    Tcp(tokio::net::TcpStream, Option<Arc<ServerConfig>>),
}

impl Stream {
    async fn serve<F, A>(self, limits: (Limits, Budget), watcher: Watcher, answer: F)
    where
        F: Fn(Parts, Result<Bytes, Unread>) -> A + Clone + Send + 'static,
        A: Future<Output = Reply> + Send + 'static,
    {
        let http = Http {
            second: false,
            certified: false,
            patience: limits.0.patience,
        };
        match self {
            Self::Unix(stream) => {
                let http = Http {
                    patience: limits.0.idle,
                    ..http
                };
                connection(stream, http, limits, watcher, answer).await;
            }
            Self::Tcp(stream, None) => connection(stream, http, limits, watcher, answer).await,
            Self::Tcp(stream, Some(config)) => {
                let handshake = TlsAcceptor::from(config).accept(stream);
                // A peer that speaks no TLS or trusts nobody here is its own concern.
                if let Ok(Ok(stream)) = tokio::time::timeout(limits.0.patience, handshake).await {
                    let session = stream.get_ref().1;
                    let http = Http {
                        second: session.alpn_protocol() == Some(b"h2"),
                        certified: session.peer_certificates().is_some(),
                        ..http
                    };
                    connection(stream, http, limits, watcher, answer).await;
                }
            }
        }
    }
}

/// Marks the head of a request whose peer has shown a certificate that the server trusts.
#[derive(Clone, Copy, Debug)]
pub struct Certified;

/// What is known of a connection before its first request.
#[derive(Clone, Copy, Debug)]
struct Http {
    /// Whether it speaks HTTP/2.
    second: bool,
    /// Whether its peer has shown a certificate.
    certified: bool,
    /// How long the head of a request may take.
    patience: Duration,
}

/// Answers the requests of one connection. The version of HTTP is known before: looking for it
/// would wait for a peer that says nothing.
async fn connection<S, F, A>(
    stream: S,
    http: Http,
    (limits, budget): (Limits, Budget),
    watcher: Watcher,
    answer: F,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Parts, Result<Bytes, Unread>) -> A + Clone + Send + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if http.second {
        builder.http2_only()
    } else {
        builder.http1_only()
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(http.patience)
        .max_buf_size(BUFFER)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.patience)
        .max_concurrent_streams(256);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, budget) = (answer.clone(), budget.clone());
        async move {
            let (mut head, body) = request.into_parts();
            if http.certified {
                head.extensions.insert(Certified);
            }
            let mut taken = Held::default();
            let whole = read(body, limits.body, &budget, &mut taken);
            let body = tokio::time::timeout(limits.patience, whole).await;
            let body = body.unwrap_or(Err(Unread::TooSlow));
            head.extensions.insert(Arc::new(taken));
            Ok::<_, Infallible>(answer(head, body).await)
        }
    });
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    // A peer that goes away or sends no HTTP is its own concern.
    let _ = watcher.watch(connection).await;
}

/// The largest head of a request, in bytes, and how much of a body is read at once.
const BUFFER: usize = 64 << 10;

/// Reads a body to its end.
async fn read(
    mut body: Incoming,
    most: usize,
    budget: &Budget,
    held: &mut Held,
) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > most as u64 {
        return Err(Unread::TooLarge);
    }
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else {
            continue;
        };
        if whole.len() + data.len() > most {
            return Err(Unread::TooLarge);
        }
        budget
            .take(whole.len(), data.len(), held)
            .ok_or(Unread::Busy)?;
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        // Parts are copied: each may keep far more of what was read than it is itself.
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

/// Lets the program have as many files open as so many connections need, as far as the system
/// allows it; how many connections that is enough for.
fn open_files(connections: usize) -> usize {
    /// For what is no connection: logs, policies, and questions to others.
    const OTHER: u64 = 128;
    let needed = connections as u64 + OTHER;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let before = limit.current;
        limit.current = Some(limit.maximum.map_or(needed, |most| most.min(needed)));
        if setrlimit(Resource::Nofile, limit).is_err() {
            limit.current = before;
        }
    }
    let allowed = limit.current.unwrap_or(needed).min(needed);
    usize::try_from(allowed.saturating_sub(OTHER)).map_or(connections, |allowed| allowed.max(1))
}

/// Ready when the program is asked to stop: by SIGTERM or SIGINT. Both are caught from now on.
pub fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn an_engine_finds_its_connection_open_whenever_it_asks() {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let path = folder.path().join("gate.sock");
        let listener = Listener::unix(&path).await.expect("the folder is writable");
        let limits = Limits {
            patience: Duration::from_millis(10),
            ..Limits::default()
        };
        let say: Say = Arc::new(|_| ());
        tokio::spawn(
            listener.serve(limits, say, std::future::pending(), |_, _| async {
                reply(StatusCode::OK, "text/plain", "here")
            }),
        );
        let mut engine = UnixStream::connect(&path).await.expect("it is served");
        tokio::time::sleep(limits.patience * 10).await;
        engine
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            .await
            .expect("the connection is open");
        let mut answer = String::new();
        let read = engine.read_to_string(&mut answer).await;
        read.expect("the connection is open");
        assert!(answer.ends_with("here"), "{answer}");
    }
}
