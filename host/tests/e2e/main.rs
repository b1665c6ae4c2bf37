//! Against the real thing: servers from Debian's packages, started in a folder of their own and
//! stopped by their ids. `make e2e` installs what is missing; it needs root.

mod docker;
mod kubernetes;
#[cfg(all(feature = "gateway", feature = "registry"))]
mod registry;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal};

/// How long a test waits for what has to happen before it fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program under test.
const STRIDEGATE: &str = env!("CARGO_BIN_EXE_stridegate");

/// A program that runs beside the test, and ends with it.
struct Server {
    child: Child,
    name: String,
    said: Receiver<String>,
    heard: Vec<String>,
}

impl Server {
    /// Starts a program, and waits until it says that it is ready.
    fn start(command: &mut Command, ready: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{name} cannot be started: {error}; make e2e installs it")
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
        let mut server = Self {
            child,
            name,
            said,
            heard: Vec::new(),
        };
        server.wait_for(ready);
        server
    }

    /// Waits until the program says something.
    fn wait_for(&mut self, what: &str) {
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{} did not say {what:?}", self.name));
            let found = line.contains(what);
            self.heard.push(line);
            if found {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Ends the program at once.
    fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            self.heard.extend(self.said.try_iter());
            let last = self.heard.len().saturating_sub(40);
            eprintln!("{} said last: {:#?}", self.name, &self.heard[last..]);
        }
    }
}
