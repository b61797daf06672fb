//! Folders of the user's, by the XDG base directory specification.

use std::path::PathBuf;

/// A folder of the user's: what the variable says, or else this one under the home folder. `None` where neither
/// is an absolute path.
pub fn user_folder(variable: &str, under_home: &str) -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(under_home)))
}
