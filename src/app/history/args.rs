//! Arguments of `lbench history`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::app::report::ShowArgs;
use crate::cli::quantities;
use crate::history::{ListFormat, PastRun};
use crate::stats::verdict::Criteria;
use crate::units::unix_time;

/// In few words.
pub(in crate::app) const BRIEF: &str = "List, show, compare and keep earlier runs";

/// List earlier runs, newest first; show them, follow one setting over time, tag, move and remove them.
///
/// Wherever --baseline and `lbench compare` take a file, and `lbench report` and --resume a journal, @last, @last~1,
/// @ID and @TAG are runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct HistoryArgs {
    /// What to do instead of a list.
    #[command(subcommand)]
    pub(super) deed: Option<Deed>,
    /// Which runs.
    #[command(flatten)]
    pub(super) filter: FilterArgs,
    /// How they are listed.
    #[command(flatten)]
    pub(super) list: ListArgs,
}

const EXAMPLES: &str = "\
Examples:
  lbench history --model q4_k --since 30d       runs of a model, of the last 30 days
  lbench history show 3f9a                      a run again, by the beginning of its id
  lbench history tag last main                  then: lbench -m model.gguf --baseline @main
  lbench history series --test tg128            generation over time, and where it changed
  lbench history prune --keep 100               what would go; with --yes it goes
  lbench history export /mnt/team               journals for others, who say: history import /mnt/team

Exit codes: 0 done, 1 a run that is shown has failed rows, or one could not be moved, 2 bad flag, file or name.";

/// A deed.
#[derive(Debug, Subcommand)]
pub(super) enum Deed {
    /// Show runs again: as `lbench report`, by id, tag or `last`
    Show(ShowRunArgs),
    /// Follow each setting over time, and say where it changed
    Series(SeriesArgs),
    /// Give a run a tag: a name that --baseline @TAG knows, and that keeps it from being pruned
    Tag(TagArgs),
    /// Take a tag from a run
    Untag(TagArgs),
    /// Remove old runs, never tagged ones; without --yes it says what would go
    Prune(PruneArgs),
    /// Copy journals to a folder, for others or for safety
    Export(ExportArgs),
    /// Take over the journals of a folder
    Import(ImportArgs),
}

/// Which runs; all that is given must hold.
#[derive(Debug, Default, Args)]
pub(super) struct FilterArgs {
    /// Runs with a model whose name or file has this in it
    #[arg(long, value_name = "TEXT")]
    pub model: Option<String>,
    /// Runs on a machine whose name or devices have this in them
    #[arg(long, value_name = "TEXT")]
    pub host: Option<String>,
    /// Runs with this test: pp512, tg128
    #[arg(long, value_name = "TEST")]
    pub test: Option<String>,
    /// Runs with this tag
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Runs since then: 2026-05-01, or so long ago: 12h, 30d, 8w
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub since: Option<u64>,
}

/// How a list is shown.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Most runs to list [default: 20 in a table, else all]
    #[arg(short = 'l', long, value_name = "N")]
    pub limit: Option<usize>,
    /// Format: md, json, jsonl, csv
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "md", value_parser = format)]
    pub output: ListFormat,
}

/// Runs to show.
#[derive(Debug, Args)]
pub(super) struct ShowRunArgs {
    /// Ids or their beginnings, tags, last, last~1 [default: last]
    #[arg(value_name = "RUN")]
    pub runs: Vec<String>,
    /// How.
    #[command(flatten)]
    pub how: ShowArgs,
}

/// Series to show.
#[derive(Debug, Args)]
pub(super) struct SeriesArgs {
    /// Of which runs.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Changes up to this do not matter [default: 1%]
    #[arg(long, value_name = "PERCENT", value_parser = quantities::percent)]
    threshold: Option<f64>,
    /// Draw each series under the tables, with characters; beside other formats on standard error
    #[arg(long)]
    pub plot: bool,
    /// Format: md, json, jsonl, csv
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "md", value_parser = format)]
    pub output: ListFormat,
}

