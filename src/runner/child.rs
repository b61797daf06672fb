//! One worker process: spawning it, reading it, ending it.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::Message;
use super::log::WorkerLog;
use crate::error::Error;
use crate::wire::{Event, MAX_LINE, Request};

/// How long a worker may take to free its memory and exit after being told to.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// How to start workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spawn {
    /// The program; this one if not given.
    pub program: Option<PathBuf>,
    /// What its environment has beside ours.
    pub environment: Vec<(String, String)>,
    /// Arguments after the hidden subcommand.
    pub args: Vec<String>,
    /// Copy the worker's standard error to ours.
    pub verbose: bool,
}

/// A running worker. Dropping it ends the process.
pub struct Worker {
    /// Tells this worker's messages from those of one before it.
    pub id: u64,
    child: Child,
    stdin: Option<ChildStdin>,
    /// What it writes to its standard error.
    pub log: Arc<WorkerLog>,
    log_reader: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a worker; its events arrive as [`Message`]s marked with `id`.
    ///
    /// # Errors
    /// When the program cannot be run again.
    pub fn spawn(spawn: &Spawn, id: u64, messages: &Sender<Message>) -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::Worker(format!("cannot be started: {e}"));
        let program = match &spawn.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(failed)?,
        };
        let mut child = Command::new(program)
            .arg("worker")
            .arg(format!("--parent={}", std::process::id()))
            .args(&spawn.args)
            .envs(spawn.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C is the parent's to answer.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let log = Arc::new(WorkerLog::default());
        // From here on it ends with this value, if a thread cannot be had.
        let mut worker = Self { id, child, stdin, log: Arc::clone(&log), log_reader: None };
        let threads = || std::thread::Builder::new();
        if let Some(stdout) = stdout {
            let messages = messages.clone();
            let read = move || read_events(stdout, id, &messages);
            threads().spawn(read).map_err(Error::Thread)?;
        }
        if let Some(stderr) = stderr {
            let verbose = spawn.verbose;
            let read = move || log.read(stderr, verbose);
            worker.log_reader = Some(threads().spawn(read).map_err(Error::Thread)?);
        }
        Ok(worker)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request. A worker that is already dead says so through its closed pipe, not here.
    ///
    /// # Errors
    /// When it cannot be written down, as a path that is no text.
    pub fn send(&mut self, request: &Request) -> Result<(), Error> {
        let mut line = serde_json::to_vec(request)
            .map_err(|error| Error::Worker(format!("it cannot be told what to do: {error}")))?;
        line.push(b'\n');
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(&line);
        }
        Ok(())
    }

    /// Asks the worker to free everything and exit; ends it if it takes too long.
    pub fn stop(mut self) {
        // Nothing in it is no text; one that did not hear it is ended.
        let _ = self.send(&Request::Stop);
        self.reap(STOP_GRACE);
    }

    /// Ends the worker now.
    pub fn kill(mut self) {
        self.reap(Duration::ZERO);
    }

    /// How the worker ended, and the last lines of its log. One that is still `alive` (it talks rubbish)
    /// is ended; otherwise it gets a moment to exit by itself, since its pipe closes a little before.
    pub fn post_mortem(mut self, alive: bool) -> (Option<ExitStatus>, Vec<String>) {
        let status = self.reap(if alive { Duration::ZERO } else { Duration::from_secs(2) });
        if let Some(reader) = self.log_reader.take() {
            // A grandchild may hold the pipe open: do not wait for it for ever.
            let deadline = Instant::now() + Duration::from_millis(500);
            while !reader.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        (status, self.log.lines())
    }

    /// Waits for the process up to `grace`, then kills it. `None` if its status cannot be had.
    fn reap(&mut self, grace: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + grace;
        let mut pause = Duration::from_micros(200);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                _ => break,
            }
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.reap(Duration::ZERO);
    }
}

/// Turns lines into events. Anything that is not an event ends the reading: what follows cannot be
/// trusted either.
fn read_events(pipe: impl Read, worker: u64, messages: &Sender<Message>) {
    let mut reader = BufReader::with_capacity(1 << 16, pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut reader).take(MAX_LINE as u64);
        let message = match limited.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => Message::Closed { worker },
            Ok(_) if line.last() != Some(&b'\n') => {
                // Half an event: the worker died while writing, or the line is absurdly long.
                if line.len() < MAX_LINE {
                    Message::Closed { worker }
                } else {
                    rubbish(worker, &line)
                }
            }
            Ok(_) => match serde_json::from_slice::<Event>(&line) {
                Ok(event) => Message::Event { worker, event: Box::new(event) },
                Err(_) => rubbish(worker, &line),
            },
        };
        let last = !matches!(message, Message::Event { .. });
        if messages.send(message).is_err() || last {
            return;
        }
    }
}

fn rubbish(worker: u64, line: &[u8]) -> Message {
    let text = String::from_utf8_lossy(&line[..line.len().min(60)]);
    Message::Rubbish { worker, text: text.trim_end().escape_debug().to_string() }
}
