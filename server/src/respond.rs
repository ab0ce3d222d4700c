//! What answers have in common: pages of lists, tags against lost updates, headers that guard browsers.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::problem::Problem;

/// Items of a page where nothing is said.
const LIMIT_DEFAULT: usize = 100;
/// Most items of a page.
const LIMIT_MAX: usize = 1000;

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items at most: 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The `cursor` of the next page; null: this is the last.
    pub(crate) next: Option<String>,
}

impl PageQuery {
    /// How many items at most.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        match self.limit {
            None => Ok(LIMIT_DEFAULT),
            Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
            Some(_) => Err(Problem::invalid("`limit` is 1 to 1000")),
        }
    }

    /// The page of a list that is sorted by `key`: what comes after the cursor.
    pub(crate) fn page<T>(
        &self,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Page<T>, Problem> {
        self.cut(items, key, |key, cursor| key > cursor)
    }

    /// The page of a list that is sorted by `key` downwards.
    pub(crate) fn page_down<T>(
        &self,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Page<T>, Problem> {
        self.cut(items, key, |key, cursor| key < cursor)
    }

    fn cut<T>(
        &self,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
        follows: fn(&str, &str) -> bool,
    ) -> Result<Page<T>, Problem> {
        let limit = self.limit()?;
        let after = self.cursor.as_deref().map(decode).transpose()?;
        let is_after = |item: &T| after.as_ref().is_none_or(|after| follows(&key(item), after));
        let mut items: Vec<T> = items.filter(is_after).take(limit + 1).collect();
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(|last| encode(&key(last)));
        Ok(Page { items, next })
    }
}

impl PageQuery {
    /// The page of a list that lies sorted by `key` in memory: what comes after the cursor and is wanted.
    /// The cursor is looked up, so the last page costs no more than the first.
    pub(crate) fn page_sorted<'a, T>(
        &self,
        items: &'a [T],
        key: impl Fn(&T) -> &str,
        mut is_wanted: impl FnMut(&T) -> bool,
    ) -> Result<Page<&'a T>, Problem> {
        let limit = self.limit()?;
        let after = self.cursor.as_deref().map(decode).transpose()?;
        let begin =
            after.map_or(0, |after| items.partition_point(|item| key(item) <= after.as_str()));
        let mut found = items[begin..].iter().filter(|item| is_wanted(item));
        let items: Vec<&T> = found.by_ref().take(limit).collect();
        let has_more = found.next().is_some();
        let next = items.last().filter(|_| has_more).map(|last| encode(key(last)));
        Ok(Page { items, next })
    }
}

fn encode(key: &str) -> String {
    data_encoding::BASE64URL_NOPAD.encode(key.as_bytes())
}

fn decode(cursor: &str) -> Result<String, Problem> {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Problem::invalid("`cursor` is not one that a page gave as `next`"))
}

/// The version that `If-Match` demands; `None`: any.
pub(crate) fn expected_version(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(shown) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = shown.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let number = number.and_then(|text| text.parse().ok());
    number
        .map(Some)
        .ok_or_else(|| Problem::invalid("`If-Match` is no tag that was given as `ETag`: `\"3\"`"))
}

/// Whether the caller has what this tag is of already: `If-None-Match` names it.
pub(crate) fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let shown = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|one| one.to_str().ok());
    let mut shown = shown.flat_map(|text| text.split(',')).map(str::trim);
    // A weak tag is as good: only whether there is something new is asked here.
    shown.any(|one| one == "*" || one.trim_start_matches("W/").as_bytes() == tag.as_bytes())
}

/// The tag of a version.
pub(crate) fn version_tag(version: Option<u64>) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", version.unwrap_or(0)))
        .unwrap_or(HeaderValue::from_static("\"0\""))
}

/// Pages run our scripts and styles only, talk to us only, and are shown in no frame.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

const GUARDS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// For a year, the browser asks over TLS alone.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// For whoever asked, this once.
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");

