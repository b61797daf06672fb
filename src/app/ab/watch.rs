//! Watch over rounds: what a person sees while two sides are visited: where it is, and after each round what is known so far.

use std::io::IsTerminal as _;

use indicatif::ProgressBar;

use super::super::out;
use crate::cli::BenchArgs;
use crate::ledger::{Ledger, paired};
use crate::record::Record;
use crate::report::percent;

/// Most pairs of which a line tells.
const MOST: usize = 4;

/// A spinner on a terminal, and a line after each round there or where it was asked for.
pub(super) struct RoundWatch {
    pairs: Vec<[usize; 2]>,
    bar: Option<ProgressBar>,
    tells: bool,
    round: u32,
}

impl RoundWatch {
    pub(super) fn new(pairs: Vec<[usize; 2]>, args: &BenchArgs) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        // The engine's words would tear it.
        let bar = (is_terminal && !args.verbose).then(ProgressBar::new_spinner);
        Self { pairs, bar, tells: is_terminal || args.progress, round: 0 }
    }

    /// Takes note of what happened to a side.
    pub(super) fn fold(&mut self, side: usize, record: &Record, ledger: &Ledger) {
        match record {
            Record::Started { job, round, nth, .. } => {
                if *round != self.round {
                    self.tell_round(ledger);
                    self.round = *round;
                }
                let job = ledger.place(job, *nth).map(|place| &ledger.jobs()[place]);
                if let (Some(bar), Some(job)) = (&self.bar, job) {
                    let (test, side) = (job.work.test_name(), ["A", "B"][side]);
                    bar.set_message(format!("round {round}: {test}, {side}"));
                }
            }
            Record::Warned { warning, .. } => self.tell(&warning.text),
            _ => {}
        }
        if let Some(bar) = &self.bar {
            bar.tick();
        }
    }

    /// Takes the spinner away, and tells of the last round.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// What is known after a round.
    fn tell_round(&self, ledger: &Ledger) {
        if !self.tells || self.round == 0 {
            return;
        }
        let known = paired::differences(ledger, &self.pairs);
        let pairs = self.pairs.iter().zip(known).filter_map(|(pair, known)| {
            let (known, test) = (known?, ledger.jobs()[pair[0]].work.test_name());
            let change = percent(known.log_mean.exp_m1());
            Some(format!("{test} {change} % (±{:.1})", known.precision() * 100.0))
        });
        let all: Vec<_> = pairs.collect();
        let more = all.len().saturating_sub(MOST);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        let shown = all[..all.len().min(MOST)].join(", ");
        self.tell(&format!("after round {}: {shown}{more}", self.round));
    }

    /// Tells without tearing the spinner.
    pub(super) fn tell(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::tell(text)),
            None => out::tell(text),
        }
    }
}
