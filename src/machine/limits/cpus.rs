//! CPUs that this process may use, and more threads than that.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{groups, read};
use crate::units::counted;

/// CPUs that this process may use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpus {
    /// Those of the machine; empty where the system does not tell.
    pub machine: BTreeSet<u32>,
    /// Those that the process may run on.
    pub allowed: BTreeSet<u32>,
    /// CPUs' worth of time that its control groups give it.
    pub quota: Option<f64>,
    /// Most threads of the engine, where `OMP_THREAD_LIMIT` sets that.
    pub threads: Option<u32>,
}

impl Cpus {
    pub(super) fn read(root: &Path) -> Self {
        let list = |text: Option<String>| text.as_deref().map(list).unwrap_or_default();
        let status = read(root, "proc/self/status");
        let allowed = status.as_deref().and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
                .map(str::to_string)
        });
        let threads = std::env::var("OMP_THREAD_LIMIT").ok().filter(|_| root == Path::new("/"));
        Self {
            machine: list(read(root, "sys/devices/system/cpu/online")),
            allowed: list(allowed),
            quota: quota(root),
            threads: threads.and_then(|text| text.trim().parse().ok()),
        }
    }

    /// What is to be said of so many threads on the CPUs of a mask (hexadecimal; zero is any): that there are fewer
    /// CPUs than threads, or not all of the mask.
    pub fn remarks(&self, n_threads: u32, mask: &str) -> Vec<String> {
        let mut remarks = Vec::new();
        let wanted = bits(mask);
        let usable = if self.allowed.is_empty() { &self.machine } else { &self.allowed };
        let missing =
            wanted.iter().filter(|cpu| !usable.is_empty() && !usable.contains(cpu)).count();
        if missing > 0 {
            let (all, may) =
                (counted(wanted.len(), "CPU"), if missing == 1 { "is" } else { "are" });
            remarks.push(if missing == wanted.len() {
                format!("-C {mask}: its {all} {may} not there for this process")
            } else {
                format!(
                    "-C {mask}: {missing} of its {all} {may} not there for this process: threads share the others"
                )
            });
        }
        remarks.extend(self.crowding(n_threads, &wanted, mask));
        if let Some(most) = self.threads.filter(|most| *most < n_threads) {
            remarks.push(format!(
                "OMP_THREAD_LIMIT is {most}: the engine computes with no more threads"
            ));
        }
        remarks
    }

    /// The tightest of all bounds, where there are more threads than it has CPUs.
    #[allow(clippy::cast_precision_loss)] // CPUs
    fn crowding(&self, n_threads: u32, wanted: &BTreeSet<u32>, mask: &str) -> Option<String> {
        let usable = if self.allowed.is_empty() { &self.machine } else { &self.allowed };
        let mut of_mask = wanted.clone();
        if !usable.is_empty() {
            of_mask.retain(|cpu| usable.contains(cpu));
        }
        let sets = [
            (&self.machine, "the machine has".to_string()),
            (&self.allowed, "the process may run on".to_string()),
            (&of_mask, format!("-C {mask} has")),
        ];
        let mut bounds: Vec<(f64, String)> = Vec::new();
        for (set, who) in sets.into_iter().filter(|(set, _)| !set.is_empty()) {
            bounds.push((set.len() as f64, format!("{who} {}", counted(set.len(), "CPU"))));
        }
        let time =
            |quota: f64| (quota, format!("its control group gives it the time of {quota} CPUs"));
        bounds.extend(self.quota.map(time));
        // Of equal bounds, the one that is said first is the reason for the others.
        let least = bounds.into_iter().reduce(|a, b| if b.0 < a.0 { b } else { a });
        let (count, who) = least.filter(|(count, _)| *count < f64::from(n_threads))?;
        if count < 1.0 && n_threads == 1 {
            return Some(format!("{who}: each thread is stopped for a part of the time"));
        }
        let best = if count < 1.0 { 1.0 } else { count.floor() };
        Some(format!(
            "{} where {who}: they wait for one another, which takes many times as long; -t {best} is the most",
            counted(n_threads, "thread")
        ))
    }
}

