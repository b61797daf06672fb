//! Several jobs on one model, in rounds: all contexts stay alive, and each job takes a sample in turn.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;

use super::measure::{Bench, Course, Warmth};
use super::{DepthState, Events, Failure, Worker, reading};
use crate::engine::{Engine, Session};
use crate::job::Job;
use crate::record::Phase;
use crate::stats::stopping::StopReason;
use crate::stats::stopping::Stopping;
use crate::units::Nanos;
use crate::wire::{Event, Settings};

/// Runs shorter than this begin their sample with an unmeasured one: the job before left the caches to
/// itself.
const SHORT: Nanos = Nanos(50_000_000);

/// A job that takes part.
struct Player<'a, S> {
    job: &'a Job,
    session: S,
    depth_state: Option<DepthState>,
    warmth: Warmth,
    stopping: Stopping,
    /// Time that its samples have taken.
    spent: Nanos,
}

impl<S: Session> Player<'_, S> {
    /// Takes a sample; why it was the last, if it was.
    fn play(&mut self, events: &Events) -> Result<Option<StopReason>, Failure> {
        let started = self.session.now();
        let mut bench = Bench::new(&mut self.session, self.job, events, &mut self.depth_state);
        if self.warmth.last.is_some_and(|last| last < SHORT) {
            bench.refresh()?;
        }
        let rate = bench.sample(self.warmth.runs)?;
        self.spent = self.spent + self.session.now().since(started);
        Ok(self.stopping.push(rate, self.spent))
    }
}

impl<E: Engine> Worker<'_, E> {
    /// Measures jobs in rounds. A job that finds no room for its context beside the others is measured
    /// by itself behind them.
    pub(super) fn rounds(&mut self, jobs: &[Job], settings: Settings, seed: u64) {
        let mut alone = Vec::new();
        let mut players = Vec::new();
        for job in jobs {
            match self.enter(job, settings) {
                Ok(player) => players.push(player),
                Err(_) if !players.is_empty() => alone.push(job),
                Err(failure) => self.answer(job, |_| Err(failure)),
            }
        }
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        while !players.is_empty() {
            players.shuffle(&mut rng);
            let mut staying = Vec::with_capacity(players.len());
            for mut player in players {
                match player.play(self.events) {
                    Ok(None) => staying.push(player),
                    Ok(Some(stop)) => {
                        // No memory figures and no traffic: they are those of all contexts together.
                        let (steady, traffic) = (player.warmth.steady, Vec::new());
                        let course = Course { steady, stop, traffic };
                        let reading = reading(&player.session, course);
                        self.events.send(&Event::Done { job: player.job.id.clone(), reading });
                    }
                    Err(failure) => self.answer(player.job, |_| Err(failure)),
                }
            }
            players = staying;
        }
        for job in alone {
            self.answer(job, |worker| worker.run(job, settings));
        }
    }

    /// Gets a job ready: model, context, warm-up.
    fn enter<'j>(
        &mut self,
        job: &'j Job,
        settings: Settings,
    ) -> Result<Player<'j, E::Session>, Failure> {
        self.load(job)?;
        let mut session = self.open(job)?;
        if settings.delay > Nanos(0) {
            self.phase(job, Phase::Idle);
            self.engine.rest(settings.delay);
        }
        let mut depth_state = None;
        let mut bench = Bench::new(&mut session, job, self.events, &mut depth_state);
        let warmth = bench.warm_up(settings)?;
        let stopping = Stopping::new(settings.stop);
        Ok(Player { job, session, depth_state, warmth, stopping, spent: Nanos(0) })
    }
}
