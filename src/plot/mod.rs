//! Plots of characters, for people who look at a run over ssh: points with their intervals, and lines between them.
//! Pure: lines of text come of it, the same in a terminal and in a file.
//!
//! Dots are set by `ratatui`'s canvas, which needs no terminal: it draws into a buffer.

mod ticks;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Color;
use ratatui_core::symbols::Marker;
use ratatui_core::widgets::Widget as _;
use ratatui_widgets::canvas::{Canvas, Line};

use crate::document::text::limited;

/// Signs of the traces, in order: those beyond are left out, and that is said.
const SIGNS: [char; 8] = ['o', 'x', '+', '*', '#', '@', '%', '&'];

/// Sign of what failed.
const FAILED: char = '!';

/// Fewest characters that a plot is drawn in.
const NARROWEST: usize = 40;

/// A plot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chart {
    /// What stands above it: what is measured, and over what.
    pub title: String,
    /// Places along the axis, each with what it is called, from left to right.
    pub places: Vec<(f64, String)>,
    /// What was measured.
    pub traces: Vec<Trace>,
    /// Places of what failed, in the same unit.
    pub failed: Vec<f64>,
    /// Places where something changed: a line is drawn there.
    pub changes: Vec<f64>,
    /// Lines of text that it takes, without title, axis and names.
    pub height: u16,
}

/// Points that belong together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// What it is called.
    pub name: String,
    /// The points, from left to right.
    pub points: Vec<Mean>,
}

/// A point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// Its place.
    pub place: f64,
    /// Its height.
    pub value: f64,
    /// Where its interval begins and ends, if it has one.
    pub ends: Option<(f64, f64)>,
}

impl Chart {
    /// Draws it in so many characters; nothing where there is nothing to draw.
    pub fn draw(&self, width: usize) -> Vec<String> {
        let (shown, more) = self.traces.split_at(self.traces.len().min(SIGNS.len()));
        let points = || shown.iter().flat_map(|trace| &trace.points);
        let heights = points().flat_map(|point| {
            let (low, high) = point.ends.unwrap_or((point.value, point.value));
            [low, high, point.value]
        });
        let heights: Vec<_> = heights.filter(|height| height.is_finite()).collect();
        if heights.is_empty() {
            return Vec::new();
        }
        let (low, high, marks) = ticks::of(&heights);
        let margin = marks.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
        let room = width.max(NARROWEST).saturating_sub(margin + 2);
        let (left, right) = self.bounds();
        let rows = self.canvas(shown, [left, right], [low, high], room);
        let mut lines = vec![limited(&self.title, width.max(NARROWEST))];
        for (at, row) in rows.iter().enumerate() {
            let mark = marks.iter().find(|(value, _)| row_of(*value, low, high, rows.len()) == at);
            let (text, sign) = mark.map_or(("", '│'), |(_, text)| (text.as_str(), '┤'));
            lines.push(format!("{text:>margin$} {sign}{row}").trim_end().to_string());
        }
        lines.push(format!("{:margin$} └{}", "", "─".repeat(room)));
        let indent = " ".repeat(margin + 2);
        lines.extend(
            self.names_of_places([left, right], room)
                .iter()
                .map(|line| format!("{indent}{line}").trim_end().to_string()),
        );
        lines.extend(self.legend(shown, more.len(), width.max(NARROWEST)));
        lines
    }

