//! Death of a worker: how a worker died, in words a person can act on.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::causes;
use crate::machine::limits::Kills;
use crate::record::{Outcome, Phase, Trouble};
use crate::units::Bytes;

/// What the kernel's out-of-memory killer did while a worker lived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OomKiller {
    /// It killed something, because the machine had no memory left.
    Struck,
    /// It killed something, because this limit was reached.
    StruckBy(String),
    /// It did nothing.
    Idle,
    /// The kernel does not say.
    Unknown,
}

impl OomKiller {
    /// From its kills before and after.
    pub fn between(before: &Kills, after: &Kills) -> Self {
        match (after.since(before), after.of_group_since(before)) {
            (_, Some(limit)) => Self::StruckBy(limit),
            (Some(true), None) => Self::Struck,
            (Some(false), None) => Self::Idle,
            (None, None) => Self::Unknown,
        }
    }
}

/// The outcome of a job whose worker is gone. `status` is `None` where the worker had to be put down
/// because it no longer spoke the protocol.
pub fn outcome(
    phase: Phase,
    status: Option<ExitStatus>,
    broke: Option<&str>,
    log: Vec<String>,
    oom: OomKiller,
) -> Outcome {
    let signal = status.and_then(|status| status.signal());
    let how = match (broke, signal, status.and_then(|status| status.code())) {
        (Some(what), ..) => format!("broke the protocol: {what}"),
        (None, Some(number), _) => signal_name(number),
        (None, None, Some(0)) => "it exited in the middle of a job".to_string(),
        (None, None, Some(code)) => format!("exit code {code}"),
        (None, None, None) => "gone without a trace".to_string(),
    };
    let signal = if broke.is_some() { None } else { signal };
    let (how, trouble) = match (signal, &oom) {
        (Some(4), _) => (how, Trouble::Instruction),
        (Some(9), OomKiller::StruckBy(limit)) => {
            (format!("killed by the kernel: {limit} was reached"), Trouble::HostMemory)
        }
        (Some(9), OomKiller::Struck) => {
            ("killed by the kernel: the machine ran out of memory".into(), Trouble::HostMemory)
        }
        (Some(9), _) => (how, Trouble::Other),
        _ => (how, causes::trouble(log.iter().map(String::as_str))),
    };
    let hint = match (signal, oom) {
        (Some(9), OomKiller::Idle) => None,
        _ => causes::advice(trouble).or(signal.and_then(hint)),
    };
    Outcome::Crashed { phase, how, signal, trouble, hint: hint.map(str::to_string), log }
}

/// The same outcome with the limits on memory that are less than the machine has, where it lacked memory and does
/// not name one.
pub fn within(outcome: Outcome, bounds: Option<&str>) -> Outcome {
    let name = |said: String| match bounds {
        Some(bounds) if !said.contains(bounds) && !said.contains(" limit of ") => {
            format!("{said}; there is {bounds}")
        }
        _ => said,
    };
    match outcome {
        Outcome::Failed { phase, cause, trouble: trouble @ Trouble::HostMemory, log } => {
            Outcome::Failed { phase, cause: name(cause), trouble, log }
        }
        Outcome::Crashed {
            phase,
            how,
            signal,
            trouble: trouble @ Trouble::HostMemory,
            hint,
            log,
        } => Outcome::Crashed { phase, how: name(how), signal, trouble, hint, log },
        other => other,
    }
}

/// The outcome of a job that lbench ended because there was only so much memory left, by whose bound where it was
/// not the machine's.
pub fn for_memory(phase: Phase, left: Bytes, of: Option<&str>) -> Outcome {
    let how = match of {
        None => format!("the machine had {left} of memory left and was about to swap"),
        Some(of) => format!("there were {left} of memory left within {of}"),
    };
    Outcome::Crashed {
        phase,
        how: format!("ended by lbench: {how}"),
        signal: None,
        trouble: Trouble::HostMemory,
        hint: Some("use a smaller model, context or batch; --min-free sets the limit".into()),
        log: Vec::new(),
    }
}

