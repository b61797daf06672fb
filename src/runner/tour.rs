//! Tour of a plan's jobs, round after round, and what it remembers on its way.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::canary::Enquiries;
use super::course::Course;
use super::doomed::Doomed;
use super::guard::RunClock;
use super::keeper::Keeper;
use super::patience::Patience;
use super::remote::Servers;
use super::schedule::{Cost, Schedule};
use super::{Halt, Orders, RunOptions, Runner, Sink, Turning};
use crate::job::{Job, JobId};
use crate::journal::Kept;
use crate::ledger::Ledger;
use crate::machine::limits::Cpus;
use crate::plan::{self, Plan, Planned};
use crate::record::Record;
use crate::stats::stopping::Rule;
use crate::telemetry::neighbours::Neighbours;
use crate::units::Nanos;
use crate::wire::Settings;

/// What a run remembers.
pub(super) struct Tour<'a, 's> {
    pub keeper: &'a mut Keeper,
    pub options: &'a RunOptions,
    pub cold_starts: &'a HashMap<JobId, u32>,
    pub servers: &'a mut Servers,
    pub doomed: Doomed,
    pub patience: Patience,
    /// The time for the whole run.
    pub clock: RunClock,
    pub ledger: Ledger,
    course: Course,
    sink: &'s mut Sink<'s>,
    neighbours: Option<Neighbours>,
    /// CPUs that the workers may use, where they compute on this machine.
    pub cpus: Option<Cpus>,
    /// What the CPU was asked about.
    pub asked: Enquiries,
    /// What visits have cost so far, by place.
    costs: Vec<Cost>,
    /// Jobs whose memory alone is wanted, each with its number among equal ones, by the place of the one that
    /// is measured on the same load.
    memory: BTreeMap<usize, Vec<(Job, usize)>>,
    /// Jobs of the round under way that have not ended.
    left: usize,
    /// Time of an earlier run that this one goes on with.
    earlier: Duration,
}

impl<'a, 's> Tour<'a, 's> {
    pub(super) fn new(runner: &'a mut Runner, orders: Orders<'_>, sink: &'s mut Sink<'_>) -> Self
    where
        's: 'a,
    {
        let Runner { options, keeper, servers, cold_starts, turns } = runner;
        let options = &*options;
        let mut ledger = Ledger::new(orders.plan.measured(), orders.priors.clone());
        orders.kept.replay(orders.plan, false, |_, record| ledger.fold(record));
        ledger.settle();
        let course = if let Some(turns) = turns {
            Course::Turns(Turning::new(turns.clone(), options.seed))
        } else {
            let rule = (options.stop, options.rounds, options.budget);
            let (groups, shown) = (groups(&ledger), shown(orders.plan));
            Course::Sweep(Schedule::new(groups, shown, rule, options.seed))
        };
        let earlier = ledger.entries().iter().fold(Nanos(0), |sum, entry| sum + entry.running());
        let memory = of_own_memory(orders.plan, orders.kept);
        let mut tour = Self {
            keeper,
            cold_starts,
            servers,
            doomed: Doomed::default(),
            patience: Patience::new(options.timeout),
            clock: RunClock::new(options.total_time),
            course,
            sink,
            neighbours: options.neighbours.then(Neighbours::new),
            cpus: options.has_cpus.then(|| options.limits.cpus()),
            asked: Enquiries::default(),
            costs: vec![Cost::default(); ledger.jobs().len()],
            memory,
            ledger,
            left: 0,
            earlier: earlier.duration(),
            options,
        };
        tour.remember(&orders);
        tour
    }

    /// Takes note of how jobs ended in an earlier run: what needs more memory than what had none is not tried
    /// in this one either.
    fn remember(&mut self, orders: &Orders<'_>) {
        for job in orders.plan.measured() {
            let attempts = orders.kept.attempts.get(&job.id).into_iter().flatten();
            for outcome in attempts.filter_map(|attempt| attempt.outcome.as_ref()) {
                self.doomed.note(job, outcome);
            }
        }
    }

    /// What the run has learnt.
    pub(super) fn into_ledger(self) -> Ledger {
        self.ledger
    }

