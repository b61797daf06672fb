//! A scripted server that speaks `OpenAI`'s API and llama.cpp's: fixed times, counts that are known, and faults on
//! request. It is what a client of servers is tested against, and anybody's calibration. No model, no engine.
//!
//! A token is a word: a prompt has as many as it has words between white space, or ids. A template
//! adds [`MESSAGE_TOKENS`] for each message of a chat, as a real one does.

mod http;
mod reply;
mod script;
mod slots;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub use reply::MESSAGE_TOKENS;
pub use script::{Misdeed, MockScript, Quirk, misdeed};

use http::{Served, Visitor};
use slots::Slots;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

/// What all connections of a server share.
#[derive(Debug)]
struct House {
    script: MockScript,
    slots: Slots,
    /// Requests that have come, of those that produce tokens.
    asked: AtomicU64,
    /// Connections that have come.
    callers: AtomicU64,
}

impl MockServer {
    /// Listens and serves, a thread for each connection. Port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be listened at, or the system gives no thread.
    pub fn start(address: (&str, u16), script: MockScript) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let house = Arc::new(House {
            slots: Slots::new(script.slots),
            script,
            asked: AtomicU64::new(0),
            callers: AtomicU64::new(0),
        });
        let stop = Arc::clone(&ended);
        let accepting = std::thread::Builder::new()
            .name("mock-accept".into())
            .spawn(move || accept(&listener, &house, &stop))?;
        Ok(Self { address, ended, accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Whoever waits for a caller gets one.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, house: &Arc<House>, ended: &AtomicBool) {
    for stream in listener.incoming() {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else {
            // No descriptors left, for one: others may end meanwhile.
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let caller = house.callers.fetch_add(1, Ordering::Relaxed) + 1;
        if house.script.misdeed(Misdeed::Refuse, caller) {
            continue;
        }
        let house = Arc::clone(house);
        // Without a thread the caller sees a connection that ends.
        let _ = std::thread::Builder::new()
            .name("mock-connection".into())
            .spawn(move || converse(stream, &house));
    }
}

/// Answers what comes on a connection, until one side has enough.
fn converse(stream: TcpStream, house: &House) {
    let Ok(mut connection) = Visitor::new(stream) else { return };
    while matches!(reply::answer(&mut connection, house), Ok(Served::Open)) {}
}
