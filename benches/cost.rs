//! What measuring costs: prints figures, asserts nothing. Run with `make bench`.
//!
//! Everything runs the real binary with the scripted engine, whose clock is virtual: what takes real
//! time is lbench.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn lbench(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Median wall time of a few runs, after one that is not counted.
fn median(args: &[&str], runs: usize) -> Duration {
    let mut times: Vec<_> = (0..=runs)
        .map(|_| {
            let start = Instant::now();
            let status = lbench(args).status().expect("lbench runs");
            assert!(status.success(), "{args:?}");
            start.elapsed()
        })
        .skip(1)
        .collect();
    times.sort();
    times[runs / 2]
}

/// CPU time of the parent alone, while its worker measures in real time.
fn parent_cpu(seconds: u64) -> Option<f64> {
    let script = r#"--scripted={"real_time":true,"step_rate":100}"#;
    let tokens = (seconds * 100).to_string();
    let args = [script, "-p", "0", "-n", &tokens, "-r", "2", "--no-warmup"];
    let mut child = lbench(&args).spawn().ok()?;
    let cpu = |pid: u32| -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>().ok()? + fields[12].parse::<f64>().ok()?;
        Some(ticks / 100.0)
    };
    std::thread::sleep(Duration::from_millis(500));
    let before = cpu(child.id())?;
    std::thread::sleep(Duration::from_secs(seconds));
    let after = cpu(child.id())?;
    child.wait().ok()?;
    #[allow(clippy::cast_precision_loss)]
    Some((after - before) / seconds as f64)
}

fn main() {
    // `cargo test --benches` and nextest only ask whether it runs.
    if std::env::args().any(|arg| arg == "--list" || arg == "--test") {
        return;
    }
    let few = ["--scripted={}", "-p", "0", "-n", "1000", "-r", "1", "--no-warmup", "-o", "json"];
    let many =
        ["--scripted={}", "-p", "0", "-n", "1000000", "-r", "1", "--no-warmup", "-o", "json"];
    let per_token = (median(&many, 5).as_secs_f64() - median(&few, 5).as_secs_f64()) / 999_000.0;
    println!(
        "per generated token, loop, sample keeping, protocol and JSON: {:.0} ns",
        per_token * 1e9
    );

    println!("lbench --help: {:.1} ms", median(&["--help"], 20).as_secs_f64() * 1e3);

    let dry = ["--scripted={}", "-p", "64", "-n", "0", "-b", "1-100", "-ub", "1-100", "--dry-run"];
    println!("--dry-run of 10,000 jobs: {:.1} ms", median(&dry, 10).as_secs_f64() * 1e3);

    let what = "parent's CPU while a worker measures";
    if let Some(share) = parent_cpu(5) {
        println!("{what}: {:.2} % of a core", share * 100.0);
    } else {
        println!("{what}: cannot be read on this system");
    }
}
