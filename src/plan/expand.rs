//! Sweep to plan: combine, order, collapse.

use std::collections::HashMap;

use super::collapse::{idle, same_as};
use super::possible::obstacle;
use super::{Part, Plan, Planned, Sweep, Titled};
use crate::axis::{AXES, Axis, CONTEXT_GRAIN, Lens, Value};
use crate::error::Error;
use crate::job::{Job, JobId};
use crate::machine::Host;
use crate::setup::{Config, Model, Setup};
use crate::work::Work;
use crate::work::quality::Role;

/// Most jobs in one plan. A sweep beyond it is a slip of the keyboard.
const MAX_JOBS: usize = 1_000_000;

/// Most tokens of a context: llama.cpp counts them in 32 bits with sign.
const MAX_TOKENS: u64 = i32::MAX as u64;

/// Combines every value of every axis with every work, models outermost and works innermost.
///
/// # Errors
/// When the combinations are more than a million.
pub fn expand(sweep: &Sweep, host: &Host) -> Result<Plan, Error> {
    let mut rows = PlannedRows::default();
    rows.add(sweep, host)?;
    Ok(rows.plan(Vec::new(), host))
}

/// Several sweeps as one plan, one after another. What one of them measures is not measured again in another.
///
/// # Errors
/// As [`expand`].
pub fn expand_all(sweeps: &[Titled], host: &Host) -> Result<Plan, Error> {
    let mut rows = PlannedRows::default();
    let mut parts = Vec::new();
    for Titled { title, cold, sweep } in sweeps {
        let (first, varying) = (rows.jobs.len(), Vec::new());
        parts.push(Part { title: title.clone(), first, varying, cold: *cold });
        rows.add(sweep, host)?;
    }
    Ok(rows.plan(parts, host))
}

/// Finds out which axes vary, in a plan and in each of its parts.
pub fn find_varying(plan: &mut Plan, host: &Host) {
    plan.varying = varying(&plan.jobs, host);
    let of_parts = plan.parts.iter().map(|part| varying(&plan.jobs[plan.rows_of(part)], host));
    let of_parts: Vec<_> = of_parts.collect();
    for (part, varying) in plan.parts.iter_mut().zip(of_parts) {
        part.varying = varying;
    }
}

/// For each axis, whether it takes more than one value or another than the default.
fn varying(jobs: &[Planned], host: &Host) -> Vec<bool> {
    let varies = |axis: &Axis| {
        let mut values = jobs.iter().filter_map(|planned| planned.job.value(axis));
        let first = values.next();
        first.is_some_and(|first| first != axis.default(host) || values.any(|value| value != first))
    };
    AXES.iter().map(varies).collect()
}

/// The rows of a plan, as they come.
#[derive(Default)]
struct PlannedRows {
    jobs: Vec<Planned>,
    /// Which row measures what.
    measured: HashMap<JobId, usize>,
}

impl PlannedRows {
    fn plan(self, parts: Vec<Part>, host: &Host) -> Plan {
        let mut plan = Plan { jobs: self.jobs, varying: Vec::new(), parts };
        find_varying(&mut plan, host);
        plan
    }

