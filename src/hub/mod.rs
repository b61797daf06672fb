//! Models from the Hugging Face hub: `-hf user/model:quant` becomes a file in the cache that all tools of
//! the hub share.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`Hub`], and the way from a [`Wanted`] model to one [`Found`] |
//! | `token.rs` | the access token, which nothing prints |
//! | `pick.rs` | which files of a repository: llama-bench's rules |
//! | `cache.rs` | where files are kept, and what is there |
//! | `call.rs` | one request: redirects, who gets the token, what can go wrong |
//! | `fetch.rs` | a file: taken up where it broke off, checked, put into the cache |
//! | `watch.rs` | all of it beside the signals |
//! | `show.rs` | what a person sees of it |
//!
//! The layout of the cache is the `hf-hub` crate's. Its client is not used: version 0.5 hands the token to
//! the host that it is redirected to, checks no hashes and waits for a silent server without end; version
//! 1.0 begins every download anew.

mod cache;
mod call;
mod fetch;
mod pick;
mod show;
#[cfg(test)]
mod tests;
mod token;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use show::Shown;
pub use token::AccessToken;

use crate::error::Error;
use cache::{HubCache, Shelf};
use call::{Caller, NoAnswer};

/// A model as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The repository, `user/model`.
    pub repo: String,
    /// The quantization, as it is found in names of files.
    pub quant: Option<String>,
    /// A file of the repository; it goes before the quantization.
    pub file: Option<String>,
}

impl Wanted {
    /// Reads `user/model[:quant]`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence that names the flag.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (repo, quant) =
            text.split_once(':').map_or((text, None), |(repo, quant)| (repo, Some(quant)));
        // Letters and digits on both sides of each mark, so that no name leads out of the cache.
        let word = |part: &str| {
            part.split(['.', '-']).all(|word| {
                !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            })
        };
        let named = repo.split_once('/').is_some_and(|(user, model)| word(user) && word(model));
        let plain = |quant: &str| {
            !quant.is_empty()
                && quant.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        };
        if !named || !quant.is_none_or(plain) {
            return Err(Error::Usage(format!(
                "-hf '{text}': this is no repository: one looks like <user>/<model> or <user>/<model>:<quant>"
            )));
        }
        Ok(Self { repo: repo.into(), quant: quant.map(str::to_string), file: None })
    }

    /// The model is not to be had.
    fn refuse(&self, reason: impl std::fmt::Display) -> Error {
        let quant = self.quant.as_ref().map_or_else(String::new, |quant| format!(":{quant}"));
        Error::Usage(format!("-hf {}{quant}: {reason}", self.repo))
    }
}

/// A model in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file to load; the first part of a split model.
    pub path: PathBuf,
    /// Where it is from: `hf:user/model:file@commit`.
    pub source: String,
}

/// Something that happens on the way to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// What the user should know.
    Told(String),
    /// A download begins, or goes on.
    Begins {
        /// The file.
        name: String,
        /// Bytes that are there.
        done: u64,
        /// Its size in bytes.
        total: u64,
    },
    /// So many bytes are there.
    At(u64),
    /// The download is over.
    Ends,
}

/// Who hears of steps.
type Hear<'a> = &'a mut dyn FnMut(Step);

/// The hub as one run sees it.
#[derive(Debug)]
pub struct Hub {
    cache: HubCache,
    /// `None` where only the cache is asked.
    caller: Option<Caller>,
}

/// The hub, where `HF_ENDPOINT` names no other.
const ENDPOINT: &str = "https://huggingface.co";

/// How long a server may be silent, where `HF_HUB_DOWNLOAD_TIMEOUT` does not say.
const PATIENCE: Duration = Duration::from_secs(30);

