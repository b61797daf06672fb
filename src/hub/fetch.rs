//! One file of the hub: taken up where it broke off, checked against its hash, put into the cache.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use ureq::http::Method;

use super::cache::Shelf;
use super::call::{Answer, Caller, Follow, NoAnswer, wait};
use super::{Hear, Step};
use crate::units::{Bytes, Hex};

/// Bytes that are read, written and hashed at once.
const CHUNK: usize = 128 << 10;

/// What the hub says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KnownFile {
    /// Its name among the contents of the cache; for a large file its SHA-256.
    hash: String,
    /// Its size in bytes.
    size: u64,
}

/// Downloads a file of a repository at a commit, or what is missing of it; its path in the cache.
pub(super) fn fetch(
    caller: &Caller,
    shelf: &Shelf,
    (repo, commit, name): (&str, &str, &str),
    hear: Hear<'_>,
) -> Result<PathBuf, String> {
    let url = caller.address(repo, commit, name);
    let known = caller.with_patience(repo, hear, |caller| known(caller, &url));
    let known = known.map_err(|trouble| trouble.words(caller, repo))?;
    let blob = shelf.blob(&known.hash);
    let stored = |error: io::Error| format!("{}: {error}", blob.display());
    if !blob.is_file() {
        let lock = shelf.lock(&known.hash).map_err(stored)?;
        let _lock = lock.ok_or("another process is downloading it: wait for its end")?;
        let mut part = PartFile::open(blob.with_extension("part"), known.size).map_err(stored)?;
        hear(Step::Told(part.intention(repo, name, &known)));
        part.hash_what_is_there().map_err(stored)?;
        hear(Step::Begins { name: name.into(), done: part.len, total: known.size });
        let fetched = complete(caller, (repo, &url), &mut part, hear);
        hear(Step::Ends);
        fetched?;
        part.keep_as(&blob, &known)?;
    }
    shelf.name(&known.hash, commit, name).map_err(stored)
}

