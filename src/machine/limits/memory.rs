//! Memory that this process may have: of the machine, of its control groups, of its address space; and who ran out
//! of it when the kernel killed a process.

use std::fmt;
use std::path::Path;

use super::groups::{self, Group};
use super::read;
use crate::machine::system;
use crate::units::Bytes;

/// Memory that a process may have, bound by bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// What could be had of the machine without swapping, and all that it has.
    machine: (Bytes, Bytes),
    /// Control groups with a limit, and the limit.
    groups: Vec<(Group, Bytes)>,
    /// Most addresses of one process.
    addresses: Option<Bytes>,
}

/// What a process can still have, by the tightest bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// What can be had without swapping.
    pub left: Bytes,
    /// Whose bound it is; `None` where it is the machine's.
    pub of: Option<String>,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            None => write!(f, "{} is free", self.left),
            Some(of) => write!(f, "{} is left within {of}", self.left),
        }
    }
}

impl Memory {
    pub(super) fn read(root: &Path) -> Option<Self> {
        let machine = system::memory(root)?;
        let limit = |group: Group| {
            let file = if group.unified { "memory.max" } else { "memory.limit_in_bytes" };
            // The first version says a number beyond all memory for no limit.
            let limit = group.number(root, file).filter(|limit| *limit < machine.1.0)?;
            Some((group, Bytes(limit)))
        };
        let groups = groups::all(root, "memory").into_iter().filter_map(limit).collect();
        let addresses = addresses(root).filter(|limit| limit.0 < machine.1.0);
        Some(Self { machine, groups, addresses })
    }

    /// All that a process may have.
    pub fn total(&self) -> Bytes {
        self.addresses.map_or(self.physical(), |limit| limit.min(self.physical()))
    }

    /// All memory that the process and others in its control group may have, where addresses are no bound.
    pub fn physical(&self) -> Bytes {
        let groups = self.groups.iter().map(|(_, limit)| *limit);
        groups.chain([self.machine.1]).min().unwrap_or_default()
    }

    /// The limits that are less than the machine has, in words.
    pub fn in_words(&self) -> Option<String> {
        let least = self.groups.iter().min_by_key(|(_, limit)| *limit);
        let group = least.map(|(group, limit)| of_group(group, *limit));
        let addresses = self.addresses.map(of_addresses);
        let all: Vec<_> = group.into_iter().chain(addresses).collect();
        (!all.is_empty()).then(|| all.join(" and "))
    }

    /// What can still be had until somebody is killed for it: addresses are no bound of that.
    pub(super) fn physical_room(&self, root: &Path) -> Room {
        let machine = Room { left: self.machine.0, of: None };
        let of = |(group, limit): &(Group, Bytes)| {
            let left = Bytes(limit.0.saturating_sub(used(root, group)?));
            Some(Room { left, of: Some(of_group(group, *limit)) })
        };
        let groups = self.groups.iter().filter_map(of);
        groups.fold(machine, |least, room| if room.left < least.left { room } else { least })
    }

    /// What a process can still have.
    pub(super) fn room(&self, root: &Path, process: Option<u32>) -> Room {
        let physical = self.physical_room(root);
        let Some(limit) = self.addresses else { return physical };
        let taken = mapped(root, process).unwrap_or_default();
        let left = Bytes(limit.0.saturating_sub(taken.0));
        if left < physical.left { Room { left, of: Some(of_addresses(limit)) } } else { physical }
    }
}

fn of_group(group: &Group, limit: Bytes) -> String {
    format!("the control group's limit of {limit} ({})", group.path())
}

fn of_addresses(limit: Bytes) -> String {
    format!("the limit of {limit} on addresses (ulimit -v)")
}

/// What a group has taken that it cannot give back without swapping.
fn used(root: &Path, group: &Group) -> Option<u64> {
    let (file, prefix) =
        if group.unified { ("memory.current", "") } else { ("memory.usage_in_bytes", "total_") };
    let pages =
        |name: &str| group.counter(root, "memory.stat", &format!("{prefix}{name}")).unwrap_or(0);
    let files = pages("inactive_file") + pages("active_file");
    Some(group.number(root, file)?.saturating_sub(files))
}

