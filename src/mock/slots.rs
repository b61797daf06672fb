//! Slots of a scripted server: so many at a time, others wait in the order in which they came.

use std::sync::{Condvar, Mutex, PoisonError};

#[derive(Debug)]
pub(super) struct Slots {
    count: u64,
    /// Requests that came, and those of them that ended.
    state: Mutex<(u64, u64)>,
    freed: Condvar,
}

/// A slot that is taken until this is dropped.
pub(super) struct Seat<'a>(&'a Slots);

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self { count: count as u64, state: Mutex::new((0, 0)), freed: Condvar::new() }
    }

    /// Waits for a slot.
    pub(super) fn take(&self) -> Seat<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = state.0;
        state.0 += 1;
        // Turns are taken in order, so that one may begin as soon as all but `count − 1` before it have ended.
        while turn >= state.1 + self.count {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Seat(self)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).1 += 1;
        self.0.freed.notify_all();
    }
}
