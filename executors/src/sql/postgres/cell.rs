//! What columns of PostgreSQL hold, from the server's binary form or from its texts.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html> leaves the binary forms to the types'
//! sources; they are as in `src/backend/utils/adt`.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use chrono::{Duration, NaiveDate, NaiveDateTime};
use data_encoding::HEXLOWER;
use sqlx::postgres::{PgRow, PgTypeInfo, PgTypeKind, PgValueFormat};
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::array;
use crate::sql::value::{Cell, Unreadable, bytes, json, number, timestamp, write_json};

/// The value of a column.
pub(super) fn of_row(row: &PgRow, index: usize) -> Result<Cell, Unreadable> {
    let unreadable = || Unreadable {
        column: row.column(index).name().to_owned(),
        kind: row.column(index).type_info().name().to_owned(),
    };
    let raw = row.try_get_raw(index).map_err(|_| unreadable())?;
    if raw.is_null() {
        return Ok(Cell::Null);
    }
    let kind = raw.type_info().into_owned();
    let format = raw.format();
    let value = raw.as_bytes().map_err(|_| unreadable())?;
    let found = match format {
        PgValueFormat::Text => {
            std::str::from_utf8(value).ok().map(|text| of_text(kind.name(), text))
        }
        PgValueFormat::Binary => of_binary(&kind, value),
    };
    found.ok_or_else(unreadable)
}

/// A value as the server writes it.
pub(super) fn of_text(kind: &str, text: &str) -> Cell {
    let plain = || Cell::Text(text.to_owned());
    match kind {
        "BOOL" => Cell::Plain((text == "t").to_string()),
        "INT2" | "INT4" | "INT8" | "OID" | "FLOAT4" | "FLOAT8" | "NUMERIC" => {
            number(text.to_owned())
        }
        "JSON" | "JSONB" => json(text).unwrap_or_else(plain),
        "TIMESTAMP" => timestamp(text),
        "TIMESTAMPTZ" => match text.strip_suffix("+00") {
            Some(universal) => timestamp(&format!("{universal}Z")),
            None => timestamp(text),
        },
        _ => match kind.strip_suffix("[]") {
            Some(element) => array::of_text(element, text).unwrap_or_else(plain),
            None => plain(),
        },
    }
}

/// A value in the server's binary form.
fn of_binary(kind: &PgTypeInfo, value: &[u8]) -> Option<Cell> {
    match kind.kind() {
        PgTypeKind::Array(element) => array::of_binary(value, &|value| of_binary(element, value)),
        PgTypeKind::Domain(inner) => of_binary(inner, value),
        PgTypeKind::Enum(_) => text(value),
        PgTypeKind::Composite(fields) => composite(fields, value),
        PgTypeKind::Simple => simple(kind.name(), value),
        PgTypeKind::Pseudo if kind.name().eq_ignore_ascii_case("void") => Some(Cell::Null),
        PgTypeKind::Pseudo | PgTypeKind::Range(_) => None,
    }
}

pub(super) fn simple(kind: &str, value: &[u8]) -> Option<Cell> {
    Some(match kind {
        "BOOL" => Cell::Plain((value.first()? != &0).to_string()),
        "INT2" => Cell::Plain(i16::from_be_bytes(value.try_into().ok()?).to_string()),
        "INT4" => Cell::Plain(i32::from_be_bytes(value.try_into().ok()?).to_string()),
        "INT8" => Cell::Plain(whole(value)?.to_string()),
        "OID" => Cell::Plain(u32::from_be_bytes(value.try_into().ok()?).to_string()),
        "FLOAT4" => float(f64::from(f32::from_be_bytes(value.try_into().ok()?)), || {
            f32::from_be_bytes(value.try_into().unwrap_or_default()).to_string()
        }),
        "FLOAT8" => {
            let found = f64::from_be_bytes(value.try_into().ok()?);
            float(found, || found.to_string())
        }
        "NUMERIC" => number(numeric(value)?),
        "UUID" => Cell::Text(uuid(value)?),
        "JSON" => json(std::str::from_utf8(value).ok()?)?,
        // The first byte is the version of the form.
        "JSONB" => json(std::str::from_utf8(value.strip_prefix(&[1])?).ok()?)?,
        "BYTEA" => bytes(value),
        "DATE" => Cell::Text(date(i32::from_be_bytes(value.try_into().ok()?))?),
        "TIME" => Cell::Text(time(whole(value)?)),
        "TIMETZ" => {
            let (micros, zone) = value.split_first_chunk::<8>()?;
            let seconds_west = i32::from_be_bytes(zone.try_into().ok()?);
            Cell::Text(time(i64::from_be_bytes(*micros)) + &offset(-seconds_west))
        }
        "TIMESTAMP" => Cell::Text(moment(whole(value)?, "")?),
        "TIMESTAMPTZ" => Cell::Text(moment(whole(value)?, "Z")?),
        "INTERVAL" => Cell::Text(interval(value)?),
        "INET" | "CIDR" => Cell::Text(network(value)?),
        "MACADDR" | "MACADDR8" => {
            let pairs: Vec<String> = value.iter().map(|byte| HEXLOWER.encode(&[*byte])).collect();
            Cell::Text(pairs.join(":"))
        }
        "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "\"CHAR\"" | "UNKNOWN" | "XML" | "citext" => {
            return text(value);
        }
        "VOID" => Cell::Null,
        _ => return None,
    })
}

fn text(value: &[u8]) -> Option<Cell> {
    std::str::from_utf8(value).ok().map(|text| Cell::Text(text.to_owned()))
}

