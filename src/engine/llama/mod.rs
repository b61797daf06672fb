//! llama.cpp, in this process: the only room with `unsafe` in it.
//!
//! The safe wrapper (`llama-cpp-2`) starts the backends and lists the devices; loading, contexts and
//! decoding go through its own lower layer (`llama-cpp-sys-2`), because the wrapper keeps its handles to
//! itself and lacks thread pools and batches with outputs of choice. No context is driven through both.
//!
//! | file | what it holds |
//! |---|---|
//! | `logs` | the engine's log, caught and kept |
//! | `reason` | one sentence out of its error lines |
//! | `devices` | backends, devices, CPU kernels |
//! | `modules` | backends in files of their own |
//! | `params` | from a `Config` to the engine's parameters |
//! | `model` | a loaded model |
//! | `weights` | where its weights ended up |
//! | `memory` | what it takes of each device, and would take |
//! | `handles` | owners of a context, a batch and threads |
//! | `intake` | whether a model's prompts are decoded or encoded |
//! | `session` | a context, and the operations that are timed |
//! | `scoring` | the logits behind the tokens of a text |
//! | `flash`, `greatest` | whether it uses flash attention; the most likely token |
//! | `quantize` | other types of a model's weights |
//! | `roofline` | what a device can do at best |
//! | `rpc` | remote devices, on either end of the link |
//! | `affinity` | CPUs of its threads |
//! | `process` | memory of this process |
#![allow(unsafe_code)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod affinity;
mod devices;
mod flash;
mod greatest;
mod handles;
mod intake;
mod logs;
mod memory;
mod model;
mod modules;
mod params;
mod process;
mod quantize;
mod reason;
mod roofline;
pub mod rpc;
mod scoring;
mod session;
mod weights;

use std::path::Path;
use std::rc::Rc;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2 as sys;

use self::handles::Context;
use self::model::LoadedModel;
pub use self::session::LlamaSession;
use crate::engine::{Engine, EngineError, Token};
use crate::machine::{Description, Device, Link, Module, Roof};
use crate::models::making::Quantizing;
use crate::record::{DeviceMemory, Loaded, MemorySplit};
use crate::setup::{Config, Process};
use crate::units::{Bytes, Nanos};
use crate::work::Extent;

/// The backends of this process and at most one model of its own. There is one at a time in a process.
pub struct LlamaEngine {
    // In the order in which they must go: the model before the backends.
    model: Option<Rc<LoadedModel>>,
    backend: Rc<LlamaBackend>,
    /// The offload devices as they were before the load.
    before: Vec<Device>,
    /// What the weights take, and what the latest context does.
    split: [Vec<MemorySplit>; 2],
    /// Backend modules that were found.
    modules: Vec<Module>,
    /// What the backends could not do when they started.
    start_errors: Vec<String>,
    /// Servers whose devices are known.
    servers: Vec<String>,
    /// How the process runs.
    process: Process,
    /// What was said of settings when the backends started.
    start_remarks: Vec<String>,
    /// What was said of settings since it was asked for.
    remarks: Vec<String>,
}

impl LlamaEngine {
    /// Catches the engine's log, then starts its backends. With `verbose` every line of the log goes to
    /// standard error as well. Backend modules are loaded from `modules`, if that is given.
    ///
    /// # Errors
    /// When there is an engine in this process already, or no backend for the CPU.
    pub fn new(
        verbose: bool,
        modules: Option<&Path>,
        process: Process,
    ) -> Result<Self, EngineError> {
        logs::install(verbose);
        #[cfg(target_os = "linux")]
        affinity::given();
        let backend = LlamaBackend::init().map_err(|error| EngineError(error.to_string()))?;
        // Backends that are linked in start with the first question about them.
        let _ = devices::cpu();
        let mut start_errors = reason::errors();
        let modules = modules::load(modules, &mut start_errors);
        if devices::cpu().is_none() {
            return Err(reason::failure("there is no backend for the CPU"));
        }
        // SAFETY: the CPU's backend is there, which is what it asks.
        unsafe { sys::llama_numa_init(params::numa(process.numa)) }
        Ok(Self {
            model: None,
            backend: Rc::new(backend),
            before: Vec::new(),
            split: Default::default(),
            modules,
            start_errors,
            servers: Vec::new(),
            process,
            start_remarks: logs::take_remarks().into_iter().map(String::from).collect(),
            remarks: Vec::new(),
        })
    }
}

impl LlamaEngine {
    /// Makes the remote devices of a configuration known.
    fn reach(&mut self, config: &Config) -> Result<(), EngineError> {
        for endpoint in &config.rpc {
            if !self.servers.contains(endpoint) {
                rpc::add(endpoint)?;
                self.servers.push(endpoint.clone());
            }
        }
        Ok(())
    }
}

impl Engine for LlamaEngine {
    type Session = LlamaSession;

    fn describe(&mut self) -> Description {
        let cpu_features = devices::cpu_features();
        let (version, commit) = version();
        Description {
            engine: format!("llama.cpp {version}"),
            build_commit: commit.unwrap_or(version),
            backends: devices::backends(),
            devices: devices::list(),
            cpu_features_unused: devices::cpu_features_unused(&cpu_features),
            cpu_features,
            modules: self.modules.clone(),
            start_errors: self.start_errors.clone(),
        }
    }

