//! World: a file in which the scripted clock goes on from one process to the next.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the time stands in the file, behind the number of processes; both are 64 bits, little end first.
const TIME: u64 = 8;

/// What a process finds where it begins, and where it leaves the time for the next one.
pub(super) struct World {
    /// Its number, from 0.
    pub process: u64,
    /// The time, in nanoseconds.
    pub now: u64,
    file: Option<File>,
}

impl World {
    /// A world of one process, whose noise is the seed's.
    pub fn alone() -> Self {
        Self { process: 0, now: 0, file: None }
    }

    /// A world of its own, with a number that no other process has.
    pub fn of_this_process() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let process = u64::from(process::id())
            ^ since.as_secs().rotate_left(32)
            ^ u64::from(since.subsec_nanos());
        Self { process, now: 0, file: None }
    }

    /// The next process in the world of this file, which is made if it is not there.
    pub fn next(path: &Path) -> io::Result<Self> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        let read = |at| -> io::Result<u64> {
            let mut bytes = [0; 8];
            match file.read_exact_at(&mut bytes, at) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read.map(|()| u64::from_le_bytes(bytes)),
            }
        };
        let (process, now) = (read(0)?, read(TIME)?);
        file.write_all_at(&(process + 1).to_le_bytes(), 0)?;
        file.unlock()?;
        Ok(Self { process, now, file: Some(file) })
    }

    /// Keeps the time for the next process, however this one ends.
    pub fn keep(&self, now: u64) -> io::Result<()> {
        match &self.file {
            Some(file) => file.write_all_at(&now.to_le_bytes(), TIME),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_from_process_to_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("world");
        for process in 0..3 {
            let world = World::next(&path).unwrap();
            assert_eq!((world.process, world.now), (process, 1000 * process));
            world.keep(world.now + 1000).unwrap();
        }
        assert!(World::next(dir.path()).is_err());
        assert_ne!(World::of_this_process().process, World::of_this_process().process);
        World::alone().keep(5).unwrap();
    }
}
