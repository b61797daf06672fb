//! Answers of a reference, in a file: what it thinks of every scored place, in less than a kilobyte each.
//!
//! A line of JSON says what they are about, and whoever reads them says what it wants them to be about: other text, other
//! tokens, another context or another engine are refused. Behind it stand the chunks, in the order in which they were
//! scored; all numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4, 8, 8, 4 | number of the chunk, its −ln p in 10⁻⁹ nats, nanoseconds, places (0 where it gave no numbers) |
//! | for each place: 1, 1, 4 | tokens of the top, tokens of the sample, probability of all but the top |
//! | for each of these tokens: 3, 4 | the token, its ln p |

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::distribution::Sketch;
use crate::units::Nanos;

/// What the first line says of itself.
const FORMAT: &str = "lbench answers 1";

/// What answers are about. Only equal ones go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::worker) struct About {
    /// Tokens of a chunk.
    pub n_ctx: u32,
    /// Tokens before the first that is scored.
    pub first_scored: u32,
    /// Hash of the text.
    pub text: String,
    /// Hash of its tokens, which two vocabularies share only where they are one.
    pub tokens: String,
    /// The engine and its build.
    pub engine: String,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    about: About,
}

/// A chunk of the text, answered.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::worker) struct Chunk {
    /// Which chunk of the text, from 0.
    pub number: u32,
    /// Sum of −ln p, in 10⁻⁹ nats.
    pub nll: i64,
    /// Time that it took.
    pub ns: Nanos,
    /// What was foretold at each scored place; empty where that was no number.
    pub sketches: Vec<Sketch>,
}

/// Writer of answers: beside the file, until they are whole.
pub(in crate::worker) struct AnswerWriter {
    out: BufWriter<tempfile::NamedTempFile>,
    path: PathBuf,
}

