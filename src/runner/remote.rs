//! RPC servers, looked at before a job depends on them: one that is not there is a row at once, not after a
//! timeout of minutes or a worker's death.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use super::Runner;
use crate::error::Error;
use crate::machine::Link;
use crate::wire::{Event, Question};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long it may take to greet: one that computes for a client that is gone does not notice at once.
const GREETING: Duration = Duration::from_secs(5);
/// The same for a server that has been silent before.
const SHORT_GREETING: Duration = Duration::from_secs(1);
/// How long the measuring of a link may take: two seconds or so.
const LIMIT: Duration = Duration::from_secs(30);
/// The command that begins every connection: the one part of the protocol that stays as it is.
const HELLO: u8 = 14;
/// Bytes of what the client says of itself with it. None of it need be said.
const HELLO_BYTES: u8 = 24;
/// Bytes of its answer: three numbers of a version, one that means nothing, and what the server can do.
const ANSWER_BYTES: u64 = 4 + HELLO_BYTES as u64;
/// What the engine says last where it does not speak a server's version.
const REFUSED: &str = "RPC handshake failed";

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Protocol([u8; 3]);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// What is known about servers so far.
#[derive(Debug, Default)]
pub(super) struct Servers {
    /// Versions that the engine refused to speak.
    refused: BTreeSet<Protocol>,
    /// Those that accepted a connection and said nothing.
    silent: BTreeSet<String>,
}

impl Servers {
    /// Why a server cannot be used; `None` if it greets in a version that the engine may know.
    pub(super) fn trouble(&mut self, endpoint: &str) -> Option<String> {
        self.greet(endpoint).err()
    }

    /// Exchanges greetings with a server: the version it speaks, or why it cannot be used.
    fn greet(&mut self, endpoint: &str) -> Result<Protocol, String> {
        let mut stream = connect(endpoint)?;
        let patience = if self.silent.contains(endpoint) { SHORT_GREETING } else { GREETING };
        let protocol = match hello(&mut stream, Instant::now() + patience) {
            Ok(protocol) => protocol,
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                        self.silent.insert(endpoint.to_string());
                        format!(
                            "accepts connections and does not answer within {} s: it is stopped, or busy \
                             with another client",
                            patience.as_secs()
                        )
                    }
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                        "closes the connection at the greeting: it is no RPC server, or one of another \
                         version"
                            .to_string()
                    }
                    ErrorKind::InvalidData => format!("is of no use: {error}"),
                    _ => format!("cannot be talked to: {error}"),
                };
                return Err(format!("the RPC server {endpoint} {why}"));
            }
        };
        self.silent.remove(endpoint);
        if self.refused.contains(&protocol) {
            Err(mismatch(endpoint, protocol))
        } else {
            Ok(protocol)
        }
    }
}

fn mismatch(endpoint: &str, protocol: Protocol) -> String {
    format!(
        "the RPC server {endpoint} speaks version {protocol} of the protocol, which this llama.cpp does not: \
         use a server of the same version of llama.cpp"
    )
}

fn connect(endpoint: &str) -> Result<TcpStream, String> {
    let addresses = endpoint
        .to_socket_addrs()
        .map_err(|error| format!("the RPC server {endpoint} cannot be found: {error}"))?;
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    let why = match last.as_ref().map(io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => "nobody listens there".to_string(),
        Some(ErrorKind::TimedOut) => format!("no answer within {} s", CONNECT.as_secs()),
        _ => last.map_or_else(|| "it has no address".to_string(), |error| error.to_string()),
    };
    Err(format!("the RPC server {endpoint} cannot be reached: {why}"))
}

