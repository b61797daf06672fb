//! The script: what the engine shall do, and how it fails where it is told to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::noise::{States, Wave, Weather};
use crate::engine::EngineError;
use crate::record::Phase;

/// What the engine shall do, as JSON on the command line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Prompt speed in tokens per second.
    pub prompt_rate: f64,
    /// Generation speed in tokens per second.
    pub step_rate: f64,
    /// Standard deviation of every timed call, relative to its length.
    pub noise: f64,
    /// How much of that the next call feels too: ρ of an AR(1) process.
    pub correlation: f64,
    /// Standard deviation of what is constant in a process and another in the next. Each process then has
    /// its own noise too, not the seed's.
    pub shift: f64,
    /// The shifts of the processes, in order and again from the first, in the place of drawn ones. Where
    /// there is no world, all processes are the first.
    pub shifts: Vec<f64>,
    /// Two states of the machine.
    pub states: Option<States>,
    /// A slow wave.
    pub wave: Option<Wave>,
    /// A file in which the clock goes on from one process to the next, and the processes are counted: the
    /// same script in an empty file always gives the same numbers. Without it each process begins at 0.
    pub world: Option<PathBuf>,
    /// How many times slower the first prompt and the first step of a context are.
    pub cold_factor: f64,
    /// How much of that excess is left after each further call: 0 is none, so that only the first is
    /// slow; 0.5 halves it each time.
    pub ramp: f64,
    /// Share of calls that take a fifth longer.
    pub outliers: f64,
    /// Relative slowdown for each second of the engine's clock.
    pub drift: f64,
    /// A stretch of the engine's clock in which everything is slower, as behind a throttled CPU.
    pub slow: Option<Slow>,
    /// Seed of the noise.
    pub seed: u64,
    /// Whether to sleep instead of moving a virtual clock.
    pub real_time: bool,
    /// Whether to announce a GPU.
    pub gpu: bool,
    /// What to call models, where that is not what lbench does.
    pub description: Option<String>,
    /// A folder with the files of a system that limits what is measured, as `proc/self/cgroup`; without it, none
    /// does.
    pub machine: Option<PathBuf>,
    /// Whether its runs are kept in the user's folder of journals, as those of a machine are.
    pub keep: bool,
    /// How it fails where it is to quantize.
    pub quantizing: Option<Fault>,
    /// Exceptions, the first that fits a configuration wins.
    pub rules: Vec<ScriptRule>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            prompt_rate: 1000.0,
            step_rate: 100.0,
            noise: 0.0,
            correlation: 0.0,
            shift: 0.0,
            shifts: Vec::new(),
            states: None,
            wave: None,
            world: None,
            cold_factor: 1.0,
            ramp: 0.0,
            outliers: 0.0,
            drift: 0.0,
            slow: None,
            seed: 1,
            real_time: false,
            gpu: false,
            description: None,
            machine: None,
            keep: false,
            quantizing: None,
            rules: Vec::new(),
        }
    }
}

impl Script {
    /// How the machine is noisy.
    pub(super) fn noise(&self) -> Weather {
        Weather {
            sd: self.noise,
            correlation: self.correlation,
            outliers: self.outliers,
            shift: self.shift,
            states: self.states,
            wave: self.wave,
            drift: self.drift,
        }
    }

    /// The shift of this process, where it is listed.
    pub(super) fn shift_of(&self, process: u64) -> Option<f64> {
        let index = process.checked_rem(self.shifts.len() as u64)?;
        self.shifts.get(usize::try_from(index).ok()?).copied()
    }
}

/// A slow stretch, in seconds of the engine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slow {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// How many times longer a call takes.
    pub factor: f64,
}

/// What is different for some configurations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptRule {
    /// Axis names and the values they must have, e.g. `{"n_batch": "64"}`; empty fits all.
    pub when: BTreeMap<String, String>,
    /// Another prompt speed.
    pub prompt_rate: Option<f64>,
    /// Another generation speed.
    pub step_rate: Option<f64>,
    /// How far, in nats, logits are off those of the undamaged model; what the bits of a weight come to, if nothing
    /// is said. No number, where that is what it gives.
    pub damage: Option<f64>,
    /// Chunks of a text that give no numbers: how many are left out between two of them.
    pub nan_every: Option<u32>,
    /// Where to fail.
    pub phase: Option<Phase>,
    /// How to fail.
    pub fault: Option<Fault>,
    /// Lines that it says in its log while it loads.
    pub says: Vec<String>,
}

/// A way to fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// `abort()`, as the engine does on a CUDA error.
    Abort,
    /// Raise this signal.
    Signal(i32),
    /// Exit with this code.
    Exit(i32),
    /// Never return.
    Hang,
    /// Report an error and live on.
    Fail(String),
    /// Write a line that is no event, then hang.
    Rubbish,
    /// Write half an event and die.
    HalfLine,
    /// Write this many bytes of log.
    Flood(usize),
    /// Print to standard output, as a careless library would, and go on.
    Print,
    /// Print this line to standard error, past the log, and go on.
    Warn(String),
    /// Print this line to standard error, and abort.
    LastWords(String),
}

/// Writes bytes to the parent past the protocol: the way to break it on purpose.
pub type RawPipe = Rc<dyn Fn(&[u8])>;

/// Fails as the rule says, if this is the phase.
pub(super) fn fail(rule: &ScriptRule, phase: Phase, pipe: &RawPipe) -> Result<(), EngineError> {
    let Some(fault) = rule.fault.as_ref().filter(|_| rule.phase == Some(phase)) else {
        return Ok(());
    };
    match fault {
        Fault::Abort => std::process::abort(),
        Fault::Signal(number) => raise(*number),
        Fault::Exit(code) => std::process::exit(*code),
        Fault::Hang => hang(),
        Fault::Fail(cause) => return Err(EngineError(cause.clone())),
        Fault::Rubbish => {
            pipe(b"\xff\xfe this is no event\n");
            hang()
        }
        Fault::HalfLine => {
            pipe(b"{\"sample\":{\"job\":\"12");
            std::process::exit(0)
        }
        Fault::Flood(bytes) => {
            let line = "the engine has a lot to say ".repeat(36) + "\n";
            for _ in 0..bytes / line.len() {
                eprint!("{line}");
            }
        }
        Fault::Print => println!("a stray print"),
        Fault::Warn(line) => eprintln!("{line}"),
        Fault::LastWords(line) => {
            eprintln!("{line}");
            std::process::abort()
        }
    }
    Ok(())
}

fn raise(number: i32) -> ! {
    // Again and again: Rust's own handler takes the first SIGSEGV or SIGBUS for a stack overflow, sees
    // that it is none, and leaves the next one to the system.
    while let Some(signal) = rustix::process::Signal::from_named_raw(number) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    hang()
}

fn hang() -> ! {
    loop {
        std::thread::sleep(std::time::Duration::from_mins(1));
    }
}
