//! Hosts, plans and records of runs that never were.

use crate::job::JobId;
use crate::journal::RunFacts;
use crate::machine::Host;
use crate::machine::{Description, Device, DeviceKind};
use crate::plan::tests::sweep;
use crate::plan::{Plan, Sweep, expand};
use crate::record::{DeviceMemory, Loaded, Outcome, Phase, Reading, Record};
use crate::report::Report;
use crate::setup::Setup;
use crate::stats::stopping::Rule;
use crate::stats::stopping::StopReason;
use crate::units::{Bytes, Nanos};
use crate::work::Sample;
use crate::work::Work;

fn device(name: &str, description: &str, kind: DeviceKind, backend: &str) -> Device {
    Device {
        id: None,
        name: name.into(),
        description: description.into(),
        kind,
        backend: backend.into(),
        free: 15 << 30,
        total: 16 << 30,
    }
}

/// A machine without a GPU.
pub(in crate::report) fn cpu_host() -> Host {
    Host {
        can_offload: false,
        cards: crate::machine::cards::Cards::default(),
        kernel: Some("6.1.0".into()),
        engine: Description {
            modules: vec![],
            start_errors: vec![],
            engine: "llama.cpp 0.9.1".into(),
            build_commit: "unknown".into(),
            backends: vec!["CPU".into()],
            devices: vec![device("CPU", "Test CPU 3000", DeviceKind::Cpu, "CPU")],
            cpu_features: vec!["SSE3".into(), "AVX2".into()],
            cpu_features_unused: vec![],
        },
        ..Host::for_tests()
    }
}

/// A machine with so many GPUs.
pub(in crate::report) fn gpu_host(gpus: usize) -> Host {
    let mut host = cpu_host();
    host.can_offload = true;
    host.engine.backends.insert(0, "CUDA".into());
    for index in 0..gpus {
        let name = format!("CUDA{index}");
        let gpu = device(&name, "Test GPU", DeviceKind::Gpu, "CUDA");
        host.engine.devices.insert(index, gpu);
    }
    host
}

/// A run in the making.
pub(in crate::report) struct Run {
    pub report: Report,
    pub plan: Plan,
}

impl Run {
    pub(in crate::report) fn new(
        host: Host,
        set: &[(&str, Vec<i64>)],
        works: &[Work],
        repetitions: u32,
    ) -> Self {
        let request = sweep(&host, set, works);
        Self::of_sweep(host, &request, repetitions)
    }

    pub(in crate::report) fn of_sweep(host: Host, sweep: &Sweep, repetitions: u32) -> Self {
        let plan = expand(sweep, &host).unwrap();
        let facts = RunFacts {
            interleave: None,
            priors: crate::ledger::Priors::default(),
            version: "0.0.0".into(),
            host,
            stop: Rule::Fixed { n: repetitions },
            bound: crate::journal::Bound::default(),
            cold: 0,
            roofs: vec![],
            links: vec![],
            process: crate::setup::Process::default(),
        };
        let report = Report::new(plan.clone(), facts);
        Self { report, plan }
    }

    /// Hands a record about the job at `index` to the report.
    pub(in crate::report) fn fold(&mut self, index: usize, record: impl FnOnce(JobId) -> Record) {
        let job = self.plan.jobs[index].job.id.clone();
        self.report.fold(&record(job));
    }

    pub(in crate::report) fn start(&mut self, index: usize) {
        let facts = self.loaded(index);
        let unix_time = 1_777_636_800 + index as u64 * 60;
        self.fold(index, |job| Record::Started { job, unix_time, round: 0, nth: 0 });
        self.fold(index, |job| Record::Loaded { job, facts });
    }

    pub(in crate::report) fn loaded(&self, index: usize) -> Loaded {
        let Setup::Llama(config) = &self.plan.jobs[index].job.setup;
        let layers = config.effective_gpu_layers(self.report.facts().host.can_offload);
        Loaded {
            load_ns: Nanos(800_000_000),
            description: config.model.label.clone(),
            tensor_bytes: config.model.tensor_bytes,
            n_params: config.model.n_params.0,
            offloaded_layers: layers,
            backends: if layers > 0 { "CUDA" } else { "CPU" }.into(),
            fit: None,
        }
    }

