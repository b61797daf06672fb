//! The child's side: one process that owns the engine and the clock.
//!
//! It reads [`Request`]s from standard input and answers with [`Event`]s on what used to be standard
//! output. It dies with its parent: the kernel is asked to see to that, and a closed standard input is
//! watched for where the kernel does not.

mod canary;
pub mod cost;
mod events;
mod guarding;
mod measure;
mod quality;

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender};

use events::Events;
use measure::Measurement;

use crate::engine::scripted::{Script, Scripted};
use crate::engine::{Engine, EngineError, Session};
use crate::error::Error;
use crate::job::Job;
use crate::machine::Limits;
use crate::machine::limits::Room;
use crate::record::{
    Canary, DeviceMemory, Loaded, MemorySplit, Phase, Reading, Warning, WarningKind,
};
use crate::setup::{Config, Process, Setup};
use crate::terminal::tell;
use crate::units::{Bytes, Nanos};
use crate::wire::{END_OF_JOB, Event, Question, Request, Settings, VERSION};
use crate::work::Work;

/// How a worker is started.
#[derive(Debug, Clone, Default)]
pub struct WorkerOptions {
    /// Copy the engine's log to standard error.
    pub verbose: bool,
    /// Use the scripted engine with this script instead of llama.cpp.
    pub scripted: Option<Script>,
    /// Process id of the parent.
    pub parent: Option<u32>,
    /// Folder of backend modules.
    pub backend_dir: Option<PathBuf>,
    /// How the process runs.
    pub process: Process,
    /// What the system lets it have, where that counts.
    pub limits: Option<Limits>,
}

/// Serves requests until told to stop or the parent is gone.
///
/// # Errors
/// When the engine cannot be started, or this build has none.
pub fn main(options: &WorkerOptions) -> Result<(), Error> {
    let events =
        Events::claim_stdout().map_err(|e| Error::Worker(format!("standard output: {e}")))?;
    die_with_parent(options.parent);
    if let Err(reason) = set_priority(options.process) {
        events.send(&Event::Unfit { reason });
        return Ok(());
    }
    let requests = read_requests()?;
    events.send(&Event::Ready { version: VERSION });
    match &options.scripted {
        Some(script) => {
            let pipe = events.clone();
            let raw = std::rc::Rc::new(move |bytes: &[u8]| pipe.send_raw(bytes));
            serve(Scripted::new(script.clone(), raw), options, &events, &requests);
        }
        None => serve_llama(options, &events, &requests)?,
    }
    Ok(())
}

#[cfg(feature = "llama")]
fn serve_llama(
    options: &WorkerOptions,
    events: &Events,
    requests: &Receiver<Request>,
) -> Result<(), Error> {
    let modules = options.backend_dir.as_deref();
    let engine = crate::engine::llama::LlamaEngine::new(options.verbose, modules, options.process)
        .map_err(|e| Error::Worker(e.to_string()))?;
    serve(engine, options, events, requests);
    Ok(())
}

#[cfg(not(feature = "llama"))]
fn serve_llama(_: &WorkerOptions, _: &Events, _: &Receiver<Request>) -> Result<(), Error> {
    Err(Error::Worker(
        "this lbench was built without llama.cpp (--no-default-features): it cannot load models"
            .into(),
    ))
}

/// Gives the process the priority that was asked for.
fn set_priority(process: Process) -> Result<(), String> {
    if process.priority == 0 {
        return Ok(());
    }
    let done = rustix::process::setpriority_process(None, process.nice());
    done.map_err(|error| {
        let (priority, nice) = (process.priority, process.nice());
        format!(
            "--prio {priority}: the system refuses that priority, a nice value of {nice}: {error}; it is root's, or \
             needs a limit that allows it (ulimit -e)"
        )
    })
}

