//! A stand-in for the hub: a server with a repository, another one that its files are on, and a part to play
//! for each answer.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// The commit that the repository is at.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// How an answer comes out.
#[derive(Debug, Clone, Copy)]
pub enum Play {
    /// This many bytes of it, then the end of the connection.
    Cut(usize),
    /// This many bytes of it, then silence.
    Stall(usize),
    /// As if nobody had heard of ranges.
    NoRanges,
    /// Other bytes.
    Wrong,
    /// Another status, with the hub's name for the reason.
    Status(u16, &'static str),
    /// A redirect to itself.
    Loop,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Whether it came to the hub, not to the host of the contents.
    pub at_hub: bool,
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.clone())
    }
}

#[derive(Default)]
struct State {
    files: Vec<(String, Vec<u8>)>,
    asked: Vec<Asked>,
    hub_plays: VecDeque<Play>,
    cdn_plays: VecDeque<Play>,
}

/// Both servers.
pub struct Standin {
    state: Arc<Mutex<State>>,
    hub: u16,
    cdn: u16,
}

impl Standin {
    pub fn start(files: &[(&str, Vec<u8>)]) -> Self {
        let files = files.iter().map(|(name, bytes)| (name.to_string(), bytes.clone())).collect();
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
        let cdn = serve(Arc::clone(&state), None);
        let hub = serve(Arc::clone(&state), Some(cdn));
        Self { state, hub, cdn }
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.host())
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.hub)
    }

    pub fn cdn(&self) -> String {
        format!("127.0.0.1:{}", self.cdn)
    }

    /// How the next answers with contents come out.
    pub fn play<const N: usize>(&self, plays: [Play; N]) {
        self.state.lock().unwrap().cdn_plays = plays.into();
    }

    /// How the hub's next answers come out.
    pub fn play_at_hub<const N: usize>(&self, plays: [Play; N]) {
        self.state.lock().unwrap().hub_plays = plays.into();
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }
}

/// Serves at a port of its own until the test is over; `cdn` is where the hub sends its callers.
fn serve(state: Arc<Mutex<State>>, cdn: Option<u16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = Arc::clone(&state);
            std::thread::spawn(move || answer(&stream, &state, cdn));
        }
    });
    port
}

fn answer(stream: &TcpStream, state: &Mutex<State>, cdn: Option<u16>) {
    let Some(asked) = read(stream, cdn.is_some()) else { return };
    let (play, files) = {
        let mut state = state.lock().unwrap();
        state.asked.push(asked.clone());
        let plays = if cdn.is_some() { &mut state.hub_plays } else { &mut state.cdn_plays };
        (plays.pop_front(), state.files.clone())
    };
    match (play, cdn) {
        (Some(Play::Status(status, code)), _) => {
            let code =
                if code.is_empty() { vec![] } else { vec![("X-Error-Code", code.to_string())] };
            head(stream, status, &code, 0);
        }
        (Some(Play::Loop), _) => head(stream, 302, &[("Location", asked.path)], 0),
        (_, Some(cdn)) => hub(stream, &asked, &files, cdn),
        (play, None) => contents(stream, &asked, &files, play),
    }
}

fn read(stream: &TcpStream, at_hub: bool) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ').map(str::to_string);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_string()));
    }
    Some(Asked { at_hub, method, path, headers })
}

fn head(mut stream: &TcpStream, status: u16, headers: &[(&str, String)], length: usize) {
    let lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = lines.concat();
    let text = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // A caller that has hung up is no trouble of the test.
    let _ = stream.write_all(text.as_bytes());
}

/// The repository `user/model`.
fn hub(mut stream: &TcpStream, asked: &Asked, files: &[(String, Vec<u8>)], cdn: u16) {
    if asked.path == "/api/models/user/model/revision/main" {
        let siblings: Vec<_> =
            files.iter().map(|(name, _)| serde_json::json!({"rfilename": name})).collect();
        let text = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
        head(stream, 200, &[], text.len());
        let _ = stream.write_all(text.as_bytes());
        return;
    }
    let name = asked.path.strip_prefix(&format!("/user/model/resolve/{COMMIT}/"));
    let Some((name, bytes)) = files.iter().find(|(file, _)| Some(file.as_str()) == name) else {
        return head(stream, 404, &[("X-Error-Code", "RepoNotFound".into())], 0);
    };
    let headers = [
        ("Location", format!("http://127.0.0.1:{cdn}/contents/{name}")),
        ("X-Linked-Etag", format!("\"{}\"", sha256(bytes))),
        ("X-Linked-Size", bytes.len().to_string()),
        ("X-Repo-Commit", COMMIT.into()),
    ];
    head(stream, 302, &headers, 0);
}

/// The host of the contents.
fn contents(
    mut stream: &TcpStream,
    asked: &Asked,
    files: &[(String, Vec<u8>)],
    play: Option<Play>,
) {
    let name = asked.path.strip_prefix("/contents/");
    let Some((_, bytes)) = files.iter().find(|(file, _)| Some(file.as_str()) == name) else {
        return head(stream, 404, &[], 0);
    };
    let range = asked.header("range").filter(|_| !matches!(play, Some(Play::NoRanges)));
    let from = range.map(|range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap());
    let mut bytes = bytes.clone();
    if matches!(play, Some(Play::Wrong)) {
        bytes.reverse();
    }
    let rest = &bytes[from.unwrap_or(0)..];
    let of = |from| format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
    match from {
        Some(from) => head(stream, 206, &[("Content-Range", of(from))], rest.len()),
        None => head(stream, 200, &[], rest.len()),
    }
    let some = match play {
        Some(Play::Cut(some) | Play::Stall(some)) => some.min(rest.len()),
        _ => rest.len(),
    };
    let _ = stream.write_all(&rest[..some]);
    if matches!(play, Some(Play::Stall(_))) {
        // Longer than anybody in a test waits.
        std::thread::sleep(Duration::from_mins(10));
    }
}

/// In hex.
pub fn sha256(bytes: &[u8]) -> String {
    let digits: Vec<_> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// A GGUF file with one tensor of so many numbers, whole or part `n`, from 0, of so many.
pub fn gguf(part: Option<(u32, u32)>, numbers: usize) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let number = |name: &str, value: u32| {
        [text(name), 4_u32.to_le_bytes().into(), value.to_le_bytes().into()].concat()
    };
    let mut pairs =
        vec![[text("general.architecture"), 8_u32.to_le_bytes().into(), text("llama")].concat()];
    pairs.push(number("llama.block_count", 2));
    if let Some((n, count)) = part {
        pairs.push(number("split.no", n));
        pairs.push(number("split.count", count));
        pairs.push(number("split.tensors.count", count));
    }
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend((pairs.len() as u64).to_le_bytes());
    bytes.extend(pairs.concat());
    // One dimension, eight-bit integers, at the beginning of the data.
    bytes.extend(text(&format!("tensor{}", part.map_or(0, |(n, _)| n))));
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend((numbers as u64).to_le_bytes());
    bytes.extend(24_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    bytes.extend((0..=250).cycle().take(numbers));
    bytes
}
