//! Patience: how long to wait for a worker before it counts as hung.
//!
//! With `--timeout` a job has so long, all in all. Without, it is silence that counts: a worker says
//! something whenever a phase begins and after every run, so what is waited for is one load, one context or
//! one run, and what that may take follows from what it is and from what others have taken.

use std::time::{Duration, Instant};

use crate::job::Job;
use crate::record::Phase;
use crate::units::Nanos;
use crate::wire::Event;

/// What anything may take.
const LEAST: Duration = Duration::from_mins(2);
/// A disk that is slower than this, in bytes a second, is broken.
const SLOWEST_DISK: u64 = 10 << 20;
/// A machine that is slower than this, in multiplications a second, is not what anybody measures on.
const SLOWEST_MACHINE: f64 = 5e9;
/// How many times longer than the slowest before it a run may take.
const FACTOR: u32 = 20;

/// What is known about the time that things take here.
#[derive(Debug, Clone, Default)]
pub(super) struct Patience {
    /// Longest time of a job, all in all, where that was asked for; zero is for ever.
    asked: Option<Duration>,
    /// The most that a weight and token has taken in any run so far, in seconds.
    slowest: Option<f64>,
}

/// What one job may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// When it is over; `None` for never.
    pub deadline: Option<Instant>,
    /// How long that is from when it was set.
    pub limit: Duration,
}

impl Patience {
    pub(super) fn new(asked: Option<Duration>) -> Self {
        Self { asked, slowest: None }
    }

    /// The limit as a job begins.
    pub(super) fn begin(&self, job: &Job, delay: Nanos) -> Limit {
        match self.asked {
            Some(Duration::ZERO) => Limit { deadline: None, limit: Duration::ZERO },
            Some(asked) => until(asked),
            None => self.wait(job, Phase::Start, delay),
        }
    }

    /// The limit after a job has said something.
    pub(super) fn after(&mut self, event: &Event, job: &Job, before: Limit, delay: Nanos) -> Limit {
        let (phase, took) = match event {
            Event::Phase { phase, .. } => (*phase, None),
            Event::Sample { sample, .. } => {
                let each = |(runs, ns): (u32, Nanos)| ns.seconds() / f64::from(runs.max(1));
                (Phase::Prompt, sample.runs().map(each))
            }
            _ => (Phase::Prompt, None),
        };
        if let Some(seconds) = took {
            let each = seconds / size(job);
            self.slowest = Some(self.slowest.map_or(each, |slowest| slowest.max(each)));
        }
        if self.asked.is_some() { before } else { self.wait(job, phase, delay) }
    }

    /// How long to wait for the end of what a phase begins with.
    fn wait(&self, job: &Job, phase: Phase, delay: Nanos) -> Limit {
        let file = job.setup.model().map_or(0, |model| model.file_size.0);
        let load = Duration::from_secs(file / SLOWEST_DISK);
        let runs = match self.slowest {
            Some(each) => Duration::from_secs_f64(each * size(job)) * FACTOR,
            None => Duration::from_secs_f64(size(job) / SLOWEST_MACHINE),
        };
        until(match phase {
            Phase::Start | Phase::Load => LEAST + load,
            Phase::Context => LEAST,
            Phase::Idle | Phase::Anchor => LEAST + delay.duration(),
            Phase::Warmup
            | Phase::Depth
            | Phase::Prompt
            | Phase::Generate
            | Phase::Score
            | Phase::Canary => LEAST + runs,
        })
    }
}

fn until(limit: Duration) -> Limit {
    Limit { deadline: Instant::now().checked_add(limit), limit }
}

/// Weights times what a run costs in tokens.
#[allow(clippy::cast_precision_loss)] // an estimate
fn size(job: &Job) -> f64 {
    let weights = job.setup.model().map_or(0, |model| model.n_params.0);
    // A sample may hold many short runs.
    weights as f64 * job.work.cost().max(512.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::config;
    use crate::work::{Sample, Work};

    fn job(n_prompt: u32) -> Job {
        Job::new(config(), Work::prompt(n_prompt))
    }

    fn sample(job: &Job, seconds: u64) -> Event {
        let sample = Sample::Warmup { ns: Nanos(seconds * 1_000_000_000) };
        Event::Sample { job: job.id.clone(), sample }
    }

    #[test]
    fn what_was_asked_for_is_for_the_whole_job() {
        let mut patience = Patience::new(Some(Duration::from_secs(7)));
        let job = job(512);
        let limit = patience.begin(&job, Nanos(0));
        assert_eq!(limit.limit, Duration::from_secs(7));
        let later = patience.after(&sample(&job, 3), &job, limit, Nanos(0));
        assert_eq!(later.deadline, limit.deadline);
        assert!(Patience::new(Some(Duration::ZERO)).begin(&job, Nanos(0)).deadline.is_none());
    }

    #[test]
    fn without_it_patience_is_learned() {
        let mut patience = Patience::new(None);
        let (short, long) = (job(512), job(5120));
        let load = patience.begin(&short, Nanos(0));
        assert!(load.limit > LEAST + Duration::from_mins(4), "2.6 GB from a slow disk");
        let phase = |phase| Event::Phase { job: short.id.clone(), phase };
        let first = patience.after(&phase(Phase::Warmup), &short, load, Nanos(0)).limit;
        assert!(first > LEAST + Duration::from_mins(5), "nothing is known: {first:?}");
        let next = patience.after(&sample(&short, 1), &short, load, Nanos(0)).limit;
        assert_eq!(next, LEAST + Duration::from_secs(20));
        let longer = patience.after(&phase(Phase::Warmup), &long, load, Nanos(0)).limit;
        assert_eq!(longer.as_secs(), (LEAST + Duration::from_secs(200)).as_secs());
        let context = patience.after(&phase(Phase::Context), &long, load, Nanos(0)).limit;
        assert_eq!(context, LEAST);
    }
}
