//! What the tests of the gates share, and those with real servers: a program that runs beside the
//! test, and answers over HTTP.

#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a test waits for what has to happen before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The program under test.
pub(crate) const STRIDEGATE: &str = env!("CARGO_BIN_EXE_stridegate");

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    host.parent()
        .expect("the host lies in the workspace")
        .to_owned()
}

/// A file of `testdata`.
pub(crate) fn testdata(name: &str) -> String {
    let path = root().join("testdata").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A folder that is gone after the test.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is a folder for temporary files")
}

/// A program that runs beside the test, and ends with it.
pub(crate) struct Program {
    pub(crate) child: Child,
    name: String,
    /// The lines that it says.
    said: Receiver<String>,
    pub(crate) heard: Vec<String>,
}

impl Program {
    /// Starts a program, and waits until it says that it is ready.
    pub(crate) fn start(command: &mut Command, ready: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} cannot be started: {error}; make e2e installs servers")
            });
        let (say, said) = channel();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("its output is a pipe")),
            Box::new(child.stderr.take().expect("its output is a pipe")),
        ];
        for output in outputs {
            let say = say.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // Nobody may listen any more, and the program still has to write.
                    let _ = say.send(line);
                }
            });
        }
        // What has ended says nothing more.
        drop(say);
        let mut program = Self {
            child,
            name,
            said,
            heard: Vec::new(),
        };
        program.wait_for(ready);
        program
    }

    /// The line that was waited for last.
    pub(crate) fn last(&self) -> &str {
        self.heard.last().expect("it was waited for")
    }

    /// Waits until the program says something; the line.
    pub(crate) fn wait_for(&mut self, what: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{} did not say {what:?}", self.name));
            self.heard.push(line.clone());
            if line.contains(what) {
                return line;
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the program runs");
    }

    /// The memory that it has, in bytes.
    pub(crate) fn memory(&self) -> usize {
        memory(self.child.id(), "VmRSS").expect("the program runs")
    }

    /// Ends the program at once.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            self.heard.extend(self.said.try_iter());
            let last = self.heard.len().saturating_sub(40);
            // A test that fails already says so as well as it can.
            let _ = writeln!(
                std::io::stderr(),
                "{} said last: {:#?}",
                self.name,
                &self.heard[last..]
            );
        }
    }
}

/// The memory of a process, in bytes: `VmRSS` is what it has, `VmHWM` the most that it had. None if
/// it is gone.
pub(crate) fn memory(process: u32, which: &str) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    let kilobytes = line.trim_start_matches(':').trim().strip_suffix(" kB")?;
    Some(kilobytes.parse::<usize>().ok()? << 10)
}

/// An answer of HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// Reads the next answer of a connection.
    pub(crate) fn read(stream: &mut impl Read) -> std::io::Result<Self> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("the head of an answer is ASCII");
        let status = head[9..12].parse().expect("an answer has a status");
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        });
        let mut body = vec![0; length.expect("an answer says how long it is")];
        stream.read_exact(&mut body)?;
        let body = String::from_utf8(body).expect("an answer is text");
        Ok(Self { status, body })
    }

    /// Its body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Tries until something holds that a server brings about and says nothing of.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(50);
    let tries = PATIENCE.as_millis() / PAUSE.as_millis();
    for _ in 0..tries {
        if holds() {
            return;
        }
        std::thread::park_timeout(PAUSE);
    }
    panic!("after {tries} tries not: {what}");
}

/// Says that something is over when it goes, also if its test has failed.
pub(crate) struct Over<'a>(pub(crate) &'a std::sync::atomic::AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}
