//! The cache that all tools of the hub share: `models--user--model` with `refs`, `snapshots` and `blobs`.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use hf_hub::{CacheRepo, Repo};
use rustix::fs::{FlockOperation, flock};

use super::{token, variable};
use crate::error::Error;

/// The folder of all repositories.
#[derive(Debug)]
pub(super) struct HubCache(hf_hub::Cache);

impl HubCache {
    /// The user's, by the variables that name it; llama.cpp's own goes first, as it does there.
    pub(super) fn of_user() -> Result<Self, Error> {
        let named = ["LLAMA_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"];
        let named = named.into_iter().find_map(variable).map(PathBuf::from);
        let folder = named.or_else(|| Some(token::home()?.join("hub"))).ok_or_else(|| {
            Error::Usage("-hf: there is no home folder for the cache: set HF_HOME".into())
        })?;
        Ok(Self(hf_hub::Cache::new(folder)))
    }

    /// One in a folder of its own.
    #[cfg(test)]
    pub(super) fn at(folder: &Path) -> Self {
        Self(hf_hub::Cache::new(folder.into()))
    }

    /// What there is of a repository.
    pub(super) fn shelf(&self, repo: &str) -> Shelf {
        let repo = Repo::model(repo.into());
        let (root, name) = (self.0.path(), repo.folder_name());
        let (folder, locks) = (root.join(&name), root.join(".locks").join(&name));
        Shelf { folder, locks, layout: self.0.repo(repo) }
    }
}

/// One repository in the cache.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: PathBuf,
    locks: PathBuf,
    layout: CacheRepo,
}

impl Shelf {
    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit that the main branch was at when it was last asked for.
    pub(super) fn commit(&self) -> Option<String> {
        let text = fs::read_to_string(self.folder.join("refs/main")).ok()?;
        Some(text.trim().to_string()).filter(|commit| is_commit(commit))
    }

    /// A file of a commit, where it is there.
    pub(super) fn file(&self, commit: &str, name: &str) -> Option<PathBuf> {
        Some(self.layout.pointer_path(commit).join(name)).filter(|path| path.is_file())
    }

    /// The names of all files of a commit that are there, in order.
    pub(super) fn files(&self, commit: &str) -> Vec<String> {
        let root = self.layout.pointer_path(commit);
        let (mut folders, mut names) = (vec![root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if path.is_file() {
                    let name = path.strip_prefix(&root).ok().and_then(Path::to_str);
                    names.extend(name.map(str::to_string));
                }
            }
        }
        names.sort();
        names
    }

    /// The contents of a file, under their hash.
    pub(super) fn blob(&self, hash: &str) -> PathBuf {
        self.folder.join("blobs").join(hash)
    }

    /// Sees to it that nobody else downloads the same, by the file that the hub's own tools lock. `None`
    /// where somebody does.
    pub(super) fn lock(&self, hash: &str) -> io::Result<Option<File>> {
        fs::create_dir_all(self.folder.join("blobs"))?;
        fs::create_dir_all(&self.locks)?;
        let file = File::create(self.locks.join(hash).with_extension("lock"))?;
        let taken = flock(&file, FlockOperation::NonBlockingLockExclusive)
            == Err(rustix::io::Errno::WOULDBLOCK);
        // Where the file system has no locks, there is nothing to be told about.
        Ok((!taken).then_some(file))
    }

    /// Gives contents their name in a commit.
    pub(super) fn name(&self, hash: &str, commit: &str, name: &str) -> io::Result<PathBuf> {
        let path = self.layout.pointer_path(commit).join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        if path.is_symlink() {
            // It leads nowhere, or it would have been found.
            fs::remove_file(&path)?;
        }
        // Up from the file's folder, the commit's and the one of all commits.
        let up: PathBuf =
            std::iter::repeat_n("..", Path::new(name).components().count() + 1).collect();
        if link(&up.join("blobs").join(hash), &path).is_err() {
            // A file system without links has the contents themselves.
            fs::rename(self.blob(hash), &path)?;
        }
        Ok(path)
    }

    /// Notes that the main branch is at this commit.
    pub(super) fn point_at(&self, commit: &str) -> io::Result<()> {
        if self.commit().as_deref() == Some(commit) {
            Ok(())
        } else {
            self.layout.create_ref(commit)
        }
    }
}

#[cfg(unix)]
fn link(to: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, path)
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether this is the name of a commit.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a path of a repository stays in the folder that it is put into.
pub(super) fn stays_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}
