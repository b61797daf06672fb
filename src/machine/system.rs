//! System: what the system tells about itself, from Linux's own files. Elsewhere, and in a container that hides
//! them, the answers are `None`.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::units::Bytes;

/// What the system tells.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Machine {
    /// Tasks that ran or waited to, over the minute before lbench did anything.
    pub load: Option<f64>,
    /// Share of the CPUs' time that other guests of the hypervisor had, during the checkup.
    pub stolen: Option<f64>,
    /// Present frequency of the first CPU, in MHz.
    pub mhz: Option<f64>,
    /// Greatest frequency of the first CPU, in MHz.
    pub max_mhz: Option<f64>,
    /// How the machine is powered.
    pub power: Option<Power>,
    /// Swap in use, and all there is.
    pub swap: Option<(Bytes, Bytes)>,
    /// Pages swapped in and out during the checkup.
    pub swapped_pages: Option<u64>,
}

/// How a machine is powered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// From the mains.
    Mains,
    /// From its battery.
    Battery,
}

/// What is read at the beginning, for the difference at the end.
pub struct Watch {
    load: Option<f64>,
    stat: Option<String>,
    vmstat: Option<String>,
}

impl Watch {
    /// Begins.
    pub fn start() -> Self {
        Self {
            load: read("/proc/loadavg").and_then(|text| first_number(&text)),
            stat: read("/proc/stat"),
            vmstat: read("/proc/vmstat"),
        }
    }

    /// What the system tells now, and how that differs.
    pub fn finish(self) -> Machine {
        let khz = |name: &str| {
            let text = read(&format!("/sys/devices/system/cpu/cpu0/cpufreq/{name}"))?;
            Some(first_number(&text)? / 1000.0)
        };
        let now = || read("/proc/cpuinfo").and_then(|text| value(&text, "cpu MHz"));
        let swapped = |before: &str| {
            Some(swapped_pages(&read("/proc/vmstat")?)?.saturating_sub(swapped_pages(before)?))
        };
        Machine {
            load: self.load,
            stolen: self.stat.and_then(|before| stolen(&before, &read("/proc/stat")?)),
            mhz: khz("scaling_cur_freq").or_else(now),
            max_mhz: khz("cpuinfo_max_freq"),
            power: power(Path::new("/sys/class/power_supply")),
            swap: read("/proc/meminfo").and_then(|text| swap(&text)),
            swapped_pages: self.vmstat.and_then(|before| swapped(&before)),
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

/// The number behind `name:` in a list of such lines.
fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    first_number(line.split_once(':')?.1)
}

/// The count behind `name` in a list of such lines.
fn counter(text: &str, name: &str) -> Option<u64> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(key, _)| *key == name).find_map(|(_, count)| count.trim().parse().ok())
}

/// Pages that went in and out of swap since the system started.
pub(crate) fn swapped_pages(vmstat: &str) -> Option<u64> {
    Some(counter(vmstat, "pswpin")?.saturating_add(counter(vmstat, "pswpout")?))
}

/// How often the kernel has killed something for lack of memory since the system started whose files are under
/// `root`.
pub fn oom_kills(root: &Path) -> Option<u64> {
    counter(&fs::read_to_string(root.join("proc/vmstat")).ok()?, "oom_kill")
}

/// Memory that could be had without swapping, and all there is, of a system whose files are under `root`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole KiB, never negative
pub fn memory(root: &Path) -> Option<(Bytes, Bytes)> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let bytes = |name| value(&meminfo, name).map(|kib| Bytes(kib as u64 * 1024));
    Some((bytes("MemAvailable")?, bytes("MemTotal")?))
}

/// Ticks of all CPUs together since the system started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticks {
    /// At work for anybody here.
    pub busy: u64,
    /// Given to other guests by the hypervisor.
    pub stolen: u64,
    /// All of them, the idle ones included.
    pub all: u64,
}

/// The ticks in `/proc/stat`.
pub(crate) fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guests are counted in user already.
    let stolen = *ticks.get(7)?;
    let busy = [0, 1, 2, 5, 6].iter().map(|&at| ticks[at]).sum();
    Some(Ticks { busy, stolen, all: ticks.iter().take(8).sum() })
}

