//! The engine of subrosa: the workflow language, the environment of steps, the resolution of
//! secrets, scheduling and execution, and the ports to providers and front ends.
//!
//! The pipeline is PARSE, DECODE, CHECK ([`validate`]; pure), RESOLVE ([`resolve`]), RUN ([`run`]).
//! Everything that leaves the process during a run passes a masked sink.

pub mod cache;
pub mod cancel;
mod check;
pub mod config;
pub mod diagnostic;
pub mod dotenv;
mod env;
pub mod event;
pub mod executor;
mod expand;
mod explain;
mod fields;
mod guard;
pub mod host;
pub mod kind;
mod late;
mod leaks;
mod load;
mod masks;
pub mod names;
mod outputs;
mod params;
pub mod provider;
pub mod record;
mod recorder;
pub mod remedy;
mod resolve;
mod run;
mod rundir;
mod scheduler;
mod schema;
mod scope;
pub mod secret;
mod select;
mod shell;
mod shelltext;
pub mod sink;
pub mod source;
mod spec;
mod step;
pub mod steplog;
mod structured;
mod substitute;
pub mod toml;
mod validate;
pub mod workflow;
pub mod yaml;

pub use explain::{Explained, Overridden, explain};
pub use late::{MASK_FILE, MaskFile, MaskFileError};
pub use load::{LoadError, load};
pub use resolve::{
    CheckDepth, CheckReport, CheckedSecret, EnvironmentChoice, Finding, FoundAt, Logins, ParamArg,
    ProbedProvider, Probing, ProviderKind, ProviderSummary, Purpose, ResolveFailure,
    ResolveOptions, Resolved, ResolvedSecret, Summary, check_secrets, probe_providers, resolve,
};
pub use run::{RunError, RunOptions, RunReport, record_unstarted, run};
pub use rundir::run_id;
pub use schema::schema;
pub use validate::{CODES, Code, Validation, validate};
