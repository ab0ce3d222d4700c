//! A server of the built program with things in it, somebody who is signed in, and what there is to visit.
//!
//! What is found here by following links and by the description of the API is what the tests of the whole
//! are about: a page that is linked to and a route that is described are covered without a line.

pub(crate) mod answer;
pub(crate) mod map;
pub(crate) mod server;

pub(crate) use answer::Answer;
pub(crate) use map::{operations, pages};
pub(crate) use server::{CANARIES, Server, XSS};
