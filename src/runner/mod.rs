//! The parent's loop: start a worker for each load configuration, hand it job after job, watch it, and
//! turn whatever happens into records.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | how a run is carried out, and how it ends |
//! | `keeper.rs` | the worker: starting, hearing, ending it |
//! | `child.rs`, `log.rs` | its process and pipes, and what it writes to standard error |
//! | `ask.rs` | questions to a worker |
//! | `canary.rs` | what the CPU is asked before a row is held against it |
//! | `schedule.rs` | which jobs a round visits, and in which order. Pure |
//! | `turns.rs` | the same for two sides that are visited in turn. Pure |
//! | `course.rs` | the one or the other |
//! | `tour.rs` | round after round, and what a run remembers |
//! | `visit.rs` | one job in one process, from its start to its ending |
//! | `patience.rs`, `guard.rs` | how long anything may take, and how much memory must stay free |
//! | `death.rs`, `causes.rs`, `doomed.rs` | how workers die, why, and what would die the same way |
//! | `remote.rs` | RPC servers, before a job depends on them |

mod ask;
mod canary;
mod causes;
mod child;
mod course;
mod death;
mod doomed;
mod guard;
mod keeper;
mod log;
mod patience;
mod remote;
mod schedule;
mod tour;
mod turns;
mod visit;

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

pub use child::Spawn;
use keeper::{Keeper, Next};
use remote::Servers;
pub use schedule::Budget;
use tour::Tour;
pub use turns::{Turning, Turns};

use crate::error::Error;
use crate::job::JobId;
use crate::journal::Kept;
use crate::ledger::{Ledger, Priors};
use crate::machine::{Description, Limits};
use crate::plan::Plan;
use crate::record::Record;
use crate::stats::stopping::Rule;
use crate::telemetry::sampler::Sampler;
use crate::units::Bytes;
use crate::wire::{Event, Question, Request, Settings, VERSION};

/// How long a worker may take to start its backends and say who it is.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How a run is carried out.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How to start workers.
    pub spawn: Spawn,
    /// How a visit is measured.
    pub settings: Settings,
    /// When a row has been measured enough.
    pub stop: Rule,
    /// Most rounds; as many as are wanted if not given.
    pub rounds: Option<u32>,
    /// How much time rounds behind the first may take.
    pub budget: Budget,
    /// Seed of the order within rounds.
    pub seed: u64,
    /// Longest time a job may take, load and warm-up included, and zero for no limit; if not given, what is
    /// silent for much longer than it should be counts as hung.
    pub timeout: Option<Duration>,
    /// Fresh processes to start for the cold time to first token of each job with a prompt.
    pub cold: u32,
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
    /// What the system lets the workers have.
    pub limits: Limits,
    /// Whether workers compute on this machine, so that its CPUs can be too few.
    pub has_cpus: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Orders<'a> {
    /// The rows.
    pub plan: &'a Plan,
    /// What an earlier run has of them.
    pub kept: &'a Kept,
    /// What earlier runs have shown of the machine's noise.
    pub priors: &'a Priors,
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
    /// The worker can have only so much memory more, by whose bound where it is not the machine's.
    LowMemory { left: Bytes, of: Option<String>, at: Instant },
    /// The user pressed Ctrl-C, or the system wants us gone.
    Signal,
}

/// Why a run cannot go on. Failed jobs are not among the reasons.
enum Halt {
    Interrupted,
    OutOfTime,
    /// Nobody takes the records any more.
    Sink(io::Error),
    Broken(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        match error {
            Error::Interrupted => Self::Interrupted,
            error => Self::Broken(error),
        }
    }
}

/// Starts workers and watches them.
pub struct Runner {
    options: RunOptions,
    keeper: Keeper,
    servers: Servers,
    /// Cold starts of single jobs, where not all get the same number.
    cold_starts: HashMap<JobId, u32>,
    /// Two sides, where there are two.
    turns: Option<Turns>,
}

impl Runner {
    /// A runner that also listens for SIGINT, SIGTERM and SIGHUP from now on.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn new(options: RunOptions) -> Result<Self, Error> {
        let keeper =
            Keeper::new(options.spawn.clone(), options.least_memory, options.limits.clone())?;
        let (servers, cold_starts) = (Servers::default(), HashMap::new());
        Ok(Self { options, keeper, servers, cold_starts, turns: None })
    }

    /// Asks a worker what the engine finds on this machine. The worker stays, for the first job.
    ///
    /// # Errors
    /// When no worker can be started, or it dies before it answers; the message carries its last words.
    pub fn describe(&mut self) -> Result<Description, Error> {
        self.meet()?
            .map_err(|_| Error::Worker("the lbench binary was replaced while it ran".into()))
    }

    /// The same of a worker that may be another program. One that speaks another version of the protocol is told
    /// in the inner result, with that version.
    ///
    /// # Errors
    /// As [`Runner::describe`].
    pub fn meet(&mut self) -> Result<Result<Description, u32>, Error> {
        let deadline = Some(Instant::now() + START_LIMIT);
        self.keeper.ready()?;
        self.keeper.send(&Request::Ask(Question::Describe))?;
        loop {
            match self.keeper.next(deadline) {
                Next::Event(Event::Described(description)) => return Ok(Ok(description)),
                Next::Event(Event::Ready { version }) if version != VERSION => {
                    self.keeper.kill();
                    return Ok(Err(version));
                }
                Next::Event(Event::Unfit { reason }) => return Err(Error::Usage(reason)),
                Next::Event(_) | Next::LowMemory { .. } => {}
                Next::Dead { broke } => {
                    return Err(Error::Worker(self.keeper.last_words(broke.as_deref())));
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

    /// Measures the rows of a plan, but for what is there already. Every record goes to `sink`, in order; a
    /// sink that fails ends the run. What the run has learnt of each row is returned too.
    ///
    /// # Errors
    /// When workers cannot be started at all, or the sink fails.
    pub fn run(&mut self, orders: Orders<'_>, sink: &mut Sink<'_>) -> Result<(End, Ledger), Error> {
        let mut tour = Tour::new(self, orders, sink);
        let end = tour.rounds();
        let ledger = tour.into_ledger();
        match &end {
            Ok(()) => self.keeper.stop(),
            Err(_) => self.keeper.kill(),
        }
        let end = match end {
            Ok(()) => End::Finished,
            Err(Halt::Interrupted) => End::Interrupted,
            Err(Halt::OutOfTime) => End::OutOfTime,
            Err(Halt::Sink(source)) => {
                return Err(Error::Output { what: "results".into(), source });
            }
            Err(Halt::Broken(error)) => return Err(error),
        };
        Ok((end, ledger))
    }

    /// Has the devices looked at from now on.
    pub fn watch_devices(&mut self, sampler: Sampler) {
        self.keeper.watch_devices(sampler);
    }

    /// Has a plan's jobs visited in turn from now on.
    pub fn take_turns(&mut self, turns: Turns) {
        self.turns = Some(turns);
    }

    /// Gives single jobs another number of cold starts than [`RunOptions::cold`].
    pub fn cold_starts(&mut self, of_jobs: HashMap<JobId, u32>) {
        self.cold_starts = of_jobs;
    }
}
