//! Display of downloads: what a person sees of downloads, on standard error: a bar on a terminal, else lines where asked for.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Step;
use crate::document::text::one_line;
use crate::terminal::tell;
use crate::units::{Bytes, Nanos};

/// Time between two lines about a download.
const PAUSE: Duration = Duration::from_secs(5);

/// Shows downloads.
#[derive(Debug)]
pub struct Shown {
    lines: bool,
    under_way: Option<ShownDownload>,
}

/// A download that is shown.
#[derive(Debug)]
struct ShownDownload {
    name: String,
    /// What was there when it began.
    first: u64,
    total: u64,
    since: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl Shown {
    /// A bar on a terminal; lines where they were asked for (`--progress`) and there is no terminal.
    pub fn new(lines: bool) -> Self {
        Self { lines, under_way: None }
    }

    /// Takes note of what happened.
    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Told(text) => {
                let print = || tell(&text);
                let bar = self.under_way.as_ref().and_then(|under_way| under_way.bar.as_ref());
                bar.map_or_else(print, |bar| bar.suspend(print));
            }
            Step::Begins { name, done, total } => {
                let bar = std::io::stderr().is_terminal().then(|| bar(done, total));
                let now = Instant::now();
                let (since, told) = (now, now);
                self.under_way = Some(ShownDownload { name, first: done, total, since, told, bar });
            }
            Step::At(at) => {
                let lines = self.lines;
                if let Some(under_way) = &mut self.under_way {
                    under_way.at(at, lines);
                }
            }
            Step::Ends => {
                let bar = self.under_way.take().and_then(|under_way| under_way.bar);
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

impl ShownDownload {
    fn at(&mut self, at: u64, lines: bool) {
        // A server that knows no ranges has it begin anew.
        self.first = self.first.min(at);
        let figures = || self.figures(at, self.since.elapsed());
        if let Some(bar) = &self.bar {
            bar.set_position(at);
            bar.set_message(format!("{}  {}", figures(), one_line(&self.name)));
        } else if lines && (self.told.elapsed() >= PAUSE || at == self.total) {
            tell(&format!("{}: {}", self.name, figures()));
            self.told = Instant::now();
        }
    }

    /// How far it is, how fast it goes, and when it will be over.
    #[allow(clippy::cast_precision_loss)] // 2^53 bytes are 8 PiB
    fn figures(&self, at: u64, passed: Duration) -> String {
        let share = if self.total > 0 { 100.0 * at as f64 / self.total as f64 } else { 100.0 };
        let rate = at.saturating_sub(self.first) as f64 / passed.as_secs_f64().max(1e-3);
        let left = Duration::try_from_secs_f64(self.total.saturating_sub(at) as f64 / rate);
        let left = left.ok().filter(|left| left.as_secs() >= 1);
        let left = left.map(|left| format!(", about {} left", Nanos::from(left)));
        format!(
            "{share:.0} % of {}, {:.1} MiB/s{}",
            Bytes(self.total),
            rate / 1024.0 / 1024.0,
            left.unwrap_or_default()
        )
    }
}

/// Constant: it parses or it does not, and a test sees it parse.
const TEMPLATE: &str = "[{bar:24}] {wide_msg}";

fn bar(done: u64, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(4));
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_position(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long() {
        let now = Instant::now();
        let mib = 1024 * 1024;
        let (name, first, total) = ("m.gguf".to_string(), 100 * mib, 1000 * mib);
        let way = ShownDownload { name, first, total, since: now, told: now, bar: None };
        let lines = [
            way.figures(100 * mib, Duration::ZERO),
            way.figures(200 * mib, Duration::from_secs(10)),
            way.figures(1000 * mib, Duration::from_secs(90)),
        ];
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn the_template_parses() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
