//! What a plain scalar is: the core schema of YAML 1.2.
//!
//! `yes`, `no`, `on` and `off` are texts, as they are for the engine whose files we read.

use super::{Scalar, Tag, Value};

impl Scalar {
    /// Whether the text stands in the file as it is, without quotes, escapes or folded lines before
    /// its first white space.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// The type and value of the scalar.
    pub fn value(&self) -> Value {
        match self.tag {
            Some(Tag::Str) => Value::Text,
            Some(Tag::Null) => Value::Null,
            Some(Tag::Int | Tag::Float | Tag::Bool) => typed(&self.text),
            None if self.plain => typed(&self.text),
            None => Value::Text,
        }
    }
}

fn typed(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        _ => number(text).unwrap_or(Value::Text),
    }
}

fn number(text: &str) -> Option<Value> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        return Some(Value::Float(sign * f64::INFINITY));
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return text.strip_prefix('+').unwrap_or(text).parse().ok().map(Value::Int);
    }
    is_decimal(unsigned).then(|| text.parse().ok().map(Value::Float)).flatten()
}

fn radix(digits: &str, base: u32) -> Option<Value> {
    // `from_str_radix` would take a sign.
    digits.bytes().next()?.is_ascii_alphanumeric().then_some(())?;
    i64::from_str_radix(digits, base).ok().map(Value::Int)
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mantissa_holds = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_holds = exponent.is_none_or(|part| {
        let part = part.strip_prefix(['-', '+']).unwrap_or(part);
        !part.is_empty() && digits(part)
    });
    mantissa_holds && exponent_holds
}

#[cfg(test)]
mod tests {
    use super::{Value, typed};

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, expected) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("null", Value::Null),
            ("nil", Value::Text),
            ("true", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("yes", Value::Text),
            ("off", Value::Text),
            ("8080", Value::Int(8080)),
            ("-1", Value::Int(-1)),
            ("+7", Value::Int(7)),
            ("007", Value::Int(7)),
            ("0x1F", Value::Int(31)),
            ("0o17", Value::Int(15)),
            ("0x", Value::Text),
            ("0x-1", Value::Text),
            ("99999999999999999999", Value::Text),
            ("1.50", Value::Float(1.5)),
            (".5", Value::Float(0.5)),
            ("1.", Value::Float(1.0)),
            ("1e3", Value::Float(1000.0)),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
            ("inf", Value::Text),
            ("nan", Value::Text),
            (".", Value::Text),
            ("1.2.3", Value::Text),
            ("1_000", Value::Text),
            ("12:30", Value::Text),
            ("e3", Value::Text),
            ("-", Value::Text),
        ] {
            assert_eq!(typed(text), expected, "{text:?}");
        }
    }
}
