//! How a worker died, in words a person can act on.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::record::{Outcome, Phase};

/// The outcome of a job whose worker is gone. `status` is `None` where the worker had to be put down
/// because it no longer spoke the protocol.
pub fn outcome(
    phase: Phase,
    status: Option<ExitStatus>,
    broke: Option<&str>,
    log: Vec<String>,
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
    Outcome::Crashed { phase, how, signal, hint: signal.and_then(hint).map(str::to_string), log }
}

fn signal_name(number: i32) -> String {
    let name = match number {
        4 => "SIGILL, illegal instruction",
        6 => "SIGABRT, the engine gave up",
        8 => "SIGFPE, arithmetic error",
        9 => "SIGKILL, killed from outside",
        11 => "SIGSEGV, invalid memory access",
        15 => "SIGTERM, told to end",
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
        let died = |raw| outcome(Phase::Load, Some(ExitStatus::from_raw(raw)), None, vec![]);
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
        let outcome = outcome(Phase::Prompt, status, Some("«rubbish»"), vec![]);
        let Outcome::Crashed { how, signal, hint, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!((how.as_str(), signal, hint), ("broke the protocol: «rubbish»", None, None));
    }
}
