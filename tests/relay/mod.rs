//! A TCP relay that stands between lbench and an RPC server, and is as bad as a network can be: slow, cut,
//! or silent. It knows enough of the protocol to hold a connection at a given command.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The command that asks a server for memory.
const ALLOC_BUFFER: u8 = 0;

#[derive(Default)]
struct State {
    delay: Duration,
    /// Requests for memory that get through before one is held; no limit if not given.
    allocations: Option<usize>,
    held: bool,
    stalled: bool,
    cut: bool,
    streams: Vec<TcpStream>,
}

pub struct Relay {
    pub endpoint: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Relay {
    /// Relays to `target` from a port of its own, and holds what comes after so many requests for memory.
    pub fn start(target: &str, allocations: Option<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared::default());
        shared.state.lock().unwrap().allocations = allocations;
        let (ours, target) = (Arc::clone(&shared), target.to_string());
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let mut state = ours.state.lock().unwrap();
                if state.cut {
                    return;
                }
                // A server that is gone is a connection that ends at once.
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(&target)) else { continue };
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                state.streams.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                let ends = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let (up, down) = (Arc::clone(&ours), Arc::clone(&ours));
                std::thread::spawn(move || up.pump(near, far, true));
                std::thread::spawn(move || down.pump(ends.1, ends.0, false));
            }
        });
        Self { endpoint, shared }
    }

    /// Every chunk of at most 64 KiB takes so long from now on, each way.
    pub fn slow(&self, delay: Duration) {
        self.shared.state.lock().unwrap().delay = delay;
    }

    /// Nothing gets through any more, and nobody is told.
    pub fn stall(&self) {
        self.shared.state.lock().unwrap().stalled = true;
    }

    /// Closes every connection; nobody listens here any more.
    pub fn cut(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.cut = true;
        for stream in state.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        // The listener wakes up once more, and ends.
        let _ = TcpStream::connect(&self.endpoint);
        self.release();
    }

    /// Waits until the connection is held.
    pub fn wait_until_held(&self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut state = self.shared.state.lock().unwrap();
        while !state.held {
            assert!(Instant::now() < deadline, "no connection is held");
            state = self.shared.changed.wait_timeout(state, Duration::from_secs(1)).unwrap().0;
        }
    }

    /// Lets a connection go on that is held.
    pub fn release(&self) {
        self.shared.state.lock().unwrap().allocations = None;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Moves bytes one way, which are `commands` or answers.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, commands: bool) {
        let mut parser = Commands::default();
        let mut chunk = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            let delay = self.state.lock().unwrap().delay;
            std::thread::sleep(delay);
            let chunk = &chunk[..length];
            let holds = if commands { parser.allocations(chunk) } else { Vec::new() };
            let mut sent = 0;
            for at in holds {
                let _ = to.write_all(&chunk[sent..at]);
                sent = at;
                self.pass();
            }
            while self.state.lock().unwrap().stalled {
                std::thread::sleep(Duration::from_secs(1));
            }
            if to.write_all(&chunk[sent..]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    /// Lets a request for memory through, or holds it.
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        if let Some(left @ 1..) = &mut state.allocations {
            *left -= 1;
        } else if state.allocations == Some(0) {
            state.held = true;
            self.changed.notify_all();
            drop(self.changed.wait_while(state, |state| state.allocations.is_some()).unwrap());
        }
    }
}

/// Where the commands of a connection begin: a byte that names it, eight that say how much follows.
#[derive(Default)]
struct Commands {
    head: Vec<u8>,
    left: usize,
}

impl Commands {
    /// Where in the next chunk requests for memory begin.
    fn allocations(&mut self, chunk: &[u8]) -> Vec<usize> {
        let (mut at, mut found) = (0, Vec::new());
        while at < chunk.len() {
            if self.left > 0 {
                let step = self.left.min(chunk.len() - at);
                self.left -= step;
                at += step;
                continue;
            }
            if self.head.is_empty() && chunk[at] == ALLOC_BUFFER {
                found.push(at);
            }
            self.head.push(chunk[at]);
            at += 1;
            if self.head.len() == 9 {
                let length = u64::from_le_bytes(self.head[1..].try_into().unwrap());
                self.left = usize::try_from(length).unwrap();
                self.head.clear();
            }
        }
        found
    }
}
