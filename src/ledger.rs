//! Ledger of a run: what the visits to each job say of it so far, and how well that is known.
//!
//! A fold of [`Record`]s, so that the runner that plans the next round, the display that shows what is known,
//! and the report that prints it all read the same figures. Formulas in [`crate::stats::visits`].

mod again;
pub mod paired;
mod wanted;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::job::{Job, JobId};
use crate::record::{Outcome, Record, settled_rows};
use crate::stats::known::Known;
use crate::stats::noise::Noise;
use crate::stats::trend::{Moment, Trend};
use crate::stats::visits::{self, Visit};
use crate::units::Nanos;
use crate::work::Sample;
pub use again::{Earlier, Runs};
pub use wanted::budget;

/// What is known of a machine's noise before a run, by the name of a class.
pub type Priors = BTreeMap<String, Noise>;

/// Jobs that are noisy alike: of one kind of work, in one kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// How jobs of its work are noisy alike.
    work: &'static str,
    place: Place,
}

/// Where the layers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Host,
    Device,
    Both,
}

impl Class {
    /// The class of a job of which so many layers are on a device.
    fn of(job: &Job, offloaded: u32) -> Self {
        let all = job.setup.model().map_or(0, |model| model.n_layers);
        let place = match offloaded {
            0 => Place::Host,
            layers if layers > all => Place::Device,
            _ => Place::Both,
        };
        Self { work: job.work.class(), place }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Host => "host",
            Place::Device => "device",
            Place::Both => "host and device",
        };
        write!(f, "{}, {place}", self.work)
    }
}

/// A visit that came to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visited {
    /// What its samples say; `None` of a work that another visit says no more of.
    pub visit: Option<Visit>,
    /// The round that it belongs to.
    pub round: u32,
    /// When it began, in seconds since 1970.
    pub unix_time: u64,
    /// Time of its runs, those of the warm-up included.
    pub running: Nanos,
}

/// What is noted of one job.
#[derive(Debug, Clone)]
pub struct Entry {
    class: Class,
    /// Visits that came to their end, in order.
    pub visits: Vec<Visited>,
    /// Time of the last run of the work; `None` before the first.
    pub run: Option<Nanos>,
    /// Longest load of its model.
    pub load: Nanos,
    /// Whether it ended otherwise than well, and is not worth another visit.
    pub failed: bool,
    /// Whether it was said that it stays as it is.
    pub settled: bool,
    /// How well its speed is known; `None` without visits.
    pub known: Option<Known>,
    under_way: OpenVisit,
}

/// The visit that has not ended.
#[derive(Debug, Clone, Default)]
struct OpenVisit {
    round: u32,
    unix_time: u64,
    values: Vec<f64>,
    running: Nanos,
}

/// What the visits of a run say.
#[derive(Debug, Clone)]
pub struct Ledger {
    priors: Priors,
    jobs: Vec<Job>,
    entries: Vec<Entry>,
    /// The entries of a job, in order: several where equal jobs are measured each.
    places: HashMap<JobId, Vec<usize>>,
    /// The entry that a job's records are about.
    open: HashMap<JobId, usize>,
    /// Whether a visit of a round has ended that is in no figure yet.
    stale: bool,
    /// Jobs that were visited once and for all since then.
    alone: Vec<usize>,
    /// What the visits of rounds have in common over time.
    trend: Option<Trend>,
}

