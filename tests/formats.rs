//! Documents are whole whatever ends a run, in every format; and what JSON holds is what the published
//! schema says. With the scripted engine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

const FORMATS: [&str; 4] = ["json", "jsonl", "csv", "sql"];

/// A folder of its own for each test, and lbench in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("run.jsonl")
    }

    fn sweep(&self, script: &Value, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.arg(format!("--scripted={script}")).arg("--journal").arg(self.journal());
        command.args(args).stdin(Stdio::null());
        command.env("XDG_STATE_HOME", self.0.path()).env("LBENCH_MODELS", self.0.path());
        command
    }

    /// Waits until something was written down so many times.
    fn wait_for(&self, kind: &str, times: usize) {
        let mark = format!("{{\"{kind}\":");
        for _ in 0..2000 {
            let journal = std::fs::read_to_string(self.journal()).unwrap_or_default();
            if journal.matches(&mark).count() >= times {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{kind} was not written down {times} times");
    }
}

fn run(script: &Value, args: &[&str]) -> Output {
    Place::new().sweep(script, args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// How many rows a document has; it must be whole.
fn rows(format: &str, bytes: &[u8]) -> usize {
    let text = std::str::from_utf8(bytes).unwrap();
    match format {
        "json" => serde_json::from_str::<Vec<Value>>(text).unwrap().len(),
        "jsonl" => {
            text.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).unwrap()));
            text.lines().count()
        }
        "csv" => {
            let mut reader = csv::Reader::from_reader(bytes);
            assert!(reader.headers().unwrap().len() > 42, "{text}");
            reader.records().map(Result::unwrap).count()
        }
        "sql" => {
            let database = rusqlite::Connection::open_in_memory().unwrap();
            database.execute_batch(text).unwrap();
            let count = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
            let rows: u32 = database.query_row("SELECT count(*) FROM lbench", [], count).unwrap();
            let measured: u32 =
                database.query_row("SELECT count(*) FROM llama_bench", [], count).unwrap();
            assert!(measured <= rows);
            rows as usize
        }
        other => panic!("{other}"),
    }
}

fn fault(batch: &str, fault: &str) -> Value {
    json!({"when": {"n_batch": batch}, "phase": "prompt", "fault": fault})
}

const SWEEP: [&str; 8] = ["-p", "512", "-n", "0", "-b", "64,128,256", "-r", "3"];

#[test]
#[cfg(unix)]
fn a_signal_leaves_whole_documents() {
    use rustix::process::Signal;
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        for (hanging, before) in [("64", 0), ("128", 1)] {
            for format in FORMATS {
                let what = format!("{signal:?}, {hanging}, {format}");
                let place = Place::new();
                let script = json!({"rules": [fault(hanging, "hang")]});
                let args = [&SWEEP[..], &["--timeout", "0", "-o", format]].concat();
                let mut sweep = place.sweep(&script, &args);
                let child = sweep.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                place.wait_for("started", before + 1);
                send(&child, signal);
                let output = child.wait_with_output().unwrap();
                assert_eq!(output.status.code(), Some(130), "{what}: {}", stderr(&output));
                // The row under way is shown where it was warmed up.
                let rows = rows(format, &output.stdout);
                assert!((before..=before + 1).contains(&rows), "{what}: {rows}");
            }
        }
    }
}

#[cfg(unix)]
fn send(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn workers_that_die_leave_whole_documents() {
    for dying in [&["64"][..], &["256"], &["64", "128", "256"]] {
        let rules: Vec<_> = dying.iter().map(|batch| fault(batch, "abort")).collect();
        for format in FORMATS {
            let args = [&SWEEP[..], &["-o", format]].concat();
            let output = run(&json!({"rules": rules}), &args);
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            assert_eq!(rows(format, &output.stdout), 3, "{dying:?}, {format}");
        }
    }
}

#[test]
fn a_run_out_of_time_leaves_whole_documents() {
    // The first row takes longer than the whole run may.
    let script = json!({"real_time": true, "prompt_rate": 250.0});
    for format in FORMATS {
        let args = [&SWEEP[..], &["--no-warmup", "--max-total-time", "1", "-o", format]].concat();
        let output = run(&script, &args);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(rows(format, &output.stdout) < 3, "{format}");
    }
}

#[test]
fn the_copy_on_standard_error_is_whole_too() {
    for format in FORMATS {
        let output = run(&json!({}), &[&SWEEP[..], &["-o", "none", "-oe", format]].concat());
        assert!(output.stdout.is_empty());
        let text = stderr(&output);
        let ours = |line: &&str| !line.starts_with("lbench: ");
        let copy = text.lines().filter(ours).collect::<Vec<_>>().join("\n");
        assert_eq!(rows(format, copy.as_bytes()), 3, "{text}");
    }
}

/// As behind `| head`: whoever reads has enough, and nobody is told.
#[test]
fn a_reader_that_leaves_is_no_trouble() {
    use std::io::{BufRead as _, BufReader};
    for format in ["md", "json", "jsonl", "csv", "sql"] {
        let place = Place::new();
        let args = ["-p", "512", "-n", "16", "-b", "64-2048*2", "-o", format];
        let mut sweep = place.sweep(&json!({}), &args);
        let mut child = sweep.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = stderr(&output);
        let told: Vec<_> = told.lines().filter(|line| !line.contains("journal: ")).collect();
        assert!(told.iter().all(|line| line.contains("no -m given")), "{format}: {told:?}");
    }
}

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/lbench-1.json")
}

