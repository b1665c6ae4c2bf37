//! The Docker gate on its socket.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Bytes;
use stridegate::collect::engine::Address;
use stridegate::gateway::docker::{BuildKit, Plugin};
use stridegate::gateway::server::{Listener, Reply, Unread, reply};
use stridegate::object::Text;
use stridegate::source::{Call, Reading};
use tokio::runtime::Runtime;

use super::load::{Comparison, DECISIONS, Evaluations, gate, recordings, root, serve};

pub(crate) fn compare(runtime: &Runtime) {
    println!("Docker: writes that need no answer of the engine but an image's");
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let path = |name: &str| folder.path().join(name);
    let mut recorded = recordings("docker-authz/engine-28.5");
    recorded.retain(|text| {
        let call = call(text);
        !call.reads() && call.lookup().is_none() && call.faults.is_empty()
    });
    let gate = gate("docker", folder.path());
    show_images(&path("engine.sock"));
    let engine = Address::Unix(path("engine.sock"));
    let plugin = Plugin::new(Arc::clone(&gate), engine, BuildKit::Allow);
    let plugin = Arc::new(plugin.expect("there is randomness"));
    let listen = |name| runtime.block_on(Listener::unix(&path(name)));
    let listener = listen("gate.sock").expect("the folder can be written");
    runtime.spawn(serve(listener, move |head, body| {
        let plugin = Arc::clone(&plugin);
        async move { plugin.answer(head, body).await }
    }));
    let evaluations = Evaluations::new(&gate);
    let judges = Arc::clone(&evaluations);
    let listener = listen("judge.sock").expect("the folder can be written");
    runtime.spawn(serve(listener, move |_, body| {
        let judges = Arc::clone(&judges);
        async move {
            judges.judge(decode(body));
            allowed()
        }
    }));
    let listener = listen("decode.sock").expect("the folder can be written");
    runtime.spawn(serve(listener, |_, body| async move {
        black_box(decode(body));
        allowed()
    }));
    let connect = |name| UnixStream::connect(path(name)).expect("the server listens");
    Comparison {
        evaluations: &evaluations,
        decisions: &folder.path().join(DECISIONS),
        recorded: &recorded,
        read,
        head: "POST /AuthZPlugin.AuthZReq HTTP/1.1\r\nHost: \r\n",
        judging: &|| connect("gate.sock"),
        evaluating: &|| connect("judge.sock"),
        decoding: &|| connect("decode.sock"),
    }
    .print();
}

fn call(text: &str) -> Call {
    Call::parse(&Arc::new(Text::new("request", text))).expect("a recording is a call")
}

fn decode(body: Result<Bytes, Unread>) -> Reading {
    read(&String::from_utf8(body.unwrap_or_default().into()).unwrap_or_default())
}

fn allowed() -> Reply {
    let allowed = r#"{"Allow":true,"Msg":""}"#;
    reply(StatusCode::OK, "application/json", allowed)
}

fn read(text: &str) -> Reading {
    call(text).reading("unnamed")
}

/// An engine that has every image.
fn show_images(socket: &Path) {
    let listener = UnixListener::bind(socket).expect("the folder can be written");
    let shown = |name: &str| {
        let path = root().join("testdata/docker-engine/28.5").join(name);
        Arc::new(std::fs::read_to_string(path).expect("testdata can be read"))
    };
    let (inspect, history) = (shown("image-imported.json"), shown("history-imported.json"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (inspect, history) = (Arc::clone(&inspect), Arc::clone(&history));
            std::thread::spawn(move || show(stream, &inspect, &history));
        }
    });
}

/// Answers on a connection until it ends.
fn show(stream: UnixStream, inspect: &str, history: &str) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first).is_ok_and(|read| read == 0) {
            return;
        }
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
            line.clear();
        }
        let body = if first.contains("/history") {
            history
        } else {
            inspect
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
