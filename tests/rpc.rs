//! Remote devices on loopback, with llama.cpp's own server and a small model: `lbench rpc-server` on one
//! end, sweeps on the other, and everything that can happen to the server in between.
#![cfg(feature = "llama")]

mod relay;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use relay::Relay;
use rustix::process::{Pid, Resource, Signal};
use serde_json::Value;

const MODEL: &str = "synth:llama:layers=4,embd=256,ff=512,heads=4,vocab=512,tied:q8_0";

/// Hides the machine's own card: what is on the other end of the link is to be the only device.
const NO_CARD: (&str, &str) = ("CUDA_VISIBLE_DEVICES", "");

struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    fn start(port: u16) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_lbench"))
            .args(["rpc-server", "-p", &port.to_string(), "-d", "CPU", "-t", "1"])
            .env(NO_CARD.0, NO_CARD.1)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, endpoint: format!("127.0.0.1:{port}") };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&server.endpoint).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody uses.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn lbench(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command
        .args(["-m", MODEL, "-t", "1", "-o", "json", "--no-roofline", "--no-journal"])
        .args(args);
    command.env("LBENCH_MODELS", folder).env(NO_CARD.0, NO_CARD.1).stdin(Stdio::null());
    command
}

fn rows(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn sets_of_servers_are_an_axis_and_their_links_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Server::start(port()), Server::start(port()));
    let both = format!("{},{}", a.endpoint, b.endpoint);
    let sets = ["--rpc", "none", "--rpc", &a.endpoint, "--rpc", &both];
    let args = [&sets[..], &["-p", "32", "-n", "8", "-r", "2"]].concat();
    let output = lbench(folder.path(), &args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = rows(&output);
    let used: Vec<_> = rows.iter().map(|row| row["backends"].as_str().unwrap()).collect();
    assert_eq!(used, ["CPU", "CPU", "RPC", "RPC", "RPC", "RPC"]);
    let sets: Vec<_> = rows.iter().map(|row| row["rpc_servers"].as_str().unwrap()).collect();
    assert_eq!((sets[0], sets[2], sets[4]), ("none", a.endpoint.as_str(), both.as_str()));
    assert_eq!(rows[0]["rpc_links"].as_array().unwrap().len(), 0);
    let links = rows[4]["rpc_links"].as_array().unwrap();
    assert_eq!(links.len(), 2);
    let link = &links[0];
    assert!(link["round_trip_ns"].as_u64().unwrap() > 0, "{link}");
    assert_eq!(link["protocol"].as_str().unwrap().split('.').count(), 3, "{link}");
    // A token's logits come back: 512 numbers of four bytes.
    let (tg, local) = (&rows[3], &rows[1]);
    assert!(tg["rpc_down_per_token"].as_f64().unwrap() >= 2048.0, "{}", tg["rpc_traffic"]);
    assert!(tg["rpc_up_per_token"].as_f64().unwrap() > 0.0, "{}", tg["rpc_traffic"]);
    assert!((0.0..=1.0).contains(&tg["rpc_share"].as_f64().unwrap()), "{}", tg["rpc_share"]);
    assert_eq!(local["rpc_share"], Value::Null);
    assert!(link["up"].as_f64().unwrap() > 1e6 && link["down"].as_f64().unwrap() > 1e6, "{link}");
}

#[test]
fn a_server_that_is_not_there_is_a_row_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(port());
    let nobody = format!("127.0.0.1:{}", port());
    let sets = ["--rpc", &nobody, "--rpc", &server.endpoint, "--rpc", "none"];
    let args = [&sets[..], &["-p", "32", "-n", "0", "-r", "2"]].concat();
    let started = Instant::now();
    let output = lbench(folder.path(), &args).output().unwrap();
    let rows = rows(&output);
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "completed", "completed"]);
    assert_eq!(rows[0]["trouble"], "remote");
    assert!(rows[0]["cause"].as_str().unwrap().contains("nobody listens there"), "{}", rows[0]);
    assert!(started.elapsed() < Duration::from_mins(1));
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    Stopped,
    Cut,
    Stalled,
}

/// A phase in which a fault strikes: its name in a row, in the progress, and, where it is over in a moment,
/// how many requests for memory come before the one at which the relay holds it until then.
type Phase = (&'static str, &'static str, Option<usize>);

const PHASES: [Phase; 4] = [
    // The link's measuring takes some memory, then the weights do, then the context.
    ("load", "loading", Some(1)),
    ("context", "creating the context", Some(2)),
    ("prompt", "prompt", None),
    ("generate", "generating", None),
];

