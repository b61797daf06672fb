//! Runs that never were, on a clock that stands until it is moved.

use std::time::{Duration, Instant};

use super::Bounds;
use super::board::Board;
use crate::ledger::Priors;
use crate::machine::Host;
use crate::plan::tests::sweep;
use crate::plan::{Plan, Sweep, expand};
use crate::record::{DeviceMemory, Loaded, Outcome, Phase, Reading, Record};
use crate::stats::stopping::Rule;
use crate::units::{Bytes, Nanos};
use crate::wire::{Guarded, Settings};
use crate::work::{Sample, Work};

/// A run, the records of which are made up.
pub(super) struct Run {
    pub(super) plan: Plan,
    pub(super) board: Board,
    pub(super) now: Instant,
}

impl Run {
    pub(super) fn new(plan: Plan, stop: Rule) -> Self {
        let visit = match stop {
            Rule::Fixed { .. } => stop,
            _ => Rule::visit(),
        };
        let visit = Settings {
            stop: visit,
            warmup: true,
            delay: Nanos(0),
            foresee: true,
            canary: Guarded::None,
        };
        let shares = visit.stop != stop;
        let limits = Bounds { visit, stop, rounds: None, shares, total_time: None };
        let now = Instant::now();
        let board = Board::new(&plan, Priors::default(), limits, now);
        Self { plan, board, now }
    }

    /// The command that asks for 18 rows: `-p 1024 -b 64,128,512 -ngl 10,20,99`.
    pub(super) fn of_18() -> Self {
        let axes = [("n_gpu_layers", vec![10, 20, 99]), ("n_batch", vec![64, 128, 512])];
        let works = [Work::prompt(1024), Work::generate(128)];
        Self::of_sweep(&sweep(&Host::for_tests(), &axes, &works))
    }

    pub(super) fn of_sweep(sweep: &Sweep) -> Self {
        Self::new(expand(sweep, &Host::for_tests()).unwrap(), Rule::default())
    }

    pub(super) fn fold(&mut self, record: &Record) {
        self.board.fold(record, self.now);
    }

    pub(super) fn phase(&mut self, row: usize, phase: Phase) {
        let job = self.plan.jobs[row].job.id.clone();
        self.fold(&Record::Phase { job, phase });
    }

    pub(super) fn start(&mut self, row: usize, round: u32) {
        let job = self.plan.jobs[row].job.id.clone();
        self.fold(&Record::Started { job: job.clone(), unix_time: 0, round, nth: 0 });
        self.now += Duration::from_millis(500);
        let facts = Loaded {
            load_ns: Nanos(500_000_000),
            description: "llama 3B Q6_K".into(),
            tensor_bytes: Bytes(2_635_000_000),
            n_params: 3_212_749_888,
            offloaded_layers: 10,
            backends: "CUDA".into(),
            fit: None,
        };
        self.fold(&Record::Loaded { job, facts });
    }

    /// A sample of this speed.
    pub(super) fn sample(&mut self, row: usize, rate: f64) {
        let job = self.plan.jobs[row].job.clone();
        let speed = job.work.speed().unwrap();
        let time = Duration::from_secs_f64(f64::from(speed.tokens()) / rate);
        self.now += time;
        let ns = Nanos::from(time);
        let each = Nanos(ns.0 / u64::from(speed.n_gen.max(1)));
        let sample = Sample::Run {
            runs: 1,
            ns,
            first_token_ns: if speed.n_prompt > 0 { vec![ns] } else { vec![] },
            token_ns: vec![each; speed.n_gen as usize],
        };
        self.fold(&Record::Sampled { job: job.id, sample });
    }

    pub(super) fn end(&mut self, row: usize, outcome: Outcome) {
        let job = self.plan.jobs[row].job.id.clone();
        let device = DeviceMemory {
            device: "CUDA0".into(),
            used: Bytes(2_800 << 20),
            after_load: None,
            after_context: None,
            total: Bytes(80 << 30),
        };
        let (peak_rss, devices) = (Some(Bytes(1_203 << 20)), vec![device]);
        let reading = Reading { peak_rss, devices, ..Reading::default() };
        self.fold(&Record::Finished { job, outcome, reading });
    }

    /// A visit with two samples, so much apart from this speed.
    pub(super) fn visit(&mut self, row: usize, round: u32, rate: f64, noise: f64) {
        self.start(row, round);
        self.sample(row, rate * (1.0 - noise));
        self.sample(row, rate * (1.0 + noise));
        self.end(row, Outcome::Completed);
    }

    /// The rows that are measured themselves.
    pub(super) fn own_rows(&self) -> Vec<usize> {
        let own = |row: &usize| self.plan.jobs[*row].same_as.is_none();
        (0..self.plan.jobs.len()).filter(own).collect()
    }
}
