//! What a scripted server does: its times, its manners, and its faults.

use std::str::FromStr;
use std::time::Duration;

/// Everything that a scripted server is told.
#[derive(Debug, Clone, PartialEq)]
pub struct MockScript {
    /// From the moment a slot takes a request to its first token.
    pub first: Duration,
    /// From a token to the next.
    pub gap: Duration,
    /// Requests that are worked on at a time; further ones wait in the order in which they came.
    pub slots: usize,
    /// Tokens of a reply for which no number was asked.
    pub tokens: u32,
    /// Tokens after which the text ends by itself, unless the request says `ignore_eos` or a larger `min_tokens`.
    pub ends_after: Option<u32>,
    /// Tokens in one event.
    pub bundle: u32,
    /// Manners that real servers have.
    pub quirks: Vec<Quirk>,
    /// Faults, each for every how manieth request; the first that is due is done.
    pub misdeeds: Vec<(Misdeed, u64)>,
}

impl Default for MockScript {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            gap: Duration::from_millis(10),
            slots: 4,
            tokens: 16,
            ends_after: None,
            bundle: 1,
            quirks: Vec::new(),
            misdeeds: Vec::new(),
        }
    }
}

impl MockScript {
    pub(super) fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// Whether a fault is due at the n-th, counted from 1.
    pub(super) fn misdeed(&self, misdeed: Misdeed, nth: u64) -> bool {
        self.misdeeds.iter().any(|(m, every)| *m == misdeed && nth.is_multiple_of(*every))
    }

    /// What is wrong with the n-th request, counted from 1.
    pub(super) fn due(&self, nth: u64) -> Option<Misdeed> {
        let due =
            |(m, every): &&(Misdeed, u64)| *m != Misdeed::Refuse && nth.is_multiple_of(*every);
        self.misdeeds.iter().find(due).map(|(misdeed, _)| *misdeed)
    }
}

/// Lists words and the variants they stand for, with what each does.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal: $($variant:ident = $word:literal, $says:literal;)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = $says] $variant,)*
        }

        impl $name {
            /// Every word, in order.
            pub const WORDS: &[&str] = &[$($word,)*];
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!(concat!($what, " is one of {}"), Self::WORDS.join(", "))),
                }
            }
        }
    };
}

words! {
    /// A manner that real servers have and that clients trip over.
    Quirk, "a manner":
    NoUsage = "no-usage", "Says nothing of how many tokens there were.";
    NoTimings = "no-timings", "Has no `timings`, asked for or not.";
    RoleFirst = "role-first", "Sends the chunk with the role of a chat at once, long before the first token.";
    SplitUtf8 = "split-utf8", "Tokens are no ASCII, and a character of each event comes in two pieces.";
    Close = "close", "Closes the connection after every stream and announces that it stays, as llama-server does.";
}

words! {
    /// A fault.
    Misdeed, "a fault":
    Refuse = "refuse", "Ends every n-th connection before it reads from it.";
    Cut = "cut", "Ends the connection after half of the tokens, or before the reply if it is no stream.";
    Hang = "hang", "Says nothing more after half of the tokens, or nothing at all if it is no stream.";
    Busy = "429", "Status 429 with `Retry-After: 1`.";
    Broken = "500", "Status 500 with an error in JSON.";
    Rubbish = "rubbish", "Status 200, and a body that is neither JSON nor events.";
    Event = "error-event", "Status 200, half of the tokens, then an event with an error.";
}

/// Reads a fault and how often: `cut`, `429:10` for every tenth.
///
/// # Errors
/// What is wrong with the words, in one line.
pub fn misdeed(text: &str) -> Result<(Misdeed, u64), String> {
    let (word, every) = text.split_once(':').unwrap_or((text, "1"));
    let every = every.parse().ok().filter(|n| *n > 0);
    let every = every.ok_or("after the colon comes for every how manieth request: 429:10")?;
    Ok((word.parse()?, every))
}
