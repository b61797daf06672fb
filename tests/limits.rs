//! Limits of the system on what is measured, of a machine made of files: threads on too few CPUs, memory of control
//! groups and addresses.
#![cfg(target_os = "linux")]

mod place;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use place::{rows, stderr};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// A machine with eight CPUs and 32 GiB.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.write("sys/devices/system/cpu/online", "0-7\n");
        machine.write("proc/self/status", "Cpus_allowed_list:\t0-7\n");
        machine.write("proc/meminfo", "MemTotal: 33554432 kB\nMemAvailable: 20000000 kB\n");
        machine
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A control group with a limit, and what is taken of it.
    fn group(&self, limit: u64, used: u64) {
        self.write("proc/self/cgroup", "0::/outer/inner\n");
        self.write(
            "proc/self/mountinfo",
            "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n",
        );
        self.write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
        self.write("sys/fs/cgroup/outer/memory.max", &format!("{limit}\n"));
        self.write("sys/fs/cgroup/outer/memory.current", &format!("{used}\n"));
        self.write("sys/fs/cgroup/outer/memory.events", "oom 0\noom_kill 0\n");
    }

    fn script(&self, rules: &Value) -> String {
        format!("--scripted={}", json!({"machine": self.0.path(), "rules": rules}))
    }

    fn lbench(&self, rules: &Value, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.arg(self.script(rules)).args(args).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.lbench(&json!([]), args).output().unwrap()
    }

    /// The same without the machine's folder.
    fn bare(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "")
    }
}

const QUICK: [&str; 6] = ["-p", "64", "-n", "0", "-r", "1"];

fn json_of(machine: &Machine, args: &[&str]) -> Vec<Value> {
    rows(&machine.run(&[&QUICK[..], args, &["-o", "json"]].concat()))
}

#[test]
fn more_threads_than_cpus_is_said_in_the_row() {
    let machine = Machine::new();
    let warnings = |args: &[&str]| {
        let rows = json_of(&machine, args);
        let texts = rows.iter().map(|row| row["warnings"].as_array().unwrap().clone());
        let text = |texts: Vec<Value>| {
            let texts = texts.iter().map(|text| text.as_str().unwrap().to_string());
            texts.collect::<Vec<_>>().join(" | ")
        };
        texts.map(text).collect::<Vec<_>>()
    };
    let mut lines = warnings(&["-t", "8,9"]);
    lines.extend(warnings(&["-t", "2", "-C", "0x2,0x3,0x101", "--cpu-strict", "1"]));
    machine.write("proc/self/status", "Cpus_allowed_list:\t4\n");
    lines.extend(warnings(&["-t", "1,2"]));
    machine.group(1 << 40, 0);
    machine.write("sys/fs/cgroup/outer/cpu.max", "50000 100000\n");
    lines.extend(warnings(&["-t", "1"]));
    insta::assert_snapshot!(lines.join("\n"));
    // In the notes of the table, and the quota in its last line.
    let output = machine.run(&[&QUICK[..], &["-t", "2"]].concat());
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("- [1] 2 threads where its control group"), "{table}");
    assert!(table.contains("the time of 0.5 CPUs"), "{table}");
    assert_eq!(json_of(&machine, &[])[0]["cpu_quota"], 0.5);
}

#[test]
fn a_limit_on_memory_is_the_memory_there_is() {
    let machine = Machine::new();
    machine.group(120 * MIB, 100 * MIB);
    // Fewer threads than the machine of the story has: what is said of them would come first.
    let model = ["-m", "synth:llama-135m:q4_0", "-t", "2"];
    let rows = json_of(&machine, &model);
    assert_eq!(rows[0]["memory_total"], 120 * MIB);
    let warning = rows[0]["warnings"][0].as_str().unwrap();
    let left =
        "20.00 MiB is left within the control group's limit of 120.00 MiB (/sys/fs/cgroup/outer)";
    assert!(warning.contains(left) && warning.starts_with("it needs about"), "{warning}");
    let plan = machine.run(&[&QUICK[..], &model, &["--dry-run"]].concat());
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(plan.contains(&format!(", and {left}")), "{plan}");
    // Addresses are of one process.
    machine.write("proc/self/limits", "Max address space  62914560  62914560  bytes\n");
    machine.write("sys/fs/cgroup/outer/memory.max", "max\n");
    machine.write("proc/self/status", "VmSize:\t  20480 kB\n");
    let rows = json_of(&machine, &model);
    assert_eq!(rows[0]["memory_total"], 60 * MIB);
    let warning = rows[0]["warnings"][0].as_str().unwrap();
    assert!(
        warning
            .contains("40.00 MiB is left within the limit of 60.00 MiB on addresses (ulimit -v)"),
        "{warning}"
    );
}