#[test]
fn the_published_schema_is_the_one_that_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_lbench")).arg("schema").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let published = std::fs::read_to_string(published()).unwrap_or_default();
    assert!(
        printed == published,
        "fields have changed: cargo run --no-default-features -- schema > docs/schema/lbench-1.json"
    );
}

/// Runs a sweep as JSON and as JSON lines, holds both against the published schema, and returns the
/// outcomes with what else each row says of itself.
fn checked(script: &Value, args: &[&str]) -> Vec<Value> {
    let json = run(script, &[args, &["-o", "json"]].concat());
    let array = serde_json::from_slice(&json.stdout).unwrap();
    assert_valid(&array);
    let lines = run(script, &[args, &["-o", "jsonl"]].concat());
    for line in std::str::from_utf8(&lines.stdout).unwrap().lines() {
        assert_valid(&serde_json::from_str(line).unwrap());
    }
    array.as_array().unwrap().clone()
}

fn assert_valid(document: &Value) {
    let schema = std::fs::read(published()).unwrap();
    let schema = jsonschema::draft202012::new(&serde_json::from_slice(&schema).unwrap()).unwrap();
    schema.validate(document).unwrap_or_else(|error| panic!("{error}"));
}

fn outcomes(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

#[test]
fn every_outcome_is_as_the_schema_says() {
    let refused = json!({"when": {"n_batch": "256"}, "phase": "context", "fault": {"fail": "no"}});
    let script =
        json!({"noise": 0.01, "rules": [fault("64", "abort"), fault("128", "hang"), refused]});
    let args = ["-p", "512", "-n", "0", "-b", "64,128,256,512", "--timeout", "1", "--cold", "2"];
    let rows = checked(&script, &args);
    assert_eq!(outcomes(&rows), ["crashed", "timed_out", "failed", "completed"]);

    let full = json!({"fail": "unable to allocate CUDA0 buffer"});
    let rule = json!({"when": {"n_gpu_layers": "20"}, "phase": "load", "fault": full});
    let script = json!({"gpu": true, "rules": [rule]});
    let rows = checked(&script, &["-p", "64", "-n", "8", "-ngl", "10,20,99,100", "-r", "2"]);
    for outcome in ["completed", "failed", "skipped"] {
        assert!(outcomes(&rows).contains(&outcome), "{:?}", outcomes(&rows));
    }
    assert!(rows.iter().any(|row| !row["same_as"].is_null()));

    // The scripted engine does not talk to it, but something has to greet: before the link is measured and
    // before the row. Then it is gone.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = server.local_addr().unwrap().to_string();
    let greeter = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for _ in 0..2 {
            let (mut stream, _) = server.accept().unwrap();
            stream.read_exact(&mut [0; 33]).unwrap();
            let mut answer = 28_u64.to_le_bytes().to_vec();
            answer.extend([7, 0, 0]);
            answer.resize(36, 0);
            stream.write_all(&answer).unwrap();
        }
    });
    let rows = checked(&json!({}), &["-p", "64", "-n", "0", "--rpc", &endpoint]);
    let link = &rows[0]["rpc_links"][0];
    assert_eq!((&link["endpoint"], &link["cause"]), (&json!(endpoint), &Value::Null));
    assert_eq!((&link["devices"][0]["kind"], &link["protocol"]), (&json!("cpu"), &json!("7.0.0")));
    greeter.join().unwrap();
    let rows = checked(&json!({}), &["-p", "64", "-n", "0", "--rpc", &endpoint]);
    let link = &rows[0]["rpc_links"][0];
    assert!(link["round_trip_ns"].is_null() && link["cause"].is_string(), "{link}");
}

