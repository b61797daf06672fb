//! Log of a worker: what it writes to its standard error, read by a thread of its own.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::remarks;
use crate::terminal;
use crate::wire::END_OF_JOB;

/// Lines that are kept.
const LINES: usize = 40;
/// Bytes of one such line that are kept.
const LINE: usize = 400;
/// How long the words of a job may take to come after it has ended: they are in the pipe by then.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a worker has written.
#[derive(Default)]
pub(super) struct WorkerLog {
    heard: Mutex<Heard>,
    news: Condvar,
}

#[derive(Default)]
struct Heard {
    /// The last lines.
    lines: VecDeque<String>,
    /// What was said of settings that were not taken, each once, since it was asked for.
    remarks: Vec<&'static str>,
    /// Jobs whose words are all there.
    jobs: u64,
    /// Whether nothing more will come.
    is_over: bool,
}

impl Heard {
    /// Takes in a line without its end.
    fn take(&mut self, line: &[u8]) {
        if line == END_OF_JOB.trim().as_bytes() {
            self.jobs += 1;
            return;
        }
        let text = String::from_utf8_lossy(&line[..line.len().min(LINE)]);
        if let Some(remark) = remarks::of(&text).filter(|remark| !self.remarks.contains(remark)) {
            self.remarks.push(remark);
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(text.into_owned());
    }
}

impl WorkerLog {
    /// Reads to the end of a pipe, however much comes; `verbose` copies it to standard error.
    pub(super) fn read(&self, pipe: impl Read, verbose: bool) {
        let mut reader = BufReader::with_capacity(1 << 16, pipe);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A line without an end must not grow without one.
            match (&mut reader).take(1 << 16).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let text = line.trim_ascii_end();
            if text.is_empty() {
                continue;
            }
            if verbose && text != END_OF_JOB.trim().as_bytes() {
                terminal::copy(&line);
            }
            self.lock().take(text);
            self.news.notify_all();
        }
        self.lock().is_over = true;
        self.news.notify_all();
    }

    /// The last lines.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lock().lines.iter().cloned().collect()
    }

    /// What was said of settings that were not taken, since it was asked for last, with all words of the first
    /// `jobs` jobs.
    pub(super) fn remarks(&self, jobs: u64) -> Vec<String> {
        let lacks = |heard: &mut Heard| heard.jobs < jobs && !heard.is_over;
        let waited = self.news.wait_timeout_while(self.lock(), PATIENCE, lacks);
        let (mut heard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut heard.remarks).into_iter().map(String::from).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn remarks_are_told_once_for_each_job_and_marks_are_no_lines() {
        let log = WorkerLog::default();
        let line = "warn: failed to set affinity mask 0x7f : Invalid argument (22)\n";
        let of_job = format!("a\n{line}{line}{END_OF_JOB}");
        log.read(of_job.as_bytes(), false);
        assert_eq!(log.remarks(1).len(), 1);
        assert_eq!(log.remarks(1), Vec::<String>::new());
        log.read(of_job.as_bytes(), false);
        // Of a pipe that is closed, nobody waits for more.
        assert_eq!(log.remarks(9).len(), 1);
        assert_eq!(log.lines().iter().filter(|line| *line == "a").count(), 2);
        assert_eq!(log.lines().len(), 6);
    }

    #[test]
    fn the_words_of_a_job_are_waited_for() {
        let log = std::sync::Arc::new(WorkerLog::default());
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reading = std::sync::Arc::clone(&log);
        let thread = std::thread::spawn(move || reading.read(reader, false));
        let waiting = std::sync::Arc::clone(&log);
        let asked = std::thread::spawn(move || waiting.remarks(1));
        writer.write_all(b"warn: failed to set thread priority 2 : no (1)").unwrap();
        writer.write_all(END_OF_JOB.as_bytes()).unwrap();
        assert_eq!(asked.join().unwrap().len(), 1);
        drop(writer);
        thread.join().unwrap();
    }
}
