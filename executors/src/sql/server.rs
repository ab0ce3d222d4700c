//! Steps that speak to a server: whose sessions they share, and how they end.

use std::sync::Arc;

use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::sink::StepIo;

use super::endpoint::{Endpoint, Flavor};
use super::fault::{Refusal, guarded, meaning};
use super::pool::{Lease, Pool, Session};
use super::statement::Dialect;
use super::wanted::{Isolation, Wanted, plain};
use super::{Ended, Named, too_late, work};
use crate::clients::{Clients, Identity};
use crate::lender::{Credential, Lender};

/// A kind of server.
pub(super) struct Server<L> {
    pub(super) flavor: &'static Flavor,
    pub(super) dialect: Dialect,
    pub(super) login: fn(&Endpoint) -> Result<L, StepFault>,
    pub(super) refusal: Refusal,
    pub(super) begin: fn(&Isolation) -> Vec<String>,
}

/// Carries out steps at servers of one kind.
pub(super) struct ServerSteps<S: Session> {
    server: Server<S::Login>,
    lender: Arc<Lender>,
    clients: Clients<Pool<S>>,
}

/// Where a step goes, and with what.
struct Way<L> {
    login: L,
    /// The server, as it is shown.
    place: String,
    identity: (Identity, Identity),
    /// What stands in the record.
    client: String,
}

impl<S: Session> ServerSteps<S> {
    pub(super) fn new(server: Server<S::Login>, lender: Arc<Lender>) -> ServerSteps<S> {
        ServerSteps { server, lender, clients: Clients::default() }
    }

    /// Carries out an attempt.
    pub(super) async fn run(
        &self,
        request: &StepRequest,
        io: &mut StepIo,
    ) -> Result<ExitHow, StepFault> {
        let wanted = Wanted::read(self.server.dialect, &request.input)?;
        let prepared = async {
            let way = self.way(request, &wanted).await?;
            let (pool, lease) = self.lease(request, &wanted, &way).await?;
            Ok::<_, StepFault>((way, pool, lease))
        };
        let (way, pool, mut lease) = tokio::select! {
            how = request.timing.over() => return Ok(how),
            prepared = prepared => prepared?,
        };
        let named =
            Named { place: &way.place, refusal: self.server.refusal, begin: self.server.begin };
        match work(&mut lease.session, (request, &wanted), &named, io).await {
            Ended::Done => {
                pool.give_back(lease, &wanted.statement).await;
                Ok(ExitHow::Code(0))
            }
            Ended::Refused(fault) => {
                pool.give_back(lease, &wanted.statement).await;
                Err(fault)
            }
            Ended::Broken(fault) => Err(fault),
            Ended::Undone(fault) => {
                lease.cancel(&way.login).await;
                Err(fault)
            }
            Ended::Cut(how) => {
                lease.cancel(&way.login).await;
                Ok(how)
            }
            Ended::Late(seconds) => {
                lease.cancel(&way.login).await;
                Err(too_late(&way.place, seconds))
            }
        }
    }

    /// Opens the credential of a step.
    async fn way(
        &self,
        request: &StepRequest,
        wanted: &Wanted,
    ) -> Result<Way<S::Login>, StepFault> {
        let name = request.connection.as_deref();
        let looked = self.lender.look(request, &self.clients).await?;
        let (identity, version) = looked.identity(name);
        let flavor = self.server.flavor;
        let (endpoint, identity, whose) = match self.lender.open(request, looked).await? {
            Credential::Connection(opened) => {
                let database = request.input.text("database");
                let database = database.map(|text| plain(text, "database")).transpose()?;
                let database = database.as_ref().map(|text| text.as_str());
                let endpoint = Endpoint::of_connection(flavor, &opened, database)?;
                let whose = format!(", connection {}", name.unwrap_or_default());
                (endpoint, identity, whose)
            }
            Credential::Nothing => {
                let endpoint = Endpoint::of_dsn(flavor, request)?;
                let identity = of_dsn(&endpoint, identity)?;
                (endpoint, identity, String::new())
            }
            Credential::Http(_) => {
                return Err(StepFault::new("a file of credentials for HTTP")
                    .help(format!("name a connection of type `{}`", flavor.name)));
            }
        };
        let place = endpoint.place.shown();
        let sessions = wanted.sessions_max.to_le_bytes();
        let identity = identity.and([endpoint.database.as_bytes(), &sessions]);
        let client = format!("{} {}{whose}", flavor.name, place.trim_matches('`'));
        Ok(Way {
            login: (self.server.login)(&endpoint)?,
            place,
            identity: (identity, version),
            client,
        })
    }

    /// A session of those that steps with this credential share.
    async fn lease(
        &self,
        request: &StepRequest,
        wanted: &Wanted,
        way: &Way<S::Login>,
    ) -> Result<(Arc<Pool<S>>, Lease<S>), StepFault> {
        let timeout = wanted.connect_timeout;
        let failed = |error: sqlx::Error| meaning(&way.place, self.server.refusal, "", &error);
        let silent = || {
            let seconds = timeout.as_secs();
            StepFault::new(format!("cannot reach {}: no answer within {seconds} s", way.place))
        };
        let open = || async {
            let opened = tokio::time::timeout(timeout, guarded(S::open(&way.login))).await;
            let session = opened.map_err(|_| silent())?.map_err(failed)?;
            Ok(Pool::new(session, wanted.sessions_max))
        };
        let pool = self.clients.get(way.identity, (&request.usage, &way.client), open).await?;
        let free = pool.wait().await.map_err(failed)?;
        let taken = tokio::time::timeout(timeout, guarded(pool.take(free, &way.login))).await;
        let lease = taken.map_err(|_| silent())?.map_err(failed)?;
        Ok((pool, lease))
    }
}

/// What two steps with a URL must have in common.
fn of_dsn(endpoint: &Endpoint, nothing: Identity) -> Result<Identity, StepFault> {
    Ok(nothing.and([
        endpoint.place.shown().as_bytes(),
        endpoint.username.as_bytes(),
        endpoint.password()?.as_bytes(),
        endpoint.mode.as_bytes(),
        endpoint.authorities.as_deref().unwrap_or_default(),
    ]))
}
