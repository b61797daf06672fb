//! Cost of what is left: how much longer the round under way and the run may take, by what visits have cost.

use std::time::{Duration, Instant};

use super::prices::Prices;
use crate::job::Job;
use crate::ledger::{Entry, Ledger, budget};
use crate::plan::{self, Plan};
use crate::stats::stopping::Rule;
use crate::units::Nanos;
use crate::wire::Settings;
use crate::work::Sample;

/// What ends a run.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How a visit is measured.
    pub visit: Settings,
    /// When a row has been measured enough.
    pub stop: Rule,
    /// Most rounds.
    pub rounds: Option<u32>,
    /// Whether all rounds together have the usual share of llama-bench's time.
    pub shares: bool,
    /// Longest time of the run.
    pub total_time: Option<Duration>,
}

/// Seconds that are left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Left {
    /// Of the round under way.
    pub round: f64,
    /// Of the run, at most; `None` where nobody knows.
    pub run: Option<f64>,
}

/// What visits cost, in seconds where it does not say otherwise.
#[derive(Debug)]
pub(super) struct Costs {
    limits: Bounds,
    started: Instant,
    /// The group of places that one load serves, for each place in the ledger.
    group_of: Vec<usize>,
    /// In how many rows each place is shown.
    shown: Vec<u32>,
    /// The last visit to each place, without its load.
    visits: Vec<Option<f64>>,
    /// The longest load of each group.
    loads: Vec<Option<f64>>,
    /// Prices on each load, and the last ones on any.
    prices: Vec<Prices>,
    latest: Prices,
    /// What visits took, and what they were expected to take.
    took: f64,
    expected: f64,
    /// All visits that ended.
    spent: f64,
    under_way: Option<CurrentVisit>,
}

/// The visit under way.
#[derive(Debug, Clone, Copy)]
struct CurrentVisit {
    /// `None` where nothing is timed.
    place: Option<usize>,
    since: Instant,
    loaded: Option<Instant>,
}

impl Costs {
    pub(super) fn new(plan: &Plan, limits: Bounds, started: Instant) -> Self {
        let groups = plan::grouped(plan.measured());
        let sizes = groups.iter().map(Vec::len).enumerate();
        let group_of: Vec<_> =
            sizes.flat_map(|(group, size)| std::iter::repeat_n(group, size)).collect();
        let mut shown = vec![0; group_of.len()];
        for place in places(plan).into_iter().flatten() {
            shown[place] += 1;
        }
        Self {
            limits,
            started,
            shown,
            visits: vec![None; group_of.len()],
            loads: vec![None; groups.len()],
            prices: vec![Prices::default(); groups.len()],
            latest: Prices::default(),
            group_of,
            took: 0.0,
            expected: 0.0,
            spent: 0.0,
            under_way: None,
        }
    }

    pub(super) fn limits(&self) -> &Bounds {
        &self.limits
    }

    /// A visit begins.
    pub(super) fn begin(&mut self, place: Option<usize>, now: Instant) {
        self.under_way = Some(CurrentVisit { place, since: now, loaded: None });
    }

    /// The model of the visit under way is there.
    pub(super) fn loaded(&mut self, now: Instant) {
        if let Some(under_way) = &mut self.under_way {
            under_way.loaded = Some(now);
        }
    }

    /// A timing of the visit under way.
    pub(super) fn learn(&mut self, job: &Job, sample: &Sample) {
        let Some(place) = self.under_way.and_then(|under_way| under_way.place) else { return };
        self.prices[self.group_of[place]].learn(job, sample);
        self.latest.learn(job, sample);
    }

    /// The visit under way is over; what an earlier run made has taken as long as its runs at least.
    pub(super) fn end(&mut self, ledger: &Ledger, now: Instant) {
        let Some(CurrentVisit { place, since, loaded }) = self.under_way.take() else { return };
        let all = (now - since).as_secs_f64();
        let Some(place) = place else {
            self.spent += all;
            return;
        };
        let entry = ledger.entry(place);
        let running = entry.visits.last().map_or(0.0, |visited| visited.running.seconds());
        let measuring = loaded.map_or(0.0, |loaded| (now - loaded).as_secs_f64());
        let visit = measuring.max(running);
        self.spent += all.max(running);
        let group = self.group_of[place];
        let load = (all - measuring).max(entry.load.seconds());
        let longest = self.loads[group].get_or_insert(load);
        *longest = longest.max(load);
        if entry.failed {
            return;
        }
        if let Some(expected) = self.by_price(place, &ledger.jobs()[place]) {
            self.took += visit;
            self.expected += expected;
        }
        self.visits[place] = Some(visit);
    }

