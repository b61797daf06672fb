//! lbench: a benchmark for quantized GGUF models on llama.cpp. One binary in two roles: a **parent** that
//! plans, watches, records and reports and never initialises the engine, and a **worker**, the same
//! binary re-executed, that owns llama.cpp and the clock. A measuring instrument that dies with what it
//! measures cannot be trusted.
//!
//! The rooms, from the ground up; a room knows only rooms on lower floors (`tests/architecture.rs`):
//!
//! | floor | room | what it holds |
//! |---|---|---|
//! | 1 | [`units`] | quantities that print themselves |
//! | | [`dirs`] | folders of the user's |
//! | | [`document`] | tables, sentences and notes as data, and the formats that write them. Pure |
//! | | [`encoding`] | text files that people hand over, in UTF-8 or UTF-16 |
//! | | [`near`] | what was probably meant by a word that nobody knows |
//! | | [`error`] | what ends a run early, and the exit codes |
//! | 2 | [`terminal`] | what goes to people: standard error, and text made harmless |
//! | | [`plot`] | plots of characters. Pure |
//! | 3 | [`stats`] | statistics of numbers. Pure |
//! | | [`gguf`] | reading headers, writing synthetic models: pure bytes |
//! | | [`machine`] | the machine, its devices, and this build |
//! | | [`mock`] | a scripted server, to test clients of servers against |
//! | | [`hub`] | models of the Hugging Face hub: from `-hf` to a file in the cache |
//! | 4 | [`setup`] | what is configured: a kind of thing to measure, and its settings |
//! | | [`work`] | what is measured, and what a measurement is made of |
//! | 5 | [`axis`] | the axes of a sweep, as one table |
//! | | [`models`] | from what `-m` and `-hf` say to a model whose header is known; prompts |
//! | 6 | [`job`] | a setup and a work with an identity |
//! | 7 | [`plan`] | from a sweep to jobs in order: expansion, collapsing. Pure |
//! | | [`record`] | what happened: `Reading`, `Outcome`, `Record` |
//! | 8 | [`wire`] | what parent and worker say to each other |
//! | | [`telemetry`] | what is watched beside the clock |
//! | | [`roofline`] | what a device can do at best, and what share of it a row reaches |
//! | | [`engine`] | llama.cpp, and a scripted stand-in |
//! | | [`ledger`] | what the visits of a run say of each job, and how well it is known |
//! | 9 | [`journal`] | everything that happened, on disk while it happens |
//! | | [`progress`] | what a person sees while a sweep runs |
//! | 10 | [`report`] | records folded into rows; one small file per format |
//! | | [`runner`] | the parent's loop: spawn, watch, end, record |
//! | | [`worker`] | the child's side: the measurements, generic over a session |
//! | 11 | [`compare`] | two result files, row by row, with a verdict |
//! | 12 | [`history`] | the runs that are there: an index of their journals, tags, series |
//! | | [`cli`] | flags of a sweep as typed, their values, and defaults from files and the environment |
//! | 13 | [`app`] | the commands: each a file with its arguments and its deed |
//!
//! Data flows one way: `cli → plan → runner → journal → report`.

pub mod app;
pub mod axis;
pub mod cli;
pub mod compare;
pub mod dirs;
pub mod document;
pub mod encoding;
pub mod engine;
pub mod error;
pub mod gguf;
pub mod history;
pub mod hub;
pub mod job;
pub mod journal;
pub mod ledger;
pub mod machine;
pub mod mock;
pub mod models;
pub mod near;
pub mod plan;
pub mod plot;
pub mod progress;
pub mod record;
pub mod report;
pub mod roofline;
pub mod runner;
pub mod setup;
pub mod stats;
pub mod telemetry;
pub mod terminal;
pub mod units;
pub mod wire;
pub mod work;
pub mod worker;
