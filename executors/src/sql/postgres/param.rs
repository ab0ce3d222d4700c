//! Values for the parameters of PostgreSQL, made of the types that the server wants.
//!
//! They are made here: what the server cannot read it quotes in its log.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, PgTypeKind, Postgres};
use sqlx::{Arguments as _, Type, TypeInfo as _};
use subrosa_engine::kind::StepFault;
use zeroize::Zeroizing;

use super::cell::epoch;
use crate::sql::fault::Broken;
use crate::sql::value::Param;
use crate::sql::wanted::plain;

/// A value in the server's binary form.
struct Binary {
    kind: PgTypeInfo,
    value: Option<Zeroizing<Vec<u8>>>,
}

impl Type<Postgres> for Binary {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("text")
    }
}

impl Encode<'_, Postgres> for Binary {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(value) = &self.value else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(value);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.clone())
    }
}

/// The values of a statement's parameters.
pub(super) fn arguments(kinds: &[PgTypeInfo], params: &[Param]) -> Result<PgArguments, Broken> {
    let mut arguments = PgArguments::default();
    for (index, (kind, param)) in kinds.iter().zip(params).enumerate() {
        let value = match param {
            Param::Null => None,
            other => Some(binary(kind, other)?.ok_or_else(|| bad(index, kind))?),
        };
        arguments.add(Binary { kind: kind.clone(), value }).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn bad(index: usize, kind: &PgTypeInfo) -> StepFault {
    let (place, kind) = (index + 1, kind.name().to_ascii_lowercase());
    StepFault::new(format!("parameter {place} is no value of the type `{kind}`"))
        .help(format!("mend it, or have the server read it: `${place}::text::{kind}`"))
}

type Bytes = Zeroizing<Vec<u8>>;

/// A value of a type; `None` if it is none of it.
fn binary(kind: &PgTypeInfo, param: &Param) -> Result<Option<Bytes>, StepFault> {
    match kind.kind() {
        PgTypeKind::Domain(inner) => return binary(inner, param),
        PgTypeKind::Array(element) => {
            return match param {
                Param::List(items) => array(element, items),
                _ => Ok(None),
            };
        }
        PgTypeKind::Simple
        | PgTypeKind::Enum(_)
        | PgTypeKind::Pseudo
        | PgTypeKind::Composite(_)
        | PgTypeKind::Range(_) => {}
    }
    let text = text(param)?;
    let Some(text) = text else { return Ok(None) };
    Ok(match kind.kind() {
        PgTypeKind::Enum(_) => Some(Zeroizing::new(text.as_bytes().to_vec())),
        PgTypeKind::Simple => simple(kind.name(), &text),
        _ => None,
    })
}

/// A value as a text.
fn text(param: &Param) -> Result<Option<Zeroizing<String>>, StepFault> {
    Ok(match param {
        Param::Null => None,
        Param::Flag(flag) => Some(Zeroizing::new(flag.to_string())),
        Param::Number(number) => Some(Zeroizing::new(number.clone())),
        Param::Text(text) | Param::Json(text) => Some(plain(text, "params")?),
        Param::List(items) => Some(list(items)?),
    })
}

/// A list as a document.
fn list(items: &[Param]) -> Result<Zeroizing<String>, StepFault> {
    let mut out = Zeroizing::new("[".to_owned());
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match item {
            Param::Null => out.push_str("null"),
            Param::Text(text) => {
                let text = plain(text, "params")?;
                let quoted = serde_json::to_string(text.as_str()).unwrap_or_default();
                out.push_str(&Zeroizing::new(quoted));
            }
            other => out.push_str(&text(other)?.unwrap_or_default()),
        }
    }
    out.push(']');
    Ok(out)
}

fn array(element: &PgTypeInfo, items: &[Param]) -> Result<Option<Bytes>, StepFault> {
    let (Some(oid), Ok(length)) = (element.oid(), i32::try_from(items.len())) else {
        return Ok(None);
    };
    let dimensions = i32::from(length > 0);
    let has_null = i32::from(items.iter().any(|item| matches!(item, Param::Null)));
    let mut out = Zeroizing::new(Vec::new());
    out.extend_from_slice(&dimensions.to_be_bytes());
    out.extend_from_slice(&has_null.to_be_bytes());
    out.extend_from_slice(&oid.0.to_be_bytes());
    if length > 0 {
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&1_i32.to_be_bytes());
    }
    for item in items {
        if matches!(item, Param::Null) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            continue;
        }
        let Some(value) = binary(element, item)? else { return Ok(None) };
        let Ok(length) = i32::try_from(value.len()) else { return Ok(None) };
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&value);
    }
    Ok(Some(out))
}