    fn add(&mut self, sweep: &Sweep, host: &Host) -> Result<(), Error> {
        let counts = sweep.axes.iter().map(Vec::len);
        let texts = sweep.texts.iter().map(Vec::len).max().unwrap_or(0);
        let total = counts
            .chain([sweep.models.len(), sweep.works.len() + texts])
            .try_fold(1_usize, usize::checked_mul)
            .filter(|&total| total.saturating_add(self.jobs.len()) <= MAX_JOBS)
            .ok_or_else(|| {
                Error::Usage(format!(
                    "the flags combine to more than {MAX_JOBS} tests: give fewer values"
                ))
            })?;

        self.jobs.reserve(total);
        let references = self.add_references(sweep, host)?;
        for (number, model) in sweep.models.iter().enumerate() {
            let base = Setup::from(Config { model: model.clone(), ..Config::default() });
            let texts = sweep.texts.get(number).into_iter().flatten().cloned().map(Work::text);
            let works: Vec<_> = sweep.works.iter().cloned().chain(texts).collect();
            let mut place = vec![0; AXES.len()];
            loop {
                for work in &works {
                    // What is no axis of this work does not make another test of it.
                    let is_foreign = |axis: &Axis| axis.get(&base, work).is_none();
                    let mut again = AXES.iter().zip(&place).filter(|(_, at)| **at > 0);
                    if again.any(|(axis, _)| is_foreign(axis)) {
                        continue;
                    }
                    let job = job_at(&base, work, &sweep.axes, &place);
                    if let Some(job) = held_against(job, &references) {
                        self.push(job, sweep.collapse, host)?;
                    }
                }
                if !advance(&mut place, &sweep.axes) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Rows that the quality of others is held against, one for each text: the largest model, or the one that was
    /// named, at the first value of every axis. None where there is nothing to hold against it.
    fn add_references(&mut self, sweep: &Sweep, host: &Host) -> Result<Vec<Job>, Error> {
        let is_several = sweep.models.len() > 1 || sweep.axes.iter().any(|values| values.len() > 1);
        let largest = sweep.models.iter().rev().max_by_key(|model| model.tensor_bytes);
        let model = sweep.reference.as_ref().or(largest.filter(|_| is_several));
        let Some(model) = model else { return Ok(Vec::new()) };
        let base = Setup::from(Config { model: model.clone(), ..Config::default() });
        let mut references = Vec::new();
        for work in sweep.works.iter().filter(|work| work.quality().is_some()) {
            let work = work.clone().with_role(&Role::Reference);
            let job = job_at(&base, &work, &sweep.axes, &vec![0; AXES.len()]);
            references.push(job.clone());
            self.push(job, sweep.collapse, host)?;
        }
        Ok(references)
    }

    fn push(&mut self, job: Job, collapse: bool, host: &Host) -> Result<(), Error> {
        let extent = job.work.extent();
        let grains = u64::from(CONTEXT_GRAIN) * u64::from(extent.n_parallel);
        if u64::from(extent.n_ctx) + grains > MAX_TOKENS {
            let text = "-p, -n, -d and -np together are more tokens than a context can hold";
            return Err(Error::Usage(format!("{}: {text}", job.work.test_name())));
        }
        if let Some(impossible) = obstacle(&job) {
            let impossible = Some(impossible);
            self.jobs.push(Planned { impossible, ..job.into() });
            return Ok(());
        }
        let same_as =
            collapse.then(|| same_as(&job, &self.jobs, &mut self.measured, host)).flatten();
        // An equal row says why it is one.
        let notes = if same_as.is_none() { idle(&job, host) } else { Vec::new() };
        self.jobs.push(Planned { same_as, notes, ..job.into() });
        Ok(())
    }
}

/// A work under one combination of values.
fn job_at(base: &Setup, work: &Work, axes: &[Vec<Value>], place: &[usize]) -> Job {
    let (mut setup, mut work) = (base.clone(), work.clone());
    for (axis, (values, &at)) in AXES.iter().zip(axes.iter().zip(place)) {
        axis.set(&mut setup, &mut work, values[at].clone());
    }
    if let (Some(speed), Some(model)) = (work.speed_mut(), base.model()) {
        speed.is_mute = model.kind.is_mute();
    }
    Job::new(setup, work)
}

/// The same job, held against the reference of its text, if it has one; `None` where it is that reference itself.
fn held_against(job: Job, references: &[Job]) -> Option<Job> {
    if job.work.quality().is_none() || references.is_empty() {
        return Some(job);
    }
    let alike = Job::new(job.setup.clone(), job.work.clone().with_role(&Role::Reference));
    let of_text = |reference: &&Job| {
        let passage = |job: &Job| job.work.quality().map(|quality| quality.passage.clone());
        passage(reference) == passage(&alike)
    };
    let reference = references.iter().find(of_text)?;
    if reference.id == alike.id {
        return None;
    }
    let role = Role::Against { reference: reference.id.0.clone() };
    Some(Job::new(job.setup, job.work.with_role(&role)))
}

/// Counts through all combinations, the last axis fastest. `false` after the last one.
fn advance(place: &mut [usize], axes: &[Vec<Value>]) -> bool {
    for (at, values) in place.iter_mut().zip(axes).rev() {
        *at += 1;
        if *at < values.len() {
            return true;
        }
        *at = 0;
    }
    false
}

/// A configuration with every axis at its default.
pub fn config(model: &Model, host: &Host) -> Config {
    let mut config = Config { model: model.clone(), ..Config::default() };
    for axis in &AXES {
        if let Lens::Llama { set, .. } = axis.lens {
            set(&mut config, axis.default(host));
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::collapse::{as_timed, effective, reason};
    use super::*;

    fn host(can_offload: bool) -> Host {
        Host { can_offload, ..Host::for_tests() }
    }

    fn sweep(set: &[(&str, Vec<i64>)], works: &[Work]) -> Sweep {
        crate::plan::tests::sweep(&Host::for_tests(), set, works)
    }

    const PP: Work = Work::prompt(512);
    const TG: Work = Work::generate(128);

    fn measured(plan: &Plan) -> Vec<String> {
        let own = plan.jobs.iter().filter(|planned| planned.same_as.is_none());
        own.map(|planned| {
            let Setup::Llama(config) = &planned.job.setup;
            format!("{} ngl {}", planned.job.work.test_name(), config.n_gpu_layers)
        })
        .collect()
    }

    #[test]
    fn layers_beyond_the_model_are_too_many_for_servers_as_well() {
        let job = |n_gpu_layers| {
            let rpc = vec!["127.0.0.1:50052".to_string()];
            Job::new(Config { n_gpu_layers, rpc, ..crate::plan::tests::config() }, TG)
        };
        assert_eq!(effective(&job(40), &host(false)).id, effective(&job(35), &host(false)).id);
        assert!(reason(&job(40), &job(35), &host(false)).starts_with("the model has"));
    }

    #[test]
    fn layers_beyond_the_model_are_measured_once() {
        let sweep = sweep(&[("n_gpu_layers", vec![28, 29, 30, 31, 99, -1])], &[TG]);
        let plan = expand(&sweep, &host(true)).unwrap();
        assert_eq!(plan.jobs.len(), 6);
        assert_eq!(measured(&plan), ["tg128 ngl 28", "tg128 ngl 29"]);
        let same = plan.jobs[5].same_as.as_ref().unwrap();
        assert_eq!(same.index, 1);
        assert_eq!(same.reason, "the model has 29 layers to offload, the output layer counted");
    }

    #[test]
    fn without_a_gpu_every_offload_is_the_same() {
        let sweep = sweep(&[("n_gpu_layers", vec![0, 10, 99])], &[PP, TG]);
        let plan = expand(&sweep, &host(false)).unwrap();
        assert_eq!(measured(&plan), ["pp512 ngl 0", "tg128 ngl 0"]);
        assert!(plan.jobs[2].same_as.as_ref().unwrap().reason.contains("no device here"));
    }

    #[test]
    fn batches_beyond_the_context_are_measured_once() {
        let sweep = sweep(&[("n_batch", vec![256, 512, 1024, 2048])], &[PP]);
        let plan = expand(&sweep, &host(true)).unwrap();
        let own: Vec<_> = plan.jobs.iter().map(|planned| planned.same_as.is_none()).collect();
        assert_eq!(own, [true, true, false, false]);
    }

    #[test]
    fn no_collapse_measures_each() {
        let mut sweep = sweep(&[("n_gpu_layers", vec![0, 10, 99])], &[PP]);
        sweep.collapse = false;
        assert_eq!(measured(&expand(&sweep, &host(false)).unwrap()).len(), 3);
    }

    #[test]
    fn a_slip_of_the_keyboard_is_refused() {
        let sweep =
            sweep(&[("n_batch", (1..2000).collect()), ("n_ubatch", (1..2000).collect())], &[PP]);
        let error = expand(&sweep, &host(true)).unwrap_err().to_string();
        assert_eq!(error, "the flags combine to more than 1000000 tests: give fewer values");
    }

    #[test]
    fn several_sweeps_are_one_plan_and_share_what_is_the_same() {
        let titled = |title: &str, cold, set: &[(&str, Vec<i64>)], works: &[Work]| Titled {
            title: title.into(),
            cold,
            sweep: sweep(set, works),
        };
        let sweeps = [
            titled("layers", 0, &[("n_gpu_layers", vec![10, 29])], &[PP, TG]),
            titled("batches", 0, &[("n_batch", vec![64, 2048])], &[PP]),
            titled("cold", 5, &[("n_gpu_layers", vec![10])], &[PP]),
        ];
        let plan = expand_all(&sweeps, &host(true)).unwrap();
        assert_eq!(plan.jobs.len(), 7);
        let own = ["pp512 ngl 10", "tg128 ngl 10", "pp512 ngl 29", "tg128 ngl 29", "pp512 ngl -1"];
        assert_eq!(measured(&plan), own);
        assert_eq!(plan.jobs[5].same_as.as_ref().unwrap().index, 2);
        let rows: Vec<_> = plan.parts.iter().map(|part| plan.rows_of(part)).collect();
        assert_eq!(rows, [0..4, 4..6, 6..7]);
        assert_eq!(plan.part(5).unwrap().title, "batches");
        let varying = |part: &Part| AXES.iter().zip(&part.varying).filter(|(_, v)| **v).count();
        assert_eq!(plan.parts.iter().map(varying).collect::<Vec<_>>(), [1, 1, 1]);
        // The first row is measured for the last one too, which wants cold starts.
        let cold = plan.cold_starts();
        assert_eq!(plan.measured().map(|job| cold[&job.id]).collect::<Vec<_>>(), [5, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn a_model_is_loaded_once_for_each_load_configuration(
            ngl in prop::collection::hash_set(0_i64..40, 1..6),
            batch in prop::collection::hash_set(1_i64..3000, 1..5),
            threads in prop::collection::hash_set(1_i64..64, 1..4),
            can_offload: bool,
        ) {
            let set = [
                ("n_gpu_layers", ngl.iter().copied().collect()),
                ("n_batch", batch.iter().copied().collect()),
                ("n_threads", threads.iter().copied().collect()),
            ];
            let sweep = sweep(&set, &[PP, TG]);
            let plan = expand(&sweep, &host(can_offload)).unwrap();
            prop_assert_eq!(plan.jobs.len(), ngl.len() * batch.len() * threads.len() * 2);
            let loads: std::collections::HashSet<_> = ngl
                .iter()
                .map(|&n| if can_offload { n.min(29) } else { 0 })
                .collect();
            prop_assert_eq!(plan.groups().len(), loads.len());
            for (index, planned) in plan.jobs.iter().enumerate() {
                if let Some(same) = &planned.same_as {
                    prop_assert!(same.index < index);
                    prop_assert!(plan.jobs[same.index].same_as.is_none());
                    let timed = |job: &Job| as_timed(&effective(job, &host(can_offload))).id;
                    prop_assert_eq!(timed(&planned.job), timed(&plan.jobs[same.index].job));
                }
            }
        }
    }
}