/// A run and a tag.
#[derive(Debug, Args)]
pub(super) struct TagArgs {
    /// Id or its beginning, a tag, last, last~1
    pub run: String,
    /// The tag: letters, digits and . _ - + /
    pub tag: String,
}

/// What to remove.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Keep the newest N runs; tagged ones stay besides
    #[arg(long, value_name = "N", required_unless_present_any = ["older_than", "gone"])]
    pub keep: Option<usize>,
    /// Remove only what is older: 90d, 8w, 12h
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub older_than: Option<Duration>,
    /// Forget journals that were named with --journal and are not there
    #[arg(long)]
    pub gone: bool,
    /// Do it
    #[arg(short = 'y', long)]
    pub yes: bool,
}

/// Where to, and which.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The folder; it is made where it is not there
    pub folder: PathBuf,
    /// Ids or their beginnings, tags, last [default: all that the filters leave]
    #[arg(value_name = "RUN")]
    pub runs: Vec<String>,
    /// Or which.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Where from.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The folder
    pub folder: PathBuf,
    /// Take over the tags, too
    #[arg(long)]
    pub tags: bool,
}

impl ListArgs {
    pub(super) fn output_is_table(&self) -> bool {
        self.output == ListFormat::Markdown
    }
}

impl SeriesArgs {
    pub(super) fn limits(&self) -> Criteria {
        let usual = Criteria::default();
        Criteria { threshold: self.threshold.unwrap_or(usual.threshold), ..usual }
    }

    pub(super) fn is_table(&self) -> bool {
        self.output == ListFormat::Markdown
    }
}

impl FilterArgs {
    /// Whether it leaves a run.
    pub(super) fn leaves(&self, run: &PastRun) -> bool {
        let summary = &run.summary;
        let holds = |text: &str, wanted: &str| text.to_lowercase().contains(&wanted.to_lowercase());
        let model = |wanted: &String| {
            summary.models.iter().chain(&summary.files).any(|name| holds(name, wanted))
        };
        let test = |wanted: &String| {
            let short = |name: &str| name.split(" @ ").next() == Some(wanted.as_str());
            summary.tests.iter().any(|name| name == wanted || short(name))
        };
        self.model.as_ref().is_none_or(model)
            && self.host.as_ref().is_none_or(|wanted| holds(&summary.machine_in_words(), wanted))
            && self.test.as_ref().is_none_or(test)
            && self.tag.as_ref().is_none_or(|tag| run.tags.contains(tag))
            && self.since.is_none_or(|since| summary.unix_time >= since)
    }
}

fn format(text: &str) -> Result<ListFormat, String> {
    text.parse()
}

/// A moment: a date, or so long ago.
fn moment(text: &str) -> Result<u64, String> {
    if let Ok(span) = span(text) {
        return Ok(unix_time().saturating_sub(span.as_secs()));
    }
    date(text).ok_or_else(|| {
        format!(
            "'{text}' is no moment: give a date like 2026-05-01, or a time ago like 12h, 30d, 8w"
        )
    })
}

/// The begin of a day, in UTC.
fn date(text: &str) -> Option<u64> {
    let parts: Vec<u64> =
        text.splitn(3, '-').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [year, month, day] = parts[..] else { return None };
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970: search is plain, and what is no date is none.
    let wanted = format!("{year:04}-{month:02}-{day:02}");
    let first = (year - 1970) * 365;
    let mut days = first..first + 3000;
    let day = days.find(|days| crate::units::rfc3339(days * 86_400).starts_with(&wanted))?;
    Some(day * 86_400)
}

/// A length of time: hours, days, weeks.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no length of time, like 12h, 30d or 8w");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let hours = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 168,
        _ => return Err(wrong()),
    };
    let count = text[..text.len() - 1].parse::<u32>().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(count) * hours * 3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_lengths() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2026-05-01"), Some(1_777_593_600));
        for wrong in ["", "2026", "2026-02-30", "2026-13-01", "yesterday", "1-1-1", "30", "5m", "d"]
        {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
        assert_eq!(span("8w"), Ok(Duration::from_hours(8 * 7 * 24)));
        assert!(span("-1d").is_err() && span("9999999999d").is_err() && span("é").is_err());
    }
}
