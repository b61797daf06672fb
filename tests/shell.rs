//! At home in a shell: defaults from a file and the environment, presets, completions, manual pages.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder with a configuration file.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new(config: &str) -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap() };
        home.write(config);
        home
    }

    fn write(&self, config: &str) {
        fs::create_dir_all(self.path("lbench")).unwrap();
        fs::write(self.path("lbench/config.toml"), config).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, vars: &[(&str, &str)], args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
        command.env_remove("LBENCH_CONFIG").env("XDG_CONFIG_HOME", self.dir.path());
        command.envs(vars.iter().copied()).args(args).stdin(Stdio::null()).output().unwrap()
    }

    fn rows(&self, vars: &[(&str, &str)], args: &[&str]) -> Vec<Value> {
        let output = self.run(vars, &[&["--scripted={}", "-o", "json"], args].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn each_place_wins_over_the_next() {
    let home = Home::new("threads = 1\n[preset.mine]\nthreads = 2");
    let env = [("LBENCH_THREADS", "3")];
    for (vars, args, value, source) in [
        (&[][..], &["--no-config"][..], "", "default"),
        (&[], &[], "1", "config file"),
        (&[], &["--preset", "mine"], "2", "preset"),
        (&env, &["--preset", "mine"], "3", "environment"),
        (&env, &["--preset", "mine", "-t", "4"], "4", "command line"),
        (&env, &["--no-config"], "", "default"),
    ] {
        let output = home.run(vars, &[&["config", "--json"], args].concat());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines = json.as_array().unwrap();
        let line = lines.iter().find(|line| line["flag"] == "threads").unwrap();
        assert_eq!(line["source"], source, "{vars:?} {args:?}");
        if source != "default" {
            assert_eq!(line["value"], value, "{vars:?} {args:?}");
        }
    }
}

#[test]
fn what_is_measured_is_what_the_table_says() {
    let home =
        Home::new("n-gen = 0\nn-prompt = [64, 128]\nrepetitions = 2\nbatch-size = \"32,64\"");
    let sizes = |rows: &[Value]| -> Vec<_> {
        rows.iter().map(|row| (row["n_prompt"].as_u64(), row["n_batch"].as_u64())).collect()
    };
    let pairs = |pairs: &[(u64, u64)]| -> Vec<_> {
        pairs.iter().map(|&(prompt, batch)| (Some(prompt), Some(batch))).collect()
    };
    let rows = home.rows(&[], &["--no-journal"]);
    assert_eq!(sizes(&rows), pairs(&[(64, 32), (128, 32), (64, 64), (128, 64)]));
    let rows = home.rows(&[("LBENCH_BATCH_SIZE", "16")], &["-p", "8", "--no-journal"]);
    assert_eq!(sizes(&rows), pairs(&[(8, 16)]));
}

#[test]
fn a_file_that_cannot_be_followed_is_refused_and_none_is_no_trouble() {
    let home = Home::new("thread = 1");
    let refused = home.run(&[], &["--scripted={}", "--dry-run"]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), message.lines().count()), (Some(2), 1), "{message}");
    assert!(message.contains("config.toml:1: thread: there is no flag --thread"), "{message}");
    for (vars, code) in
        [(("LBENCH_CONFIG", ""), 0), (("LBENCH_CONFIG", "/nonexistent/config.toml"), 2)]
    {
        let output = home.run(&[vars], &["--scripted={}", "--dry-run"]);
        assert_eq!(output.status.code(), Some(code), "{vars:?}");
    }
    fs::remove_file(home.path("lbench/config.toml")).unwrap();
    assert_eq!(home.run(&[], &["--scripted={}", "--dry-run"]).status.code(), Some(0));
}

#[test]
fn every_preset_is_a_plan() {
    let home = Home::new("");
    for preset in ["report", "quick", "llama-bench"] {
        let output = home.run(&[], &["--scripted={}", "--dry-run", "--preset", preset]);
        let plan = text(&output);
        let plan = plan.lines().map(|line| line.split("  ≈").next().unwrap().trim_end());
        insta::assert_snapshot!(preset, plan.collect::<Vec<_>>().join("\n"));
    }
    let listed = home.run(&[], &["--preset", "list"]);
    insta::assert_snapshot!(text(&listed));
    assert_eq!(text(&home.run(&[], &["config", "presets"])), text(&listed));
}