impl Ledger {
    /// A ledger in which nothing is noted yet.
    pub fn new<'a>(jobs: impl IntoIterator<Item = &'a Job>, priors: Priors) -> Self {
        let jobs: Vec<_> = jobs.into_iter().cloned().collect();
        let mut places: HashMap<_, Vec<_>> = HashMap::new();
        for (place, job) in jobs.iter().enumerate() {
            places.entry(job.id.clone()).or_default().push(place);
        }
        let entry = |job: &Job| Entry {
            class: Class::of(job, 0),
            visits: Vec::new(),
            run: None,
            load: Nanos(0),
            failed: false,
            settled: false,
            known: None,
            under_way: OpenVisit::default(),
        };
        let entries = jobs.iter().map(entry).collect();
        Self {
            priors,
            jobs,
            entries,
            places,
            open: HashMap::new(),
            stale: false,
            alone: Vec::new(),
            trend: None,
        }
    }

    /// Takes note of what happened.
    pub fn fold(&mut self, record: &Record) {
        if let Record::Started { job, unix_time, round, nth } = record {
            let Some(&place) = self.places.get(job).and_then(|places| places.get(*nth)) else {
                return;
            };
            self.open.insert(job.clone(), place);
            let (round, unix_time) = (*round, *unix_time);
            self.entries[place].under_way = OpenVisit { round, unix_time, ..OpenVisit::default() };
            return;
        }
        if let Record::Settled { jobs, nth, .. } = record {
            for (job, nth) in settled_rows(jobs, nth) {
                if let Some(place) = self.place(job, nth) {
                    self.entries[place].settled = true;
                }
            }
            return;
        }
        let (Record::Loaded { job, .. }
        | Record::Sampled { job, .. }
        | Record::Finished { job, .. }) = record
        else {
            return;
        };
        let Some(&place) = self.open.get(job) else { return };
        let (job, entry) = (&self.jobs[place], &mut self.entries[place]);
        match record {
            Record::Loaded { facts, .. } => {
                entry.class = Class::of(job, facts.offloaded_layers);
                entry.load = entry.load.max(facts.load_ns);
            }
            Record::Sampled { sample, .. } => {
                entry.run = sample.each().or(entry.run);
                entry.under_way.note(job, sample);
            }
            Record::Finished { outcome, .. } => {
                if entry.under_way.round == 0 {
                    self.alone.push(place);
                } else {
                    self.stale = true;
                }
                entry.end(job, outcome);
            }
            _ => {}
        }
    }

    /// Works out how well each job is known, from its own visits and those of its class. A job that is visited
    /// once and for all is known by itself: what others say later cannot change a row that was shown.
    pub fn settle(&mut self) {
        for place in std::mem::take(&mut self.alone) {
            let entry = &self.entries[place];
            self.entries[place].known = Known::of(&entry.series(), self.prior(entry.class));
        }
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let mut classes: BTreeMap<Class, Vec<usize>> = BTreeMap::new();
        for (place, entry) in self.entries.iter().enumerate() {
            if entry.visits.iter().any(|visited| visited.round > 0 && visited.visit.is_some()) {
                classes.entry(entry.class).or_default().push(place);
            }
        }
        for (class, places) in classes {
            let rows: Vec<_> = places.iter().map(|&place| self.entries[place].series()).collect();
            for (place, known) in places.iter().zip(visits::known(self.prior(class), &rows)) {
                self.entries[*place].known = known;
            }
        }
        self.trend = self.trend_of_rounds();
    }

    /// How the machine changed over the run, where that is more than chance and as much as 3 %; as of when
    /// [`Ledger::settle`] was last called.
    pub fn drift(&self) -> Option<Trend> {
        self.trend.filter(Trend::drifts)
    }

    #[allow(clippy::cast_precision_loss)] // seconds since 1970
    fn trend_of_rounds(&self) -> Option<Trend> {
        let of_row = |(row, entry): (usize, &Entry)| {
            let error = entry.known.map_or(0.0, |known| known.between.sd);
            let better = self.jobs[row].work.headline().sign_of_better();
            let visits = entry.visits.iter().filter(|visited| visited.round > 0);
            let moment = move |visited: &Visited| {
                Some(Moment {
                    row,
                    // Not the middle of the visit: a slow one has a later middle, which would look like drift.
                    at: visited.unix_time as f64,
                    log_mean: visited.visit?.log_mean * better,
                    error,
                })
            };
            visits.filter_map(moment).collect::<Vec<_>>()
        };
        let moments: Vec<_> = self.entries.iter().enumerate().flat_map(of_row).collect();
        Trend::of(&moments)
    }

    /// What was known of a class before the run.
    fn prior(&self, class: Class) -> Noise {
        self.priors.get(&class.to_string()).copied().unwrap_or(Noise::unknown())
    }

    /// The jobs, in order.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// What is noted of the job at a place.
    pub fn entry(&self, place: usize) -> &Entry {
        &self.entries[place]
    }

    /// What is noted of each job.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The place of one of several equal jobs.
    pub fn place(&self, job: &JobId, nth: usize) -> Option<usize> {
        self.places.get(job)?.get(nth).copied()
    }

    /// Which of the equal jobs the one at a place is.
    pub fn nth(&self, place: usize) -> usize {
        let places = self.places.get(&self.jobs[place].id);
        places.and_then(|places| places.iter().position(|other| *other == place)).unwrap_or(0)
    }
}

impl OpenVisit {
    fn note(&mut self, job: &Job, sample: &Sample) {
        if let Some((_, ns)) = sample.runs() {
            self.running = self.running + ns;
        }
        let values = job.work.headline().values;
        self.values.extend(values(&job.work, std::slice::from_ref(sample)));
    }
}

impl Entry {
    fn end(&mut self, job: &Job, outcome: &Outcome) {
        let OpenVisit { round, unix_time, values, running } = std::mem::take(&mut self.under_way);
        match outcome {
            Outcome::Completed => {
                let repeats = job.work.may().repeat;
                let visit = if repeats { Visit::of(&values) } else { None };
                if visit.is_some() || !repeats {
                    self.visits.push(Visited { visit, round, unix_time, running });
                    self.failed = false;
                }
            }
            Outcome::Interrupted => {}
            _ => self.failed = true,
        }
    }

    fn series(&self) -> Vec<Visit> {
        self.visits.iter().filter_map(|visited| visited.visit).collect()
    }

    /// Time that all visits have spent on runs.
    pub fn running(&self) -> Nanos {
        self.visits.iter().fold(Nanos(0), |sum, visited| sum + visited.running)
    }

    /// Half the width of the speed's 95 % interval, as a share; `None` without visits.
    pub fn precision(&self) -> Option<f64> {
        self.known.map(|known| known.precision())
    }
}