/// Asks what a file is, without its contents.
fn known(caller: &Caller, url: &str) -> Result<KnownFile, NoAnswer> {
    let answer = caller.call(&Method::HEAD, url, &[], Follow::UntilKnown)?;
    if answer.status >= 400 {
        return Err(answer.trouble());
    }
    let etag = answer.header("x-linked-etag").or_else(|| answer.header("etag"));
    let hash = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"'));
    // It becomes the name of a file.
    let plain = |hash: &&str| {
        (1..=128).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let size = answer.header("x-linked-size").or_else(|| answer.header("content-length"));
    let strange = |what: &str| NoAnswer::Strange(what.into());
    Ok(KnownFile {
        hash: hash.filter(plain).ok_or_else(|| strange("no hash of the file"))?.to_lowercase(),
        size: size
            .and_then(|size| size.parse().ok())
            .ok_or_else(|| strange("no size of the file"))?,
    })
}

/// Brings what is missing, with as many tries as it takes while there is progress.
fn complete(
    caller: &Caller,
    (repo, url): (&str, &str),
    part: &mut PartFile,
    hear: Hear<'_>,
) -> Result<(), String> {
    let (mut tries, mut most) = (0, part.len);
    while part.len < part.size {
        let Err(failure) = more(caller, url, part, hear) else { continue };
        let trouble = match failure {
            FetchFailure::Storing(error) => {
                return Err(format!("{}: {error}", part.path.display()));
            }
            FetchFailure::Getting(trouble) if !trouble.may_pass() => {
                return Err(trouble.words(caller, repo));
            }
            FetchFailure::Getting(trouble) => trouble,
        };
        if part.len > most {
            (tries, most) = (0, part.len);
        }
        let reason = trouble.words(caller, repo);
        let (there, all) = (Bytes(part.len), Bytes(part.size));
        if !wait(&mut tries) {
            return Err(format!(
                "{reason} after {there} of {all}, also when tried again: the same command goes on from there"
            ));
        }
        hear(Step::Told(format!("{reason} after {there} of {all}; trying again")));
    }
    Ok(())
}

/// Why a try did not bring everything.
enum FetchFailure {
    Getting(NoAnswer),
    Storing(io::Error),
}

impl From<NoAnswer> for FetchFailure {
    fn from(trouble: NoAnswer) -> Self {
        Self::Getting(trouble)
    }
}

impl From<io::Error> for FetchFailure {
    fn from(error: io::Error) -> Self {
        Self::Storing(error)
    }
}

/// One try.
fn more(
    caller: &Caller,
    url: &str,
    part: &mut PartFile,
    hear: Hear<'_>,
) -> Result<(), FetchFailure> {
    let range = (part.len > 0).then(|| ("range", format!("bytes={}-", part.len)));
    let answer = caller.call(&Method::GET, url, range.as_slice(), Follow::All)?;
    match answer.status {
        206 if starts_at(&answer) == Some(part.len) => {}
        // A server that knows no ranges, or has another file by now.
        200 if part.len == 0 => {}
        200 => part.clear()?,
        206 | 416 => {
            part.clear()?;
            return Err(NoAnswer::Broken("the server has no such part of the file".into()).into());
        }
        _ => return Err(answer.trouble().into()),
    }
    hear(Step::At(part.len));
    let mut body = answer.body.into_reader();
    let mut chunk = vec![0; CHUNK];
    while part.len < part.size {
        let read = match body.read(&mut chunk) {
            Ok(0) => return Err(NoAnswer::Broken("the connection ended".into()).into()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(NoAnswer::Broken(caller.io_words(&error)).into()),
        };
        // What goes beyond the size would not make the hash right.
        let rest = usize::try_from(part.size - part.len).unwrap_or(usize::MAX);
        part.append(&chunk[..read.min(rest)])?;
        hear(Step::At(part.len));
    }
    Ok(())
}

/// Where the bytes of a partial answer begin: `bytes 5-9/10`.
fn starts_at(answer: &Answer) -> Option<u64> {
    let range = answer.header("content-range")?.strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

/// A file on its way, hashed as it grows.
#[derive(Debug)]
struct PartFile {
    path: PathBuf,
    file: File,
    len: u64,
    size: u64,
    sum: Sha256,
}

impl PartFile {
    /// What is there of a file of this size. More than that is nothing.
    fn open(path: PathBuf, size: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(&path)?;
        let len = file.metadata()?.len();
        let mut part = Self { path, file, len, size, sum: Sha256::new() };
        if part.len > size {
            part.clear()?;
        }
        Ok(part)
    }

    /// Takes a moment for each GiB.
    fn hash_what_is_there(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match self.file.read(&mut chunk)? {
                0 => return Ok(()),
                read => self.sum.update(&chunk[..read]),
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.sum.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Begins anew.
    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.len = 0;
        self.sum = Sha256::new();
        Ok(())
    }

    /// What is about to be done.
    fn intention(&self, repo: &str, name: &str, known: &KnownFile) -> String {
        let size = Bytes(known.size);
        match self.len {
            0 => format!("downloading {name} of {repo} ({size})"),
            there => {
                format!("downloading {name} of {repo} ({size}), {} of it is there", Bytes(there))
            }
        }
    }

    /// Puts it into the cache if it is what the hub says it is, else removes it.
    fn keep_as(self, blob: &PathBuf, known: &KnownFile) -> Result<(), String> {
        let stored = |error: io::Error| format!("{}: {error}", blob.display());
        let sum = Hex(&self.sum.finalize()).to_string();
        // Small files have another kind of hash, and no model is one.
        if known.hash.len() == sum.len() && known.hash != sum {
            fs::remove_file(&self.path).map_err(stored)?;
            return Err(format!(
                "what came is not what the hub says it is (SHA-256 {sum} instead of {}): it was removed, try \
                 again",
                known.hash
            ));
        }
        self.file.sync_all().map_err(stored)?;
        fs::rename(&self.path, blob).map_err(stored)
    }
}