#[test]
fn several_sweeps_are_a_table_each_and_one_array() {
    let config = "[[preset.two]]\ntitle = \"Layers\"\nn-prompt = 0\nn-gpu-layers = \"0,9\"\n\
                  [[preset.two]]\ntitle = \"First token\"\nn-prompt = 5\nn-gen = [0, 128]\ncold = 2";
    let home = Home::new(config);
    let args = ["--preset", "two", "-r", "3", "--no-journal"];
    let rows = home.rows(&[], &args);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            let cold = row["cold_samples_ns"].as_array().unwrap().len();
            format!("{} {} {} cold", row["sweep"], row["test"], cold).replace('"', "")
        })
        .collect();
    let expected = [
        "Layers tg128 0 cold",
        "Layers tg128 0 cold",
        "First token pp5 2 cold",
        "First token tg128 0 cold",
    ];
    assert_eq!(shown, expected);
    assert_eq!(rows[3]["same_as"], rows[0]["job_id"], "measured once for both tables");
    let table = text(&home.run(&[], &[&["--scripted={}"], &args[..]].concat()));
    let lines = |start: &str| table.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((lines("### "), lines("| model"), lines("| llama")), (2, 2, 4), "{table}");
    let headings: Vec<_> = table.lines().filter(|line| line.starts_with("| model")).collect();
    assert!(headings[0].contains(" ngl ") && !headings[0].contains("cold ms"), "{table}");
    assert!(!headings[1].contains(" ngl ") && headings[1].contains("cold ms"), "{table}");
}

#[test]
fn a_resumed_run_is_the_same_sweep_whatever_the_defaults_are_by_now() {
    let home = Home::new(
        "batch-size = \"32,64\"\n[[preset.two]]\nn-prompt = 64\n[[preset.two]]\nn-prompt = 8",
    );
    let journal = home.path("run.jsonl");
    let journal = journal.to_str().unwrap();
    let args = ["--preset", "two", "-n", "0", "-r", "3", "--journal", journal];
    let first = home.rows(&[("LBENCH_THREADS", "2")], &args);
    assert_eq!(first.len(), 4);
    home.write("batch-size = 16\nn-prompt = 7\noutput = \"jsonl\"\n[preset.two]\nn-prompt = 3");
    let resumed = home.run(&[("LBENCH_THREADS", "5")], &["--resume", journal]);
    let stderr = String::from_utf8_lossy(&resumed.stderr);
    assert!(stderr.contains("4 of 4 measurements are there already"), "{stderr}");
    let again: Vec<Value> =
        text(&resumed).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |rows: &[Value]| -> Vec<_> {
        let names = ["job_id", "n_batch", "n_threads", "n_prompt", "sweep"];
        rows.iter().map(|row| names.map(|name| row[name].clone())).collect()
    };
    assert_eq!(of(&again), of(&first), "and shown as the file says now");
}

/// What bash offers at the end of each of these lines.
#[test]
fn bash_completes_flags_and_values() {
    let bash = Command::new("bash").args(["-c", "exit 0"]).status();
    if !bash.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no bash here");
        return;
    }
    let home = Home::new("");
    fs::write(home.path("completions.bash"), home.run(&[], &["completions", "bash"]).stdout)
        .unwrap();
    fs::write(home.path("weights.gguf"), "").unwrap();
    let driver = r#"
        source completions.bash
        compopt() { :; }
        while IFS= read -r line; do
            read -ra COMP_WORDS <<< "$line"
            [[ $line == *" " ]] && COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            COMPREPLY=()
            _lbench lbench "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "$line|${COMPREPLY[*]}"
        done
    "#;
    let lines = "lbench -ng\nlbench -ct\nlbench --flash-a\nlbench -fa \nlbench -ctk q4\nlbench -sm \n\
                 lbench -o \nlbench -ngl 9 -oe c\nlbench --preset \nlbench -m wei\nlbench doc\n\
                 lbench compare --fail\nlbench config pre\nlbench config -fa \nlbench completions p\n\
                 lbench ab -fa \nlbench ab -o \nlbench ab --wi\nlbench ab --res\n";
    fs::write(home.path("lines"), lines).unwrap();
    let output = Command::new("bash")
        .args(["--norc", "-c", driver])
        .current_dir(home.dir.path())
        .stdin(fs::File::open(home.path("lines")).unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    insta::assert_snapshot!(text(&output));
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let home = Home::new("");
    let folder = home.path("man/man1");
    let written = home.run(&[], &["man", "--output", folder.to_str().unwrap()]);
    assert!(written.status.success());
    for name in ["lbench.1", "lbench-compare.1", "lbench-config.1", "lbench-rpc-server.1"] {
        let page = fs::read_to_string(folder.join(name)).unwrap();
        assert!(page.contains(".TH ") && page.contains(".SH OPTIONS"), "{name}");
    }
    let printed = home.run(&[], &["man"]).stdout;
    assert_eq!(printed, fs::read(folder.join("lbench.1")).unwrap());
    let refused = home.run(&[], &["man", "--output", "/dev/null/x"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn short_help_says_where_the_rest_is() {
    let home = Home::new("");
    let brief = text(&home.run(&[], &["-h"]));
    let whole = text(&home.run(&[], &["--help"]));
    assert!(
        brief.contains("lbench --help has the rest") && !brief.contains("--max-vram"),
        "{brief}"
    );
    assert!(whole.contains("--max-vram") && whole.contains("Exit codes"), "{whole}");
    assert!(text(&home.run(&[], &["compare", "-h"])).contains("--fail-on"));
}