    /// Round after round, until every job is known as well as was asked for, or the time is over.
    pub(super) fn rounds(&mut self) -> Result<(), Halt> {
        let started = Instant::now();
        self.look_around()?;
        let first = self.course.first(&self.ledger);
        let first = self.references_first(first);
        // Where time is short, those jobs first that show every value once.
        for part in self.in_halves(first) {
            self.round(&part)?;
        }
        self.weigh_rest()?;
        loop {
            self.ledger.settle();
            self.settle_all_but_wanted()?;
            let spent = self.earlier + started.elapsed();
            let costs = &self.costs;
            let next = self.course.next(&self.ledger, spent, &|place| costs[place]);
            if next.is_empty() {
                break;
            }
            // How processes differ is what a round is for.
            self.keeper.stop();
            self.round(&next)?;
        }
        let all: Vec<_> = (0..self.ledger.jobs().len()).collect();
        self.settle(&all)
    }

    /// The same jobs, those first that others are held against.
    fn references_first(&self, mut groups: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        let is_other = |place: &usize| !self.ledger.jobs()[*place].work.is_reference();
        for group in &mut groups {
            group.sort_by_key(is_other);
        }
        groups.sort_by_key(|group| group.iter().all(is_other));
        groups
    }

    /// The same jobs, those first that show every value once where the time for the run is limited.
    fn in_halves(&self, groups: Vec<Vec<usize>>) -> Vec<Vec<Vec<usize>>> {
        if self.clock.left().is_none() || matches!(self.course, Course::Turns(_)) {
            return vec![groups];
        }
        let places = groups.concat();
        let jobs: Vec<_> = places.iter().map(|&place| &self.ledger.jobs()[place]).collect();
        let (first, _) = plan::cover(&jobs);
        let first: HashSet<_> = first.into_iter().map(std::ptr::from_ref).collect();
        let is_first = |place: usize| {
            let job = &self.ledger.jobs()[place];
            job.work.is_reference() || first.contains(&std::ptr::from_ref(job))
        };
        let half = |wanted: bool| {
            let of_group = |group: &Vec<usize>| -> Vec<usize> {
                group.iter().copied().filter(|&place| is_first(place) == wanted).collect()
            };
            groups.iter().map(of_group).filter(|group| !group.is_empty()).collect()
        };
        vec![half(true), half(false)]
    }

    /// Visits these jobs, grouped by what one loaded model can serve.
    fn round(&mut self, groups: &[Vec<usize>]) -> Result<(), Halt> {
        self.left = groups.iter().map(Vec::len).sum();
        for &place in groups.iter().flatten() {
            let job = self.ledger.jobs()[place].clone();
            let in_turn = self.course.spawn(place);
            let is_alone = in_turn.is_none();
            if let Some(spawn) = in_turn {
                self.keeper.set_spawn(spawn);
            }
            let cost = self.visit(place, &job)?;
            let known = &mut self.costs[place];
            *known = Cost { load: known.load.max(cost.load), visit: cost.visit };
            self.left = self.left.saturating_sub(1);
            self.look_around()?;
            let once = matches!(self.options.stop, Rule::Fixed { .. });
            if is_alone && (once || self.ledger.entry(place).failed) {
                self.settle(&[place])?;
            }
            self.weigh(place)?;
        }
        Ok(())
    }

    /// Looks at the memory of the jobs that are as fast as the one at a place, while its model is loaded.
    fn weigh(&mut self, place: usize) -> Result<(), Halt> {
        for (job, nth) in self.memory.remove(&place).unwrap_or_default() {
            if !self.ledger.entry(place).failed {
                self.weigh_one(&job, nth)?;
            }
            self.record(&Record::settled([(job.id, nth)]))?;
        }
        Ok(())
    }

    /// The same of jobs whose speed is that of one which an earlier run has measured.
    fn weigh_rest(&mut self) -> Result<(), Halt> {
        let places: Vec<_> = self.memory.keys().copied().collect();
        places.into_iter().try_for_each(|place| self.weigh(place))
    }

    /// The round under way.
    pub(super) fn round_number(&self) -> u32 {
        self.course.round()
    }

