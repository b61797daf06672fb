//! The file of a synthetic model, and the folder of files made before.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::io::Errno;
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::layout::{Fill, Tensor};
use super::tile::Tiles;
use super::{Spec, SynthError};
use crate::gguf::header::Header;
use crate::gguf::parse::DEFAULT_ALIGNMENT;
use crate::units::Bytes;

/// Called while a file grows, with the bytes written and the bytes in all; an error ends the writing.
type WriteProgress<'a> = &'a mut dyn FnMut(u64, u64) -> io::Result<()>;

/// Signals that are to end a program, heard while a file is written, so that nothing half-written stays.
struct Ended {
    set: Arc<AtomicBool>,
    actions: Vec<SigId>,
}

impl Ended {
    fn watch() -> io::Result<Self> {
        let mut ended = Self { set: Arc::default(), actions: Vec::new() };
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            ended.actions.push(signal_hook::flag::register(signal, Arc::clone(&ended.set))?);
        }
        Ok(ended)
    }

    fn is_set(&self) -> bool {
        self.set.load(Ordering::Relaxed)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        for action in &self.actions {
            signal_hook::low_level::unregister(*action);
        }
    }
}

impl Spec {
    /// Writes the model to `path`, and tells `progress` the bytes written and the bytes in all. Folders
    /// that are not there yet are made. The file appears under its name only when it is complete and on
    /// disk; until then its name ends in `.part`. An existing file is replaced, and processes that write
    /// the same file at once do not disturb one another.
    ///
    /// # Errors
    /// Where the disk is too full, found out before anything is written, or the system refuses. The
    /// unfinished file is then gone again.
    pub fn write(&self, path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), SynthError> {
        let total = self.header().file_size;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder)?;
        check_space(folder, total)?;
        remove_leftovers(path);
        let part = part_path(path);
        let ended = Ended::watch()?;
        let result = self.write_part(&part, total, &mut |written, total| {
            progress(written, total);
            if ended.is_set() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
        });
        if let Err(error) = result.and_then(|()| fs::rename(&part, path)) {
            // The first error counts; a file that cannot be removed was perhaps never made.
            let _ = fs::remove_file(&part);
            return Err(if ended.is_set() { SynthError::Interrupted } else { error.into() });
        }
        // The rename is on disk when the folder is. Not every file system can do that; the file itself
        // is safe either way.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }

    fn write_part(&self, part: &Path, total: u64, progress: WriteProgress) -> std::io::Result<()> {
        let file = File::create_new(part)?;
        // Whoever finds it sees that somebody writes; where there are no locks, the process number tells.
        let _ = file.try_lock();
        let mut out = Output { file, written: 0, total, progress };
        let tensors = self.tensors();
        out.put(&self.header_bytes(&tensors))?;
        let mut tiles = Tiles::new(self.seed);
        for (index, tensor) in tensors.iter().enumerate() {
            out.align()?;
            match tensor.fill {
                Fill::Ones => out.repeat(&1.0_f32.to_le_bytes().repeat(1024), 0, tensor.bytes)?,
                Fill::Weights => {
                    let tile = tiles.of(tensor.ggml_type);
                    out.repeat(tile, start_in(tile, index, tensor), tensor.bytes)?;
                }
            }
        }
        out.file.sync_all()
    }
}

/// Where in the stretch a tensor begins, in bytes: at another block for each tensor, so that no two are
/// equal.
fn start_in(tile: &[u8], index: usize, tensor: &Tensor) -> usize {
    let block = usize::try_from(tensor.ggml_type.block_bytes()).unwrap_or(1);
    let blocks = (tile.len() / block).max(1);
    (index * 1009) % blocks * block
}

struct Output<'a> {
    file: File,
    written: u64,
    total: u64,
    progress: WriteProgress<'a>,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn align(&mut self) -> std::io::Result<()> {
        let gap = self.written.next_multiple_of(DEFAULT_ALIGNMENT) - self.written;
        self.put(&[0; 32][..usize::try_from(gap).unwrap_or(0)])
    }

    /// Appends `n` bytes of `tile` over and over, the first time from `start`.
    fn repeat(&mut self, tile: &[u8], start: usize, n: u64) -> std::io::Result<()> {
        if tile.is_empty() {
            return Err(std::io::Error::other("a tensor type without an encoder"));
        }
        let (mut from, mut left) = (start, n);
        while left > 0 {
            let rest = &tile[from..];
            let chunk = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
            self.put(&rest[..chunk])?;
            (self.progress)(self.written, self.total)?;
            left -= chunk as u64;
            from = 0;
        }
        Ok(())
    }
}

/// A name beside the file that no other process uses.
pub fn part_path(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{count}.part", std::process::id()));
    path.with_file_name(name)
}

