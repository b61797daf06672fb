//! llama.cpp's log: caught before the first backend starts, kept in memory, never on standard output.
//!
//! A failed load or context is a bare null pointer; the reason exists only here. The engine hands over
//! its text in fragments, from any thread, and not always in UTF-8: whole lines are put together, the
//! last ones kept, and [`begin`] starts afresh so that a reason is never taken from an earlier call.

use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_void};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use llama_cpp_sys_2 as sys;

use crate::engine::remarks;

/// Lines kept since [`begin`]: a load of a model with much metadata writes a few hundred.
const KEPT: usize = 1000;

/// Lines that [`tail`] returns.
const TAIL: usize = 12;

/// What the engine says, for its authors, of each tensor that is placed by hand.
const PLACED: &str = " buffer type overridden to ";

/// A line longer than this is cut into several.
const LONGEST: usize = 4096;

/// How serious a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// For the engine's authors; shown, never kept.
    Debug,
    /// What it is doing.
    Info,
    /// What it does not like.
    Warn,
    /// Why it stopped.
    Error,
}

impl Level {
    /// The level of a fragment; `None` for one that continues the fragment before it.
    fn of(level: sys::ggml_log_level) -> Option<Self> {
        match level {
            sys::GGML_LOG_LEVEL_CONT => None,
            sys::GGML_LOG_LEVEL_DEBUG => Some(Self::Debug),
            sys::GGML_LOG_LEVEL_WARN => Some(Self::Warn),
            sys::GGML_LOG_LEVEL_ERROR => Some(Self::Error),
            _ => Some(Self::Info),
        }
    }
}

/// One line, without its line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLine {
    /// How serious.
    pub(super) level: Level,
    /// What it says.
    pub(super) text: String,
}

/// The lines so far, and the one that is still being written.
struct EngineLog {
    verbose: bool,
    partial: LogLine,
    lines: VecDeque<LogLine>,
    /// What was said of settings that were not taken, each once, since it was asked for.
    remarks: Vec<&'static str>,
    /// Tensors that were placed by hand, since [`begin`].
    placed: usize,
}

/// The engine has one log for the process, so there is one here.
static LOG: Mutex<EngineLog> = Mutex::new(EngineLog::new(false));

impl EngineLog {
    const fn new(verbose: bool) -> Self {
        let partial = LogLine { level: Level::Info, text: String::new() };
        Self { verbose, partial, lines: VecDeque::new(), remarks: Vec::new(), placed: 0 }
    }

    /// Takes a fragment; `level` is `None` where it continues the one before.
    fn accept(&mut self, level: Option<Level>, fragment: &str) {
        if let Some(level) = level {
            if level != self.partial.level {
                self.finish();
            }
            self.partial.level = level;
        }
        for piece in fragment.split_inclusive('\n') {
            self.partial.text.push_str(piece.trim_end_matches(['\n', '\r']));
            if piece.ends_with('\n') || self.partial.text.len() > LONGEST {
                self.finish();
            }
        }
        if level.is_none() && fragment.ends_with('\n') {
            self.partial.level = Level::Info;
        }
    }

    /// Ends the line that is being written.
    fn finish(&mut self) {
        let text = std::mem::take(&mut self.partial.text);
        if text.is_empty() {
            return;
        }
        if self.verbose {
            // Standard error may be closed, and then there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
        self.note(&text);
        let is_progress = text.bytes().all(|byte| byte == b'.');
        if self.partial.level == Level::Debug || is_progress {
            return;
        }
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(LogLine { level: self.partial.level, text });
    }

    /// Keeps what a line says of a setting.
    fn note(&mut self, text: &str) {
        self.placed += usize::from(text.contains(PLACED));
        if let Some(remark) = remarks::of(text).filter(|remark| !self.remarks.contains(remark)) {
            self.remarks.push(remark);
        }
    }

    /// The most useful last lines: warnings and errors where there are any, else whatever came last.
    fn tail(&self) -> Vec<String> {
        let serious = self.lines.iter().any(|line| line.level >= Level::Warn);
        let least = if serious { Level::Warn } else { Level::Info };
        let useful = self.lines.iter().rev().filter(|line| line.level >= least);
        let mut tail: Vec<_> = useful.take(TAIL).map(|line| line.text.clone()).collect();
        tail.reverse();
        tail
    }
}

/// Directs the engine's log here. To be called before anything else of the engine.
pub(super) fn install(verbose: bool) {
    *log() = EngineLog::new(verbose);
    // SAFETY: both callbacks are functions of this module, valid for the life of the process, and take
    // no user data. Setting them races with nothing: no engine thread exists yet.
    unsafe {
        sys::llama_log_set(Some(on_log), std::ptr::null_mut());
        sys::ggml_set_abort_callback(Some(on_abort));
    }
}

/// Forgets all lines: what comes now belongs to a new call.
pub(super) fn begin() {
    let mut log = log();
    log.finish();
    log.lines.clear();
    log.placed = 0;
}

/// What was said of settings that were not taken, since it was asked for last.
pub(super) fn take_remarks() -> Vec<&'static str> {
    let mut log = log();
    log.finish();
    std::mem::take(&mut log.remarks)
}

