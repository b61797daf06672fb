//! Jobs that would fail like one before them: what needs at least as much memory as what had none.

use crate::job::Job;
use crate::record::{Outcome, Trouble};
use crate::setup::{Config, Setup};

/// Jobs that failed for lack of memory.
#[derive(Debug, Default)]
pub(super) struct Doomed {
    failed: Vec<(Job, Trouble)>,
}

impl Doomed {
    /// Takes note of how a job ended.
    pub(super) fn note(&mut self, job: &Job, outcome: &Outcome) {
        let (Outcome::Failed { trouble, .. } | Outcome::Crashed { trouble, .. }) = outcome else {
            return;
        };
        if matches!(trouble, Trouble::DeviceMemory | Trouble::HostMemory) {
            self.failed.push((job.clone(), *trouble));
        }
    }

    /// Why a job need not be tried; `None` if it should be.
    pub(super) fn reason(&self, job: &Job) -> Option<String> {
        let (failed, trouble) =
            self.failed.iter().find(|(failed, trouble)| needs_more(job, failed, *trouble))?;
        let what = match trouble {
            Trouble::DeviceMemory => "the device's memory",
            _ => "the memory that may be had",
        };
        let smaller = describe(failed, job);
        Some(format!("{what} was too small for {smaller} already: --try-all tries it all the same"))
    }
}

/// Whether a job needs at least as much of this memory as another one, all else equal.
fn needs_more(job: &Job, other: &Job, trouble: Trouble) -> bool {
    let (Setup::Llama(a), Setup::Llama(b)) = (&job.setup, &other.setup);
    // Layers that are on a device are not on the host.
    let layers = match trouble {
        Trouble::DeviceMemory => layers(a) >= layers(b),
        _ => layers(a) <= layers(b),
    };
    let room = job.extent().n_ctx >= other.extent().n_ctx
        && a.n_batch >= b.n_batch
        && a.n_ubatch >= b.n_ubatch
        && a.type_k.element_bytes() >= b.type_k.element_bytes()
        && a.type_v.element_bytes() >= b.type_v.element_bytes();
    // Without flash attention a context needs more, and nobody knows what `auto` comes to.
    layers && room && bigger(a, b) && a.flash_attn == b.flash_attn && a.same_devices(b)
}

/// Whether a model is another one, or one of its shape in a type at least as large.
fn bigger(a: &Config, b: &Config) -> bool {
    let shape = |config: &Config| {
        let model = &config.model;
        (model.architecture.clone(), model.n_layers, model.n_params.0, model.n_vocab)
    };
    a.model == b.model || (shape(a) == shape(b) && a.model.tensor_bytes >= b.model.tensor_bytes)
}

/// Layers as asked, all of them being the most.
fn layers(config: &Config) -> u32 {
    config.effective_gpu_layers(true)
}

/// A job in as many words as tell it from another.
fn describe(job: &Job, than: &Job) -> String {
    let mut words = vec![job.work.test_name()];
    if job.setup.model() != than.setup.model() {
        words.insert(0, job.setup.subject().into());
    }
    for axis in &crate::axis::AXES {
        let value = job.value(axis).filter(|value| Some(value) != than.value(axis).as_ref());
        if let (Some(column), Some(value)) = (axis.column, value) {
            words.push(format!("{column} {value}"));
        }
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::config;
    use crate::setup::CacheType;
    use crate::units::Bytes;
    use crate::work::Work;

    fn job(change: impl FnOnce(&mut Config), n_prompt: u32) -> Job {
        let mut config = Config { n_gpu_layers: 20, n_batch: 512, ..config() };
        change(&mut config);
        Job::new(config, Work::prompt(n_prompt))
    }

    fn doomed(trouble: Trouble) -> Doomed {
        let mut doomed = Doomed::default();
        let outcome = Outcome::Failed {
            phase: crate::record::Phase::Load,
            cause: "no room".into(),
            trouble,
            log: vec![],
        };
        doomed.note(&job(|_| {}, 512), &outcome);
        doomed
    }

    #[test]
    fn what_needs_as_much_is_not_tried() {
        let doomed = doomed(Trouble::DeviceMemory);
        let tried = |job: Job| doomed.reason(&job).is_none();
        assert!(!tried(job(|_| {}, 512)));
        assert!(!tried(job(|c| c.n_gpu_layers = 21, 512)));
        assert!(!tried(job(|c| c.n_gpu_layers = -1, 512)));
        assert!(!tried(job(|_| {}, 1024)));
        assert!(!tried(job(|c| c.type_k = CacheType::F32, 512)));
        assert!(!tried(job(|c| c.model.tensor_bytes = Bytes(u64::MAX), 512)));
        assert!(tried(job(|c| c.n_gpu_layers = 19, 512)));
        assert!(tried(job(|c| c.n_gpu_layers = 19, 4096)));
        assert!(tried(job(|_| {}, 256)));
        assert!(tried(job(|c| c.type_k = CacheType::Q8_0, 512)));
        assert!(tried(job(|c| c.n_batch = 256, 1024)));
        assert!(tried(job(|c| c.model.tensor_bytes = Bytes(1), 512)));
        assert!(tried(job(|c| c.model.n_layers = 12, 512)), "another model altogether");
    }

    #[test]
    fn layers_on_the_host_are_its_burden() {
        let doomed = doomed(Trouble::HostMemory);
        assert!(doomed.reason(&job(|c| c.n_gpu_layers = 19, 512)).is_some());
        assert!(doomed.reason(&job(|c| c.n_gpu_layers = 21, 512)).is_none());
    }

    #[test]
    fn other_trouble_dooms_nobody() {
        assert_eq!(doomed(Trouble::Other).reason(&job(|_| {}, 512)), None);
    }

    #[test]
    fn the_reason_names_what_failed() {
        let doomed = doomed(Trouble::DeviceMemory);
        let reason = doomed.reason(&job(|c| c.n_gpu_layers = 29, 1024)).unwrap();
        assert_eq!(
            reason,
            "the device's memory was too small for pp512, ngl 20 already: --try-all tries it all the same"
        );
    }
}