/// The numbers of a list such as `0-3,8,10-11`.
fn list(text: &str) -> BTreeSet<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        // A list that claims more is none.
        (last < 1 << 16).then_some(first..=last)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// The numbers of a hexadecimal mask, the last digit standing for the first four.
fn bits(mask: &str) -> BTreeSet<u32> {
    let digits = mask.strip_prefix("0x").unwrap_or(mask).chars().rev();
    let of = |(at, digit): (u32, char)| {
        let digit = digit.to_digit(16).unwrap_or(0);
        (0..4).filter(move |bit| digit >> bit & 1 == 1).map(move |bit| 4 * at + bit)
    };
    (0..).zip(digits).flat_map(of).collect()
}

/// CPUs' worth of time that the tightest control group gives.
#[allow(clippy::cast_precision_loss)] // microseconds
fn quota(root: &Path) -> Option<f64> {
    let of = |group: &groups::Group| {
        let (time, period) = if group.unified {
            let text = read(root, group.folder.join("cpu.max"))?;
            let mut words = text.split_whitespace();
            (words.next()?.parse().ok()?, words.next()?.parse().ok()?)
        } else {
            let number = |file| group.number(root, file);
            // The first version says -1 for no limit, which is no such number.
            (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
        };
        let (time, period): (u64, u64) = (time, period);
        (period > 0).then_some(time as f64 / period as f64)
    };
    let quotas = groups::all(root, "cpu").iter().filter_map(of).collect::<Vec<_>>();
    let least = quotas.into_iter().reduce(f64::min)?;
    // To two digits: a period is a tenth of a second in microseconds.
    Some((least * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fake;
    use super::*;

    fn told(machine: &Fake, n_threads: u32, mask: &str) -> String {
        Cpus::read(machine.root()).remarks(n_threads, mask).join("; ")
    }

    #[test]
    fn the_tightest_bound_is_named() {
        let machine = Fake::new();
        assert_eq!(told(&machine, 99, "0x0"), "", "nothing is known");
        machine.write("sys/devices/system/cpu/online", "0-7\n");
        machine.write("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-3,6\n");
        let mut lines = vec![told(&machine, 5, "0x0"), told(&machine, 8, "0x0")];
        lines.push(told(&machine, 2, "0x2"));
        lines.push(told(&machine, 2, "0x11"));
        lines.push(told(&machine, 2, "0x3"));
        lines.push(told(&machine, 2, "0x300"));
        machine.group2("/a/b");
        machine.write("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
        machine.write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
        lines.push(told(&machine, 1, "0x0"));
        lines.push(told(&machine, 2, "0x0"));
        machine.write("sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
        lines.push(told(&machine, 1, "0x0"));
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn the_first_version_has_quotas_too() {
        let machine = Fake::new();
        machine.group1("cpu,cpuacct", "/box");
        machine.write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "-1\n");
        machine.write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
        assert_eq!(quota(machine.root()), None);
        machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
        machine.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
        assert_eq!(quota(machine.root()), Some(2.5));
    }

    #[test]
    fn lists_and_masks() {
        assert_eq!(list("0-2,7\n").into_iter().collect::<Vec<_>>(), [0, 1, 2, 7]);
        assert!(list("").is_empty() && list("x-y,0-4000000000").is_empty());
        assert_eq!(bits("0x105").into_iter().collect::<Vec<_>>(), [0, 2, 8]);
        assert!(bits("0x0").is_empty());
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let cpus = Cpus::read(Path::new("/"));
        if cfg!(target_os = "linux") {
            assert!(!cpus.machine.is_empty() && cpus.allowed.is_subset(&cpus.machine), "{cpus:?}");
            assert_eq!(cpus.remarks(1, "0x0"), Vec::<String>::new());
        }
    }
}
