//! Quantizations of a model, made by the engine before a sweep and removed behind it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::out::tell;
use crate::cli::BenchArgs;
use crate::error::Error;
use crate::gguf::synth::{part_path, remove_leftovers};
use crate::gguf::{FileType, Header};
use crate::machine::{DeviceKind, Host};
use crate::models::making::{self, Quantization, Quantizing};
use crate::runner::Runner;
use crate::setup::Model;
use crate::units::Bytes;

/// Time between two lines about a file that is being made.
const PAUSE: Duration = Duration::from_secs(5);

/// Files that were made for a run. They go when it ends, however it does, unless they are to be kept.
#[derive(Debug, Default)]
pub(super) struct Made {
    files: Vec<PathBuf>,
    keep: bool,
}

impl Drop for Made {
    fn drop(&mut self) {
        for file in self.files.drain(..).filter(|_| !self.keep) {
            if let Err(error) = fs::remove_file(&file) {
                tell(&format!("{}: it cannot be removed: {error}", file.display()));
            }
        }
    }
}

/// Makes what was asked for, and adds it to the models behind the one that it is made of.
pub(super) fn make(
    args: &BenchArgs,
    models: &mut Vec<Model>,
    host: &Host,
    runner: &mut Runner,
) -> Result<Made, Error> {
    let mut made = Made { files: Vec::new(), keep: args.making.keep };
    let types = args.making.types();
    if types.is_empty() {
        return Ok(made);
    }
    let [model] = models.as_slice() else {
        let text = "--make quantizes one model: give one -m, or one -hf";
        return Err(Error::Usage(text.into()));
    };
    let model = model.clone();
    let recipes = making::recipes(&model, &types, &args.models_dir)?;
    tell_of_source(&model, types.len() > recipes.len());
    if args.dry_run {
        for recipe in &recipes {
            tell(&format!("would make {} (about {})", recipe.path.display(), recipe.size));
        }
        return Ok(made);
    }
    let mut wanted = Vec::new();
    for recipe in &recipes {
        if making::is_made(recipe, &model) {
            tell(&format!("{}: it is there already", recipe.path.display()));
        } else if recipe.path.exists() {
            let way =
                "another file is there: move it away, or name another folder with --models-dir";
            return Err(Error::Usage(format!("--make: {}: {way}", recipe.path.display())));
        } else {
            wanted.push(recipe);
        }
    }
    let maker = QuantizationRun { args, model: &model };
    maker.check_room(&wanted, host)?;
    for recipe in wanted {
        maker.make(recipe, runner)?;
        made.files.push(recipe.path.clone());
    }
    // What the making took is free again before anything is measured.
    runner.rest();
    for recipe in &recipes {
        models.push(making::of_made(recipe, &model)?);
    }
    Ok(made)
}

/// A word about what a model is already.
fn tell_of_source(model: &Model, is_one_of_them: bool) {
    let name = model.path.display();
    if is_one_of_them {
        tell(&format!("{name}: it is of one of the types of --make already, and stands for that"));
    }
    let wide = [FileType::F32, FileType::F16, FileType::Bf16];
    let header = Header::read(&model.path).ok();
    let id = header.and_then(|header| header.metadata.get("general.file_type")?.count());
    if id.is_some_and(|id| wide.iter().all(|wide| u64::from(wide.id()) != id)) {
        tell(&format!(
            "{name} is quantized itself: what that has lost stays lost, and divergences are from what is left"
        ));
    }
}

/// Quantizing of one model into several files, and their removal.
struct QuantizationRun<'a> {
    args: &'a BenchArgs,
    model: &'a Model,
}

