//! What columns of MySQL hold, from texts or from the binary form that prepared statements are answered in.

use sqlx::mysql::{MySql, MySqlRow, MySqlTypeInfo, MySqlValueRef};
use sqlx::{Column as _, Decode, Row as _, Type, TypeInfo as _, ValueRef as _};

use crate::sql::value::{Cell, Unreadable, bytes, json, number, text_or_bytes, timestamp};

/// How the server sends values.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    Binary,
}

/// The value of a column.
pub(super) fn of_row(form: Form, row: &MySqlRow, index: usize) -> Result<Cell, Unreadable> {
    let unreadable = || Unreadable {
        column: row.column(index).name().to_owned(),
        kind: row.column(index).type_info().name().to_owned(),
    };
    let raw = row.try_get_raw(index).map_err(|_| unreadable())?;
    if raw.is_null() {
        return Ok(Cell::Null);
    }
    let kind = raw.type_info().into_owned();
    let found = match form {
        Form::Text => of_text(&kind, raw),
        Form::Binary => of_binary(&kind, raw),
    };
    found.ok_or_else(unreadable)
}

fn raw_bytes(raw: MySqlValueRef<'_>) -> Option<&[u8]> {
    <&[u8] as Decode<MySql>>::decode(raw).ok()
}

fn of_text(kind: &MySqlTypeInfo, raw: MySqlValueRef<'_>) -> Option<Cell> {
    let value = raw_bytes(raw)?;
    let text = || std::str::from_utf8(value).ok();
    Some(match kind.name() {
        "FLOAT" | "DOUBLE" | "DECIMAL" | "BOOLEAN" | "YEAR" => number(text()?.to_owned()),
        name if is_whole(name) => number(text()?.to_owned()),
        "DATETIME" | "TIMESTAMP" => timestamp(text()?),
        _ => common(kind, value)?,
    })
}

fn is_whole(name: &str) -> bool {
    let name = name.strip_suffix(" UNSIGNED").unwrap_or(name);
    matches!(name, "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT")
}

fn of_binary(kind: &MySqlTypeInfo, raw: MySqlValueRef<'_>) -> Option<Cell> {
    Some(match kind.name() {
        name if is_whole(name) || matches!(name, "BOOLEAN" | "YEAR") => {
            let value = raw_bytes(raw)?;
            let is_unsigned = name == "YEAR" || <u64 as Type<MySql>>::compatible(kind);
            Cell::Plain(whole(value, is_unsigned)?)
        }
        "FLOAT" => {
            let value: [u8; 4] = raw_bytes(raw)?.try_into().ok()?;
            number(f32::from_le_bytes(value).to_string())
        }
        "DOUBLE" => {
            let value: [u8; 8] = raw_bytes(raw)?.try_into().ok()?;
            number(f64::from_le_bytes(value).to_string())
        }
        "DECIMAL" => number(std::str::from_utf8(raw_bytes(raw)?).ok()?.to_owned()),
        "DATE" => Cell::Text(day(raw_bytes(raw)?.split_first()?.1)?),
        "DATETIME" | "TIMESTAMP" => Cell::Text(moment(raw_bytes(raw)?.split_first()?.1)?),
        "TIME" => Cell::Text(time(raw_bytes(raw)?.split_first()?.1)?),
        _ => common(kind, raw_bytes(raw)?)?,
    })
}

/// What both forms have alike.
fn common(kind: &MySqlTypeInfo, value: &[u8]) -> Option<Cell> {
    match kind.name() {
        "JSON" => json(std::str::from_utf8(value).ok()?),
        "BIT" => {
            let bits = value
                .iter()
                .try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
            Some(Cell::Plain(bits?.to_string()))
        }
        "GEOMETRY" => Some(bytes(value)),
        "NULL" => Some(Cell::Null),
        // Texts with a binary collation look like bytes to the driver.
        _ => Some(text_or_bytes(value)),
    }
}

/// A whole number of one to eight bytes, the least first.
fn whole(value: &[u8], is_unsigned: bool) -> Option<String> {
    let is_negative = !is_unsigned && value.last()? & 0x80 != 0;
    let mut all = [if is_negative { 0xff } else { 0 }; 8];
    all.get_mut(..value.len())?.copy_from_slice(value);
    Some(match is_unsigned {
        true => u64::from_le_bytes(all).to_string(),
        false => i64::from_le_bytes(all).to_string(),
    })
}

/// Zeros at the end are left out by the server.
fn at(value: &[u8], index: usize) -> u32 {
    value.get(index).copied().map_or(0, u32::from)
}

fn day(value: &[u8]) -> Option<String> {
    let year = at(value, 0) + 256 * at(value, 1);
    (value.len() <= 11).then(|| format!("{year:04}-{:02}-{:02}", at(value, 2), at(value, 3)))
}

fn fraction(micros: &[u8]) -> String {
    let micros = (0..4).map(|index| at(micros, index) << (8 * index)).sum::<u32>();
    if micros == 0 { String::new() } else { format!(".{micros:06}") }
}

fn moment(value: &[u8]) -> Option<String> {
    let [hours, minutes, seconds] = [4, 5, 6].map(|index| at(value, index));
    let fraction = fraction(value.get(7..).unwrap_or_default());
    Some(format!("{}T{hours:02}:{minutes:02}:{seconds:02}{fraction}", day(value)?))
}

fn time(value: &[u8]) -> Option<String> {
    let sign = if at(value, 0) == 1 { "-" } else { "" };
    let days = (0..4).map(|index| u64::from(at(value, 1 + index)) << (8 * index)).sum::<u64>();
    let hours = days * 24 + u64::from(at(value, 5));
    let fraction = fraction(value.get(8..).unwrap_or_default());
    let found = format!("{sign}{hours:02}:{:02}:{:02}{fraction}", at(value, 6), at(value, 7));
    (value.len() <= 12).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::{moment, time, whole};

    #[test]
    fn numbers_have_their_sign() {
        for (bytes, is_unsigned, expected) in [
            (&[0xff][..], false, "-1"),
            (&[0xff], true, "255"),
            (&[0, 0x80], false, "-32768"),
            (&[0xff; 8], true, "18446744073709551615"),
        ] {
            assert_eq!(whole(bytes, is_unsigned).unwrap(), expected);
        }
        assert_eq!(whole(&[0; 9], true), None);
        assert_eq!(whole(&[], false), None);
    }

    #[test]
    fn what_the_server_leaves_out_is_zero() {
        assert_eq!(moment(&[]).unwrap(), "0000-00-00T00:00:00");
        assert_eq!(moment(&[0xea, 7, 1, 2]).unwrap(), "2026-01-02T00:00:00");
        assert_eq!(
            moment(&[0xea, 7, 1, 2, 3, 4, 5, 1, 0, 0, 0]).unwrap(),
            "2026-01-02T03:04:05.000001"
        );
        assert_eq!(time(&[1, 34, 0, 0, 0, 22, 59, 59]).unwrap(), "-838:59:59");
        assert_eq!(time(&[]).unwrap(), "00:00:00");
    }
}
