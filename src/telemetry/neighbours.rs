//! Neighbours: what makes the figures of a run doubtful while it goes on: other programs, other guests, swapping, an
//! empty battery, a governor that changed. Each is said once.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::machine::system::{self, Ticks};
use crate::record::{Warning, WarningKind};
use crate::units::counted;

/// Shortest stretch of time that says something: the system counts in hundredths of a second.
const WINDOW: Duration = Duration::from_secs(1);
/// Cores that others may keep busy unmentioned: the system's own housekeeping.
const OTHERS: f64 = 0.25;
/// Share of the CPUs' time that other guests may have unmentioned.
const STOLEN: f64 = 0.02;
/// Pages that may go in and out of swap unmentioned.
const PAGES: u64 = 256;
/// Charge of a battery, in percent, below which many machines slow down.
const LOW: f64 = 20.0;

/// Looks at the machine between jobs.
#[derive(Debug)]
pub struct Neighbours {
    /// Where `/proc` and `/sys` are.
    root: PathBuf,
    ticks_per_second: f64,
    said: HashSet<Disturbance>,
    last: Option<(Instant, Glance)>,
    governor: Option<String>,
}

/// What can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Disturbance {
    Others,
    Stolen,
    Swap,
    Battery,
    Governor,
}

/// Counters of the system at one moment. `None` where it does not tell.
#[derive(Debug, Clone, Default, PartialEq)]
struct Glance {
    /// Ticks of all CPUs together.
    cpus: Option<Ticks>,
    /// Ticks that we and our workers were.
    own: u64,
    /// The worker that is alive, and its ticks: counted among ours once it is gone.
    worker: Option<(u32, u64)>,
    /// Pages that went in and out of swap.
    swapped: Option<u64>,
}

impl Neighbours {
    /// Nothing was seen yet.
    pub fn new() -> Self {
        Self::of(PathBuf::from("/"), rustix::param::clock_ticks_per_second())
    }

    #[allow(clippy::cast_precision_loss)] // a hundred
    fn of(root: PathBuf, ticks_per_second: u64) -> Self {
        let governor = system::governor(&root);
        let (said, last) = (HashSet::new(), None);
        Self { root, ticks_per_second: ticks_per_second as f64, said, last, governor }
    }

    /// Looks, with `worker` the process that measures, and says what was not said before. Looks that
    /// follow each other within a second count as one.
    pub fn look(&mut self, worker: Option<u32>) -> Vec<Warning> {
        let now = Instant::now();
        let elapsed = self.last.as_ref().map(|(then, _)| now.duration_since(*then));
        if elapsed.is_some_and(|elapsed| elapsed < WINDOW) {
            return Vec::new();
        }
        let glance = self.glance(worker);
        let mut texts = self.standing();
        if let (Some((_, before)), Some(elapsed)) = (&self.last, elapsed) {
            texts.extend(self.since(before, &glance, elapsed));
        }
        self.last = Some((now, glance));
        texts.retain(|(kind, _)| self.said.insert(*kind));
        texts.into_iter().map(|(_, text)| Warning::new(WarningKind::Neighbours, text)).collect()
    }

    fn glance(&self, worker: Option<u32>) -> Glance {
        let read = |path: String| std::fs::read_to_string(self.root.join(path)).ok();
        let process = |pid: String| read(format!("proc/{pid}/stat"));
        let own = process("self".into()).and_then(|text| ticks(&text, 4)).unwrap_or(0);
        let worker = worker.and_then(|pid| Some((pid, ticks(&process(pid.to_string())?, 2)?)));
        Glance {
            cpus: read("proc/stat".into()).and_then(|text| system::ticks(&text)),
            own,
            worker,
            swapped: read("proc/vmstat".into()).and_then(|text| system::swapped_pages(&text)),
        }
    }

    /// What is the matter now, whatever it was before.
    fn standing(&self) -> Vec<(Disturbance, String)> {
        let mut texts = Vec::new();
        let now = system::governor(&self.root);
        if let (Some(before), Some(now)) = (&self.governor, &now)
            && before != now
        {
            texts.push((
                Disturbance::Governor,
                format!(
                    "the CPU frequency governor changed from {before} to {now} during the run: \
                     rows before and after do not compare"
                ),
            ));
        }
        let supplies = self.root.join("sys/class/power_supply");
        if system::power(&supplies) == Some(system::Power::Battery) {
            let charge = system::charge(&supplies).filter(|charge| *charge < LOW);
            let low = charge.map_or(String::new(), |charge| format!(" at {charge:.0} %"));
            texts.push((
                Disturbance::Battery,
                format!("the machine runs on its battery{low}, which may slow it down: plug it in"),
            ));
        }
        texts
    }

