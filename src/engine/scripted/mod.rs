//! An engine that follows a script: known speeds on a clock of its own, and every way to fail.
//!
//! It makes the whole of parent, statistics and reports testable with no model and no GPU. Time is
//! virtual unless the script says otherwise, so a sweep that measures for an hour takes milliseconds
//! and gives the same numbers on every machine.

mod foretelling;
pub mod noise;
mod script;
mod world;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use self::foretelling::Foretelling;
use self::noise::NoiseSource;
use self::script::fail;
pub use self::script::{Fault, RawPipe, Script, ScriptRule, Slow};
use self::world::World;
use super::{Engine, EngineError, Session, Token, remarks};
use crate::axis::{AXES, Lens};
use crate::gguf::synth::Spec;
use crate::gguf::{FileType, Header, MetadataValue};
use crate::machine::{Description, Device, DeviceKind, Link, Roof};
use crate::models::making::{MADE_OF, Quantizing};
use crate::record::{DeviceMemory, Loaded, MemorySplit, Phase};
use crate::setup::Config;
use crate::units::{Bytes, Nanos};
use crate::work::Extent;

/// The clock and the noise, shared by the engine and its sessions.
struct PlayedClock {
    now: u64,
    noise: NoiseSource,
    world: World,
    script: Script,
}

impl PlayedClock {
    fn new(script: Script) -> Self {
        let world = match &script.world {
            Some(path) => World::next(path)
                .unwrap_or_else(|error| panic!("the world {}: {error}", path.display())),
            None if script.shift > 0.0 => World::of_this_process(),
            None => World::alone(),
        };
        let mut noise = NoiseSource::new(script.noise(), script.seed, world.process);
        if let Some(shift) = script.shift_of(world.process) {
            noise = noise.shifted(shift);
        }
        Self { now: world.now, noise, world, script }
    }

    /// Lets time pass for one timed call.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    fn spend(&mut self, seconds: f64) {
        let clock = self.now as f64 / 1e9;
        let slow = self.script.slow.filter(|slow| (slow.from..slow.to).contains(&clock));
        let factor = self.noise.factor(clock) * slow.map_or(1.0, |slow| slow.factor);
        self.pass((seconds * factor * 1e9) as u64);
    }

    fn pass(&mut self, ns: u64) {
        if self.script.real_time {
            std::thread::sleep(std::time::Duration::from_nanos(ns));
        }
        self.now += ns;
        // A world that nobody can write to any more is of no use to the next process, and none to this one.
        let _ = self.world.keep(self.now);
    }

    fn read(&self) -> Nanos {
        if self.script.real_time { Nanos::monotonic() } else { Nanos(self.now) }
    }
}

/// The scripted [`Engine`].
pub struct Scripted {
    script: Script,
    pipe: RawPipe,
    clock: Rc<RefCell<PlayedClock>>,
    split: Vec<MemorySplit>,
    remarks: Vec<String>,
}

impl Scripted {
    /// An engine that follows `script`, and writes to `pipe` where it is told to break the protocol.
    ///
    /// # Panics
    /// When the file of the script's world cannot be used.
    pub fn new(script: Script, pipe: RawPipe) -> Self {
        let clock = PlayedClock::new(script.clone());
        let clock = Rc::new(RefCell::new(clock));
        Self { script, pipe, clock, split: Vec::new(), remarks: Vec::new() }
    }

    /// The rule for this configuration.
    fn rule(&self, config: &Config) -> ScriptRule {
        let fits = |rule: &&ScriptRule| {
            rule.when.iter().all(|(name, value)| {
                let axis = AXES.iter().find(|axis| axis.name == name);
                axis.is_some_and(|axis| match axis.lens {
                    Lens::Llama { get, .. } => get(config).to_string() == *value,
                    Lens::Speed { .. } => false,
                })
            })
        };
        self.script.rules.iter().find(fits).cloned().unwrap_or_default()
    }
}