/// Adds to each answer what tells browsers to be careful; nothing is kept by caches unless its route says so.
pub(crate) async fn guard_browser(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        headers.entry(name).or_insert(value);
    }
    let is_personal = headers.contains_key(header::SET_COOKIE);
    if app.origin.wants_tls_only() {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(TLS_ONLY);
    }
    let kept = headers.entry(header::CACHE_CONTROL).or_insert(NOT_KEPT);
    // A new id may come with any answer; what hands one out is for one browser, whatever its route says.
    if is_personal {
        *kept = NOT_KEPT;
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{PageQuery, expected_version, is_known};

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        let all: Vec<String> = (0..7).map(|n| format!("item-{n}")).collect();
        let (mut seen, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let query = PageQuery { limit: Some(3), cursor };
            let page = query.page(all.iter().cloned(), String::clone).unwrap();
            seen.extend(page.items);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((seen, pages), (all, 3));
    }

    #[test]
    fn pages_of_a_list_downwards_follow_each_other_as_well() {
        let all: Vec<String> = (0..4).rev().map(|n| format!("item-{n}")).collect();
        let page = |cursor| {
            let query = PageQuery { limit: Some(3), cursor };
            query.page_down(all.iter().cloned(), String::clone).unwrap()
        };
        let first = page(None);
        let second = page(first.next.clone());
        assert_eq!([first.items, second.items].concat(), all);
        assert_eq!(second.next, None);
    }

    #[test]
    fn a_cursor_that_is_looked_up_leads_to_the_same_pages() {
        let all: Vec<String> = (0..50).map(|n| format!("item-{n:02}")).collect();
        let is_wanted = |item: &String| !item.ends_with('3');
        for limit in [1, 2, 7, 45, 100] {
            let (mut cursor, mut pages) = (None, Vec::new());
            loop {
                let query = PageQuery { limit: Some(limit), cursor };
                let wanted = all.iter().filter(|item| is_wanted(item)).cloned();
                let slow = query.page(wanted, String::clone).unwrap();
                let fast = query.page_sorted(&all, String::as_str, is_wanted).unwrap();
                let fast_items: Vec<String> = fast.items.into_iter().cloned().collect();
                assert_eq!((&fast_items, &fast.next), (&slow.items, &slow.next), "{limit}");
                pages.push(fast_items);
                cursor = fast.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(pages.concat().len(), 45, "{limit}");
        }
    }

    #[test]
    fn what_the_caller_has_is_told_by_any_of_its_tags() {
        let check = |text: Option<&'static str>, expected| {
            let mut headers = HeaderMap::new();
            if let Some(text) = text {
                headers.insert("if-none-match", text.parse().unwrap());
            }
            assert_eq!(is_known(&headers, &"\"x\"".parse().unwrap()), expected, "{text:?}");
        };
        check(None, false);
        check(Some("\"x\""), true);
        check(Some("W/\"x\""), true);
        check(Some("\"y\", \"x\""), true);
        check(Some("*"), true);
        check(Some("\"y\""), false);
        check(Some("x"), false);
    }

    #[test]
    fn a_limit_or_cursor_that_is_none_is_refused() {
        for (limit, cursor) in [(Some(0), None), (Some(1001), None), (None, Some("%"))] {
            let query = PageQuery { limit, cursor: cursor.map(str::to_owned) };
            assert!(query.page(std::iter::empty::<String>(), String::clone).is_err());
        }
    }

    #[test]
    fn a_tag_is_a_version_in_quotes() {
        let check = |text: Option<&'static str>, expected: Option<Option<u64>>| {
            let mut headers = HeaderMap::new();
            if let Some(text) = text {
                headers.insert("if-match", text.parse().unwrap());
            }
            assert_eq!(expected_version(&headers).ok(), expected, "{text:?}");
        };
        check(None, Some(None));
        check(Some("*"), Some(None));
        check(Some("\"3\""), Some(Some(3)));
        check(Some("3"), None);
        check(Some("\"x\""), None);
    }
}