    /// The `nth` sample: a little slower each time, and different for each row.
    pub(in crate::report) fn sample(&mut self, index: usize, nth: u64) {
        let work = self.plan.jobs[index].job.work.speed().unwrap();
        let ns = 1_000_000_000 + index as u64 * 77_000_000 + nth * 3_000_000;
        let token = Nanos(ns / 2);
        let sample = Sample::Run {
            runs: 1,
            ns: Nanos(ns),
            first_token_ns: if work.n_prompt > 0 { vec![Nanos(ns / 3)] } else { vec![] },
            token_ns: if work.n_gen > 0 { vec![token, token] } else { vec![] },
        };
        self.fold(index, |job| Record::Sampled { job, sample });
    }

    pub(in crate::report) fn end(&mut self, index: usize, outcome: Outcome) {
        let reading = self.reading(index, &outcome);
        self.fold(index, |job| Record::Finished { job, outcome, reading });
        self.fold(index, |job| Record::settled([(job, 0)]));
    }

    fn reading(&self, index: usize, outcome: &Outcome) -> Reading {
        if !matches!(outcome, Outcome::Completed) {
            return Reading::default();
        }
        let job = &self.plan.jobs[index].job;
        let host = &self.report.facts().host;
        let Setup::Llama(config) = &job.setup;
        let layers = u64::from(config.effective_gpu_layers(host.can_offload));
        let gpus = host.engine.devices.iter();
        let gpus = gpus.filter(|device| device.kind == DeviceKind::Gpu);
        let devices = gpus.map(|device| DeviceMemory {
            device: device.name.clone(),
            used: Bytes((layers * 100) << 20),
            after_load: None,
            after_context: None,
            total: Bytes(device.total),
        });
        Reading {
            peak_rss: Some(Bytes(2_700 << 20)),
            devices: devices.collect(),
            n_ctx: Some(job.extent().n_ctx.next_multiple_of(256)),
            flash_attn: Some(true),
            steady: Some(true),
            stop: Some(StopReason::Repetitions),
            ..Reading::default()
        }
    }

    /// A whole measurement of so many samples.
    pub(in crate::report) fn measure(&mut self, index: usize, outcome: Outcome, samples: u64) {
        self.start(index);
        for nth in 0..samples {
            self.sample(index, nth);
        }
        self.end(index, outcome);
    }

    /// The report when everything that is to be measured was.
    pub(in crate::report) fn all_complete(mut self) -> Report {
        for index in 0..self.plan.jobs.len() {
            if self.plan.jobs[index].same_as.is_none() {
                let Rule::Fixed { n } = self.report.facts().stop else { continue };
                self.measure(index, Outcome::Completed, n.into());
            }
        }
        self.report
    }
}

/// Every way not to complete.
pub(in crate::report) fn bad_endings() -> [Outcome; 4] {
    let log = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
    [
        Outcome::Failed {
            phase: Phase::Context,
            cause: "llama.cpp could not create the context".into(),
            trouble: crate::record::Trouble::Other,
            log: log(&["init: allocating", "alloc: failed to allocate `CUDA0` buffer"]),
        },
        Outcome::Crashed {
            phase: Phase::Prompt,
            how: "SIGABRT".into(),
            trouble: crate::record::Trouble::Other,
            signal: Some(6),
            hint: Some("llama.cpp gave up; the last lines of its log say why".into()),
            log: log(&["ggml.c:42: GGML_ASSERT(a | b) failed", "#1 0x1234 in main"]),
        },
        Outcome::TimedOut { phase: Phase::Generate, limit: Nanos(30_000_000_000) },
        Outcome::Crashed {
            phase: Phase::Load,
            how: "SIGILL".into(),
            trouble: crate::record::Trouble::Other,
            signal: Some(4),
            hint: None,
            log: vec![],
        },
    ]
}
