//! Flags of `lbench rpc-server`.

use std::path::PathBuf;

use clap::Args;

/// Flags of `lbench rpc-server`.
#[derive(Debug, Args)]
pub struct RpcServerArgs {
    /// Address to listen at
    #[arg(short = 'H', long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen at
    #[arg(short, long, value_name = "PORT", default_value_t = 50052)]
    #[arg(value_parser = super::quantities::whole::<u16>(1..=65_535))]
    pub port: u16,
    /// Devices to serve [default: all GPUs, or else the CPU]
    #[arg(short, long, value_name = "NAME,...", value_delimiter = ',')]
    pub device: Vec<String>,
    /// CPU threads [default: the number of physical cores]
    #[arg(short, long, value_name = "N", value_parser = super::quantities::whole::<u32>(1..=512))]
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
