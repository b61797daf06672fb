//! `lbench ab`: two sides, visited in turn, and the verdict on their differences.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the command, step by step |
//! | `args.rs` | what is typed |
//! | `side.rs` | a side: what it measures, by which program, on what it finds |
//! | `pairs.rs` | which row of one is compared with which of the other |
//! | `watch.rs` | what a person sees meanwhile |

mod args;
mod pairs;
mod side;
mod watch;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::side::{AbSide, AskedSide};
use self::watch::RoundWatch;
use super::out::{print, tell};
use super::{keeping, prepare, shares, sweep};
use crate::cli::BenchArgs;
use crate::cli::defaults::{self, RunRequest, Sources};
use crate::compare::{self, Run};
use crate::error::{Error, exit};
use crate::journal::{self, Kept, RunFacts, Writer};
use crate::ledger::{Ledger, paired};
use crate::plan::{self, Plan, Titled};
use crate::record::{Record, Warning};
use crate::report::{Format, Report};
use crate::runner::{self, End, Orders, Runner, Turns};

pub use self::args::AbArgs;

/// In few words.
pub(super) const BRIEF: &str = "Measure two sides in turn: did it help?";

/// Measures both sides in turn; the exit code is returned.
pub(super) fn main(typed: &AbArgs) -> Result<u8, Error> {
    let sides = typed.sides()?;
    let sources = Sources::read(&typed.bench)?;
    sources.notes.iter().for_each(|note| tell(note));
    if typed.bench.preset.as_deref() == Some("list") {
        return sweep::list_presets(&sources);
    }
    let [a, b] = sides.each_ref().map(|side| RunRequest::comparing(&side.bench, &sources));
    let requests = [a?, b?];
    let args = &requests[0].sweeps[0].args;
    args::refuse_rows(args.output)?;
    let seed = sweep::seed(args);
    let sampler = prepare::sampler(args);
    let asked = |side: usize| AskedSide {
        letter: ["A", "B"][side],
        request: &requests[side],
        typed: &sides[side],
        with: [&typed.with_a, &typed.with][side].as_deref(),
    };
    let alike = side::spawn(asked(0)) == side::spawn(asked(1));
    let mut runner = Runner::new(options(args, seed, alike))?;
    let a = AbSide::new(asked(0), None, &mut runner)?;
    let b = AbSide::new(asked(1), Some(&a), &mut runner)?;
    let both = Both::new(args, [a, b])?;
    runner.set_spawn(both.sides[0].spawn.clone());
    prepare::refuse_unforeseeable(args, &both.plan)?;
    if args.dry_run {
        let memory = prepare::predictions(&mut runner, &both.plan, &args.engine)?;
        print(|out| plan::print(&both.plan, &memory, out))?;
        return Ok(exit::OK);
    }
    both.warn();
    shares::tell_of(requests.iter().flat_map(|request| &request.sweeps), &both.sides[0].host);
    let links = prepare::links_of(&mut runner, &both.plan)?;
    let facts = both.sides.each_ref().map(|side| {
        let facts = side.facts(args, seed);
        Arc::new(RunFacts { links: links.clone(), ..facts })
    });
    prepare::watch_devices(&mut runner, sampler, &facts[0].host);
    runner.take_turns(both.turns());
    let run = Duel { both: &both, facts };
    let journal = run.journal(typed, requests.each_ref())?;
    run.measure(&mut runner, journal)
}

/// How the rounds are run, of sides whose workers are started alike or not.
fn options(args: &BenchArgs, seed: u64, alike: bool) -> runner::RunOptions {
    let usual = sweep::runner_options(args, seed);
    // That one program finds no memory says nothing of another: to find some may be what it is there for. And a
    // comparison has no room for cold starts, whoever wishes for them.
    runner::RunOptions { cold: 0, try_all: usual.try_all || !alike, ..usual }
}

/// Both sides, as one plan.
struct Both<'a> {
    args: &'a BenchArgs,
    sides: [AbSide; 2],
    plan: Plan,
}