impl AnswerWriter {
    /// Begins a file.
    pub(in crate::worker) fn create(path: &Path, about: &About) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let mut out = BufWriter::new(tempfile::NamedTempFile::new_in(folder)?);
        let head = Head { format: FORMAT.into(), about: about.clone() };
        writeln!(out, "{}", serde_json::to_string(&head)?)?;
        Ok(Self { out, path: path.to_owned() })
    }

    /// Adds a chunk.
    pub(in crate::worker) fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        let out = &mut self.out;
        out.write_all(&chunk.number.to_le_bytes())?;
        out.write_all(&chunk.nll.to_le_bytes())?;
        out.write_all(&chunk.ns.0.to_le_bytes())?;
        out.write_all(&u32::try_from(chunk.sketches.len()).unwrap_or(0).to_le_bytes())?;
        for Sketch { top, rest, sample } in &chunk.sketches {
            let n = |kept: &[_]| u8::try_from(kept.len()).unwrap_or(u8::MAX);
            out.write_all(&[n(top), n(sample)])?;
            out.write_all(&rest.to_le_bytes())?;
            for (token, log_p) in top.iter().chain(sample) {
                out.write_all(&token.to_le_bytes()[..3])?;
                out.write_all(&log_p.to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// Puts the file in its place.
    pub(in crate::worker) fn finish(self) -> io::Result<()> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.persist(&self.path).map(drop).map_err(|error| error.error)
    }
}

/// Reader of answers.
#[derive(Debug)]
pub(in crate::worker) struct Answers {
    file: BufReader<File>,
    path: PathBuf,
    /// Where each chunk begins that has been passed.
    places: HashMap<u32, u64>,
    /// Where the first one begins that has not been.
    next: u64,
}

impl Answers {
    /// Opens a file that is to be about this.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub(in crate::worker) fn open(path: &Path, about: &About) -> Result<Self, String> {
        let gone = |error: io::Error| {
            format!(
                "the reference's answers are not there ({}: {error}): it is to be measured first",
                path.display()
            )
        };
        let mut file = BufReader::new(File::open(path).map_err(gone)?);
        let mut line = String::new();
        let damaged =
            || format!("{}: the reference's answers are damaged: remove the file", path.display());
        file.read_line(&mut line).map_err(|_| damaged())?;
        let head: Head = serde_json::from_str(&line).map_err(|_| damaged())?;
        let said = head.about;
        let differs = [
            (head.format != FORMAT, "of another version of lbench"),
            (said.text != about.text, "about another text"),
            (said.tokens != about.tokens, "about other tokens: the vocabularies differ"),
            (said.n_ctx != about.n_ctx, "about chunks of another length"),
            (said.first_scored != about.first_scored, "about another part of each chunk"),
            (said.engine != about.engine, "of another engine"),
        ];
        if let Some((_, what)) = differs.iter().find(|(differs, _)| *differs) {
            return Err(format!("the reference's answers are {what}"));
        }
        let next = line.len() as u64;
        Ok(Self { file, path: path.to_owned(), places: HashMap::new(), next })
    }

    /// What a file says that it is about; `None` where there is none, or it is damaged.
    pub(in crate::worker) fn about(path: &Path) -> Option<About> {
        let mut line = String::new();
        BufReader::new(File::open(path).ok()?).read_line(&mut line).ok()?;
        Some(serde_json::from_str::<Head>(&line).ok()?.about)
    }

    /// A chunk of the text.
    ///
    /// # Errors
    /// When it is not there.
    pub(in crate::worker) fn chunk(&mut self, number: u32) -> Result<Chunk, String> {
        if let Some(&at) = self.places.get(&number) {
            return self.read(at).map_err(|error| self.broken(number, &error));
        }
        loop {
            let at = self.next;
            let chunk = self.read(at).map_err(|error| self.broken(number, &error))?;
            self.places.insert(chunk.number, at);
            if chunk.number == number {
                return Ok(chunk);
            }
        }
    }

    fn broken(&self, number: u32, error: &io::Error) -> String {
        format!(
            "{}: chunk {number} is not among the reference's answers: {error}",
            self.path.display()
        )
    }

    fn read(&mut self, at: u64) -> io::Result<Chunk> {
        self.file.seek(SeekFrom::Start(at))?;
        let file = &mut self.file;
        let number = u32::from_le_bytes(bytes(file)?);
        let nll = i64::from_le_bytes(bytes(file)?);
        let ns = Nanos(u64::from_le_bytes(bytes(file)?));
        let n = u32::from_le_bytes(bytes(file)?);
        let mut sketches = Vec::new();
        for _ in 0..n {
            let [n_top, n_sample] = bytes(file)?;
            let rest = f32::from_le_bytes(bytes(file)?);
            let mut pairs = |n: u8| (0..n).map(|_| pair(file)).collect::<io::Result<Vec<_>>>();
            let (top, sample) = (pairs(n_top)?, pairs(n_sample)?);
            sketches.push(Sketch { top, rest, sample });
        }
        let end = self.file.stream_position()?;
        self.next = self.next.max(end);
        Ok(Chunk { number, nll, ns, sketches })
    }
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn pair(file: &mut impl Read) -> io::Result<(u32, f32)> {
    let [a, b, c] = bytes(file)?;
    Ok((u32::from_le_bytes([a, b, c, 0]), f32::from_le_bytes(bytes(file)?)))
}

#[cfg(test)]
mod tests {
    use super::super::distribution::KEPT;
    use super::*;

    fn about() -> About {
        let (text, tokens, engine) = ("a".into(), "b".into(), "c".into());
        About { n_ctx: 512, first_scored: 256, text, tokens, engine }
    }

    #[allow(clippy::cast_precision_loss)]
    fn chunk(number: u32, places: usize) -> Chunk {
        let pairs = |from: u32| (0..64).map(|at| (from + at * 4000, -(at as f32))).collect();
        let sketch = |_| Sketch { top: pairs(1), rest: 0.25, sample: pairs(2) };
        Chunk { number, nll: -5, ns: Nanos(9), sketches: (0..places).map(sketch).collect() }
    }

    fn written(chunks: &[Chunk]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/x.answers");
        let mut writer = AnswerWriter::create(&path, &about()).unwrap();
        for chunk in chunks {
            writer.write(chunk).unwrap();
        }
        assert!(!path.exists(), "not before it is whole");
        writer.finish().unwrap();
        (dir, path)
    }

    #[test]
    fn chunks_are_read_back_in_any_order() {
        let all = [chunk(7, 3), chunk(2, 0), chunk(9, 1)];
        let (_dir, path) = written(&all);
        let mut answers = Answers::open(&path, &about()).unwrap();
        for at in [2, 0, 1, 0, 2] {
            assert_eq!(answers.chunk(all[at].number).unwrap(), all[at]);
        }
        assert!(answers.chunk(3).unwrap_err().contains("chunk 3 is not among"));
    }

    #[test]
    fn a_place_takes_less_than_a_kilobyte_whatever_the_vocabulary() {
        let (_dir, path) = written(&[chunk(0, 100)]);
        assert_eq!(chunk(0, 1).sketches[0].top.len(), KEPT);
        assert!(path.metadata().unwrap().len() < 100 * 1000);
    }

    #[test]
    fn what_is_about_something_else_is_refused_with_what_differs() {
        let (_dir, path) = written(&[chunk(0, 1)]);
        let refusal = |change: fn(&mut About)| {
            let mut wanted = about();
            change(&mut wanted);
            Answers::open(&path, &wanted).unwrap_err()
        };
        assert!(refusal(|about| about.text = "x".into()).ends_with("about another text"));
        assert!(refusal(|about| about.tokens = "x".into()).contains("vocabularies differ"));
        assert!(refusal(|about| about.n_ctx = 4).ends_with("about chunks of another length"));
        assert!(refusal(|about| about.engine = "x".into()).ends_with("of another engine"));
        std::fs::write(&path, "rubbish").unwrap();
        assert!(Answers::open(&path, &about()).unwrap_err().contains("are damaged"));
        std::fs::remove_file(&path).unwrap();
        assert!(Answers::open(&path, &about()).unwrap_err().contains("measured first"));
    }

    #[test]
    fn a_file_that_breaks_off_is_told() {
        let (_dir, path) = written(&[chunk(0, 4), chunk(1, 4)]);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        let mut answers = Answers::open(&path, &about()).unwrap();
        assert_eq!(answers.chunk(0).unwrap(), chunk(0, 4));
        assert!(answers.chunk(1).is_err());
    }
}