impl Engine for Scripted {
    type Session = ScriptedSession;

    fn describe(&mut self) -> Description {
        let cpu = Device {
            name: "CPU".into(),
            description: "Scripted CPU".into(),
            kind: DeviceKind::Cpu,
            backend: "CPU".into(),
            id: None,
            free: 16 << 30,
            total: 16 << 30,
        };
        let gpu = Device {
            name: "SCRIPT0".into(),
            description: "Scripted GPU".into(),
            kind: DeviceKind::Gpu,
            backend: "SCRIPT".into(),
            id: Some("0000:65:00.0".into()),
            free: 8 << 30,
            total: 8 << 30,
        };
        let devices = if self.script.gpu { vec![gpu, cpu] } else { vec![cpu] };
        Description {
            engine: "scripted".into(),
            build_commit: "scripted".into(),
            backends: devices.iter().map(|device| device.backend.clone()).collect(),
            devices,
            ..Description::default()
        }
    }

    fn roof(&mut self, device: &str, n_threads: u32) -> Result<Roof, EngineError> {
        let scale = match device {
            "CPU" => f64::from(n_threads),
            "SCRIPT0" if self.script.gpu => 50.0,
            other => return Err(EngineError(format!("there is no device {other}"))),
        };
        Ok(Roof { bandwidth: Some(20e9 * scale), compute: Some(100e9 * scale) })
    }

    fn link(&mut self, _: &str) -> Result<Link, EngineError> {
        let mut devices = self.describe().devices;
        devices.retain(|device| device.kind == DeviceKind::Cpu);
        let round_trip = Nanos(100_000);
        Ok(Link { protocol: None, devices, round_trip, up: Some(1e9), down: Some(2e9) })
    }

    /// A token for each word.
    fn tokenize(&mut self, _: &Path, texts: &[String]) -> Result<Vec<Vec<Token>>, EngineError> {
        let words = |text: &String| (1..).take(text.split_whitespace().count()).collect();
        Ok(texts.iter().map(words).collect())
    }

    /// Another synthetic model of that geometry.
    fn quantize(&mut self, order: &Quantizing) -> Result<(), EngineError> {
        let (fault, phase) = (self.script.quantizing.clone(), Some(Phase::Load));
        fail(&ScriptRule { phase, fault, ..ScriptRule::default() }, Phase::Load, &self.pipe)?;
        let refuse = |error: &dyn std::fmt::Display| EngineError(error.to_string());
        let header = Header::read(&order.from).map_err(|error| refuse(&error))?;
        let name =
            header.metadata.get("general.name").and_then(MetadataValue::text).unwrap_or_default();
        let file_type = FileType::all().find(|file_type| file_type.id() == order.file_type);
        let spec = Spec::parse(name).map_err(|error| refuse(&error))?;
        let spec = spec.of_type(file_type.unwrap_or(spec.file_type()));
        let spec = spec.noting(MADE_OF, &order.made_of);
        // Whoever ordered it has made the file.
        std::fs::remove_file(&order.to).map_err(|error| refuse(&error))?;
        spec.write(&order.to, &mut |_, _| {}).map_err(|error| refuse(&error))
    }

    fn load(&mut self, config: &Config, _: Extent) -> Result<Loaded, EngineError> {
        let rule = self.rule(config);
        fail(&rule, Phase::Load, &self.pipe)?;
        let said = rule.says.iter().filter_map(|line| remarks::of(line));
        self.remarks = said.map(String::from).collect();
        let started = self.now();
        self.clock.borrow_mut().spend(0.25);
        let offloaded_layers = config.effective_gpu_layers(self.script.gpu);
        Ok(Loaded {
            load_ns: self.now().since(started),
            description: self.script.description.clone().unwrap_or(config.model.label.clone()),
            tensor_bytes: config.model.tensor_bytes,
            n_params: config.model.n_params.0,
            offloaded_layers,
            backends: if offloaded_layers > 0 { "SCRIPT" } else { "CPU" }.into(),
            fit: None,
        })
    }

