//! Runs that a server starts: acknowledged once recorded, steered, stopped, and found again whatever is killed.

mod runner;