/// Most addresses that a process may have.
fn addresses(root: &Path) -> Option<Bytes> {
    let limits = read(root, "proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok().map(Bytes)
}

/// The addresses that a process has.
fn mapped(root: &Path, process: Option<u32>) -> Option<Bytes> {
    let process = process.map_or("self".into(), |id| id.to_string());
    let status = read(root, format!("proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(Bytes(kib * 1024))
}

/// How often the kernel has killed something for lack of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kills {
    /// On the whole machine; `None` where the kernel does not say.
    machine: Option<u64>,
    /// In each control group with a limit, where that counts them.
    groups: Vec<(Group, Bytes, Option<u64>)>,
}

impl Kills {
    fn of_group(root: &Path, group: &Group) -> Option<u64> {
        let file = if group.unified { "memory.events" } else { "memory.oom_control" };
        group.counter(root, file, "oom_kill")
    }

    pub(super) fn read(root: &Path) -> Self {
        let groups = Memory::read(root).map(|memory| memory.groups).unwrap_or_default();
        let counted = |(group, limit): (Group, Bytes)| {
            let kills = Self::of_group(root, &group);
            (group, limit, kills)
        };
        Self { machine: system::oom_kills(root), groups: groups.into_iter().map(counted).collect() }
    }

    /// Whether the kernel has killed something since; `None` where it does not say.
    pub fn since(&self, before: &Self) -> Option<bool> {
        if self.of_group_since(before).is_some() {
            return Some(true);
        }
        Some(self.machine? > before.machine?)
    }

    /// The group whose limit was reached since, in words: the innermost one with a kill.
    pub fn of_group_since(&self, before: &Self) -> Option<String> {
        let struck = self.groups.iter().find(|(group, _, kills)| {
            let was = before.groups.iter().find(|(other, ..)| other == group);
            let was = was.and_then(|(_, _, kills)| *kills).unwrap_or(0);
            kills.is_some_and(|kills| kills > was)
        });
        struck.map(|(group, limit, _)| of_group(group, *limit))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::super::tests::Fake;
    use super::*;

    const GIB: u64 = 1 << 30;

    fn room(machine: &Fake) -> (u64, u64, String) {
        let limits = Limits::of(machine.root());
        let (memory, room) = (limits.memory().unwrap(), limits.room(Some(7)).unwrap());
        (room.left.0, memory.total().0, room.of.unwrap_or_default())
    }

    #[test]
    fn the_least_of_all_groups_and_addresses_counts() {
        let machine = Fake::new();
        assert_eq!(Limits::of(machine.root()).room(None), None);
        machine.memory(19 * GIB, 32 * GIB);
        assert_eq!(room(&machine), (19 * GIB, 32 * GIB, String::new()));
        machine.group2("/a/b");
        machine.write("sys/fs/cgroup/a/b/memory.max", "max\n");
        machine.write("sys/fs/cgroup/a/memory.max", "125829120\n");
        machine.write("sys/fs/cgroup/a/memory.current", "104857600\n");
        machine.write(
            "sys/fs/cgroup/a/memory.stat",
            "anon 1\ninactive_file 41943040\nactive_file 0\n",
        );
        let of = "the control group's limit of 120.00 MiB (/sys/fs/cgroup/a)";
        assert_eq!(room(&machine), (60 << 20, 120 << 20, of.into()));
        // A limit on addresses is of one process.
        machine.write(
            "proc/self/limits",
            "Limit   Soft Limit   Hard Limit   Units\nMax address space   104857600   unlimited   bytes\n",
        );
        machine.write("proc/7/status", "VmSize:\t   61440 kB\n");
        let of = "the limit of 100.00 MiB on addresses (ulimit -v)";
        assert_eq!(room(&machine), (40 << 20, 100 << 20, of.into()));
        let limits = Limits::of(machine.root()).memory().unwrap();
        assert_eq!(
            limits.in_words().unwrap(),
            "the control group's limit of 120.00 MiB (/sys/fs/cgroup/a) and the limit of 100.00 MiB on addresses (ulimit -v)"
        );
    }

    #[test]
    fn the_first_version_counts_those_below_a_group() {
        let machine = Fake::new();
        machine.memory(19 * GIB, 32 * GIB);
        machine.group1("memory", "/x/y");
        machine.write("sys/fs/cgroup/memory/x/y/memory.limit_in_bytes", "9223372036854771712\n");
        machine.write("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1073741824\n");
        machine.write("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "1073741824\n");
        machine.write("sys/fs/cgroup/memory/x/memory.stat", "total_inactive_file 1048576\n");
        let (left, total, _) = room(&machine);
        assert_eq!((left, total), (1 << 20, GIB));
    }

    #[test]
    fn a_kill_is_told_to_the_group_that_counted_it() {
        let machine = Fake::new();
        let limits = Limits::of(machine.root());
        assert_eq!(limits.kills().since(&Kills::default()), None, "the kernel says nothing");
        machine.memory(19 * GIB, 32 * GIB);
        machine.write("proc/vmstat", "oom_kill 3\n");
        let before = limits.kills();
        assert_eq!(limits.kills().since(&before), Some(false));
        machine.write("proc/vmstat", "oom_kill 4\n");
        assert_eq!(limits.kills().since(&before), Some(true));
        assert_eq!(limits.kills().of_group_since(&before), None);
        for (version, events) in [("2", "memory.events"), ("1", "memory.oom_control")] {
            let machine = Fake::new();
            machine.memory(19 * GIB, 32 * GIB);
            let folder = if version == "2" { "sys/fs/cgroup" } else { "sys/fs/cgroup/memory" };
            match version {
                "2" => machine.group2("/b"),
                _ => machine.group1("memory", "/b"),
            }
            let limit = if version == "2" { "memory.max" } else { "memory.limit_in_bytes" };
            machine.write(&format!("{folder}/b/{limit}"), "125829120\n");
            machine.write(&format!("{folder}/b/{events}"), "low 0\noom_kill 0\n");
            let limits = Limits::of(machine.root());
            let before = limits.kills();
            machine.write(&format!("{folder}/b/{events}"), "low 0\noom_kill 1\n");
            let told = limits.kills().of_group_since(&before).unwrap();
            assert!(told.contains("120.00 MiB") && told.contains("/b)"), "{told}");
            assert_eq!(limits.kills().since(&before), Some(true));
        }
    }
}