/// Runs a sweep over a server behind a relay and the local CPU. When the row with the server comes to a
/// phase, the fault strikes. Returns the rows; nothing that lbench started may be left.
fn struck(fault: Fault, (name, shown, hold): Phase) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(port());
    let relay = Relay::start(&server.endpoint, hold);
    // Long runs, so that there is a moment to hit.
    let test = if name == "prompt" { ["-p", "64", "-n", "0"] } else { ["-p", "0", "-n", "64"] };
    let sets = ["--rpc", &relay.endpoint, "--rpc", "none"];
    let timeout = if matches!(fault, Fault::Stopped | Fault::Stalled) { "12" } else { "60" };
    // Repetitions keep the order of the plan: the first row is the one that is struck.
    // The canary would come to the server first, in a phase that is not looked at here.
    let more = ["-r", "15", "--timeout", timeout, "--progress", "--no-canary"];
    let mut child = lbench(folder.path(), &[&sets[..], &test, &more].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let began = lines.by_ref().any(|line| line.unwrap().ends_with(shown));
    assert!(began, "{fault:?}: no row came to {name}");
    std::thread::spawn(move || lines.count());
    if hold.is_some() {
        relay.wait_until_held();
    }
    let workers = children(child.id());
    assert_eq!(workers.len(), 1, "{fault:?} in {name}");
    match fault {
        Fault::Killed => server.child.kill().unwrap(),
        Fault::Stopped => server.signal(Signal::STOP),
        Fault::Cut => relay.cut(),
        Fault::Stalled => relay.stall(),
    }
    if !matches!(fault, Fault::Stalled) {
        relay.release();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{fault:?} in {name}");
    assert!(
        !Path::new(&format!("/proc/{}", workers[0])).exists(),
        "{fault:?} in {name}: an orphan"
    );
    rows(&output)
}

/// Process ids of a process's children.
fn children(parent: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let of_task = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children"));
    let listed = tasks.map(|task| of_task(task.unwrap()).unwrap_or_default());
    listed
        .flat_map(|ids| ids.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// Strikes in every phase, side by side: most of the time is waiting.
fn struck_in_every_phase(fault: Fault, outcome: &str) {
    std::thread::scope(|scope| {
        for phase in PHASES {
            scope.spawn(move || {
                let rows = struck(fault, phase);
                let what = format!("{fault:?} in {}: {}", phase.0, rows[0]);
                assert_eq!(rows[0]["outcome"], outcome, "{what}");
                assert_eq!(rows[0]["phase"], phase.0, "{what}");
                assert_eq!(rows[0]["avg_ns"], Value::Null, "{what}");
                if outcome == "crashed" {
                    assert_eq!(rows[0]["trouble"], "remote", "{what}");
                }
                assert_eq!(rows[1]["outcome"], "completed", "{}", rows[1]);
            });
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_dies_in_any_phase_is_a_row() {
    struck_in_every_phase(Fault::Killed, "crashed");
}

#[test]
#[cfg(target_os = "linux")]
fn a_link_that_is_cut_in_any_phase_is_a_row() {
    struck_in_every_phase(Fault::Cut, "crashed");
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_hangs_in_any_phase_is_a_row() {
    struck_in_every_phase(Fault::Stopped, "timed_out");
}

#[test]
#[cfg(target_os = "linux")]
fn a_link_that_swallows_everything_in_any_phase_is_a_row() {
    struck_in_every_phase(Fault::Stalled, "timed_out");
}

#[test]
fn a_server_that_does_not_answer_is_given_up_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let (stopped, other) = (Server::start(port()), Server::start(port()));
    stopped.signal(Signal::STOP);
    let both = format!("{},{}", other.endpoint, stopped.endpoint);
    let sets = ["--rpc", &stopped.endpoint, "--rpc", &both, "--rpc", &other.endpoint];
    let args = [&sets[..], &["-p", "32", "-n", "0", "-r", "2"]].concat();
    let output = lbench(folder.path(), &args).output().unwrap();
    let rows = rows(&output);
    for row in &rows[..2] {
        assert_eq!((&row["outcome"], &row["trouble"]), (&"failed".into(), &"remote".into()));
        // It does not greet, or, with its queue full, does not even accept any more.
        assert!(row["cause"].as_str().unwrap().contains(&stopped.endpoint), "{row}");
    }
    assert_eq!(rows[2]["outcome"], "completed");
}

#[test]
fn a_server_that_hangs_does_not_hold_up_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(port());
    let args = ["--rpc", &server.endpoint, "-p", "64,128,256", "-n", "0", "--max-time", "20"];
    let more = ["--interleave=1", "--timeout", "5", "--progress"];
    let mut child = lbench(folder.path(), &[&args[..], &more].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().ends_with("prompt")));
    server.signal(Signal::STOP);
    std::thread::spawn(move || lines.count());
    let rows = rows(&child.wait_with_output().unwrap());
    let mut outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["failed", "failed", "timed_out"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_is_full_is_a_row_and_serves_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(port());
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
    let used: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    // Room for the model and a short context, not for the larger one, nor for a long context.
    let limit = Some((used << 10) + (48 << 20));
    let limit = rustix::process::Rlimit { current: limit, maximum: limit };
    rustix::process::prlimit(Some(server.pid()), Resource::As, limit).unwrap();
    let large = "synth:llama:layers=8,embd=768,ff=2048,heads=6,vocab=512,tied:q8_0";
    let mut command = lbench(folder.path(), &["--rpc", &server.endpoint, "-r", "2"]);
    let output =
        command.args(["-m", large, "-d", "0,40000", "-p", "8", "-n", "0"]).output().unwrap();
    let rows = rows(&output);
    let of = |model: &str, depth: u64| {
        let layers = if model == large { 8 } else { 4 };
        let wanted = |row: &&Value| row["model_n_layers"] == layers && row["n_depth"] == depth;
        rows.iter().find(wanted).unwrap()
    };
    assert_eq!(of(MODEL, 0)["outcome"], "completed", "{}", of(MODEL, 0));
    let (context, load) = (of(MODEL, 40000), of(large, 0));
    assert_eq!((&context["outcome"], &context["phase"]), (&"failed".into(), &"context".into()));
    assert_eq!((&load["outcome"], &load["phase"]), (&"failed".into(), &"load".into()));
    for row in [context, load] {
        assert_eq!(row["trouble"], "device_memory", "{row}");
        assert!(row["cause"].as_str().unwrap().contains("RPC0"), "{row}");
    }
    // What needs still more of it is not tried.
    assert_eq!(of(large, 40000)["outcome"], "skipped");
}

#[test]
fn a_slow_link_is_measured_and_explains_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(port());
    let relay = Relay::start(&server.endpoint, None);
    let delay = Duration::from_millis(5);
    relay.slow(delay);
    let sets = ["--rpc", &relay.endpoint, "--rpc", "none"];
    let args = [&sets[..], &["-p", "32", "-n", "8", "-r", "2"]].concat();
    let output = lbench(folder.path(), &args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = rows(&output);
    // A sleep is never too short, so these bounds hold on a busy machine as well.
    let trip = 2.0 * delay.as_secs_f64();
    let link = &rows[0]["rpc_links"][0];
    assert!(link["round_trip_ns"].as_f64().unwrap() >= trip * 1e9, "{link}");
    let most = 65536.0 / delay.as_secs_f64() * 1.1;
    assert!(link["up"].as_f64().unwrap() < most && link["down"].as_f64().unwrap() < most, "{link}");
    let (slow, fast) = (&rows[1], &rows[3]);
    assert!(slow["avg_ts"].as_f64().unwrap() <= 1.0 / trip, "{slow}");
    assert!(slow["avg_ts"].as_f64() < fast["avg_ts"].as_f64());
    assert!(slow["rpc_share"].as_f64().unwrap() > 0.3, "{}", slow["rpc_share"]);
    assert_eq!(fast["rpc_share"], Value::Null);
}

/// Somebody who listens, answers the greeting with these bytes, and says no more.
fn impostor(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            std::thread::spawn(move || {
                let mut rest = [0; 64];
                let _ = stream.read(&mut rest);
                let _ = stream.write_all(&answer);
                while stream.read(&mut rest).is_ok_and(|length| length > 0) {}
            });
        }
    });
    endpoint
}

#[test]
fn a_server_of_another_version_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut answer = 28_u64.to_le_bytes().to_vec();
    answer.extend([6, 1, 2]);
    answer.resize(36, 0);
    let (other, page) = (impostor(answer), impostor(b"HTTP/1.1 400 Bad Request\r\n".to_vec()));
    let sets = ["--rpc", &other, "--rpc", &page, "--rpc", "none"];
    let args = [&sets[..], &["-p", "32", "-n", "0", "-r", "2"]].concat();
    let output = lbench(folder.path(), &args).output().unwrap();
    let rows = rows(&output);
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "failed", "completed"]);
    for (row, words) in rows.iter().zip(["speaks version 6.1.2", "answers with something else"]) {
        assert_eq!(row["trouble"], "remote");
        assert!(row["cause"].as_str().unwrap().contains(words), "{row}");
    }
    let told = rows[0]["rpc_links"][0]["cause"].as_str().unwrap();
    assert!(told.contains("speaks version 6.1.2"), "{told}");
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let port = port();
    let mut server = Server::start(port);
    let args = ["--rpc", &server.endpoint, "-ngl", "99,3", "-p", "0", "-n", "200", "-r", "5"];
    let mut child = lbench(folder.path(), &[&args[..], &["--progress"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().ends_with("generating")));
    // Its place is taken before the next load looks for it: the kill and the new listener are one step
    // for lbench, which has to notice the death first.
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let _second = Server::start(port);
    std::thread::spawn(move || lines.count());
    let rows = rows(&child.wait_with_output().unwrap());
    assert_eq!(rows[0]["outcome"], "crashed");
    // Either it was back in time, or it was found missing at once; never a hang or a lost row.
    let second = &rows[1];
    let expected = if second["outcome"] == "completed" { Value::Null } else { "remote".into() };
    assert_eq!(second["trouble"], expected, "{second}");
}

#[test]
fn a_server_ends_when_it_is_told_to() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut server = Server::start(port());
        server.signal(signal);
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_port_in_use_and_an_open_door_are_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    let output = command.args(["rpc-server", "-H", "0.0.0.0", "-p", &port]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("trusted networks only"), "{told}");
    assert!(told.contains(&format!("0.0.0.0:{port}")), "{told}");
}