fn whole(value: &[u8]) -> Option<i64> {
    Some(i64::from_be_bytes(value.try_into().ok()?))
}

/// As the server writes those that are no numbers.
fn float(found: f64, finite: impl FnOnce() -> String) -> Cell {
    if found.is_nan() {
        Cell::Text("NaN".to_owned())
    } else if found.is_infinite() {
        Cell::Text(if found > 0.0 { "Infinity" } else { "-Infinity" }.to_owned())
    } else {
        number(finite())
    }
}

fn composite(fields: &[(String, PgTypeInfo)], value: &[u8]) -> Option<Cell> {
    let (count, mut rest) = value.split_first_chunk::<4>()?;
    if usize::try_from(i32::from_be_bytes(*count)).ok()? != fields.len() {
        return None;
    }
    let mut out = "{".to_owned();
    for (index, (name, kind)) in fields.iter().enumerate() {
        let (_, after) = rest.split_first_chunk::<4>()?;
        let (cell, after) = array::element(after, &|value| of_binary(kind, value))?;
        rest = after;
        if index > 0 {
            out.push(',');
        }
        write_json(&mut out, &Cell::Text(name.clone()));
        out.push(':');
        write_json(&mut out, &cell);
    }
    out.push('}');
    Some(Cell::Json(out))
}

/// Digits to the base of 10,000, and how many decimals are shown.
pub(super) fn numeric(value: &[u8]) -> Option<String> {
    let field = |index: usize| {
        let bytes = value.get(index * 2..index * 2 + 2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    };
    let (count, sign, scale) = (usize::from(field(0)?), field(2)?, usize::from(field(3)?));
    let weight = i32::from(field(1)?.cast_signed());
    match sign {
        0xc000 => return Some("NaN".to_owned()),
        0xd000 => return Some("Infinity".to_owned()),
        0xf000 => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let digit = |place: i32| {
        let index = usize::try_from(weight - place).ok().filter(|index| *index < count);
        index.map_or(Some(0), |index| field(4 + index))
    };
    let mut out = if sign == 0x4000 { "-".to_owned() } else { String::new() };
    for place in (0..=weight.max(0)).rev() {
        let found = digit(place)?;
        if place == weight.max(0) {
            write!(out, "{found}").ok()?;
        } else {
            write!(out, "{found:04}").ok()?;
        }
    }
    if scale > 0 {
        let mut decimals = String::new();
        for place in 1..=i32::try_from(scale.div_ceil(4)).ok()? {
            write!(decimals, "{:04}", digit(-place)?).ok()?;
        }
        out.push('.');
        out.push_str(decimals.get(..scale)?);
    }
    Some(out)
}

fn uuid(value: &[u8]) -> Option<String> {
    let hex = HEXLOWER.encode(value);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range));
    let parts: Option<Vec<&str>> = parts.into_iter().collect();
    Some(parts?.join("-"))
}

/// The day that the server counts from.
pub(super) fn epoch() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN)
}

fn date(days: i32) -> Option<String> {
    match days {
        i32::MAX => Some("infinity".to_owned()),
        i32::MIN => Some("-infinity".to_owned()),
        _ => {
            let found = epoch().checked_add_signed(Duration::try_days(i64::from(days))?)?;
            Some(found.date().to_string())
        }
    }
}

fn moment(micros: i64, zone: &str) -> Option<String> {
    match micros {
        i64::MAX => Some("infinity".to_owned()),
        i64::MIN => Some("-infinity".to_owned()),
        _ => {
            let found = epoch().checked_add_signed(Duration::microseconds(micros))?;
            let day = found.date();
            let since = found.signed_duration_since(day.and_time(chrono::NaiveTime::MIN));
            Some(format!("{day}T{}{zone}", time(since.num_microseconds()?)))
        }
    }
}

/// Microseconds of a day, or of less than nothing.
fn time(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = match rest {
        0 => String::new(),
        rest => format!(".{rest:06}").trim_end_matches('0').to_owned(),
    };
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
}

fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    match (seconds / 60 % 60, seconds % 60) {
        (0, 0) => format!("{sign}{:02}", seconds / 3600),
        (minutes, 0) => format!("{sign}{:02}:{minutes:02}", seconds / 3600),
        (minutes, rest) => format!("{sign}{:02}:{minutes:02}:{rest:02}", seconds / 3600),
    }
}

/// As the server writes it: `1 year 2 mons -3 days +04:05:06`.
fn interval(value: &[u8]) -> Option<String> {
    let (micros, rest) = value.split_first_chunk::<8>()?;
    let (days, months) = rest.split_first_chunk::<4>()?;
    let micros = i64::from_be_bytes(*micros);
    let days = i32::from_be_bytes(*days);
    let months = i32::from_be_bytes(months.try_into().ok()?);
    let mut parts = Vec::new();
    let mut was_negative = false;
    for (count, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if count == 0 {
            continue;
        }
        let sign = if was_negative && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        parts.push(format!("{sign}{count} {unit}{plural}"));
        was_negative = count < 0;
    }
    if micros != 0 || parts.is_empty() {
        let sign = if was_negative && micros >= 0 { "+" } else { "" };
        parts.push(format!("{sign}{}", time(micros)));
    }
    Some(parts.join(" "))
}

fn network(value: &[u8]) -> Option<String> {
    let [_, bits, is_network, length, address @ ..] = value else { return None };
    let (address, whole) = match length {
        4 => (Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).to_string(), 32),
        16 => (Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).to_string(), 128),
        _ => return None,
    };
    let is_host = *bits == whole && *is_network == 0;
    Some(if is_host { address } else { format!("{address}/{bits}") })
}