/// Tensors that were placed by hand, since [`begin`].
pub(super) fn placed() -> usize {
    log().placed
}

/// Every line since [`begin`], oldest first.
pub(super) fn lines() -> Vec<LogLine> {
    log().lines.iter().cloned().collect()
}

/// The most useful lines since [`begin`], oldest first.
pub(super) fn tail() -> Vec<String> {
    log().tail()
}

fn log() -> MutexGuard<'static, EngineLog> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The engine's log callback.
unsafe extern "C" fn on_log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: the engine passes a NUL-terminated string that outlives the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    log().accept(Level::of(level), &text);
}

/// The engine is about to abort the process: the last words go to standard error, where whoever runs
/// this process can find them. Replaces a stack trace by a debugger, which takes seconds.
unsafe extern "C" fn on_abort(message: *const c_char) {
    let mut stderr = std::io::stderr();
    if let Ok(log) = LOG.try_lock()
        && !log.verbose
    {
        for line in log.tail() {
            let _ = writeln!(stderr, "{line}");
        }
    }
    if !message.is_null() {
        // SAFETY: not null, and the engine passes a NUL-terminated string that outlives the call.
        let message = unsafe { CStr::from_ptr(message) }.to_string_lossy();
        let _ = writeln!(stderr, "{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &EngineLog) -> Vec<&str> {
        log.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn fragments_become_lines() {
        let mut log = EngineLog::new(false);
        log.accept(Some(Level::Info), "a: ");
        log.accept(None, "one, ");
        log.accept(None, "two\nb\n");
        log.accept(Some(Level::Info), "c");
        log.accept(Some(Level::Error), "d\r\n");
        assert_eq!(texts(&log), ["a: one, two", "b", "c", "d"]);
        assert_eq!(log.lines[3].level, Level::Error);
    }

    #[test]
    fn progress_and_debug_lines_are_not_kept() {
        let mut log = EngineLog::new(false);
        log.accept(None, "....");
        log.accept(None, "..\n");
        log.accept(Some(Level::Debug), "detail");
        log.accept(None, " and more\n");
        log.accept(Some(Level::Info), "kept\n");
        assert_eq!(texts(&log), ["kept"]);
    }

    #[test]
    fn what_is_said_of_settings_is_kept_once_at_any_level() {
        let mut log = EngineLog::new(false);
        for n in 0..3 {
            log.accept(Some(Level::Warn), &format!("warning: failed to mlock {n}-byte buffer\n"));
            log.accept(Some(Level::Debug), &format!("tensor a.{n} (9 MiB q8_0){PLACED}CPU\n"));
        }
        assert_eq!((log.remarks.len(), log.placed, log.lines.len()), (1, 3, 3));
    }

    #[test]
    fn the_tail_prefers_warnings_and_errors() {
        let mut log = EngineLog::new(false);
        for i in 0..20 {
            log.accept(Some(Level::Info), &format!("{i}\n"));
        }
        assert_eq!(log.tail().first().map(String::as_str), Some("8"));
        log.accept(Some(Level::Warn), "careful\n");
        log.accept(Some(Level::Info), "on we go\n");
        log.accept(Some(Level::Error), "broken\n");
        assert_eq!(log.tail(), ["careful", "broken"]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut log = EngineLog::new(false);
        for i in 0..3 * KEPT {
            log.accept(Some(Level::Info), &format!("{i}\n"));
        }
        log.accept(Some(Level::Info), &"x".repeat(10 * LONGEST));
        assert_eq!(log.lines.len(), KEPT);
        assert!(log.partial.text.is_empty());
    }
}
