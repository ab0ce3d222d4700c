//! Refusals as `application/problem+json` (RFC 9457), the one form in which the API says no.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Verdict;
use crate::channel::runs::ProblemView;
use crate::channel::{Refusal, RefusalKind};

/// Why a request was refused, in words that may be shown: never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `about:blank`: the status says what it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// What the status is called.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// The status.
    #[schema(example = 404)]
    status: u16,
    /// What was found.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    help: Option<Box<str>>,
    /// What is wrong with a workflow, or with what its run was given.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<ProblemView>, required = false)]
    problems: Box<[ProblemView]>,
    /// The run whose record says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    run: Option<Box<str>>,
    /// After how many seconds it may be tried again.
    #[serde(skip)]
    retry_after_s: Option<u64>,
    /// Whether it was for a token that does not hold.
    #[serde(skip)]
    is_bad_token: bool,
}

impl Problem {
    /// A refusal.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into().into_boxed_str(),
            help: None,
            problems: Box::default(),
            run: None,
            retry_after_s: None,
            is_bad_token: false,
        }
    }

    /// What was sent makes no sense.
    pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// There is no such thing, or none that the caller may see: the two are told alike.
    pub(crate) fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "there is no such thing, or you may not see it")
    }

    /// It may be seen and not done.
    pub(crate) fn forbidden() -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "your role does not allow this").help(
            "somebody who manages this workspace can do it, or an admin can give you the role",
        )
    }

    /// Nobody is signed in.
    pub(crate) fn unauthenticated() -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "this takes a session or a token")
            .help("sign in, or send `Authorization: Bearer TOKEN`")
    }

    /// A token was shown that does not hold.
    pub(crate) fn bad_token() -> Problem {
        let detail = "the token is unknown, revoked or expired, or its user may not come in";
        let mut problem = Problem::new(StatusCode::UNAUTHORIZED, detail);
        problem.is_bad_token = true;
        problem.help("make another under Settings")
    }

    /// A bug, or the disk; what it was stands in the log.
    pub(crate) fn broken(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// Adds how to mend it.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into().into_boxed_str());
        self
    }

    /// Adds when it may be tried again.
    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u64) -> Problem {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Adds what is wrong with a workflow, and the run whose record says so.
    #[must_use]
    pub(crate) fn about(mut self, problems: Vec<ProblemView>, run: Option<String>) -> Problem {
        (self.problems, self.run) = (problems.into(), run.map(String::into_boxed_str));
        self
    }

    /// What is wrong with a workflow.
    pub(crate) fn problems(&self) -> &[ProblemView] {
        &self.problems
    }

    /// The run whose record says so.
    pub(crate) fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What was found.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// What was found and how to mend it, in a line.
    pub(crate) fn told(&self) -> String {
        match &self.help {
            Some(help) => format!("{}: {help}", self.detail),
            None => self.detail.to_string(),
        }
    }

    /// How to mend it.
    pub(crate) fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status(), self.retry_after_s);
        let challenge = match self.is_bad_token {
            true => "Bearer realm=\"subrosa\", error=\"invalid_token\"",
            false => "Bearer realm=\"subrosa\"",
        };
        let mut response = (status, Json(&self)).into_response();
        // Pages tell it as a page.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let status = match refusal.kind {
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Exists => StatusCode::CONFLICT,
            RefusalKind::Changed => StatusCode::PRECONDITION_FAILED,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            RefusalKind::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Problem::new(status, refusal.message);
        match refusal.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

impl Verdict {
    /// Goes on if it is allowed.
    pub(crate) fn check(self) -> Result<(), Problem> {
        match self {
            Verdict::Allowed => Ok(()),
            Verdict::Forbidden => Err(Problem::forbidden()),
            Verdict::Hidden => Err(Problem::not_found()),
        }
    }
}
