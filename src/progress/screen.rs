//! Screen: lines at the end of a terminal's output that are drawn again in place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::{Term, measure_text_width};

use super::board::Board;
use super::columns::Columns;
use super::live::{Size, lines};
use crate::document::text::harmless;
use crate::record::Record;

/// Time between two looks at what is new.
const PERIOD: Duration = Duration::from_millis(250);
/// Time after which the lines are drawn anew in any case: the time that is left goes by.
const TICK: Duration = Duration::from_secs(1);

/// A live table. A thread of its own draws it, so that records are never held up by a terminal.
pub(super) struct Live {
    shared: Arc<Shared>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What records and the drawing share.
struct Shared {
    board: Mutex<Board>,
    columns: Columns,
    screen: Mutex<Screen>,
    news: AtomicBool,
}

/// The lines on a terminal.
struct Screen {
    term: Term,
    drawn: Vec<String>,
    size: Size,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// A table of this run, at the end of standard error.
    pub(super) fn new(board: Board) -> Self {
        let screen = Screen::new(Term::buffered_stderr());
        let columns = Columns::of(board.plan());
        let (board, screen) = (Mutex::new(board), Mutex::new(screen));
        let shared = Arc::new(Shared { board, columns, screen, news: AtomicBool::new(false) });
        let (stop, stopped) = channel();
        let drawing = Arc::clone(&shared);
        let draw = move || {
            let mut last = Instant::now();
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                drawing.look(&mut last);
            }
        };
        // Without a thread there is no table, and the run goes on.
        let thread = std::thread::Builder::new().spawn(draw).ok();
        Self { shared, thread: thread.map(|thread| (stop, thread)) }
    }

    /// Takes note of what happened.
    pub(super) fn fold(&self, record: &Record) {
        lock(&self.shared.board).fold(record, Instant::now());
        self.shared.news.store(true, Ordering::Release);
    }

    /// Prints above the table.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        lock(&self.shared.screen).suspend(print)
    }

    /// Takes the table away.
    pub(super) fn finish(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            // A thread that panicked has nothing more to draw.
            let _ = thread.join();
            lock(&self.shared.screen).clear();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    /// Draws what is new, or is due.
    fn look(&self, last: &mut Instant) {
        let size = lock(&self.screen).look();
        let now = Instant::now();
        let news = self.news.swap(false, Ordering::AcqRel);
        if !news && size.is_none() && now - *last < TICK {
            return;
        }
        *last = now;
        let size = size.unwrap_or_else(|| lock(&self.screen).size);
        let new = {
            let mut board = lock(&self.board);
            board.settle();
            lines(&board, &self.columns, size, now)
        };
        lock(&self.screen).draw(&new);
    }
}

impl Screen {
    fn new(term: Term) -> Self {
        let size = size(&term);
        Self { term, drawn: Vec::new(), size }
    }

    /// The terminal's size, if it is another one.
    fn look(&mut self) -> Option<Size> {
        let size = size(&self.term);
        (size != self.size).then_some(size)
    }

    fn draw(&mut self, lines: &[String]) {
        let lines: Vec<_> = lines.iter().map(|line| harmless(line)).collect();
        let size = size(&self.term);
        if lines != self.drawn || size != self.size {
            self.erase();
            self.size = size;
            self.drawn = lines;
            self.write();
        }
    }

    fn suspend<T>(&mut self, print: impl FnOnce() -> T) -> T {
        if self.drawn.is_empty() {
            return print();
        }
        self.erase();
        self.flush();
        let printed = print();
        // Lines for a terminal that has become smaller meanwhile would wrap.
        if size(&self.term) == self.size {
            self.write();
        } else {
            self.drawn.clear();
        }
        printed
    }

    fn clear(&mut self) {
        self.erase();
        self.flush();
        self.drawn.clear();
    }

    /// Takes the lines away, on as many as they take now: a terminal that has become narrower has wrapped them.
    fn erase(&mut self) {
        let width = size(&self.term).width.max(1);
        let taken = self.drawn.iter().map(|line| measure_text_width(line).div_ceil(width).max(1));
        let taken: usize = taken.sum();
        if taken > 0 {
            // Line by line: tmux keeps a screen that is cleared as a whole in its history. The line of the cursor
            // may have a `^C`. A terminal that is gone is no reason to stop measuring.
            let _ = self.term.clear_line();
            let _ = self.term.clear_last_lines(taken);
        }
    }

    fn write(&self) {
        for line in &self.drawn {
            let _ = self.term.write_line(line);
        }
        self.flush();
    }

    fn flush(&self) {
        let _ = self.term.flush();
    }
}

fn size(term: &Term) -> Size {
    let (height, width) = term.size();
    Size { width: width.into(), height: height.into() }
}
