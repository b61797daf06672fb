//! HTTP/1.1 as far as a scripted server needs it: heads, bodies of a known length, and replies in chunks.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// Longest head and longest body that are taken, in bytes.
const HEAD: u64 = 64 << 10;
const BODY: usize = 64 << 20;

/// Whether a connection takes a further request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    Open,
    Ended,
}

/// Call of a client: a request with its body.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    /// The client wants no further request on this connection.
    pub(super) last: bool,
}

/// A client's connection.
pub(super) struct Visitor {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl Visitor {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { writer: stream.try_clone()?, reader: BufReader::new(stream) })
    }

    /// The next request; `None` when the client has gone.
    pub(super) fn call(&mut self) -> io::Result<Option<Call>> {
        let mut head = (&mut self.reader).take(HEAD);
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(bad("no request line"));
        };
        let (method, path) = (method.to_string(), path.to_string());
        let mut last = words.next() == Some("HTTP/1.0");
        let (mut length, mut expects) = (0, false);
        loop {
            let mut line = String::new();
            if head.read_line(&mut line)? == 0 {
                return Err(bad("the head does not end"));
            }
            let Some((name, value)) = line.split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().map_err(|_| bad("no length"))?,
                "connection" => last |= value.eq_ignore_ascii_case("close"),
                "transfer-encoding" => return Err(bad("a body in chunks")),
                "expect" => expects = true,
                _ => {}
            }
        }
        if length > BODY {
            return Err(bad("the body is too long"));
        }
        if expects {
            self.writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        Ok(Some(Call { method, path, body, last }))
    }

    /// A whole reply.
    pub(super) fn whole(
        &mut self,
        status: &str,
        kind: &str,
        more: &str,
        body: &[u8],
    ) -> io::Result<()> {
        let mut reply = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{more}\r\n",
            body.len()
        )
        .into_bytes();
        reply.extend_from_slice(body);
        self.writer.write_all(&reply)
    }

    /// Head of a stream of events.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.writer.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\
              Connection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\n\r\n",
        )
    }

    /// A chunk of a stream, in one write; or in two, the second a little later, where `split` says.
    pub(super) fn chunk(&mut self, data: &[u8], split: Option<usize>) -> io::Result<()> {
        let mut framed = format!("{:x}\r\n", data.len()).into_bytes();
        let start = framed.len();
        framed.extend_from_slice(data);
        framed.extend_from_slice(b"\r\n");
        let (now, later) = framed.split_at(split.map_or(framed.len(), |at| start + at));
        self.writer.write_all(now)?;
        if !later.is_empty() {
            // Time enough that it is another segment and another read.
            std::thread::sleep(std::time::Duration::from_micros(500));
            self.writer.write_all(later)?;
        }
        Ok(())
    }

    /// End of a stream.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.writer.write_all(b"0\r\n\r\n")
    }

    /// Ends the connection without a word; inside of a stream that is a reply that breaks off.
    pub(super) fn cut(&self) {
        let _ = self.writer.shutdown(std::net::Shutdown::Both);
    }

    /// Waits until the client has gone.
    pub(super) fn hang(&mut self) {
        let mut void = [0; 1024];
        while matches!(self.reader.read(&mut void), Ok(n) if n > 0) {}
    }
}
