//! The types of connections, how requests are authenticated with them, and how they are tried.

mod declarations;
mod shipped;