#[test]
#[cfg(unix)]
fn an_interrupted_row_is_as_the_schema_says() {
    for format in ["json", "jsonl"] {
        let place = Place::new();
        let script = json!({"real_time": true, "prompt_rate": 50_000.0});
        let args = ["-p", "512", "-n", "0", "-r", "1000000", "-o", format];
        let mut sweep = place.sweep(&script, &args);
        let child = sweep.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        place.wait_for("sampled", 5);
        send(&child, rustix::process::Signal::INT);
        let output = child.wait_with_output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_valid(&document);
        let row = if format == "json" { &document[0] } else { &document };
        assert_eq!(row["outcome"], "interrupted");
        assert!(row["avg_ts"].as_f64().unwrap() > 0.0);
    }
}

/// What a reader of markdown sees in the cells of a table's line.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut chars = line.trim().trim_start_matches('|').chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => cells.last_mut().unwrap().extend(chars.next()),
            '|' => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    // Behind the last bar there is nothing.
    assert_eq!(cells.pop().as_deref(), Some(""), "{line}");
    cells.iter().map(|cell| cell.trim().to_string()).collect()
}

/// The rows of the first table, by heading.
fn table(text: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut lines = text.lines().filter(|line| line.starts_with('|')).map(cells);
    let headings = lines.next().unwrap();
    let rows = lines.skip(1).map(|row| {
        assert_eq!(row.len(), headings.len(), "{text}");
        headings.iter().cloned().zip(row).collect()
    });
    rows.collect()
}

#[test]
fn bars_in_a_setting_shift_no_cell() {
    let args = ["-p", "64", "-n", "0", "-r", "2", "-ot", "(up|down)=CPU,exps=CPU", "-o", "md"];
    let output = run(&json!({"gpu": true}), &args);
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = table(&text);
    let places: Vec<_> =
        rows.iter().map(|row| (row["ot"].as_str(), row["test"].as_str())).collect();
    assert_eq!(places, [("(up|down)=CPU", "pp64"), ("exps=CPU", "pp64")]);
}

#[test]
#[cfg(unix)]
fn the_name_of_a_prompt_is_no_markup() {
    let name = "a|b`x`<b>.txt";
    let place = Place::new();
    let file = place.0.path().join(name);
    std::fs::write(&file, "hello\n").unwrap();
    let args = ["--prompt-file", file.to_str().unwrap(), "-n", "0", "-r", "2", "-o", "md"];
    let output = place.sweep(&json!({}), &args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let row = &table(&text)[0];
    assert!(
        row["test"].starts_with("pp") && row["test"].ends_with(&format!(" {name}:1")),
        "{text}"
    );
    assert!(!text.contains("<b>") || text.contains("\\<b>"), "{text}");
    assert!(!text.contains("`x`"), "{text}");
}

/// 24 layers by name make a table that nobody can read.
#[test]
fn a_long_setting_is_a_note() {
    let layers = |buffer: &str| {
        let each = (0..24).map(|layer| format!("blk.{layer}.ffn_(up|down)\\.w={buffer}"));
        each.collect::<Vec<_>>().join(";")
    };
    let (all, other) = (layers("CPU"), layers("GPU"));
    let md = |overrides: &str| {
        let args = ["-p", "64", "-n", "0", "-r", "2", "-o", "md", "-ot", overrides];
        String::from_utf8(run(&json!({"gpu": true}), &args).stdout).unwrap()
    };
    let text = md(&all);
    assert!(!table(&text)[0].contains_key("ot"), "{text}");
    assert!(text.contains(&format!("- ot is `{all}` in all rows\n")), "{text}");
    let text = md(&format!("{all},{other},norm=CPU"));
    let places: Vec<_> = table(&text).iter().map(|row| row["ot"].clone()).collect();
    assert_eq!(
        places,
        ["blk.0.ffn_(up|down)\\.w=C… [1]", "blk.0.ffn_(up|down)\\.w=G… [2]", "norm=CPU"]
    );
    assert!(text.contains(&format!("- [1] ot `{all}`\n- [2] ot `{other}`\n")), "{text}");
    assert!(text.lines().next().unwrap().len() < 200, "{text}");
}
