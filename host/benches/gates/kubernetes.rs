//! The admission webhook over TLS.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use stridegate::gateway::Ruling;
use stridegate::gateway::admission::{Question, Told};
use stridegate::gateway::kubernetes::{Settings, Webhook};
use stridegate::gateway::server::{Listener, Reply, Tls, Unread, reply};
use stridegate::source::Reading;
use tokio::runtime::Runtime;

use super::load::{Comparison, DECISIONS, Evaluations, gate, recordings, serve};

pub(crate) fn compare(runtime: &Runtime) {
    println!("Kubernetes: reviews over TLS");
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let gate = gate("kubernetes", folder.path());
    let settings = Settings {
        within: Duration::from_millis(500),
        certified: false,
    };
    let webhook = Arc::new(Webhook::new(Arc::clone(&gate), settings, None));
    let (tls, client) = certificate();
    let listen = || {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = runtime.block_on(Listener::tcp(address, Some(Arc::clone(&tls))));
        let listener = listener.expect("there is a free port");
        let address = listener.address().expect("it is bound");
        (listener, address)
    };
    let (listener, judging) = listen();
    runtime.spawn(serve(listener, move |head, body| {
        let webhook = Arc::clone(&webhook);
        async move { webhook.answer(head, body).await }
    }));
    let (listener, evaluating) = listen();
    let evaluations = Evaluations::new(&gate);
    let judges = Arc::clone(&evaluations);
    runtime.spawn(serve(listener, move |_, body| {
        let judges = Arc::clone(&judges);
        async move {
            let question = decode(body);
            judges.judge(question.reading);
            allowed(question.uid)
        }
    }));
    let (listener, decoding) = listen();
    runtime.spawn(serve(listener, |_, body| async move {
        allowed(decode(body).uid)
    }));
    Comparison {
        evaluations: &evaluations,
        decisions: &folder.path().join(DECISIONS),
        recorded: &recordings("admission"),
        read,
        head: "POST /validate?timeout=5s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n",
        judging: &|| connect(judging, &client),
        evaluating: &|| connect(evaluating, &client),
        decoding: &|| connect(decoding, &client),
    }
    .print();
}

fn decode(body: Result<Bytes, Unread>) -> Question {
    Question::read(body.unwrap_or_default().to_vec()).expect("a recording is sound")
}

fn allowed(uid: String) -> Reply {
    let told = Told::new(uid, &Ruling::default());
    let told = serde_json::to_vec(&told).unwrap_or_default();
    reply(StatusCode::OK, "application/json", told)
}

fn read(text: &str) -> Reading {
    let question = Question::read(text.into());
    question.expect("a recording is sound").reading
}

/// The settings of a server and of its client.
fn certificate() -> (Tls, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate can be made");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key);
    let server = Arc::new(server.expect("both belong together"));
    let mut roots = RootCertStore::empty();
    roots
        .add(made.cert.der().clone())
        .expect("the certificate is sound");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the versions are known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(move || Arc::clone(&server)), Arc::new(client))
}

fn connect(
    address: SocketAddr,
    client: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("it is a socket");
    let name = ServerName::try_from("localhost").expect("it is a name");
    let session = ClientConnection::new(Arc::clone(client), name);
    StreamOwned::new(session.expect("the settings are sound"), stream)
}
