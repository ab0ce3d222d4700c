//! The help of `serve`.

pub(crate) const EXIT_CODES_SERVE: &str = "\
Exit codes:
  0      it was asked to stop, and stopped
  2      the command line makes no sense
  5      it cannot listen, or what it keeps cannot be used";

pub(crate) const SERVE: &str = "\
Serves the web pages and the REST API of the workflows in FOLDER, of their
runs, and of the registry. The first start prints a link that lets the first
admin in, once.

The process that listens has no key of the registry and can open no value:
values go in, sealed to a second process, the runner, which starts the runs.
Ctrl-C or TERM stops it: it takes no more requests, and ends when the runs
have; a second signal stops them.

Examples:
  subrosa serve
  subrosa serve workflows --bind 0.0.0.0:8443 --tls-cert c.pem --tls-key k.pem
  subrosa serve --public-url https://flows.example.com    behind a proxy
  subrosa serve --admin-link            nobody can come in any more

docs/server.md has all of it; /api/v1/openapi.json describes the API.";