#[test]
fn a_row_is_ended_before_its_control_group_is_full() {
    let machine = Machine::new();
    machine.group(1000 * MIB, 990 * MIB);
    let rules = json!([{"phase": "prompt", "fault": "hang"}]);
    let run = |more: &[&str]| {
        let args = [&QUICK[..], &["-o", "json", "--timeout", "60"], more].concat();
        let row = rows(&machine.lbench(&rules, &args).output().unwrap()).remove(0);
        machine.bare(row["cause"].as_str().unwrap())
    };
    let cause = run(&[]);
    let limit = "the control group's limit of 1000.00 MiB (/sys/fs/cgroup/outer)";
    assert_eq!(
        cause,
        format!("ended by lbench: there were 10.00 MiB of memory left within {limit}")
    );
    // Addresses count where it was said how many are to be left.
    machine.group(1000 * MIB, 0);
    machine.write("proc/self/limits", "Max address space  1073741824  unlimited  bytes\n");
    let cause = run(&["--min-free", "1024M"]);
    assert!(cause.contains("within the control group's limit"), "{cause}");
    machine.write("sys/fs/cgroup/outer/memory.max", "max\n");
    let cause = run(&["--min-free", "1025M"]);
    assert!(cause.contains("within the limit of 1.00 GiB on addresses"), "{cause}");
}

#[test]
fn a_kill_within_a_control_group_names_it() {
    let machine = Machine::new();
    machine.group(120 * MIB, 0);
    machine.write("proc/vmstat", "oom_kill 5\n");
    let rules = json!([{"phase": "prompt", "fault": "hang"}]);
    let args = [&QUICK[..], &["-o", "json", "--timeout", "60", "--no-roofline"]].concat();
    let mut command = machine.lbench(&rules, &args);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let worker = worker_of(run.id());
    machine.write("sys/fs/cgroup/outer/memory.events", "oom 1\noom_kill 1\n");
    machine.write("proc/vmstat", "oom_kill 6\n");
    let pid = rustix::process::Pid::from_raw(worker.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let row = rows(&run.wait_with_output().unwrap()).remove(0);
    assert_eq!(
        row["cause"],
        "killed by the kernel: the control group's limit of 120.00 MiB (/sys/fs/cgroup/outer) was reached"
    );
    assert_eq!(row["trouble"], "host_memory");
}

/// The worker of a run, once it is there and has been told what to do.
fn worker_of(parent: u32) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let children = children.unwrap_or_default();
        if let Some(child) = children.split_whitespace().next().and_then(|pid| pid.parse().ok()) {
            // Behind the description of the machine it begins with the row.
            std::thread::sleep(Duration::from_millis(1500));
            return child;
        }
        assert!(Instant::now() < deadline, "no worker");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_found_no_memory_names_the_limits() {
    let machine = Machine::new();
    machine.write("proc/self/limits", "Max address space  2147483648  unlimited  bytes\n");
    for fault in
        [json!({"fail": "unable to allocate CPU buffer"}), json!({"last_words": "std::bad_alloc"})]
    {
        let rules = json!([{"phase": "load", "fault": fault}]);
        let output = machine.lbench(&rules, &[&QUICK[..], &["-o", "json"]].concat()).output();
        let row = rows(&output.unwrap()).remove(0);
        let cause = row["cause"].as_str().unwrap();
        assert!(
            cause.ends_with("; there is the limit of 2.00 GiB on addresses (ulimit -v)"),
            "{row}"
        );
    }
}

/// What the system refuses is said in words, before anything is measured.
#[test]
fn a_priority_that_is_refused_is_a_bad_flag() {
    let nobody = Path::new("/usr/bin/setpriv");
    if !nobody.exists() || !rustix::process::getuid().is_root() {
        return;
    }
    let output = Command::new(nobody)
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_lbench")])
        .args(["--scripted={}", "--prio", "2", "-m", "synth:llama-135m:q8_0"])
        .args(QUICK)
        .output()
        .unwrap();
    let told = stderr(&output);
    if told.starts_with("setpriv")
        || told.contains("Permission denied (os error 13)") && !told.contains("--prio")
    {
        // The program is where nobody may read it.
        return;
    }
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.starts_with("lbench: --prio 2: the system refuses that priority"), "{told}");
    assert!(told.ends_with("(ulimit -e)\n"), "{told}");
}
