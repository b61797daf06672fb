//! The parent's loop: start a worker for each load configuration, hand it job after job, watch it, and
//! turn whatever happens into records.
//!
//! Everything that can happen (a line from a worker, its death, a signal, a deadline) arrives through
//! one channel in one place, [`Runner::next`].

mod anchor;
mod ask;
mod causes;
mod child;
mod death;
mod doomed;
mod group;
mod guard;
mod job_run;
mod patience;
mod remote;

mod rounds;

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

pub use child::Spawn;
use child::Worker;
use death::OomKiller;
use doomed::Doomed;
use guard::Clock;
use job_run::JobRun;
use patience::{Limit, Patience};
use remote::Servers;

use crate::error::Error;
use crate::job::{Job, JobId};
use crate::machine::Description;
use crate::machine::system;
use crate::record::{Outcome, Phase, Reading, Record};
use crate::setup::Setup;
use crate::telemetry::neighbours::Neighbours;
use crate::telemetry::sampler::Sampler;
use crate::units::{Bytes, Nanos};
use crate::wire::{Event, Request, Settings, VERSION};

/// How long a worker may take to start its backends and say who it is.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How a run is carried out.
#[derive(Debug, Clone)]
pub struct Options {
    /// How to start workers.
    pub spawn: Spawn,
    /// How to measure.
    pub settings: Settings,
    /// Longest time a job may take, load and warm-up included, and zero for no limit; if not given, what is
    /// silent for much longer than it should be counts as hung.
    pub timeout: Option<Duration>,
    /// Fresh processes to start for the cold time to first token of each job with a prompt.
    pub cold: u32,
    /// Whether to measure the first row again now and then.
    pub anchor: bool,
    /// Whether to measure the jobs on one model in rounds, and the seed of their order.
    pub interleave: Option<u64>,
    /// Whether to watch the machine for what disturbs the run.
    pub neighbours: bool,
    /// Whether to try also what would fail for lack of memory.
    pub try_all: bool,
    /// Most memory that a job may take of a device; what would need more is skipped.
    pub max_vram: Option<Bytes>,
    /// Memory of the machine that must stay free, or the job under way is ended; a share of it if not given,
    /// and zero for no such guard.
    pub least_memory: Option<Bytes>,
    /// Longest time of a run.
    pub total_time: Option<Duration>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every job has its outcome.
    Finished,
    /// The user ended it.
    Interrupted,
    /// The time for it was over.
    OutOfTime,
}

/// Where records go.
type Sink<'a> = dyn FnMut(&Record) -> io::Result<()> + 'a;

/// What can happen.
enum Message {
    /// A worker said something.
    Event { worker: u64, event: Box<Event> },
    /// A worker wrote something that is no event.
    Rubbish { worker: u64, text: String },
    /// A worker's pipe is closed: it is dead or dying.
    Closed { worker: u64 },
    /// The machine has only so much memory left.
    LowMemory { left: Bytes, at: Instant },
    /// The user pressed Ctrl-C, or the system wants us gone.
    Signal,
}

/// What the loop has to deal with next.
enum Next {
    Event(Event),
    Dead { broke: Option<String> },
    Deadline,
    LowMemory { left: Bytes },
    Interrupted,
}

/// Why a run cannot go on. Failed jobs are not among the reasons.
enum Halt {
    Interrupted,
    OutOfTime,
    /// Nobody takes the records any more.
    Sink(io::Error),
    Broken(Error),
}

/// Starts workers and watches them.
pub struct Runner {
    options: Options,
    messages: Receiver<Message>,
    sender: Sender<Message>,
    worker: Option<Worker>,
    /// What the worker was asked to load; `None` while it has nothing.
    loaded: Option<Setup>,
    /// When the worker was started.
    spawned: Instant,
    /// How many were.
    workers: u64,
    /// Whether it has had a job before.
    used: bool,
    neighbours: Option<Neighbours>,
    /// What looks at the devices, where that is possible.
    sampler: Option<Sampler>,
    /// Kills of the out-of-memory killer when the worker started.
    oom_kills: Option<u64>,
    doomed: Doomed,
    servers: Servers,
    patience: Patience,
    /// The time for the whole run.
    clock: Clock,
    /// Jobs of the run that have not ended.
    jobs_left: usize,
    /// Cold starts of single jobs, where not all get the same number.
    cold_starts: HashMap<JobId, u32>,
}

