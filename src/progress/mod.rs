//! Progress: what a person sees while a sweep runs, on standard error: on a terminal a table that is drawn again in
//! place, else lines where they are asked for.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | what is shown where |
//! | `board.rs` | what the records say of each row so far |
//! | `cost.rs`, `prices.rs` | how much longer it takes |
//! | `live.rs`, `columns.rs` | the table, in lines that fit. Pure |
//! | `screen.rs` | lines on a terminal, and the thread that draws them |
//! | `steps.rs` | lines for logs |

mod board;
mod columns;
mod cost;
#[cfg(test)]
mod fixture;
mod live;
mod prices;
mod screen;
mod steps;

use std::io::IsTerminal as _;
use std::time::Instant;

use board::Board;
pub use cost::Bounds;
use screen::Live;
use steps::Steps;

use crate::ledger::Priors;
use crate::plan::Plan;
use crate::record::Record;
use crate::terminal::tell;

/// Progress of one run.
pub struct Progress {
    style: Style,
}

/// How it is shown.
enum Style {
    Quiet,
    Lines(Steps),
    Live(Live),
}

/// What is wanted to be seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// A line for each step, also where there is no terminal.
    pub lines: bool,
    /// Others write to standard error too, line by line: a table among them would be torn.
    pub shared: bool,
}

impl Progress {
    /// A live table on a terminal; lines where they are asked for, or a terminal cannot have the table.
    pub fn new(plan: &Plan, priors: &Priors, limits: Bounds, wish: Wish) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let style = if terminal && !dumb && !wish.shared {
            Style::Live(Live::new(Board::new(plan, priors.clone(), limits, Instant::now())))
        } else if wish.lines || terminal {
            Style::Lines(Steps::new(plan.measured()))
        } else {
            Style::Quiet
        };
        Self { style }
    }

    /// Takes note of what happened.
    pub fn fold(&mut self, record: &Record) {
        match &mut self.style {
            Style::Quiet => {}
            Style::Lines(steps) => {
                if let Some(line) = steps.fold(record) {
                    tell(&line);
                }
            }
            Style::Live(live) => live.fold(record),
        }
    }

    /// Whether there is a live table: rows need not be printed before the end to be seen.
    pub fn is_live(&self) -> bool {
        matches!(self.style, Style::Live(_))
    }

    /// Whether anything is written to standard error while the run goes on.
    pub fn speaks(&self) -> bool {
        !matches!(self.style, Style::Quiet)
    }

    /// Prints without tearing the table.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.style {
            Style::Live(live) => live.suspend(print),
            Style::Lines(_) | Style::Quiet => print(),
        }
    }

    /// Takes the table away.
    pub fn finish(&mut self) {
        if let Style::Live(live) = &mut self.style {
            live.finish();
        }
    }
}
