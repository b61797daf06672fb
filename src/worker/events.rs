//! The pipe that events go up.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

use crate::wire::Event;

/// Writes events, one JSON line each, in one system call each. Clones write to the same pipe.
#[derive(Debug, Clone)]
pub struct Events(Arc<Mutex<File>>);

impl Events {
    /// Events that go into a file.
    pub fn into(file: File) -> Self {
        Self(Arc::new(Mutex::new(file)))
    }

    /// Takes standard output for events, and points the descriptor that libraries print to at standard
    /// error, so that nothing but events can reach the parent.
    ///
    /// # Errors
    /// When the descriptors cannot be duplicated.
    pub fn claim_stdout() -> io::Result<Self> {
        let pipe = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Self(Arc::new(Mutex::new(File::from(pipe)))))
    }

    /// Sends an event. A parent that no longer listens ends the worker: there is nobody to measure for.
    pub fn send(&self, event: &Event) {
        let Ok(mut line) = serde_json::to_vec(event) else {
            // Events are plain data; this cannot happen, and silence would hang the parent.
            std::process::abort();
        };
        line.push(b'\n');
        self.send_raw(&line);
    }

    /// Sends bytes as they are: the scripted engine's way to break the protocol on purpose.
    pub fn send_raw(&self, bytes: &[u8]) {
        let Ok(mut pipe) = self.0.lock() else { std::process::abort() };
        if pipe.write_all(bytes).is_err() {
            std::process::exit(0);
        }
    }
}
