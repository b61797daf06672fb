//! CPUs that the threads of this process may run on.
//!
//! The engine binds its threads to the CPUs of a mask and never lets go of them: a context without one would compute
//! on those of the context before it. And where one thread computes, it does not bind it at all. Both is done here.

use crate::engine::EngineError;
use crate::setup::Config;

/// Gives every thread the CPUs that the process began with, and a thread that is to compute alone those of the mask.
///
/// # Errors
/// When the system does not give any CPU of the mask.
#[cfg(target_os = "linux")]
pub(super) fn place(config: &Config) -> Result<(), EngineError> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    if let Some(given) = given() {
        for thread in threads() {
            // A thread that has ended meanwhile needs none.
            let _ = sched_setaffinity(Some(thread), given);
        }
    }
    let mut mask = [false; CpuSet::MAX_CPU];
    let text = &config.compute.cpu_mask;
    super::params::mask(text, &mut mask)?;
    let mut wanted = CpuSet::new();
    (0..mask.len()).filter(|&cpu| mask[cpu]).for_each(|cpu| wanted.set(cpu));
    if wanted.count() == 0 {
        return Ok(());
    }
    let refused =
        |error| EngineError(format!("-C {text}: the system gives none of these CPUs: {error}"));
    sched_setaffinity(None, &wanted).map_err(refused)?;
    match (config.n_threads, given()) {
        (1, _) if config.compute.cpu_strict => {
            // As the engine does for the first of several.
            let mut first = CpuSet::new();
            mask.iter().position(|is_in| *is_in).into_iter().for_each(|cpu| first.set(cpu));
            sched_setaffinity(None, &first).map_err(refused)
        }
        (2.., Some(given)) => sched_setaffinity(None, given).map_err(refused),
        _ => Ok(()),
    }
}

/// Elsewhere the engine binds no threads either.
#[cfg(not(target_os = "linux"))]
pub(super) fn place(_: &Config) -> Result<(), EngineError> {
    Ok(())
}

/// The CPUs that the process began with: to be asked for before the engine binds any thread.
#[cfg(target_os = "linux")]
pub(super) fn given() -> Option<&'static rustix::thread::CpuSet> {
    use std::sync::OnceLock;

    static GIVEN: OnceLock<Option<rustix::thread::CpuSet>> = OnceLock::new();
    GIVEN.get_or_init(|| rustix::thread::sched_getaffinity(None).ok()).as_ref()
}

/// The threads of this process.
#[cfg(target_os = "linux")]
fn threads() -> Vec<rustix::thread::Pid> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let number = |task: std::fs::DirEntry| task.file_name().to_str()?.parse().ok();
    tasks.filter_map(number).filter_map(rustix::thread::Pid::from_raw).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn allowed() -> Vec<usize> {
        let set = rustix::thread::sched_getaffinity(None).unwrap();
        (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect()
    }

    /// In a thread of its own, as the engine's is: what is bound stays bound until the next context.
    #[test]
    fn a_mask_holds_for_its_context_alone() {
        let all = allowed();
        given();
        let mut config = crate::plan::tests::config();
        let last = all[all.len() - 1];
        let mask = |cpu: usize| format!("0x{:x}", 1_u128 << cpu);
        config.compute.cpu_mask = mask(last);
        config.n_threads = 1;
        place(&config).unwrap();
        assert_eq!(allowed(), [last]);
        config.compute.cpu_mask = "0x0".into();
        place(&config).unwrap();
        assert_eq!(allowed(), all);
        // Several are bound by the engine.
        config.compute.cpu_mask = mask(last);
        config.n_threads = 2;
        place(&config).unwrap();
        assert_eq!(allowed(), all);
        config.compute.cpu_mask = mask(127);
        let told = place(&config).unwrap_err().to_string();
        assert!(told.starts_with("-C 0x8000"), "{told}");
    }
}
