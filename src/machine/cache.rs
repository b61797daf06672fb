//! Cache of measurements: what was measured before, in files of the user's: it saves time and nothing else. A file that cannot be
//! read is as good as none, one that cannot be written is not written.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{DeviceKind, Host};
use crate::dirs::user_folder;

/// Version of the files; another one is not read.
const VERSION: u32 = 2;

/// What is in a file.
#[derive(Debug, Serialize, Deserialize)]
struct Contents<T> {
    version: u32,
    entries: BTreeMap<String, T>,
}

/// A file of what was measured, by what it depends on.
#[derive(Debug, Clone)]
pub struct Cache<T> {
    path: Option<PathBuf>,
    holds: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Cache<T> {
    /// The user's: `lbench/NAME.json` in `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn of_user(name: &str) -> Self {
        let folder = user_folder("XDG_CACHE_HOME", ".cache");
        let path = folder.map(|folder| folder.join("lbench").join(name).with_extension("json"));
        Self { path, holds: PhantomData }
    }

    /// A file of one's own.
    pub fn at(path: PathBuf) -> Self {
        Self { path: Some(path), holds: PhantomData }
    }

    /// No file: nothing is found, nothing kept.
    pub fn none() -> Self {
        Self { path: None, holds: PhantomData }
    }

    /// What was kept under this key.
    pub fn get(&self, key: &str) -> Option<T> {
        self.read().remove(key)
    }

    /// Keeps what follows from the old value, and returns it.
    pub fn update(&self, key: String, merge: impl FnOnce(Option<T>) -> T) -> T
    where
        T: Clone,
    {
        let mut entries = self.read();
        let new = merge(entries.remove(&key));
        entries.insert(key, new.clone());
        self.write(entries);
        new
    }

    fn read(&self) -> BTreeMap<String, T> {
        let text = self.path.as_ref().and_then(|path| std::fs::read(path).ok());
        let contents = text.and_then(|text| serde_json::from_slice::<Contents<T>>(&text).ok());
        contents
            .filter(|contents| contents.version == VERSION)
            .map_or_else(BTreeMap::new, |contents| contents.entries)
    }

    /// Writes a new file and puts it in the place of the old one, so that no reader sees half of it.
    fn write(&self, entries: BTreeMap<String, T>) {
        let Some(path) = &self.path else { return };
        let Ok(text) = serde_json::to_vec_pretty(&Contents { version: VERSION, entries }) else {
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

/// Everything about a machine and a build that a measurement depends on, as far as it can be named.
pub fn key(host: &Host) -> String {
    let engine = &host.engine;
    [
        sysinfo::System::host_name().unwrap_or_default(),
        engine.device_names(&[DeviceKind::Cpu]),
        format!("{} cores", host.logical_cores),
        format!("{} bytes", host.memory),
        format!("lbench {}", super::build::NUMBER),
        engine.engine.clone(),
        engine.build_commit.clone(),
        engine.cpu_features.join(" "),
    ]
    .join("; ")
}
