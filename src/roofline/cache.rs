//! Ceilings that were measured before, in a file of the user's. It saves time and nothing else: a file
//! that cannot be read is as good as none, one that cannot be written is not written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Target;
use crate::host::Host;
use crate::wire::{DeviceKind, Roof};

/// Version of the file; another one is not read.
const VERSION: u32 = 1;

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    version: u32,
    roofs: BTreeMap<String, Roof>,
}

/// The file of ceilings.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    path: Option<PathBuf>,
}

impl Cache {
    /// The user's: `lbench/roofline.json` in `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn of_user() -> Self {
        let absolute = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
        };
        let folder =
            absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        Self { path: folder.map(|folder| folder.join("lbench").join("roofline.json")) }
    }

    /// A file of one's own.
    pub fn at(path: PathBuf) -> Self {
        Self { path: Some(path) }
    }

    /// No file: nothing is found, nothing kept.
    pub fn none() -> Self {
        Self::default()
    }

    /// What was measured before for this device, by this build on this host.
    pub fn get(&self, host: &Host, target: &Target) -> Option<Roof> {
        self.read().remove(&key(host, target))
    }

    /// Keeps a measurement. What other work slowed down was not the best: the greater figures stay, and
    /// are returned.
    pub fn put(&self, host: &Host, target: &Target, roof: Roof) -> Roof {
        let mut roofs = self.read();
        let old = roofs.remove(&key(host, target));
        let best = old.map_or(roof, |old| Roof {
            bandwidth: greater(old.bandwidth, roof.bandwidth),
            compute: greater(old.compute, roof.compute),
        });
        roofs.insert(key(host, target), best);
        self.write(roofs);
        best
    }

    fn read(&self) -> BTreeMap<String, Roof> {
        let text = self.path.as_ref().and_then(|path| std::fs::read(path).ok());
        let contents = text.and_then(|text| serde_json::from_slice::<Contents>(&text).ok());
        contents
            .filter(|contents| contents.version == VERSION)
            .map_or_else(BTreeMap::new, |c| c.roofs)
    }

    /// Writes a new file and puts it in the place of the old one, so that no reader sees half of it.
    fn write(&self, roofs: BTreeMap<String, Roof>) {
        let Some(path) = &self.path else { return };
        let Ok(text) = serde_json::to_vec_pretty(&Contents { version: VERSION, roofs }) else {
            return;
        };
        let new = path.with_extension(format!("json.{}", std::process::id()));
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = folder
            .and_then(|()| std::fs::write(&new, text))
            .and_then(|()| std::fs::rename(&new, path));
        if written.is_err() {
            // The next run measures again.
            let _ = std::fs::remove_file(&new);
        }
    }
}

fn greater(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

/// Everything that a ceiling depends on, as far as it can be named.
fn key(host: &Host, target: &Target) -> String {
    let engine = &host.engine;
    let description = engine.devices.iter().find(|device| device.name == target.device);
    let threads = target.threads.map(|threads| format!("{threads} threads"));
    [
        sysinfo::System::host_name().unwrap_or_default(),
        engine.device_names(&[DeviceKind::Cpu]),
        format!("{} cores", host.logical_cores),
        format!("{} bytes", host.memory),
        format!("lbench {}", env!("CARGO_PKG_VERSION")),
        engine.engine.clone(),
        engine.build_commit.clone(),
        engine.cpu_features.join(" "),
        target.device.clone(),
        description.map(|device| device.description.clone()).unwrap_or_default(),
        threads.unwrap_or_default(),
    ]
    .join("; ")
}