impl Hub {
    /// The user's: `HF_ENDPOINT`, the cache that `HF_HOME` and its like name, and this token, or else the one
    /// of the environment. `offline`, or `HF_HUB_OFFLINE`, for the cache alone.
    ///
    /// # Errors
    /// When a variable cannot be used.
    pub fn of_user(token: Option<AccessToken>, offline: bool) -> Result<Self, Error> {
        let cache = HubCache::of_user()?;
        let no = ["", "0", "false", "no", "off"];
        let variable = variable("HF_HUB_OFFLINE").unwrap_or_default().to_lowercase();
        if offline || !no.contains(&variable.as_str()) {
            return Ok(Self { cache, caller: None });
        }
        let token = AccessToken::of_user(token)?;
        let endpoint = self::variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into());
        Ok(Self { cache, caller: Some(Caller::new(&endpoint, token, patience()?)?) })
    }

    /// Finds a model in the cache, or brings it there.
    fn get(&self, wanted: &Wanted, hear: Hear<'_>) -> Result<Found, Error> {
        let there = self.cache.shelf(&wanted.repo);
        let Some(caller) = &self.caller else {
            return kept(&there, wanted, "offline");
        };
        let listing = match caller.listing(&wanted.repo, hear) {
            Ok(listing) => listing,
            Err(trouble) if trouble.may_pass() => {
                let reason = trouble.words(caller, &wanted.repo);
                // What cannot be had anew is as good as it was.
                let found = kept(&there, wanted, &reason)?;
                hear(Step::Told(format!("-hf {}: {reason}: this is the cache's", wanted.repo)));
                return Ok(found);
            }
            Err(trouble) => return Err(wanted.refuse(trouble.words(caller, &wanted.repo))),
        };
        let files = pick::files(&listing.files(), wanted).map_err(|why| wanted.refuse(why))?;
        let mut paths = Vec::new();
        for name in &files {
            let path = match there.file(&listing.sha, name) {
                Some(path) => path,
                None => fetch::fetch(caller, &there, (&wanted.repo, &listing.sha, name), hear)
                    .map_err(|why| wanted.refuse(format!("{name}: {why}")))?,
            };
            paths.push(path);
        }
        there.point_at(&listing.sha).map_err(|error| wanted.refuse(error))?;
        Ok(found(wanted, &files, &paths, &listing.sha))
    }
}

/// A model as the cache has it.
fn kept(shelf: &Shelf, wanted: &Wanted, why: &str) -> Result<Found, Error> {
    let nothing = || {
        let folder = shelf.folder().display();
        wanted.refuse(format!("{why}, and there is nothing of it in {folder}"))
    };
    let commit = shelf.commit().ok_or_else(nothing)?;
    let names = shelf.files(&commit);
    let files = pick::files(&names, wanted)
        .map_err(|reason| wanted.refuse(format!("{why}, and in the cache {reason}")))?;
    let paths: Option<Vec<_>> = files.iter().map(|name| shelf.file(&commit, name)).collect();
    Ok(found(wanted, &files, &paths.ok_or_else(nothing)?, &commit))
}

/// What is loaded is the first part.
fn found(wanted: &Wanted, files: &[String], paths: &[PathBuf], commit: &str) -> Found {
    let first = |texts: &[String]| texts.first().cloned().unwrap_or_default();
    Found {
        path: paths.first().cloned().unwrap_or_default(),
        source: format!("hf:{}:{}@{commit}", wanted.repo, first(files)),
    }
}

/// What a repository has, as the hub lists it.
#[derive(Debug, Deserialize)]
struct Listing {
    /// The commit that the main branch is at.
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Listing {
    /// The names that stay within a folder.
    fn files(&self) -> Vec<String> {
        let names = self.siblings.iter().map(|sibling| sibling.rfilename.clone());
        names.filter(|name| cache::stays_inside(name)).collect()
    }
}

impl Caller {
    /// Asks what a repository has.
    fn listing(&self, repo: &str, hear: Hear<'_>) -> Result<Listing, NoAnswer> {
        let path = format!("api/models/{repo}/revision/main");
        let text = self.with_patience(repo, hear, |caller| caller.text(&path))?;
        let listing: Listing = serde_json::from_str(&text)
            .map_err(|_| NoAnswer::Strange("no list of files".into()))?;
        if !cache::is_commit(&listing.sha) {
            return Err(NoAnswer::Strange("a list of files without a commit".into()));
        }
        Ok(listing)
    }
}

/// A variable of the environment that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.trim().is_empty())
}

/// How long a server may be silent.
fn patience() -> Result<Duration, Error> {
    let name = "HF_HUB_DOWNLOAD_TIMEOUT";
    let Some(text) = variable(name) else { return Ok(PATIENCE) };
    let seconds = text.trim().parse::<u32>().ok().filter(|seconds| *seconds > 0);
    let wrong = || Error::Usage(format!("{name}={text}: this is no number of seconds"));
    Ok(Duration::from_secs(seconds.ok_or_else(wrong)?.into()))
}