/// Removes what earlier processes that are gone left of this file, and of models of lbench's own name beside it:
/// SIGKILL or a crash of the machine ends a writer where it is.
pub fn remove_leftovers(path: &Path) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let is_ours = |file: &str| file == name || is_own_name(file);
    for entry in fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let writer = file
            .to_str()
            .and_then(|file| file.strip_suffix(".part")?.rsplit_once('.'))
            .filter(|(model, _)| is_ours(model))
            .and_then(|(_, writer)| writer.split_once('-')?.0.parse().ok())
            .and_then(rustix::process::Pid::from_raw);
        let is_gone = |pid| rustix::process::test_kill_process(pid) == Err(Errno::SRCH);
        if writer.is_some_and(is_gone) && !is_locked(&entry.path()) {
            // A file that cannot be removed only takes up room.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether it is a name that lbench gives its models.
fn is_own_name(file: &str) -> bool {
    file.strip_prefix("synth-")
        .is_some_and(|name| Path::new(name).extension() == Some("gguf".as_ref()))
}

/// Whether somebody has locked a file: a writer in another container has a number that says nothing here.
fn is_locked(path: &Path) -> bool {
    let file = File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

fn check_space(folder: &Path, needed: u64) -> Result<(), SynthError> {
    // A folder that cannot be asked shows up when the file is made.
    let Ok(stat) = rustix::fs::statvfs(folder) else {
        return Ok(());
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free >= needed {
        return Ok(());
    }
    let (needed, free) = (Bytes(needed), Bytes(free));
    Err(SynthError::NoSpace { needed, folder: folder.to_owned(), free })
}

/// Whether the file at `path` is the complete file of the model with this header, so that it need not
/// be written again. Of the weights only their number is looked at.
pub fn is_up_to_date(header: &Header, path: &Path) -> bool {
    Header::read(path)
        .is_ok_and(|found| found.hash == header.hash && found.file_size == header.file_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(text: &str) -> Spec {
        Spec::parse(&format!("{text}:q4_k_m")).unwrap()
    }

    #[test]
    fn what_a_dead_writer_left_is_removed_and_a_living_ones_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.gguf");
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let leftover = folder.path().join(format!("m.gguf.{}-0.part", gone.id()));
        let living = folder.path().join(format!("m.gguf.{}-99.part", std::process::id()));
        let other = folder.path().join("m.gguf.part");
        // Another model of ours, and a file of somebody else's.
        let model = folder.path().join(format!("synth-x-q4_0.gguf.{}-1.part", gone.id()));
        let foreign = folder.path().join(format!("video.{}-1.part", gone.id()));
        // One that is written where process numbers are others.
        let elsewhere = folder.path().join(format!("m.gguf.{}-7.part", gone.id()));
        for file in [&leftover, &living, &other, &model, &foreign, &elsewhere] {
            fs::write(file, "x").unwrap();
        }
        let lock = File::open(&elsewhere).unwrap();
        lock.lock().unwrap();
        small("llama:layers=1,embd=32,ff=32,heads=1,vocab=32")
            .write(&path, &mut |_, _| {})
            .unwrap();
        assert!(!leftover.exists());
        assert!(!model.exists() && foreign.exists() && elsewhere.exists());
        assert!(living.exists() && other.exists() && path.exists());
    }

    #[test]
    fn the_written_file_has_the_predicted_header() {
        let folder = tempfile::tempdir().unwrap();
        for text in [
            "llama:layers=3,embd=256,ff=512,heads=4,kv=2,vocab=1000,tied,rope_freqs",
            "llama:layers=2,embd=96,ff=100,heads=4,vocab=50,experts=4",
            "qwen2:layers=2,embd=64,ff=96,heads=2,vocab=77",
            "qwen3:layers=2,embd=64,ff=96,heads=2,head_dim=48,vocab=77",
            "qwen3moe:layers=2,embd=256,ff=32,heads=2,vocab=77,experts=16,experts_used=4",
        ] {
            let spec = small(text);
            let path = folder.path().join(spec.file_name());
            let mut last = (0, 0);
            spec.write(&path, &mut |written, total| last = (written, total)).unwrap();
            let header = Header::read(&path).unwrap();
            assert_eq!(header, spec.header());
            assert_eq!(last, (header.file_size, header.file_size));
            assert_eq!(fs::metadata(&path).unwrap().len(), header.file_size);
        }
        let left = fs::read_dir(folder.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|ext| ext == "part")
        });
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn what_is_not_the_whole_file_is_not_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let spec = small("llama:layers=1,embd=64,ff=64,heads=2,vocab=64");
        let path = folder.path().join("models").join(spec.file_name());
        let is_there = || is_up_to_date(&spec.header(), &path);
        assert!(!is_there());
        spec.write(&path, &mut |_, _| ()).unwrap();
        assert!(is_there());
        let longer = fs::read(&path).unwrap().into_iter().chain([0]).collect::<Vec<_>>();
        for broken in [&longer[..], &longer[..1000], b"rubbish", b""] {
            fs::write(&path, broken).unwrap();
            assert!(!is_there());
        }
        spec.write(&path, &mut |_, _| ()).unwrap();
        assert!(is_there());
        let other = small("llama:layers=1,embd=64,ff=64,heads=2,vocab=64,tied");
        assert!(!is_up_to_date(&other.header(), &path));
    }

    #[test]
    fn writers_at_the_same_time_do_not_disturb_one_another() {
        let folder = tempfile::tempdir().unwrap();
        let spec = small("llama:layers=1,embd=64,ff=64,heads=2,vocab=64");
        let path = folder.path().join(spec.file_name());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| spec.write(&path, &mut |_, _| ()).unwrap());
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(Header::read(&path).unwrap(), spec.header());
    }

    #[test]
    fn a_disk_that_is_too_small_is_named_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let huge = "llama:layers=512,embd=65536,ff=262144,heads=512,experts=1024:f32";
        let spec = Spec::parse(huge).unwrap();
        let path = folder.path().join("huge.gguf");
        let error = spec.write(&path, &mut |_, _| panic!("written")).unwrap_err().to_string();
        assert!(error.starts_with("needs ") && error.ends_with(" free"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spec = small("llama:layers=1,embd=64,ff=64,heads=2,vocab=64");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = spec.write(&file.join("x.gguf"), &mut |_, _| ()).unwrap_err().to_string();
        assert!(error.starts_with("cannot be written: "), "{error}");
        // A folder in the place of the file: only the last step fails.
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("full")).unwrap();
        assert!(spec.write(&taken, &mut |_, _| ()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
