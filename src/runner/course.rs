//! Course of a run: round after round of a sweep, or of two sides in turn.

use std::time::Duration;

use super::Spawn;
use super::schedule::{Cost, Schedule};
use super::turns::Turning;
use crate::ledger::Ledger;

/// What decides which jobs a round visits. Each round is given as groups of places in the ledger, in order.
pub(super) enum Course {
    /// Jobs go by how well each is known.
    Sweep(Schedule),
    /// Pairs go by how well their differences are known.
    Turns(Turning),
}

impl Course {
    /// The first round.
    pub(super) fn first(&mut self, ledger: &Ledger) -> Vec<Vec<usize>> {
        match self {
            Self::Sweep(schedule) => schedule.first(ledger),
            Self::Turns(turns) => turns.first(),
        }
    }

    /// The next round, `spent` being the time of all rounds so far; empty where there is none.
    pub(super) fn next(
        &mut self,
        ledger: &Ledger,
        spent: Duration,
        cost: &dyn Fn(usize) -> Cost,
    ) -> Vec<Vec<usize>> {
        match self {
            Self::Sweep(schedule) => schedule.next(ledger, spent, cost),
            Self::Turns(turns) => turns.next(ledger),
        }
    }

    /// Jobs that want another visit.
    pub(super) fn wanted(&self, ledger: &Ledger) -> Vec<usize> {
        match self {
            Self::Sweep(schedule) => schedule.wanted(ledger),
            Self::Turns(turns) => turns.wanted(ledger),
        }
    }

    /// The round under way, from 1; 0 where there are none.
    pub(super) fn round(&self) -> u32 {
        match self {
            Self::Sweep(schedule) => schedule.round(),
            Self::Turns(turns) => turns.round(),
        }
    }

    /// How a worker of its own is started for a visit to a place; `None` where visits may share one.
    pub(super) fn spawn(&self, place: usize) -> Option<Spawn> {
        match self {
            Self::Sweep(_) => None,
            Self::Turns(turns) => Some(turns.spawn(place)),
        }
    }
}
