//! A thread of the parent that looks at the devices while a job runs.
//!
//! The worker is another process, so that looking costs it nothing but the few microseconds in which the
//! driver answers.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use nvml_wrapper::{Device as Card, Nvml};

use super::nvml::{self, Look};
use crate::error::Error;
use crate::machine::Device;
use crate::record::{DeviceTelemetry, MemoryMethod};
use crate::units::Bytes;

/// How often devices are looked at.
const EVERY: Duration = Duration::from_millis(20);
/// The energy counter advances ten times a second: less than a second says nothing.
const ENERGY_WINDOW: Duration = Duration::from_secs(1);
/// A clock that falls by this share over a row is another machine at its end.
const CLOCK_DROP: f64 = 0.05;
/// Looks that a row must have for its clocks to say anything.
const LOOKS: usize = 20;

/// What the thread is told.
enum SamplerCommand {
    /// No worker runs now: what is taken is others'.
    Baseline { done: Sender<()> },
    /// These are the devices, by the engine's names and the places on the bus.
    Name { devices: Vec<(String, String)>, answer: Sender<bool> },
    /// A job begins in this process.
    Begin { pid: u32 },
    /// Its runs count from now on.
    Measure,
    /// It has ended.
    End { answer: Sender<Vec<DeviceTelemetry>> },
}

/// The thread. It ends with this value.
pub struct Sampler {
    commands: Option<Sender<SamplerCommand>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Starts it for all devices that the driver has, before any worker holds some of their memory: what is taken
    /// now is others'.
    ///
    /// # Errors
    /// Why no driver answers, in a sentence.
    pub fn start() -> Result<Self, String> {
        let nvml = nvml::open()?;
        let (commands, inbox) = unbounded();
        let watching = std::thread::Builder::new().spawn(move || watch(&nvml, &inbox));
        let thread = watching.map_err(|error| Error::Thread(error).to_string())?;
        let sampler = Self { commands: Some(commands), thread: Some(thread) };
        sampler.baseline();
        Ok(sampler)
    }

    /// Looks from now on at these devices alone, under the engine's names; whether the driver knows any of them.
    pub fn name(&self, devices: &[Device]) -> bool {
        let named =
            devices.iter().filter_map(|device| Some((device.name.clone(), device.id.clone()?)));
        let (answer, known) = bounded(1);
        self.tell(SamplerCommand::Name { devices: named.collect(), answer });
        known.recv_timeout(Duration::from_secs(2)).unwrap_or(false)
    }

    fn tell(&self, command: SamplerCommand) {
        if let Some(commands) = &self.commands {
            // A thread that is gone has nothing to say: the rows do without.
            let _ = commands.send(command);
        }
    }

    /// No worker runs now. Returns when the devices have been looked at.
    pub fn baseline(&self) {
        let (done, looked) = bounded(1);
        self.tell(SamplerCommand::Baseline { done });
        let _ = looked.recv_timeout(Duration::from_secs(1));
    }

    /// A job begins in this process.
    pub fn begin(&self, pid: u32) {
        self.tell(SamplerCommand::Begin { pid });
    }

    /// The job's runs count from now on.
    pub fn measure(&self) {
        self.tell(SamplerCommand::Measure);
    }

