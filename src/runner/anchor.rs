//! The same row again, now and then: is the machine still the one that measured the first?
//!
//! Rows between two looks at the anchor that agree are settled. Where the anchor has drifted, the machine
//! gets time to come back, the rows since the last good look are measured again, and what still drifts
//! then is marked. All of it under a cap: such repairs never take longer than the measuring itself.

use super::job_run::JobRun;
use super::{Halt, Runner, Sink};
use crate::job::{Job, JobId};
use crate::record::{Check, Outcome, Phase, Record, Warning};
use crate::stats::drift;
use crate::stats::stopping::Rule;
use crate::units::Nanos;
use crate::wire::{Request, Settings};
use crate::work::Sample;

/// After this much time of measuring the anchor is measured again.
const AFTER: Nanos = Nanos(60_000_000_000);
/// After this many rows too.
const ROWS: usize = 8;
/// The anchor takes at most a tenth of the time, or a fourth where it is the rows that count.
const LEAST_TIMES: [u64; 2] = [10, 4];
/// How long the machine may cool down before the first try, and before the second.
const COOL_DOWN: [Nanos; 2] = [Nanos(10_000_000_000), Nanos(20_000_000_000)];
/// Fewest samples of an anchor that is measured again.
const SAMPLES: u32 = 5;
/// Longest time to take them, from then on.
const TIME: Nanos = Nanos(5_000_000_000);

/// What is kept of a row that was measured. Time is the engine's: loading and running.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    samples: Vec<Sample>,
    /// Time of all runs, those of the warm-up included.
    running: Nanos,
    /// Time of the load.
    loading: Nanos,
}

impl Trace {
    /// Takes note of what is recorded.
    pub(super) fn keep(&mut self, record: &Record) {
        match record {
            Record::Sampled { sample: Sample::Warmup { ns }, .. } => {
                self.running = self.running + *ns;
            }
            Record::Sampled { sample: Sample::Run { runs, ns, .. }, .. } => {
                self.running = self.running + *ns;
                // Rates need no times of single tokens.
                let (first_token_ns, token_ns) = (Vec::new(), Vec::new());
                self.samples.push(Sample::Run { runs: *runs, ns: *ns, first_token_ns, token_ns });
            }
            Record::Loaded { facts, .. } => self.loading = facts.load_ns,
            _ => {}
        }
    }

    fn rates(&self, job: &Job) -> Vec<f64> {
        let rates = self.samples.iter().filter_map(|sample| match sample {
            Sample::Run { runs, ns, .. } => {
                ns.rate(job.work.speed().tokens().saturating_mul(*runs))
            }
            Sample::Warmup { .. } | Sample::Cold { .. } => None,
        });
        rates.map(|rate| rate.0).collect()
    }
}

/// A row that is measured again and again.
struct Anchor<'a> {
    job: &'a Job,
    /// Its first rates.
    rates: Vec<f64>,
    /// What measuring it takes.
    cost: Nanos,
    /// Time of measuring since it was last looked at.
    since: Nanos,
    /// Rows since then.
    rows: usize,
}

impl Anchor<'_> {
    /// Whether it is time to look at it again.
    fn is_due(&self) -> bool {
        let [often, seldom] = LEAST_TIMES.map(|times| self.since.0 >= self.cost.0 * times);
        self.rows > 0 && (self.since >= AFTER && often || self.rows >= ROWS && seldom)
    }
}

/// What rows are checked with, and how long that took so far.
#[derive(Default)]
pub(super) struct Anchors<'a> {
    /// The first row of the run.
    run: Option<Anchor<'a>>,
    /// The first row on the model that is loaded.
    load: Option<Anchor<'a>>,
    /// Rows that wait for a check: those on earlier loads, then those on this one.
    pub waiting: Vec<&'a Job>,
    /// How many of them are on earlier loads.
    earlier: usize,
    /// Time of measuring so far.
    measuring: Nanos,
    /// Time that repairs have taken.
    repairs: Nanos,
}

