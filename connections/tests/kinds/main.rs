//! The types of connections, how requests are authenticated with them, and how they are tried.

mod apply;
mod declarations;
mod shipped;
mod stage;
