//! Record of a row: what was heard of it so far, over all visits to it.

use std::sync::Arc;

use crate::journal::RunFacts;
use crate::plan::Planned;
use crate::record::{Check, Health, Loaded, Outcome, Reading, Warning, WarningKind};
use crate::work::Sample;

/// What has been recorded of one row so far, over all visits to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// When the first visit started, in seconds since 1970.
    pub started: Option<u64>,
    /// Visits, in order.
    pub visits: Vec<RowVisit>,
    /// Its timings, in order.
    pub samples: Vec<Sample>,
    /// What the engine said about the model.
    pub loaded: Option<Loaded>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What was read beside the clock, over all visits.
    pub reading: Reading,
    /// What its reader must know.
    pub warnings: Vec<Warning>,
    /// Whether it will stay as it is. A row that has ended may still be visited again.
    pub settled: bool,
    /// The look at the anchor behind it, in journals of schema 1.
    pub check: Option<Check>,
}

/// A visit to a row: where its samples begin.
#[derive(Debug, Clone, PartialEq)]
pub struct RowVisit {
    /// The round that it belongs to, from 1; 0 where there were none.
    pub round: u32,
    /// When it started, in seconds since 1970.
    pub unix_time: u64,
    /// Index in [`Measured::samples`] of its first timing.
    pub first: usize,
    /// What was true of it; `None` where that is what is true of the run.
    pub facts: Option<Arc<RunFacts>>,
}

impl Measured {
    /// What there is of a row before anything is measured: how it ended, where it cannot begin.
    pub(super) fn before(planned: &Planned) -> Self {
        let reason = planned.impossible.clone();
        Self { outcome: reason.map(|reason| Outcome::Skipped { reason }), ..Self::default() }
    }

    /// Another visit begins. What went wrong before is over and done with.
    pub(super) fn begin(&mut self, round: u32, unix_time: u64, facts: Option<Arc<RunFacts>>) {
        if self.outcome != Some(Outcome::Completed) {
            *self = Self::default();
        }
        self.started.get_or_insert(unix_time);
        let first = self.samples.len();
        self.visits.push(RowVisit { round, unix_time, first, facts });
    }

    /// What was true of it; `None` where that is what is true of the run.
    pub(super) fn facts(&self) -> Option<&RunFacts> {
        self.visits.last()?.facts.as_deref()
    }

    /// The visit under way ends. One that did not come to its end takes nothing away from those before.
    pub(super) fn end(&mut self, outcome: &Outcome, reading: &Reading) {
        let before = self.outcome.replace(outcome.clone());
        if before != Some(Outcome::Completed) {
            self.reading = reading.clone();
            return;
        }
        if *outcome == Outcome::Completed {
            self.reading = std::mem::take(&mut self.reading).and(reading);
            return;
        }
        self.outcome = before;
        let visit = self.visits.pop();
        self.samples.truncate(visit.map_or(0, |visit| visit.first));
        if *outcome != Outcome::Interrupted {
            let text =
                format!("a later visit to this row did not end well: {}", outcome.in_words());
            self.warnings.push(Warning::new(WarningKind::Visit, text));
        }
    }

    /// Whether it was measured in visits, as many as it needed.
    pub(super) fn is_of_rounds(&self) -> bool {
        self.visits.iter().any(|visit| visit.round > 0)
    }

    /// Whether the device was held back, or its runs did not come to agree.
    pub(super) fn is_marked(&self) -> bool {
        let throttled = self.reading.telemetry.iter().any(|seen| seen.throttled);
        let canary = self.reading.canary.is_some_and(|seen| seen.health() != Health::Well);
        throttled || canary || self.reading.steady == Some(false)
    }

    /// Whether nothing has gone wrong with it so far.
    pub(super) fn ended_well(&self) -> bool {
        matches!(self.outcome, None | Some(Outcome::Completed | Outcome::Interrupted))
    }

    /// Whether there is something to show: an ending that says something, or samples.
    pub(super) fn is_shown(&self) -> bool {
        match self.outcome {
            None | Some(Outcome::Interrupted) => !self.samples.is_empty(),
            Some(_) => true,
        }
    }
}
