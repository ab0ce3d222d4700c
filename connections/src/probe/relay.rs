//! A way for the drivers of databases to an address that was looked at.
//!
//! A driver resolves a host's name by itself, and checks the certificate against that name. So that it
//! connects to what was looked at, it is given a local socket instead, which leads there: it still checks the
//! name. The socket has no place in the file system, is there for one connection, and is of this process only.

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use subrosa_http::Reach;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};

use super::Outcome;
use super::socket::Place;

/// A local socket that leads to a server.
pub(super) struct Relay {
    name: PathBuf,
    listener: UnixListener,
    server: TcpStream,
}

impl Relay {
    /// Connects to the server. The socket is called as the driver makes its name of what [`Relay::name`] gives.
    pub(super) async fn open(
        place: &Place,
        reach: &Reach,
        called: impl FnOnce(&Path) -> PathBuf,
    ) -> Result<Relay, Outcome> {
        let server = reach.connect(place.host(), place.port()).await;
        let server = server.map_err(|error| place.failed(&error))?;
        let local = |error: io::Error| Outcome::unexpected(format!("no local socket: {error}"));
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| local(io::Error::other(error)))?;
        // The first byte says that it has no place in the file system.
        let name = PathBuf::from(format!("\0subrosa-{}", HEXLOWER.encode(&bytes)));
        let listener = UnixListener::bind(called(&name)).map_err(local)?;
        Ok(Relay { name, listener, server })
    }

    /// What the driver is to be given.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// Carries bytes both ways until an end closes; never ends without that.
    pub(super) async fn carry(mut self) {
        let us = rustix::process::geteuid().as_raw();
        while let Ok((mut stream, _)) = self.listener.accept().await {
            if stream.peer_cred().is_ok_and(|peer| peer.uid() == us) {
                drop(self.listener);
                // However it ends, the driver says what that means.
                copy_bidirectional(&mut stream, &mut self.server).await.ok();
                break;
            }
        }
        std::future::pending().await
    }
}