impl QuantizationRun<'_> {
    /// Refuses what the disk or the memory has no room for.
    fn check_room(&self, wanted: &[&Quantization], host: &Host) -> Result<(), Error> {
        let folder = &self.args.models_dir;
        let refuse = |text: String| Err(Error::Usage(format!("--make: {text}")));
        if wanted.is_empty() {
            return Ok(());
        }
        if let Err(error) = fs::create_dir_all(folder) {
            return refuse(format!("{}: {error}", folder.display()));
        }
        let needed = Bytes(wanted.iter().fold(0, |sum, recipe| sum.saturating_add(recipe.size.0)));
        if let Ok(disk) = rustix::fs::statvfs(folder) {
            let free = Bytes(disk.f_bavail.saturating_mul(disk.f_frsize));
            if free < needed {
                return refuse(format!(
                    "the files take about {needed}, and {} has {free} free: make fewer, or name another folder with \
                     --models-dir",
                    folder.display()
                ));
            }
        }
        let memory = wanted.iter().map(|recipe| recipe.memory).max().unwrap_or_default();
        let cpu = host.engine.devices.iter().find(|device| device.kind == DeviceKind::Cpu);
        let of_machine = cpu.map_or(u64::MAX, |cpu| cpu.free);
        let of_limits = self.args.engine.limits().room(None).map_or(u64::MAX, |room| room.left.0);
        let left =
            if self.args.engine.is_limited() { of_machine.min(of_limits) } else { of_machine };
        if memory.0 > left {
            return refuse(format!(
                "quantizing takes about {memory} of memory, and {} is left",
                Bytes(left)
            ));
        }
        Ok(())
    }

    /// Makes one file: under another name until it is whole.
    fn make(&self, recipe: &Quantization, runner: &mut Runner) -> Result<(), Error> {
        let (path, model) = (&recipe.path, self.model);
        remove_leftovers(path);
        let part = Unfinished(part_path(path));
        let refuse = |reason: String| Error::Model {
            path: model.path.clone(),
            reason: format!("it cannot be quantized to {}: {reason}", recipe.file_type),
        };
        let lock = File::create_new(&part.0).map_err(|error| refuse(error.to_string()))?;
        // Whoever finds it sees that somebody writes; where there are no locks, the process number tells.
        let _ = lock.try_lock();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let order = Quantizing {
            from: model.path.clone(),
            to: part.0.clone(),
            file_type: recipe.file_type.id(),
            n_threads: u32::try_from(threads).unwrap_or(1),
            made_of: model.header_hash.clone(),
        };
        tell(&format!("making {} (about {})", path.display(), recipe.size));
        let mut told = Instant::now();
        let answer = runner.quantize(&order, model.n_params, &mut || {
            if told.elapsed() >= PAUSE {
                told = Instant::now();
                let done = fs::metadata(&part.0).map_or(0, |file| file.len());
                let percent = (done.saturating_mul(100) / recipe.size.0.max(1)).min(99);
                tell(&format!("making {}: {percent} %", path.display()));
            }
        })?;
        drop(lock);
        answer.map_err(refuse)?;
        put_in_place(&part.0, path).map_err(|error| refuse(error.to_string()))?;
        let header = Header::read(path).map_err(|error| {
            let _ = fs::remove_file(path);
            refuse(format!("what was made is no model: {error}"))
        })?;
        #[allow(clippy::cast_precision_loss)] // a figure of three digits
        let bits = header.tensor_bytes() as f64 * 8.0 / header.n_params().max(1) as f64;
        tell(&format!(
            "made {}: {}, {bits:.2} bits a weight",
            path.display(),
            Bytes(header.file_size)
        ));
        Ok(())
    }
}

/// Gives a file that is whole its name, once it is on disk.
fn put_in_place(part: &Path, path: &Path) -> std::io::Result<()> {
    File::open(part)?.sync_all()?;
    // Unlike a renaming, a link does not take the place of a file that came meanwhile.
    match fs::hard_link(part, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => fs::rename(part, path),
        other => other,
    }
}

/// A file that is not whole yet. It goes, whatever happens.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It may have its name already, or never have been begun.
        let _ = fs::remove_file(&self.0);
    }
}