/// A value of a type of the server's own.
fn simple(kind: &str, text: &str) -> Option<Bytes> {
    let trimmed = text.trim();
    let bytes = |bytes: &[u8]| Some(Zeroizing::new(bytes.to_vec()));
    match kind {
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "XML" | "citext" => {
            bytes(text.as_bytes())
        }
        "INT2" => bytes(&trimmed.parse::<i16>().ok()?.to_be_bytes()),
        "INT4" => bytes(&trimmed.parse::<i32>().ok()?.to_be_bytes()),
        "INT8" => bytes(&trimmed.parse::<i64>().ok()?.to_be_bytes()),
        "OID" => bytes(&trimmed.parse::<u32>().ok()?.to_be_bytes()),
        "FLOAT4" => bytes(&trimmed.parse::<f32>().ok()?.to_be_bytes()),
        "FLOAT8" => bytes(&trimmed.parse::<f64>().ok()?.to_be_bytes()),
        "NUMERIC" => numeric(trimmed),
        "BOOL" => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "on" | "1" => bytes(&[1]),
            "false" | "f" | "no" | "off" | "0" => bytes(&[0]),
            _ => None,
        },
        "UUID" => {
            let digits: String = trimmed.chars().filter(|c| !"-{}".contains(*c)).collect();
            let found = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?;
            (found.len() == 16).then_some(Zeroizing::new(found))
        }
        "JSON" | "JSONB" => {
            serde_json::from_str::<&serde_json::value::RawValue>(trimmed).ok()?;
            let version: &[u8] = if kind == "JSONB" { &[1] } else { &[] };
            bytes(&Zeroizing::new([version, trimmed.as_bytes()].concat()))
        }
        "BYTEA" => match text.strip_prefix("\\x") {
            Some(digits) => HEXLOWER.decode(digits.as_bytes()).ok().map(Zeroizing::new),
            None => bytes(text.as_bytes()),
        },
        "DATE" => {
            let found = NaiveDate::parse_from_str(trimmed, "%Y-%m-%d").ok()?;
            let days = found.signed_duration_since(epoch().date()).num_days();
            bytes(&i32::try_from(days).ok()?.to_be_bytes())
        }
        "TIME" => {
            let forms = ["%H:%M:%S%.f", "%H:%M"];
            let found = forms.iter().find_map(|form| NaiveTime::parse_from_str(trimmed, form).ok());
            let since = found?.signed_duration_since(NaiveTime::MIN);
            bytes(&since.num_microseconds()?.to_be_bytes())
        }
        "TIMESTAMP" => bytes(&micros(local(trimmed)?)?.to_be_bytes()),
        "TIMESTAMPTZ" => bytes(&micros(universal(trimmed)?)?.to_be_bytes()),
        _ => None,
    }
}

fn micros(of: NaiveDateTime) -> Option<i64> {
    of.signed_duration_since(epoch()).num_microseconds()
}

fn local(text: &str) -> Option<NaiveDateTime> {
    let forms =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let day = || Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN));
    forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).or_else(day)
}

/// A time with its zone; without one it would be of whatever zone the session has.
fn universal(text: &str) -> Option<NaiveDateTime> {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"];
    let found = DateTime::parse_from_rfc3339(text).ok();
    let found =
        found.or_else(|| forms.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()));
    Some(found?.naive_utc())
}

