//! The shared key of Azure Storage, for blobs.
//!
//! <https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key>

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subrosa_http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use subrosa_http::{Call, Url, sensitive};
use zeroize::Zeroizing;

use super::ApplyError;
use super::values::{Values, decode};

const DATE: HeaderName = HeaderName::from_static("x-ms-date");
const VERSION: HeaderName = HeaderName::from_static("x-ms-version");
/// Since this version an empty body has no length in what is signed.
const PROTOCOL: &str = "2021-08-06";

/// Signs a request for the blob service.
pub(super) fn sign(
    values: &Values<'_>,
    call: &mut Call,
    now: SystemTime,
) -> Result<(), ApplyError> {
    let account = values.text("account")?;
    if account.is_empty() || !account.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(ApplyError::Misplaced { field: "account".to_owned() });
    }
    let key = values.needed("account_key")?;
    #[expect(clippy::disallowed_methods, reason = "the key signs")]
    let key = BASE64.decode(key.expose()).map(Zeroizing::new);
    let key = key.map_err(|_| ApplyError::Key { field: "account_key".to_owned() })?;
    let date = HeaderValue::from_str(&http_date(now)).expect("a date is plain text");
    call.headers.insert(DATE, date);
    call.headers.insert(VERSION, HeaderValue::from_static(PROTOCOL));
    let text = Zeroizing::new(string_to_sign(&account, call));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    let signature = BASE64.encode(&mac.finalize().into_bytes());
    let header = Zeroizing::new(format!("SharedKey {account}:{signature}").into_bytes());
    let value = sensitive(header).expect("the account has letters and digits, the rest is base64");
    call.headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn string_to_sign(account: &str, call: &Call) -> String {
    let headers = &call.headers;
    let length = call.body.as_ref().map_or(0, |body| body.len());
    let length = if length == 0 { String::new() } else { length.to_string() };
    let mut text = format!("{}\n", call.method.as_str());
    // `Date` stays empty: `x-ms-date` stands for it.
    for name in ["content-encoding", "content-language"] {
        text.push_str(&format!("{}\n", value(headers, name)));
    }
    text.push_str(&format!("{length}\n"));
    for name in ["content-md5", "content-type"] {
        text.push_str(&format!("{}\n", value(headers, name)));
    }
    text.push('\n');
    for name in ["if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"] {
        text.push_str(&format!("{}\n", value(headers, name)));
    }
    let own: BTreeMap<&str, String> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-ms-"))
        .map(|name| (name.as_str(), value(headers, name.as_str())))
        .collect();
    for (name, value) in own {
        text.push_str(&format!("{name}:{value}\n"));
    }
    text.push_str(&resource(account, &call.url));
    text
}

fn value(headers: &HeaderMap, name: &str) -> String {
    let found = headers.get(name).and_then(|value| value.to_str().ok());
    found.unwrap_or_default().trim().to_owned()
}

fn resource(account: &str, url: &Url) -> String {
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| String::from_utf8_lossy(&decode(text)).into_owned();
        parameters.entry(plain(name).to_ascii_lowercase()).or_default().push(plain(value));
    }
    let mut text = format!("/{account}{}", url.path());
    for (name, mut values) in parameters {
        values.sort();
        text.push_str(&format!("\n{name}:{}", values.join(",")));
    }
    text
}

/// A time as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // The first of January 1970 was a Thursday.
    let day = DAYS[usize::try_from(seconds / 86_400 % 7).unwrap_or(0)];
    let written = humantime::format_rfc3339_seconds(time).to_string();
    let part = |range: Range<usize>| written.get(range).unwrap_or_default().to_owned();
    let month = part(5..7).parse::<usize>().ok().and_then(|month| MONTHS.get(month - 1));
    let (year, date, clock) = (part(0..4), part(8..10), part(11..19));
    format!("{day}, {date} {} {year} {clock} GMT", month.unwrap_or(&"Jan"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::http_date;

    #[test]
    fn dates_are_written_as_in_http() {
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