impl<'a> Both<'a> {
    fn new(args: &'a BenchArgs, sides: [AbSide; 2]) -> Result<Self, Error> {
        let titled: Vec<Titled> =
            sides.iter().flat_map(|side| side.sweeps.iter().cloned()).collect();
        let plan = plan::expand_all(&titled, &sides[0].host)?;
        let [a, b] = sides.each_ref().map(|side| &side.sweeps);
        let first_of_b = plan.parts.get(a.len()).map_or(plan.jobs.len(), |part| part.first);
        let (rows_a, rows_b) = plan.jobs.split_at(first_of_b);
        // What differs is named of the sweeps that are not the same size.
        let unlike = a.iter().zip(b).find(|(a, b)| a.sweep.rows() != b.sweep.rows());
        let (a, b) = unlike.unwrap_or((&a[0], &b[0]));
        pairs::check([rows_a, rows_b], [&a.sweep, &b.sweep])?;
        Ok(Self { args, sides, plan })
    }

    /// How many pairs there are.
    fn len(&self) -> usize {
        self.plan.jobs.len() / 2
    }

    /// Of each pair, the rows of both sides.
    fn pairs(&self) -> Vec<[usize; 2]> {
        (0..self.len()).map(|row| [row, self.len() + row]).collect()
    }

    /// The rows of each side.
    fn places(&self) -> [Range<usize>; 2] {
        [0..self.len(), self.len()..2 * self.len()]
    }

    /// What is worth a word before it starts.
    fn warn(&self) {
        let [a, b] = &self.sides;
        self.args.deprecated.notes().iter().for_each(|note| tell(note));
        let warnings = |side: &AbSide| prepare::warnings(side.process, &side.host, &self.plan);
        let of_a = warnings(a);
        let of_b: Vec<_> = warnings(b).into_iter().filter(|text| !of_a.contains(text)).collect();
        for text in of_a.into_iter().chain(of_b.into_iter().map(|text| format!("B: {text}"))) {
            tell(&text);
        }
        for text in pairs::models(&a.models, &b.models) {
            tell(&text);
        }
        let rows = self.plan.jobs.split_at(self.len());
        let same = rows.0.iter().zip(rows.1).all(|(a, b)| a.job.id == b.job.id);
        if same && a.runs_as(b) {
            tell("A and B are the same: what they differ by is noise");
        }
    }

    fn turns(&self) -> Turns {
        let args = self.args;
        let longest = args.max_time.map(|time| (1, time));
        Turns {
            pairs: self.pairs(),
            spawns: self.sides.each_ref().map(|side| side.spawn.clone()),
            // All that were asked for are wanted.
            least: args.rounds.map_or(Turns::LEAST, |_| u32::MAX),
            most: args.rounds.unwrap_or(Turns::MOST),
            longest: longest.unwrap_or_else(|| {
                let open = args.rounds.is_some();
                (Turns::LEAST, if open { Duration::MAX } else { Turns::LONGEST })
            }),
            limits: args.how.options().limits,
        }
    }
}

/// A plan about to be carried out.
struct Duel<'a> {
    both: &'a Both<'a>,
    facts: [Arc<RunFacts>; 2],
}

/// Where records go, and under what.
struct Keeping {
    writer: Option<Writer>,
    /// Whether not the same is true of both sides.
    differ: bool,
    side: usize,
}

impl Keeping {
    /// Writes down what happened to a side. Trouble is to be told, once.
    fn keep(&mut self, side: usize, record: &Record) -> Option<Warning> {
        let changed = std::mem::replace(&mut self.side, side) != side;
        let writer = self.writer.as_mut().filter(|_| changed && self.differ);
        // A's header stands before B's.
        let trouble = writer.and_then(|writer| writer.under(1 - side));
        trouble.or_else(|| keeping::keep(&mut self.writer, record))
    }
}

