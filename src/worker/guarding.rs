//! Guarding of rows: the canary, as a worker has it sing.

use super::{JobFailure, JobServer, canary, engine_name};
use crate::engine::{Engine, EngineError};
use crate::job::Job;
use crate::record::{Canary, Health, Phase};
use crate::setup::{Config, Setup};
use crate::units::Bytes;
use crate::wire::Guarded;
use crate::work::Extent;

impl<E: Engine> JobServer<'_, E> {
    /// Has the CPU answer for the canary of a job. Whether the model was loaded for it.
    pub(super) fn ask_cpu(&mut self, job: &Job, guarded: Guarded) -> Result<bool, EngineError> {
        let Setup::Llama(config) = &job.setup;
        let needed = config.model.tensor_bytes;
        let described = self.engine.describe();
        let is_offloaded = config.effective_gpu_layers(described.can_offload()) > 0;
        let is_wanted = guarded == Guarded::All || guarded == Guarded::Offloaded && is_offloaded;
        let name = engine_name(&mut self.engine);
        let path = canary::place(config, &name);
        if !is_wanted || !canary::is_possible(config) || canary::is_kept(&path) {
            return Ok(false);
        }
        let left = self.limits.and_then(|limits| limits.room(None)).map(|room| room.left);
        let cpu = described.devices.iter().find(|device| device.name == "CPU");
        let left = left.into_iter().chain(cpu.map(|cpu| Bytes(cpu.free))).min();
        if left.is_some_and(|left| left < needed) {
            return Err(EngineError("this machine's memory does not hold the model".into()));
        }
        if needed > canary::LARGEST && guarded != Guarded::All {
            return Err(EngineError(format!(
                "the model is larger than {}, and the CPU would take minutes; --canary asks it all the same",
                canary::LARGEST
            )));
        }
        (self.tried, self.depth_state) = (None, None);
        canary::ask_cpu(&mut self.engine, config, (&path, &name))?;
        Ok(true)
    }

    /// Whether what this load computes under a job's settings is what the file says; `None` where that is not asked,
    /// or nobody knows.
    ///
    /// # Errors
    /// When it computes something else.
    pub(super) fn canary(
        &mut self,
        job: &Job,
        guarded: Guarded,
    ) -> Result<Option<Canary>, JobFailure> {
        let Setup::Llama(config) = &job.setup;
        let loaded = self.tried.as_ref().and_then(|tried| tried.result.as_ref().ok());
        let is_wanted = match guarded {
            Guarded::None => false,
            Guarded::Offloaded => loaded.is_some_and(|loaded| loaded.offloaded_layers > 0),
            Guarded::All => true,
        };
        if !is_wanted || !canary::is_possible(config) {
            return Ok(None);
        }
        let settings = canary::config_of_row(config);
        // How many threads there are changes no number that anybody would see.
        let is_alike =
            |known: &Config| Config { n_threads: settings.n_threads, ..known.clone() } == settings;
        let known = self.canaries.iter().find(|(known, _)| is_alike(known));
        let seen = if let Some((_, seen)) = known {
            *seen
        } else {
            self.phase(job, Phase::Canary);
            let name = engine_name(&mut self.engine);
            // What does not run will say so where the row is measured.
            let path = canary::place(&settings, &name);
            let session = self.engine.open(&settings, Extent::of(canary::TOKENS)).ok();
            let seen = session.and_then(|mut session| {
                canary::look_at(&mut session, &settings, (&path, &name)).ok().flatten()
            });
            // What was said of settings meanwhile will be said again.
            self.engine.remarks();
            self.canaries.push((settings, seen));
            seen
        };
        match seen.filter(|seen| seen.health() == Health::Broken) {
            None => Ok(seen),
            Some(broken) => Err(JobFailure {
                phase: Phase::Canary,
                error: EngineError(format!(
                    "what this computes is not the model: {}; --no-canary measures it all the same",
                    broken.in_words()
                )),
            }),
        }
    }
}
