//! Keeper of the worker: starts it, hears it, ends it. At most one lives at a time.

use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::child::{Spawn, Worker};
use super::death::{self, OomKiller};
use super::log::WorkerLog;
use super::{Message, guard};
use crate::error::Error;
use crate::job::Job;
use crate::machine::Limits;
use crate::machine::limits::Kills;
use crate::record::{DeviceTelemetry, Outcome, Phase};
use crate::setup::Setup;
use crate::telemetry::sampler::Sampler;
use crate::units::Bytes;
use crate::wire::{Event, Request};

/// What the parent has to deal with next.
pub(super) enum Next {
    Event(Event),
    /// The worker is dead, or wrote what is no event.
    Dead {
        broke: Option<String>,
    },
    Deadline,
    LowMemory {
        left: Bytes,
        of: Option<String>,
    },
    Interrupted,
}

/// The worker, and what is known of it.
pub(super) struct Keeper {
    spawn: Spawn,
    messages: Receiver<Message>,
    sender: Sender<Message>,
    worker: Option<Worker>,
    /// What the worker was asked to load; `None` while it has nothing.
    loaded: Option<Setup>,
    /// When the worker was started.
    spawned: Instant,
    /// How many were.
    workers: u64,
    /// Whether it has had a request before.
    used: bool,
    /// What the worker, or the last one, writes to its standard error.
    log: Option<Arc<WorkerLog>>,
    /// Jobs that it has done with.
    jobs: u64,
    /// What looks at the devices, where that is possible.
    sampler: Option<Sampler>,
    /// What the system lets the worker have.
    limits: Limits,
    /// Kills of the out-of-memory killer when the worker started.
    kills: Kills,
    /// Process id of the worker, 0 for none, for who watches it.
    watched: Arc<AtomicU32>,
}

