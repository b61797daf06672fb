//! `lbench mock-server`: a scripted server to test clients against.

use std::time::Duration;

use clap::Args;

use super::out::{print, tell};
use crate::cli::quantities;
use crate::error::{Error, exit};
use crate::mock::{Misdeed, MockScript, MockServer, Quirk, misdeed};

/// In few words.
pub(super) const BRIEF: &str = "Serve replies at fixed times, to test clients";

/// Serve made-up replies at fixed times, with the API of llama.cpp's server, to test and calibrate clients.
#[derive(Debug, Args)]
pub struct MockServerArgs {
    /// Address to listen at
    #[arg(short = 'H', long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen at; 0 takes a free one, and the first line of the output says which
    #[arg(short, long, value_name = "PORT", default_value_t = 8080)]
    #[arg(value_parser = quantities::whole::<u16>(0..=65_535))]
    pub port: u16,
    /// Seconds from a slot to the first token
    #[arg(long, value_name = "S", default_value = "0.1", value_parser = quantities::seconds(0.0..=3600.0))]
    pub ttft: Duration,
    /// Seconds from a token to the next
    #[arg(long, value_name = "S", default_value = "0.01", value_parser = quantities::seconds(0.0..=3600.0))]
    pub itl: Duration,
    /// Requests that are worked on at a time; further ones wait
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = quantities::whole::<u32>(1..=65_536))]
    pub slots: u32,
    /// Tokens of a reply for which no number was asked
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = quantities::whole::<u32>(1..=1_000_000))]
    pub tokens: u32,
    /// Tokens after which a text ends by itself, unless the request forbids it [default: never]
    #[arg(long, value_name = "N", value_parser = quantities::whole::<u32>(0..=1_000_000))]
    pub ends_after: Option<u32>,
    /// Tokens in one event
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = quantities::whole::<u32>(1..=1_000_000))]
    pub bundle: u32,
    /// Manners: no-usage, no-timings, role-first, split-utf8, close
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = str::parse::<Quirk>)]
    pub quirk: Vec<Quirk>,
    /// Faults, of every request or of every N-th: refuse, cut, hang, 429, 500, rubbish, error-event
    #[arg(long, value_name = "NAME[:N],...", value_delimiter = ',', value_parser = misdeed)]
    pub fault: Vec<(Misdeed, u64)>,
}

/// Serves until it is told to end.
pub(super) fn main(args: &MockServerArgs) -> Result<u8, Error> {
    let script = MockScript {
        first: args.ttft,
        gap: args.itl,
        slots: args.slots as usize,
        tokens: args.tokens,
        ends_after: args.ends_after,
        bundle: args.bundle,
        quirks: args.quirk.clone(),
        misdeeds: args.fault.clone(),
    };
    let server = MockServer::start((&args.host, args.port), script).map_err(|error| {
        Error::Usage(format!("--host {} --port {}: {error}", args.host, args.port))
    })?;
    let address = server.address();
    if !address.ip().is_loopback() {
        tell(&format!("whoever reaches {address} can use this server"));
    }
    print(|out| writeln!(out, "listening at http://{address}"))?;
    server.wait();
    Ok(exit::OK)
}