/// Digits to the base of 10,000, as the server has them.
fn numeric(text: &str) -> Option<Bytes> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (0x4000_u16, rest),
        None => (0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{decimals}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if exponent.abs() > 1000 || digits.len() > 10_000 {
        return None;
    }
    // The point stands so many digits from the left.
    let mut point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let scale = u16::try_from((i32::try_from(decimals.len()).ok()? - exponent).max(0)).ok()?;
    // Whole groups of four on both sides of the point.
    let lead = usize::try_from((4 - point.rem_euclid(4)) % 4).ok()?;
    digits.insert_str(0, &"0".repeat(lead));
    point += i32::try_from(lead).ok()?;
    let tail = (4 - digits.len() % 4) % 4;
    digits.push_str(&"0".repeat(tail));
    let groups = digits
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0')));
    let groups: Vec<u16> = groups.collect();
    let first = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    let last = groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1);
    let kept = &groups[first..last];
    let weight = if kept.is_empty() { 0 } else { point / 4 - 1 - i32::try_from(first).ok()? };
    let mut out = Zeroizing::new(Vec::new());
    out.extend_from_slice(&u16::try_from(kept.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&i16::try_from(weight).ok()?.to_be_bytes());
    out.extend_from_slice(&if kept.is_empty() { 0 } else { sign }.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    kept.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{numeric, simple};
    use crate::sql::postgres::{array, cell};
    use crate::sql::value::Cell;

    const KINDS: [&str; 22] = [
        "BOOL",
        "INT2",
        "INT4",
        "INT8",
        "OID",
        "FLOAT4",
        "FLOAT8",
        "NUMERIC",
        "UUID",
        "JSON",
        "JSONB",
        "BYTEA",
        "DATE",
        "TIME",
        "TIMETZ",
        "TIMESTAMP",
        "TIMESTAMPTZ",
        "INTERVAL",
        "INET",
        "MACADDR",
        "TEXT",
        "MONEY",
    ];

    proptest! {
        #[test]
        fn a_number_comes_back_as_it_was(text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?") {
            let sent = numeric(&text).unwrap();
            let is_zero = text.chars().all(|c| "-0.".contains(c));
            let expected = if is_zero { text.trim_start_matches('-') } else { text.as_str() };
            prop_assert_eq!(cell::numeric(&sent).unwrap(), expected);
        }

        #[test]
        fn what_is_no_number_is_refused(text in "[-+.eE0-9a ]{0,12}") {
            let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
            prop_assert!(numeric(&text).is_none() || is_number, "{}", text);
        }

        #[test]
        fn a_value_comes_back_as_it_was(days in -700_000..3_000_000_i32, micros in any::<i64>()) {
            for (kind, bytes) in [
                ("DATE", days.to_be_bytes().to_vec()),
                ("TIMESTAMP", (micros / 100).to_be_bytes().to_vec()),
                ("TIMESTAMPTZ", (micros / 100).to_be_bytes().to_vec()),
                ("INT8", micros.to_be_bytes().to_vec()),
            ] {
                let Some(Cell::Text(text) | Cell::Plain(text)) = cell::simple(kind, &bytes) else {
                    return Err(TestCaseError::fail(kind));
                };
                // The calendar's first years have signs that are read by nobody.
                if !text.starts_with(['-', '+']) || kind == "INT8" {
                    prop_assert_eq!(&simple(kind, &text).unwrap()[..], &bytes[..], "{} {}", kind, text);
                }
            }
        }

        #[test]
        fn no_bytes_and_no_text_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..40), text in ".{0,24}") {
            for kind in KINDS {
                drop(cell::simple(kind, &bytes));
                drop(cell::of_text(kind, &text));
                drop(cell::of_text(&format!("{kind}[]"), &text));
                drop(simple(kind, &text));
                drop(array::of_binary(&bytes, &|value| cell::simple(kind, value)));
            }
        }
    }
}
