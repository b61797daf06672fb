//! The access token: known to requests to the hub and to nothing else.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::variable;
use crate::dirs::user_folder;
use crate::error::Error;

/// An access token of the hub. However it is printed, it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl FromStr for AccessToken {
    type Err = Infallible;

    /// Takes any text: an error here would have to show it.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().into()))
    }
}

impl AccessToken {
    /// The one that was given, or else that of `HF_TOKEN`, or else what `hf auth login` left behind. An empty
    /// one stands for none.
    ///
    /// # Errors
    /// When it has characters that no token has.
    pub(super) fn of_user(given: Option<Self>) -> Result<Option<Self>, Error> {
        let of_variable =
            |name: &'static str| variable(name).map(|text| (Self(text.trim().into()), name));
        let found = given
            .map(|token| (token, "--hf-token"))
            .or_else(|| of_variable("HF_TOKEN"))
            .or_else(|| of_variable("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| of_file().map(|token| (token, "the hub's token file")));
        let Some((token, from)) = found.filter(|(token, _)| !token.0.is_empty()) else {
            return Ok(None);
        };
        if !token.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Usage(format!(
                "{from}: there are characters in it that no token has"
            )));
        }
        Ok(Some(token))
    }

    /// What a request says.
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

/// What `hf auth login` left behind.
fn of_file() -> Option<AccessToken> {
    let path = match variable("HF_TOKEN_PATH") {
        Some(path) => PathBuf::from(path),
        None => home()?.join("token"),
    };
    std::fs::read_to_string(path).ok().map(|text| AccessToken(text.trim().into()))
}

/// The folder of the hub's tools.
pub(super) fn home() -> Option<PathBuf> {
    match variable("HF_HOME") {
        Some(folder) => Some(folder.into()),
        None => Some(user_folder("XDG_CACHE_HOME", ".cache")?.join("huggingface")),
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl fmt::Display for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