    /// What is left, `round` being the one under way; `None` while nothing is known.
    pub(super) fn left(&self, ledger: &Ledger, round: u32, now: Instant) -> Option<Left> {
        self.latest.prompt_token.or(self.latest.step)?;
        let elapsed = self.under_way.map_or(0.0, |under_way| (now - under_way.since).as_secs_f64());
        let rest = self.of_round(ledger, round, now);
        let clock = self
            .limits
            .total_time
            .map_or(f64::INFINITY, |most| most.saturating_sub(now - self.started).as_secs_f64());
        if matches!(self.limits.stop, Rule::Fixed { .. }) {
            let left = rest.min(clock);
            return Some(Left { round: left, run: Some(left) });
        }
        let mut run = self.until_precise(ledger).unwrap_or(f64::INFINITY);
        if self.limits.shares {
            run = run.min((self.allowed(ledger) - self.spent - elapsed).max(0.0));
        }
        if let Some(most) = self.limits.rounds {
            let more = f64::from(most.saturating_sub(round.max(1)));
            run = run.min(rest + more * self.a_round(ledger));
        }
        // The first round is made whatever it costs; a later one goes no further than the time is good for.
        let (round, run) = if round <= 1 { (rest, run.max(rest)) } else { (rest.min(run), run) };
        let run = run.min(clock);
        Some(Left { round: round.min(clock), run: run.is_finite().then_some(run) })
    }

    /// The rest of the round under way.
    fn of_round(&self, ledger: &Ledger, round: u32, now: Instant) -> f64 {
        let current = self.under_way.and_then(|under_way| under_way.place);
        let first = round <= 1;
        let visited = |entry: &Entry| match entry.visits.last() {
            Some(last) => first || last.round == round,
            None => false,
        };
        let mut loaded = vec![false; self.loads.len()];
        for (place, entry) in ledger.entries().iter().enumerate() {
            loaded[self.group_of[place]] |= current == Some(place) || visited(entry);
        }
        let pending = |place: usize, entry: &Entry| {
            let due = if first { !entry.failed } else { entry.wants(self.limits.stop) };
            let due = due && current != Some(place) && !visited(entry);
            f64::from(u8::from(due))
        };
        let (visits, _) = self.sum(ledger, pending);
        let fresh = |place: usize, entry: &Entry| {
            if loaded[self.group_of[place]] { 0.0 } else { pending(place, entry) }
        };
        let (_, loads) = self.sum(ledger, fresh);
        let under_way = self.under_way.map_or(0.0, |under_way| self.rest(under_way, ledger, now));
        visits + loads + under_way
    }

    /// The rest of the visit under way.
    fn rest(
        &self,
        CurrentVisit { place, since, loaded }: CurrentVisit,
        ledger: &Ledger,
        now: Instant,
    ) -> f64 {
        let Some(place) = place else { return 0.0 };
        let (price, since) = match loaded {
            Some(loaded) => (self.visit(place, ledger), loaded),
            None => (self.visit(place, ledger) + self.load(place), since),
        };
        (price - (now - since).as_secs_f64()).max(0.0)
    }

    /// Visits to all that want another one, once.
    fn a_round(&self, ledger: &Ledger) -> f64 {
        let wants = |_, entry: &Entry| {
            let wants = entry.visits.is_empty() && !entry.failed || entry.wants(self.limits.stop);
            f64::from(u8::from(wants))
        };
        let (visits, loads) = self.sum(ledger, wants);
        visits + loads
    }

    /// As many visits as every row wants; `None` where one was not visited yet.
    fn until_precise(&self, ledger: &Ledger) -> Option<f64> {
        let wanted = |entry: &Entry| entry.visits_wanted(self.limits.stop);
        ledger.entries().iter().all(|entry| wanted(entry).is_some()).then(|| {
            let (visits, loads) = self.sum(ledger, |_, entry| wanted(entry).unwrap_or(0.0));
            visits + loads
        })
    }

    /// What all rounds together may take.
    fn allowed(&self, ledger: &Ledger) -> f64 {
        let run = |(place, entry): (usize, &Entry)| {
            let known = entry.run.map(Nanos::seconds);
            let priced = || Some(self.prices(place).of(&ledger.jobs()[place])?.0);
            f64::from(self.shown[place]) * known.or_else(priced).unwrap_or(0.0)
        };
        let runs: f64 = ledger.entries().iter().enumerate().map(run).sum();
        let runs = Duration::try_from_secs_f64(runs).unwrap_or(Duration::MAX / 100);
        budget(runs).as_secs_f64()
    }

