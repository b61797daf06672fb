//! `lbench rpc-server`: llama.cpp's own server, in this process.

use std::path::PathBuf;

use clap::Args;

use crate::cli::quantities;
use crate::error::Error;

/// In few words.
pub(super) const BRIEF: &str = "Serve this machine's devices to others";

/// Serve this machine's devices to llama.cpp's RPC on another, for trusted networks only.
#[derive(Debug, Args)]
pub struct RpcServerArgs {
    /// Address to listen at
    #[arg(short = 'H', long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen at
    #[arg(short, long, value_name = "PORT", default_value_t = 50052)]
    #[arg(value_parser = quantities::whole::<u16>(1..=65_535))]
    pub port: u16,
    /// Devices to serve [default: all GPUs, or else the CPU]
    #[arg(short, long, value_name = "NAME,...", value_delimiter = ',')]
    pub device: Vec<String>,
    /// CPU threads [default: the number of physical cores]
    #[arg(short, long, value_name = "N", value_parser = quantities::whole::<u32>(1..=512))]
    pub threads: Option<u32>,
    /// Folder in which weights are kept for the next run
    #[arg(short, long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Copy the engine's log to standard error
    #[arg(short, long)]
    pub verbose: bool,
    /// Folder of the engine's backend modules, where the build has any [default: backends, beside lbench]
    #[arg(long, value_name = "DIR", env = "LBENCH_BACKENDS")]
    pub backend_dir: Option<PathBuf>,
}

/// Serves until it is told to end.
#[cfg(feature = "llama")]
pub(super) fn main(args: &RpcServerArgs) -> Result<u8, Error> {
    use crate::engine::llama::{LlamaEngine, rpc};
    use crate::setup::Process;

    if args.host != "127.0.0.1" && args.host != "localhost" {
        super::out::tell(&format!(
            "whoever reaches {}:{} can use this machine's devices and crash this server: the protocol has \
             no authentication and no encryption, and is for trusted networks only",
            args.host, args.port
        ));
    }
    let endpoint = format!("{}:{}", args.host, args.port);
    end_on_signals()?;
    let broken = |e: crate::engine::EngineError| Error::Worker(e.to_string());
    let _engine = LlamaEngine::new(args.verbose, args.backend_dir.as_deref(), Process::default())
        .map_err(broken)?;
    let cores = sysinfo::System::physical_core_count().unwrap_or(1);
    let threads = args.threads.unwrap_or_else(|| u32::try_from(cores).unwrap_or(1));
    if let Some(cache) = &args.cache {
        std::fs::create_dir_all(cache)
            .map_err(|e| Error::Usage(format!("--cache {}: {e}", cache.display())))?;
    }
    let Err(stopped) = rpc::serve(&endpoint, args.cache.as_deref(), threads, &args.device);
    // The engine does not say why it cannot listen; trying it tells.
    Err(match std::net::TcpListener::bind(&endpoint) {
        Err(error) => Error::Usage(format!("rpc-server --host --port {endpoint}: {error}")),
        Ok(_) => Error::Usage(format!("rpc-server: {stopped}")),
    })
}

/// The engine's loop has no end: a signal is one, and nothing is lost with it.
#[cfg(feature = "llama")]
fn end_on_signals() -> Result<(), Error> {
    use crate::error::exit;

    let signals = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];
    let mut signals = signal_hook::iterator::Signals::new(signals)
        .map_err(|e| Error::Worker(format!("signal handlers: {e}")))?;
    let hear = move || {
        if signals.forever().next().is_some() {
            super::out::tell("the RPC server ends");
            // No destructor may run while another thread is inside the engine.
            signal_hook::low_level::exit(exit::OK.into());
        }
    };
    std::thread::Builder::new().spawn(hear).map(drop).map_err(Error::Thread)
}

/// There is no engine in this build.
#[cfg(not(feature = "llama"))]
pub(super) fn main(_: &RpcServerArgs) -> Result<u8, Error> {
    Err(Error::Usage("rpc-server: this lbench was built without llama.cpp".into()))
}