/// The CPU frequency governor, of a system whose files are under `root`.
pub fn governor(root: &Path) -> Option<String> {
    let path = root.join("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    fs::read_to_string(path).ok().map(|text| text.trim().to_string())
}

/// NUMA nodes of a system whose files are under `root`.
pub fn numa_nodes(root: &Path) -> Option<u32> {
    let entries = fs::read_dir(root.join("sys/devices/system/node")).ok()?;
    let is_node =
        |name: &str| name.strip_prefix("node").is_some_and(|number| number.parse::<u32>().is_ok());
    let nodes = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_node));
    u32::try_from(nodes.count()).ok().filter(|nodes| *nodes > 0)
}

/// Share of the CPUs' time between two readings of `/proc/stat` that the hypervisor gave to others.
#[allow(clippy::cast_precision_loss)] // ticks, far below 2^53
fn stolen(before: &str, after: &str) -> Option<f64> {
    let (before, after) = (ticks(before)?, ticks(after)?);
    let all = after.all.checked_sub(before.all).filter(|all| *all > 0)?;
    Some(after.stolen.saturating_sub(before.stolen) as f64 / all as f64)
}

/// Swap in use, and all there is.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole KiB, never negative
fn swap(meminfo: &str) -> Option<(Bytes, Bytes)> {
    let bytes = |name| value(meminfo, name).map(|kib| kib as u64 * 1024);
    let (total, free) = (bytes("SwapTotal")?, bytes("SwapFree")?);
    Some((Bytes(total.saturating_sub(free)), Bytes(total)))
}

/// How the machine is powered: a battery that empties tells, else a mains supply or a battery that does
/// not. `None` where the system names neither.
pub(crate) fn power(folder: &Path) -> Option<Power> {
    let mut power = None;
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        // Mice and keyboards have batteries too.
        if read("scope").trim() == "Device" {
            continue;
        }
        match (read("type").trim(), read("status").trim()) {
            ("Battery", "Discharging") => return Some(Power::Battery),
            ("Battery" | "Mains" | "USB", _) => power = Some(Power::Mains),
            _ => {}
        }
    }
    power
}

/// Charge of the emptiest battery, in percent.
pub(crate) fn charge(folder: &Path) -> Option<f64> {
    let capacity = |entry: fs::DirEntry| {
        first_number(&fs::read_to_string(entry.path().join("capacity")).ok()?)
    };
    fs::read_dir(folder).ok()?.flatten().filter_map(capacity).reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_stolen_time() {
        let before = "cpu  100 0 100 700 0 0 0 100 50 0\ncpu0 1 2 3\n";
        let after = "cpu  150 0 150 750 0 0 0 150 90 0\ncpu0 1 2 3\n";
        assert_eq!(stolen(before, after), Some(0.25));
        assert_eq!(stolen(before, before), None);
        assert_eq!(stolen("cpu  1 2 3\n", after), None);
    }

    #[test]
    fn reads_the_systems_tables() {
        assert_eq!(counter("pswpin 7\npswpout 9\n", "pswpout"), Some(9));
        assert_eq!(counter("pswpinx 7\n", "pswpin"), None);
        let text = "SwapTotal:  100 kB\nSwapFree:   40 kB\n";
        assert_eq!(swap(text), Some((Bytes(60 * 1024), Bytes(100 * 1024))));
        assert_eq!(value("cpu MHz\t\t: 2250.5\n", "cpu MHz"), Some(2250.5));
        assert_eq!(first_number("2.81 3.05 3.64 1/2 3"), Some(2.81));
    }

    #[test]
    fn tells_batteries_apart() {
        let folder = tempfile::tempdir().unwrap();
        let supply = |name: &str, files: &[(&str, &str)]| {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            for (file, text) in files {
                fs::write(path.join(file), text).unwrap();
            }
        };
        assert_eq!(power(folder.path()), None);
        supply(
            "mouse",
            &[("type", "Battery\n"), ("status", "Discharging\n"), ("scope", "Device\n")],
        );
        assert_eq!(power(folder.path()), None);
        supply("BAT0", &[("type", "Battery\n"), ("status", "Full\n")]);
        assert_eq!(power(folder.path()), Some(Power::Mains));
        supply("BAT0", &[("type", "Battery\n"), ("status", "Discharging\n")]);
        assert_eq!(power(folder.path()), Some(Power::Battery));
    }
}