/// Asks the kernel for a signal when the parent dies, and checks that it has not died already.
fn die_with_parent(parent: Option<u32>) {
    #[cfg(target_os = "linux")]
    {
        // Where this is refused, the closed standard input still ends the worker.
        let _ =
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
        let is = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
        if parent.is_some() && parent != is {
            // Either the parent is gone, and nobody reads this; or something stands between.
            let _ = writeln!(
                std::io::stderr(),
                "lbench: worker: it is not the process that was started: a script that starts lbench must `exec` it"
            );
            std::process::exit(0);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
}

/// Reads requests on a thread of their own, so that a closed input is noticed during a decode.
fn read_requests() -> Result<Receiver<Request>, Error> {
    let (sender, receiver): (Sender<Request>, _) = crossbeam_channel::unbounded();
    let read = move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            match serde_json::from_str(&line) {
                Ok(request) => {
                    let last = matches!(request, Request::Stop);
                    if sender.send(request).is_err() || last {
                        return;
                    }
                }
                Err(e) => {
                    tell(&format!("worker: not a request: {e}"));
                    break;
                }
            }
        }
        // The parent is gone. No destructor may run while another thread is inside the engine.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    };
    std::thread::Builder::new().spawn(read).map_err(Error::Thread)?;
    Ok(receiver)
}

fn serve<E: Engine>(
    engine: E,
    options: &WorkerOptions,
    events: &Events,
    requests: &Receiver<Request>,
) {
    let (foreseen, limits) = (Vec::new(), options.limits.as_ref());
    let (tried, depth_state, canaries) = (None, None, Vec::new());
    let mut worker = JobServer { engine, events, limits, tried, depth_state, foreseen, canaries };
    for request in requests {
        match request {
            Request::Ask(question) => events.send(&worker.reply(question)),
            Request::Run { job, settings } => {
                worker.answer(&job, |worker| worker.run(&job, settings));
            }
            Request::Cold { job } => worker.answer(&job, |worker| worker.cold(&job)),
            Request::Stop => break,
        }
    }
}

/// State of every token at a depth, so that a repetition need not fill the context again.
struct DepthState {
    depth: u32,
    state: Vec<u8>,
}

/// The configuration whose load was tried last, and what came of it.
struct Tried {
    config: Config,
    result: Result<Loaded, EngineError>,
    /// What the engine said meanwhile of settings that it did not take: it holds for every job on the load.
    remarks: Vec<String>,
}

/// What went wrong, and where.
struct JobFailure {
    phase: Phase,
    error: EngineError,
}

struct JobServer<'a, E: Engine> {
    engine: E,
    events: &'a Events,
    limits: Option<&'a Limits>,
    tried: Option<Tried>,
    depth_state: Option<DepthState>,
    /// Jobs whose memory was predicted.
    foreseen: Vec<Job>,
    /// What the canary has said of settings on what is loaded.
    canaries: Vec<(Config, Option<Canary>)>,
}

