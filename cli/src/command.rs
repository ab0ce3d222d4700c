//! The commands: a file for each.

pub(crate) mod ai_key;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod connection;
pub(crate) mod doctor;
pub(crate) mod dry;
pub(crate) mod environment;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod logs;
pub(crate) mod mask;
pub(crate) mod pages;
pub(crate) mod providers;
pub(crate) mod restore;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod scan;
pub(crate) mod secret;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod surplus;
pub(crate) mod validate;
