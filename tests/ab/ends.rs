//! How a comparison ends: when it knows enough, when a side fails, when somebody ends it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

#[test]
fn what_fails_on_one_side_is_said() {
    let place = Place::new();
    let fault = json!({"when": {"n_threads": "8"}, "phase": "generate", "fault": "abort"});
    let script = with(place.machine(1), &json!({"rules": [fault]}));
    let output = place.ab(&script, &TESTS);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("No difference beyond 1 % in pp512; failed in B: tg32."), "{text}");
    assert!(text.contains("FAILED in B [1]") && text.contains("[1] B: crashed: "), "{text}");
    // What cannot be measured is not tried again and again.
    let lines = place.lines(&with(place.machine(1), &script), &TESTS);
    assert_eq!((&lines[1]["verdict"], &lines[1]["rounds"]), (&json!("failed_in_b"), &json!(0)));
}

#[test]
fn ctrl_c_shows_what_is_there() {
    let place = Place::new();
    let script = with(place.machine(1), &json!({"real_time": true, "prompt_rate": 5000.0}));
    let script = format!("--scripted={script}");
    let journal = place.path("journal");
    let keep = ["--journal", journal.to_str().unwrap(), "-p", "512", "-n", "0", "--b", "-t 1"];
    let mut command = place.command(&[&["ab", &script, "-m", MODEL][..], &keep].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(2);
    while records(&journal, "finished").len() < 3 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("| pp512 |") && text.contains("within rounds"), "{text}");
    assert!(!stderr(&output).contains("--resume"), "{}", stderr(&output));
}

#[test]
fn time_and_rounds_are_bounds() {
    let place = Place::new();
    let rounds = |args: &[&str]| {
        let script = with(place.machine(3), &json!({"noise": 0.03, "shift": 0.03}));
        let args = [&["-p", "512", "-n", "0", "--b", "-t 1"], args].concat();
        place.lines(&script, &args)[0]["rounds"].as_u64().unwrap()
    };
    assert_eq!(rounds(&[]), 12);
    assert_eq!(rounds(&["--rounds", "3"]), 3);
    assert_eq!(rounds(&["--rounds", "15"]), 15);
    // Runs of half a second: two of the warm-up and two samples, or a few more.
    assert!((2..6).contains(&rounds(&["--max-time", "5"])));
}

#[test]
fn what_fails_later_is_said_too() {
    let place = Place::new();
    let (lbench, count) = (env!("CARGO_BIN_EXE_lbench"), place.path("count"));
    let count = count.display();
    // The first two starts are questions; then come two visits a round.
    let lines = format!(
        "n=$(cat '{count}' 2> /dev/null || echo 0)\necho $((n + 1)) > '{count}'\n\
         [ $n -eq 6 ] && exit 7\nexec '{lbench}' \"$@\""
    );
    let program = place.program("flaky", &lines);
    let args = ["-p", "512", "-n", "32", "--rounds", "4", "--with", &program];
    let output = place.ab(&place.machine(1), &args);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains(": a later visit to this row did not end well: exit code 7"), "{text}");
    assert!(text.contains("within rounds (2 to 4 of them)"), "{text}");
}

#[test]
fn the_time_of_the_run_is_a_bound() {
    let place = Place::new();
    let script = with(place.machine(1), &json!({"real_time": true}));
    let args = ["-p", "512", "-n", "0", "--b", "-t 1", "--max-total-time", "2"];
    let output = place.ab(&script, &args);
    // Whether a pair was done by then, nobody knows.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
    assert!(stdout(&output).contains("| pp512 |"), "{}", stdout(&output));
}