impl Duel<'_> {
    /// The journal, with a header for each side where what is true of them differs.
    fn journal(&self, typed: &AbArgs, requests: [&RunRequest; 2]) -> Result<Keeping, Error> {
        let args = self.both.args;
        let flag = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("--{name}={value}"))
        };
        let path = |name, path: &Option<PathBuf>| {
            flag(name, &path.as_ref().map(|path| path.display().to_string()))
        };
        let programs = [path("with-a", &typed.with_a), path("with", &typed.with)];
        let own = [flag("a", &typed.a), flag("b", &typed.b)].into_iter().chain(programs);
        let common = defaults::for_the_record(&typed.bench.typed);
        let typed = std::iter::once(journal::SIDES.to_string()).chain(own.flatten());
        let sweeps = requests.iter().flat_map(|request| &request.sweeps);
        let header = |facts: &RunFacts| {
            let what = (&self.both.plan, facts, sweep::settings(args));
            keeping::header(typed.clone().chain(common.clone()), sweeps.clone(), what)
        };
        let [a, b] = self.facts.each_ref().map(|facts| header(facts));
        let mut writer = keeping::begin(args, None, &a, None)?;
        let differ = self.facts[0] != self.facts[1];
        let trouble = writer.as_mut().filter(|_| differ).and_then(|writer| writer.side(&b));
        if let Some(warning) = trouble {
            tell(&warning.text);
        }
        // The header that was written last counts, until another is named.
        Ok(Keeping { writer, differ, side: usize::from(differ) })
    }

    /// Carries it out, and shows what came of it.
    fn measure(&self, runner: &mut Runner, mut journal: Keeping) -> Result<u8, Error> {
        let Both { args, plan, .. } = self.both;
        let priors = self.facts[0].priors.clone();
        let mut report = Report::new(plan.clone(), (*self.facts[0]).clone());
        let mut ledger = Ledger::new(plan.measured(), priors.clone());
        let mut watch = RoundWatch::new(self.both.pairs(), args);
        let (kept, mut side) = (Kept::default(), 0);
        let orders = Orders { plan, kept: &kept, priors: &priors };
        let end = runner.run(orders, &mut |record| {
            if let Record::Started { job, nth, .. } = record {
                let place = ledger.place(job, *nth);
                side = usize::from(place.is_some_and(|place| place >= self.both.len()));
            }
            if let Some(warning) = journal.keep(side, record) {
                watch.tell(&warning.text);
            }
            report.fold_under(Some(&self.facts[side]), record);
            ledger.fold(record);
            watch.fold(side, record, &ledger);
            Ok(())
        });
        watch.finish();
        report.take_stock();
        // Whatever ended it: what was measured is shown.
        let shown = self.show(&report, &ledger);
        let (end, ledger) = end?;
        keeping::finish(journal.writer, end, false);
        for (facts, places) in self.facts.iter().zip(self.both.places()) {
            sweep::learn(args, &facts.host, &ledger, places);
        }
        shown.map(|code| if end == End::Interrupted { exit::INTERRUPTED } else { code })
    }

    /// Shows what the visits say.
    fn show(&self, report: &Report, ledger: &Ledger) -> Result<u8, Error> {
        let Both { args, sides, .. } = self.both;
        let pairs = self.both.pairs();
        let rows = self.both.places();
        let [a, b] = [0, 1].map(|side| Run::of_rows(&sides[side].name, report, rows[side].clone()));
        let options = args.how.options();
        let known = paired::differences(ledger, &pairs);
        let programs = sides.iter().any(AbSide::has_own_program);
        let found = (known.as_slice(), self.remarks(report));
        let comparison = compare::in_turn((&a, &b), found, &options, programs);
        print(|out| match args.output {
            Format::Json => comparison.write_json(out),
            Format::Jsonl => comparison.write_jsonl(out),
            Format::None => Ok(()),
            _ => comparison.write_markdown(out),
        })?;
        // A visit that failed ended the rounds of its pair, however well earlier ones went.
        let failed = ledger.entries().iter().any(|entry| entry.failed || entry.visits.is_empty());
        let is_named = comparison.fails(&args.how.fail_on);
        Ok(if failed || is_named { exit::SOME_FAILED } else { exit::OK })
    }

    /// What was warned of, beside what stands in the table.
    fn remarks(&self, report: &Report) -> Vec<String> {
        let mut remarks: Vec<_> =
            report.warnings().iter().map(|warning| warning.text.clone()).collect();
        for (letter, rows) in ["A", "B"].into_iter().zip(self.both.places()) {
            for row in rows.map(|row| report.row(row)) {
                let test = row.job.work.test_name();
                let warnings = row.measured.warnings.iter();
                remarks
                    .extend(warnings.map(|warning| format!("{letter}, {test}: {}", warning.text)));
            }
        }
        remarks
    }
}