    /// What was seen since the job began.
    pub fn end(&self) -> Vec<DeviceTelemetry> {
        let (answer, answered) = bounded(1);
        self.tell(SamplerCommand::End { answer });
        answered.recv_timeout(Duration::from_secs(2)).unwrap_or_default()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's work.
fn watch(nvml: &Nvml, inbox: &Receiver<SamplerCommand>) {
    let all = (0..nvml.device_count().unwrap_or(0)).filter_map(|at| nvml.device_by_index(at).ok());
    let mut watched: Vec<_> = all.map(Watched::new).collect();
    let mut running = false;
    loop {
        let wait = if running { EVERY } else { Duration::from_hours(1) };
        match inbox.recv_timeout(wait) {
            Ok(SamplerCommand::Baseline { done }) => {
                watched.iter_mut().for_each(Watched::baseline);
                let _ = done.send(());
            }
            Ok(SamplerCommand::Name { devices, answer }) => {
                watched.retain_mut(|card| card.take_name(&devices));
                let _ = answer.send(!watched.is_empty());
            }
            Ok(SamplerCommand::Begin { pid }) => {
                for device in &mut watched {
                    device.begin(pid);
                }
                running = true;
            }
            Ok(SamplerCommand::Measure) => watched.iter_mut().for_each(Watched::measure),
            Ok(SamplerCommand::End { answer }) => {
                let seen = watched.iter_mut().map(Watched::end).collect();
                let _ = answer.send(seen);
                running = false;
            }
            Err(RecvTimeoutError::Timeout) => watched.iter_mut().for_each(Watched::look),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A device, and what was seen of it during a row.
struct Watched<'a> {
    name: String,
    card: Card<'a>,
    /// Memory that was taken when no worker ran.
    others: Option<Bytes>,
    pid: u32,
    row: RowWatch,
}

/// What was seen during a row.
#[derive(Default)]
struct RowWatch {
    process_peak: Option<Bytes>,
    used_peak: Option<Bytes>,
    looks: u32,
    /// When the runs began to count, with the counters at that moment.
    counting: Option<(Instant, Option<f64>, Option<u64>)>,
    /// Looks since then.
    measured: Vec<Look>,
}

impl<'a> Watched<'a> {
    fn new(card: Card<'a>) -> Self {
        Self { name: String::new(), card, others: None, pid: 0, row: RowWatch::default() }
    }

    /// Takes the name of the device at its place on the bus; `false` where there is none.
    fn take_name(&mut self, devices: &[(String, String)]) -> bool {
        let name = devices.iter().find(|(_, id)| nvml::is_at(&self.card, id));
        if let Some((name, _)) = name {
            self.name.clone_from(name);
        }
        name.is_some()
    }

    fn baseline(&mut self) {
        self.others = nvml::used_memory(&self.card);
    }

    fn begin(&mut self, pid: u32) {
        self.pid = pid;
        self.row = RowWatch::default();
        self.look();
    }

    fn measure(&mut self) {
        if self.row.counting.is_none() {
            let (energy, held) = (nvml::energy(&self.card), nvml::held_back(&self.card));
            self.row.counting = Some((Instant::now(), energy, held));
        }
    }

    fn look(&mut self) {
        let look = nvml::look(&self.card, self.pid);
        let row = &mut self.row;
        row.looks += 1;
        row.process_peak = row.process_peak.max(look.process);
        row.used_peak = row.used_peak.max(look.used);
        if row.counting.is_some() {
            row.measured.push(look);
        }
    }

    fn end(&mut self) -> DeviceTelemetry {
        self.look();
        let (elapsed, energy_j, throttled_ns) = match self.row.counting {
            None => (Duration::ZERO, None, None),
            Some((since, energy, held)) => {
                let elapsed = since.elapsed();
                let now = nvml::energy(&self.card).filter(|_| elapsed >= ENERGY_WINDOW);
                let joules = energy.zip(now).map(|(then, now)| now - then);
                let throttled = held.zip(nvml::held_back(&self.card));
                (elapsed, joules, throttled.map(|(then, now)| now.saturating_sub(then)))
            }
        };
        let row = std::mem::take(&mut self.row);
        let seconds = elapsed.as_secs_f64();
        let (peak, baseline, method) = memory(&row, self.others);
        let looks = &row.measured;
        let watts = mean(looks.iter().filter_map(|look| look.watts));
        let mut reasons: Vec<_> = looks.iter().flat_map(|look| look.reasons.clone()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let clocks: Vec<_> = looks.iter().filter_map(|look| look.sm_mhz.map(f64::from)).collect();
        DeviceTelemetry {
            device: self.name.clone(),
            peak,
            baseline,
            method,
            looks: row.looks,
            energy_j,
            seconds,
            power_w: energy_j.map(|joules| joules / seconds).or(watts),
            sm_mhz: range(&clocks),
            memory_mhz: mean(looks.iter().filter_map(|look| look.memory_mhz.map(f64::from))),
            celsius: looks.iter().filter_map(|look| look.celsius).max(),
            utilisation: mean(looks.iter().filter_map(|look| look.utilisation)),
            throttled: reasons.iter().any(|reason| nvml::is_trouble(reason)) || falls(&clocks),
            throttle_reasons: reasons.into_iter().map(String::from).collect(),
            throttled_ns,
        }
    }
}

/// The most that was taken, what others had, and how that is known: by process where the driver lists it,
/// else by the difference to what was taken before.
fn memory(row: &RowWatch, others: Option<Bytes>) -> (Option<Bytes>, Option<Bytes>, MemoryMethod) {
    if row.process_peak.is_some() {
        return (row.process_peak, others, MemoryMethod::Process);
    }
    let delta =
        row.used_peak.zip(others).map(|(peak, before)| Bytes(peak.0.saturating_sub(before.0)));
    (delta, others, MemoryMethod::DeviceDelta)
}

#[allow(clippy::cast_precision_loss)] // looks at a device
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_u32), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// Least, mean and greatest.
fn range(values: &[f64]) -> Option<[f64; 3]> {
    let mean = mean(values.iter().copied())?;
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    Some([least, mean, values.iter().copied().fold(0.0, f64::max)])
}

/// Whether clocks fell over a row: the last quarter is slower than the first by more than a trifle.
fn falls(clocks: &[f64]) -> bool {
    if clocks.len() < LOOKS {
        return false;
    }
    let quarter = clocks.len() / 4;
    let first = mean(clocks[..quarter].iter().copied());
    let last = mean(clocks[clocks.len() - quarter..].iter().copied());
    first.zip(last).is_some_and(|(first, last)| last < first * (1.0 - CLOCK_DROP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_fall_are_noticed_and_steady_ones_are_not() {
        let steady: Vec<_> = (0..40).map(|n| 1440.0 + f64::from(n % 3) * 15.0).collect();
        assert!(!falls(&steady));
        let falling: Vec<_> = (0..40).map(|n| 1980.0 - f64::from(n) * 10.0).collect();
        assert!(falls(&falling));
        assert!(!falls(&falling[..10]), "too few");
    }

    #[test]
    fn memory_is_the_process_where_it_is_listed() {
        let row = |process: Option<u64>, used: Option<u64>| RowWatch {
            process_peak: process.map(Bytes),
            used_peak: used.map(Bytes),
            ..RowWatch::default()
        };
        let listed = memory(&row(Some(5), Some(50)), Some(Bytes(20)));
        assert_eq!(listed, (Some(Bytes(5)), Some(Bytes(20)), MemoryMethod::Process));
        let delta = memory(&row(None, Some(50)), Some(Bytes(20)));
        assert_eq!(delta, (Some(Bytes(30)), Some(Bytes(20)), MemoryMethod::DeviceDelta));
        assert_eq!(memory(&row(None, None), None).0, None);
    }
}