    fn predict(
        &mut self,
        config: &Config,
        extent: Extent,
    ) -> Result<Vec<MemorySplit>, EngineError> {
        let layers = u64::from(config.effective_gpu_layers(self.script.gpu));
        let all = u64::from(config.model.n_layers) + 1;
        let bytes = config.model.tensor_bytes.0;
        let split = |device: &str, share: u64| MemorySplit {
            device: device.into(),
            weights: Bytes(bytes / all * share),
            context: Bytes(u64::from(extent.n_ctx) * 1024 * share),
            compute: Bytes(if share > 0 { 64 << 20 } else { 0 }),
        };
        let host = split("host", all - layers);
        Ok(if self.script.gpu { vec![split("SCRIPT0", layers), host] } else { vec![host] })
    }

    fn memory_split(&self) -> Vec<MemorySplit> {
        self.split.clone()
    }

    fn open(&mut self, config: &Config, extent: Extent) -> Result<ScriptedSession, EngineError> {
        let rule = self.rule(config);
        fail(&rule, Phase::Context, &self.pipe)?;
        self.split = self.predict(config, extent)?;
        Ok(ScriptedSession {
            n_ctx: extent.n_ctx.next_multiple_of(256),
            prompt_rate: rule.prompt_rate.unwrap_or(self.script.prompt_rate),
            step_rate: rule.step_rate.unwrap_or(self.script.step_rate),
            foretelling: Foretelling::new(config, &rule),
            rule,
            pipe: Rc::clone(&self.pipe),
            clock: Rc::clone(&self.clock),
            prompts: 0,
            steps: 0,
            n_parallel: extent.n_parallel,
            prompt_shared: extent.prompt_shared,
        })
    }

    fn device_memory(&self) -> Vec<DeviceMemory> {
        let gpu = |()| DeviceMemory {
            device: "SCRIPT0".into(),
            used: Bytes(3 << 30),
            after_load: None,
            after_context: None,
            total: Bytes(8 << 30),
        };
        self.script.gpu.then_some(()).map(gpu).into_iter().collect()
    }

    fn peak_rss(&self) -> Option<Bytes> {
        Some(Bytes(512 << 20))
    }

    fn reset_peak_rss(&mut self) {}

    fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    fn log_tail(&self) -> Vec<String> {
        Vec::new()
    }

    fn now(&self) -> Nanos {
        self.clock.borrow().read()
    }

    fn rest(&mut self, duration: Nanos) {
        self.clock.borrow_mut().pass(duration.0);
    }
}

/// The scripted [`Session`].
pub struct ScriptedSession {
    n_ctx: u32,
    prompt_rate: f64,
    step_rate: f64,
    foretelling: Foretelling,
    rule: ScriptRule,
    pipe: RawPipe,
    clock: Rc<RefCell<PlayedClock>>,
    prompts: u32,
    steps: u32,
    n_parallel: u32,
    prompt_shared: bool,
}

/// How much longer a step takes for each further sequence in it.
const FURTHER_SEQUENCE: f64 = 0.25;

impl ScriptedSession {
    /// How much slower this call is for being the first of its kind.
    fn factor(&self, earlier: u32) -> f64 {
        let clock = self.clock.borrow();
        1.0 + (clock.script.cold_factor - 1.0) * clock.script.ramp.powf(f64::from(earlier))
    }
}

impl Session for ScriptedSession {
    fn n_ctx(&self) -> u32 {
        self.n_ctx
    }

    fn flash_attn(&self) -> Option<bool> {
        None
    }

    fn clear(&mut self) {}

