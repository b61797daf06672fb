//! What a person sees while a sweep runs: which row, which phase, and how long it will take. On standard
//! error, and only on a terminal unless asked for.

use std::collections::HashSet;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::job::{Job, JobId};
use crate::record::{Phase, Record};
use crate::stats::stopping::Rule;
use crate::units::Nanos;
use crate::wire::Settings;
use crate::work::Sample;

/// Progress of one run.
pub struct Progress {
    jobs: Vec<Job>,
    done: HashSet<JobId>,
    current: Option<(JobId, Instant)>,
    cost: Cost,
    /// What lines were printed about since the job started.
    told: HashSet<(JobId, Phase)>,
    style: Style,
}

enum Style {
    Quiet,
    Lines,
    Bar(ProgressBar),
}

impl Progress {
    /// A bar on a terminal; lines where they were asked for (`--progress`) and there is no terminal.
    pub fn new(jobs: &[&Job], settings: Settings, lines: bool) -> Self {
        let jobs: Vec<_> = jobs.iter().map(|job| (*job).clone()).collect();
        let style = if std::io::stderr().is_terminal() {
            Style::Bar(bar(jobs.len()))
        } else if lines {
            Style::Lines
        } else {
            Style::Quiet
        };
        Self {
            jobs,
            done: HashSet::new(),
            current: None,
            cost: Cost::new(settings),
            told: HashSet::new(),
            style,
        }
    }

    /// Takes note of what happened.
    pub fn fold(&mut self, record: &Record) {
        match record {
            Record::Started { job, .. } => {
                self.current = Some((job.clone(), Instant::now()));
                self.told.retain(|(told, _)| told != job);
                self.show(Phase::Start);
            }
            Record::Phase { job, phase } => {
                // In rounds another job may be under way than the one that started last.
                if self.current.as_ref().is_some_and(|(current, _)| current != job) {
                    self.current = Some((job.clone(), Instant::now()));
                }
                self.show(*phase);
            }
            Record::Sampled { job, sample } => {
                if let Some(job) = self.jobs.iter().find(|planned| planned.id == *job) {
                    self.cost.learn(job, sample);
                }
                self.estimate();
            }
            Record::Finished { job, .. } => {
                self.done.insert(job.clone());
                self.current = None;
                if let Style::Bar(bar) = &self.style {
                    bar.set_position(self.done.len() as u64);
                }
                self.estimate();
            }
            Record::Loaded { .. } | Record::Warned { .. } | Record::Settled { .. } => {}
        }
    }

    /// Prints without tearing the bar.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.style {
            Style::Bar(bar) => bar.suspend(print),
            Style::Lines | Style::Quiet => print(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
    }

    /// The job under way.
    fn job(&self) -> Option<&Job> {
        let (id, _) = self.current.as_ref()?;
        self.jobs.iter().find(|job| job.id == *id)
    }

    fn show(&mut self, phase: Phase) {
        let Some(job) = self.job().cloned() else { return };
        let what = match phase {
            Phase::Start => "starting",
            Phase::Load => "loading",
            Phase::Context => "creating the context",
            Phase::Warmup => "warming up",
            Phase::Depth => "filling the context",
            Phase::Prompt => "prompt",
            Phase::Generate => "generating",
            Phase::Idle => "resting",
            Phase::Anchor => "measured again, to see whether the machine has changed",
        };
        let text = format!("{} {}: {what}", job.setup.subject(), job.work.test_name());
        match &self.style {
            Style::Quiet => {}
            // In rounds a job comes back to the same phase again and again.
            Style::Lines if !self.told.insert((job.id.clone(), phase)) => {}
            Style::Lines => eprintln!(
                "lbench: {}/{} {text}",
                (self.done.len() + 1).min(self.jobs.len()),
                self.jobs.len()
            ),
            Style::Bar(bar) => bar.set_message(text),
        }
    }

    /// The time left: what each remaining job costs at the speeds seen last, less what the one under way
    /// has had already.
    fn estimate(&self) {
        let Style::Bar(bar) = &self.style else { return };
        let remaining = self.jobs.iter().filter(|job| !self.done.contains(&job.id));
        let all: Option<f64> = remaining.map(|job| self.cost.seconds(job)).sum();
        let under_way = self.job().and_then(|job| self.cost.seconds(job)).unwrap_or(0.0);
        let spent = self.current.as_ref().map_or(0.0, |(_, since)| since.elapsed().as_secs_f64());
        let left = all.map(|seconds| seconds - spent.min(under_way));
        // Below a second there is nothing to wait for.
        bar.set_prefix(
            left.filter(|seconds| *seconds >= 1.0).map_or_else(String::new, |seconds| {
                format!("about {} left", Nanos::from(Duration::from_secs_f64(seconds)))
            }),
        );
    }
}

