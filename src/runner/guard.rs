//! Guard: whatever ends a job from outside: the machine runs out of memory, or the run out of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::Message;
use crate::error::Error;
use crate::machine::Limits;
use crate::machine::limits::Room;
use crate::units::Bytes;

/// How often the machine's memory is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Share of the machine's memory that stays free if nothing else is asked for, one in so many.
const SHARE: u64 = 50;

/// Tells the runner when the worker can have less memory than it should: before the machine begins to swap, and
/// before the kernel picks somebody to kill. `least` is what should be left; two percent if not given, and zero is
/// no guard. Who lacks addresses is killed by nobody: they count where `least` is given.
pub(super) fn watch_memory(
    (least, limits): (Option<Bytes>, Limits),
    worker: Arc<AtomicU32>,
    messages: Sender<Message>,
) -> Result<(), Error> {
    let Some(memory) = limits.memory() else { return Ok(()) };
    let enough = least.unwrap_or(Bytes(memory.physical().0 / SHARE));
    if enough.0 == 0 {
        return Ok(());
    }
    let watch = move || {
        loop {
            std::thread::sleep(EVERY);
            let pid = Some(worker.load(Ordering::Relaxed)).filter(|pid| *pid != 0);
            let room = match least {
                None => limits.physical_room(),
                Some(_) => limits.room(pid),
            };
            let Some(Room { left, of }) = room else { return };
            let at = Instant::now();
            if left < enough && messages.send(Message::LowMemory { left, of, at }).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(watch).map(drop).map_err(Error::Thread)
}

/// The time for a whole run.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunClock {
    /// When it is over.
    end: Option<Instant>,
}

impl RunClock {
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self { end: limit.and_then(|limit| Instant::now().checked_add(limit)) }
    }

    /// What is left; `None` without a limit.
    pub(super) fn left(self) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Whether the time is over.
    pub(super) fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    /// The earlier of its end and a deadline.
    pub(super) fn or(self, deadline: Option<Instant>) -> Option<Instant> {
        match (self.end, deadline) {
            (Some(end), Some(deadline)) => Some(end.min(deadline)),
            (end, deadline) => end.or(deadline),
        }
    }
}
