//! Limits of the system on this process: the CPUs and the memory that it may have, where that is less than the
//! machine has.
//!
//! | file | what it holds |
//! |---|---|
//! | `groups.rs` | control groups, both versions: the process's own and all above it |
//! | `cpus.rs` | CPUs: mask, affinity, quota, machine |
//! | `memory.rs` | memory: control groups, address space, machine |
//!
//! All of it is read from files under a root, so that tests can write them.

mod cpus;
mod groups;
mod memory;

use std::path::{Path, PathBuf};

pub use cpus::Cpus;
pub use memory::{Kills, Memory, Room};

/// A file of the system; `None` where there is none, or it says nothing.
fn read(root: &Path, path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(root.join(path)).ok()?;
    (!text.trim().is_empty()).then_some(text)
}

/// What the process whose files are in `proc/PROCESS` may have.
#[derive(Debug, Clone)]
pub struct Limits {
    root: PathBuf,
}

impl Limits {
    /// Of the system whose files are under `root`.
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// CPUs that this process may use.
    pub fn cpus(&self) -> Cpus {
        Cpus::read(&self.root)
    }

    /// Memory that this process may have.
    pub fn memory(&self) -> Option<Memory> {
        Memory::read(&self.root)
    }

    /// Memory that another process, or this one (`None`), can still have without swapping.
    pub fn room(&self, process: Option<u32>) -> Option<Room> {
        Some(Memory::read(&self.root)?.room(&self.root, process))
    }

    /// Memory that can still be had until somebody is killed for it.
    pub fn physical_room(&self) -> Option<Room> {
        Some(Memory::read(&self.root)?.physical_room(&self.root))
    }

    /// How often the kernel has killed something for lack of memory so far.
    pub fn kills(&self) -> Kills {
        Kills::read(&self.root)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    /// A machine made of files.
    pub(crate) struct Fake(tempfile::TempDir);

    impl Fake {
        pub(crate) fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        pub(crate) fn root(&self) -> &Path {
            self.0.path()
        }

        pub(crate) fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        /// Memory of the machine that could be had, and all of it.
        pub(crate) fn memory(&self, left: u64, total: u64) {
            let (left, total) = (left / 1024, total / 1024);
            self.write("proc/meminfo", &format!("MemTotal: {total} kB\nMemAvailable: {left} kB\n"));
        }

        /// Puts the process into a group of the second version.
        pub(crate) fn group2(&self, path: &str) {
            let folder = self.0.path().join(format!("sys/fs/cgroup{path}"));
            std::fs::create_dir_all(folder).unwrap();
            self.write("proc/self/cgroup", &format!("0::{path}\n"));
            let mounts = "24 1 0:5 / /proc rw - proc proc rw\n31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n";
            self.write("proc/self/mountinfo", mounts);
        }

        /// Puts the process into a group of the first version.
        pub(crate) fn group1(&self, controllers: &str, path: &str) {
            let folder = self.0.path().join(format!("sys/fs/cgroup/{controllers}{path}"));
            std::fs::create_dir_all(folder).unwrap();
            self.write("proc/self/cgroup", &format!("4:{controllers}:{path}\n1:name=systemd:/\n"));
            let mount = format!(
                "35 31 0:32 / /sys/fs/cgroup/{controllers} rw - cgroup cgroup rw,{controllers}\n"
            );
            self.write("proc/self/mountinfo", &mount);
        }
    }
}
