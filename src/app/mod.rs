//! From arguments to exit code: what each command does, in a page.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the commands |
//! | `sweep.rs` | a sweep, step by step |
//! | `prepare.rs` | what it needs before it runs |
//! | `showing.rs` | what is seen of it while it runs |
//! | `beside.rs` | an earlier run beside it |
//! | `rpc_server.rs` | the other end of RPC |
//! | `shell.rs` | defaults, completions, manual pages |
//! | `keeping.rs` | its journal, and what an earlier one has of it |
//! | `version.rs` | what this build is |

mod beside;
pub mod doctor;
mod keeping;
mod prepare;
mod rpc_server;
mod shell;
mod showing;
mod sweep;
mod version;

use std::ffi::OsString;
use std::io::{self, Write as _};

use crate::cli::{Cli, Command, CompareArgs, CompareFormat, ReportArgs, SynthArgs, WorkerArgs};
use crate::compare::{self, Run};
use crate::error::{Error, exit};
use crate::journal::{self, Kept};
use crate::machine::Host;
use crate::machine::cache::Cache;
use crate::report::{Extra, Report};
use crate::roofline::{self, Roofline, Target};
use crate::runner::Runner;
use crate::{models, worker};

/// Does what the command line says; the exit code is returned.
///
/// # Errors
/// When there is nothing to show: a flag or file that cannot be used, or lbench itself broke.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Result<u8, Error> {
    let cli = Cli::parse_args(args)?;
    match cli.command {
        Some(Command::Worker(args)) => serve(args),
        Some(Command::Synth(args)) => synth(&args),
        Some(Command::Compare(args)) => compare_files(&args),
        Some(Command::Doctor(args)) => crate::app::doctor::main(&args, &mut |text| tell(text)),
        Some(Command::Report(args)) => report(&args),
        Some(Command::Schema) => print(|out| crate::report::write_schema(out)).map(|()| exit::OK),
        Some(Command::RpcServer(args)) => rpc_server::main(&args),
        None if cli.version => version::main(&cli.bench),
        Some(Command::Config(args)) => shell::show_config(&args),
        Some(Command::Completions(args)) => shell::completions(&args),
        Some(Command::Man(args)) => shell::man(&args),
        None => sweep::main(&cli.bench),
    }
}

/// Tells the user why there are no results: one line on standard error.
pub fn explain(error: &Error) {
    let quiet =
        matches!(error, Error::Output { source, .. } if source.kind() == io::ErrorKind::BrokenPipe);
    if !quiet {
        // Nothing is left to do if even this fails.
        let _ = writeln!(io::stderr(), "lbench: {error}");
    }
}

/// Something the user should know, on standard error.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "lbench: {text}");
}

fn serve(args: WorkerArgs) -> Result<u8, Error> {
    let WorkerArgs { parent, verbose, backend_dir, process, scripted } = args;
    worker::main(&worker::Options {
        verbose,
        scripted,
        parent,
        backend_dir,
        process: process.process(),
    })?;
    Ok(exit::OK)
}

fn synth(args: &SynthArgs) -> Result<u8, Error> {
    if args.spec == "list" {
        print(|out| crate::gguf::synth::list(out))?;
        return Ok(exit::OK);
    }
    let text = args.spec.strip_prefix("synth:").unwrap_or(&args.spec);
    let spec = models::spec(text, "synth")?;
    let header = spec.header();
    let path = args.output.clone().unwrap_or_else(|| args.models_dir.join(spec.file_name()));
    models::make(&spec, &header, &path, &mut |text| tell(&text))?;
    print(|out| writeln!(out, "{}", path.display()))?;
    Ok(exit::OK)
}

fn compare_files(args: &CompareArgs) -> Result<u8, Error> {
    let options = args.how.options();
    let (a, b) = Run::read_both(&args.a, &args.b)?;
    let comparison = compare::compare(&a, &b, &options)?;
    comparison.warnings().iter().for_each(|text| tell(text));
    print(|out| match args.output {
        CompareFormat::Md => comparison.write_markdown(out),
        CompareFormat::Json => comparison.write_json(out),
    })?;
    Ok(if comparison.fails(&args.how.fail_on) { exit::SOME_FAILED } else { exit::OK })
}

/// What these devices can do at best, from the user's file where it is known and not wanted `anew`. The
/// scripted engine's figures are nobody's.
pub(crate) fn rooflines(
    runner: &mut Runner,
    targets: &[Target],
    host: &Host,
    anew: bool,
) -> Result<Vec<Roofline>, Error> {
    let scripted = host.engine.engine == "scripted";
    let cache = if scripted { Cache::none() } else { Cache::of_user("roofline") };
    let mut asked = false;
    let mut ask = |target: &Target| {
        asked = true;
        runner.roof(&target.device, target.threads.unwrap_or(1))
    };
    let rooflines = roofline::measure(targets, host, &cache, anew, &mut ask, &tell)?;
    if asked {
        runner.rest();
    }
    Ok(rooflines)
}

/// Shows journals in any format, with what shows a run while it goes on.
fn report(args: &ReportArgs) -> Result<u8, Error> {
    let Some(columns) = Extra::parse_all(&args.columns)? else {
        print(|out| crate::report::list_columns(out))?;
        return Ok(exit::OK);
    };
    let mut reports = Vec::new();
    let mut paths = args.files.clone();
    if paths.is_empty() {
        let none = || Error::Usage("report: there is no run yet: name a journal".into());
        paths.push(keeping::last_journal().ok_or_else(none)?);
    }
    for path in paths {
        let journal = journal::read(&path)?;
        journal.notes.iter().for_each(|note| tell(note));
        let plan = journal.plan();
        let kept = Kept::to_show(&journal, &plan);
        let facts = journal.header().facts.clone();
        let mut report = Report::new(plan.clone(), facts).with_columns(columns.clone());
        report.replay(&kept, &plan, true);
        reports.push(report);
    }
    print(|out| crate::report::write_all(args.output, &reports, out))?;
    let failed = reports.iter().any(|report| report.tally().failed > 0);
    Ok(if failed { exit::SOME_FAILED } else { exit::OK })
}

fn list_devices(host: &Host, out: &mut dyn io::Write) -> io::Result<()> {
    let engine = &host.engine;
    writeln!(out, "{}, backends: {}", engine.engine, engine.backends.join(", "))?;
    writeln!(out, "Available devices:")?;
    for device in &engine.devices {
        let mib = |bytes: u64| bytes / 1024 / 1024;
        writeln!(
            out,
            "  {}: {} ({} MiB, {} MiB free)",
            device.name,
            device.description,
            mib(device.total),
            mib(device.free)
        )?;
    }
    for card in host.cards.lines(engine) {
        writeln!(out, "GPU {card}")?;
    }
    for module in &engine.modules {
        let state =
            module.trouble.as_deref().map_or("loaded".into(), |why| format!("refused: {why}"));
        writeln!(out, "Module {}: {state}", module.file)?;
    }
    if !engine.cpu_features.is_empty() {
        writeln!(out, "CPU kernels: {}", engine.cpu_features.join(", "))?;
    }
    Ok(())
}

/// Prints to standard output, in one go.
fn print(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    write(&mut out).and_then(|()| out.flush()).map_err(output_error)
}

fn output_error(source: io::Error) -> Error {
    Error::Output { what: "standard output".into(), source }
}