impl<E: Engine> JobServer<'_, E> {
    /// The answer to a question.
    fn reply(&mut self, question: Question) -> Event {
        fn in_words<T>(answer: Result<T, EngineError>) -> Result<T, String> {
            answer.map_err(|error| error.to_string())
        }
        let engine = &mut self.engine;
        match question {
            Question::Describe => Event::Described(engine.describe()),
            Question::Roof { device, n_threads } => {
                Event::Roof(in_words(engine.roof(&device, n_threads)))
            }
            Question::Link { endpoint } => Event::Linked(in_words(engine.link(&endpoint))),
            Question::Predict { job } => {
                let Setup::Llama(config) = &job.setup;
                Event::Predicted(in_words(engine.predict(config, job.extent())))
            }
            Question::Canary { job, guarded } => {
                Event::Canaried(in_words(self.ask_cpu(&job, guarded)))
            }
            Question::Quantize(order) => Event::Quantized(in_words(engine.quantize(&order))),
            Question::Tokenize { model, texts } => {
                Event::Tokenized(in_words(engine.tokenize(&model, &texts)))
            }
        }
    }

    /// Does a job and reports its end, either way.
    fn answer(&mut self, job: &Job, work: impl FnOnce(&mut Self) -> Result<Event, JobFailure>) {
        let event = work(self).unwrap_or_else(|failure| Event::Failed {
            job: job.id.clone(),
            phase: failure.phase,
            cause: failure.error.to_string(),
            log: self.engine.log_tail(),
        });
        // Some libraries speak on standard error alone: their words are this job's up to here.
        let _ = std::io::stderr().write_all(END_OF_JOB.as_bytes());
        self.events.send(&event);
    }

    fn phase(&self, job: &Job, phase: Phase) {
        self.events.send(&Event::Phase { job: job.id.clone(), phase });
    }

    fn warn(&self, job: &Job, kind: WarningKind, text: String) {
        let warning = Warning::new(kind, text);
        self.events.send(&Event::Warned { job: job.id.clone(), warning });
    }

    /// Has the job's row say what the engine has said of settings that it did not take.
    fn hand_on_remarks(&mut self, job: &Job) {
        self.engine
            .remarks()
            .into_iter()
            .for_each(|text| self.warn(job, WarningKind::Setting, text));
    }

    /// Load, context, warm-up, repetitions.
    fn run(&mut self, job: &Job, settings: Settings) -> Result<Event, JobFailure> {
        let predicted = if settings.foresee { self.foresee(job) } else { Vec::new() };
        self.engine.reset_peak_rss();
        self.load(job)?;
        let after_load = self.engine.device_memory();
        // What the canary takes is not the row's.
        let of_load = self.engine.peak_rss();
        let canary = self.canary(job, settings.canary)?;
        if canary.is_some() {
            self.engine.reset_peak_rss();
        }
        let mut session = self.open(job)?;
        let after_context = self.engine.device_memory();
        if settings.delay > Nanos(0) {
            self.phase(job, Phase::Idle);
            self.engine.rest(settings.delay);
        }
        let (events, depth) = (self.events, &mut self.depth_state);
        let course = match &job.work {
            Work::Speed(speed) => {
                measure::repeat(&mut session, (job, speed), settings, events, depth)?
            }
            Work::Quality(quality) => {
                let engine = engine_name(&mut self.engine);
                quality::foretell(&mut session, (job, quality), &engine, events)?
            }
        };
        let reading = Reading {
            peak_rss: self.engine.peak_rss().max(of_load),
            canary,
            devices: stages(self.engine.device_memory(), &after_load, &after_context),
            split: self.engine.memory_split(),
            predicted,
            ..reading(&session, course)
        };
        self.hand_on_remarks(job);
        Ok(Event::Done { job: job.id.clone(), reading })
    }

    /// What the job will take where that can be known, with a warning where there is not that much. Not
    /// where the model takes so little that nobody asks.
    fn foresee(&mut self, job: &Job) -> Vec<MemorySplit> {
        let Setup::Llama(config) = &job.setup;
        let description = self.engine.describe();
        let free = |name: &str| {
            let named = description.devices.iter().find(|device| device.name == name);
            named.map(|device| device.free)
        };
        let room = self.limits.and_then(|limits| limits.room(None));
        let machine = Bytes(free("CPU").unwrap_or(u64::MAX));
        let host = match room {
            Some(room) if room.left < machine => room,
            _ => Room { left: machine, of: None },
        };
        if !description.can_offload() && config.model.tensor_bytes.0 < host.left.0 / 4 {
            return Vec::new();
        }
        // It costs a look at the file: once for what a load serves, unless a context needs more.
        let less = |seen: &Job| seen.setup.same_load(&job.setup) && needs_no_more(job, seen);
        if self.foreseen.iter().any(less) {
            return Vec::new();
        }
        self.foreseen.push(job.clone());
        let Ok(predicted) = self.engine.predict(config, job.extent()) else {
            // The real load will say why.
            return Vec::new();
        };
        // What is loaded already is not free, and needs no room.
        let loaded = self.tried.as_ref().is_some_and(|tried| tried.config.same_load(config));
        for split in predicted.iter().filter(|_| !loaded) {
            let of_device = || Some(Room { left: Bytes(free(&split.device)?), of: None });
            let room = if split.device == "host" { Some(host.clone()) } else { of_device() };
            if let Some(room) = room.filter(|room| split.total() > room.left) {
                let text = format!(
                    "it needs about {} of {} and {room}: it may fail, or spill into slower memory",
                    split.total(),
                    split.device,
                );
                self.warn(job, WarningKind::Memory, text);
            }
        }
        predicted
    }

    /// From nothing to the first token, once, without a warm-up.
    fn cold(&mut self, job: &Job) -> Result<Event, JobFailure> {
        self.load(job)?;
        let mut session = self.open(job)?;
        self.phase(job, Phase::Prompt);
        let first = session
            .prompt(job.work.speed().map_or(0, |speed| speed.n_prompt))
            .and_then(|()| session.sample_greedy());
        let clock = Nanos::monotonic();
        first.map_err(|error| JobFailure { phase: Phase::Prompt, error })?;
        Ok(Event::FirstToken { job: job.id.clone(), clock })
    }

    /// Loads the job's model unless it is loaded. A load that failed is not tried again for the next job
    /// on the same model: it would fail the same way, and may take minutes to do so.
    fn load(&mut self, job: &Job) -> Result<(), JobFailure> {
        let Setup::Llama(config) = &job.setup;
        let same = |tried: &Tried| tried.config.same_load(config);
        let tried = if let Some(tried) = self.tried.take().filter(same) {
            tried
        } else {
            self.phase(job, Phase::Load);
            self.depth_state = None;
            self.canaries.clear();
            let result = self.engine.load(config, job.extent());
            let remarks = self.engine.remarks();
            Tried { config: Config::clone(config), result, remarks }
        };
        let result = tried.result.clone();
        tried.remarks.iter().for_each(|text| self.warn(job, WarningKind::Setting, text.clone()));
        self.tried = Some(tried);
        let facts = result.map_err(|error| JobFailure { phase: Phase::Load, error })?;
        self.events.send(&Event::Loaded { job: job.id.clone(), facts });
        Ok(())
    }

    fn open(&mut self, job: &Job) -> Result<E::Session, JobFailure> {
        self.phase(job, Phase::Context);
        let Setup::Llama(config) = &job.setup;
        let session = self.engine.open(config, job.extent());
        self.hand_on_remarks(job);
        let mut session = session.map_err(|error| JobFailure { phase: Phase::Context, error })?;
        if let Some(text) = job.work.speed().and_then(|speed| speed.text.as_ref()) {
            session.use_text(&text.tokens);
        }
        Ok(session)
    }
}