    fn roof(&mut self, device: &str, n_threads: u32) -> Result<Roof, EngineError> {
        roofline::measure(device, n_threads)
    }

    fn link(&mut self, endpoint: &str) -> Result<Link, EngineError> {
        rpc::link(endpoint)
    }

    fn tokenize(&mut self, model: &Path, texts: &[String]) -> Result<Vec<Vec<Token>>, EngineError> {
        let vocabulary = LoadedModel::vocabulary(Rc::clone(&self.backend), model)?;
        texts.iter().map(|text| vocabulary.tokenize(text, true)).collect()
    }

    fn quantize(&mut self, order: &Quantizing) -> Result<(), EngineError> {
        quantize::quantize(order)
    }

    fn load(&mut self, config: &Config, extent: Extent) -> Result<Loaded, EngineError> {
        self.model = None;
        self.reach(config)?;
        self.before = devices::offload();
        // What was said meanwhile, of other things, is no remark on this load.
        logs::take_remarks();
        self.remarks.clone_from(&self.start_remarks);
        let start = Nanos::monotonic();
        let model = LoadedModel::load(Rc::clone(&self.backend), config, extent, false)?;
        self.remarks.extend(params::without_effect(&config.loading, logs::placed()));
        let load_ns = Nanos::monotonic().since(start);
        let most = model.max_gpu_layers();
        let asked = model.fit.as_ref().map_or(config.n_gpu_layers, |fit| fit.n_gpu_layers);
        let asked = u32::try_from(asked).unwrap_or(most);
        let loaded = Loaded {
            load_ns,
            description: model.description(),
            tensor_bytes: Bytes(model.tensor_bytes()),
            n_params: model.n_params(),
            offloaded_layers: if self.before.is_empty() || config.devices == ["none"] {
                0
            } else {
                asked.min(most)
            },
            backends: weights::backends(&logs::lines(), &devices::weight_buffers()),
            fit: model.fit.clone(),
        };
        self.split = [memory::split(&logs::lines(), &devices::buffers()), Vec::new()];
        self.model = Some(Rc::new(model));
        Ok(loaded)
    }

    fn predict(
        &mut self,
        config: &Config,
        extent: Extent,
    ) -> Result<Vec<MemorySplit>, EngineError> {
        if config.loading.places_tensors() || config.loading.fits() {
            let text = "what is placed tensor by tensor (-ot, -ncmoe, -fitt) is not predicted";
            return Err(EngineError(text.into()));
        }
        self.reach(config)?;
        let model = LoadedModel::load(Rc::clone(&self.backend), config, extent, true)?;
        logs::begin();
        let context = Context::new(&model, config, extent)?;
        let lines = logs::lines();
        drop(context);
        let used =
            |device: &Device| config.devices.is_empty() || config.devices.contains(&device.name);
        let mut free = devices::offload();
        free.retain(used);
        let free: Vec<_> = free.into_iter().map(|device| (device.name, device.free)).collect();
        Ok(memory::predicted(config, &lines, &devices::buffers(), &free))
    }

    fn memory_split(&self) -> Vec<MemorySplit> {
        let mut all: Vec<MemorySplit> = self.split[0].clone();
        for part in &self.split[1] {
            match all.iter_mut().find(|split| split.device == part.device) {
                Some(split) => {
                    split.context.0 += part.context.0;
                    split.compute.0 += part.compute.0;
                }
                None => all.push(part.clone()),
            }
        }
        all
    }

    fn open(&mut self, config: &Config, extent: Extent) -> Result<LlamaSession, EngineError> {
        let model = self.model.as_ref().ok_or_else(|| EngineError("no model is loaded".into()))?;
        let session = LlamaSession::open(Rc::clone(model), config, extent, self.process)?;
        self.split[1] = memory::split(&logs::lines(), &devices::buffers());
        Ok(session)
    }

    fn device_memory(&self) -> Vec<DeviceMemory> {
        devices::memory_since(&self.before)
    }

    fn peak_rss(&self) -> Option<Bytes> {
        process::peak_rss()
    }

    fn reset_peak_rss(&mut self) {
        process::reset_peak_rss();
    }

    fn remarks(&mut self) -> Vec<String> {
        let mut remarks = std::mem::take(&mut self.remarks);
        remarks.extend(logs::take_remarks().into_iter().map(String::from));
        remarks
    }

    fn log_tail(&self) -> Vec<String> {
        logs::tail()
    }

    fn now(&self) -> Nanos {
        Nanos::monotonic()
    }

    fn rest(&mut self, duration: Nanos) {
        std::thread::sleep(duration.duration());
    }
}

/// The engine's version, and the commit it was built from where the build recorded one.
fn version() -> (String, Option<String>) {
    // SAFETY: both return string constants.
    let (version, commit) =
        unsafe { (devices::text(sys::llama_version()), devices::text(sys::ggml_commit())) };
    let version = if version.is_empty() { "unknown".to_owned() } else { version };
    (version, (!commit.is_empty() && commit != "unknown").then_some(commit))
}
