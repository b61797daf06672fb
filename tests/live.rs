//! What is seen of a run, on a terminal and through a pipe: nothing is torn, and nothing is left behind.

use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};

/// Eight rows in real time, two of which crash; that they cannot be started cold is said while the run goes on.
fn lbench(args: &[&str]) -> Command {
    let rule = json!({"when": {"n_batch": "64"}, "phase": "warmup", "fault": "abort"});
    let script: Value =
        json!({"real_time": true, "prompt_rate": 4000.0, "step_rate": 400.0, "rules": [rule]});
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbench"));
    command
        .arg(format!("--scripted={script}"))
        .args(["-p", "512", "-n", "64", "-b", "64,128", "-t", "1,2", "--cold", "1"])
        .args(["--no-warmup", "-r", "2", "--no-journal"])
        .args(args)
        .env("TERM", "xterm-256color")
        .stdin(Stdio::null());
    command
}

/// A terminal of which all is seen: what it shows, and what has scrolled away.
struct Terminal {
    master: File,
    width: usize,
    height: usize,
    lines: Vec<Vec<char>>,
    /// The first line that is still on the screen.
    top: usize,
    at: (usize, usize),
    /// Lines that went on in the next one for lack of room.
    wrapped: usize,
    raw: Vec<u8>,
}

impl Terminal {
    fn run(mut command: Command, width: u16, height: u16) -> (Self, Child) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let size = Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).unwrap();
        let child = command.stdout(slave.try_clone().unwrap()).stderr(slave).spawn().unwrap();
        let terminal = Self {
            master: master.into(),
            width: width.into(),
            height: height.into(),
            lines: vec![Vec::new()],
            top: 0,
            at: (0, 0),
            wrapped: 0,
            raw: Vec::new(),
        };
        (terminal, child)
    }

    /// Shows what comes, until it was said or the other end is closed.
    fn show_until(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        // The end of a closed terminal is an error.
        while let Ok(n) = self.master.read(&mut bytes) {
            self.raw.extend(&bytes[..n]);
            if n == 0 || !text.is_empty() && self.seen().contains(text) {
                break;
            }
        }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// All lines in the end.
    fn text(&mut self) -> Vec<String> {
        let raw = self.seen();
        let mut chars = raw.chars();
        while let Some(c) = chars.next() {
            match c {
                '\r' => self.at.1 = 0,
                '\n' => self.go_to(self.at.0 + 1),
                '\u{1b}' => self.obey(&mut chars),
                c => self.put(c),
            }
        }
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>());
        lines.map(|line| line.trim_end().to_string()).collect()
    }

    fn obey(&mut self, chars: &mut impl Iterator<Item = char>) {
        assert_eq!(chars.next(), Some('['));
        let mut number = String::new();
        let letter = loop {
            match chars.next() {
                Some(c) if c.is_ascii_digit() => number.push(c),
                Some(c) => break c,
                None => panic!("half a command"),
            }
        };
        let number: usize = number.parse().unwrap_or(1);
        match letter {
            'A' => self.at.0 = self.at.0.saturating_sub(number).max(self.top),
            'B' => self.at.0 = (self.at.0 + number).min(self.top + self.height - 1),
            'K' => self.lines[self.at.0].clear(),
            other => panic!("{other} is not used"),
        }
        self.go_to(self.at.0);
    }

    fn go_to(&mut self, line: usize) {
        self.lines.resize(self.lines.len().max(line + 1), Vec::new());
        self.top = self.top.max((line + 1).saturating_sub(self.height));
        self.at.0 = line;
    }

    fn put(&mut self, c: char) {
        if self.at.1 == self.width {
            self.wrapped += 1;
            self.go_to(self.at.0 + 1);
            self.at.1 = 0;
        }
        let (line, column) = self.at;
        let line = &mut self.lines[line];
        line.resize(line.len().max(column + 1), ' ');
        line[column] = c;
        self.at.1 += 1;
    }
}

/// Asserts that a whole table of so many rows is there, once; the lines before and behind it.
fn around_the_table(lines: &[String], rows: usize) -> (&[String], &[String]) {
    let is_row = |line: &String| line.starts_with('|');
    let first = lines.iter().position(is_row).unwrap_or_else(|| panic!("{lines:#?}"));
    let behind = first + rows + 2;
    assert!(lines[first..behind].iter().all(is_row), "{lines:#?}");
    assert!(lines[first].contains("t/s") && lines[first + 1].contains("---"), "{lines:#?}");
    let (before, rest) = (&lines[..first], &lines[behind..]);
    assert!(!rest.iter().any(is_row), "{lines:#?}");
    (before, rest)
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap()
}

const HINT: &str = "Ctrl-C prints the table as it stands";

#[test]
fn the_live_table_vanishes_and_the_whole_one_stays() {
    for height in [8, 40] {
        let (mut terminal, mut child) = Terminal::run(lbench(&[]), 200, height);
        terminal.show_until("");
        assert_eq!(code(child.wait().unwrap()), 1);
        assert!(terminal.seen().contains(HINT), "{}", terminal.seen());
        let lines = terminal.text();
        assert_eq!(terminal.wrapped, 0, "{lines:#?}");
        let (before, behind) = around_the_table(&lines, 8);
        // Of all that was drawn, messages alone are left.
        assert!(before.iter().any(|line| line.contains("no cold start: SIGABRT")), "{lines:#?}");
        assert!(before.iter().all(|line| line.starts_with("lbench: ")), "{lines:#?}");
        assert!(behind.iter().all(|line| !line.contains(HINT)), "{lines:#?}");
    }
}

#[test]
fn ctrl_c_leaves_the_table_as_it_stands() {
    let (mut terminal, mut child) = Terminal::run(lbench(&[]), 200, 30);
    terminal.show_until("±");
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    terminal.show_until("");
    assert_eq!(code(child.wait().unwrap()), 130);
    let lines = terminal.text();
    let rows = lines.iter().filter(|line| line.starts_with('|')).count() - 2;
    let (before, behind) = around_the_table(&lines, rows);
    assert!(before.iter().all(|line| line.starts_with("lbench: ")), "{lines:#?}");
    assert!(behind.iter().any(|line| line.contains("the run ended before them")), "{lines:#?}");
}

#[test]
fn what_is_no_terminal_gets_no_live_table() {
    let output = lbench(&[]).output().unwrap();
    let (stdout, stderr) = (output.stdout, output.stderr);
    let text = String::from_utf8(stdout).unwrap();
    let lines: Vec<_> = text.lines().map(String::from).collect();
    around_the_table(&lines, 8);
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(stderr.lines().all(|line| line.starts_with("lbench: no ")), "{stderr}");
}

/// As behind `2>&1 | tee`: messages are told when the table is whole.
#[test]
fn one_pipe_for_both_has_the_messages_behind_the_table() {
    for more in [&[][..], &["--verbose"], &["-o", "none", "-oe", "md"]] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("both");
        let file = File::create(&path).unwrap();
        let mut command = lbench(more);
        let status = command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        assert_eq!(code(status), 1);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().map(String::from).collect();
        around_the_table(&lines, 8);
        assert!(text.contains("no cold start: SIGABRT"), "{text}");
    }
}