impl<'a> Anchors<'a> {
    /// The anchor in charge: the run's where a load has ended, the load's within it.
    fn in_charge(&self, load_ends: bool) -> Option<&Anchor<'a>> {
        if load_ends { self.run.as_ref() } else { self.load.as_ref() }
    }

    /// Takes note of a row that was measured; `trace` is `None` where it failed. Whether it has to wait
    /// for a check: the first row has nothing to be checked with.
    pub(super) fn measured(&mut self, job: &'a Job, trace: Option<&Trace>) -> bool {
        let waits = self.run.is_some();
        if waits {
            self.waiting.push(job);
        }
        let running = trace.map_or(Nanos(0), |trace| trace.running);
        self.measuring = self.measuring + running;
        for (slot, reloads) in [(&mut self.run, true), (&mut self.load, false)] {
            match (slot, trace) {
                (Some(anchor), _) => {
                    anchor.rows += 1;
                    anchor.since = anchor.since + running;
                }
                (none, Some(trace)) => {
                    let loading = if reloads { trace.loading } else { Nanos(0) };
                    *none = Some(Anchor {
                        job,
                        rates: trace.rates(job),
                        cost: running + loading,
                        since: Nanos(0),
                        rows: 0,
                    });
                }
                (None, None) => {}
            }
        }
        waits
    }

    /// Takes note that a row was looked at again, with the rates to hold it against from now on; `None`
    /// where it failed.
    fn looked_at(&mut self, job: &Job, rates: Option<&Vec<f64>>) {
        for slot in [&mut self.run, &mut self.load] {
            match (&mut *slot, rates) {
                (Some(anchor), None) if anchor.job.id == job.id => *slot = None,
                (Some(anchor), Some(rates)) if anchor.job.id == job.id => {
                    anchor.rates.clone_from(rates);
                    anchor.since = Nanos(0);
                    anchor.rows = 0;
                }
                _ => {}
            }
        }
    }

    /// Another model comes: what waits is on an earlier one.
    pub(super) fn load_ends(&mut self) {
        self.load = None;
        self.earlier = self.waiting.len();
    }
}

/// Rows that are looked at, and what looking may cost.
struct Window<'a, 'b> {
    anchor: &'b Job,
    /// Its first rates.
    before: Vec<f64>,
    rows: &'b [&'a Job],
    /// Time that repairs may still take.
    budget: Nanos,
    /// Time that this one took.
    spent: Nanos,
}

impl Runner {
    /// Looks at an anchor if one is due, and settles the rows that waited for it.
    pub(super) fn check(
        &mut self,
        anchors: &mut Anchors<'_>,
        load_ends: bool,
        sink: &mut Sink<'_>,
    ) -> Result<(), Halt> {
        let due = anchors.in_charge(load_ends).filter(|anchor| anchor.is_due());
        let Some((anchor, before)) = due.map(|anchor| (anchor.job, anchor.rates.clone())) else {
            return Ok(());
        };
        let from = if load_ends { 0 } else { anchors.earlier };
        let rows = anchors.waiting.split_off(from);
        // Never longer than the measuring itself.
        let budget = anchors.measuring.since(anchors.repairs);
        let mut window = Window { anchor, before, rows: &rows, budget, spent: Nanos(0) };
        let check = self.look_again(&mut window, sink)?;
        anchors.repairs = anchors.repairs + window.spent;
        anchors.looked_at(anchor, check.is_some().then_some(&window.before));
        settle(&rows, check, sink)
    }

