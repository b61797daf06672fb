//! Flags of models on the Hugging Face hub.

use clap::Args;

use crate::error::Error;
use crate::hub::{AccessToken, Wanted};

/// Models on the Hugging Face hub. Nothing here prints the token.
#[derive(Debug, Default, Args)]
#[allow(clippy::doc_markdown)] // these are printed as they are
pub struct HubArgs {
    /// [-hf, -hfr] Model on the Hugging Face hub; without :QUANT it is Q4_K_M, else Q8_0, else the first one
    #[arg(long, value_name = "USER/MODEL[:QUANT]", help_heading = "Model")]
    hf_repo: Vec<String>,
    /// [-hff] File of the --hf-repo at the same place in its list; it goes before QUANT
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    hf_file: Vec<String>,
    /// [-hft] Access token for the hub [default: HF_TOKEN, or what `hf auth login` left behind]
    #[arg(long, value_name = "TOKEN", help_heading = "Model")]
    hf_token: Option<AccessToken>,
    /// Take models of the hub from the cache alone
    #[arg(long, help_heading = "Model")]
    pub offline: bool,
}

impl HubArgs {
    /// The models that were asked for, in order.
    ///
    /// # Errors
    /// A repository that is none, or a file without one.
    pub fn wanted(&self) -> Result<Vec<Wanted>, Error> {
        let list = |given: &[String]| -> Vec<String> {
            given.iter().flat_map(|text| text.split(',')).map(str::to_string).collect()
        };
        let (repos, files) = (list(&self.hf_repo), list(&self.hf_file));
        if let Some(file) = files.get(repos.len()) {
            let text =
                format!("-hff {file}: there is no -hf at this place that it could be a file of");
            return Err(Error::Usage(text));
        }
        let file = |at: usize| files.get(at).filter(|file| !file.is_empty()).cloned();
        let wanted = repos.iter().enumerate();
        wanted.map(|(at, repo)| Ok(Wanted { file: file(at), ..Wanted::parse(repo)? })).collect()
    }

    /// The token that was given, if any.
    pub fn token(&self) -> Option<AccessToken> {
        self.hf_token.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::cli::BenchArgs;

    fn parse(line: &str) -> BenchArgs {
        BenchArgs::parse(line.split(' ').map(OsString::from)).unwrap()
    }

    #[test]
    fn files_belong_to_the_repository_at_the_same_place() {
        let hub = parse("lbench -hf a/b:Q8_0,c/d -hfr e/f -hff ,x.gguf").hub;
        let wanted = hub.wanted().unwrap();
        let all: Vec<_> =
            wanted.iter().map(|w| (&*w.repo, w.quant.as_deref(), w.file.as_deref())).collect();
        assert_eq!(
            all,
            [("a/b", Some("Q8_0"), None), ("c/d", None, Some("x.gguf")), ("e/f", None, None)]
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |line: &str| parse(line).hub.wanted().unwrap_err().to_string();
        let messages = [
            "lbench -hf model",
            "lbench -hf a/b/c",
            "lbench -hf a/b:",
            "lbench -hf a/../b",
            "lbench -hf a/b,",
            "lbench -hff x.gguf",
            "lbench -hf a/b -hff x.gguf,y.gguf",
        ]
        .map(|line| format!("{line}\n    {}", wrong(line)));
        insta::assert_snapshot!(messages.join("\n"));
    }

    #[test]
    fn the_token_is_in_nothing_that_is_kept_or_printed() {
        for flag in ["-hft SECRET", "-hft=SECRET", "--hf-token SECRET", "--hf_token=SECRET"] {
            let line = format!("lbench -hf a/b {flag} -p 64");
            let args = parse(&line);
            assert!(!format!("{args:?}").contains("SECRET"));
            let token = args.hub.token().unwrap();
            assert!(!format!("{token} {token:?}").contains("SECRET"));
        }
    }

    #[test]
    fn no_mistake_on_the_command_line_prints_the_token() {
        for line in [
            "lbench -hft SECRET --nonsense",
            "lbench -hft SECRET -hft SECRET",
            "lbench --hf-tokn SECRET",
            "lbench --hf-tokn=SECRET",
            "lbench -hft",
            "lbench -hftSECRET",
        ] {
            let error = BenchArgs::parse(line.split(' ').map(OsString::from)).unwrap_err();
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