    /// The ends of the axis, with some room beside the outermost places.
    fn bounds(&self) -> (f64, f64) {
        let places = self.places.iter().map(|(place, _)| *place);
        let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| {
            (low.min(place), high.max(place))
        });
        let beside = if high > low { (high - low) * 0.04 } else { 0.5 };
        (low - beside, high + beside)
    }

    fn canvas(&self, traces: &[Trace], x: [f64; 2], y: [f64; 2], room: usize) -> Vec<String> {
        let area = Rect::new(0, 0, u16::try_from(room).unwrap_or(u16::MAX), self.height.max(3));
        let mut buffer = Buffer::empty(area);
        let color = Color::Reset;
        let canvas = Canvas::default().x_bounds(x).y_bounds(y).marker(Marker::Braille);
        let canvas = canvas.paint(|context| {
            for &x in &self.changes {
                context.draw(&Line { x1: x, y1: y[0], x2: x, y2: y[1], color });
            }
            for trace in traces {
                for pair in trace.points.windows(2) {
                    let [a, b] = pair else { continue };
                    let (x1, y1, x2, y2) = (a.place, a.value, b.place, b.value);
                    context.draw(&Line { x1, y1, x2, y2, color });
                }
                for point in &trace.points {
                    let Some((y1, y2)) = point.ends else { continue };
                    context.draw(&Line { x1: point.place, y1, x2: point.place, y2, color });
                }
            }
            // Signs lie on top of all lines.
            context.layer();
            for (trace, sign) in traces.iter().zip(SIGNS) {
                for point in &trace.points {
                    context.print(point.place, point.value, sign.to_string());
                }
            }
            for &place in &self.failed {
                context.print(place, y[0], FAILED.to_string());
            }
        });
        canvas.render(area, &mut buffer);
        let row = |at: u16| {
            let cells = (0..area.width).map(|x| buffer[(x, at)].symbol());
            // An empty pattern of dots is a blank.
            cells.collect::<String>().replace('\u{2800}', " ")
        };
        (0..area.height).map(row).collect()
    }

    /// What stands under the axis: the names of places, where they fit, or numbers with the names below.
    fn names_of_places(&self, [left, right]: [f64; 2], room: usize) -> Vec<String> {
        let names: Vec<_> = self.places.iter().map(|(_, name)| limited(name, 40)).collect();
        let numbers = || (1..=names.len()).map(|n| n.to_string()).collect::<Vec<_>>();
        let is_number = |name: &String| name.parse::<f64>().is_ok();
        let lay = |names: &[String]| {
            let mut line: Vec<char> = vec![' '; room];
            let (mut free, mut all) = (0, true);
            for ((place, _), name) in self.places.iter().zip(names) {
                let length = name.chars().count();
                let column = column_of(*place, left, right, room);
                let start = column.saturating_sub(length / 2).min(room.saturating_sub(length));
                if start < free || length > room {
                    all = false;
                    continue;
                }
                line.splice(start..start + length, name.chars());
                free = start + length + 1;
            }
            (line.into_iter().collect::<String>(), all)
        };
        let (line, all) = lay(&names);
        // Of many numbers some are enough.
        if all || names.iter().all(is_number) {
            return vec![line];
        }
        let (line, _) = lay(&numbers());
        let names = names.iter().zip(numbers()).map(|(name, number)| format!("{number} {name}"));
        [line].into_iter().chain(names).collect()
    }

    fn legend(&self, traces: &[Trace], more: usize, width: usize) -> Vec<String> {
        let one = traces.len() == 1 && self.failed.is_empty() && more == 0;
        if one && traces[0].name.is_empty() {
            return Vec::new();
        }
        let named = traces.iter().zip(SIGNS);
        let mut words: Vec<_> =
            named.map(|(trace, sign)| format!("{sign} {}", limited(&trace.name, 60))).collect();
        if !self.failed.is_empty() {
            words.push(format!("{FAILED} failed"));
        }
        if more > 0 {
            words.push(format!("and {more} more that are not drawn"));
        }
        let mut lines = vec![String::new()];
        for word in words {
            let last = lines.last_mut().expect("there is one");
            if !last.is_empty() && last.chars().count() + word.chars().count() + 3 > width {
                lines.push(word);
            } else {
                last.push_str(if last.is_empty() { "" } else { "   " });
                last.push_str(&word);
            }
        }
        lines
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn column_of(place: f64, left: f64, right: f64, room: usize) -> usize {
    ((place - left) / (right - left) * (room.saturating_sub(1)) as f64) as usize
}

/// The line, from the top, that a height is in.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn row_of(value: f64, low: f64, high: f64, rows: usize) -> usize {
    ((high - value) / (high - low) * (rows.saturating_sub(1)) as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[f64], names: &[&str]) -> Chart {
        let place = |at: usize| f64::from(u32::try_from(at).unwrap());
        let point = |(at, &value): (usize, &f64)| Mean {
            place: place(at),
            value,
            ends: Some((value * 0.95, value * 1.05)),
        };
        let points: Vec<_> = values.iter().enumerate().map(point).collect();
        let half =
            points.iter().map(|point| Mean { value: point.value / 2.0, ends: None, ..*point });
        Chart {
            title: "t/s over n_batch".into(),
            places: names
                .iter()
                .enumerate()
                .map(|(at, name)| (place(at), (*name).into()))
                .collect(),
            traces: vec![
                Trace { name: "fa 0".into(), points: half.collect() },
                Trace { name: "fa 1".into(), points },
            ],
            failed: vec![place(names.len() - 1)],
            changes: vec![],
            height: 10,
        }
    }

    #[test]
    fn plots_at_two_widths() {
        let numbers = chart(&[200.0, 410.0, 700.0, 950.0], &["64", "128", "256", "512", "1024"]);
        let devices = ["CUDA0", "CUDA0/CUDA1", "CUDA0/CUDA1/CUDA2/CUDA3", "a model of a long name"];
        let words = chart(&[900.0, 950.0, 940.0], &devices);
        let one = chart(&[7.0], &["pp512"]);
        let drawn = [(&numbers, 80), (&words, 60), (&one, 1)].map(|(chart, width)| {
            let lines = chart.draw(width);
            let most = lines.iter().map(|line| line.chars().count()).max().unwrap();
            assert!(most <= width.max(NARROWEST), "{most}");
            lines.join("\n")
        });
        insta::assert_snapshot!(drawn.join("\n\n"));
        assert!(numbers.draw(200)[2].chars().count() <= 200);
    }

    #[test]
    fn nothing_is_drawn_of_nothing_and_too_much_is_said() {
        assert_eq!(Chart::default().draw(80), Vec::<String>::new());
        let mut many = chart(&[1.0, 2.0], &["1", "2"]);
        many.traces = vec![many.traces[0].clone(); 11];
        assert!(many.draw(80).last().unwrap().contains("and 3 more"));
        for odd in [0.0, f64::NAN, 1e300, 1e-300, -5.0] {
            let drawn = chart(&[odd, 1.0], &["1", "2"]).draw(80);
            assert!(drawn.iter().all(|line| line.chars().count() <= 80), "{odd}");
        }
    }
}