fn bar(jobs: usize) -> ProgressBar {
    let bar =
        ProgressBar::with_draw_target(Some(jobs as u64), ProgressDrawTarget::stderr_with_hz(4));
    // A constant template: it parses or it does not, and tests see it parse.
    if let Ok(style) = ProgressStyle::with_template("[{bar:24}] {pos}/{len} {msg}  {prefix}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// What jobs cost, in seconds. Prompt and generated tokens differ by orders of magnitude, so each has a
/// price of its own, learned from the last sample.
struct Cost {
    settings: Settings,
    prompt_token: Option<f64>,
    step: Option<f64>,
}

impl Cost {
    fn new(settings: Settings) -> Self {
        Self { settings, prompt_token: None, step: None }
    }

    fn learn(&mut self, job: &Job, sample: &Sample) {
        let Sample::Run { runs, ns, token_ns, .. } = sample else { return };
        let generating: f64 = token_ns.iter().map(|ns| ns.seconds()).sum();
        if job.work.speed().n_gen > 0 {
            self.step = Some(generating / f64::from(job.work.speed().n_gen) / f64::from(*runs));
        }
        if job.work.speed().n_prompt > 0 {
            let prompting = (ns.seconds() - generating).max(0.0);
            let tokens = f64::from(job.work.speed().n_prompt) * f64::from(*runs);
            self.prompt_token = Some(prompting / tokens);
        }
    }

    /// The price of all runs of a test that costs `once`.
    fn runs(&self, once: f64) -> f64 {
        /// Warm-up runs that a test takes as a rule.
        const WARMUP: f64 = 2.0;
        /// Samples that it takes as a rule, where precision decides.
        const SAMPLES: f64 = 10.0;
        let warmup = if self.settings.warmup { WARMUP * once } else { 0.0 };
        warmup
            + match self.settings.stop {
                Rule::Fixed { n } => f64::from(n) * once,
                Rule::Visit { min_samples, least_time, .. } => {
                    (f64::from(min_samples) * once).max(least_time.seconds())
                }
                Rule::Precision { min_samples, max_time, .. } => {
                    let least = f64::from(min_samples) * once;
                    (SAMPLES * once).min(max_time.seconds()).max(least)
                }
            }
    }

    /// The price of a job; `None` while nothing is known.
    fn seconds(&self, job: &Job) -> Option<f64> {
        /// A generated token costs about as much as this many prompt tokens, until both are known.
        const STEP_TO_PROMPT: f64 = 10.0;
        let prompt_token = self.prompt_token.or(self.step.map(|step| step / STEP_TO_PROMPT))?;
        let step = self.step.unwrap_or(prompt_token * STEP_TO_PROMPT);
        let once = f64::from(job.work.speed().n_prompt) * prompt_token
            + f64::from(job.work.speed().n_gen) * step;
        let depth = f64::from(job.work.speed().n_depth) * prompt_token;
        Some(self.runs(once) + depth + self.settings.delay.seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::config;
    use crate::work::Work;

    #[test]
    fn jobs_of_different_cost_have_different_estimates() {
        let settings =
            Settings { stop: Rule::Fixed { n: 3 }, warmup: true, delay: Nanos(0), foresee: true };
        let mut cost = Cost::new(settings);
        let prompt = Job::new(config(), Work::prompt(100));
        let generate = Job::new(config(), Work::generate(100));
        assert_eq!(cost.seconds(&prompt), None);

        let sample = |ns, tokens: &[u64]| Sample::Run {
            runs: 1,
            ns: Nanos(ns),
            first_token_ns: vec![],
            token_ns: tokens.iter().map(|&ns| Nanos(ns)).collect(),
        };
        cost.learn(&prompt, &sample(1_000_000_000, &[]));
        assert!((cost.seconds(&prompt).unwrap() - 5.0).abs() < 1e-9);
        assert!((cost.seconds(&generate).unwrap() - 50.0).abs() < 1e-9);
        cost.learn(&generate, &sample(2_000_000_000, &[20_000_000; 100]));
        assert!((cost.seconds(&generate).unwrap() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_template_parses() {
        bar(3);
        assert!(ProgressStyle::with_template("[{bar:24}] {pos}/{len} {msg}  {prefix}").is_ok());
    }
}
