//! What the browser shows when it has come back: plain HTML that loads nothing, and holds nothing of the
//! request.

use crate::oauth::{ErrorWord, Refusal};

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The tokens are here.
    Granted,
    /// Access was not granted.
    Denied(Option<ErrorWord>),
    /// It was granted, and then something failed.
    Failed,
    /// The request is refused.
    Refused(Refusal),
    /// There is nothing at this path.
    NotFound,
}

impl Page {
    fn status(self) -> &'static str {
        match self {
            Page::Granted | Page::Denied(_) | Page::Failed => "200 OK",
            Page::Refused(Refusal::Malformed | Refusal::WrongState) => "400 Bad Request",
            Page::Refused(Refusal::ForeignHost | Refusal::ForeignOrigin) => "403 Forbidden",
            Page::Refused(Refusal::Method) => "405 Method Not Allowed\r\nAllow: GET",
            Page::NotFound => "404 Not Found",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Page::Granted => "Access granted",
            Page::Denied(_) => "Access not granted",
            Page::Failed => "Not authorized",
            Page::Refused(_) => "Refused",
            Page::NotFound => "Nothing here",
        }
    }

    fn text(self) -> String {
        const CLOSE: &str = "You can close this window.";
        match self {
            Page::Granted => format!("subrosa got access, and goes on in the terminal. {CLOSE}"),
            Page::Denied(Some(word)) => {
                format!("The server said <code>{word}</code>. Nothing was stored. {CLOSE}")
            }
            Page::Denied(None) => {
                format!("The server gave no reason that is known. Nothing was stored. {CLOSE}")
            }
            Page::Failed => {
                format!("No tokens came of it; the terminal says why. Nothing was stored. {CLOSE}")
            }
            Page::Refused(refusal) => format!("This request was not taken: {refusal}."),
            Page::NotFound => "Only a login that was begun in the terminal ends here.".to_owned(),
        }
    }

    /// The whole answer.
    pub(super) fn answer(self) -> String {
        let (status, title, text) = (self.status(), self.title(), self.text());
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <link rel=\"icon\" href=\"data:,\">\n<title>{title} - subrosa</title>\n\
             <style>body{{font:1rem/1.5 sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}}\
             </style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
        );
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\n\
             Content-Length: {length}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Page;
    use crate::oauth::{ErrorWord, Refusal};

    #[test]
    fn every_page_says_what_happened_and_stays_where_it_is() {
        let pages = [
            (Page::Granted, "200 OK", "Access granted"),
            (Page::Denied(Some(ErrorWord::AccessDenied)), "200 OK", "<code>access_denied</code>"),
            (Page::Denied(None), "200 OK", "no reason that is known"),
            (Page::Failed, "200 OK", "the terminal says why"),
            (Page::Refused(Refusal::WrongState), "400 Bad Request", "no authorization"),
            (Page::Refused(Refusal::ForeignHost), "403 Forbidden", "another host"),
            (Page::Refused(Refusal::Method), "405 Method Not Allowed\r\nAllow: GET", "not GET"),
            (Page::NotFound, "404 Not Found", "begun in the terminal"),
        ];
        for (page, status, text) in pages {
            let answer = page.answer();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
            assert!(head.contains("\r\nCache-Control: no-store\r\n"), "{head}");
            assert!(head.contains("\r\nReferrer-Policy: no-referrer\r\n"), "{head}");
            assert!(head.contains("default-src 'none'"), "{head}");
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
            assert!(body.contains(text), "{body}");
            assert!(!body.contains("http") && !body.contains("<script"), "{body}");
        }
    }
}
