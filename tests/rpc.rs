//! Remote devices on loopback, with llama.cpp's own server and a small model: `lbench rpc-server` on one
//! end, sweeps on the other, and everything that can happen to the server in between.
#![cfg(feature = "llama")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const MODEL: &str = "synth:llama:layers=4,embd=256,ff=512,heads=4,vocab=512,tied:q8_0";

struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    fn start(port: u16) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_lbench"))
            .args(["rpc-server", "-p", &port.to_string(), "-d", "CPU", "-t", "1"])
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

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
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
    command.env("LBENCH_MODELS", folder).stdin(Stdio::null());
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

/// Runs a sweep over a server and the local CPU, does something to the server when a row with it is under
/// way, and returns the rows.
fn disturbed(disturb: impl FnOnce(&mut Server)) -> Vec<Value> {
    use std::io::{BufRead as _, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(port());
    let sets = ["--rpc", &server.endpoint.clone(), "--rpc", "none"];
    // A long generation, so that there is a moment to hit.
    let more = ["-p", "0", "-n", "200", "--max-time", "3", "--timeout", "8", "--progress"];
    let mut child = lbench(folder.path(), &[&sets[..], &more].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let began = lines.by_ref().any(|line| line.unwrap().ends_with("generating"));
    assert!(began, "no row began");
    disturb(&mut server);
    std::thread::spawn(move || lines.count());
    rows(&child.wait_with_output().unwrap())
}

#[test]
fn a_server_that_dies_is_a_row() {
    let rows = disturbed(|server| server.child.kill().unwrap());
    assert_eq!(rows[0]["outcome"], "crashed");
    assert_eq!(rows[0]["trouble"], "remote", "{}", rows[0]);
    assert_eq!(rows[1]["outcome"], "completed");
}

#[test]
fn a_server_that_hangs_is_a_row() {
    let rows = disturbed(|server| server.signal(rustix::process::Signal::STOP));
    assert_eq!((&rows[0]["outcome"], &rows[0]["phase"]), (&"timed_out".into(), &"generate".into()));
    assert_eq!(rows[1]["outcome"], "completed");
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    use std::io::{BufRead as _, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let port = port();
    let mut server = Server::start(port);
    let args =
        ["--rpc", &server.endpoint, "-ngl", "99,3", "-p", "0", "-n", "200", "--max-time", "3"];
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
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
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