impl Runner {
    /// A runner that also listens for SIGINT, SIGTERM and SIGHUP from now on.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn new(options: Options) -> Result<Self, Error> {
        let (sender, messages) = crossbeam_channel::unbounded();
        let signals = [
            signal_hook::consts::SIGINT,
            signal_hook::consts::SIGTERM,
            signal_hook::consts::SIGHUP,
        ];
        let mut signals = signal_hook::iterator::Signals::new(signals)
            .map_err(|e| Error::Worker(format!("signal handlers: {e}")))?;
        let for_signals = sender.clone();
        std::thread::spawn(move || {
            for _ in signals.forever() {
                let _ = for_signals.send(Message::Signal);
            }
        });
        let neighbours = options.neighbours.then(Neighbours::new);
        guard::watch_memory(options.least_memory, sender.clone());
        Ok(Self {
            patience: Patience::new(options.timeout),
            clock: Clock::new(None),
            options,
            messages,
            sender,
            worker: None,
            loaded: None,
            spawned: Instant::now(),
            workers: 0,
            used: false,
            neighbours,
            sampler: None,
            oom_kills: None,
            doomed: Doomed::default(),
            servers: Servers::default(),
            jobs_left: 0,
            cold_starts: HashMap::new(),
        })
    }

    /// Asks a worker what the engine finds on this machine. The worker stays, for the first job.
    ///
    /// # Errors
    /// When no worker can be started, or it dies before it answers; the message carries its last words.
    pub fn describe(&mut self) -> Result<Description, Error> {
        let deadline = Some(Instant::now() + START_LIMIT);
        self.spawn_worker()?;
        self.send(&Request::Describe);
        loop {
            match self.next(deadline) {
                Next::Event(Event::Described(description)) => return Ok(description),
                Next::Event(Event::Ready { version }) if version != VERSION => {
                    return Err(Error::Worker(
                        "the lbench binary was replaced while it ran".into(),
                    ));
                }
                Next::Event(_) | Next::LowMemory { .. } => {}
                Next::Dead { broke } => {
                    return Err(Error::Worker(self.last_words(broke.as_deref())));
                }
                Next::Deadline => {
                    return Err(Error::Worker(format!(
                        "no answer within {} s of starting its backends",
                        START_LIMIT.as_secs()
                    )));
                }
                Next::Interrupted => return Err(Error::Interrupted),
            }
        }
    }

    /// Measures the jobs of these groups. Every record goes to `sink`, in order; a sink that fails ends the run.
    ///
    /// # Errors
    /// When workers cannot be started at all, or the sink fails.
    pub fn run(&mut self, groups: &[Vec<&Job>], sink: &mut Sink<'_>) -> Result<End, Error> {
        self.clock = Clock::new(self.options.total_time);
        let end = self.groups(groups, sink);
        if let Some(worker) = self.worker.take() {
            if end.is_ok() {
                worker.stop();
            } else {
                worker.kill();
            }
        }
        match end {
            Ok(()) => Ok(End::Finished),
            Err(Halt::Interrupted) => Ok(End::Interrupted),
            Err(Halt::OutOfTime) => Ok(End::OutOfTime),
            Err(Halt::Sink(source)) => Err(Error::Output { what: "results".into(), source }),
            Err(Halt::Broken(error)) => Err(error),
        }
    }

    /// Sends a request to a worker (a new one if there is none) and follows it to its end.
    fn watch(
        &mut self,
        run: &mut JobRun<'_>,
        request: &Request,
        first_token: &mut Option<Nanos>,
    ) -> Result<(Outcome, Reading), Halt> {
        run.phase = Phase::Start;
        let delay = self.options.settings.delay;
        let mut limit = self.patience.begin(run.job, delay);
        if self.worker.is_none() {
            self.spawn_worker().map_err(Halt::Broken)?;
        }
        self.send(request);
        // A worker that served other jobs may have died since: that is not this one's fault.
        let mut silent_and_used = std::mem::replace(&mut self.used, true);
        loop {
            match self.next(self.clock.or(limit.deadline)) {
                Next::Dead { broke: None } if silent_and_used => {
                    silent_and_used = false;
                    self.post_mortem(false);
                    self.spawn_worker().map_err(Halt::Broken)?;
                    self.loaded = Some(run.job.setup.clone());
                    self.send(request);
                }
                Next::Event(event) => {
                    silent_and_used = false;
                    limit = self.patience.after(&event, run.job, limit, delay);
                    self.note_phase(&event);
                    if let Some(end) = run.event(event, first_token)? {
                        return Ok(end);
                    }
                }
                other => {
                    let outcome = self.ending(other, run.phase, limit)?;
                    return Ok((outcome, Reading::default()));
                }
            }
        }
    }

    /// How the job under way has ended when something else came than an event. A worker that is still
    /// there is ended.
    fn ending(&mut self, next: Next, phase: Phase, limit: Limit) -> Result<Outcome, Halt> {
        match next {
            Next::Dead { broke } => {
                let (status, log) = self.post_mortem(broke.is_some());
                Ok(death::outcome(phase, status, broke.as_deref(), log, self.oom_killer()))
            }
            Next::Deadline => {
                self.kill_worker();
                if self.clock.is_over() {
                    return Err(Halt::OutOfTime);
                }
                Ok(Outcome::TimedOut { phase, limit: limit.limit.into() })
            }
            Next::LowMemory { left } => {
                self.kill_worker();
                Ok(death::for_memory(phase, left))
            }
            // Callers deal with events themselves.
            Next::Interrupted | Next::Event(_) => {
                self.kill_worker();
                Err(Halt::Interrupted)
            }
        }
    }

    /// The next thing to deal with. Messages of workers that are gone are dropped.
    fn next(&mut self, deadline: Option<Instant>) -> Next {
        let current = self.worker.as_ref().map(|worker| worker.id);
        loop {
            let message = match deadline {
                Some(deadline) => self.messages.recv_deadline(deadline),
                None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Signal) => return Next::Interrupted,
                // What was too much before this worker started is not its fault.
                Ok(Message::LowMemory { left, at }) if current.is_some() && at > self.spawned => {
                    return Next::LowMemory { left };
                }
                Ok(Message::Event { worker, event }) if Some(worker) == current => {
                    return Next::Event(*event);
                }
                Ok(Message::Rubbish { worker, text }) if Some(worker) == current => {
                    return Next::Dead { broke: Some(format!("it wrote «{text}»")) };
                }
                Ok(Message::Closed { worker }) if Some(worker) == current => {
                    return Next::Dead { broke: None };
                }
                Ok(_) => {}
                Err(_) => return Next::Deadline,
            }
        }
    }

    fn spawn_worker(&mut self) -> Result<(), Error> {
        if let Some(sampler) = &self.sampler {
            sampler.baseline();
        }
        self.workers += 1;
        self.spawned = Instant::now();
        self.oom_kills = system::oom_kills();
        (self.loaded, self.used) = (None, false);
        self.worker = Some(Worker::spawn(&self.options.spawn, self.workers, &self.sender)?);
        Ok(())
    }

    /// Has the devices looked at from now on. A worker that holds some of their memory already would be
    /// taken for somebody else, so it goes.
    pub fn watch_devices(&mut self, sampler: Sampler) {
        self.stop_worker();
        self.sampler = Some(sampler);
    }

    /// Gives single jobs another number of cold starts than [`Options::cold`].
    pub fn cold_starts(&mut self, of_jobs: HashMap<JobId, u32>) {
        self.cold_starts = of_jobs;
    }

    /// Has the sampler begin where the measured runs do.
    fn note_phase(&mut self, event: &Event) {
        let Event::Phase { phase, .. } = event else { return };
        if !matches!(phase, Phase::Depth | Phase::Prompt | Phase::Generate) {
            return;
        }
        if let Some(sampler) = &self.sampler {
            sampler.measure();
        }
    }

    /// What the out-of-memory killer did since the worker started.
    fn oom_killer(&self) -> OomKiller {
        OomKiller::between(self.oom_kills, system::oom_kills())
    }

    fn send(&mut self, request: &Request) {
        if let Some(worker) = &mut self.worker {
            worker.send(request);
        }
    }

    fn stop_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.stop();
        }
    }

    fn kill_worker(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.kill();
        }
    }

    fn post_mortem(&mut self, alive: bool) -> (Option<std::process::ExitStatus>, Vec<String>) {
        self.worker.take().map_or((None, Vec::new()), |worker| worker.post_mortem(alive))
    }

    /// Why the first worker died, in one line.
    fn last_words(&mut self, broke: Option<&str>) -> String {
        let (status, log) = self.post_mortem(broke.is_some());
        let outcome = death::outcome(Phase::Start, status, broke, log, self.oom_killer());
        let Outcome::Crashed { how, hint, log, .. } = outcome else {
            return String::new();
        };
        let log = log.last().map(|line| line.trim_start_matches("lbench: worker: ").to_string());
        [Some(how), hint, log].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}
