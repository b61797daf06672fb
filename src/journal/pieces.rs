//! Pieces of a header: a plan may have tens of thousands of rows and prompts of many tokens, and a line has a
//! greatest length. Each prompt is written once, however many rows have it.

use std::collections::HashMap;
use std::io;

use serde::{Deserialize, Serialize};

use super::{Line, RunHeader};
use crate::plan::{Plan, Planned};
use crate::work::Text;

/// Rows in a line.
const ROWS: usize = 256;
/// Tokens in a line.
const TOKENS: usize = 100_000;

/// Tokens of a prompt, or the next of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tokens {
    /// Number of the prompt, from 0.
    pub text: usize,
    /// The tokens.
    pub tokens: Vec<i32>,
}

/// Rows of a plan, those before them in lines before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// The rows, in order, without the tokens of their prompts.
    pub rows: Vec<Planned>,
    /// For each row here with a prompt that is a text: its place in this line, and the number of the prompt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<(usize, usize)>,
}

fn text_of(planned: &mut Planned) -> Option<&mut Text> {
    planned.job.work.speed_mut()?.text.as_mut()
}

/// Hands every line of a header to `write`, in order.
///
/// # Errors
/// Those of `write`.
pub(super) fn write(
    header: &RunHeader,
    mut write: impl FnMut(&Line) -> io::Result<()>,
) -> io::Result<()> {
    write(&Line::Header(Box::new(without_rows(header))))?;
    let mut numbers = HashMap::new();
    for rows in header.plan.jobs.chunks(ROWS) {
        let mut piece = Rows { rows: rows.to_vec(), texts: Vec::new() };
        for (place, planned) in piece.rows.iter_mut().enumerate() {
            let model = planned.job.setup.model().map(|model| model.header_hash.clone());
            let Some(text) = text_of(planned) else { continue };
            let tokens = std::mem::take(&mut text.tokens);
            let (next, key) = (numbers.len(), (model, text.hash.clone(), tokens.len()));
            // The same text has the same tokens wherever the model is the same.
            let number = *numbers.entry(key).or_insert(next);
            if number == next {
                for tokens in tokens.chunks(TOKENS) {
                    write(&Line::Tokens(Tokens { text: next, tokens: tokens.to_vec() }))?;
                }
            }
            piece.texts.push((place, number));
        }
        write(&Line::Rows(piece))?;
    }
    Ok(())
}

/// A header with the rows of its plan left out.
fn without_rows(header: &RunHeader) -> RunHeader {
    let plan = Plan { jobs: Vec::new(), varying: Vec::new(), parts: header.plan.parts.clone() };
    RunHeader {
        schema: header.schema,
        run: header.run.clone(),
        machine: header.machine.clone(),
        unix_time: header.unix_time,
        args: header.args.clone(),
        sweeps: header.sweeps.clone(),
        plan,
        rows: Some(header.plan.jobs.len()),
        settings: header.settings,
        facts: header.facts.clone(),
    }
}

/// A plan under way, while its lines are read.
#[derive(Debug)]
pub(super) struct Pieces {
    header: Box<RunHeader>,
    /// Rows that it is to have.
    wanted: usize,
    texts: HashMap<usize, Vec<i32>>,
}

impl Pieces {
    /// Of a header whose rows follow.
    pub(super) fn of(mut header: Box<RunHeader>) -> Result<Self, Box<RunHeader>> {
        match header.rows.take() {
            Some(wanted) if header.plan.jobs.len() < wanted => {
                Ok(Self { header, wanted, texts: HashMap::new() })
            }
            _ => Err(header),
        }
    }

    /// Takes in tokens.
    pub(super) fn tokens(&mut self, piece: Tokens) {
        self.texts.entry(piece.text).or_default().extend(piece.tokens);
    }

    /// Takes in rows; `false` where a row lacks what it refers to, or there are too many.
    pub(super) fn rows(&mut self, mut piece: Rows) -> bool {
        for (place, number) in piece.texts {
            let text = piece.rows.get_mut(place).and_then(text_of);
            // A prompt of no tokens has no line.
            let tokens = self.texts.get(&number).cloned().unwrap_or_default();
            let Some(text) = text else { return false };
            text.tokens = tokens;
        }
        self.header.plan.jobs.append(&mut piece.rows);
        self.header.plan.jobs.len() <= self.wanted
    }

    /// The header, where its plan is whole.
    pub(super) fn whole(self) -> Result<Box<RunHeader>, Self> {
        if self.header.plan.jobs.len() == self.wanted { Ok(self.header) } else { Err(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::{header, plan, read_text};
    use crate::wire::MAX_LINE;

    fn lines(header: &RunHeader) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        write(header, |line| {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            lines.push(text);
            Ok(())
        })
        .unwrap();
        lines
    }

    /// A plan of many rows, some with prompts of many tokens.
    fn large(rows: usize) -> RunHeader {
        let one = plan(1).jobs.remove(0);
        let text = |n: usize, tokens| {
            Text::new(format!("p.txt:{n}"), &format!("text {n}"), vec![128_000; tokens])
        };
        let texts = [text(1, 0), text(2, 250_001), text(3, 7)];
        let row = |n: usize| {
            let mut row = one.clone();
            let speed = row.job.work.speed_mut().unwrap();
            speed.n_prompt = u32::try_from(n).unwrap();
            speed.text = n.is_multiple_of(2).then(|| texts[n / 2 % 3].clone());
            row
        };
        let mut header = header(&plan(1));
        header.plan.jobs = (0..rows).map(row).collect();
        header
    }

    #[test]
    fn a_large_plan_is_read_as_it_was_written_and_its_prompts_stand_there_once() {
        for rows in [0, 1, ROWS, ROWS + 1, 1500] {
            let header = large(rows);
            let lines = lines(&header);
            assert!(lines.iter().all(|line| line.len() < MAX_LINE / 40), "{rows}");
            let journal = read_text(&lines.concat()).unwrap();
            assert_eq!(
                *journal.header(),
                RunHeader { plan: journal.header().plan.clone(), ..header.clone() }
            );
            assert!(journal.header().plan.jobs == header.plan.jobs, "{rows}");
            assert_eq!(journal.notes, Vec::<String>::new());
            let text = String::from_utf8(lines.concat()).unwrap();
            assert!(text.matches("128000").count() <= 250_008, "{rows}");
        }
    }

    #[test]
    fn a_plan_that_is_cut_off_is_none() {
        let lines = lines(&large(600));
        for cut in 1..lines.len() {
            let told = read_text(&lines[..cut].concat()).unwrap_err();
            assert!(told.contains("no whole header"), "{told}");
            // The run before it stands.
            let both = [self::lines(&large(3)).concat(), lines[..cut].concat()].concat();
            let journal = read_text(&both).unwrap();
            assert_eq!((journal.stretches.len(), journal.notes.len()), (1, 1));
            assert_eq!(journal.header().plan.jobs.len(), 3);
        }
        // So is one with more rows than it was to have.
        let surplus = [lines.concat(), lines.last().unwrap().clone()].concat();
        assert_eq!(read_text(&surplus).unwrap().header().plan.jobs.len(), 600);
    }
}
