//! lbench: a benchmark for quantized GGUF models on llama.cpp. One binary in two roles: a **parent** that
//! plans, watches, records and reports and never initialises the engine, and a **worker**, the same
//! binary re-executed, that owns llama.cpp and the clock. A measuring instrument that dies with what it
//! measures cannot be trusted.
//!
//! The rooms, in reading order:
//!
//! | room | what it holds |
//! |---|---|
//! | [`job`] | the nouns: `Config`, `Work`, `Job`, `Model` |
//! | [`record`] | what happened: `Sample`, `Reading`, `Outcome`, `Record` |
//! | [`units`] | quantities that print themselves |
//! | [`cli`] | flags as typed, the value grammar, llama-bench's spellings |
//! | [`config`] | defaults from a file, the environment and presets, for the parser of [`cli`] |
//! | [`gguf`] | reading headers, writing synthetic models: pure bytes |
//! | [`hub`] | models of the Hugging Face hub: from `-hf` to a file in the cache |
//! | [`models`] | from what `-m` and `-hf` say to a model whose header is known |
//! | [`prompts`] | prompts from a file |
//! | [`plan`] | axes as data; sweep to plan: expansion, ordering, collapsing. Pure |
//! | [`wire`] | what parent and worker say to each other |
//! | [`runner`] | the parent's loop: spawn, watch, end, record |
//! | [`telemetry`] | what is watched beside the clock |
//! | [`journal`] | everything that happened, on disk while it happens |
//! | [`worker`] | the child's side: the measurements, generic over a session |
//! | [`engine`] | llama.cpp, and a scripted stand-in |
//! | [`stats`] | from samples to summaries. Pure |
//! | [`roofline`] | what a device can do at best, and what share of it a row reaches |
//! | [`cache`] | what was measured before on this machine |
//! | [`doctor`] | lbench and the machine, measured |
//! | [`report`] | records folded into rows; one small file per format |
//! | [`compare`] | two result files, row by row, with a verdict |
//! | [`progress`] | what a person sees while a sweep runs |
//! | [`app`] | the whole run, in one page |
//! | [`host`] | the machine: taken once, recorded once |
//! | [`facts`] | what is true of a whole run |
//! | [`version`] | what this build is |
//! | [`error`] | what ends a run early, and the exit codes |
//!
//! Data flows one way: `cli → plan → runner → journal → stats → report`.

pub mod app;
pub mod cache;
pub mod cli;
pub mod compare;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod facts;
pub mod gguf;
pub mod host;
pub mod hub;
pub mod job;
pub mod journal;
pub mod models;
pub mod plan;
pub mod progress;
pub mod prompts;
pub mod record;
pub mod report;
pub mod roofline;
pub mod runner;
pub mod stats;
pub mod telemetry;
pub mod units;
pub mod version;
pub mod wire;
pub mod worker;