fn signal_name(number: i32) -> String {
    let name = match number {
        4 => "SIGILL, illegal instruction",
        6 => "SIGABRT, the engine gave up",
        8 => "SIGFPE, arithmetic error",
        9 => "SIGKILL, killed from outside",
        11 => "SIGSEGV, invalid memory access",
        15 => "SIGTERM, told to end",
        n if n == rustix::process::Signal::XCPU.as_raw() => {
            "SIGXCPU, its limit on CPU time is reached (ulimit -t)"
        }
        n if n == rustix::process::Signal::BUS.as_raw() => {
            "SIGBUS, memory behind a mapping is gone"
        }
        _ => return format!("signal {number}"),
    };
    name.to_string()
}

/// What to try, where the signal has a usual reason.
fn hint(signal: i32) -> Option<&'static str> {
    Some(match signal {
        4 => {
            "the kernels use instructions that this CPU refuses (AMX on some virtual machines): \
             build with `make build`, which probes for them, or with LBENCH_PORTABLE=1"
        }
        9 => {
            "most often the kernel's out-of-memory killer (see `dmesg`): \
             use a smaller model, context or batch, or offload more layers"
        }
        n if n == rustix::process::Signal::BUS.as_raw() => {
            "the model file was cut short or its disk failed while it was mapped"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_death_has_words() {
        let died = |raw| {
            outcome(Phase::Load, Some(ExitStatus::from_raw(raw)), None, vec![], OomKiller::Unknown)
        };
        let lines: Vec<_> = [4, 6, 7, 9, 11, 34, 3 << 8]
            .map(died)
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Crashed { how, hint, .. } => {
                    format!("{how} → {}", hint.unwrap_or_default())
                }
                other => format!("{other:?}"),
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_broken_protocol_is_not_blamed_on_the_signal_that_ended_it() {
        let status = Some(ExitStatus::from_raw(9));
        let outcome = outcome(Phase::Prompt, status, Some("«rubbish»"), vec![], OomKiller::Struck);
        let Outcome::Crashed { how, signal, hint, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!((how.as_str(), signal, hint), ("broke the protocol: «rubbish»", None, None));
    }

    #[test]
    fn a_kill_for_memory_is_told_from_another() {
        let killed = |oom| {
            let status = Some(ExitStatus::from_raw(9));
            match outcome(Phase::Load, status, None, vec![], oom) {
                Outcome::Crashed { how, trouble, hint, .. } => (how, trouble, hint.is_some()),
                other => panic!("{other:?}"),
            }
        };
        let (how, trouble, hint) = killed(OomKiller::Struck);
        assert!(how.contains("machine ran out of memory"), "{how}");
        assert!(trouble == Trouble::HostMemory && hint);
        let limit = "the control group's limit of 120.00 MiB (/sys/fs/cgroup/a)";
        let (how, trouble, hint) = killed(OomKiller::StruckBy(limit.into()));
        assert_eq!(how, format!("killed by the kernel: {limit} was reached"));
        assert!(trouble == Trouble::HostMemory && hint);
        let (how, trouble, hint) = killed(OomKiller::Idle);
        assert!(how.contains("from outside") && trouble == Trouble::Other && !hint);
        assert!(killed(OomKiller::Unknown).2, "the usual reason is named");
    }

    #[test]
    fn limits_are_named_where_memory_lacked() {
        let failed = |trouble| Outcome::Failed {
            phase: Phase::Load,
            cause: "no room".into(),
            trouble,
            log: vec![],
        };
        let told = |trouble| within(failed(trouble), Some("the limit of 1 GiB")).in_words();
        assert_eq!(told(Trouble::HostMemory), "no room; there is the limit of 1 GiB");
        assert_eq!(told(Trouble::DeviceMemory), "no room");
        assert_eq!(within(failed(Trouble::HostMemory), None), failed(Trouble::HostMemory));
    }

    #[test]
    fn the_log_tells_what_an_abort_was_about() {
        let log = vec!["CUDA error: out of memory".to_string(), "  current device: 0".into()];
        let status = Some(ExitStatus::from_raw(6));
        let outcome = outcome(Phase::Prompt, status, None, log, OomKiller::Idle);
        let Outcome::Crashed { trouble, hint, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(trouble, Trouble::DeviceMemory);
        assert!(hint.unwrap().contains("-ngl"));
    }
}
