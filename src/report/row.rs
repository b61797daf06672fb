//! One row, looked at: a planned job, what was measured for it, and the figures that follow.

use super::summary::Summary;
use super::{Against, Measured, Report};
use crate::axis::{AXES, Axis};
use crate::job::Job;
use crate::journal::RunFacts;
use crate::machine::{Link, Roof, without_folders};
use crate::plan::Part;
use crate::record::{
    Canary, Health, Outcome, Peak, Phase, Reading, RemoteTraffic, Trouble, Warning, WarningKind,
};
use crate::roofline::Target;
use crate::setup::Setup;
use crate::stats::interval::Interval;
use crate::stats::known::Known;
use crate::stats::sides::Side;
use crate::stats::spread::{CONFIDENCE, Spread};
use crate::stats::stopping::{Rule, StopReason};
use crate::units::{Bytes, Nanos};
use crate::work::{Figure, Metric, Sample};

/// A row of a report.
#[derive(Debug)]
pub struct Row<'a> {
    /// What was true of it when it was measured.
    pub facts: &'a RunFacts,
    /// The row's job, as it was asked for.
    pub job: &'a Job,
    /// Set where the figures are those of an equal row.
    pub same: Option<Same<'a>>,
    /// The sweep that it belongs to, where the run is made of several.
    part: Option<&'a Part>,
    /// What its reader must know of its settings.
    pub notes: &'a [String],
    /// What the engine calls the model, as far as it has loaded it; what lbench does, where it has not.
    pub description: &'a str,
    /// What was recorded, for this row or for the equal one.
    pub measured: &'a Measured,
    /// The figures. Means and spreads are `None` where the measurement did not come to its end: a mean
    /// over what came before a crash would read like a result.
    pub summary: &'a Summary,
    /// How well its speed is known; `None` where the measurement did not come to its end.
    pub known: Option<Known>,
    /// By how much the machine changed meanwhile, where it drifted: −0.03 is 3 % slower at the end.
    pub drift: Option<f64>,
    /// Whether it says of itself that it does not compare with others: the machine changed, the device was held
    /// back, or its runs did not come to agree.
    pub marked: bool,
    /// How it does against the baseline; `None` without one, or where that has no such row.
    pub against: Option<Against>,
    /// What was read of its memory.
    pub memory: &'a Reading,
    run_warnings: &'a [Warning],
    /// When rows of the run have been measured enough. This one may be of an earlier run, with another rule.
    goal: Rule,
}

/// What remote devices cost a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Remote {
    /// Bytes to the servers for each token.
    pub up: f64,
    /// Bytes from them for each token.
    pub down: f64,
    /// Share of the time that the links explain at least: bytes over their bandwidth, and a round trip
    /// to each server for each batch. `None` where a link was not measured.
    pub share: Option<f64>,
}

#[allow(clippy::cast_precision_loss)] // 2^53 bytes are 8 PiB
fn float(bytes: Bytes) -> f64 {
    bytes.0 as f64
}

/// The equal row that was measured.
#[derive(Debug, Clone, Copy)]
pub struct Same<'a> {
    /// Its job.
    pub job: &'a Job,
    /// Why they are the same thing.
    pub reason: &'a str,
}

