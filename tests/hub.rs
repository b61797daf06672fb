//! Models from the hub, against a stand-in for it on this machine: everything that a hub and a network do to
//! a download, and what the user reads of it. With the scripted engine.

#[path = "standin/hub.rs"]
mod standin;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use standin::{COMMIT, Play, Standin, gguf, sha256};

/// Nothing else looks like it.
const SECRET: &str = "hf_TheSecretOfTheTests";

/// A home of its own for each test.
struct Place {
    dir: tempfile::TempDir,
    hub: Standin,
    /// Seconds that a server may be silent.
    patience: &'static str,
}

impl Place {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let (dir, hub) = (tempfile::tempdir().unwrap(), Standin::start(files));
        Self { dir, hub, patience: "60" }
    }

    fn lbench(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.args(["--scripted={}", "-p", "64", "-n", "0", "-r", "2"]).args(args);
        command.env_clear().stdin(Stdio::null());
        command.env("HF_HOME", self.dir.path()).env("HF_ENDPOINT", self.hub.address());
        command.env("HF_HUB_DOWNLOAD_TIMEOUT", self.patience).env("LBENCH_MODELS", self.dir.path());
        command.env("XDG_STATE_HOME", self.dir.path().join("state"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.lbench(args).output().unwrap()
    }

    /// The one row of a run that must go well.
    fn row(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["-o", "json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
        rows[0].clone()
    }

    /// What a run says that must not come to measuring anything.
    fn refuse(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        self.plain(&stderr(&output))
    }

    /// A text without what is another one in each run.
    fn plain(&self, text: &str) -> String {
        let text = text.replace(self.dir.path().to_str().unwrap(), "HOME");
        let text = text.replace(&self.hub.address(), "http://HUB").replace(&self.hub.host(), "HUB");
        text.replace(&self.hub.cdn(), "CDN").trim_end().to_string()
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("hub/models--user--model")
    }

    fn snapshot(&self, name: &str) -> PathBuf {
        self.folder().join("snapshots").join(COMMIT).join(name)
    }

    fn blobs(&self) -> Vec<String> {
        names(&self.folder().join("blobs"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A repository with two models and what is none.
fn usual() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("README.md", b"# A model".to_vec()),
        ("m-Q4_K_M.gguf", gguf(None, 300_000)),
        ("m-Q8_0.gguf", gguf(None, 500_000)),
        ("mmproj-Q4_K_M.gguf", b"no model".to_vec()),
    ]
}

#[test]
fn a_model_is_downloaded_measured_and_found_again() {
    let place = Place::new(&usual());
    let row = place.row(&["-hf", "user/model"]);
    let path = place.snapshot("m-Q4_K_M.gguf");
    assert_eq!(row["model_filename"], path.to_str().unwrap());
    assert_eq!(row["model_source"], format!("hf:user/model:m-Q4_K_M.gguf@{COMMIT}"));
    assert_eq!(std::fs::read(&path).unwrap(), usual()[1].1);
    assert_eq!(place.blobs(), [sha256(&usual()[1].1)]);
    assert_eq!(std::fs::read_to_string(place.folder().join("refs/main")).unwrap(), COMMIT);

    let asked = place.hub.asked();
    let methods: Vec<_> = asked.iter().map(|asked| (asked.at_hub, asked.method.as_str())).collect();
    assert_eq!(methods, [(true, "GET"), (true, "HEAD"), (true, "GET"), (false, "GET")]);

    // Once more: the hub is asked what there is, and nothing is downloaded.
    let before = place.hub.asked().len();
    place.row(&["-hf", "user/model"]);
    let asked = place.hub.asked();
    assert_eq!(asked.len(), before + 1, "{asked:?}");
    assert!(asked.last().unwrap().path.starts_with("/api/models/"), "{asked:?}");

    // Offline: nobody is asked.
    for (args, variable) in [(&["--offline"][..], "0"), (&[], "1")] {
        let args = [&["-hf", "user/model:q4_k_m", "-o", "json"], args].concat();
        let output = place.lbench(&args).env("HF_HUB_OFFLINE", variable).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    assert_eq!(place.hub.asked().len(), before + 1);
}

#[test]
fn models_of_the_hub_come_after_files_in_the_order_given() {
    let place = Place::new(&usual());
    let file = place.dir.path().join("own.gguf");
    std::fs::write(&file, gguf(None, 100)).unwrap();
    let args = ["-hf", "user/model:Q8_0,user/model", "-hff", ",m-Q8_0.gguf", "-hfr", "user/model"];
    let more = ["-m", file.to_str().unwrap(), "-o", "json", "--no-collapse"];
    let output = place.run(&[&args[..], &more].concat());
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |row: &Value| row["model_filename"].as_str()?.rsplit('/').next().map(str::to_string);
    let names: Vec<_> = rows.as_array().unwrap().iter().filter_map(name).collect();
    assert_eq!(names, ["own.gguf", "m-Q8_0.gguf", "m-Q8_0.gguf", "m-Q4_K_M.gguf"]);
}

#[test]
fn all_parts_of_a_split_model_come_and_the_first_is_loaded() {
    let part = |n| gguf(Some((n, 3)), 1000);
    let name = |n: u32| format!("Q6_K/big-Q6_K-{n:05}-of-00003.gguf");
    let (one, two, three) = (name(1), name(2), name(3));
    let files = [(three.as_str(), part(2)), (two.as_str(), part(1)), (one.as_str(), part(0))];
    let place = Place::new(&files);
    let row = place.row(&["-hf", "user/model:q6_k"]);
    assert_eq!(row["model_filename"], place.snapshot(&one).to_str().unwrap());
    assert_eq!(place.blobs().len(), 3);
    let row = place.row(&["-hf", "user/model", "-hff", &two]);
    assert_eq!(row["model_filename"], place.snapshot(&one).to_str().unwrap());
}

#[test]
fn files_that_other_tools_left_are_found() {
    let place = Place::new(&[]);
    let blob = place.folder().join("blobs/abc");
    std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
    std::fs::write(&blob, gguf(None, 100)).unwrap();
    let file = place.snapshot("m-Q4_K_M.gguf");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("../../blobs/abc", &file).unwrap();
    std::fs::create_dir_all(place.folder().join("refs")).unwrap();
    std::fs::write(place.folder().join("refs/main"), format!("{COMMIT}\n")).unwrap();
    let row = place.row(&["-hf", "user/model", "--offline"]);
    assert_eq!(row["model_filename"], file.to_str().unwrap());
    assert!(place.hub.asked().is_empty());

    // A hub that is not there is no reason not to measure what is.
    let output =
        place.lbench(&["-hf", "user/model"]).env("HF_ENDPOINT", "http://127.0.0.1:1").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("127.0.0.1:1 cannot be reached"), "{}", stderr(&output));
}

#[test]
fn where_the_cache_is() {
    let place = Place::new(&usual());
    let in_home = |name: &str| place.dir.path().join(name);
    for (variable, value, folder) in [
        ("HF_HUB_CACHE", "a", "a"),
        ("HUGGINGFACE_HUB_CACHE", "b", "b"),
        ("LLAMA_CACHE", "c", "c"),
        ("XDG_CACHE_HOME", "d", "d/huggingface/hub"),
        ("HOME", "e", "e/.cache/huggingface/hub"),
    ] {
        let mut command = place.lbench(&["-hf", "user/model"]);
        if variable == "XDG_CACHE_HOME" || variable == "HOME" {
            command.env_remove("HF_HOME");
        }
        let output = command.env(variable, in_home(value)).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(names(&in_home(folder)), [".locks", "models--user--model"], "{variable}");
    }
    assert_eq!(names(&in_home("hub")), [""; 0]);
}

/// Waits until the beginning of a file is there.
fn wait_for_part(place: &Place, len: u64) -> PathBuf {
    let path = place.folder().join("blobs").join(sha256(&usual()[1].1)).with_extension("part");
    for _ in 0..2000 {
        if std::fs::metadata(&path).is_ok_and(|data| data.len() == len) {
            return path;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{} has not grown to {len} bytes", path.display());
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn what_was_interrupted_goes_on_where_it_was() {
    let place = Place::new(&usual());
    place.hub.play([Play::Stall(100_000)]);
    let mut command = place.lbench(&["-hf", "user/model"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let part = wait_for_part(&place, 100_000);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    insta::assert_snapshot!("interrupted", place.plain(&stderr(&output)));
    assert_eq!(std::fs::metadata(&part).unwrap().len(), 100_000, "it is there for the next time");

    let row = place.row(&["-hf", "user/model"]);
    assert_eq!(row["outcome"], "completed");
    let ranges: Vec<_> =
        place.hub.asked().iter().filter_map(|asked| asked.header("range")).collect();
    assert!(
        ranges.iter().all(|range| range == "bytes=100000-") && !ranges.is_empty(),
        "{ranges:?}"
    );
    assert_eq!(std::fs::read(place.snapshot("m-Q4_K_M.gguf")).unwrap(), usual()[1].1);
    assert!(!part.exists());
}

#[test]
fn what_is_cut_off_is_taken_up_at_once() {
    let place = Place { patience: "1", ..Place::new(&usual()) };
    place.hub.play([
        Play::Cut(100_000),
        Play::Cut(50_000),
        Play::Stall(70_000),
        Play::Status(503, ""),
    ]);
    let output = place.run(&["-hf", "user/model"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    insta::assert_snapshot!("taken_up", place.plain(&stderr(&output)));
    assert_eq!(std::fs::read(place.snapshot("m-Q4_K_M.gguf")).unwrap(), usual()[1].1);
    let ranges: Vec<_> =
        place.hub.asked().iter().filter_map(|asked| asked.header("range")).collect();
    for at in ["bytes=100000-", "bytes=150000-", "bytes=220000-"] {
        assert!(ranges.iter().any(|range| range == at), "{ranges:?}");
    }
}

#[test]
fn a_server_without_ranges_begins_anew() {
    let place = Place::new(&usual());
    place.hub.play([Play::Cut(100_000), Play::NoRanges]);
    assert_eq!(place.row(&["-hf", "user/model"])["outcome"], "completed");
    assert_eq!(std::fs::read(place.snapshot("m-Q4_K_M.gguf")).unwrap(), usual()[1].1);
}

#[test]
fn what_is_not_what_it_should_be_does_not_stay() {
    let place = Place::new(&usual());
    place.hub.play([Play::Wrong]);
    insta::assert_snapshot!("wrong_hash", place.refuse(&["-hf", "user/model"]));
    assert_eq!(place.blobs(), [""; 0]);
    assert!(!place.snapshot("m-Q4_K_M.gguf").exists());
    assert_eq!(place.row(&["-hf", "user/model"])["outcome"], "completed");
}

#[test]
fn what_goes_wrong_is_said_in_a_line() {
    let mut said = Vec::new();
    let mut say = |what: &str, text: String| {
        let last = text.lines().last().unwrap_or_default().to_string();
        assert!(last.starts_with("lbench: -hf user/"), "{text}");
        assert!(!text.contains(SECRET), "{text}");
        said.push(format!("{what}\n    {last}"));
    };
    let place = Place::new(&usual());
    say("no such quantization", place.refuse(&["-hf", "user/model:Q5_K_M"]));
    say("no such file", place.refuse(&["-hf", "user/model", "-hff", "x.gguf"]));
    say("no such repository", place.refuse(&["-hf", "user/nothing"]));
    say("offline", place.refuse(&["-hf", "user/model", "--offline"]));
    let with_token = ["-hf", "user/model", "-hft", SECRET];
    for (status, code) in
        [(401, "GatedRepo"), (401, ""), (403, "GatedRepo"), (403, ""), (404, "EntryNotFound")]
    {
        for (who, args) in [("nobody", &with_token[..2]), ("a token", &with_token[..])] {
            place.hub.play_at_hub([Play::Status(status, code)]);
            say(&format!("{status} {code} for {who}"), place.refuse(args));
        }
    }
    place.hub.play([Play::Status(404, "")]);
    say("404 of the host of the contents", place.refuse(&["-hf", "user/model"]));
    place.hub.play([Play::Loop; 11]);
    say("redirects in a circle", place.refuse(&["-hf", "user/model"]));
    place.hub.play([Play::Cut(1000), Play::Cut(0), Play::Cut(0), Play::Cut(0)]);
    say("cut off again and again", place.refuse(&["-hf", "user/model"]));
    let place = Place { patience: "1", ..Place::new(&usual()) };
    place.hub.play([Play::Stall(0), Play::Stall(0), Play::Stall(0), Play::Stall(0)]);
    say("silence", place.refuse(&["-hf", "user/model"]));
    place.hub.play_at_hub([
        Play::Status(500, ""),
        Play::Status(500, ""),
        Play::Status(500, ""),
        Play::Status(500, ""),
    ]);
    say("a broken hub", place.refuse(&["-hf", "user/model"]));
    let place = Place::new(&[("m.safetensors", vec![1, 2, 3])]);
    say("no GGUF", place.refuse(&["-hf", "user/model"]));
    let place = Place::new(&[("m-00001-of-00002.gguf", gguf(Some((0, 2)), 100))]);
    say("a part is missing", place.refuse(&["-hf", "user/model"]));
    let place = Place::new(&[]);
    let mut nowhere = place.lbench(&["-hf", "user/model"]);
    let output = nowhere.env("HF_ENDPOINT", "http://127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    say("no hub there", place.plain(&stderr(&output)));
    insta::assert_snapshot!("what_goes_wrong", said.join("\n"));
}

#[test]
fn an_endpoint_or_timeout_that_is_none_is_refused() {
    let place = Place::new(&usual());
    for (variable, value) in [("HF_ENDPOINT", "hub.example"), ("HF_HUB_DOWNLOAD_TIMEOUT", "soon")] {
        let output = place.lbench(&["-hf", "user/model"]).env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).starts_with(&format!("lbench: {variable}={value}: ")),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn the_token_goes_to_the_hub_alone_and_is_written_down_nowhere() {
    let place = Place::new(&usual());
    let journal = place.dir.path().join("run.jsonl");
    let journal = journal.to_str().unwrap();
    let args = ["-hf", "user/model", "-hft", SECRET, "--journal", journal, "--progress", "-v"];
    let output = place.run(&[&args[..], &["-o", "json", "-oe", "jsonl"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let asked = place.hub.asked();
    let sent = |at_hub| asked.iter().filter(move |asked| asked.at_hub == at_hub);
    let bearer = format!("Bearer {SECRET}");
    assert!(
        sent(true).all(|asked| asked.header("authorization").as_deref() == Some(&bearer)),
        "{asked:?}"
    );
    assert!(sent(false).all(|asked| asked.header("authorization").is_none()), "{asked:?}");
    assert!(sent(true).count() >= 3 && sent(false).count() == 1, "{asked:?}");

    let dry = place.run(&[&args[..4], &["--dry-run"]].concat());
    assert_eq!(dry.status.code(), Some(0), "{}", stderr(&dry));
    let text = std::fs::read_to_string(journal).unwrap();
    assert!(text.contains("\"--hf-repo=user/model\"") && !text.contains("hf-token"), "{text}");
    for bytes in [text.as_bytes(), &output.stdout, &output.stderr, &dry.stdout, &dry.stderr] {
        assert!(!String::from_utf8_lossy(bytes).contains(SECRET));
    }

    // What is resumed takes its token from where the user has it now.
    std::fs::remove_dir_all(place.folder()).unwrap();
    let resume = |more: &[&str], variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.args(["--resume", journal]).args(more).env_clear().stdin(Stdio::null());
        command.env("HF_HOME", place.dir.path()).env("HF_ENDPOINT", place.hub.address());
        if let Some(token) = variable {
            command.env("HF_TOKEN", token);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        place.hub.asked().iter().rfind(|asked| asked.at_hub).unwrap().header("authorization")
    };
    assert_eq!(resume(&[], None), None);
    assert_eq!(resume(&[], Some("of_the_variable")).as_deref(), Some("Bearer of_the_variable"));
    assert_eq!(resume(&["-hft", "given"], Some("x")).as_deref(), Some("Bearer given"));
    std::fs::write(place.dir.path().join("token"), "of_the_file\n").unwrap();
    assert_eq!(resume(&[], None).as_deref(), Some("Bearer of_the_file"));
}

#[test]
fn a_token_that_is_none_is_refused_and_not_shown() {
    let place = Place::new(&usual());
    let wrong = format!("{SECRET} \u{e4}");
    let said = place.refuse(&["-hf", "user/model", "-hft", &wrong]);
    assert_eq!(said, "lbench: --hf-token: there are characters in it that no token has");
}

#[test]
fn lines_tell_how_far_it_is() {
    let place = Place::new(&usual());
    let output = place.run(&["-hf", "user/model", "--progress"]);
    let told = stderr(&output);
    assert!(told.contains("lbench: downloading m-Q4_K_M.gguf of user/model (0.29 MiB)"), "{told}");
    assert!(told.contains("lbench: m-Q4_K_M.gguf: 100 % of 0.29 MiB, "), "{told}");
    let quiet = Place::new(&usual());
    let told = stderr(&quiet.run(&["-hf", "user/model"]));
    assert!(!told.contains("100 %"), "{told}");
}