    /// What happened between two moments.
    #[allow(clippy::cast_precision_loss)] // ticks and pages, far below 2^53
    fn since(
        &self,
        before: &Glance,
        now: &Glance,
        elapsed: Duration,
    ) -> Vec<(Disturbance, String)> {
        let mut texts = Vec::new();
        let seconds = elapsed.as_secs_f64();
        if let (Some(was), Some(is)) = (before.cpus, now.cpus) {
            let cores = |ticks: u64| ticks as f64 / self.ticks_per_second / seconds;
            let busy = is.busy.saturating_sub(was.busy);
            let others = cores(busy.saturating_sub(own_since(before, now)));
            if others >= OTHERS {
                texts.push((
                    Disturbance::Others,
                    format!(
                        "other programs kept {others:.1} cores busy for {seconds:.0} s of the run: \
                         its figures may be low"
                    ),
                ));
            }
            let stolen = is.stolen.saturating_sub(was.stolen);
            let share = stolen as f64 / (busy + stolen).max(1) as f64;
            if share >= STOLEN {
                texts.push((
                    Disturbance::Stolen,
                    format!(
                        "the hypervisor gave {:.0} % of the time that this machine wanted to others: \
                         its figures may be low",
                        share * 100.0
                    ),
                ));
            }
        }
        let pages = before.swapped.zip(now.swapped).map(|(was, is)| is.saturating_sub(was));
        if let Some(pages) = pages.filter(|pages| *pages >= PAGES) {
            texts.push((
                Disturbance::Swap,
                format!(
                    "the machine swapped ({}) during the run: it is short of memory, and figures may \
                     be low",
                    counted(pages, "page")
                ),
            ));
        }
        texts
    }
}

impl Default for Neighbours {
    fn default() -> Self {
        Self::new()
    }
}

/// Ticks that were ours between two moments. A worker that ended in between is counted among its
/// parent's by then, with what it had had before.
fn own_since(before: &Glance, now: &Glance) -> u64 {
    let alive = |glance: &Glance| glance.worker.map_or(0, |(_, ticks)| ticks);
    (now.own + alive(now)).saturating_sub(before.own + alive(before))
}

/// Ticks of a process, from its `stat`: the first `fields` of user, system, user of the children that
/// ended, system of those.
fn ticks(stat: &str, fields: usize) -> Option<u64> {
    // The name in brackets may hold anything, blanks and brackets too.
    let rest = stat.rsplit_once(')')?.1;
    let counts = rest.split_whitespace().skip(11).take(fields);
    counts.map(|count| count.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine made of files.
    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        /// Busy and stolen ticks of the machine; ours; those of worker 7.
        fn at(&self, (busy, stolen): (u64, u64), own: u64, worker: u64) {
            self.write("proc/stat", &format!("cpu  {busy} 0 0 9 9 0 0 {stolen} 0 0\n"));
            let process = |ticks: u64| format!("1 (a) b) S{} {ticks} 0 0 0\n", " 0".repeat(10));
            self.write("proc/self/stat", &process(own));
            self.write("proc/7/stat", &process(worker));
        }

        fn neighbours(&self) -> Neighbours {
            Neighbours::of(self.0.path().to_path_buf(), 100)
        }
    }

    /// What is said when the counters have moved on, ten seconds later.
    fn later(neighbours: &mut Neighbours) -> Vec<String> {
        let (then, _) = neighbours.last.as_mut().unwrap();
        *then = then.checked_sub(Duration::from_secs(10)).unwrap();
        neighbours.look(Some(7)).into_iter().map(|warning| warning.text).collect()
    }

    #[test]
    fn what_lbench_does_itself_is_no_neighbour() {
        let machine = Fake::new();
        let mut neighbours = machine.neighbours();
        machine.at((1000, 0), 10, 500);
        assert_eq!(neighbours.look(Some(7)), []);
        machine.at((3000, 0), 20, 2480);
        assert_eq!(later(&mut neighbours), Vec::<String>::new());
        // The worker ends and is counted among its parent's children, and another one starts.
        machine.at((5000, 0), 20 + 2480 + 1500, 490);
        assert_eq!(later(&mut neighbours), Vec::<String>::new());
    }

    #[test]
    fn each_trouble_is_said_once() {
        let machine = Fake::new();
        machine.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
        machine.write("proc/vmstat", "pswpin 5\npswpout 0\n");
        let mut neighbours = machine.neighbours();
        machine.at((1000, 0), 10, 500);
        assert_eq!(neighbours.look(Some(7)), []);
        machine.at((3000, 100), 10, 1500);
        machine.write("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
        machine.write("proc/vmstat", "pswpin 900\npswpout 300\n");
        machine.write("sys/class/power_supply/BAT0/type", "Battery\n");
        machine.write("sys/class/power_supply/BAT0/status", "Discharging\n");
        machine.write("sys/class/power_supply/BAT0/capacity", "12\n");
        insta::assert_snapshot!(later(&mut neighbours).join("\n"));
        machine.at((9000, 900), 10, 1500);
        assert_eq!(later(&mut neighbours), Vec::<String>::new());
    }

    #[test]
    fn a_system_that_tells_nothing_is_no_trouble() {
        let mut neighbours = Fake::new().neighbours();
        assert_eq!(neighbours.look(None), []);
        assert_eq!(later(&mut neighbours), Vec::<String>::new());
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let glance = Neighbours::new().glance(Some(std::process::id()));
        if cfg!(target_os = "linux") {
            assert!(glance.cpus.is_some() && glance.worker.is_some(), "{glance:?}");
        }
    }
}