impl<'a> Row<'a> {
    /// The sweep of several that the row belongs to.
    pub fn part_title(&self) -> Option<&'a str> {
        self.part.map(|part| part.title.as_str())
    }

    /// Cold starts asked for.
    pub fn cold_repetitions(&self) -> u32 {
        self.part.map_or(self.facts.cold, |part| part.cold)
    }

    pub(super) fn new(report: &'a Report, index: usize) -> Self {
        let planned = &report.plan.jobs[index];
        let source = report.source(index);
        let measured = &report.measured[source];
        let (summary, ended_well) = (report.summary(index), measured.ended_well());
        let drift = drift(report, measured);
        let marked = drift.is_some() || measured.is_marked();
        let now = Side { values: &summary.values, known: report.known(index), marked };
        let now = Some(now).filter(|_| ended_well);
        let facts = measured.facts().unwrap_or(&report.facts);
        let known = report.known(index).filter(|_| ended_well);
        let floor = facts.host.floors.and_then(|floors| planned.job.work.floor(floors));
        let baseline = report.baseline.as_ref();
        let metric = planned.job.work.headline();
        let against = baseline.and_then(|baseline| baseline.against(index, metric, now, floor));
        let same = planned.same_as.as_ref().filter(|_| source != index);
        Self {
            facts,
            known,
            part: report.plan.part(index),
            job: &planned.job,
            notes: &planned.notes,
            description: report.description(index),
            same: same
                .map(|same| Same { job: &report.plan.jobs[source].job, reason: &same.reason }),
            measured,
            summary,
            drift,
            marked,
            against,
            memory: report.memory(index),
            run_warnings: &report.warnings,
            goal: report.facts.stop,
        }
    }

    /// How it ended, in a word. A measurement of which no ending was heard was interrupted.
    pub fn outcome_name(&self) -> &'static str {
        match self.measured.outcome {
            Some(Outcome::Completed) => "completed",
            Some(Outcome::Failed { .. }) => "failed",
            Some(Outcome::Crashed { .. }) => "crashed",
            Some(Outcome::TimedOut { .. }) => "timed_out",
            Some(Outcome::Skipped { .. }) => "skipped",
            Some(Outcome::Interrupted) | None => "interrupted",
        }
    }

    /// Where it was when it went wrong.
    pub fn phase(&self) -> Option<Phase> {
        match self.measured.outcome.as_ref()? {
            Outcome::Failed { phase, .. }
            | Outcome::Crashed { phase, .. }
            | Outcome::TimedOut { phase, .. } => Some(*phase),
            Outcome::Completed | Outcome::Skipped { .. } | Outcome::Interrupted => None,
        }
    }

    /// Why it went wrong, in words.
    pub fn cause(&self) -> Option<String> {
        match self.measured.outcome.as_ref()? {
            Outcome::Failed { cause, .. } => Some(without_folders(cause)),
            Outcome::Crashed { how, .. } => Some(without_folders(how)),
            Outcome::TimedOut { limit, .. } => Some(format!("took longer than {limit}")),
            Outcome::Skipped { reason } => Some(reason.clone()),
            Outcome::Completed | Outcome::Interrupted => None,
        }
    }

    /// What to try, where that is known.
    pub fn hint(&self) -> Option<&'a str> {
        match self.measured.outcome.as_ref()? {
            Outcome::Crashed { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    /// What kind of trouble it had, where that is known.
    pub fn trouble(&self) -> Option<Trouble> {
        match self.measured.outcome.as_ref()? {
            Outcome::Failed { trouble, .. } | Outcome::Crashed { trouble, .. } => Some(*trouble),
            _ => None,
        }
    }

    /// Number of the signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        match self.measured.outcome {
            Some(Outcome::Crashed { signal, .. }) => signal,
            _ => None,
        }
    }

    /// Last lines of the engine's log, where it went wrong.
    pub fn log(&self) -> &'a [String] {
        match &self.measured.outcome {
            Some(Outcome::Failed { log, .. } | Outcome::Crashed { log, .. }) => log,
            _ => &[],
        }
    }

    /// Bits of the model's tensors for each of its parameters.
    #[allow(clippy::cast_precision_loss)] // 2^53 bits are a petabyte
    pub fn bits_per_weight(&self) -> Option<f64> {
        let model = self.job.setup.model().filter(|model| model.n_params.0 > 0)?;
        Some(model.tensor_bytes.0 as f64 * 8.0 / model.n_params.0 as f64)
    }

    /// Where it ran: what the engine said once the model was loaded; until then, what it would use.
    pub fn backends(&self) -> String {
        let loaded = self.measured.loaded.as_ref();
        loaded.map_or_else(|| self.facts.host.backends(), |loaded| loaded.backends.clone())
    }

    /// Layers that are on a device, as opposed to those asked for.
    pub fn gpu_layers(&self) -> u32 {
        let loaded = self.measured.loaded.as_ref();
        loaded.map_or_else(
            || {
                let Setup::Llama(config) = &self.job.setup;
                config.effective_gpu_layers(self.facts.host.can_offload)
            },
            |loaded| loaded.offloaded_layers,
        )
    }

    /// What the device that did all the work can do at best; `None` where several shared it, or it was
    /// not measured.
    pub fn roof(&self) -> Option<Roof> {
        let target = Target::of(self.job, self.gpu_layers(), &self.facts.host)?;
        let found = self.facts.roofs.iter().find(|roofline| roofline.target == target);
        found.map(|roofline| roofline.roof)
    }

    /// The most memory that was taken on each device during the row.
    pub fn peaks(&self) -> Vec<Peak<'a>> {
        self.memory.peaks()
    }

    /// The most memory taken on all devices together; `None` where none was read.
    pub fn device_memory(&self) -> Option<Bytes> {
        self.memory.device_memory()
    }

    /// What the devices used on the measured runs, in joules; `None` where one does not tell, or the runs
    /// took less than a second.
    pub fn joules(&self) -> Option<f64> {
        let telemetry = &self.measured.reading.telemetry;
        if telemetry.is_empty() {
            return None;
        }
        telemetry.iter().map(|seen| seen.energy_j).sum()
    }

    /// How often the test was run while it was measured, and the seconds that took.
    fn measured_runs(&self) -> (f64, f64) {
        let samples = self.measured.samples.iter();
        let runs = samples.filter(|sample| sample.is_measured()).filter_map(Sample::runs);
        runs.fold((0.0, 0.0), |(count, seconds), (runs, ns)| {
            (count + f64::from(runs), seconds + ns.seconds())
        })
    }

    /// Energy for each token of the measured runs, prompt and generated ones alike.
    pub fn joules_per_token(&self) -> Option<f64> {
        let (runs, _) = self.measured_runs();
        let tokens = runs * f64::from(self.job.work.speed()?.tokens());
        self.joules().filter(|_| tokens > 0.0).map(|joules| joules / tokens)
    }

    /// Mean power of all devices, in watts.
    pub fn watts(&self) -> Option<f64> {
        let telemetry = &self.measured.reading.telemetry;
        (!telemetry.is_empty()).then(|| telemetry.iter().map(|seen| seen.power_w).sum()).flatten()
    }

    /// Whether a device was held back by heat or a fault, or its clock fell meanwhile.
    pub fn throttled(&self) -> Option<bool> {
        let telemetry = &self.measured.reading.telemetry;
        (!telemetry.is_empty()).then(|| telemetry.iter().any(|seen| seen.throttled))
    }

    /// What was seen where it computes something else than the file says.
    pub fn suspect_canary(&self) -> Option<&Canary> {
        let canary = self.measured.reading.canary.as_ref();
        canary.filter(|canary| canary.health() != Health::Well)
    }

    /// What remote devices cost; `None` where no bytes were counted.
    pub fn remote(&self) -> Option<Remote> {
        let traffic = &self.measured.reading.traffic;
        let (count, seconds) = self.measured_runs();
        let (Setup::Llama(config), work) = (&self.job.setup, self.job.work.speed()?);
        let tokens = count * f64::from(work.tokens());
        if traffic.is_empty() || tokens <= 0.0 || seconds <= 0.0 {
            return None;
        }
        // Each batch needs an answer from each server.
        let batches = work.n_prompt.div_ceil(config.n_batch.max(1)) + work.n_gen;
        let time = |seen: &RemoteTraffic| {
            let (_, link) = self.links().find(|(endpoint, _)| *endpoint == seen.endpoint)?;
            let link = link.as_ref().ok()?;
            let moving = float(seen.up) / link.up? + float(seen.down) / link.down?;
            // Batches that send nothing wait for nobody.
            let waiting = count * f64::from(batches) * link.round_trip.seconds();
            Some(if seen.up.0 + seen.down.0 > 0 { moving + waiting } else { 0.0 })
        };
        let spent: Option<f64> = traffic.iter().map(time).sum();
        let sum = |of: fn(&RemoteTraffic) -> Bytes| {
            traffic.iter().map(|seen| float(of(seen))).sum::<f64>()
        };
        Some(Remote {
            up: sum(|seen| seen.up) / tokens,
            down: sum(|seen| seen.down) / tokens,
            share: spent.map(|spent| (spent / seconds).min(1.0)),
        })
    }

    /// The links to the servers that it uses.
    pub fn links(&self) -> impl Iterator<Item = &'a (String, Result<Link, String>)> {
        let servers = self.job.setup.servers();
        self.facts.links.iter().filter(move |(endpoint, _)| servers.contains(endpoint))
    }

    /// What its reader must know: of its settings, of how it was measured, of the whole run.
    pub fn warnings(&self) -> impl Iterator<Item = (WarningKind, &'a str)> {
        let warned = self.measured.warnings.iter().chain(self.run_warnings);
        let warned = warned.map(|warning| (warning.kind, warning.text.as_str()));
        self.notes.iter().map(|note| (WarningKind::Plan, note.as_str())).chain(warned)
    }

    /// The axes in which this row differs from the equal row that was measured.
    pub fn differing_axes(&self) -> impl Iterator<Item = &'static Axis> {
        let jobs = self.same.map(|same| (self.job, same.job));
        AXES.iter().filter(move |axis| {
            jobs.is_some_and(|(own, other)| own.value(axis) != other.value(axis))
        })
    }

    /// The cold starts among the samples, in nanoseconds.
    pub fn cold_samples(&self) -> impl Iterator<Item = u64> {
        self.measured.samples.iter().filter_map(|sample| match sample {
            Sample::Cold { ns } => Some(ns.0),
            _ => None,
        })
    }

    /// The times to first token of each run, in nanoseconds.
    pub fn first_token_samples(&self) -> impl Iterator<Item = u64> {
        self.runs().flat_map(|(first, _)| first.iter().map(|ns| ns.0))
    }

    /// The times of each token of each sample, in nanoseconds.
    pub fn token_samples(&self) -> impl Iterator<Item = Vec<u64>> {
        self.runs().map(|(_, tokens)| tokens.iter().map(|ns| ns.0).collect())
    }

    /// First-token times and token times of each measured sample.
    fn runs(&self) -> impl Iterator<Item = (&'a [Nanos], &'a [Nanos])> {
        self.measured.samples.iter().filter_map(|sample| match sample {
            Sample::Run { first_token_ns, token_ns, .. } => {
                Some((first_token_ns.as_slice(), token_ns.as_slice()))
            }
            _ => None,
        })
    }

    /// The row as a side of a comparison; `None` where it did not come to its end.
    pub fn side(&self) -> Option<Side<'_>> {
        let ended_well = self.measured.ended_well();
        let values = &self.summary.values;
        ended_well.then_some(Side { values, known: self.known, marked: self.marked })
    }

    /// What a metric came to; `None` where the row has no such figure.
    pub fn figure(&self, metric: &Metric) -> Option<&Figure> {
        self.summary.figure(metric)
    }

    /// What it is judged by.
    pub fn headline(&self) -> Option<&Figure> {
        self.figure(self.job.work.headline())
    }

    /// How the values of its headline are spread.
    fn spread(&self) -> Option<&Spread> {
        self.headline()?.spread.as_ref()
    }

    /// Half the width of the headline's 95 % interval, as a share; `None` without one.
    pub fn precision(&self) -> Option<f64> {
        let own = || self.spread().and_then(Spread::precision);
        // Of journals of schema 1, nobody knows how processes differ: what rows said then is kept.
        if self.measured.is_of_rounds() { self.known.map(|known| known.precision()) } else { own() }
    }

    /// The 95 % interval of the headline, in its unit.
    pub fn interval(&self) -> Option<Interval> {
        if self.measured.is_of_rounds() {
            return self.known?.interval(CONFIDENCE);
        }
        self.spread().and_then(Spread::interval)
    }

    /// How many visits its figures come from; 1 for a row of one measurement.
    pub fn n_visits(&self) -> usize {
        self.measured.visits.len()
    }

    /// The precision that it reached, where that is not what was asked for.
    pub fn missed_precision(&self) -> Option<f64> {
        let Rule::Precision { target, .. } = self.goal else { return None };
        let missed = if self.measured.is_of_rounds() {
            self.precision().is_some_and(|reached| reached > target)
        } else {
            let stop = self.measured.reading.stop;
            matches!(stop, Some(StopReason::MaxSamples | StopReason::MaxTime))
        };
        self.precision().filter(|_| missed)
    }
}

/// By how much the machine changed while the row was measured: over the rounds that visited it, or, by an anchor
/// behind it, in journals of schema 1.
fn drift(report: &Report, measured: &Measured) -> Option<f64> {
    let checked = measured.check.as_ref().and_then(|check| check.drift);
    let rounds = measured.is_of_rounds().then(|| report.ledger.drift()).flatten();
    checked.or(rounds.map(|trend| trend.change))
}