/// The engine and its build, as answers that are kept say it.
fn engine_name<E: Engine>(engine: &mut E) -> String {
    let description = engine.describe();
    format!("{} {}", description.engine, description.build_commit)
}

/// Whether a job's context has room in that of another one.
fn needs_no_more(job: &Job, other: &Job) -> bool {
    let (Setup::Llama(a), Setup::Llama(b)) = (&job.setup, &other.setup);
    job.extent().n_ctx <= other.extent().n_ctx
        && a.n_batch <= b.n_batch
        && a.n_ubatch <= b.n_ubatch
        && (a.type_k, a.type_v, a.flash_attn) == (b.type_k, b.type_v, b.flash_attn)
}

/// The memory of each device at the end, with what it was at earlier stages.
fn stages(
    mut now: Vec<DeviceMemory>,
    after_load: &[DeviceMemory],
    after_context: &[DeviceMemory],
) -> Vec<DeviceMemory> {
    for device in &mut now {
        let used = |stage: &[DeviceMemory]| {
            let found = stage.iter().find(|then| then.device == device.device);
            found.map(|then| then.used)
        };
        (device.after_load, device.after_context) = (used(after_load), used(after_context));
    }
    now
}

/// What a session tells behind its measurement.
fn reading<S: Session>(session: &S, course: Measurement) -> Reading {
    Reading {
        n_ctx: Some(session.n_ctx()),
        flash_attn: session.flash_attn(),
        steady: course.steady,
        stop: Some(course.stop),
        traffic: course.traffic,
        ..Reading::default()
    }
}
