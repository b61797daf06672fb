//! Whatever ends a job from outside: the machine runs out of memory, or the run out of time.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::Message;
use crate::machine::system;
use crate::units::Bytes;

/// How often the machine's memory is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Share of the machine's memory that stays free if nothing else is asked for, one in so many.
const SHARE: u64 = 50;

/// Tells the runner when the machine has less memory left than it should: before it begins to swap, and
/// before the kernel picks somebody to kill. `least` is what should be left; two percent if not given, and
/// zero is no guard.
pub(super) fn watch_memory(least: Option<Bytes>, messages: Sender<Message>) {
    let Some((_, total)) = system::memory() else { return };
    let least = least.unwrap_or(Bytes(total.0 / SHARE));
    if least.0 == 0 {
        return;
    }
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(EVERY);
            let Some((left, _)) = system::memory() else { return };
            if left < least
                && messages.send(Message::LowMemory { left, at: Instant::now() }).is_err()
            {
                return;
            }
        }
    });
}

/// The time for a whole run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// When it is over.
    end: Option<Instant>,
}

impl Clock {
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
