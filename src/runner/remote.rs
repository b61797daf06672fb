//! RPC servers, looked at before a job depends on them: one that is not there is a row at once, not after a
//! timeout of minutes or a worker's death.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use super::Runner;
use crate::error::Error;
use crate::wire::{Event, Link, Request};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the measuring of a link may take: two seconds or so.
const LIMIT: Duration = Duration::from_secs(30);

/// Why a server cannot be reached; `None` if it accepts connections.
pub(super) fn trouble(endpoint: &str) -> Option<String> {
    let addresses = match endpoint.to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Some(format!("the RPC server {endpoint} cannot be found: {error}")),
    };
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(_) => return None,
            Err(error) => last = Some(error),
        }
    }
    let why = match last.as_ref().map(std::io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => "nobody listens there".to_string(),
        Some(ErrorKind::TimedOut) => format!("no answer within {} s", CONNECT.as_secs()),
        _ => last.map_or_else(|| "it has no address".to_string(), |error| error.to_string()),
    };
    Some(format!("the RPC server {endpoint} cannot be reached: {why}"))
}

impl Runner {
    /// Measures the link to a server in a worker of its own. The inner error says why it cannot be.
    ///
    /// # Errors
    /// When the user ends it, or no worker can be started.
    pub fn link(&mut self, endpoint: &str) -> Result<Result<Link, String>, Error> {
        if let Some(trouble) = trouble(endpoint) {
            return Ok(Err(trouble));
        }
        // A server has one client at a time.
        self.rest();
        let request = Request::Link { endpoint: endpoint.to_string() };
        let answer = self.ask(&request, LIMIT, |event| match event {
            Event::Linked(answer) => Some(answer),
            _ => None,
        })?;
        self.rest();
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_there_is_known_at_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        assert_eq!(trouble(&endpoint), None);
        drop(listener);
        let started = std::time::Instant::now();
        assert!(trouble(&endpoint).unwrap().contains("nobody listens there"));
        assert!(trouble("no such host:50052").unwrap().contains("cannot be found"));
        assert!(trouble("127.0.0.1").unwrap().contains("cannot be found"));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