    /// The price of so many visits to each place, and that of the loads they need.
    fn sum(&self, ledger: &Ledger, visits: impl Fn(usize, &Entry) -> f64) -> (f64, f64) {
        let mut most = vec![0.0_f64; self.loads.len()];
        let mut all = 0.0;
        for (place, entry) in ledger.entries().iter().enumerate() {
            let visits = visits(place, entry);
            if visits > 0.0 {
                all += visits * self.visit(place, ledger);
                let most = &mut most[self.group_of[place]];
                *most = most.max(visits);
            }
        }
        let known: Vec<_> = self.loads.iter().flatten().collect();
        let mean = known.iter().copied().sum::<f64>()
            / f64::from(u32::try_from(known.len()).unwrap_or(u32::MAX).max(1));
        let loads = most.iter().zip(&self.loads).map(|(most, load)| most * load.unwrap_or(mean));
        (all, loads.sum())
    }

    fn load(&self, place: usize) -> f64 {
        self.loads[self.group_of[place]]
            .or(self.loads.iter().flatten().next().copied())
            .unwrap_or(0.0)
    }

    fn prices(&self, place: usize) -> Prices {
        self.prices[self.group_of[place]].or(self.latest)
    }

    /// A visit to a place: as the last one, or by its price where there was none.
    fn visit(&self, place: usize, ledger: &Ledger) -> f64 {
        let priced = || {
            let real =
                if self.expected > 0.0 { (self.took / self.expected).clamp(0.5, 5.0) } else { 1.0 };
            self.by_price(place, &ledger.jobs()[place]).map(|price| price * real)
        };
        self.visits[place].or_else(priced).unwrap_or(0.0)
    }

    /// A visit by the prices of its tokens.
    fn by_price(&self, place: usize, job: &Job) -> Option<f64> {
        /// Warm-up runs that a test takes as a rule, unless they are long.
        const WARMUP: f64 = 2.0;
        let (run, depth) = self.prices(place).of(job)?;
        let Settings { warmup, stop, delay, .. } = self.limits.visit;
        let warming = match (warmup, run < 1.0) {
            (false, _) => 0.0,
            (true, false) => run,
            (true, true) => WARMUP * run,
        };
        let measuring = match stop {
            Rule::Fixed { n } => f64::from(n) * run,
            Rule::Visit { min_samples, least_time, .. } => {
                let least = least_time.seconds();
                (f64::from(min_samples) * run).max(least - warming.min(least / 2.0))
            }
            Rule::Precision { min_samples, max_time, .. } => {
                (f64::from(min_samples) * run).max(max_time.seconds())
            }
        };
        Some(warming + measuring + depth + delay.seconds())
    }
}

/// The place in the ledger of the job that each row of a plan shows.
pub(super) fn places(plan: &Plan) -> Vec<Option<usize>> {
    let mut next = 0;
    let mut places: Vec<Option<usize>> = Vec::with_capacity(plan.jobs.len());
    for planned in &plan.jobs {
        let place = if let Some(same) = &planned.same_as {
            places.get(same.index).copied().flatten()
        } else if planned.is_possible() {
            next += 1;
            Some(next - 1)
        } else {
            None
        };
        places.push(place);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Host;
    use crate::plan::expand;
    use crate::plan::tests::sweep;
    use crate::progress::fixture::Run;
    use crate::work::Work;

    fn run(stop: Rule) -> Run {
        let works = [Work::prompt(100), Work::generate(100)];
        let sweep = sweep(&Host::for_tests(), &[], &works);
        Run::new(expand(&sweep, &Host::for_tests()).unwrap(), stop)
    }

    #[test]
    fn jobs_of_different_cost_have_different_estimates() {
        let mut run = run(Rule::Fixed { n: 2 });
        assert_eq!(run.board.left(run.now), None);
        // 0.1 s a run, and half a second of load.
        run.start(0, 0);
        run.sample(0, 1000.0);
        run.sample(0, 1000.0);
        let left = run.board.left(run.now).unwrap();
        // Two runs more of it, for the warm-up; a token is as dear as ten of a prompt, a run of 100 takes a
        // second, and is its own warm-up.
        assert!((left.round - (0.2 + 3.0)).abs() < 0.02, "{left:?}");
        assert_eq!(left.run, Some(left.round));
        run.now += Duration::from_millis(200);
        run.end(0, crate::record::Outcome::Completed);
        let left = run.board.left(run.now).unwrap();
        assert!((left.round - 3.0).abs() < 0.02, "{left:?}");
    }

    #[test]
    fn rounds_end_with_their_share_or_the_clock() {
        let mut run = run(Rule::default());
        run.visit(0, 1, 100.0, 0.0);
        run.visit(1, 1, 25.0, 0.0);
        // Half of llama-bench's 5 · (1 + 4) s. Two samples and a load each are over.
        let left = run.board.left(run.now).unwrap();
        assert!((left.run.unwrap() - (12.5 - 11.0)).abs() < 1e-3, "{left:?}");
        assert!(left.round.abs() < 1e-9, "{left:?}");
        run.now += Duration::from_secs(100);
        run.start(0, 2);
        let left = run.board.left(run.now).unwrap();
        assert!(left.round <= left.run.unwrap(), "{left:?}");
    }
}