    /// Measures the anchor again; where it has drifted, waits and repairs. `None` where it cannot be
    /// measured any more.
    fn look_again(
        &mut self,
        window: &mut Window<'_, '_>,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Check>, Halt> {
        let Some(mut last) = self.anchor_rates(window, Nanos(0), sink)? else { return Ok(None) };
        let anchor = window.anchor.id.clone();
        let mut check = Check { anchor, rounds: 0, drift: drifted(&window.before, &last) };
        // An anchor that is as it was is no repair.
        window.spent = Nanos(0);
        for rest in COOL_DOWN {
            if check.drift.is_none() || window.spent >= window.budget || repeats(window.rows) {
                break;
            }
            let Some(rates) = self.anchor_rates(window, rest, sink)? else { return Ok(None) };
            check.drift = drifted(&window.before, &rates);
            // The machine is back; or it is another one, and stays that.
            let stays = drifted(&last, &rates).is_none();
            last = rates;
            if check.drift.is_some() && !stays {
                continue;
            }
            check.rounds += 1;
            for job in window.rows {
                let trace = self.row(job, sink)?.unwrap_or_default();
                window.spent = window.spent + trace.running;
            }
            let Some(rates) = self.anchor_rates(window, Nanos(0), sink)? else { return Ok(None) };
            if check.drift.is_some() && drifted(&last, &rates).is_none() {
                say_shift(window, check.drift.take(), sink)?;
                window.before = last;
                break;
            }
            check.drift = drifted(&window.before, &rates);
            last = rates;
        }
        Ok(Some(check))
    }

    /// The anchor's rates as they are now, after a rest; `None` where it fails.
    fn anchor_rates(
        &mut self,
        window: &mut Window<'_, '_>,
        rest: Nanos,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Vec<f64>>, Halt> {
        let job = window.anchor;
        sink(&Record::Phase { job: job.id.clone(), phase: Phase::Anchor }).map_err(Halt::Sink)?;
        let mut trace = Trace::default();
        let mut keep = |record: &Record| {
            trace.keep(record);
            Ok(())
        };
        let stop = again(self.options.settings.stop);
        let settings = Settings { stop, delay: rest, ..self.options.settings };
        let request = Request::Run { job: Box::new(job.clone()), settings };
        self.prepare(job)?;
        let mut run = JobRun { job, phase: Phase::Start, sink: &mut keep };
        let (outcome, _) = self.watch(&mut run, &request, &mut None)?;
        window.spent = window.spent + rest + trace.running;
        Ok(matches!(outcome, Outcome::Completed).then(|| trace.rates(job)))
    }
}

/// Says that from these rows on the machine is another one than before.
fn say_shift(window: &Window<'_, '_>, shift: Option<f64>, sink: &mut Sink<'_>) -> Result<(), Halt> {
    let (Some(shift), Some(first)) = (shift, window.rows.first()) else { return Ok(()) };
    let word = if shift < 0.0 { "slower" } else { "faster" };
    let text = format!(
        "from {} ({}) on the machine is {:.1} % {word} than for the rows before, and stays so: these \
         do not compare with those",
        first.work.test_name(),
        first.setup.subject(),
        shift.abs() * 100.0
    );
    let warning = Warning { text };
    sink(&Record::Warned { job: None, warning }).map_err(Halt::Sink)
}

/// By how much rates have drifted, if they have.
fn drifted(before: &[f64], after: &[f64]) -> Option<f64> {
    drift::drift(before, after, drift::BOUND)
}

/// The rule for an anchor that is measured again: as for a row, and not for long.
fn again(rule: Rule) -> Rule {
    match rule {
        Rule::Fixed { n } => Rule::Fixed { n: n.min(SAMPLES) },
        Rule::Precision { target, max_samples, .. } => {
            Rule::Precision { min_samples: SAMPLES, target, max_samples, max_time: TIME }
        }
    }
}

/// Whether a job is in the list twice: then nobody could tell which row is measured again.
fn repeats(rows: &[&Job]) -> bool {
    let mut ids: Vec<_> = rows.iter().map(|job| &job.id).collect();
    ids.sort();
    ids.windows(2).any(|pair| pair[0] == pair[1])
}

/// Says that these rows are as they will stay.
pub(super) fn settle(rows: &[&Job], check: Option<Check>, sink: &mut Sink<'_>) -> Result<(), Halt> {
    if rows.is_empty() {
        return Ok(());
    }
    let jobs: Vec<JobId> = rows.iter().map(|job| job.id.clone()).collect();
    sink(&Record::Settled { jobs, check }).map_err(Halt::Sink)
}