/// Says hello and reads which version answers.
fn hello(stream: &mut TcpStream, deadline: Instant) -> io::Result<Protocol> {
    let mut request = vec![HELLO];
    request.extend(u64::from(HELLO_BYTES).to_le_bytes());
    request.resize(request.len() + usize::from(HELLO_BYTES), 0);
    stream.set_write_timeout(Some(CONNECT))?;
    stream.write_all(&request)?;
    let mut length = [0; 8];
    read(stream, &mut length, deadline)?;
    match u64::from_le_bytes(length) {
        ANSWER_BYTES => {}
        // In old versions, it was the version and nothing else.
        3 => {
            let mut old = [0; 3];
            read(stream, &mut old, deadline)?;
            let why = format!("it speaks the old version {} of the protocol", Protocol(old));
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        _ => return Err(io::Error::new(ErrorKind::InvalidData, "it answers with something else")),
    }
    let mut version = [0; 3];
    read(stream, &mut version, deadline)?;
    Ok(Protocol(version))
}

/// Fills a buffer before a deadline, however the bytes trickle in.
fn read(stream: &mut TcpStream, mut buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    while !buffer.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => buffer = &mut buffer[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Runner {
    /// Measures the link to a server in a worker of its own. The inner error says why it cannot be.
    ///
    /// # Errors
    /// When the user ends it, or no worker can be started.
    pub fn link(&mut self, endpoint: &str) -> Result<Result<Link, String>, Error> {
        // A server has one client at a time.
        self.keeper.stop();
        let protocol = match self.servers.greet(endpoint) {
            Ok(protocol) => protocol,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let question = Question::Link { endpoint: endpoint.to_string() };
        let answer = self.keeper.ask(&question, LIMIT, |event| match event {
            Event::Linked(answer) => Some(answer),
            _ => None,
        })?;
        self.keeper.stop();
        Ok(match answer {
            Ok(link) => Ok(Link { protocol: Some(protocol.to_string()), ..link }),
            Err(why) if why.contains(REFUSED) => {
                self.servers.refused.insert(protocol);
                Err(mismatch(endpoint, protocol))
            }
            Err(why) => Err(why),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers the greeting with these bytes, and then waits for what comes.
    fn server(answer: Vec<u8>) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 33];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(&answer).unwrap();
            let _ = stream.read(&mut request);
        });
        endpoint
    }

    fn answer(version: [u8; 3]) -> Vec<u8> {
        let mut bytes = 28_u64.to_le_bytes().to_vec();
        bytes.extend(version);
        bytes.resize(36, 0);
        bytes
    }

    #[test]
    fn a_greeting_tells_the_version() {
        let mut servers = Servers::default();
        let greeted = servers.greet(&server(answer([7, 0, 1])));
        assert_eq!(greeted, Ok(Protocol([7, 0, 1])));
        servers.refused.insert(Protocol([7, 0, 1]));
        assert!(servers.trouble(&server(answer([7, 0, 1]))).unwrap().contains("version 7.0.1"));
        assert_eq!(servers.trouble(&server(answer([7, 0, 0]))), None);
    }

    #[test]
    fn who_is_no_server_of_this_kind_is_known_by_its_greeting() {
        let mut servers = Servers::default();
        let mut old = 3_u64.to_le_bytes().to_vec();
        old.extend([2, 0, 0]);
        assert!(servers.trouble(&server(old)).unwrap().contains("old version 2.0.0"));
        let page = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
        assert!(servers.trouble(&server(page)).unwrap().contains("something else"));
    }

    #[test]
    fn a_server_that_is_not_there_is_known_at_once() {
        let mut servers = Servers::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        // It listens and never answers; the second time, this is known.
        assert!(servers.trouble(&endpoint).unwrap().contains("within 5 s"));
        assert!(servers.trouble(&endpoint).unwrap().contains("within 1 s"));
        drop(listener);
        assert!(servers.trouble(&endpoint).unwrap().contains("nobody listens there"));
        assert!(servers.trouble("no such host:50052").unwrap().contains("cannot be found"));
        assert!(servers.trouble("127.0.0.1").unwrap().contains("cannot be found"));
    }
}