    fn prompt(&mut self, n: u32) -> Result<(), EngineError> {
        match self.prompts {
            0 => fail(&self.rule, Phase::Warmup, &self.pipe)?,
            // Without noise, two runs agree and the third is measured.
            2 => fail(&self.rule, Phase::Prompt, &self.pipe)?,
            _ => {}
        }
        let prompts = if self.prompt_shared { 1 } else { self.n_parallel };
        let seconds = f64::from(n * prompts) / self.prompt_rate * self.factor(self.prompts);
        self.clock.borrow_mut().spend(seconds);
        self.prompts += 1;
        Ok(())
    }

    fn share_prompt(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    fn use_text(&mut self, _: &[Token]) {}

    fn fill(&mut self, n: u32) -> Result<(), EngineError> {
        self.clock.borrow_mut().spend(f64::from(n) / self.prompt_rate);
        Ok(())
    }

    fn begin_generation(&mut self) {}

    fn step(&mut self) -> Result<(), EngineError> {
        // A little way into the generation, and behind two warm-up runs of a few dozen tokens.
        if self.steps == 70 {
            fail(&self.rule, Phase::Generate, &self.pipe)?;
        }
        let sequences = 1.0 + FURTHER_SEQUENCE * f64::from(self.n_parallel - 1);
        let seconds = sequences / self.step_rate * self.factor(self.steps);
        self.clock.borrow_mut().spend(seconds);
        self.steps += 1;
        Ok(())
    }

    fn sample_greedy(&mut self) -> Result<Token, EngineError> {
        self.clock.borrow_mut().pass(50_000);
        Ok(0)
    }

    fn tokens_of(&self, text: &str) -> Result<Vec<Token>, EngineError> {
        Ok(Foretelling::tokens_of(text))
    }

    fn opening_token(&self) -> Option<Token> {
        Some(foretelling::OPENING)
    }

    fn score(
        &mut self,
        tokens: &[Token],
        first: usize,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), EngineError> {
        if self.prompts == 0 {
            fail(&self.rule, Phase::Score, &self.pipe)?;
        }
        self.prompts += 1;
        #[allow(clippy::cast_precision_loss)] // as many tokens as a context holds
        let seconds = tokens.len() as f64 / self.prompt_rate;
        self.clock.borrow_mut().spend(seconds);
        self.foretelling.score(tokens, first, each);
        Ok(())
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        Some(vec![0; 16])
    }

    fn restore(&mut self, state: &[u8]) -> bool {
        state.len() == 16
    }

    fn now(&self) -> Nanos {
        self.clock.borrow().read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times of five calls of a second each, in a process of its own.
    fn process(script: &Script) -> Vec<u64> {
        let mut clock = PlayedClock::new(script.clone());
        let mut call = || {
            let before = clock.now;
            clock.spend(1.0);
            clock.now - before
        };
        (0..5).map(|_| call()).collect()
    }

    #[test]
    fn processes_differ_and_a_world_repeats_them() {
        let dir = tempfile::tempdir().unwrap();
        let in_world = |name: &str| {
            let world = Some(dir.path().join(name));
            let script =
                Script { noise: 0.01, shift: 0.02, drift: 0.01, world, ..Script::default() };
            (0..3).map(|_| process(&script)).collect::<Vec<_>>()
        };
        let runs = in_world("one");
        assert_eq!(runs, in_world("two"));
        // The clock goes on: the eleventh second is a tenth slower than the first.
        assert!(runs[2][0] > runs[0][0] + 50_000_000, "{runs:?}");
        let alone = Script { noise: 0.01, ..Script::default() };
        assert_eq!(process(&alone), process(&alone));
        let shifted = Script { shift: 0.02, ..Script::default() };
        assert_ne!(process(&shifted), process(&shifted));
    }

    #[test]
    fn shifts_can_be_told() {
        let dir = tempfile::tempdir().unwrap();
        let world = Some(dir.path().join("world"));
        let script = Script { shifts: vec![0.0, 0.5], world, ..Script::default() };
        let firsts: Vec<_> = (0..3).map(|_| process(&script)[0]).collect();
        assert_eq!(firsts, [1_000_000_000, 1_500_000_000, 1_000_000_000]);
    }
}
