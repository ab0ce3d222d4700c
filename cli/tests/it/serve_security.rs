//! `serve` as ill-meaning callers meet it: other sites, other people's links, strange names and texts.

mod forgery;
mod leaks;
mod markup;
mod paths;
mod refusals;
mod session;
mod target;
