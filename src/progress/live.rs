//! Live table: what is known of a run, in lines that fit a terminal. Pure.
//!
//! What is the same in all rows stands above, then a line for each row, then how far the run is. Where there
//! are more rows than lines, those around the one under way are shown and those that are known worst.

use std::collections::BTreeSet;
use std::time::Instant;

use console::{measure_text_width, truncate_str};

use super::board::Board;
use super::columns::{Columns, Fitted, word};
use super::cost::Left;
use crate::document::text::plain;
use crate::units::Nanos;

/// Size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

/// Height from which there is air between the parts.
const AIRY: usize = 20;
/// Rows that there should be at the least, before anything else goes.
const ROWS: usize = 3;

/// The table in lines that fit: each narrower than the terminal, and fewer than it has.
pub(super) fn lines(board: &Board, columns: &Columns, size: Size, now: Instant) -> Vec<String> {
    // The last column and the last line stay free: what fills them scrolls or wraps on some terminals.
    let width = size.width.saturating_sub(1).max(1);
    let most = size.height.saturating_sub(1).max(1);
    let airy = size.height >= AIRY;
    let fitted = columns.fitted(board, width);
    let mut above = flow(&common(board, columns), width);
    above.truncate(if airy { 3 } else { 2 });
    let mut below = flow(&status(board, &fitted, now), width);
    below.truncate(if airy { 4 } else { 3 });
    let mut headings = vec![fitted.headings()];
    let mut gap = usize::from(airy);
    let room = |above: &[String], headings: &[String], below: &[String], gap: usize| {
        most.saturating_sub(above.len() + headings.len() + below.len() + 2 * gap)
    };
    let wanted = board.len().min(ROWS);
    if room(&above, &headings, &below, gap) < wanted.max(board.len().min(8)) {
        gap = 0;
    }
    if room(&above, &headings, &below, gap) < wanted {
        below.truncate(1);
    }
    if room(&above, &headings, &below, gap) < wanted {
        above.clear();
    }
    if room(&above, &headings, &below, gap) < wanted {
        headings.clear();
    }
    let rows = rows(board, columns, &fitted, room(&above, &headings, &below, gap));
    let air = || std::iter::repeat_n(String::new(), gap);
    let above = above.into_iter().chain(air());
    let lines = above.chain(headings).chain(rows).chain(air()).chain(below).take(most);
    lines.map(|line| truncate_str(&line, width, "…").into_owned()).collect()
}

/// Segments on as few lines as they fit on.
fn flow(segments: &[String], width: usize) -> Vec<String> {
    const BETWEEN: &str = " · ";
    let mut lines: Vec<String> = Vec::new();
    for segment in segments {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 3 + measure_text_width(segment) <= width => {
                line.push_str(BETWEEN);
                line.push_str(segment);
            }
            _ => lines.push(segment.clone()),
        }
    }
    lines
}

/// What is the same in all rows.
fn common(board: &Board, columns: &Columns) -> Vec<String> {
    let mut segments = columns.common.clone();
    let backends = board.backends().join(", ");
    if !backends.is_empty() {
        segments.insert(columns.of_model, plain(&backends));
    }
    segments
}

/// How far the run is.
fn status(board: &Board, fitted: &Fitted, now: Instant) -> Vec<String> {
    let mut segments = Vec::new();
    let (done, wrong) = board.tally();
    let all = board.len();
    if board.round() > 0 {
        segments.push(format!("round {}", board.round()));
    }
    let rows = if all == 1 { "row" } else { "rows" };
    match board.precise() {
        Some((target, precise)) if done + wrong == all => {
            segments.push(format!("{precise} of {all} {rows} within ±{}%", target * 100.0));
        }
        _ => segments.push(format!("{} of {all} {rows} done", done + wrong)),
    }
    if wrong > 0 {
        segments.push(format!("{wrong} went wrong"));
    }
    if let (Some((_, phase)), false) = (board.current(), fitted.has_phase()) {
        segments.push(word(phase).into());
    }
    if let Some(left) = board.left(now) {
        segments.extend(time(left));
    }
    let (ram, vram) = board.most_memory();
    for (name, most, shown) in
        [("RAM", ram, fitted.has_memory(false)), ("VRAM", vram, fitted.has_memory(true))]
    {
        if let Some(most) = most.filter(|_| !shown) {
            segments.push(format!("{name} up to {:.0} MiB", most.mib()));
        }
    }
    segments.push("Ctrl-C prints the table as it stands".into());
    segments
}

/// How much longer it takes. Below a second there is nothing to wait for.
fn time(Left { round, run }: Left) -> Vec<String> {
    let run_is_longer = run.is_none_or(|run| run - round >= 1.0);
    let mut segments = Vec::new();
    if !run_is_longer {
        segments.extend((round >= 1.0).then(|| format!("about {} left", duration(round))));
        return segments;
    }
    if round >= 1.0 {
        segments.push(format!("this round ends in about {}", duration(round)));
    }
    segments.extend(run.map(|run| format!("the run in at most {}", duration(run))));
    segments
}

/// A time in whole seconds.
fn duration(seconds: f64) -> String {
    let whole = std::time::Duration::try_from_secs_f64(seconds.round()).unwrap_or_default();
    if whole.as_secs() < 60 {
        format!("{} s", whole.as_secs())
    } else {
        Nanos::from(whole).to_string()
    }
}

/// As many rows as there is room for, and how many more there are.
fn rows(board: &Board, columns: &Columns, fitted: &Fitted, room: usize) -> Vec<String> {
    let line = |row: usize| fitted.row(columns, board, row);
    if board.len() <= room {
        return (0..board.len()).map(line).collect();
    }
    let own: Vec<_> = (0..board.len()).filter(|&row| !board.is_equal(row)).collect();
    let room = room.saturating_sub(1);
    let picked =
        if own.len() <= room { own.into_iter().collect() } else { picked(board, &own, room) };
    let hidden = board.len() - picked.len();
    let mut lines: Vec<_> = picked.into_iter().map(line).collect();
    lines.push(format!("   … {hidden} of {} rows not shown", board.len()));
    lines
}

/// The rows around the one under way, and those that are known worst: half of each.
fn picked(board: &Board, rows: &[usize], room: usize) -> BTreeSet<usize> {
    let middle = rows.partition_point(|row| *row < board.last()).min(rows.len() - 1);
    let around = |count: usize| {
        let first = middle.saturating_sub(count / 2).min(rows.len().saturating_sub(count));
        rows[first..(first + count).min(rows.len())].iter().copied()
    };
    let mut worst: Vec<_> =
        rows.iter().filter_map(|&row| board.precision(row).map(|known| (known, row))).collect();
    worst.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let mut picked: BTreeSet<_> = around(room.div_ceil(2)).collect();
    for (_, row) in worst {
        if picked.len() >= room {
            break;
        }
        picked.insert(row);
    }
    // While few are known, there is room for more of those around.
    let mut count = room.div_ceil(2);
    while picked.len() < room && count < rows.len() {
        count += 1;
        let more: Vec<_> = around(count).filter(|row| !picked.contains(row)).collect();
        picked.extend(more.into_iter().take(room - picked.len()));
    }
    picked
}

#[cfg(test)]
mod tests;