impl Keeper {
    /// A keeper that also hears SIGINT, SIGTERM and SIGHUP from now on, and how much memory is left.
    pub(super) fn new(
        spawn: Spawn,
        least_memory: Option<Bytes>,
        limits: Limits,
    ) -> Result<Self, Error> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let (sender, messages) = crossbeam_channel::unbounded();
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
            .map_err(|e| Error::Worker(format!("signal handlers: {e}")))?;
        let for_signals = sender.clone();
        let hear = move || {
            for _ in signals.forever() {
                let _ = for_signals.send(Message::Signal);
            }
        };
        std::thread::Builder::new().spawn(hear).map_err(Error::Thread)?;
        let watched = Arc::new(AtomicU32::new(0));
        let bound = (least_memory, limits.clone());
        guard::watch_memory(bound, Arc::clone(&watched), sender.clone())?;
        Ok(Self {
            spawn,
            messages,
            sender,
            worker: None,
            loaded: None,
            spawned: Instant::now(),
            workers: 0,
            used: false,
            log: None,
            jobs: 0,
            sampler: None,
            limits,
            kills: Kills::default(),
            watched,
        })
    }

    /// The next thing to deal with. Messages of workers that are gone are dropped.
    pub(super) fn next(&mut self, deadline: Option<Instant>) -> Next {
        let current = self.worker.as_ref().map(|worker| worker.id);
        loop {
            let message = match deadline {
                Some(deadline) => self.messages.recv_deadline(deadline),
                None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match message {
                Ok(Message::Signal) => return Next::Interrupted,
                // What was too much before this worker started is not its fault.
                Ok(Message::LowMemory { left, of, at })
                    if current.is_some() && at > self.spawned =>
                {
                    return Next::LowMemory { left, of };
                }
                Ok(Message::Event { worker, event }) if Some(worker) == current => {
                    self.jobs += u64::from(event.is_last());
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

    /// Starts a worker, unless there is one.
    pub(super) fn ready(&mut self) -> Result<(), Error> {
        if self.worker.is_some() {
            return Ok(());
        }
        if let Some(sampler) = &self.sampler {
            sampler.baseline();
        }
        self.workers += 1;
        self.spawned = Instant::now();
        self.kills = self.limits.kills();
        (self.loaded, self.used) = (None, false);
        let worker = Worker::spawn(&self.spawn, self.workers, &self.sender)?;
        (self.log, self.jobs) = (Some(Arc::clone(&worker.log)), 0);
        self.watched.store(worker.pid(), Ordering::Relaxed);
        self.worker = Some(worker);
        Ok(())
    }

    /// Sees to it that the next request finds a worker with nothing loaded, or with this job's model.
    pub(super) fn ready_for(&mut self, job: &Job) -> Result<(), Error> {
        if self.loaded.is_some() && !self.has_loaded(job) {
            self.stop();
        }
        self.ready()?;
        self.loaded = Some(job.setup.clone());
        Ok(())
    }

    /// Whether the worker holds a job's model.
    pub(super) fn has_loaded(&self, job: &Job) -> bool {
        let same = |loaded: &Setup| loaded.same_load(&job.setup);
        self.worker.is_some() && self.loaded.as_ref().is_some_and(same)
    }

    /// Sends a request to the worker; whether it had served others before.
    pub(super) fn send(&mut self, request: &Request) -> Result<bool, Error> {
        if let Some(worker) = &mut self.worker {
            worker.send(request)?;
        }
        Ok(std::mem::replace(&mut self.used, true))
    }

    /// Process id of the worker.
    pub(super) fn pid(&self) -> Option<u32> {
        self.worker.as_ref().map(Worker::pid)
    }

    /// Ends the worker once it has freed everything.
    pub(super) fn stop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.stop();
        }
    }

    /// The same, if it was asked to load anything.
    pub(super) fn let_go(&mut self) {
        if self.loaded.take().is_some() {
            self.stop();
        }
    }

    /// Ends the worker now.
    pub(super) fn kill(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.kill();
        }
    }

    /// Starts workers in another way from now on.
    pub(super) fn set_spawn(&mut self, spawn: Spawn) {
        self.stop();
        self.spawn = spawn;
    }

    /// Has the devices looked at from now on. What others have of them was looked at before any worker was
    /// started.
    pub(super) fn watch_devices(&mut self, sampler: Sampler) {
        self.sampler = Some(sampler);
    }

    /// A job begins: has the devices looked at.
    pub(super) fn begin_looking(&self) {
        if let Some((sampler, pid)) = self.sampler.as_ref().zip(self.pid()) {
            sampler.begin(pid);
        }
    }

    /// Has what is seen count from where the measured runs begin.
    pub(super) fn note_phase(&self, event: &Event) {
        let Event::Phase { phase, .. } = event else { return };
        let measured =
            matches!(phase, Phase::Depth | Phase::Prompt | Phase::Generate | Phase::Score);
        if let Some(sampler) = self.sampler.as_ref().filter(|_| measured) {
            sampler.measure();
        }
    }

    /// What was seen of the devices since the job began.
    pub(super) fn end_looking(&self) -> Vec<DeviceTelemetry> {
        self.sampler.as_ref().map(Sampler::end).unwrap_or_default()
    }

    /// What was said of settings that were not taken, past the engine's log, since it was asked for last.
    pub(super) fn remarks(&self) -> Vec<String> {
        self.log.as_ref().map(|log| log.remarks(self.jobs)).unwrap_or_default()
    }

    /// How the worker has ended, as the outcome of what it did.
    pub(super) fn autopsy(&mut self, phase: Phase, broke: Option<&str>) -> Outcome {
        let (status, log) = self.post_mortem(broke.is_some());
        let killer = OomKiller::between(&self.kills, &self.limits.kills());
        let outcome = death::outcome(phase, status, broke, log, killer);
        death::within(outcome, self.bounds().as_deref())
    }

    /// The limits on the worker's memory that are less than the machine has, in words.
    pub(super) fn bounds(&self) -> Option<String> {
        self.limits.memory()?.in_words()
    }

    /// Puts a dead worker away.
    pub(super) fn bury(&mut self) {
        self.post_mortem(false);
    }

    fn post_mortem(&mut self, alive: bool) -> (Option<ExitStatus>, Vec<String>) {
        self.worker.take().map_or((None, Vec::new()), |worker| worker.post_mortem(alive))
    }

    /// Why a worker died that had no job yet, in one line.
    pub(super) fn last_words(&mut self, broke: Option<&str>) -> String {
        let Outcome::Crashed { how, hint, log, .. } = self.autopsy(Phase::Start, broke) else {
            return String::new();
        };
        let own = |line: &String| {
            let line = line.trim_start_matches("lbench: ");
            line.trim_start_matches("worker: ").to_string()
        };
        let log = log.last().map(own);
        [Some(how), hint, log].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}