    /// How to measure the next job: where the time for the run is limited, each gets its share of it.
    pub(super) fn settings(&self, place: usize) -> Settings {
        let mut settings = self.options.settings;
        settings.foresee = self.ledger.entry(place).visits.is_empty();
        if let (Some(left), Rule::Visit { least_time, .. }) =
            (self.clock.left(), &mut settings.stop)
        {
            // Loads, contexts and warm-up take their part.
            let jobs = u32::try_from(self.left).unwrap_or(u32::MAX).max(1);
            *least_time = Nanos::from(left / jobs / 2).min(*least_time);
        }
        settings
    }

    /// Hands on what happened.
    pub(super) fn record(&mut self, record: &Record) -> Result<(), Halt> {
        self.ledger.fold(record);
        (self.sink)(record).map_err(Halt::Sink)
    }

    /// Says that rows are as they will stay, unless another round is to visit them.
    fn settle_all_but_wanted(&mut self) -> Result<(), Halt> {
        let wanted = self.course.wanted(&self.ledger);
        let mut is_wanted = vec![false; self.ledger.jobs().len()];
        for place in wanted {
            is_wanted[place] = true;
        }
        let rest: Vec<_> = (0..is_wanted.len()).filter(|&place| !is_wanted[place]).collect();
        self.settle(&rest)
    }

    /// Says that rows are as they will stay, where that was not said yet.
    fn settle(&mut self, places: &[usize]) -> Result<(), Halt> {
        let ledger = &self.ledger;
        let open = places.iter().copied().filter(|&place| !ledger.entry(place).settled);
        let rows: Vec<_> =
            open.map(|place| (ledger.jobs()[place].id.clone(), ledger.nth(place))).collect();
        if rows.is_empty() { Ok(()) } else { self.record(&Record::settled(rows)) }
    }

    /// Says what disturbs the run, if anything new does.
    fn look_around(&mut self) -> Result<(), Halt> {
        let worker = self.keeper.pid();
        let warnings = self.neighbours.as_mut().map(|around| around.look(worker));
        for warning in warnings.into_iter().flatten() {
            self.record(&Record::Warned { job: None, warning })?;
        }
        Ok(())
    }
}

/// The places of the jobs that one load serves, in order.
fn groups(ledger: &Ledger) -> Vec<Vec<usize>> {
    let jobs = ledger.jobs();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (place, job) in jobs.iter().enumerate() {
        let serves = |group: &Vec<usize>| jobs[group[0]].setup.same_load(&job.setup);
        match groups.last_mut() {
            Some(group) if serves(group) => group.push(place),
            _ => groups.push(vec![place]),
        }
    }
    groups
}

/// The jobs of a plan whose memory alone is wanted, and was not looked at yet, each with its number among equal
/// ones, by the place of the one that is measured for it.
fn of_own_memory(plan: &Plan, kept: &Kept) -> BTreeMap<usize, Vec<(Job, usize)>> {
    let mut places = HashMap::new();
    let mut numbers: HashMap<&JobId, usize> = HashMap::new();
    let mut wanted: BTreeMap<usize, Vec<_>> = BTreeMap::new();
    for (row, planned) in plan.jobs.iter().enumerate().filter(|(_, row)| row.is_possible()) {
        let Planned { job, same_as, .. } = planned;
        match same_as {
            None => {
                places.insert(row, places.len());
            }
            Some(same) if same.own_memory => {
                let number = numbers.entry(&job.id).or_default();
                let nth = std::mem::replace(number, *number + 1);
                if let Some(&place) = places.get(&same.index).filter(|_| !kept.has(&job.id, nth)) {
                    wanted.entry(place).or_default().push((job.clone(), nth));
                }
            }
            Some(_) => {}
        }
    }
    wanted
}

/// In how many rows of the plan each measured job is.
fn shown(plan: &Plan) -> Vec<u32> {
    let mut places = HashMap::new();
    let mut shown = Vec::new();
    for (row, planned) in plan.jobs.iter().enumerate().filter(|(_, row)| row.is_possible()) {
        match &planned.same_as {
            None => {
                places.insert(row, shown.len());
                shown.push(1);
            }
            Some(same) => {
                if let Some(&place) = places.get(&same.index) {
                    let count: &mut u32 = &mut shown[place];
                    *count += 1;
                }
            }
        }
    }
    shown
}
